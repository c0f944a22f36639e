"""Mean and covariance of a normal distribution from rows with gaps, and what may stand in the gaps.

References
----------
.. [1] A. P. Dempster, N. M. Laird, D. B. Rubin, "Maximum likelihood from incomplete data via the EM
   algorithm", Journal of the Royal Statistical Society B 39, 1977.
.. [2] R. J. A. Little, D. B. Rubin, "Statistical Analysis with Missing Data", 3rd ed., Wiley, 2019, section
   11.2.1 (the algorithm for the normal distribution).
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

__all__ = ["GappedRows", "Normal"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_TOLERANCE = 1e-6
_MOST_STEPS = 1000


class Normal:
    """A normal distribution with this mean, of shape (d,), and covariance, of shape (d, d)."""

    def __init__(self, mean: Floats, covariance: Floats) -> None:
        self.mean, self.covariance = mean, covariance

    def regression(self, seen: Bools) -> tuple[Floats, Floats, Floats]:
        """Return slopes, intercepts and residual covariance of the other columns on those seen."""
        lost = ~seen
        inner, cross = self.covariance[np.ix_(seen, seen)], self.covariance[np.ix_(seen, lost)]
        # Columns may be copies of each other.
        slopes: Floats = np.linalg.lstsq(inner, cross, rcond=1e-10)[0].T.astype(np.float64)
        rest = self.covariance[np.ix_(lost, lost)] - slopes @ cross
        return slopes, self.mean[lost] - slopes @ self.mean[seen], rest


class GappedRows:
    """Rows with NaN where a value is missing, sorted by which values are.

    Parameters
    ----------
    X : array of shape (n, d)
        Columns of comparable scale; no row lacks all values.
    """

    def __init__(self, X: Floats) -> None:
        self._X = X
        self._seen, owner = np.unique(~np.isnan(X), axis=0, return_inverse=True)
        self._rows = [np.flatnonzero(owner.reshape(-1) == k) for k in range(len(self._seen))]

    def fit(self, weights: Floats) -> Normal:
        """Return the normal distribution of largest likelihood for rows with these weights, by EM."""
        n, d = weights.sum(), self._X.shape[1]
        moments = []
        for seen, rows in zip(self._seen, self._rows, strict=True):
            part, w = self._X[np.ix_(rows, seen)], weights[rows]
            moments.append((seen, w.sum(), w @ part, (part * w[:, None]).T @ part))
        found = Normal(np.zeros(d), np.eye(d))
        for _ in range(_MOST_STEPS):
            first, second = np.zeros(d), np.zeros((d, d))
            for seen, count, sums, products in moments:
                slopes, intercept, rest = found.regression(seen)
                map_, shift = np.zeros((d, int(seen.sum()))), np.zeros(d)
                map_[seen], map_[~seen] = np.eye(int(seen.sum())), slopes
                shift[~seen] = intercept
                mapped = map_ @ sums
                first += mapped + count * shift
                crossed = np.outer(mapped, shift)
                second += map_ @ products @ map_.T + crossed + crossed.T + count * np.outer(shift, shift)
                second[np.ix_(~seen, ~seen)] += count * rest
            mean = first / n
            following = Normal(mean, second / n - np.outer(mean, mean))
            step = np.abs(following.covariance - found.covariance).max()
            found = following
            if step < _TOLERANCE:
                return found
        from sklearn.exceptions import ConvergenceWarning  # here, because scikit-learn loads pandas

        warnings.warn(
            f"EM stopped after {_MOST_STEPS} steps, the last of which changed a covariance by {step:.1g}; "
            "some columns are hardly ever seen together",
            ConvergenceWarning,
            stacklevel=3,
        )
        return found

    def filled(self, model: Normal, rng: np.random.Generator) -> Floats:
        """Return the rows with draws from the model, given what is seen, in the gaps."""
        X = self._X.copy()
        for seen, rows in zip(self._seen, self._rows, strict=True):
            if seen.all():
                continue
            slopes, intercept, rest = model.regression(seen)
            values, vectors = np.linalg.eigh(rest)
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            noise = rng.normal(size=(len(rows), len(intercept))) @ root.T
            X[np.ix_(rows, ~seen)] = X[np.ix_(rows, seen)] @ slopes.T + intercept + noise
        return X
