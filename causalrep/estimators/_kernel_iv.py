"""Kernel instrumental variables: two ridge regressions in feature spaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from causalrep.estimators._structural import StructuralEstimator, gaussian_kernel, median_distances
from causalrep.utils import DataError, RandomState, keyed_generator

__all__ = ["KernelIV"]

Array = NDArray[np.float64]

_PENALTIES = np.logspace(-8, 0, 17)


class KernelIV(StructuralEstimator):
    """Learn how the outcome depends on a treatment, of any shape, by kernel ridge regression in two stages.

    The first stage predicts the features of treatment and covariates from instruments and covariates, the
    second regresses the outcome on what was predicted. It assumes that the instruments act through the
    treatment alone, that they move its whole distribution, and that what is hidden adds to the outcome.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    instrument : str, int or list of them, default=None
        The same for the instruments; `fit` takes an array of shape (n_samples,) or (n_samples,
        n_instruments).
    first_penalty, second_penalty : float, default=None
        The ridge penalties of both stages, per row; by default the ones that do best on the rows of the other
        stage.
    share : float in (0, 1), default=0.5
        Share of the rows for the first stage.
    random_state : int, Generator, RandomState or None, default=None
        Chance in who is in which stage.

    Attributes
    ----------
    first_penalty_, second_penalty_ : float
        The penalties.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.

    Raises
    ------
    DataError
        In `fit`: for roles that are missing or given twice, for parameters out of range.

    Notes
    -----
    Algorithm 1 of [1]_, with Gaussian kernels whose length scales are median distances, times the root of
    the number of columns, and the validation of its appendix A.5.2. O(n^3) time, O(n^2) memory.

    References
    ----------
    .. [1] R. Singh, M. Sahani, A. Gretton, "Kernel instrumental variable regression", NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import KernelIV
    >>> rng = np.random.default_rng(0)
    >>> hidden, z, noise = rng.normal(size=(3, 1000))
    >>> dose = z + 0.7 * hidden
    >>> y = np.sin(2 * dose) + 2 * hidden + 0.1 * noise
    >>> est = KernelIV(treatment=0, instrument=1, random_state=0).fit(np.column_stack([dose, z]), y)
    >>> grid = np.linspace(-1, 1, 9)
    >>> error = est.predict(np.column_stack([grid, grid])) - np.sin(2 * grid)
    >>> bool(np.abs(error).mean() < 0.3)
    True
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        instrument: str | int | Sequence[str | int] | None = None,
        *,
        first_penalty: float | None = None,
        second_penalty: float | None = None,
        share: float = 0.5,
        random_state: RandomState = None,
    ) -> None:
        self.treatment = treatment
        self.instrument = instrument
        self.first_penalty = first_penalty
        self.second_penalty = second_penalty
        self.share = share
        self.random_state = random_state

    def _learn(self, T: Array, W: Array, Z: Array, y: Array, seed: int) -> None:
        for name in ("first_penalty", "second_penalty"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise DataError(f"`{name}` must be above 0, got {value}")
        n = len(y)
        n_first = round(self.share * n) if 0 < self.share < 1 else 0
        if not 1 < n_first < n - 1:
            raise DataError(f"`share` must leave two of the {n} rows for each stage, got {self.share}")
        order = keyed_generator(seed, "stages").permutation(n)
        first, second = order[:n_first], order[n_first:]
        causes, around = np.hstack([T, W]), np.hstack([Z, W])
        self._lengthscale = median_distances(causes)
        scale = median_distances(around)
        K = gaussian_kernel(causes[first], causes[first], self._lengthscale)
        K_second = gaussian_kernel(causes[first], causes[second], self._lengthscale)
        L = gaussian_kernel(around[first], around[first], scale)
        L_second = gaussian_kernel(around[first], around[second], scale)
        predicted = self._first_stage(K, K_second, L, L_second)
        self._coefficients = self._second_stage(K, K @ predicted, y[first], y[second])
        self._anchors = causes[first]

    def _first_stage(self, K: Array, K_second: Array, L: Array, L_second: Array) -> Array:
        """Return the weights that predict the features of the second rows from those of the first."""
        n, m = K_second.shape
        values, vectors = linalg.eigh(L)
        projected = vectors.T @ L_second
        cross = vectors.T @ K_second
        gram = vectors.T @ K @ vectors

        def loss(penalty: float) -> float:  # tr(K~ - 2 K~' g + g' K g) / m, less what does not depend on g
            shrunk = projected / (np.maximum(values, 0) + n * penalty)[:, None]
            return float(np.sum(shrunk * (gram @ shrunk - 2 * cross))) / float(m)

        if self.first_penalty is None:
            self.first_penalty_ = float(min(_PENALTIES, key=loss))
        else:
            self.first_penalty_ = float(self.first_penalty)
        shrunk = projected / (np.maximum(values, 0) + n * self.first_penalty_)[:, None]
        return np.asarray(vectors @ shrunk)

    def _second_stage(self, K: Array, predicted: Array, y_first: Array, y_second: Array) -> Array:
        """Return the coefficients of the structural function on the features of the first rows."""
        m = len(y_second)
        moment, target = predicted @ predicted.T, predicted @ y_second
        jitter = 1e-10 * np.trace(moment) / len(K) * np.eye(len(K))  # both matrices may lack rank

        def solve(penalty: float) -> Array:
            return np.asarray(linalg.solve(moment + m * penalty * K + jitter, target, assume_a="pos"))

        def loss(penalty: float) -> float:
            return float(np.mean((y_first - K @ solve(penalty)) ** 2))

        if self.second_penalty is None:
            self.second_penalty_ = float(min(_PENALTIES, key=loss))
        else:
            self.second_penalty_ = float(self.second_penalty)
        return solve(self.second_penalty_)

    def _structural(self, T: Array, W: Array) -> Array:
        kernel = gaussian_kernel(np.hstack([T, W]), self._anchors, self._lengthscale)
        return np.asarray(kernel @ self._coefficients)
