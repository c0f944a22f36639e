"""Fisher's z-test as Triton kernels, for arrays of Torch on CUDA.

The array form in `_partial_correlation` writes every intermediate number to memory: some ten passes for no
condition, sixty for three. Here each test is one lane, which reads its positions and correlations, keeps the
Cholesky factor in registers and writes one number; or none, where only the weakest of many is asked for. The
operations and their order are those of the array form, and no multiplication is fused with an addition, so
that the two agree bit for bit where the library's square root is correctly rounded.

The environment variable ``TRITON_INTERPRET=1``, read when Triton is imported, runs the same code on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import torch
import triton
import triton.language as tl

from causalrep.independence._partial_correlation import SMALLEST_PIVOT
from causalrep.independence._subsets import Neighbourhoods

__all__ = ["OPTIONS", "correlations", "interpreting", "weakest"]

OPTIONS = {"enable_fp_fusion": False}
"""How the kernels are compiled."""

_BLOCK = 256
_SMALLEST = tl.constexpr(SMALLEST_PIVOT)
_EPSILON_8 = tl.constexpr(8.0 * 2.0**-52)


def interpreting() -> bool:
    """Say whether Triton runs its kernels on the CPU."""
    return bool(triton.knobs.runtime.interpret)


@triton.jit
def _entry(R, d, row, column, live):
    return tl.load(R + row * d + column, mask=live, other=0.0)


@triton.constexpr_function
def _at(row, column):
    """Return the place of an entry below the diagonal where these are kept row after row."""
    return row * (row - 1) // 2 + column


@triton.jit
def _replaced(values, at: tl.constexpr, value):
    """Return a tuple with another entry."""
    found = ()
    for p in tl.static_range(len(values)):
        if p == at:
            found = found + (value,)
        else:
            found = found + (values[p],)
    return found


@triton.jit
def _two(covariance, r_x, r_y, c):
    """Return the covariance, the variances and the pivot after regression on two columns."""
    a, e = r_x[0], r_x[1]
    b, f = r_y[0], r_y[1]
    pivot = 1.0 - c * c
    weight = 1.0 / tl.where(pivot < _SMALLEST, 1.0, pivot)
    covariance = covariance - weight * ((a * b + e * f) - c * (a * f + e * b))
    x_left = 1.0 - weight * ((a * a + e * e) - c * (2.0 * (a * e)))
    y_left = 1.0 - weight * ((b * b + f * f) - c * (2.0 * (b * f)))
    return covariance, x_left, y_left, pivot


@triton.jit
def _cholesky(covariance, r_x, r_y, between, K: tl.constexpr):
    """Return the same after regression on K columns; ``between[_at(q, p)]`` is R_qp for p < q."""
    one = covariance * 0.0 + 1.0
    x_left, y_left, smallest = one, one, one
    diagonal = ()
    for _ in tl.static_range(K):
        diagonal = diagonal + (one,)
    for p in tl.static_range(K):
        if p > 0:
            pivot = diagonal[p]
            smallest = tl.minimum(smallest, pivot)
            scale = 1.0 / tl.sqrt(tl.where(pivot < _SMALLEST, 1.0, pivot))
            r_x = _replaced(r_x, p, r_x[p] * scale)
            r_y = _replaced(r_y, p, r_y[p] * scale)
            for q in tl.static_range(p + 1, K):
                between = _replaced(between, _at(q, p), between[_at(q, p)] * scale)
        a, b = r_x[p], r_y[p]
        covariance = covariance - a * b
        x_left = x_left - a * a
        y_left = y_left - b * b
        for q in tl.static_range(p + 1, K):
            factor = between[_at(q, p)]
            diagonal = _replaced(diagonal, q, diagonal[q] - factor * factor)
            r_x = _replaced(r_x, q, r_x[q] - factor * a)
            r_y = _replaced(r_y, q, r_y[q] - factor * b)
            for s in tl.static_range(p + 1, q):
                left = between[_at(q, s)] - factor * between[_at(s, p)]
                between = _replaced(between, _at(q, s), left)
    return covariance, x_left, y_left, smallest


@triton.jit
def _correlation(R, d, x, y, S, live, K: tl.constexpr, SQUARED: tl.constexpr):
    """Return the partial correlation of x and y given the K positions S in each lane, or its square."""
    covariance = _entry(R, d, x, y, live)
    r_x, r_y, between = (), (), ()
    for q in tl.static_range(K):
        r_x = r_x + (_entry(R, d, x, S[q], live),)
        r_y = r_y + (_entry(R, d, y, S[q], live),)
        for p in tl.static_range(q):
            between = between + (_entry(R, d, S[p], S[q], live),)
    x_left = covariance * 0.0 + 1.0
    y_left, pivot = x_left, x_left
    if K == 1:
        covariance = covariance - r_x[0] * r_y[0]
        x_left = 1.0 - r_x[0] * r_x[0]
        y_left = 1.0 - r_y[0] * r_y[0]
    if K == 2:
        covariance, x_left, y_left, pivot = _two(covariance, r_x, r_y, between[0])
    if K >= 3:
        covariance, x_left, y_left, pivot = _cholesky(covariance, r_x, r_y, between, K)
    smallest = tl.minimum(x_left, y_left)
    singular = tl.minimum(smallest, pivot) < _SMALLEST
    if K >= 2:
        singular = singular | (smallest * pivot < K * _EPSILON_8)
    product = tl.where(singular, 1.0, x_left * y_left)
    if SQUARED:
        return tl.where(singular, float("inf"), covariance * covariance / product)
    return tl.where(singular, float("nan"), covariance / tl.sqrt(product))


@triton.jit
def _correlations(R, d, i, j, S, out, m, width, K: tl.constexpr, SQUARED: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = at < m
    # Each pair of ends is met by `width` conditioning sets in turn.
    x = tl.load(i + at // width, mask=live, other=0)
    y = tl.load(j + at // width, mask=live, other=0)
    given = ()
    for p in tl.static_range(K):
        given = given + (tl.load(S[p] + at, mask=live, other=0),)
    tl.store(out + at, _correlation(R, d, x, y, given, live, K, SQUARED), mask=live)


@triton.jit
def _largest(counts, bound, q, n_bits):
    """Return in each lane the largest number below q whose entry of `counts` is at most `bound`."""
    found = tl.zeros_like(bound)
    for bit in range(n_bits):
        tried = found + (1 << (n_bits - 1 - bit)).to(tl.int64)
        inside = tried < q
        fits = inside & (tl.load(counts + tried, mask=inside, other=0) <= bound)
        found = tl.where(fits, tried, found)
    return found


@triton.jit
def _weakest(
    R, d, i, j, first, count, skipped, nodes, counts, width, n_bits, best, rank, lost,
    K: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Go through a part of the subsets of one pair, and write the weakest, its number, and what was lost."""
    pair = tl.program_id(0).to(tl.int64)
    lanes = tl.arange(0, BLOCK).to(tl.int64)
    x, y = tl.load(i + pair) + lanes * 0, tl.load(j + pair) + lanes * 0
    own, q, skip = nodes + tl.load(first + pair), tl.load(count + pair), tl.load(skipped + pair)
    n_sets = tl.load(counts + K * width + q)
    each = tl.cdiv(n_sets, tl.num_programs(1))
    start = tl.program_id(1) * each
    stop = tl.minimum(start + each, n_sets)
    low = tl.full((BLOCK,), float("inf"), tl.float64)
    where = tl.zeros((BLOCK,), tl.int64)
    missed = tl.zeros((BLOCK,), tl.int64)
    for begin in range(start, stop, BLOCK):
        number = begin + lanes
        live = number < stop
        left = tl.where(live, n_sets - 1 - number, 0)
        given = ()
        for p in tl.static_range(K):
            place = left  # of one more, C(c, 1) = c
            if p < K - 1:
                column = counts + (K - p) * width
                place = _largest(column, left, q, n_bits)
                left = left - tl.load(column + place)
            place = q - 1 - place
            place = tl.where(place >= skip, place + 1, place)
            given = given + (tl.load(own + place, mask=live, other=0),)
        strength = _correlation(R, d, x, y, given, live, K, True)
        missed += tl.where(live & (strength == float("inf")), 1, 0)
        better = live & (strength < low)  # a tie stays with the earlier number
        low = tl.where(better, strength, low)
        where = tl.where(better, number, where)
    weakest = tl.min(low, axis=0)
    at = pair * tl.num_programs(1) + tl.program_id(1)
    tl.store(best + at, weakest)
    tl.store(rank + at, tl.min(tl.where(low == weakest, where, n_sets), axis=0))
    tl.store(lost + at, tl.sum(missed, axis=0))


def correlations(
    R: torch.Tensor,
    d: int,
    i: torch.Tensor,
    j: torch.Tensor,
    S: Sequence[torch.Tensor],
    width: int,
    out: torch.Tensor,
    squared: bool,
) -> None:
    """Write `_fused.fused_correlations`, all flat; each entry of i and j is met by `width` of S."""
    m = out.numel()
    grid = (triton.cdiv(m, _BLOCK),)
    ends = [end.contiguous() for end in (i, j)]
    given = tuple(column.contiguous() for column in S)
    _correlations[grid](R, d, *ends, given, out, m, width, K=len(S), SQUARED=squared, BLOCK=_BLOCK, **OPTIONS)


def weakest(
    R: torch.Tensor,
    d: int,
    asked: Neighbourhoods,
    counts: torch.Tensor,
    q: int,
    size: int,
    n_parts: int,
    out: Sequence[torch.Tensor],
) -> None:
    """Write the smallest square, its number and how many could not be made, for `n_parts` parts of each pair.

    ``counts`` holds the binomial coefficients C(c, k) for k up to `size` and c up to `q`, row after row of k.
    """
    block = 128 if comb(q, size) > 64 else 32
    _weakest[(len(asked.i), n_parts)](
        R,
        d,
        *(part.contiguous() for part in asked),
        counts,
        q + 1,
        q.bit_length(),
        *out,
        K=size,
        BLOCK=block,
        num_warps=block // 32,
        **OPTIONS,
    )
