"""Regression discontinuity: a jump where treatment is assigned by a cutoff."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._data import codes, read_outcome, read_treatment, read_weight
from causalrep.estimators._density import DensityTest, density_jump
from causalrep.estimators._local_polynomial import (
    Side,
    best_bandwidth,
    kernel_weights,
    neighbour_residuals,
)
from causalrep.estimators._result import EffectResult, cluster_sums, limits
from causalrep.estimators._roles import read_roles
from causalrep.utils import DataError, UnknownNameError

__all__ = ["RegressionDiscontinuity"]

Array = NDArray[np.float64]

_PILOT = {"triangular": 2.576, "epanechnikov": 2.34, "uniform": 1.843}


class RegressionDiscontinuity(BaseEstimator):  # type: ignore[misc]
    """Estimate the effect of a treatment that is given from a cutoff of a running variable on.

    The jump of local linear regressions at the cutoff, with the bandwidth that minimises the mean squared
    error, and an interval that allows for the bias which that bandwidth leaves. It assumes that nothing else
    jumps there, and that nobody can choose the side. The effect is that on units at the cutoff.

    Parameters
    ----------
    running : str or int
        Name or position of the column of X with the running variable.
    cutoff : float, default=0.0
        Rows with this value or more are assigned to treatment.
    treatment : str or int, default=None
        The column of the treatment taken, where the cutoff shifts its probability only (fuzzy design); the
        effect is then the ratio of both jumps, that on the compliers.
    bandwidth : float, default=None
        Half-width of the window; by default the optimal one for the outcome.
    bias_bandwidth : float, default=None
        The one of the quadratic that estimates the bias; by default the optimal one, or `bandwidth` if that
        is given.
    kernel : {"triangular", "epanechnikov", "uniform"}, default="triangular"
        How rows count by their distance.
    donut : float, default=0.0
        Rows nearer to the cutoff than this are left out, where some of them may have been moved across it.
    bias_correction : bool, default=True
        Whether interval and standard error are those of the estimate less its bias; without, the interval of
        the local linear regression, which is too narrow at the optimal bandwidth.

    Attributes
    ----------
    bandwidth_, bias_bandwidth_ : float
        The bandwidths.
    n_effective_ : tuple of int
        Rows within the bandwidth to the left and to the right.
    bias_corrected_ : float
        The estimate less its estimated bias: the middle of the interval.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the other columns.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for options out of range, for too few rows on a side.

    Notes
    -----
    The robust bias-corrected interval of [1]_, variances by three nearest neighbours, bandwidths by the
    direct plug-in rule of [2]_ in three steps with regularisation. `density_test`, after [3]_, and
    `covariate_continuity` look for what speaks against the design.

    References
    ----------
    .. [1] S. Calonico, M. D. Cattaneo, R. Titiunik, "Robust nonparametric confidence intervals for
       regression-discontinuity designs", Econometrica 82, 2014.
    .. [2] S. Calonico, M. D. Cattaneo, M. H. Farrell, "Optimal bandwidth choice for robust bias-corrected
       inference in regression discontinuity designs", Econometrics Journal 23, 2020.
    .. [3] M. D. Cattaneo, M. Jansson, X. Ma, "Simple local polynomial density estimators", Journal of the
       American Statistical Association 115, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import RegressionDiscontinuity
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1, 1, 2000)
    >>> y = 1.0 * (x >= 0) + np.sin(2 * x) + 0.3 * rng.normal(size=2000)
    >>> low, high = RegressionDiscontinuity(running=0).fit(x[:, None], y).ate().ci
    >>> bool(low < 1 < high)
    True
    """

    def __init__(
        self,
        running: str | int | None = None,
        cutoff: float = 0.0,
        *,
        treatment: str | int | None = None,
        bandwidth: float | None = None,
        bias_bandwidth: float | None = None,
        kernel: str = "triangular",
        donut: float = 0.0,
        bias_correction: bool = True,
    ) -> None:
        self.running = running
        self.cutoff = cutoff
        self.treatment = treatment
        self.bandwidth = bandwidth
        self.bias_bandwidth = bias_bandwidth
        self.kernel = kernel
        self.donut = donut
        self.bias_correction = bias_correction

    def fit(
        self, X: Any, y: Any, *, treatment: Any = None, cluster: Any = None, sample_weight: Any = None
    ) -> RegressionDiscontinuity:
        """Choose the bandwidths and estimate the jump.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            The running variable, and the treatment of a fuzzy design; other columns serve
            `covariate_continuity` alone.
        y : array of shape (n_samples,)
            Outcome.
        treatment : array of shape (n_samples,), default=None
            The treatment taken in a fuzzy design, where the constructor does not name its column.
        cluster : array of shape (n_samples,), default=None
            Rows of one cluster may depend on each other: standard errors allow for it. They then use the
            residuals of the quadratic within the bias bandwidth, as neighbours may be of one cluster.
        sample_weight : array of shape (n_samples,), default=None
            Weights of the rows, times the kernel.

        Returns
        -------
        RegressionDiscontinuity
            The estimator itself.
        """
        if self.running is None:
            raise DataError("`running` is missing: name its column, RegressionDiscontinuity(running='name')")
        if self.kernel not in _PILOT:
            raise UnknownNameError(self.kernel, _PILOT, what="`kernel`")
        for name in ("bandwidth", "bias_bandwidth"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise DataError(f"`{name}` must be above 0, got {value}")
        if not self.donut >= 0:
            raise DataError(f"`donut` must be at least 0, got {self.donut}")
        given = {"running": None, "treatment": treatment}
        W, names, roles, _ = read_roles(self, X, given, optional=("treatment",))
        outcome = read_outcome(self, y, len(W))
        self.covariate_names_in_ = np.array(names, dtype=object)
        x = np.asarray(roles["running"], dtype=np.float64) - self.cutoff
        if not np.isfinite(x).all():
            raise DataError("`running` contains NaN or infinity")
        columns = [outcome]
        if "treatment" in roles:
            taken = read_treatment(
                roles["treatment"], len(x), outcome, "any", by_keyword=treatment is not None
            )
            columns.append(taken.values)
        self._seen = x
        weight, _ = read_weight(sample_weight, len(x))
        kept = (np.abs(x) >= self.donut) & (weight > 0)
        self._weight = weight[kept]
        self._cluster = None if cluster is None else codes(np.asarray(cluster)[kept], kept.sum(), "cluster")
        x, self._W = x[kept], W[kept]
        self._x, self._outcomes = x, np.column_stack(columns)[kept]
        self._rows = (np.flatnonzero(x < 0), np.flatnonzero(x >= 0))
        if min(len(rows) for rows in self._rows) < 6:
            raise DataError(
                f"at least 6 rows must be on each side of the cutoff, got {[len(r) for r in self._rows]}"
            )
        self._sides = tuple(self._side(rows) for rows in self._rows)
        self._choose_bandwidths()
        self._estimate()
        return self

    def _side(self, rows: NDArray[np.intp]) -> Side:
        x, y = self._x[rows], self._outcomes[rows]
        return Side(x, y, neighbour_residuals(x, y), self._weight[rows])

    def _choose_bandwidths(self) -> None:
        left, right = self._sides
        if self.bandwidth is not None:
            self.bandwidth_ = float(self.bandwidth)
            self.bias_bandwidth_ = float(self.bias_bandwidth or self.bandwidth)
            return
        spread = float(np.std(self._x, ddof=1))
        upper, lower = np.quantile(self._x, [0.75, 0.25], method="averaged_inverted_cdf")
        if upper > lower:
            spread = min(spread, float(upper - lower) / 1.349)
        n_values = len(np.unique(left.x)) + len(np.unique(right.x))
        reach = float(np.abs(left.x).max()), float(np.abs(right.x).max())
        pilot = min(_PILOT[self.kernel] * spread * n_values ** (-1 / 5), max(reach))
        bias = reach
        steps = ((3, 3, 4, False), (2, 2, 3, True), (1, 0, 2, True))
        found = []
        for order, derivative, bias_order, regularised in steps:
            h = best_bandwidth(
                (left, right),
                order=order,
                derivative=derivative,
                bias_order=bias_order,
                h_variance=pilot,
                h_bias=bias,
                regularised=regularised,
                kernel=self.kernel,
            )
            found.append(min(h, max(reach)))
            bias = (found[-1], found[-1])
        self.bandwidth_ = found[2]
        self.bias_bandwidth_ = float(found[1] if self.bias_bandwidth is None else self.bias_bandwidth)

    def _estimate(self) -> None:
        h, b = self.bandwidth_, self.bias_bandwidth_
        plain, corrected = np.zeros(len(self._x)), np.zeros(len(self._x))
        residuals = np.zeros_like(self._outcomes)
        for sign, side, rows in zip((-1, 1), self._sides, self._rows, strict=True):
            level = side.coefficients(h, 1, self.kernel)[0]
            quadratic = side.coefficients(b, 2, self.kernel)
            plain[rows] = sign * level
            corrected[rows] = sign * (level - float(level @ side.x**2) * quadratic[2])
            fitted = np.vander(side.x, 3, increasing=True) @ (quadratic @ side.y)
            residuals[rows] = side.residuals if self._cluster is None else side.y - fitted
        jumps, less_bias = plain @ self._outcomes, corrected @ self._outcomes
        effect, middle = float(jumps[0]), float(less_bias[0])
        errors = residuals[:, 0]
        if len(jumps) == 2:  # a ratio, linear in both jumps around its value
            if abs(jumps[1]) < 1e-12:
                raise DataError("the treatment does not jump at the cutoff; nothing can be estimated")
            effect = float(jumps[0] / jumps[1])
            bias = (jumps - less_bias) @ [1.0, -effect] / jumps[1]
            middle = effect - float(bias)
            errors = (residuals @ [1.0, -effect]) / jumps[1]
        weights = corrected if self.bias_correction else plain
        self._effect, self.bias_corrected_ = effect, middle
        self._influence = len(errors) * weights * errors
        self.n_effective_ = tuple(int(np.sum(kernel_weights(side.x, h, "uniform"))) for side in self._sides)

    def ate(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the effect at the cutoff.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The estimate is the jump at the optimal bandwidth. With `bias_correction` interval and standard
            error belong to `bias_corrected_`, so that the estimate is not the middle of the interval.
        """
        check_is_fitted(self)
        if not 0 < alpha < 1:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
        n, sums, factor = len(self._influence), self._influence, 1.0
        if self._cluster is not None:
            sums = cluster_sums(self._influence, self._cluster)
            factor = len(sums) / (len(sums) - 1)
        se = float(np.sqrt(factor * np.sum(sums**2)) / n)
        middle = self.bias_corrected_ if self.bias_correction else self._effect
        method = "RegressionDiscontinuity, effect at the cutoff"
        ci = limits(middle, se, alpha)
        return EffectResult(self._effect, se, ci, self._influence, n, method, cluster=self._cluster)

    def binned_means(self, n_bins: int = 20) -> tuple[Array, Array]:
        """Return means of the outcome in bins of equal width, on each side of the cutoff.

        Parameters
        ----------
        n_bins : int, default=20
            Bins on each side; those without rows are left out.

        Returns
        -------
        tuple of array
            Mean of the running variable and mean of the outcome, one value for each bin.
        """
        check_is_fitted(self)
        if n_bins < 1:
            raise DataError(f"`n_bins` must be at least 1, got {n_bins}")
        found = []
        for side in self._sides:
            reach = float(np.abs(side.x).max())
            place = np.minimum((np.abs(side.x) / reach * n_bins).astype(int), n_bins - 1)
            counts = np.bincount(place, minlength=n_bins)
            kept = counts > 0
            sums = [np.bincount(place, column, n_bins)[kept] for column in (side.x, side.y[:, 0])]
            found.append(np.array(sums) / counts[kept])
        x, y = np.concatenate(found, axis=1)
        order = np.argsort(x)
        return self.cutoff + x[order], y[order]

    def local_lines(self) -> tuple[Array, Array]:
        """Return the ends of the two lines whose gap is the jump, within the bandwidth.

        Returns
        -------
        tuple of array
            Values of the running variable, of shape (2, 2), the left line first, and of the outcome on them.
        """
        check_is_fitted(self)
        h = self.bandwidth_
        ends = np.array([[-h, 0.0], [0.0, h]])
        lines = [side.coefficients(h, 1, self.kernel) @ side.y[:, 0] for side in self._sides]
        heights = [line[0] + line[1] * end for line, end in zip(lines, ends, strict=True)]
        return self.cutoff + ends, np.array(heights)

    def density_test(self, *, bandwidth: float | tuple[float, float] | None = None) -> DensityTest:
        """Return the test that the density of the running variable is the same on both sides of the cutoff.

        Parameters
        ----------
        bandwidth : float or (float, float), default=None
            Half-width of the window, or of the windows to the left and to the right; by default the one that
            minimises the estimated error of the densities.

        Returns
        -------
        DensityTest
            A small p-value says that units chose their side. Rows in a donut count here.

        Raises
        ------
        DataError
            For a bandwidth that is not above zero, or has too few rows.

        Notes
        -----
        The estimator of Cattaneo, Jansson and Ma (2020, see the class): a local quadratic of the distribution
        function, with a cubic for inference; the variance is that of its influence function.
        """
        check_is_fitted(self)
        pair = None
        if bandwidth is not None:
            both = np.broadcast_to(np.asarray(bandwidth, dtype=float), (2,))
            if not (both > 0).all():
                raise DataError(f"`bandwidth` must be above 0, got {bandwidth}")
            pair = float(both[0]), float(both[1])
        return density_jump(self._seen, self.kernel, pair)

    def covariate_continuity(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the jumps of the other columns at the cutoff, which should be none.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of each interval.

        Returns
        -------
        EffectResult
            One jump for each covariate, by a sharp design with a bandwidth of its own unless one was given.
        """
        check_is_fitted(self)
        if not self._W.shape[1]:
            raise DataError("X has no other columns; there are no covariates that could jump")
        sharp = clone(self).set_params(running=0, cutoff=0.0, treatment=None, donut=0.0)
        roles = {"cluster": self._cluster, "sample_weight": self._weight}
        parts = [sharp.fit(self._x[:, None], column, **roles).ate(alpha=alpha) for column in self._W.T]
        return EffectResult(
            np.array([part.estimate for part in parts]),
            np.array([part.se for part in parts]),
            np.array([part.ci for part in parts]),
            np.column_stack([part.influence for part in parts]),
            len(self._x),
            "RegressionDiscontinuity, jumps of covariates",
            (),
            tuple(str(name) for name in self.covariate_names_in_),
        )
