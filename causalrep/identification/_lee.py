"""Bounds of an effect on those whose outcome is seen whether treated or not, by trimming."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.identification._closed_forms import BoundsRange
from causalrep.utils import DataError, UnknownNameError, columns_of

__all__ = ["lee_bounds"]


def lee_bounds(data: Any, treatment: Hashable, outcome: Hashable, selected: Hashable) -> BoundsRange:
    """Return bounds of the mean effect on units whose outcome is seen under either treatment.

    Assumes that treatment is randomised, and that it moves selection in one direction only: which
    one is taken from the data. The arm with more selected units is trimmed by the excess share, from
    above and from below.

    Parameters
    ----------
    data : data frame or mapping of columns
        One row per unit; outcomes of units that are not selected are ignored and may be missing.
    treatment : hashable
        A column with two values, sorted: control, treated.
    outcome : hashable
        A numeric column.
    selected : hashable
        A column of true and false, or 1 and 0: whose outcome is seen.

    Returns
    -------
    BoundsRange
        Of the effect on the always-selected.

    Raises
    ------
    DataError
        If a column has other values, or nobody in an arm is selected.
    UnknownNameError
        If a column does not exist.

    References
    ----------
    .. [1] D. S. Lee, "Training, wages, and sample selection: estimating sharp bounds on treatment
       effects", Review of Economic Studies 76, 2009, doi:10.1111/j.1467-937X.2009.00536.x.

    Examples
    --------
    >>> from causalrep.identification import lee_bounds
    >>> nan = float("nan")
    >>> data = {"T": [1, 1, 1, 1, 0, 0, 0, 0], "S": [1, 1, 1, 1, 1, 1, 0, 0],
    ...         "Y": [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, nan, nan]}
    >>> lee_bounds(data, "T", "Y", "S")
    BoundsRange(lower=0.0, upper=2.0)
    """
    columns = columns_of(data, what="data")
    for name in (treatment, outcome, selected):
        if name not in columns:
            raise UnknownNameError(name, columns, what="a column")
    levels = sorted(set(columns[treatment].tolist()))
    if len(levels) != 2:
        raise DataError(f"{treatment!r} must have two values, got {len(levels)}")
    seen = columns[selected].astype(float)
    if not np.isin(seen, (0, 1)).all():
        raise DataError(f"{selected!r} must hold true and false, or 1 and 0")
    arms = [columns[treatment] == level for level in levels]
    rates = [float(seen[arm].mean()) for arm in arms]
    if not all(rates):
        raise DataError("in each arm some unit must be selected")
    kept = [columns[outcome][arm & (seen == 1)].astype(float) for arm in arms]
    if not all(np.isfinite(values).all() for values in kept):
        raise DataError(f"the outcomes of selected units must be finite numbers in {outcome!r}")
    more = int(rates[1] >= rates[0])
    share = rates[1 - more] / rates[more]
    ends = [_mean_of_share(kept[more], share), -_mean_of_share(-kept[more], share)]
    other = float(kept[1 - more].mean())
    differences = [end - other if more else other - end for end in ends]
    return BoundsRange(min(differences), max(differences))


def _mean_of_share(values: NDArray[np.float64], share: float) -> float:
    """Return the mean of the lowest `share` of values; the value at the edge counts in part."""
    ordered = np.sort(values)
    weights = np.clip(share * len(ordered) - np.arange(len(ordered)), 0.0, 1.0)
    return float(weights @ ordered / weights.sum())
