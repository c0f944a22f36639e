"""Bounds of the probabilities of causation from observation and experiments, in closed form.

References
----------
.. [1] J. Tian, J. Pearl, "Probabilities of causation: bounds and identification", Annals of Mathematics
   and Artificial Intelligence 28, 2000, arXiv:1301.3898.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.identification._closed_forms import BoundsRange
from causalrep.identification._joint import read_joints
from causalrep.utils import DataError, UnknownNameError

__all__ = ["tian_pearl_bounds"]


def tian_pearl_bounds(
    quantity: str,
    treatment: Hashable,
    outcome: Hashable,
    table: Any = None,
    *,
    experiments: Iterable[tuple[Mapping[Hashable, Hashable], Any]] = (),
    assumptions: Sequence[str] = (),
) -> BoundsRange:
    """Return the sharp bounds of a probability of causation from observation, experiments or both.

    Treatment and outcome have two values; the second is treatment, and the event. Anything may confound
    them.

    Parameters
    ----------
    quantity : {"PN", "PS", "PNS"}
        Necessity, sufficiency, or both.
    treatment, outcome : hashable
        Columns.
    table : data frame or mapping of columns, default=None
        Observation: a table of probabilities with a column ``"p"``, or data.
    experiments : iterable of (dict, table), default=()
        Both values of the treatment, each with a table of the outcome, or none.
    assumptions : sequence of str, default=()
        ``"monotone"``: no unit's outcome falls as its treatment rises.

    Returns
    -------
    BoundsRange
        Under monotonicity, with both kinds of data, a point.

    Raises
    ------
    DataError
        If data are missing that the quantity needs, or contradict each other.
    UnknownNameError
        If a name does not exist.

    References
    ----------
    .. [1] J. Tian, J. Pearl, "Probabilities of causation: bounds and identification", Annals of
       Mathematics and Artificial Intelligence 28, 2000, arXiv:1301.3898 (theorems 1 to 4).

    Examples
    --------
    >>> from causalrep.identification import tian_pearl_bounds
    >>> table = {"X": [0, 0, 1, 1], "Y": [0, 1, 0, 1], "p": [0.3, 0.2, 0.1, 0.4]}
    >>> trials = [({"X": 0}, {"Y": [0, 1], "p": [0.6, 0.4]}), ({"X": 1}, {"Y": [0, 1], "p": [0.35, 0.65]})]
    >>> b = tian_pearl_bounds("PN", "X", "Y", table, experiments=trials)
    >>> round(b.lower, 3), round(b.upper, 3)
    (0.5, 0.75)
    """
    if quantity not in ("PN", "PS", "PNS"):
        raise UnknownNameError(quantity, ("PN", "PS", "PNS"), what="`quantity`")
    for assumption in assumptions:
        if assumption != "monotone":
            raise UnknownNameError(assumption, ("monotone",), what="`assumptions`")
    p, trial = _two_by_two(treatment, outcome, table, list(experiments))
    lower, upper = _cause_candidates(quantity, p, trial, monotone="monotone" in assumptions)
    if max(lower) > min(upper) + 1e-6:
        raise DataError("observation and experiments contradict each other, or the assumption")
    return BoundsRange(max(lower), max(min(upper), max(lower)))


def _two_by_two(
    treatment: Hashable,
    outcome: Hashable,
    table: Any,
    trials: list[tuple[Mapping[Hashable, Hashable], Any]],
) -> tuple[NDArray[np.float64] | None, tuple[float, float] | None]:
    """Return P(treatment, outcome) and the two P(event | do(treatment)), where there are any."""
    sources = [] if table is None else [("table", table)]
    sources += [(f"experiments[{k}]", trial) for k, (_, trial) in enumerate(trials)]
    if not sources:
        raise TypeError("`table` or `experiments` must be given")
    seen = [item for do, _ in trials for item in do.items()]
    joints = read_joints(sources, [treatment, outcome], seen=seen)
    states = joints[0].states
    for name in (treatment, outcome):
        if len(states.get(name, ())) != 2:
            raise DataError(f"{name!r} must have two values, got {len(states.get(name, ()))}")
    p = None if table is None else joints[0].marginal([treatment, outcome])
    found = {}
    for (do, _), joint in zip(trials, joints[table is not None :], strict=True):
        if list(do) != [treatment]:
            raise DataError(f"`experiments` must set {treatment!r} alone, got {dict(do)}")
        found[states[treatment].index(do[treatment])] = float(joint.marginal([outcome])[1])
    if found and len(found) != 2:
        raise DataError(f"`experiments` must set both values of {treatment!r}, or be empty")
    return p, (found[0], found[1]) if found else None


def _cause_candidates(
    quantity: str, p: NDArray[np.float64] | None, trial: tuple[float, float] | None, *, monotone: bool
) -> tuple[list[float], list[float]]:
    """Return the candidates whose greatest and least are the bounds (theorems 1 to 4 of [1]_)."""
    if p is None and quantity != "PNS":
        raise DataError(f"{quantity} is about those observed: it needs `table`")
    lower, upper = [0.0], [1.0]
    if p is not None:
        (n00, n01), (n10, n11) = p.tolist()  # treatment, outcome
        event = n01 + n11
        whole = {"PNS": 1.0, "PN": n11, "PS": n00}[quantity]
        if not whole:
            raise DataError(f"{quantity} is about a stratum that never occurs")
        if quantity == "PNS":
            upper.append(n11 + n00)
        if trial is not None:
            y0, y1 = trial
            rise = {"PNS": y1 - y0, "PN": event - y0, "PS": y1 - event}[quantity] / whole
            lower.append(rise)
            if monotone:
                upper.append(rise)
            if quantity == "PNS":
                lower += [event - y0, y1 - event]
                upper += [y1, 1 - y0, y1 - y0 + n10 + n01]
            else:
                upper.append(((1 - y0 - n00) if quantity == "PN" else (y1 - n11)) / whole)
    elif trial is not None:
        y0, y1 = trial
        lower.append(y1 - y0)
        upper += [y1 - y0] if monotone else [y1, 1 - y0]
    return lower, upper
