"""What an estimate comes with: its interval, its influence function, and what to know before believing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from causalrep.utils import DataError

__all__ = [
    "EffectResult",
    "cluster_sums",
    "joined",
    "limits",
    "simultaneous_level",
    "standard_error",
    "widened",
]

Array = NDArray[np.float64]

_N_DRAWS = 999


@dataclass(frozen=True)
class EffectResult:
    """An estimated effect, or several of them.

    Parameters
    ----------
    estimate : float or array of shape (n_effects,)
        The estimate.
    se : float or array of shape (n_effects,)
        Its standard error.
    ci : tuple of float or array of shape (n_effects, 2)
        The limits of the interval.
    influence : array of shape (n,) or (n, n_effects)
        The estimated influence function at each row: it has mean zero, and its standard deviation over the
        root of n is the standard error, where rows are independent and cross-fitting is not repeated. The
        influence of a difference of two estimates from the same rows is the difference of theirs.
    n : int
        Number of rows.
    method : str
        What was computed.
    warnings : tuple of str, default=()
        What speaks against believing it.
    names : tuple of str, default=()
        Names of the effects, where there are several.
    cluster : array of shape (n,), default=None
        Clusters of the rows as 0, 1, ..., where the standard errors allow for them.

    Notes
    -----
    Effects at rows of several contrasts of arms have one dimension more: `estimate` and `se` are of shape
    (n_rows, n_contrasts), `ci` of shape (n_rows, n_contrasts, 2), `influence` of (n, n_rows, n_contrasts).
    """

    estimate: Any
    se: Any
    ci: Any
    influence: Array = field(repr=False)
    n: int
    method: str
    warnings: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    cluster: NDArray[np.intp] | None = field(default=None, repr=False)

    @property
    def covariance(self) -> Array:
        """Covariance matrix of the estimates, of shape (n_effects, n_effects).

        Correlations are those of the influence functions, variances the squared standard errors.
        """
        influence = self.influence.reshape(len(self.influence), -1)
        sums = influence if self.cluster is None else cluster_sums(influence, self.cluster)
        scale = np.sqrt(np.sum((sums - sums.mean(axis=0)) ** 2, axis=0))
        unit = (sums - sums.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
        se = np.ravel(self.se)
        return np.asarray(unit.T @ unit * np.outer(se, se))

    def combined(self, weights: Any, *, alpha: float = 0.05) -> EffectResult:
        """Return a weighted sum of the effects, such as the difference of two of them.

        Parameters
        ----------
        weights : array of shape (n_effects,) or (n_combinations, n_effects)
            The weight of each effect.
        alpha : float in (0, 1), default=0.05
            One less the level of each interval.

        Returns
        -------
        EffectResult
            One effect, or one for each row of the weights.

        Raises
        ------
        DataError
            If there is not one weight for each effect, or `alpha` is out of range.

        Examples
        --------
        >>> import numpy as np
        >>> from causalrep.estimators import EffectResult
        >>> influence = np.array([[2.0, 2], [-2, -2], [1, -1], [-1, 1]])
        >>> estimates, ses = np.array([3.0, 1.0]), np.array([0.9, 0.9])
        >>> both = EffectResult(estimates, ses, np.zeros((2, 2)), influence, 4, "two effects")
        >>> both.combined([1, -1]).estimate
        2.0
        """
        if not 0 < alpha < 1:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
        matrix, estimates = np.asarray(weights, dtype=np.float64), np.ravel(self.estimate)
        if matrix.ndim not in (1, 2) or matrix.shape[-1] != len(estimates):
            raise DataError(
                f"`weights` must have one value for each of the {len(estimates)} effects, got shape "
                f"{matrix.shape}"
            )
        estimate = matrix @ estimates
        variance = np.einsum("...i,ij,...j->...", matrix, self.covariance, matrix)
        se = np.sqrt(np.maximum(variance, 0.0))
        influence = self.influence.reshape(len(self.influence), -1) @ matrix.T
        parts = (float(estimate), float(se)) if matrix.ndim == 1 else (estimate, se)
        ci, method = limits(parts[0], parts[1], alpha), f"{self.method}, combined"
        return replace(
            self, estimate=parts[0], se=parts[1], ci=ci, influence=influence, method=method, names=()
        )

    @property
    def pvalue(self) -> Any:
        """Two-sided p-value of no effect, by the normal approximation."""
        with np.errstate(divide="ignore", invalid="ignore"):
            p = 2 * stats.norm.sf(np.abs(np.asarray(self.estimate) / np.asarray(self.se)))
        return float(p) if np.ndim(p) == 0 else p

    def to_frame(self) -> Any:
        """Return the effects as a table.

        Returns
        -------
        pandas.DataFrame
            One row for each effect, with the columns estimate, se, low, high and pvalue.
        """
        import pandas as pd

        limits = np.reshape(np.asarray(self.ci, dtype=float), (-1, 2))
        columns = {"estimate": self.estimate, "se": self.se, "low": limits[:, 0], "high": limits[:, 1]}
        columns["pvalue"] = self.pvalue
        index = list(self._labels()) or None
        return pd.DataFrame({name: np.ravel(values) for name, values in columns.items()}, index=index)

    def _labels(self) -> tuple[str, ...]:
        """Return the name of each effect, row by row where there are several contrasts at each."""
        if np.ndim(self.estimate) < 2:
            return self.names
        return tuple(f"row {row}, {name}" for row in range(len(self.estimate)) for name in self.names)

    def __str__(self) -> str:
        estimates, ses = np.ravel(self.estimate), np.ravel(self.se)
        limits = np.reshape(np.asarray(self.ci, dtype=float), (-1, 2))
        names = self._labels() or tuple("" for _ in estimates)
        width = max((len(name) for name in names), default=0)
        lines = [
            f"{name:{width}s}{' ' if width else ''}{b:.4g} (se {s:.4g}, interval {low:.4g} to {high:.4g})"
            for name, b, s, (low, high) in zip(names, estimates, ses, limits, strict=True)
        ]
        head = f"{self.method}, n = {self.n}: "
        body = lines[0] if len(lines) == 1 else "\n  ".join(["", *lines])
        return head + body + "".join(f"\n  ! {text}" for text in self.warnings)


def standard_error(influence: Array, cluster: NDArray[np.intp] | None = None) -> Array:
    """Return the standard error of a mean with this influence function, column by column.

    Rows of one cluster may depend on each other: their influences are added up first.
    """
    n = len(influence)
    if cluster is None:
        return np.asarray(np.std(influence, axis=0, ddof=1) / np.sqrt(n))
    sums = cluster_sums(influence, cluster)
    n_clusters = len(sums)
    sums -= sums.mean(axis=0)
    return np.asarray(np.sqrt((sums**2).sum(axis=0) * n_clusters / (n_clusters - 1)) / n)


def simultaneous_level(
    influence: Array, alpha: float, cluster: NDArray[np.intp] | None, generator: np.random.Generator
) -> float:
    """Return the `alpha` at which pointwise intervals hold together with probability 1 - `alpha`.

    The largest of the t statistics is drawn by Gaussian multipliers of the rows, or of the clusters (V.
    Chernozhukov, D. Chetverikov, K. Kato, "Gaussian approximations and multiplier bootstrap for maxima of
    sums of high-dimensional random vectors", Annals of Statistics 41, 2013).
    """
    sums = influence if cluster is None else cluster_sums(influence, cluster)
    spread = sums.std(axis=0, ddof=1)
    scaled = sums[:, spread > 0] / spread[spread > 0] / np.sqrt(len(sums))
    if scaled.shape[1] == 0:
        return alpha
    draws = generator.normal(size=(_N_DRAWS, len(sums)))
    largest = float(np.quantile(np.abs(draws @ scaled).max(axis=1), 1 - alpha))
    return 2 * float(stats.norm.sf(largest))


def cluster_sums(influence: Array, cluster: NDArray[np.intp]) -> Array:
    """Return the sum of the influences of each cluster, of shape (n_clusters, ...)."""
    sums = np.zeros((int(cluster.max()) + 1, *influence.shape[1:]))
    np.add.at(sums, cluster, influence)
    return sums


def joined(results: Sequence[EffectResult], contrasts: Sequence[str], what: str) -> EffectResult:
    """Return the results of several contrasts as one: side by side, or at rows in columns."""
    first = results[0]
    if np.ndim(first.estimate) == 1 and not first.names:  # effects at rows
        parts = {
            name: np.stack([getattr(one, name) for one in results], axis=axis)
            for name, axis in (("estimate", -1), ("se", -1), ("ci", 1), ("influence", -1))
        }
        names = tuple(contrasts)
    else:
        shapes = {"estimate": (-1,), "se": (-1,), "ci": (-1, 2), "influence": (len(first.influence), -1)}
        parts = {
            name: np.concatenate([np.reshape(getattr(one, name), shape) for one in results], axis=axis)
            for (name, shape), axis in zip(shapes.items(), (0, 0, 0, 1), strict=True)
        }
        names = tuple(
            f"{contrast}: {name}" if name else contrast
            for contrast, one in zip(contrasts, results, strict=True)
            for name in (one.names or ("",))
        )
    said = tuple(dict.fromkeys(text for one in results for text in one.warnings))
    return EffectResult(**parts, n=first.n, method=what, warnings=said, names=names, cluster=first.cluster)


def limits(estimate: Any, se: Any, alpha: float) -> Any:
    """Return the normal interval: a pair of floats, or an array of shape (n_effects, 2)."""
    half = stats.norm.isf(alpha / 2) * np.asarray(se)
    low, high = np.asarray(estimate) - half, np.asarray(estimate) + half
    return (float(low), float(high)) if np.ndim(low) == 0 else np.stack([low, high], axis=-1)


def widened(result: EffectResult, rows: NDArray[np.intp], n: int) -> EffectResult:
    """Return a result of some rows as one of all `n`: the others have no influence on it."""
    if len(rows) == n:
        return result
    influence = np.zeros((n, *result.influence.shape[1:]))
    influence[rows] = result.influence * (n / len(rows))
    return replace(result, influence=influence, n=n)
