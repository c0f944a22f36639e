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
from functools import lru_cache, reduce
from itertools import combinations_with_replacement
from math import comb, sqrt
from operator import mul

from array_api_compat import device as device_of

from causalrep.independence._arrays import Array, namespace_of, normal_cdf, normal_quantile

__all__ = ["hermite", "legendre", "n_terms", "normal_scores", "partial_out", "series"]

_BLOCK_BYTES = 2**25
_SMALLEST_EIGENVALUE = 1e-10  # of a correlation matrix; its eigenvectors are then good to about 1e-6


def normal_scores(column: Array) -> Array:
    """Return the standard normal quantiles of (rank - 1/2) / n, with average ranks for ties."""
    xp = namespace_of(column)
    ordered = xp.sort(column)
    first, beyond = (xp.searchsorted(ordered, column, side=side) for side in ("left", "right"))
    # Equal values take the ranks first + 1, ..., beyond.
    ranks = xp.astype(first + beyond + 1, xp.float64) / 2.0
    return normal_quantile((ranks - 0.5) / column.shape[0])


def hermite(u: Array, degree: int) -> list[Array]:
    """Return the Hermite polynomials of degrees 0 to `degree`, orthonormal for standard normal u.

    Parameters
    ----------
    u : array of shape (n,)
    degree : int

    Returns
    -------
    list of arrays of shape (n,)
    """
    rows = [namespace_of(u).ones_like(u), u]
    for k in range(1, degree):
        rows.append((u * rows[k] - sqrt(k) * rows[k - 1]) / sqrt(k + 1))
    return rows[: degree + 1]


def legendre(r: Array, degree: int) -> list[Array]:
    """Return the Legendre polynomials of degrees 0 to `degree`, orthonormal for r uniform on [-1, 1].

    Parameters
    ----------
    r : array of shape (n,)
    degree : int

    Returns
    -------
    list of arrays of shape (n,)
    """
    rows = [namespace_of(r).ones_like(r), r]
    for k in range(1, degree):
        rows.append(((2 * k + 1) * r * rows[k] - k * rows[k - 1]) / (k + 1))
    return [row * sqrt(2.0 * k + 1.0) for k, row in enumerate(rows[: degree + 1])]


def n_terms(k: int, degree: int) -> int:
    """Return the number of terms of `series` for k variables that take many values."""
    return comb(k + degree, degree) + k * degree


def series(scores: Array, most: Sequence[int], degree: int) -> Array:
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
    xp = namespace_of(scores)
    variables = [scores[v, :] for v in range(scores.shape[0])]
    single = [hermite(u, degree) for u in variables]
    rows = [xp.ones(scores.shape[1:], dtype=scores.dtype, device=device_of(scores))]
    rows.extend(
        reduce(mul, (single[v][power] for v, power in powers))
        for powers in _powers(len(variables), degree)
        if all(power <= most[v] for v, power in powers)
    )
    for u, limit in zip(variables, most, strict=True):
        rows.extend(legendre(2.0 * normal_cdf(u) - 1.0, min(degree, limit))[1:])
    return xp.stack(rows)


def partial_out(
    scores: Array, most: Sequence[int], degree: int, blocks: Sequence[Array]
) -> tuple[list[Array], Array]:
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
    xp = namespace_of(scores)
    gram: Array | float = 0.0
    cross: list[Array | float] = [0.0] * len(blocks)
    for span, phi in _by_rows(scores, most, degree):
        gram = gram + xp.matmul(phi, xp.matrix_transpose(phi))
        cross = [
            total + xp.matmul(phi, xp.matrix_transpose(block[:, span]))
            for total, block in zip(cross, blocks, strict=True)
        ]
    whiten = xp.matrix_transpose(_whitening(gram))
    coefficients = [xp.matrix_transpose(xp.matmul(whiten, total)) for total in cross]
    residuals = [xp.empty_like(block) for block in blocks]
    freedom = xp.empty(scores.shape[1:], dtype=scores.dtype, device=device_of(scores))
    for span, phi in _by_rows(scores, most, degree):
        q = xp.matmul(whiten, phi)
        freedom[span] = 1.0 - xp.sum(q * q, axis=0)
        for residual, block, beta in zip(residuals, blocks, coefficients, strict=True):
            residual[:, span] = block[:, span] - xp.matmul(beta, q)
    return residuals, freedom


@lru_cache(maxsize=64)
def _powers(k: int, degree: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return the products of total degree 1 to `degree`, each as pairs (variable, power)."""
    return tuple(
        tuple(Counter(factors).items())
        for size in range(1, degree + 1)
        for factors in combinations_with_replacement(range(k), size)
    )


def _by_rows(scores: Array, most: Sequence[int], degree: int) -> Iterator[tuple[slice, Array]]:
    k, n = scores.shape
    step = max(1, _BLOCK_BYTES // (8 * n_terms(k, degree)))
    for start in range(0, n, step):
        span = slice(start, min(start + step, n))
        yield span, series(scores[:, span], most, degree)


def _whitening(gram: Array) -> Array:
    """Return W of shape (t, r) with W' gram W = 1 on all directions that the terms really have."""
    xp = namespace_of(gram)
    scale = 1.0 / xp.sqrt(xp.linalg.diagonal(gram))
    values, vectors = xp.linalg.eigh(gram * scale[:, None] * scale[None, :])
    lost = int(xp.count_nonzero(values <= _SMALLEST_EIGENVALUE * values[-1]))
    return scale[:, None] * vectors[:, lost:] / xp.sqrt(values[lost:])
