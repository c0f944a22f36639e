"""Fisher's z-test as CUDA kernels, for arrays of CuPy: what `_triton_kernel` does for those of Torch.

The operations and their order are those of the array form, without fused multiply-adds, so that the two
agree bit for bit. What a thread computes, `FUNCTIONS`, is plain C++ but for the words in front of a function,
and the number of conditioning columns is known when it is compiled, so that everything stands in registers.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import lru_cache
from math import comb
from types import ModuleType
from typing import Any

import numpy as np

from causalrep.independence._arrays import Array
from causalrep.independence._partial_correlation import SMALLEST_PIVOT
from causalrep.independence._subsets import Neighbourhoods

__all__ = ["FUNCTIONS", "KERNELS", "OPTIONS", "correlations", "weakest"]

OPTIONS = ("--std=c++17", "--fmad=false")
"""How the kernels are compiled, besides the number of conditioning columns, ``GIVEN``."""

_BLOCK = 128

FUNCTIONS = """
typedef long long integer;

DEVICE double smaller(double a, double b) { return a < b ? a : b; }

/* The partial correlation of x and y given the columns S, or its square. */
DEVICE double correlation(const double* R, integer d, integer x, integer y, const integer* S, bool squared)
{
    const int K = GIVEN, M = GIVEN > 0 ? GIVEN : 1;
    double a[M], b[M], between[M][M], diagonal[M];
    double covariance = R[x * d + y], x_left = 1.0, y_left = 1.0, pivot = 1.0;
#pragma unroll
    for (int q = 0; q < K; ++q) {
        a[q] = R[x * d + S[q]];
        b[q] = R[y * d + S[q]];
        diagonal[q] = 1.0;
#pragma unroll
        for (int p = 0; p < q; ++p)
            between[q][p] = R[S[p] * d + S[q]];
    }
    if (K == 2) {
        const double a0 = a[0], b0 = b[0], a1 = a[M - 1], b1 = b[M - 1], c = between[M - 1][0];
        pivot = 1.0 - c * c;
        const double weight = 1.0 / (pivot < SMALLEST ? 1.0 : pivot);
        covariance = covariance - weight * ((a0 * b0 + a1 * b1) - c * (a0 * b1 + a1 * b0));
        x_left = 1.0 - weight * ((a0 * a0 + a1 * a1) - c * (2.0 * (a0 * a1)));
        y_left = 1.0 - weight * ((b0 * b0 + b1 * b1) - c * (2.0 * (b0 * b1)));
    } else {  /* the Cholesky factor of R_SS, column by column */
#pragma unroll
        for (int p = 0; p < K; ++p) {
            if (p > 0) {
                pivot = smaller(pivot, diagonal[p]);
                const double scale = 1.0 / sqrt(diagonal[p] < SMALLEST ? 1.0 : diagonal[p]);
                a[p] = a[p] * scale;
                b[p] = b[p] * scale;
#pragma unroll
                for (int q = p + 1; q < K; ++q)
                    between[q][p] = between[q][p] * scale;
            }
            covariance = covariance - a[p] * b[p];
            x_left = x_left - a[p] * a[p];
            y_left = y_left - b[p] * b[p];
#pragma unroll
            for (int q = p + 1; q < K; ++q) {
                const double factor = between[q][p];
                diagonal[q] = diagonal[q] - factor * factor;
                a[q] = a[q] - factor * a[p];
                b[q] = b[q] - factor * b[p];
#pragma unroll
                for (int s = p + 1; s < q; ++s)
                    between[q][s] = between[q][s] - factor * between[s][p];
            }
        }
    }
    const double smallest = smaller(x_left, y_left);
    bool singular = smaller(smallest, pivot) < SMALLEST;
    if (K >= 2)
        singular = singular || smallest * pivot < K * 8.0 * 2.220446049250313e-16;
    const double product = x_left * y_left;
    if (squared)
        return singular ? INFINITY : covariance * covariance / product;
    return singular ? NAN : covariance / sqrt(product);
}

/* The subset of this number, of q nodes of which one is passed over; counts[k * width + c] = C(c, k). */
DEVICE void unfold(integer number, integer q, integer skipped, const integer* nodes,
                   const integer* counts, integer width, integer* S)
{
    integer left = counts[GIVEN * width + q] - 1 - number;
#pragma unroll
    for (int k = GIVEN; k > 0; --k) {
        integer place = left;  /* of one more, C(c, 1) = c */
        if (k > 1) {
            integer above = q;  /* the largest c with C(c, k) <= left lies in [place, above) */
            for (place = 0; above - place > 1;) {
                const integer middle = (place + above) / 2;
                if (counts[k * width + middle] <= left)
                    place = middle;
                else
                    above = middle;
            }
            left -= counts[k * width + place];
        }
        place = q - 1 - place;
        S[GIVEN - k] = nodes[place + (place >= skipped)];
    }
}
"""

KERNELS = """
extern "C" __global__ void correlations(
    const double* R, integer d, const integer* i, const integer* j, const integer* S,
    double* out, integer m, integer width, int squared)
{
    const integer at = (integer)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= m)
        return;
    integer given[GIVEN > 0 ? GIVEN : 1];
    for (int p = 0; p < GIVEN; ++p)
        given[p] = S[p * m + at];
    out[at] = correlation(R, d, i[at / width], j[at / width], given, squared != 0);
}

#if GIVEN > 0
/* A part of the subsets of one pair: the weakest test, its number, and how many could not be made. */
extern "C" __global__ void weakest(
    const double* R, integer d, const integer* i, const integer* j, const integer* first,
    const integer* count, const integer* skipped, const integer* nodes, const integer* counts,
    integer width, double* best, integer* rank, integer* lost)
{
    __shared__ double lows[BLOCK];
    __shared__ integer numbers[BLOCK], misses[BLOCK];
    const integer pair = blockIdx.x, x = i[pair], y = j[pair], q = count[pair];
    const integer n_sets = counts[GIVEN * width + q], each = (n_sets + gridDim.y - 1) / gridDim.y;
    const integer start = blockIdx.y * each, stop = start + each < n_sets ? start + each : n_sets;
    double low = INFINITY;
    integer found = 0, missed = 0, given[GIVEN];
    for (integer number = start + threadIdx.x; number < stop; number += BLOCK) {
        unfold(number, q, skipped[pair], nodes + first[pair], counts, width, given);
        const double strength = correlation(R, d, x, y, given, true);
        missed += strength == INFINITY;
        if (strength < low) {  /* a tie stays with the earlier number */
            low = strength;
            found = number;
        }
    }
    lows[threadIdx.x] = low;
    numbers[threadIdx.x] = found;
    misses[threadIdx.x] = missed;
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) {
            const int other = threadIdx.x + half;
            misses[threadIdx.x] += misses[other];
            if (lows[other] < lows[threadIdx.x]
                || (lows[other] == lows[threadIdx.x] && numbers[other] < numbers[threadIdx.x])) {
                lows[threadIdx.x] = lows[other];
                numbers[threadIdx.x] = numbers[other];
            }
        }
    }
    if (threadIdx.x == 0) {
        const integer at = pair * gridDim.y + blockIdx.y;
        best[at] = lows[0];
        rank[at] = numbers[0];
        lost[at] = misses[0];
    }
}
#endif
"""


def correlations(
    R: Array, d: int, i: Array, j: Array, S: Sequence[Array], width: int, out: Array, squared: bool
) -> None:
    """Write `_fused.fused_correlations`, all flat; each entry of i and j is met by `width` of S."""
    cupy, m = _cupy(), out.size
    given = cupy.concatenate(list(S)) if S else i
    sizes = ((-(-m // _BLOCK),), (_BLOCK,))
    arguments = (R, np.int64(d), i, j, given, out, np.int64(m), np.int64(width), np.int32(squared))
    _launch(R, len(S), "correlations", sizes, arguments)


def weakest(
    R: Array,
    d: int,
    asked: Neighbourhoods,
    counts: Array,
    q: int,
    size: int,
    n_parts: int,
    out: Sequence[Array],
) -> None:
    """Write the smallest square, its number and how many could not be made, for `n_parts` parts of each pair.

    ``counts`` holds the binomial coefficients C(c, k) for k up to `size` and c up to `q`, row after row of k.
    """
    sizes = ((len(asked.i), n_parts), (_block(q, size),))
    arguments = (R, np.int64(d), *asked, counts, np.int64(q + 1), *out)
    _launch(R, size, "weakest", sizes, arguments)


def _block(q: int, size: int) -> int:
    return _BLOCK if comb(q, size) > 64 else 32


def _launch(R: Array, n_given: int, name: str, sizes: Any, arguments: tuple[Any, ...]) -> None:
    cupy = _cupy()
    plain = tuple(cupy.ascontiguousarray(a) if isinstance(a, cupy.ndarray) else a for a in arguments)
    with R.device:
        _module(n_given, sizes[1][0]).get_function(name)(*sizes, plain)


@lru_cache(maxsize=64)
def _module(n_given: int, block: int) -> Any:
    defined = (f"-DGIVEN={n_given}", f"-DBLOCK={block}", f"-DSMALLEST={SMALLEST_PIVOT!r}")
    code = "#define DEVICE __device__ inline\n" + _CONSTANTS + FUNCTIONS + KERNELS
    return _cupy().RawModule(code=code, options=(*OPTIONS, *defined))


# The runtime compiler has no headers.
_CONSTANTS = """
#ifndef INFINITY
#define INFINITY __longlong_as_double(0x7ff0000000000000LL)
#define NAN __longlong_as_double(0x7ff8000000000000LL)
#endif
"""


def _cupy() -> ModuleType:
    return importlib.import_module("cupy")
