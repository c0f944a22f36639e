"""The Triton kernel against the array form: under Triton's interpreter anywhere, on CUDA where it exists."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from causalrep.independence import FisherZ
from causalrep.independence._triton import MOST_GIVEN
from causalrep.utils import DataError, DeviceError, MissingDependencyError, UnknownNameError

ROOT = Path(__file__).resolve().parents[2]
HAS_TRITON = importlib.util.find_spec("triton") is not None
needs_triton = pytest.mark.skipif(not HAS_TRITON, reason="Triton is not installed")
SIZES = range(MOST_GIVEN + 1)

# Triton looks for TRITON_INTERPRET when it is imported, hence a process of its own.
SCRIPT = """
import json, sys
import numpy as np, torch
sys.path[:0] = ["tests/independence"]
from test_triton import SIZES, questions, table
from causalrep.discovery import PC
from causalrep.independence import FisherZ
from causalrep.independence._partial_correlation import residuals
from causalrep.independence._triton import kernel_correlations

R = np.corrcoef(table().T)
R[11, :], R[:, 11] = R[10, :], R[:, 10]
R[11, 10] = R[10, 11] = 1.0
differences = {}
for k in SIZES:
    i, j, S = questions(k)
    plain = residuals(R.ravel(), 12, i, j, list(S))
    same = []
    for as_array in (torch.asarray, np.asarray):  # the latter goes by DLPack, as arrays of CuPy do
        parts = [as_array(part) for part in (R.ravel(), i, j, *S)]
        for squared, expected in ((False, plain.correlation(k)), (True, plain.strength(k))):
            found = kernel_correlations(parts[0], 12, *parts[1:3], parts[3:], squared=squared)
            same.append(type(found) is type(parts[0]) and np.array_equal(found, expected, equal_nan=True))
    differences[k] = [same, int(np.isnan(plain.correlation(k)).sum()), list(found.shape)]
X = torch.asarray(table(7))
one, other = PC(test=FisherZ()).fit(X), PC(test=FisherZ(kernel="triton")).fit(X)
tests = [FisherZ(kernel=kernel).fit(X) for kernel in ("array", "triton")]
batches = [test.test_batch([0, 1], [2, 3], [[4], [5]]) for test in tests]
differences["graph"] = one.graph_ == other.graph_
differences["pvalue"] = [batch.pvalue.tolist() for batch in batches]
print(json.dumps(differences))
"""


def table(d=12, n=100):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.4 * rng.normal(size=(d, d)))


def questions(k, pairs=40, width=9):
    """Return ends of shape (pairs, 1) and k arrays of shape (pairs, width) of positions that rise."""
    rng = np.random.default_rng(k)
    rows = np.argsort(rng.random((pairs, 12)), axis=1)
    sets = [[np.sort(rng.permutation(row[2:])[:k]) for _ in range(width)] for row in rows]
    S = np.array(sets, dtype=np.int64).reshape(pairs, width, k)
    return rows[:, :1], rows[:, 1:2], [np.ascontiguousarray(S[:, :, p]) for p in range(k)]


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
def test_kernel_equals_the_array_form_bit_for_bit(interpreted, k):
    same, n_singular, shape = interpreted[str(k)]
    assert same == [True] * 4
    assert shape == ([40, 9] if k else [40, 1])
    assert k == 0 or n_singular > 0  # the copied column is among those asked about


@needs_triton
def test_searches_and_batches_by_the_kernel_answer_as_by_arrays(interpreted):
    assert interpreted["graph"]
    array, triton = interpreted["pvalue"]
    assert triton == pytest.approx(array, rel=1e-12)


@needs_triton
@pytest.mark.parametrize("k", SIZES)
def test_the_kernel_compiles_for_a_gpu_without_fused_operations(k, tmp_path, monkeypatch):
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from causalrep.independence._triton_kernel import OPTIONS, _kernel

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    arrays = dict.fromkeys(("i", "j", "s", "t", "u"), "*i64") | {"R": "*fp64", "out": "*fp64"}
    constants = {"K": k, "SQUARED": k % 2 == 0, "BLOCK": 256}
    types = arrays | dict.fromkeys(("d", "m", "width"), "i32") | dict.fromkeys(constants, "constexpr")
    source = ASTSource(fn=_kernel, signature=types, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=OPTIONS)
    assert "fma.rn.f64" not in compiled.asm["ptx"]
    assert len(compiled.asm["cubin"]) > 0


def test_an_unknown_kernel_is_refused():
    with pytest.raises(UnknownNameError, match="`kernel`"):
        FisherZ(kernel="tritan")


def test_what_the_kernel_does_not_do_is_refused():
    with pytest.raises(DataError, match="computes in double precision"):
        FisherZ(kernel="triton", precision="float32")
    with pytest.raises(DataError, match="`partial_fit` adds up in main memory"):
        FisherZ(kernel="triton").partial_fit(table())


def test_the_kernel_takes_arrays_on_cuda_only():
    error, message = (
        (
            DeviceError,
            r"`kernel=\"triton\"` needs a Torch or CuPy array on a CUDA device, got (ndarray|Tensor) on",
        )
        if HAS_TRITON
        else (MissingDependencyError, r"causalrep\[gpu\]")
    )
    for X in (table(), torch.asarray(table())):
        with pytest.raises(error, match=message):
            FisherZ(kernel="triton").fit(X)


@needs_triton
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("k", SIZES)
def test_kernel_equals_the_array_form_on_cuda(k):
    X = torch.asarray(table(), device="cuda")
    i, j, S = questions(k)
    one, other = FisherZ().fit(X), FisherZ(kernel="triton").fit(X)
    asked = [one.index_array(part) for part in (i, j, *S)]
    expected = one.strength(asked[0], asked[1], asked[2:]).cpu().numpy()
    found = other.strength(asked[0], asked[1], asked[2:]).cpu().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
