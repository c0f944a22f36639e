"""From data frames to the value of an estimand, with values, dangling variables and missing strata."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from itertools import chain, product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from causalrep.identification._evaluate import Distributions, OnViolation, Values, evaluate
from causalrep.identification._expression import Expression, Variable
from causalrep.identification._joint import Joint, read_joints
from causalrep.identification._query import parse_query
from causalrep.utils import (
    DataError,
    PositivityError,
    PositivityWarning,
    UnknownNameError,
    columns_of,
    frame_like,
    is_frame,
)

__all__ = ["evaluate_on_tables"]

Key = tuple[frozenset[Hashable], str]


def evaluate_on_tables(
    expression: Expression,
    table: Any,
    *,
    roles: Mapping[str, Mapping[Hashable, Variable]],
    fixed: Mapping[str, Mapping[Hashable, Hashable]],
    values: Mapping[str, Mapping[Hashable, Hashable]],
    known: Sequence[Hashable],
    dangling: Any = "average",
    on_violation: OnViolation = "warn",
) -> Any:
    """Return the value of an estimand, as `Identification.evaluate` says.

    Parameters
    ----------
    expression : Expression
        The estimand.
    table : data frame, mapping of columns, or mapping of distribution to either
        The distributions.
    roles : mapping of role to mapping of node to Variable
        What the free variables of the estimand stand for.
    fixed, values : mapping of role to mapping of node to value
        Values that the query names, and those that override them.
    known : sequence of hashable
        The nodes of the graph.
    dangling, on_violation : object
        As there.

    Returns
    -------
    float or data frame
        The value.
    """
    if on_violation not in ("warn", "raise", "drop"):
        raise ValueError(f"`on_violation` must be 'warn', 'raise' or 'drop', got {on_violation!r}")
    chosen = _chosen(roles, fixed, values)
    joints, like = _distributions(expression, table, known)
    settled = {
        variable: variable._replace(value=value)
        for variable, value in chosen.items()
        if variable not in roles["outcome"].values()
    }
    result = evaluate(expression.substitute(settled), joints, drop=on_violation == "drop")
    named = [variable for role in ("outcome", "do", "given") for variable in roles[role].values()]
    result = _without_dangling(result, named, joints, dangling)
    if on_violation == "drop":
        result = _renormalised(result, list(roles["outcome"].values()))
    result = _at(result, chosen, joints)
    _check_support(result, on_violation)
    left = [variable for variable in named if variable in result.axes]
    if not left:
        return float(result.array)
    return _frame(result, left, joints, like)


def _chosen(
    roles: Mapping[str, Mapping[Hashable, Variable]],
    fixed: Mapping[str, Mapping[Hashable, Hashable]],
    values: Mapping[str, Mapping[Hashable, Hashable]],
) -> dict[Variable, Hashable]:
    chosen: dict[Variable, Hashable] = {}
    for role, variables in roles.items():
        for name in values[role]:
            if name not in variables:
                raise UnknownNameError(name, variables, what=f"`{role}`")
        merged = {**fixed[role], **values[role]}
        chosen.update((variables[name], value) for name, value in merged.items() if name in variables)
    return chosen


# Reading


def _distributions(
    expression: Expression, table: Any, known: Sequence[Hashable]
) -> tuple[Distributions, Any]:
    """Return the distributions that the estimand needs, and a table whose library answers are in."""
    needed: dict[Key, set[Hashable]] = {}
    for term in expression.terms():
        key = (frozenset(v.name for v in term.do), term.domain)
        needed.setdefault(key, set()).update(v.name for v in (*term.outcome, *term.given, *term.do))
    tables = _by_distribution(table, list(needed))
    missing = [key for key in needed if not tables.get(key)]
    if missing:
        raise DataError(
            f"the estimand needs {len(needed)} distributions; `table` must be a mapping such as "
            f"{{'P(...)': ..., 'P(... | do(...))': ...}} and lacks the one under {_called(missing[0])}"
        )
    keys = [key for key in needed for _ in tables[key]]
    sources = [
        (_called(key), _usable(one, key, needed[key], known, alone=len(tables[key]) == 1))
        for key in needed
        for one in tables[key]
    ]
    joints: dict[Key, list[Joint]] = {key: [] for key in needed}
    for key, joint in zip(keys, read_joints(sources, known), strict=True):
        joints[key].append(joint)
    return joints, next((one for parts in tables.values() for one in parts), None)


class TableModel(Protocol):
    """A model that can write down its distributions, such as a `DiscreteSCM`."""

    @property
    def states(self) -> Mapping[Hashable, Sequence[Hashable]]:
        """The values of each node."""
        ...

    def table(self, nodes: Any, do: Any) -> Any:
        """Return the joint distribution of some nodes under an action, one row per state."""
        ...


def _is_model(table: Any) -> bool:
    is_data = isinstance(table, (Mapping, np.ndarray)) or is_frame(table)
    return not is_data and callable(getattr(table, "table", None)) and hasattr(table, "states")


def _by_distribution(table: Any, needed: list[Key]) -> dict[Key, list[Any]]:
    if _is_model(table):
        return {key: [table] for key in needed}
    is_mapping = isinstance(table, Mapping) and not is_frame(table)
    if is_mapping and table and all(_holds_distribution(part) for part in table.values()):
        found: dict[Key, list[Any]] = {}
        for name, part in table.items():
            found.setdefault(_key(name), []).append(part)
        return found
    # One table can only be meant for the one distribution that is needed.
    return {key: [table] for key in needed} if len(needed) == 1 else {}


def _holds_distribution(part: Any) -> bool:
    return isinstance(part, Mapping) or is_frame(part)


def _key(name: Any) -> Key:
    if isinstance(name, tuple):
        return frozenset(name[0]), str(name[1])
    return frozenset(node for node, _ in parse_query(name).do), ""


def _called(key: Key) -> str:
    names = ", ".join(sorted(map(str, key[0])))
    return f"table{f' of do({names})' if names else ''}{f' in {key[1]}' if key[1] else ''}"


def _usable(
    table: Any, key: Key, names: set[Hashable], known: Sequence[Hashable], *, alone: bool
) -> dict[Hashable, Any]:
    """Return the columns to read: of data only those needed, of a table all; experiments weigh alike.

    A table that is the only one of its distribution must have all that is needed.
    """
    if _is_model(table):
        return _from_model(table, key, names, known)
    columns = dict(columns_of(table, what=_called(key)))
    missing = [name for name in known if name in names and name not in columns]
    if missing and alone:
        raise UnknownNameError(
            missing[0], columns, what=f"the estimand, for the columns of `{_called(key)}`,"
        )
    if "p" not in columns or "p" in known:
        return {name: column for name, column in columns.items() if name in names}
    if key[0]:  # one distribution per value of the action: any weights of these values will do
        p = np.asarray(columns["p"], dtype=float)
        columns["p"] = p / p.sum() if p.sum() > 0 else p
    return columns


def _from_model(
    model: TableModel, key: Key, names: set[Hashable], known: Sequence[Hashable]
) -> dict[Hashable, Any]:
    """Return the columns of a model's distribution, one table under another for each action."""
    do = [name for name in known if name in key[0]]
    rest = [name for name in known if name in names and name not in key[0]]
    parts: list[dict[Hashable, Any]] = []
    for values in product(*(model.states[name] for name in do)):
        part = dict(columns_of(model.table(rest, do=dict(zip(do, values, strict=True)))))
        n_rows = len(part["p"])
        parts.append({**part, **{name: [v] * n_rows for name, v in zip(do, values, strict=True)}})
    columns: dict[Hashable, Any] = {
        name: np.concatenate([part[name] for part in parts]) for name in (*rest, *do, "p")
    }
    return {**columns, "p": columns["p"] / len(parts)}


# From all values to those asked for


def _without_dangling(
    result: Values, named: Sequence[Variable], joints: Distributions, dangling: Any
) -> Values:
    """Settle the variables that any value would do for."""
    for variable in [axis for axis in result.axes if axis not in named]:
        joint = _joint_of(variable, joints)
        weights = joint.marginal([variable.name])
        if isinstance(dangling, Mapping) and variable.name in dangling:
            result = _at(result, {variable: dangling[variable.name]}, joints)
            continue
        if dangling == "mode":
            result = _at(result, {variable: joint.states[variable.name][int(weights.argmax())]}, joints)
            continue
        if dangling != "average":
            raise ValueError(
                f"`dangling` must be 'average', 'mode' or a mapping with {variable.name!r}, got {dangling!r}"
            )
        at = result.axes.index(variable)
        array = np.moveaxis(result.array, at, -1)
        weight = np.where(np.isnan(array), 0.0, weights)
        mass = weight.sum(axis=-1)
        mean = (weight * np.nan_to_num(array)).sum(axis=-1) / np.where(mass > 0, mass, np.nan)
        result = Values(result.axes[:at] + result.axes[at + 1 :], mean)
    return result


def _renormalised(result: Values, outcomes: Sequence[Variable]) -> Values:
    axes = tuple(result.axes.index(v) for v in outcomes if v in result.axes)
    mass = result.array.sum(axis=axes, keepdims=True)
    return Values(result.axes, result.array / np.where(mass > 0, mass, np.nan))


def _at(result: Values, chosen: Mapping[Variable, Hashable], joints: Distributions) -> Values:
    array, axes = result.array, list(result.axes)
    for variable, value in chosen.items():
        if variable not in axes:
            continue
        states = _states(variable, joints)
        if value not in states:
            raise DataError(f"{variable.name!r} is never {value!r}; its values are {list(states)}")
        array = np.take(array, states.index(value), axis=axes.index(variable))
        axes.remove(variable)
    return Values(tuple(axes), array)


def _states(variable: Variable, joints: Distributions) -> tuple[Hashable, ...]:
    return _joint_of(variable, joints).states[variable.name]


def _joint_of(variable: Variable, joints: Distributions) -> Joint:
    """Return the first distribution of a variable; they all agree on its states."""
    every = chain.from_iterable(joints.values())
    return next(joint for joint in every if variable.name in joint.names)


def _check_support(result: Values, on_violation: OnViolation) -> None:
    n_undefined = int(np.isnan(result.array).sum())
    if not n_undefined:
        return
    message = (
        f"{n_undefined} of {result.array.size} values of the estimand are undefined: a stratum that they "
        "need never occurs (positivity)"
    )
    if on_violation == "raise":
        raise PositivityError(message)
    warnings.warn(message, PositivityWarning, stacklevel=4)


def _frame(result: Values, left: Sequence[Variable], joints: Distributions, like: Any) -> Any:
    array = result.on(tuple(left))
    states = [_states(variable, joints) for variable in left]
    columns: dict[Hashable, NDArray[Any]] = {}
    for axis, variable in enumerate(left):
        index = np.indices(array.shape)[axis].ravel()
        name: Hashable = variable.name if not variable.primes else str(variable)
        columns[name] = np.array([states[axis][i] for i in index])
    columns["p"] = array.ravel()
    return frame_like(columns, None if type(like).__module__.startswith("pandas") else like)
