"""The array libraries that every kernel has to run on."""

import importlib.util

import array_api_strict
import numpy as np
import pytest
import torch


def _to_cupy(values):
    import cupy

    return cupy.asarray(values)


def _missing_cupy():
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed"
    import cupy

    return None if cupy.cuda.is_available() else "no CUDA device"


# The strict library has devices of its own, between which nothing moves by itself: what forgets where the
# data are, or takes them to main memory by accident, fails here as on a GPU.
LIBRARIES = {
    "array_api_strict": array_api_strict.asarray,
    "strict_device": lambda values: array_api_strict.asarray(
        values, device=array_api_strict.Device("device1")
    ),
    "torch": torch.asarray,
    "cuda": lambda values: torch.asarray(values, device="cuda"),
    "cupy": _to_cupy,
}
ON_GPU = ("cuda", "cupy")


@pytest.fixture(params=[pytest.param(k, marks=pytest.mark.gpu if k in ON_GPU else ()) for k in LIBRARIES])
def as_array(request):
    """A function that makes an array of one library of a NumPy array."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    if request.param == "cupy" and (reason := _missing_cupy()):
        pytest.skip(reason)
    make = LIBRARIES[request.param]
    return lambda values: make(np.asarray(values))
