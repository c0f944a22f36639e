"""The default nuisance models: a plain regression, or where the data bend a blend of five models.

A penalised regression on covariates and their products is quick and hard to beat where it suffices. Whether
it does is asked once for each nuisance: would regression on splines and all products of two of them have
smaller errors in rows left out? If so, five models are fitted in each fold and weighted by their errors in
the others (short-stacking, Ahrens, Hansen, Schaffer and Wiemann, "Model averaging and double machine
learning", Journal of Applied Econometrics 40, 2025): surfaces may be smooth in all covariates or in few of
them, have steps, or run across the covariates. Each is a regression of scikit-learn.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from causalrep.estimators._fitting import fit_model, predict_model
from causalrep.estimators._product_kernel import KernelFeatures, learned_kernel
from causalrep.utils import keyed_generator, keyed_seed

__all__ = ["AutoClassifier", "AutoRegressor", "Blended", "Members", "short_stacked"]

Array = NDArray[np.float64]

_FEWEST_ROWS = 200  # fewer are not asked whether they bend
_ROWS_ASKED = 4000
_MOST_ROWS_OF_SPLINES = 200_000
_MOST_ROWS_OF_NETS = 20_000
_ROWS_OF_KERNEL = {False: 400, True: 800}  # a treatment of 0 and 1 says less of its mean than an outcome
_LANDMARKS = 400
_PENALTIES = np.logspace(-4, 3, 8)


class Members(BaseEstimator):  # type: ignore[misc]
    """Several models that are fitted side by side to an outcome on a common scale."""

    def __init__(self, models: Sequence[Any], random_state: Any = None) -> None:
        self.models = models
        self.random_state = random_state

    def fit(self, X: Array, y: Array, sample_weight: Array | None = None) -> Members:
        """Fit every model; the number of steps of a network is fixed, so that none is asked to converge."""
        if sample_weight is not None and np.ptp(sample_weight) == 0:  # knots of equal weights are others
            sample_weight = None
        self.is_classifier_ = is_classifier(self.models[0])
        self.shift_ = 0.0 if self.is_classifier_ else float(np.mean(y))
        self.scale_ = 1.0 if self.is_classifier_ else float(np.std(y)) or 1.0
        target = y if self.is_classifier_ else (y - self.shift_) / self.scale_
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.fitted_ = [
                fit_model(model, X, target, sample_weight, keyed_seed(self.random_state or 0, i))
                for i, model in enumerate(self.models)
            ]
        return self

    def predict_each(self, X: Array) -> Array:
        """Return the predicted means of each model, of shape (n_rows, n_models)."""
        each = np.stack([predict_model(model, X) for model in self.fitted_], axis=1)
        return np.asarray(self.shift_ + self.scale_ * each)


class Blended(BaseEstimator):  # type: ignore[misc]
    """Fitted members and their weights."""

    def __init__(self, members: Members, weights: Array) -> None:
        self.members = members
        self.weights = weights

    def predict(self, X: Array) -> Array:
        """Return the weighted means."""
        return np.asarray(self.members.predict_each(X) @ self.weights)


def short_stacked(
    each: Array, members: Sequence[Members], target: Array, weight: Array | None
) -> tuple[Array, tuple[Blended, ...]]:
    """Return weights that sum to one, by the predictions of rows out of fold, and the blends of all folds."""
    root = np.ones(len(target)) if weight is None else np.sqrt(weight)
    found = nnls(each * root[:, None], target * root)[0] if len(target) else np.zeros(each.shape[1])
    weights = found / found.sum() if found.sum() > 0 else np.full(len(found), 1 / len(found))
    return weights, tuple(Blended(part, weights) for part in members)


class _Auto(BaseEstimator):  # type: ignore[misc]
    """Base: a plain model, or a blend where leave-one-out errors speak for curves."""

    def __init__(self, plain: Any, random_state: Any = None) -> None:
        self.plain = plain
        self.random_state = random_state

    def narrowed(self, X: Array, y: Array, sample_weight: Array | None = None) -> Any:
        """Return what to fit, unfitted: the plain model, or the members of a blend."""
        kept = np.arange(len(y)) if sample_weight is None else np.flatnonzero(sample_weight > 0)
        if len(kept) < _FEWEST_ROWS or not self._bends(X[kept], y[kept]):
            return self.plain
        return Members((self.plain, *_curves(X[kept], y[kept], is_classifier(self.plain))))

    def _bends(self, X: Array, y: Array) -> bool:
        if len(y) > _ROWS_ASKED:
            rows = keyed_generator(0, "rows asked").choice(len(y), _ROWS_ASKED, replace=False)
            X, y = X[rows], y[rows]
        n_products = min(100, len(y) // 4)
        if is_classifier(
            self.plain
        ):  # zeros and ones say little of what bends, so that less is asked of them
            margins = 1.5, 0.01
            curve = _on_splines(LogisticRegression(max_iter=300), n_products)
            errors = [_out_of_fold(model, X, y) for model in (self.plain, curve)]
        else:
            margins = 3.0, 0.02
            plain = Pipeline([*self.plain.steps[:-1], ("ridge", _ridge())])
            errors = [_left_out(model, X, y) for model in (plain, _on_splines(_ridge(), n_products))]
        gain = errors[0] - errors[1]
        noise = float(np.std(gain)) / np.sqrt(len(gain))
        return bool(gain.mean() > max(margins[0] * noise, margins[1] * errors[0].mean()))

    def fit(self, X: Any, y: Any, sample_weight: Array | None = None) -> Any:
        """Fit the plain model or, with weights from three folds, the blend."""
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=not is_classifier(self))
        seed = self.random_state or 0
        model = self.narrowed(X, y, sample_weight)
        if isinstance(model, Members):
            kind = StratifiedKFold if is_classifier(self) else KFold
            folds = list(kind(3, shuffle=True, random_state=keyed_seed(seed, "folds") % 2**31).split(X, y))
            each = np.zeros((len(y), len(model.models)))
            for k, (train, test) in enumerate(folds):
                weight = None if sample_weight is None else sample_weight[train]
                part = fit_model(model, X[train], y[train], weight, keyed_seed(seed, k))
                each[test] = part.predict_each(X[test])
            whole = fit_model(model, X, y, sample_weight, keyed_seed(seed, "all"))
            self.model_ = short_stacked(each, [whole], y, sample_weight)[1][0]
        else:
            self.model_ = fit_model(model, X, y, sample_weight, keyed_seed(seed, "all"))
        return self

    def _mean(self, X: Any) -> Array:
        check_is_fitted(self)
        return predict_model(self.model_, validate_data(self, X, dtype=np.float64, reset=False))


class AutoRegressor(RegressorMixin, _Auto):  # type: ignore[misc]
    """The default regressor."""

    def predict(self, X: Any) -> Array:
        """Return predicted means."""
        return self._mean(X)


class AutoClassifier(ClassifierMixin, _Auto):  # type: ignore[misc]
    """The default classifier of 0 and 1."""

    classes_ = np.array([0, 1])

    def predict_proba(self, X: Any) -> Array:
        """Return the probabilities of 0 and 1."""
        mean = np.clip(self._mean(X), 0.0, 1.0)
        return np.stack([1 - mean, mean], axis=1)

    def predict(self, X: Any) -> NDArray[np.intp]:
        """Return the more probable of 0 and 1."""
        return np.asarray(self.predict_proba(X)[:, 1] > 0.5, dtype=np.intp)


def _left_out(pipeline: Pipeline, X: Array, y: Array) -> Array:
    """Return the squared leave-one-out error of each row under the best penalty."""
    errors = pipeline.fit(X, y)[-1].cv_results_
    return np.asarray(errors[:, errors.mean(axis=0).argmin()])


def _out_of_fold(model: Any, X: Array, y: Array) -> Array:
    """Return the squared error of each row's probability, by two folds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is asked how well it predicts, no more
        p = cross_val_predict(model, X, y.astype(int), cv=2, method="predict_proba")[:, 1]
    return np.asarray(y - p) ** 2


def _ridge() -> RidgeCV:
    return RidgeCV(_PENALTIES, store_cv_results=True)


def _on_splines(model: Any, n_components: int) -> Pipeline:
    """Return a model on cubic splines and their products: a kernel, as there are too many of them to list."""
    splines = SplineTransformer(n_knots=5, knots="quantile", extrapolation="linear")
    products = Nystroem("polynomial", degree=2, gamma=1, coef0=1, n_components=n_components, random_state=0)
    return make_pipeline(splines, products, model)


def _curves(X: Array, y: Array, classify: bool) -> list[Any]:
    """Return the models that a blend has beside the plain one, as far as the rows let them be quick."""
    n = len(y)
    few, n_products = n <= 10_000, min(200, n // 4)
    trees = {"max_leaf_nodes": 6 if few else 31, "min_samples_leaf": 10 if few else 20}
    net = {"hidden_layer_sizes": (64,)}
    models: list[Any]
    if classify:
        models = [
            HistGradientBoostingClassifier(max_iter=60 if few else 100, **trees),
            _on_splines(LogisticRegression(max_iter=300), n_products),
            make_pipeline(
                StandardScaler(), MLPClassifier(alpha=0.5, learning_rate_init=0.01, max_iter=20, **net)
            ),
        ]
    else:
        models = [
            HistGradientBoostingRegressor(learning_rate=0.15, **trees),
            _on_splines(RidgeCV(_PENALTIES), n_products),
            make_pipeline(
                StandardScaler(), MLPRegressor(alpha=0.1, learning_rate_init=0.02, max_iter=40, **net)
            ),
        ]
    if n <= _MOST_ROWS_OF_NETS:
        models.append(_on_kernel(X, y, classify))
    sizes = (np.inf, _MOST_ROWS_OF_SPLINES, _MOST_ROWS_OF_NETS, _MOST_ROWS_OF_NETS)
    return [
        model
        for model, most in zip(models, sizes, strict=False)
        if n <= most and (not isinstance(model, Pipeline) or has_fit_parameter(model[-1], "sample_weight"))
    ]


def _on_kernel(X: Array, y: Array, classify: bool) -> Pipeline:
    """Return the regression whose mean is that of a Gaussian process with a learned kernel."""
    kernel = learned_kernel(X, y, _ROWS_OF_KERNEL[classify])
    features = KernelFeatures(kernel, _LANDMARKS)
    if not classify:
        return make_pipeline(features, Ridge(kernel.noise))
    # variances are in units of that of y; the logit is 1 / var(y) times as steep as the probability
    return make_pipeline(features, LogisticRegression(C=1 / float(np.var(y)), max_iter=300))
