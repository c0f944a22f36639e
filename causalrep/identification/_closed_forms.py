"""Bounds that have formulas: of effects without and with an instrument, of joint events.

Each takes a table of probabilities (a column ``"p"``) or data, like `bounds`, which finds the same by
linear programming for the graph that the formula supposes.

References
----------
.. [1] C. F. Manski, "Nonparametric bounds on treatment effects", American Economic Review 80, 1990.
.. [2] C. F. Manski, J. V. Pepper, "Monotone instrumental variables: with an application to the returns
   to schooling", Econometrica 68, 2000, doi:10.1111/1468-0262.00144.
.. [3] A. Balke, J. Pearl, "Bounds on treatment effects from studies with imperfect compliance", JASA
   92, 1997, doi:10.1080/01621459.1997.10474074.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.identification._joint import Joint, read_joints
from causalrep.utils import DataError, UnknownNameError, columns_of

__all__ = [
    "BoundsRange",
    "balke_pearl_bounds",
    "frechet_bounds",
    "manski_bounds",
]


@dataclass(frozen=True)
class BoundsRange:
    """The least and the greatest value that a quantity can have.

    Attributes
    ----------
    lower, upper : float
        The two; sharp unless the function says otherwise.
    """

    lower: float
    upper: float

    @property
    def width(self) -> float:
        """How far apart they are."""
        return self.upper - self.lower


def frechet_bounds(*probabilities: float) -> BoundsRange:
    """Return the bounds of the probability that several events all happen.

    Parameters
    ----------
    *probabilities : float
        One per event; nothing is known about how they depend on each other.

    Returns
    -------
    BoundsRange
        ``max(0, sum(p) - (n - 1))`` and ``min(p)``.

    Raises
    ------
    DataError
        If there is none, or one is not in [0, 1].

    References
    ----------
    .. [1] M. Fréchet, "Généralisation du théorème des probabilités totales", Fundamenta Mathematicae
       25, 1935.

    Examples
    --------
    >>> from causalrep.identification import frechet_bounds
    >>> frechet_bounds(0.75, 0.5)
    BoundsRange(lower=0.25, upper=0.5)
    """
    if not probabilities or not all(0 <= p <= 1 for p in probabilities):
        raise DataError(f"`probabilities` must be in [0, 1] and at least one, got {probabilities}")
    return BoundsRange(max(0.0, sum(probabilities) - len(probabilities) + 1), min(probabilities))


def manski_bounds(
    table: Any,
    treatment: Hashable,
    outcome: Hashable,
    *,
    assumptions: Sequence[str] = (),
    instrument: Hashable = None,
    outcome_range: tuple[float, float] | None = None,
    treated: Hashable = None,
    control: Hashable = None,
) -> BoundsRange:
    """Return bounds of the average effect of a treatment that anything may confound.

    Without assumptions the bounds of a binary outcome are one apart. Values of treatment and
    instrument rise in their sorted order.

    Parameters
    ----------
    table : data frame or mapping of columns
        A table of probabilities with a column ``"p"``, or data.
    treatment, outcome : hashable
        Columns; the treatment may have several values, the outcome is numeric.
    assumptions : sequence of str, default=()
        ``"mtr"``, monotone response: no unit's outcome falls as its treatment rises; ``"mts"``, monotone
        selection: those who chose a higher treatment have, under every treatment, a mean outcome at
        least as high; ``"miv"``, monotone instrument: the same of those with a higher instrument; ``"iv"``:
        mean outcomes under every treatment do not depend on the instrument.
    instrument : hashable, default=None
        A column, for ``"miv"`` and ``"iv"``.
    outcome_range : tuple of float, default=None
        The least and greatest outcome that are possible; by default those of the table.
    treated, control : hashable, default=None
        The values to compare; by default the highest and the lowest.

    Returns
    -------
    BoundsRange
        Sharp but for ``"miv"`` and ``"iv"`` of a mean, for which they are of each mean, not of their
        difference.

    Raises
    ------
    DataError
        If a value of the treatment never occurs, the outcome is not numeric, or the means of the outcome
        contradict the assumptions.
    UnknownNameError
        If a column or an assumption does not exist.

    References
    ----------
    .. [1] C. F. Manski, J. V. Pepper, "Monotone instrumental variables: with an application to the
       returns to schooling", Econometrica 68, 2000, doi:10.1111/1468-0262.00144.

    Examples
    --------
    >>> from causalrep.identification import manski_bounds
    >>> table = {"X": [0, 0, 1, 1], "Y": [0, 1, 0, 1], "p": [0.3, 0.2, 0.1, 0.4]}
    >>> b = manski_bounds(table, "X", "Y")
    >>> round(b.lower, 3), round(b.upper, 3)
    (-0.3, 0.7)
    >>> b = manski_bounds(table, "X", "Y", assumptions=["mtr", "mts"])
    >>> round(b.lower, 3), round(b.upper, 3)
    (0.0, 0.4)
    """
    known = ("mtr", "mts", "miv", "iv")
    for assumption in assumptions:
        if assumption not in known:
            raise UnknownNameError(assumption, known, what="`assumptions`")
    with_instrument = {"miv", "iv"} & set(assumptions)
    if bool(with_instrument) != (instrument is not None):
        raise DataError("`instrument` goes with the assumption 'miv' or 'iv', and they with it")
    names = [treatment, outcome, *([instrument] if instrument is not None else [])]
    joint = _read(table, names)
    values = _numbers(joint, outcome)
    low, high = (float(values.min()), float(values.max())) if outcome_range is None else outcome_range
    if not low <= values.min() <= values.max() <= high:
        raise DataError(f"`outcome_range` must hold all outcomes, got {outcome_range}")
    levels = joint.states[treatment]
    at = [_place(levels, level, default) for level, default in ((treated, -1), (control, 0))]
    array = joint.marginal(names)
    layers = array[:, :, None] if instrument is None else array
    weights = layers.sum(axis=(0, 1))
    if not weights.all():
        raise DataError(f"each value of the instrument {instrument!r} must occur")
    means = [
        [_mean_bounds(layers[:, :, z] / weights[z], values, t, (low, high), assumptions) for t in at]
        for z in range(len(weights))
    ]
    ends = np.array(means)  # instrument, treatment, (lower, upper)
    (lower1, upper1), (lower0, upper0) = (
        _over_instrument(ends[:, k], weights, with_instrument) for k in range(2)
    )
    if lower1 > upper1 + 1e-12 or lower0 > upper0 + 1e-12:
        raise DataError(f"the table contradicts the assumptions {', '.join(assumptions)}")
    lower, upper = float(lower1 - upper0), float(upper1 - lower0)
    if "mtr" in assumptions:
        lower, upper = (max(lower, 0.0), upper) if at[0] >= at[1] else (lower, min(upper, 0.0))
    return BoundsRange(lower, upper)


def _mean_bounds(
    p: NDArray[np.float64],
    values: NDArray[np.float64],
    t: int,
    ends: tuple[float, float],
    assumptions: Sequence[str],
) -> tuple[float, float]:
    """Return the bounds of the mean outcome under treatment number t; `p` is of (treatment, outcome)."""
    share = p.sum(axis=1)
    with np.errstate(invalid="ignore"):
        mean = np.nan_to_num((p @ values) / share)
    below = np.arange(len(share)) < t
    above = np.arange(len(share)) > t
    lower, upper = np.full(len(share), float(ends[0])), np.full(len(share), float(ends[1]))
    if "mtr" in assumptions:
        lower[below], upper[above] = mean[below], mean[above]
    if "mts" in assumptions and share[t]:
        lower[above] = np.maximum(lower[above], mean[t])
        upper[below] = np.minimum(upper[below], mean[t])
        if "mtr" in assumptions and (np.diff(mean[share > 0]) < -1e-12).any():
            raise DataError("under 'mtr' and 'mts' the mean outcome must not fall as the treatment rises")
    lower[t] = upper[t] = mean[t]
    return float(share @ lower), float(share @ upper)


def _over_instrument(
    ends: NDArray[np.float64], weights: NDArray[np.float64], kinds: set[str]
) -> tuple[float, float]:
    """Combine the bounds of a mean at each value of the instrument."""
    lower, upper = ends.T
    if "iv" in kinds:
        return float(lower.max()), float(upper.min())
    if "miv" in kinds:
        lower = np.maximum.accumulate(lower)
        upper = np.minimum.accumulate(upper[::-1])[::-1]
    return float(weights @ lower), float(weights @ upper)


def balke_pearl_bounds(
    table: Any, instrument: Hashable, treatment: Hashable, outcome: Hashable
) -> BoundsRange:
    """Return the sharp bounds of the average effect of a binary treatment with a binary instrument.

    Assumes that the instrument is as if randomised and acts on the outcome through the treatment only;
    all three variables have two values.

    Parameters
    ----------
    table : data frame or mapping of columns
        A table of probabilities with a column ``"p"``, or data.
    instrument, treatment, outcome : hashable
        Columns.

    Returns
    -------
    BoundsRange
        Of P(second value of the outcome) under the second minus under the first treatment.

    Raises
    ------
    DataError
        If a column has not two values, or the table violates the instrumental inequality.

    References
    ----------
    .. [1] A. Balke, J. Pearl, "Bounds on treatment effects from studies with imperfect compliance",
       JASA 92, 1997, doi:10.1080/01621459.1997.10474074 (equations 10 and 11).

    Examples
    --------
    >>> from causalrep.identification import balke_pearl_bounds
    >>> table = {"Z": [0, 0, 1, 1], "X": [0, 0, 0, 1], "Y": [0, 1, 0, 1], "p": [0.4, 0.1, 0.2, 0.3]}
    >>> b = balke_pearl_bounds(table, "Z", "X", "Y")
    >>> round(b.lower, 3), round(b.upper, 3)
    (0.4, 0.8)
    """
    names = [outcome, treatment, instrument]
    joint = _read(table, names)
    for name in names:
        if len(joint.states[name]) != 2:
            raise DataError(f"{name!r} must have two values, got {len(joint.states[name])}")
    array = joint.marginal(names)
    weights = array.sum(axis=(0, 1))
    if not weights.all():
        raise DataError(f"each value of the instrument {instrument!r} must occur")
    p = array / weights
    if p.max(axis=2).sum(axis=0).max() > 1 + 1e-9:
        raise DataError("the table violates the instrumental inequality: no model gives it")
    p00, p01, p10, p11 = p[0, 0], p[0, 1], p[1, 0], p[1, 1]  # outcome, treatment; each by instrument
    lower, upper = [], []
    for z, w in ((0, 1), (1, 0)):
        lower += [
            p11[z] + p00[w] - 1,
            p11[z] - p11[w] - p10[w] - p01[z] - p10[z],
            -p01[z] - p10[z],
            p00[z] - p01[z] - p10[z] - p01[w] - p00[w],
        ]
        upper += [
            1 - p01[z] - p10[w],
            -p01[z] + p01[w] + p00[w] + p11[z] + p00[z],
            p11[z] + p00[z],
            -p10[z] + p11[z] + p00[z] + p11[w] + p10[w],
        ]
    return BoundsRange(float(max(lower)), float(min(upper)))


def _read(table: Any, names: Sequence[Hashable]) -> Joint:
    """Return the joint distribution of some columns; data may have others."""
    columns = columns_of(table, what="table")
    for name in names:
        if name not in columns:
            raise UnknownNameError(name, columns, what="a column of `table`")
    if "p" in columns and "p" not in names:
        (joint,) = read_joints([("table", columns)], [name for name in columns if name != "p"])
    else:
        (joint,) = read_joints([("table", {name: columns[name] for name in names})], names)
    return joint


def _numbers(joint: Joint, name: Hashable) -> NDArray[np.float64]:
    values = np.array(joint.states[name])
    if not np.issubdtype(values.dtype, np.number):
        raise DataError(f"{name!r} must be numeric, got {values.dtype}")
    return values.astype(float)


def _place(levels: Sequence[Hashable], level: Hashable, default: int) -> int:
    if level is None:
        return default % len(levels)
    if level not in levels:
        raise DataError(f"the treatment has no value {level!r}, only {', '.join(map(repr, levels))}")
    return list(levels).index(level)
