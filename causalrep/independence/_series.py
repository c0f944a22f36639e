"""Smooth functions of a few variables by polynomials, and what is left of others after regression on them.

Variables come as normal scores, so that their Hermite polynomials are nearly orthonormal whatever their
distribution. A set of variables is expanded in the products of Hermite polynomials up to a total degree.
That is quick for what is smooth in the scores, as where variables are jointly Gaussian, and slow for what
is smooth in the ranks, as where a cause is uniform; so each variable also brings the Legendre polynomials
of its rank. Neither family alone is enough, and together they cost a few terms more.

References
----------
W. K. Newey, Convergence rates and asymptotic normality for series estimators, Journal of Econometrics 79
(1997), 147-168.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations_with_replacement
from math import comb, sqrt

import numpy as np
import scipy.special
import scipy.stats
from numpy.typing import NDArray

__all__ = ["hermite", "legendre", "n_terms", "normal_scores", "partial_out", "series"]

Floats = NDArray[np.float64]

_BLOCK_BYTES = 2**25
_SMALLEST_EIGENVALUE = 1e-10  # of a correlation matrix; its eigenvectors are then good to about 1e-6


def normal_scores(column: Floats) -> Floats:
    """Return the standard normal quantiles of (rank - 1/2) / n, with average ranks for ties."""
    ranks = scipy.stats.rankdata(column)
    return np.asarray(scipy.special.ndtri((ranks - 0.5) / len(column)))


def hermite(u: Floats, degree: int) -> Floats:
    """Return the Hermite polynomials of degrees 0 to `degree`, orthonormal for standard normal u.

    Parameters
    ----------
    u : array of shape (n,)
    degree : int

    Returns
    -------
    array of shape (degree + 1, n)
    """
    rows = np.ones((degree + 1, len(u)))
    if degree:
        rows[1] = u
    for k in range(1, degree):
        rows[k + 1] = (u * rows[k] - sqrt(k) * rows[k - 1]) / sqrt(k + 1)
    return rows


def legendre(r: Floats, degree: int) -> Floats:
    """Return the Legendre polynomials of degrees 0 to `degree`, orthonormal for r uniform on [-1, 1].

    Parameters
    ----------
    r : array of shape (n,)
    degree : int

    Returns
    -------
    array of shape (degree + 1, n)
    """
    rows = np.ones((degree + 1, len(r)))
    if degree:
        rows[1] = r
    for k in range(1, degree):
        rows[k + 1] = ((2 * k + 1) * r * rows[k] - k * rows[k - 1]) / (k + 1)
    norms: Floats = np.sqrt(2.0 * np.arange(degree + 1) + 1.0)
    return rows * norms[:, None]


def n_terms(k: int, degree: int) -> int:
    """Return the number of terms of `series` for k variables that take many values."""
    return comb(k + degree, degree) + k * degree


def series(scores: Floats, most: Sequence[int], degree: int) -> Floats:
    """Return the terms of the expansion.

    Parameters
    ----------
    scores : array of shape (k, n)
        Normal scores of the variables.
    most : sequence of k int
        Largest degree in each variable: one less than the number of its values, whose functions are then
        all in the span.
    degree : int
        Largest total degree.

    Returns
    -------
    array of shape (n_terms, n)
    """
    single = [hermite(u, degree) for u in scores]
    rows = [np.ones(scores.shape[1])]
    rows.extend(
        np.prod([single[v][power] for v, power in powers], axis=0)
        for powers in _powers(len(scores), degree)
        if all(power <= most[v] for v, power in powers)
    )
    for u, limit in zip(scores, most, strict=True):
        rows.extend(legendre(2.0 * scipy.special.ndtr(u) - 1.0, min(degree, limit))[1:])
    return np.stack(rows)


def partial_out(
    scores: Floats, most: Sequence[int], degree: int, blocks: Sequence[Floats]
) -> tuple[list[Floats], Floats]:
    """Return what is left of each block after regression on the expansion, and of each row.

    Parameters
    ----------
    scores, most, degree
        As for `series`.
    blocks : sequence of arrays of shape (p, n)
        Each is regressed by itself, so what else is asked does not change a bit of it.

    Returns
    -------
    residuals : list of arrays of shape (p, n)
    freedom : array of shape (n,)
        One less the leverage: the share of its own noise that the residual of a row keeps.

    Notes
    -----
    O(n t^2) for t terms, in two passes over blocks of rows. Directions in which the terms are collinear
    are dropped, which changes nothing of the span.
    """
    n = scores.shape[1]
    gram: Floats | float = 0.0
    cross: list[Floats | float] = [0.0] * len(blocks)
    for span, phi in _by_rows(scores, most, degree):
        gram = gram + phi @ phi.T
        cross = [total + phi @ block[:, span].T for total, block in zip(cross, blocks, strict=True)]
    whiten = _whitening(np.asarray(gram))
    coefficients = [whiten.T @ total for total in cross]
    residuals = [np.empty_like(block) for block in blocks]
    freedom = np.empty(n)
    for span, phi in _by_rows(scores, most, degree):
        q = whiten.T @ phi
        freedom[span] = 1.0 - np.einsum("tn,tn->n", q, q)
        for residual, block, beta in zip(residuals, blocks, coefficients, strict=True):
            residual[:, span] = block[:, span] - beta.T @ q
    return residuals, freedom


@lru_cache(maxsize=64)
def _powers(k: int, degree: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return the products of total degree 1 to `degree`, each as pairs (variable, power)."""
    return tuple(
        tuple(Counter(factors).items())
        for size in range(1, degree + 1)
        for factors in combinations_with_replacement(range(k), size)
    )


def _by_rows(scores: Floats, most: Sequence[int], degree: int) -> Iterator[tuple[slice, Floats]]:
    k, n = scores.shape
    step = max(1, _BLOCK_BYTES // (8 * n_terms(k, degree)))
    for start in range(0, n, step):
        span = slice(start, min(start + step, n))
        yield span, series(scores[:, span], most, degree)


def _whitening(gram: Floats) -> Floats:
    """Return W of shape (t, r) with W' gram W = 1 on all directions that the terms really have."""
    scale: Floats = 1.0 / np.sqrt(np.diag(gram))
    values, vectors = np.linalg.eigh(gram * scale[:, None] * scale[None, :])
    kept = values > _SMALLEST_EIGENVALUE * values[-1]
    whiten: Floats = scale[:, None] * vectors[:, kept] / np.sqrt(values[kept])
    return whiten
