"""The hand-written kernels against the array form.

Triton's under its interpreter anywhere; what a thread of the CUDA kernels does, as C++ on the CPU; both on a
device where there is one.
"""

import ctypes
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from math import comb
from pathlib import Path

import numpy as np
import pytest
import torch

from causalrep.independence import FisherZ
from causalrep.independence._arrays import chunk_bytes, to_numpy
from causalrep.independence._cuda_kernel import FUNCTIONS
from causalrep.independence._fused import MOST_GIVEN, fused_correlations, fused_weakest
from causalrep.independence._partial_correlation import SMALLEST_PIVOT, residuals
from causalrep.independence._subsets import Neighbourhoods, binomials, unrank
from causalrep.utils import DataError, DeviceError, MissingDependencyError, UnknownNameError

ROOT = Path(__file__).resolve().parents[2]
HAS_TRITON = importlib.util.find_spec("triton") is not None
needs_triton = pytest.mark.skipif(not HAS_TRITON, reason="Triton is not installed")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
SIZES = range(MOST_GIVEN + 1)
D = 12

# Triton looks for TRITON_INTERPRET when it is imported, hence a process of its own.
SCRIPT = """
import json, sys
import numpy as np, torch
sys.path[:0] = ["tests/independence"]
from test_fused import *
from causalrep.discovery import PC

R, differences = correlations(), {}
for k in SIZES:
    i, j, S = questions(k)
    plain = residuals(R.ravel(), D, i, j, list(S))
    parts = [torch.asarray(part) for part in (R.ravel(), i, j, *S)]
    same = []
    for squared, expected in ((False, plain.correlation(k)), (True, plain.strength(k))):
        found = fused_correlations(parts[0], D, *parts[1:3], parts[3:], squared=squared)
        same.append(np.array_equal(found, expected, equal_nan=True))
    wide = [torch.asarray(np.repeat(end, 9, axis=1)) for end in (i, j)]
    found = fused_correlations(parts[0], D, *wide, parts[3:], squared=True)
    same.append(np.array_equal(found, np.broadcast_to(expected, (40, 9))))
    differences[k] = [same, int(np.isnan(plain.correlation(k)).sum()), list(found.shape)]
    if k:
        asked = Neighbourhoods(*map(torch.asarray, neighbours()))
        strength, rank, lost = fused_weakest(parts[0], D, asked, k)
        differences[k].append([strength.tolist(), rank.tolist(), lost])
X = torch.asarray(table(7))
one, other = (PC(test=FisherZ(kernel=kernel)).fit(X) for kernel in ("array", "fused"))
tests = [FisherZ(kernel=kernel).fit(X) for kernel in ("array", "fused")]
batches = [test.test_batch([0, 1], [2, 3], [[4], [5]]) for test in tests]
differences["search"] = [
    one.graph_ == other.graph_,
    one.sepsets_ == other.sepsets_,
    np.array_equal(one.pvalues_, other.pvalues_, equal_nan=True),
    one.n_tests_per_level_ == other.n_tests_per_level_,
]
differences["pvalue"] = [batch.pvalue.tolist() for batch in batches]
print(json.dumps(differences))
"""


def table(d=D, n=100):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.4 * rng.normal(size=(d, d)))


def correlations():
    """Return correlations of which the last two columns are copies of each other."""
    R = np.corrcoef(table().T)
    R = (R + R.T) / 2.0
    R[-1, :], R[:, -1] = R[-2, :], R[:, -2]
    np.fill_diagonal(R, 1.0)
    R[-1, -2] = R[-2, -1] = 1.0
    return R


def questions(k, pairs=40, width=9):
    """Return ends of shape (pairs, 1) and k arrays of shape (pairs, width) of positions that rise."""
    rng = np.random.default_rng(k)
    rows = np.argsort(rng.random((pairs, D)), axis=1)
    sets = [[np.sort(rng.permutation(row[2:])[:k]) for _ in range(width)] for row in rows]
    S = np.array(sets, dtype=np.int64).reshape(pairs, width, k)
    return rows[:, :1], rows[:, 1:2], [np.ascontiguousarray(S[:, :, p]) for p in range(k)]


def neighbours():
    """Return pairs that share candidates, each passing over another one, and one that passes over none."""
    nodes = np.array([1, 2, 4, 5, 6, 7, 9, 10, 11, 0, 1, 2, 4, 6, 7, 8, 9, 10, 11])
    i, j = np.array([0, 0, 0, 3]), np.array([1, 11, 6, 5])
    first, count, skipped = np.array([0, 0, 0, 9]), np.array([8, 8, 8, 10]), np.array([0, 8, 4, 10])
    return Neighbourhoods(i, j, first, count, skipped, nodes)


def weakest_by_lists(R, asked, k):
    """Return strength, rank and the number of lost tests by listing all subsets."""
    best, rank, lost = [], [], 0
    for i, j, first, count, skipped in zip(*asked[:5], strict=True):
        usable = np.delete(asked.nodes[first:], slice(skipped, skipped + (skipped < count)))[:count]
        sets = usable[unrank(np.arange(comb(count, k)), int(count), k)]
        columns = [np.ascontiguousarray(sets[:, p]) for p in range(k)]
        strength = residuals(R.ravel(), D, np.array([i]), np.array([j]), columns).strength(k)
        best.append(strength.min())
        rank.append(int(strength.argmin()))
        lost += int(np.isinf(strength).sum())
    return best, rank, lost


@pytest.fixture(scope="module")
def interpreted():
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_triton
@pytest.mark.parametrize("k", SIZES)
def test_tritons_kernel_equals_the_array_form_bit_for_bit(interpreted, k):
    same, n_singular, shape = interpreted[str(k)][:3]
    assert same == [True, True, True]
    assert shape == [40, 9]
    assert k == 0 or n_singular > 0  # the copied column is among those asked about


@needs_triton
@pytest.mark.parametrize("k", SIZES[1:])
def test_tritons_kernel_finds_the_weakest_of_all_subsets(interpreted, k):
    strength, rank, lost = interpreted[str(k)][3]
    expected = weakest_by_lists(correlations(), neighbours(), k)
    assert (strength, rank, lost) == expected
    assert k == 1 or lost > 0


@needs_triton
def test_searches_and_batches_by_the_kernel_answer_as_by_arrays(interpreted):
    assert interpreted["search"] == [True] * 4
    array, fused = interpreted["pvalue"]
    assert fused == pytest.approx(array, rel=1e-12)


@needs_triton
@pytest.mark.parametrize("k", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("name", ["_correlations", "_weakest"])
def test_tritons_kernels_compile_for_a_gpu_without_fused_operations(name, k, tmp_path, monkeypatch):
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from causalrep.independence import _triton_kernel

    if name == "_weakest" and not k:
        pytest.skip("there is one subset of size 0")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    kernel = getattr(_triton_kernel, name)
    constants = {"K": k, "SQUARED": k % 2 == 0, "BLOCK": 128}
    plain = {"R": "*fp64", "out": "*fp64", "best": "*fp64", "S": ("*i64",) * k}
    plain |= dict.fromkeys(("d", "m", "width", "n_bits"), "i32") | dict.fromkeys(constants, "constexpr")
    types = {argument: plain.get(argument, "*i64") for argument in kernel.arg_names}
    constants = {key: value for key, value in constants.items() if key in types}
    source = ASTSource(fn=kernel, signature=types, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=_triton_kernel.OPTIONS)
    assert "fma.rn.f64" not in compiled.asm["ptx"]
    assert len(compiled.asm["cubin"]) > 0


WRAPPERS = """
extern "C" void correlations(const double* R, integer d, const integer* i, const integer* j,
                             const integer* S, double* out, integer m, int squared)
{
    for (integer at = 0; at < m; ++at)
        out[at] = correlation(R, d, i[at], j[at], S + at * GIVEN, squared != 0);
}

extern "C" void subsets(integer n, integer q, integer skipped, const integer* nodes,
                        const integer* counts, integer* out)
{
    for (integer number = 0; number < n; ++number)
        unfold(number, q, skipped, nodes, counts, q + 1, out + number * GIVEN);
}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """What a CUDA thread does, for each number of conditioning columns, as a library for the CPU."""
    folder, libraries = tmp_path_factory.mktemp("fused"), {}
    source = folder / "functions.cpp"
    source.write_text("#include <cmath>\n#define DEVICE static inline\n" + FUNCTIONS + WRAPPERS)
    for k in (0, 1, 2, 3, MOST_GIVEN):
        built = folder / f"given_{k}.so"
        flags = ["-O1", "-ffp-contract=off", "-shared", "-fPIC", "-Wno-unknown-pragmas"]
        defined = [f"-DGIVEN={k}", f"-DSMALLEST={SMALLEST_PIVOT!r}"]
        subprocess.run(["g++", *flags, *defined, str(source), "-o", str(built)], check=True)
        libraries[k] = ctypes.CDLL(str(built))
    return libraries


def pointers(*arrays):
    return [array.ctypes.data_as(ctypes.c_void_p) for array in arrays]


@needs_compiler
@pytest.mark.parametrize("k", [0, 1, 2, 3, MOST_GIVEN])
@pytest.mark.parametrize("squared", [False, True])
def test_what_a_cuda_thread_does_equals_the_array_form_bit_for_bit(compiled, k, squared):
    R = correlations()
    i, j, S = questions(k, width=1)
    i, j = (np.ascontiguousarray(end[:, 0]) for end in (i, j))
    sets = np.ascontiguousarray(np.concatenate(S, axis=1)) if k else np.empty((len(i), 0), dtype=np.int64)
    found = np.empty(len(i))
    table_, left, right, given, out = pointers(R, i, j, sets, found)
    long = ctypes.c_longlong
    compiled[k].correlations(table_, long(D), left, right, given, out, long(len(i)), ctypes.c_int(squared))
    plain = residuals(R.ravel(), D, i, j, [part[:, 0] for part in S])
    expected = plain.strength(k) if squared else plain.correlation(k)
    assert np.array_equal(found, expected, equal_nan=True)


@needs_compiler
@pytest.mark.parametrize(("k", "q", "skipped"), [(1, 6, 2), (2, 7, 7), (3, 9, 0), (3, 3, 1), (8, 11, 5)])
def test_a_cuda_thread_unfolds_numbers_into_subsets(compiled, k, q, skipped):
    nodes = np.sort(np.random.default_rng(0).permutation(50)[: q + 1])
    found = np.empty((comb(q, k), k), dtype=np.int64)
    candidates, counts, out = pointers(nodes, binomials(q, k), found)
    long = ctypes.c_longlong
    compiled[k].subsets(long(len(found)), long(q), long(skipped), candidates, counts, out)
    usable = np.delete(nodes, skipped)
    assert np.array_equal(found, usable[unrank(np.arange(comb(q, k)), q, k)])


def test_numbers_of_different_ground_sets_are_unfolded_together():
    q, rank = np.array([5, 9, 4]), np.array([3, 80, 0])
    together = unrank(rank, q, 3)
    assert together.tolist() == [unrank(rank[p : p + 1], int(q[p]), 3)[0].tolist() for p in range(3)]


def test_an_unknown_kernel_is_refused():
    with pytest.raises(UnknownNameError, match="`kernel`"):
        FisherZ(kernel="fuzed")
    for wrong in (0, 2.5):
        with pytest.raises(DataError, match="`max_bytes` must be a positive integer"):
            FisherZ(max_bytes=wrong)


def test_what_the_kernel_does_not_do_is_refused():
    with pytest.raises(DataError, match="computes in double precision"):
        FisherZ(kernel="fused", precision="float32")
    with pytest.raises(DataError, match="`partial_fit` adds up in main memory"):
        FisherZ(kernel="fused").partial_fit(table())


def test_the_kernel_takes_arrays_on_cuda_only():
    message = r"`kernel=\"fused\"` needs a Torch or CuPy array on a CUDA device, got (ndarray|Tensor) on"
    with pytest.raises(DeviceError, match=message):
        FisherZ(kernel="fused").fit(table())
    error, message = (DeviceError, message) if HAS_TRITON else (MissingDependencyError, r"causalrep\[gpu\]")
    with pytest.raises(error, match=message):
        FisherZ(kernel="fused").fit(torch.asarray(table()))


def test_in_main_memory_the_kernel_is_not_taken_by_itself():
    for X in (table(), torch.asarray(table())):
        assert FisherZ().fit(X).max_fused == 0


def test_the_memory_that_is_worked_in_can_be_chosen():
    small, usual = FisherZ(max_bytes=8 * 100).fit(table()), FisherZ().fit(table())
    assert small.chunk_size(3) < 10 < usual.chunk_size(3)
    asked = questions(3, width=1)
    i, j, S = asked[0][:, 0], asked[1][:, 0], np.concatenate(asked[2], axis=1)
    one, other = (test.test_batch(i, j, S).pvalue for test in (small, usual))
    assert np.array_equal(one, other)


@pytest.fixture(params=["torch", "cupy"])
def on_device(request):
    """A function that puts an array on the GPU, in one of the two libraries."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    if request.param == "torch":
        if not HAS_TRITON:
            pytest.skip("Triton is not installed")
        return lambda values: torch.asarray(values, device="cuda")
    return pytest.importorskip("cupy").asarray


@pytest.mark.gpu
@pytest.mark.parametrize("k", SIZES)
def test_kernels_equal_the_array_form_on_cuda(on_device, k):
    R = correlations()
    parts = [on_device(part) for part in (R.ravel(), *questions(k)[:2], *questions(k)[2])]
    plain = residuals(R.ravel(), D, *questions(k)[:2], questions(k)[2])
    for squared, expected in ((False, plain.correlation(k)), (True, plain.strength(k))):
        found = fused_correlations(parts[0], D, *parts[1:3], parts[3:], squared=squared)
        np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-12)
    if k:
        asked = neighbours()
        strength, rank, lost = fused_weakest(parts[0], D, Neighbourhoods(*map(on_device, asked)), k)
        expected = weakest_by_lists(R, asked, k)
        np.testing.assert_allclose(strength, expected[0], rtol=1e-12)
        assert (rank.tolist(), lost) == expected[1:]


@pytest.mark.gpu
def test_the_kernel_is_taken_by_itself_for_tensors_on_cuda(on_device):
    X = on_device(table())
    assert FisherZ(kernel="fused").fit(X).max_fused == MOST_GIVEN
    assert FisherZ().fit(X).max_fused == (MOST_GIVEN if isinstance(X, torch.Tensor) else 0)
    assert FisherZ(kernel="array").fit(X).max_fused == FisherZ(precision="float32").fit(X).max_fused == 0
    assert 2**20 < chunk_bytes(X, 1) <= 2**31
