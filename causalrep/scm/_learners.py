"""Learners of continuous nodes: additive noise over a line, splines or any regressor, and beyond it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._distributions import Distribution, Empirical
from causalrep.scm._learner import CrossFit, Folds, Learner, Rows
from causalrep.scm._location_scale import LocationScale, PostNonlinear
from causalrep.scm._mechanism import Mechanism
from causalrep.scm._mechanisms import AdditiveNoise, Linear, Root
from causalrep.scm._predictors import EstimatorPredictor, LinePredictor, Predictor, SplinePredictor
from causalrep.scm._smoothed import Smoothed, noise_law
from causalrep.scm._splines import Basis, fit_folds
from causalrep.utils import DataError

__all__ = [
    "Heteroscedastic",
    "LineRegression",
    "Regression",
    "RootLaw",
    "SplineRegression",
    "WarpedRegression",
    "additive",
]

Floats = NDArray[np.float64]


class RootLaw(Learner):
    """The law of a node without parents: normal, or smoothed where that is better out of fold.

    A column in which most values are repeated keeps exactly its values (`Empirical`).
    """

    name: ClassVar[str] = "law"

    def fit(self, rows: Rows, seed: int) -> Mechanism:
        """Return a `Root`; see `Learner.fit`."""
        return self.cross_fit(rows, np.array_split(np.arange(len(rows)), 5), seed).finish()

    def cross_fit(self, rows: Rows, folds: Folds, seed: int) -> CrossFit:  # noqa: ARG002
        """Return the scores of the law; see `Learner.cross_fit`."""
        values = rows.value.astype(np.float64)
        if len(np.unique(values)) < len(values) / 2:
            law: Distribution = Empirical(rows.value)
            return CrossFit("empirical", law.log_prob(values), lambda: Root(law))
        law, scores = noise_law(values, folds)
        return CrossFit("normal" if not isinstance(law, Smoothed) else "smoothed", scores, lambda: Root(law))


def additive(rows: Rows, predictor: Predictor, law: Distribution) -> Mechanism:
    """Return ``predictor(parents) + noise``, as `Linear` where it is a line in numbers."""
    if isinstance(predictor, LinePredictor) and predictor.encoding.numeric:
        weights = dict(zip(predictor.encoding.names, predictor.weights.tolist(), strict=True))
        return Linear(weights, predictor.intercept, law)
    return AdditiveNoise(predictor, law, parents=tuple(rows.parents))


class _Additive(Learner):
    """A learner of the location; the noise law comes from residuals of rows that it had not seen."""

    @abstractmethod
    def regress(self, rows: Rows, seed: int) -> Predictor:
        """Return the function fitted to rows."""

    def out_of_fold(self, rows: Rows, folds: Folds, seed: int) -> tuple[Floats, Callable[[], Predictor]]:
        """Return predictions of each row by the fit without its fold, and the way to the fit to all."""
        predictions = np.empty(len(rows))
        for held in folds:
            predictor = self.regress(rows.without(held), seed)
            predictions[held] = predictor(*rows.take(held).parents.values())
        return predictions, lambda: self.regress(rows, seed)

    def fit(self, rows: Rows, seed: int) -> Mechanism:
        """Return the mechanism, its noise from five folds; see `Learner.fit`."""
        return self.cross_fit(rows, np.array_split(np.arange(len(rows)), 5), seed).finish()

    def cross_fit(self, rows: Rows, folds: Folds, seed: int) -> CrossFit:
        """Return scores and residuals; see `Learner.cross_fit`."""
        predictions, whole = self.out_of_fold(rows, folds, seed)
        residuals = rows.value - predictions
        if np.ptp(residuals) <= 1e-12 * np.ptp(rows.value):  # nothing but rounding
            raise DataError(
                f"{rows.node!r} is exactly a function of its parents, so there is no noise to learn; give "
                "its mechanism as a function, mechanisms={...}"
            )
        residuals = residuals - residuals.mean()
        law, scores = noise_law(residuals, folds)
        return CrossFit(self.name, scores, lambda: additive(rows, whole(), law), residuals)


class LineRegression(_Additive):
    """Ordinary least squares with additive noise.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.scm import SCM, LineRegression
    >>> df = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 0.1)").sample(5000, random_state=0)
    >>> fitted = SCM(DAG([("X", "Y")])).fit(df, {"Y": LineRegression()}, random_state=0)
    >>> round(fitted.mechanisms["Y"].coefficients["X"], 2)
    2.0
    """

    name: ClassVar[str] = "linear"

    def regress(self, rows: Rows, seed: int) -> LinePredictor:  # noqa: ARG002
        """Return the line of least squares."""
        centre = rows.matrix.mean(axis=0)
        weights, *_ = np.linalg.lstsq(rows.matrix - centre, rows.value - rows.value.mean(), rcond=None)
        return LinePredictor(rows.encoding, weights, float(rows.value.mean() - centre @ weights))


class SplineRegression(_Additive):
    """Penalised cubic splines of each parent and of products of two, with additive noise.

    The fits of all folds come from one pass over the rows; see `causalrep.scm._splines` for the model and
    its references. Curves of up to six or seven parents get products of all pairs, more parents fewer.
    """

    name: ClassVar[str] = "spline"

    def regress(self, rows: Rows, seed: int) -> SplinePredictor:  # noqa: ARG002
        """Return the spline fitted to all rows."""
        return self._fitted(rows, [np.arange(len(rows))])[1]

    def out_of_fold(self, rows: Rows, folds: Folds, seed: int) -> tuple[Floats, Callable[[], Predictor]]:  # noqa: ARG002
        """Return predictions from solves that subtract the fold."""
        predictions, predictor = self._fitted(rows, folds)
        return predictions, lambda: predictor

    def _fitted(self, rows: Rows, folds: Folds) -> tuple[Floats, SplinePredictor]:
        X, y = rows.matrix, rows.value.astype(np.float64)
        centre, spread = X.mean(axis=0), X.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        mean, scale = float(y.mean()), float(y.std()) or 1.0
        Z = (X - centre) / spread
        fit = fit_folds(Basis.of(Z), Z, (y - mean) / scale, folds)
        coefficients = fit.coefficients * scale
        coefficients[0] += mean
        predictor = SplinePredictor(rows.encoding, centre, spread, fit.basis, coefficients)
        return mean + scale * fit.out_of_fold, predictor


class Regression(_Additive):
    """Additive noise over any regressor with the interface of scikit-learn.

    Parameters
    ----------
    estimator : regressor
        Cloned before each fit; its ``random_state`` is set where it has one that is None.
    name : str, optional
        How the table of choices calls it; default: the name of the class.
    max_rows : int, optional
        Refuse more rows than these, for learners whose cost grows with a power of them.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> from causalrep.graphs import DAG
    >>> from causalrep.scm import SCM, Regression
    >>> df = SCM.from_equations("X = N(0, 1); Y = abs(X) + N(0, 0.1)").sample(500, random_state=0)
    >>> fitted = SCM(DAG([("X", "Y")])).fit(df, {"Y": Regression(KNeighborsRegressor())}, random_state=0)
    >>> float(fitted.do(X=1.0).sample(500, random_state=0)["Y"].mean().round(1))
    1.0
    """

    def __init__(self, estimator: Any, *, name: str | None = None, max_rows: int | None = None) -> None:
        self.estimator = estimator
        self.max_rows = max_rows
        self._name = type(estimator).__name__ if name is None else name

    def __repr__(self) -> str:
        return f"Regression({self.estimator!r})"

    def cross_fit(self, rows: Rows, folds: Folds, seed: int) -> CrossFit:
        """Return scores and residuals; see `Learner.cross_fit`."""
        if self.max_rows is not None and len(rows) > self.max_rows:
            raise DataError(
                f"{self._name} of {rows.node!r} takes at most {self.max_rows} rows, got {len(rows)}; "
                "fit a sample of the rows, or choose 'spline' or 'boosting'"
            )
        found = super().cross_fit(rows, folds, seed)
        return CrossFit(self._name, found.scores, found.finish, found.residuals)

    def regress(self, rows: Rows, seed: int) -> EstimatorPredictor:
        """Return the fitted clone."""
        return EstimatorPredictor(rows.encoding, fitted_clone(self.estimator, rows.matrix, rows.value, seed))


def fitted_clone(estimator: Any, X: Floats, y: NDArray[Any], seed: int) -> Any:
    """Return a clone of a scikit-learn estimator, fitted, its chance taken from `seed`."""
    from sklearn.base import clone

    fresh = clone(estimator)
    if fresh.get_params().get("random_state", 0) is None:
        fresh.set_params(random_state=seed % 2**32)
    return fresh.fit(X, y)


class Heteroscedastic(Learner):
    """Location and scale both depend on the parents: ``f(parents) + s(parents) * noise``.

    Splines for f; then a line or spline for the logarithm of the absolute residual (Harvey 1976), which is
    the logarithm of s up to a constant.

    References
    ----------
    A. C. Harvey, "Estimating regression models with multiplicative heteroscedasticity", Econometrica 44(3),
    1976, doi:10.2307/1913974.
    """

    name: ClassVar[str] = "heteroscedastic"

    def fit(self, rows: Rows, seed: int) -> Mechanism:
        """Return a `LocationScale`; see `Learner.fit`."""
        return self.cross_fit(rows, np.array_split(np.arange(len(rows)), 5), seed).finish()

    def cross_fit(self, rows: Rows, folds: Folds, seed: int) -> CrossFit:
        """Return the scores; see `Learner.cross_fit`."""
        spline = SplineRegression()
        predictions, location = spline.out_of_fold(rows, folds, seed)
        residuals = rows.value - predictions
        floor = 1e-3 * residuals.std() or 1.0
        log_size = np.log(np.abs(residuals) + floor)
        sizes = Rows(rows.node, rows.parents, log_size, rows.encoding)
        log_scale, scale = spline.out_of_fold(sizes, folds, seed)
        standard = residuals / np.exp(log_scale)
        law, scores = noise_law(standard - standard.mean(), folds)
        return CrossFit(
            self.name,
            scores - log_scale,
            lambda: LocationScale(location(), scale(), law, tuple(rows.parents)),
            residuals,
        )


class WarpedRegression(Learner):
    """A post-nonlinear mechanism, ``g(f(parents) + noise)``, with g from the Yeo-Johnson family.

    The exponent of g is chosen by out-of-fold likelihood, from the spline fits to the warped values.

    References
    ----------
    K. Zhang, A. Hyvärinen, "On the identifiability of the post-nonlinear causal model", UAI 2009,
    arXiv:1205.2599. I.-K. Yeo, R. A. Johnson, "A new family of power transformations to improve normality or
    symmetry", Biometrika 87(4), 2000, doi:10.1093/biomet/87.4.954.
    """

    name: ClassVar[str] = "postnonlinear"
    exponents: ClassVar[tuple[float, ...]] = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)

    def fit(self, rows: Rows, seed: int) -> Mechanism:
        """Return a `PostNonlinear`; see `Learner.fit`."""
        return self.cross_fit(rows, np.array_split(np.arange(len(rows)), 5), seed).finish()

    def cross_fit(self, rows: Rows, folds: Folds, seed: int) -> CrossFit:
        """Return the scores of the best exponent; see `Learner.cross_fit`."""
        centre, spread = float(np.median(rows.value)), float(rows.value.std()) or 1.0
        found = []
        for exponent in self.exponents:
            warp = PostNonlinear.warp(centre, spread, exponent)
            warped = Rows(rows.node, rows.parents, warp.undo(rows.value), rows.encoding)
            inner = SplineRegression().cross_fit(warped, folds, seed)
            found.append((inner, inner.scores + warp.log_slope(rows.value), warp))
        inner, scores, warp = max(found, key=lambda one: float(one[1].mean()))
        return CrossFit(self.name, scores, lambda: PostNonlinear(inner.finish(), warp), None)
