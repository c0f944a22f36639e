"""Answers whose statistic is chi-square under independence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.special
from array_api_compat import device as device_of
from numpy.typing import NDArray

from causalrep.independence._arrays import Array, namespace_of, to_numpy
from causalrep.independence._base import CITest, CITestBatch

__all__ = ["ChiSquareBatch", "log_tail", "minus_log_pvalue", "tail"]

Floats = NDArray[np.float64]


class ChiSquareBatch(CITestBatch):
    """Answers whose statistic is chi-square under independence."""

    @property
    def log_pvalue(self) -> Array:
        xp, where = namespace_of(self.statistic), device_of(self.statistic)
        return xp.asarray(log_tail(to_numpy(self.statistic), to_numpy(self.dof)), device=where)


def minus_log_pvalue(test: CITest, i: Array, j: Array, S: Sequence[Array]) -> Array:
    """Return a strength for `CITest.strength` that tells p-values apart which have underflown."""
    xp = namespace_of(test._anchor)
    left, right, *given = xp.broadcast_arrays(i, j, *S)
    batch = test._evaluate(
        xp.reshape(left, (-1,)), xp.reshape(right, (-1,)), tuple(xp.reshape(s, (-1,)) for s in given)
    )
    log_pvalue = to_numpy(batch.log_pvalue)
    strength = np.where(np.isnan(log_pvalue), math.inf, -log_pvalue)
    return xp.reshape(xp.asarray(strength, device=device_of(test._anchor)), left.shape)


def tail(x: Floats, dof: Floats) -> Floats:
    """Return the chi-square survival function, which for no degree of freedom is 1 at 0."""
    return np.where(dof > 0, scipy.special.chdtrc(dof, x), x + 1.0)


def log_tail(x: Floats, dof: Floats) -> Floats:
    """Return the logarithm of the chi-square survival function, also where the function itself underflows.

    There the upper incomplete gamma function is y^(a-1) e^-y (1 + (a-1)/y + (a-1)(a-2)/y^2 + ...).
    """
    p = tail(x, dof)
    far = p < 1e-290
    log_p = np.log(np.where(far, 1.0, p))
    a, y = dof[far] / 2.0, x[far] / 2.0
    term, total = np.ones_like(y), np.ones_like(y)
    for k in range(1, 30):
        term = term * (a - k) / y
        total = total + term
    log_p[far] = (a - 1.0) * np.log(y) - y - scipy.special.gammaln(a) + np.log(total)
    return log_p
