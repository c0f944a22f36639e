"""Doubly robust differences in differences where each period has rows of its own."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._did_improved import odds_of_controls
from causalrep.estimators._scores import LinearScore, with_intercept
from causalrep.utils import DataError

__all__ = ["cross_section_score"]

Array = NDArray[np.float64]


def cross_section_score(
    W: Array, y: Array, treated: Array, later: NDArray[np.bool_], weight: Array
) -> LinearScore:
    """Return the locally efficient score of the effect on the treated in repeated cross-sections.

    It is the second estimand of section 2.2 of Sant'Anna and Zhao (2020), with the nuisances of its section
    3.2: propensities that balance all rows, regressions of the controls of each period with their odds as
    weights, and least squares of the treated of each period.

    Raises
    ------
    DataError
        If one of the four cells has no more rows than coefficients, or there is no overlap.
    """
    design = with_intercept(W)
    odds = odds_of_controls(design, treated, weight, stacklevel=6)
    size = float(np.mean(weight * treated))
    numerator = np.zeros_like(y)
    for group, period in product((0, 1), (0, 1)):
        rows = (treated == group) & (later == period)
        if np.sum(weight[rows] > 0) <= design.shape[1]:
            cell = f"{('control', 'treated')[group]} rows of the {('earlier', 'later')[period]} period"
            raise DataError(
                f"{cell} must be more than the {design.shape[1]} coefficients of their regression, got "
                f"{np.sum(rows)}"
            )
        share = rows * (treated if group else odds)
        fitted = design @ _least_squares(design[rows], y[rows], (weight * share)[rows])
        sign = 1 if group == period else -1  # of the mean of this cell in the double difference
        numerator += sign * (treated * fitted + share * (y - fitted) * size / np.mean(weight * share))
    return LinearScore(numerator, treated)


def _least_squares(design: Array, y: Array, weight: Array) -> Array:
    root = np.sqrt(weight)
    return np.asarray(np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0], dtype=np.float64)
