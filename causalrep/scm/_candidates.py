"""The learners by name, and which of them suit which kind of node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from causalrep.scm._classifiers import Classification, CountRegression, Logistic, Table
from causalrep.scm._encoding import is_categorical
from causalrep.scm._flow import FlowRegression
from causalrep.scm._learner import Learner, Rows
from causalrep.scm._learners import (
    Heteroscedastic,
    LineRegression,
    Regression,
    RootLaw,
    SplineRegression,
    WarpedRegression,
)
from causalrep.scm._mechanism import Mechanism
from causalrep.utils import DataError, UnknownNameError

__all__ = ["Kind", "as_learner", "boosting", "kind_of", "named", "pool"]

Kind: TypeAlias = Literal["continuous", "categorical", "count"]

_FEW = 10
_MANY = 1000
_STEPS = 5  # so many different integers from 0 on may be counts, although they are few


def kind_of(values: Any) -> Kind:
    """Return what a column is taken for.

    Truth values, text, two numbers, and up to ten integers are categories; other integers from 0 to 1000
    are counts; all else is continuous.
    """
    column = np.asarray(values)
    if is_categorical(column) or column.dtype.kind == "b":
        return "categorical"
    distinct = len(np.unique(column))
    if distinct <= 2 or (column.dtype.kind in "iu" and distinct <= _FEW):
        return "categorical"
    if column.dtype.kind in "iu" and column.min() >= 0 and column.max() <= _MANY:
        return "count"
    return "continuous"


def _may_count(values: Any) -> bool:
    """Say whether a column of few integers may count something, so that a larger number can turn up."""
    column = np.asarray(values)
    return column.dtype.kind in "iu" and column.min() == 0 and len(np.unique(column)) >= _STEPS


def _line(kind: Kind) -> Learner:
    if kind == "categorical":
        return _logistic(kind)
    return CountRegression() if kind == "count" else LineRegression()


def _logistic(_: Kind) -> Learner:
    return Classification(Logistic(), name="logistic")


def boosting(kind: Kind) -> Learner:
    """Return gradient boosting; for numbers stopped early, while labels may be too rare to keep some back."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if kind == "categorical":
        classifier = HistGradientBoostingClassifier(early_stopping=False, max_iter=60, max_leaf_nodes=15)
        return Classification(classifier, name="boosting")
    return Regression(HistGradientBoostingRegressor(early_stopping=True), name="boosting")


def _gp(_: Kind) -> Learner:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    kernel = ConstantKernel() * RBF() + WhiteKernel()
    regressor = make_pipeline(StandardScaler(), GaussianProcessRegressor(kernel, normalize_y=True))
    return Regression(regressor, name="gp", max_rows=2000)


def _mlp(_: Kind) -> Learner:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = MLPRegressor(
        hidden_layer_sizes=(32, 32), early_stopping=True, max_iter=5000, learning_rate_init=3e-3
    )
    scaled = TransformedTargetRegressor(network, transformer=StandardScaler())
    return Regression(make_pipeline(StandardScaler(), scaled), name="mlp")


_NAMED: Mapping[str, tuple[tuple[Kind, ...], Callable[[Kind], Learner]]] = {
    "linear": (("continuous", "categorical", "count"), _line),
    "spline": (("continuous",), lambda _: SplineRegression()),
    "heteroscedastic": (("continuous",), lambda _: Heteroscedastic()),
    "postnonlinear": (("continuous",), lambda _: WarpedRegression()),
    "boosting": (("continuous", "categorical"), boosting),
    "gp": (("continuous",), _gp),
    "mlp": (("continuous",), _mlp),
    "flow": (("continuous",), lambda _: FlowRegression()),
    "cpt": (("categorical",), lambda _: Table()),
    "logistic": (("categorical",), _logistic),
    "poisson": (("count",), lambda _: CountRegression()),
    "negative_binomial": (("count",), lambda _: CountRegression(overdispersed=True)),
}


def named(name: str, rows: Rows) -> Learner:
    """Return a learner by its name, for a node with these rows.

    Raises
    ------
    UnknownNameError
        If there is no learner of this name.
    DataError
        If it does not suit the node.
    """
    if name not in _NAMED:
        raise UnknownNameError(name, ["auto", *_NAMED], what=f"the mechanism of {rows.node!r}")
    kinds, make = _NAMED[name]
    kind = kind_of(rows.value)
    if kind == "count" and "count" not in kinds:  # counts may be treated as numbers
        kind = "continuous"
    if kind not in kinds:
        fitting = [other for other, (kinds, _) in _NAMED.items() if kind in kinds]
        raise DataError(
            f"{name!r} is for {' and '.join(kinds)} nodes, and {rows.node!r} is {kind}; "
            f"for it there are: {', '.join(map(repr, fitting))}"
        )
    if not rows.parents:
        return _root(kind)
    return make(kind)


def _root(kind: Kind) -> Learner:
    return Table(prior=1e-9) if kind == "categorical" else RootLaw()


def pool(kind: Kind, rows: Rows) -> list[Learner]:
    """Return the candidates that are always tried, in order of complexity."""
    if not rows.parents:
        return [_root(kind)]
    counts: list[Learner] = [CountRegression(), CountRegression(overdispersed=True)]
    if kind == "count":
        return counts
    if kind == "continuous":
        return [LineRegression(), SplineRegression()]
    learners = [*(counts if _may_count(rows.value) else []), _logistic(kind)]
    cells = float(len(np.unique(rows.value)))
    discrete = all(kind_of(column) == "categorical" for column in rows.parents.values())
    for column in rows.parents.values():
        cells *= len(np.unique(np.asarray(column))) if discrete else 1
    if discrete and cells <= len(rows) / 5:
        learners.append(Table())
    return [*learners, boosting(kind)]


def as_learner(spec: Any, rows: Rows) -> list[Learner] | None:
    """Return what a user's word for a node stands for: learners to choose from, or None for "auto"."""
    if spec == "auto":
        return None
    if isinstance(spec, Mechanism):
        return as_learner(getattr(spec, "learner", None), rows)
    if isinstance(spec, Learner):
        return [spec]
    if isinstance(spec, str):
        return [named(spec, rows)]
    if isinstance(spec, (list, tuple)) and spec:
        return [learner for one in spec for learner in as_learner(one, rows) or []]
    if hasattr(spec, "predict_proba") and hasattr(spec, "fit"):
        return [Classification(spec)]
    if hasattr(spec, "predict") and hasattr(spec, "fit"):
        return [Regression(spec)]
    raise DataError(
        f"the mechanism of {rows.node!r} must be the name of a learner, a Learner, an estimator of "
        f"scikit-learn, a list of these or a Mechanism, got {spec!r}"
    )
