"""From what users pass to arrays by role: covariates, outcome, treatment and the rest."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, column_or_1d, validate_data

from causalrep.utils import DataError, UnknownNameError, columns_of, is_frame

__all__ = [
    "ROLES",
    "Sample",
    "Treatment",
    "arm_codes",
    "codes",
    "declared_arms",
    "of_length",
    "read_outcome",
    "read_table",
    "read_time",
    "read_treatment",
    "read_weight",
]

Array = NDArray[np.float64]

ROLES = (
    "treatment",
    "instrument",
    "mediator",
    "time",
    "unit",
    "cluster",
    "treatment_proxy",
    "outcome_proxy",
)

_MOST_ARMS = 20
_FEWEST_ROWS = 10


@dataclass(frozen=True)
class Treatment:
    """A treatment as numbers: 0, 1, ... where there are arms, the reference first, else as it is."""

    values: Array
    arms: NDArray[Any] | None

    @property
    def is_binary(self) -> bool:
        """Whether there are two arms."""
        return self.arms is not None and len(self.arms) == 2

    @property
    def has_several_arms(self) -> bool:
        """Whether there are more than two arms."""
        return self.arms is not None and len(self.arms) > 2


@dataclass(frozen=True)
class Sample:
    """The rows that an estimator was fitted to.

    Parameters
    ----------
    W : array of shape (n, n_covariates)
        The covariates.
    y, t : array of shape (n,)
        Outcome, and treatment in numbers.
    weight : array of shape (n,)
        Weights of mean one.
    fit_weight : array of shape (n,), optional
        The weights as they were given, for the nuisance models: penalties weigh against their sum.
    cluster : array of shape (n,), optional
        Clusters as 0, 1, 2, ...
    names : tuple of hashable
        Names of the covariates.
    time : array of shape (n,), optional
        When each row was seen, where folds are to be blocks of time.
    """

    W: Array
    y: Array
    t: Array
    weight: Array
    fit_weight: Array | None
    cluster: NDArray[np.intp] | None
    names: tuple[Hashable, ...]
    time: NDArray[Any] | None = None


def read_table(
    estimator: Any, X: Any, roles: Mapping[str, Any], *, reset: bool, allow_nan: bool
) -> tuple[Array, tuple[Hashable, ...], dict[str, NDArray[Any]]]:
    """Return the covariates, their names, and the columns that play a role, by role.

    Several columns of one role come as an array of shape (n, n_columns).
    """
    finite: Any = "allow-nan" if allow_nan else True
    if is_frame(X):
        columns = columns_of(
            X, what="X"
        )  # says which name is there twice, before scikit-learn stumbles over it
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        if any(isinstance(name, tuple) for name in columns):
            raise DataError("`X` has columns with levels of names; give each column one name")
        names: list[Hashable] = list(columns)
        values = list(columns.values())
    else:
        X = validate_data(
            estimator, X, reset=reset, dtype=np.float64, ensure_all_finite=finite, ensure_min_samples=1
        )
        names = list(range(X.shape[1]))
        values = [X[:, j] for j in range(X.shape[1])]
    taken: dict[str, NDArray[Any]] = {}
    used: dict[int, str] = {}
    for role, wanted in roles.items():
        several = isinstance(wanted, (list, tuple))
        positions = [_position(one, names, role) for one in (wanted if several else [wanted])]
        for j in positions:
            if j in used:
                raise DataError(f"`{role}` and `{used[j]}` both name the column {names[j]!r}")
            used[j] = role
        found = [values[j] for j in positions]
        taken[role] = np.column_stack(found) if several else found[0]
    kept = [j for j in range(len(names)) if j not in used]
    W = (
        np.column_stack([_numbers(values[j], names[j]) for j in kept])
        if kept
        else np.zeros((len(values[0]), 0))
    )
    if kept:
        W = check_array(W, dtype=np.float64, ensure_all_finite=finite, input_name="X")
    return W, tuple(names[j] for j in kept), taken


def _position(wanted: Any, names: Sequence[Hashable], role: str) -> int:
    if isinstance(wanted, (int, np.integer)) and not isinstance(wanted, bool):
        if not -len(names) <= wanted < len(names):
            raise DataError(f"`{role}` is position {wanted}, but X has {len(names)} feature(s)")
        return int(wanted) % len(names)
    if not isinstance(wanted, str):
        raise DataError(
            f"`{role}` of the constructor must be the name (str) or the position (int) of a column of X, "
            f"got {type(wanted).__name__}; pass arrays by keyword, fit(X, y, {role}=...)"
        )
    if wanted not in names:
        raise UnknownNameError(wanted, names, what=f"`{role}`")
    return names.index(wanted)


def _numbers(values: NDArray[Any], name: Hashable) -> Array:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"the covariate {name!r} must be numeric, got values such as {values[0]!r}; encode it first"
        ) from error


def read_outcome(estimator: Any, y: Any, n: int) -> Array:
    """Return the outcome as floats, one for each row."""
    if y is None:
        raise DataError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is None."
        )
    if hasattr(y, "to_numpy"):
        y = y.to_numpy()
    values = column_or_1d(y, warn=True)
    values = check_array(values, ensure_2d=False, dtype=np.float64, input_name="y")
    return np.asarray(of_length(values, n, "y"))


def of_length(values: NDArray[Any], n: int, what: str) -> NDArray[Any]:
    """Return the array, if it has one value for each row of X."""
    if len(values) != n:
        raise DataError(f"`{what}` must have one value for each of the {n} rows of X, got {len(values)}")
    if n < _FEWEST_ROWS:
        raise DataError(f"an effect needs at least {_FEWEST_ROWS} rows, got n_samples = {n}")
    return values


def read_weight(weight: Any, n: int) -> tuple[Array, Array | None]:
    """Return weights of mean one, and the weights as they were given."""
    if weight is None:
        return np.ones(n), None
    values = check_array(weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if values.ndim != 1 or len(values) != n:
        raise DataError(f"`sample_weight` must have shape ({n},), got {values.shape}")
    if (values < 0).any() or not values.any():
        raise DataError("`sample_weight` must be at least zero, and not zero everywhere")
    return values / values.mean(), values


def declared_arms(X: Any, column: Any, values: Any) -> list[Any] | None:
    """Return the categories that `values`, or else a column of X, declares in pandas or polars, or None."""
    if values is None and is_frame(X) and isinstance(column, (str, int)):
        values = X[column if isinstance(column, str) else list(X.columns)[column]]
    categories: Any = getattr(getattr(values, "dtype", None), "categories", None)
    return list(categories) if hasattr(categories, "__iter__") else None


def arm_codes(values: NDArray[Any], arms: NDArray[Any]) -> Array:
    """Return which arm each value is, as a number: 0 is the reference."""
    values = values.astype(str) if arms.dtype.kind in "US" else values
    unknown = values[~np.isin(values, arms)]
    if unknown.size:
        raise DataError(f"`treatment` has the value {unknown.tolist()[0]!r}; the arms are {arms.tolist()}")
    return np.asarray(np.argmax(np.equal.outer(values, arms), axis=-1), dtype=np.float64)


def read_treatment(
    values: Any,
    n: int,
    y: Array,
    kind: str,
    *,
    by_keyword: bool,
    several: bool = False,
    reference: Any = None,
    declared: Sequence[Any] | None = None,
) -> Treatment:
    """Return the treatment as numbers: which arm, from 0 on, or how much.

    Two different values make two arms. More make arms too where `several` are allowed and they are no
    numbers, are `declared` as categories, or `kind` says so. The first arm is `reference`, by default the
    first declared category or the smallest value.
    """
    if kind not in ("auto", "binary", "categorical", "continuous", "any"):
        raise DataError(
            f"`treatment_type` must be 'auto', 'binary', 'categorical' or 'continuous', got {kind!r}"
        )
    raw = column_or_1d(values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values))
    of_length(raw, n, "treatment")
    numeric = raw.dtype.kind in "biuf"
    if not numeric:
        raw = raw.astype(str) if not any(value is None or value != value for value in raw) else raw
        if raw.dtype == object:
            raise DataError("`treatment` has missing values")
    elif not np.isfinite(raw.astype(np.float64)).all():
        raise DataError("`treatment` contains NaN or infinity")
    arms, coded = np.unique(raw, return_inverse=True)
    if len(arms) < 2:
        raise DataError(f"there is no overlap: the treatment is {arms[0]!r} in all rows")
    named = (
        several and kind != "continuous" and (not numeric or declared is not None or kind == "categorical")
    )
    if (len(arms) == 2 and kind != "continuous") or named:
        if len(arms) > _MOST_ARMS:
            raise DataError(
                f"`treatment` has {len(arms)} values, and at most {_MOST_ARMS} arms are compared; if it is a "
                "dose, say treatment_type='continuous'"
            )
        return _ordered(arms, coded, reference, declared)
    if reference is not None:
        raise DataError(f"`reference` is {reference!r}, but the treatment is a dose and has no arms")
    if not numeric:
        raise DataError(
            f"`treatment` must have two values or be numeric here, got {len(arms)} values: "
            f"{arms[:5].tolist()}; estimators like AIPW compare several arms"
        )
    whole = bool(np.all(raw == np.round(raw.astype(np.float64))))
    if kind in ("auto", "binary"):
        if by_keyword and not whole and len(np.unique(y)) == 2:
            raise DataError(
                "`y` has two values and `treatment` has many: did you swap them? "
                "If not, say treatment_type='continuous'"
            )
        if kind == "binary" or (whole and len(arms) > _MOST_ARMS):
            raise DataError(
                f"`treatment` has {len(arms)} values, and two arms were expected; if it is a dose, "
                "say treatment_type='continuous'"
            )
    return Treatment(raw.astype(np.float64), None)


def _ordered(
    arms: NDArray[Any], coded: NDArray[np.intp], reference: Any, declared: Sequence[Any] | None
) -> Treatment:
    """Return the arms in the declared order, the reference before all others."""
    order = list(range(len(arms)))
    if declared is not None:
        places = {str(name): place for place, name in enumerate(declared)}
        order.sort(key=lambda arm: places.get(str(arms[arm]), len(places)))
    if reference is not None:
        names = [str(name) for name in arms]
        if str(reference) not in names:
            raise UnknownNameError(reference, arms.tolist(), what="`reference`")
        first = names.index(str(reference))
        order = [first, *(arm for arm in order if arm != first)]
    place = np.argsort(order)
    return Treatment(place[coded].astype(np.float64), arms[order])


def read_time(values: Any, n: int) -> NDArray[Any]:
    """Return moments that can be ordered: numbers or dates, one for each row."""
    raw = of_length(column_or_1d(np.asarray(values)), n, "time")
    if raw.dtype.kind not in "biufmM" or (raw.dtype.kind in "fmM" and (raw != raw).any()):
        raise DataError(f"`time` must be numbers or dates without gaps, got {raw.dtype}")
    return raw


def codes(values: Any, n: int, what: str) -> NDArray[np.intp]:
    """Return labels as 0, 1, 2, ... in sorted order."""
    raw = column_or_1d(values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values))
    of_length(raw, n, what)
    _, coded = np.unique(raw.astype(str) if raw.dtype == object else raw, return_inverse=True)
    if coded.max() == 0:
        raise DataError(f"`{what}` has one value in all rows; there must be two at the least")
    return np.asarray(coded, dtype=np.intp)
