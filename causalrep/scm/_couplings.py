"""How a row of probabilities answers a noise: couplings of a table's rows across worlds.

A conditional probability table tells what a node does in one world. What it would have done under
other parents depends on how its rows share their noise, and no data of one world can tell that:
each coupling below gives the same probabilities and other counterfactuals.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Coupling", "Floats", "gumbel_joint", "interval_cells"]

Coupling: TypeAlias = Literal["monotone", "gumbel"]
Floats: TypeAlias = NDArray[np.float64]


def interval_cells(table: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return the finite noise of the monotone coupling: its law and the responses to it.

    One uniform number u is compared with the cumulative probabilities of every row, so u matters
    only through the cell between neighbouring thresholds of all rows in which it lies.

    Parameters
    ----------
    table : array of shape (..., k)
        Rows of probabilities.

    Returns
    -------
    lengths : array of shape (m,)
        Probabilities of the cells.
    response : int array of shape (..., m)
        State that each row gives in each cell.
    """
    inner = np.cumsum(table, axis=-1)[..., :-1]
    edges = np.unique(np.concatenate([[0.0], np.clip(inner.ravel(), 0.0, 1.0), [1.0]]))
    middle = (edges[1:] + edges[:-1]) / 2
    response = (inner[..., None, :] <= middle[:, None]).sum(axis=-1)
    return np.diff(edges), response


def gumbel_joint(p: Floats, q: Floats) -> Floats:
    """Return the joint law of the two states that rows p and q give to the same Gumbel noise.

    The state is ``argmax(log p + G)`` with independent standard Gumbel ``G``, which is
    ``argmin(E / p)`` with standard exponential ``E = exp(-G)`` (Oberst and Sontag 2019, section 3).
    State i in the first world and j in the second needs ``t = E_j / E_i`` in
    ``[p_j / p_i, q_j / q_i]`` and every other ``E_k`` above ``E_i max(p_k / p_i, t q_k / q_j)``, so

        P(i, j) = integral of 1 / S(t)**2,  S(t) = 1 + t + sum_k max(p_k / p_i, t q_k / q_j),

    and S is linear between the breakpoints of the maxima. Equal states have
    ``P(i, i) = 1 / sum_k max(p_k / p_i, q_k / q_i)``.

    Parameters
    ----------
    p, q : array of shape (k,)
        Two rows of probabilities.

    Returns
    -------
    array of shape (k, k)
        Its margins are `p` and `q`.
    """
    k = len(p)
    joint = np.zeros((k, k))
    for i in range(k):
        for j in range(k):
            if p[i] > 0 and q[j] > 0:
                joint[i, j] = _same(p, q, i) if i == j else _different(p, q, i, j)
    return joint


def _same(p: Floats, q: Floats, i: int) -> float:
    return float(1 / np.maximum(p / p[i], q / q[i]).sum())


def _different(p: Floats, q: Floats, i: int, j: int) -> float:
    low = p[j] / p[i]
    high = q[j] / q[i] if q[i] > 0 else np.inf
    if not low < high:
        return 0.0
    rest = [k for k in range(len(p)) if k not in (i, j)]
    flat, slope = p[rest] / p[i], q[rest] / q[j]
    with np.errstate(divide="ignore", invalid="ignore"):
        breaks = flat / slope
    breaks = np.unique(breaks[(breaks > low) & (breaks < high)])
    ends = np.concatenate([[low], breaks, [high]])
    total = 0.0
    for a, b in pairwise(ends):
        middle = (a + b) / 2 if np.isfinite(b) else 2 * a + 1
        rising = slope * middle > flat
        constant, gradient = 1 + flat[~rising].sum(), 1 + slope[rising].sum()
        # the integral of (constant + gradient t)**-2 over [a, b], without the difference of two inverses
        lower = constant + gradient * a
        total += (b - a) / (lower * (constant + gradient * b)) if np.isfinite(b) else 1 / (gradient * lower)
    return float(total)
