"""The levels of Fisher's z-test up to three conditioning columns as one device kernel.

The array form in `_partial_correlation` writes every intermediate number to memory: some ten passes for no
condition, sixty for three. Here each test is one lane, which reads its positions and correlations, keeps the
Cholesky factor in registers and writes one number. The operations and their order are those of the array
form, and no multiplication is fused with an addition, so that the two agree bit for bit where the library's
square root is correctly rounded.

The environment variable ``TRITON_INTERPRET=1``, read when Triton is imported, runs the same code on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl

from causalrep.independence._partial_correlation import SMALLEST_PIVOT
from causalrep.independence._triton import MOST_GIVEN

__all__ = ["OPTIONS", "interpreting", "partial_correlations"]

OPTIONS = {"enable_fp_fusion": False}
"""How the kernel is compiled."""

_BLOCK = 256
_SMALLEST = tl.constexpr(SMALLEST_PIVOT)
_EPSILON_8 = tl.constexpr(8.0 * 2.0**-52)


def interpreting() -> bool:
    """Say whether Triton runs its kernels on the CPU."""
    return bool(triton.knobs.runtime.interpret)


@triton.jit
def _entry(R, d, row, column, live):
    return tl.load(R + row * d + column, mask=live, other=0.0)


@triton.jit
def _scale(pivot):
    return 1.0 / tl.sqrt(tl.where(pivot < _SMALLEST, 1.0, pivot))


@triton.jit
def _kernel(R, d, i, j, s, t, u, out, m, width, K: tl.constexpr, SQUARED: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = at < m
    # Each pair of ends is met by `width` conditioning sets in turn.
    x = tl.load(i + at // width, mask=live, other=0)
    y = tl.load(j + at // width, mask=live, other=0)
    covariance = _entry(R, d, x, y, live)
    x_left = covariance * 0.0 + 1.0
    y_left = x_left
    pivot = x_left
    if K >= 1:
        first = tl.load(s + at, mask=live, other=0)
        a = _entry(R, d, first, x, live)
        b = _entry(R, d, first, y, live)
    if K >= 2:
        second = tl.load(t + at, mask=live, other=0)
        e = _entry(R, d, second, x, live)
        f = _entry(R, d, second, y, live)
    if K == 1:
        covariance = covariance - a * b
        x_left = 1.0 - a * a
        y_left = 1.0 - b * b
    if K == 2:
        c = _entry(R, d, first, second, live)
        pivot = 1.0 - c * c
        weight = 1.0 / tl.where(pivot < _SMALLEST, 1.0, pivot)
        covariance = covariance - weight * ((a * b + e * f) - c * (a * f + e * b))
        x_left = 1.0 - weight * ((a * a + e * e) - c * (2.0 * (a * e)))
        y_left = 1.0 - weight * ((b * b + f * f) - c * (2.0 * (b * f)))
    if K == 3:
        third = tl.load(u + at, mask=live, other=0)
        g = _entry(R, d, third, x, live)
        h = _entry(R, d, third, y, live)
        c = _entry(R, d, second, first, live)
        k = _entry(R, d, third, first, live)
        q = _entry(R, d, third, second, live)
        # First column of the factor of R_SS.
        covariance = covariance - a * b
        x_left = 1.0 - a * a
        y_left = 1.0 - b * b
        pivot = 1.0 - c * c
        e = e - c * a
        f = f - c * b
        other = 1.0 - k * k
        g = g - k * a
        h = h - k * b
        q = q - k * c
        # Second column.
        scale = _scale(pivot)
        e = e * scale
        f = f * scale
        q = q * scale
        covariance = covariance - e * f
        x_left = x_left - e * e
        y_left = y_left - f * f
        other = other - q * q
        g = g - q * e
        h = h - q * f
        # Third column.
        pivot = tl.minimum(pivot, other)
        scale = _scale(other)
        g = g * scale
        h = h * scale
        covariance = covariance - g * h
        x_left = x_left - g * g
        y_left = y_left - h * h
    smallest = tl.minimum(x_left, y_left)
    singular = tl.minimum(smallest, pivot) < _SMALLEST
    if K >= 2:
        singular = singular | (smallest * pivot < K * _EPSILON_8)
    product = tl.where(singular, 1.0, x_left * y_left)
    if SQUARED:
        answer = tl.where(singular, float("inf"), covariance * covariance / product)
    else:
        answer = tl.where(singular, float("nan"), covariance / tl.sqrt(product))
    tl.store(out + at, answer, mask=live)


def partial_correlations(
    R: torch.Tensor,
    d: int,
    i: torch.Tensor,
    j: torch.Tensor,
    S: Sequence[torch.Tensor],
    *,
    squared: bool,
) -> torch.Tensor:
    """Return the partial correlations of columns i and j given the columns S, or their squares.

    Parameters
    ----------
    R : tensor of shape (d * d,), float64
        The correlation matrix, row after row.
    d : int
        Number of columns.
    i, j : tensor of shape (m,) or (m, 1), int64
        Positions.
    S : sequence of up to three tensors of shape (m,) or (m, w), int64
        The conditioning positions; three of them are sorted.
    squared : bool
        Where a test cannot be made there is infinity for squares, else NaN.

    Returns
    -------
    tensor of shape (m,) or (m, w), float64
    """
    shape = torch.broadcast_shapes(i.shape, *(column.shape for column in S))
    out = torch.empty(shape, dtype=torch.float64, device=R.device)
    m = out.numel()
    if not m:
        return out
    ends = [end.contiguous() for end in (i, j)]
    given = [column.expand(shape).contiguous() for column in S]
    given += [ends[0]] * (MOST_GIVEN - len(given))  # never read
    constants: dict[str, Any] = {"K": len(S), "SQUARED": squared, "BLOCK": _BLOCK}
    _kernel[(triton.cdiv(m, _BLOCK),)](R, d, *ends, *given, out, m, m // i.numel(), **constants, **OPTIONS)
    return out
