"""Every test on every array library: NumPy's answer is the reference, and the data stay where they are."""

import array_api_strict
import numpy as np
import pandas as pd
import pytest
import torch
from array_api_compat import device
from sklearn.linear_model import LinearRegression

from causalrep.independence import (
    GCM,
    HSIC,
    KCI,
    RCIT,
    ChiSquare,
    CMIKnn,
    ConditionalGaussian,
    CorrectedFisherZ,
    DegenerateGaussian,
    DistanceCorrelation,
    FisherZ,
    GSquare,
    PolynomialGCM,
    _arrays,
)
from causalrep.independence._arrays import kth_smallest, refuse_accelerator, to_numpy
from causalrep.independence._registry import TESTS
from causalrep.utils import DeviceError

KERNELS = {
    "chisquare": ChiSquare,
    "chisquare_permuted": lambda: ChiSquare(n_permutations=20),
    "cmiknn": lambda: CMIKnn(k=0.1, n_permutations=10),
    "degenerate_gaussian": DegenerateGaussian,
    "distance_correlation": DistanceCorrelation,
    "distance_correlation_permuted": lambda: DistanceCorrelation(n_permutations=10),
    "fisherz": FisherZ,
    "fisherz_drop": lambda: FisherZ(missing="drop"),
    "fisherz_testwise": lambda: FisherZ(missing="testwise"),
    "gcm": GCM,
    "gcm_weighted": lambda: GCM(n_weights=3),
    "gsquare": GSquare,
    "gsquare_drop": lambda: GSquare(missing="drop", min_per_cell=0.0),
    "gsquare_testwise": lambda: GSquare(missing="testwise", min_per_cell=0.0),
    "gsquare_permuted": lambda: GSquare(n_permutations=20),
    "hsic": HSIC,
    "hsic_dense": lambda: HSIC(gram="dense"),
    "hsic_permuted": lambda: HSIC(n_permutations=10),
    "kci": KCI,
    "kci_dense": lambda: KCI(gram="dense"),
    "polynomial": PolynomialGCM,
    "rcit": RCIT,
}
# Nearly singular regressions, on random features or on powers, blow roundings up.
RTOL = {"rcit": 1e-4, "polynomial": 1e-5}
UNCONDITIONAL = ("hsic", "distance_correlation")
DISCRETE = ("gsquare", "chisquare")


def table(name):
    rng = np.random.default_rng(0)
    if name.startswith(DISCRETE):
        values = rng.integers(3, size=(200, 5))
        values[:, 1] = np.where(rng.random(200) < 0.4, values[:, 0], values[:, 1])
    else:
        z = rng.normal(size=(60, 3))
        x, y = np.tanh(z[:, 0]), np.cos(z[:, 1]) + 0.3 * z[:, 0]
        values = np.column_stack([x + 0.5 * rng.normal(size=60), y + 0.5 * rng.normal(size=60), z])
    if name.endswith(("testwise", "drop")):
        values = np.where(rng.random(values.shape) < 0.1, np.nan, values)
    return values


def questions(name, k):
    rows = np.array([np.random.default_rng(s).permutation(5)[: k + 2] for s in range(3)])
    return rows[:, 0], rows[:, 1], rows[:, 2:]


def cases():
    return [(name, k) for name in KERNELS for k in (0, 1, 2) if not (k and name.startswith(UNCONDITIONAL))]


def test_all_tests_by_name_are_here():
    in_main_memory = {"corrected_fisherz", "conditional_gaussian", "imputed_fisherz"}
    assert set(TESTS) == set(KERNELS) & set(TESTS) | in_main_memory


@pytest.mark.parametrize(("name", "k"), cases())
def test_answers_equal_those_of_numpy_and_stay_where_the_data_are(as_array, name, k):
    X = table(name)
    asked = questions(name, k)
    reference = KERNELS[name]().fit(X).test_batch(*asked)
    data = as_array(X)
    answer = KERNELS[name]().fit(data).test_batch(*asked)
    for field in ("statistic", "pvalue", "dof", "flag", "log_pvalue"):
        values = getattr(answer, field)
        assert type(values) is type(data)
        assert device(values) == device(data)
        # Libraries sum in different orders. That is some hundred roundings, and more in factors of kernels.
        rtol = RTOL.get(name, 1e-7)
        np.testing.assert_allclose(to_numpy(values), getattr(reference, field), rtol=rtol, atol=1e-9)


@pytest.mark.parametrize("name", KERNELS)
def test_a_device_may_be_named_and_gives_the_same_answers(name):
    X, asked = table(name), questions(name, 0)
    reference = KERNELS[name]().fit(X).test_batch(*asked)
    found = KERNELS[name]().fit(X, device="cpu").test_batch(*asked)
    assert isinstance(found.pvalue, torch.Tensor)
    np.testing.assert_allclose(found.pvalue, reference.pvalue, rtol=RTOL.get(name, 1e-7), atol=1e-9)
    strict = array_api_strict.Device("device1")
    found = KERNELS[name]().fit(array_api_strict.asarray(X), device=strict).test_batch(*asked)
    assert found.pvalue.device == strict
    np.testing.assert_allclose(to_numpy(found.pvalue), reference.pvalue, rtol=RTOL.get(name, 1e-7), atol=1e-9)


def test_names_stay_when_the_data_move():
    X = pd.DataFrame(table("gcm"), columns=list("edcba"))
    moved, plain = FisherZ().fit(X, device="cpu"), FisherZ().fit(X)
    assert moved.names_ == plain.names_
    assert moved.test("a", "e", ["c"]).pvalue == pytest.approx(plain.test("a", "e", ["c"]).pvalue, rel=1e-9)


@pytest.mark.parametrize("make", [FisherZ, GSquare, KCI, DegenerateGaussian, PolynomialGCM, CorrectedFisherZ])
def test_a_device_that_is_not_there_is_an_error(make):
    X = table("gsquare")
    with pytest.raises(DeviceError, match="`device` is 'cuda:99', which this machine cannot use"):
        make().fit(X, device="cuda:99")
    with pytest.raises(DeviceError, match="`device` is 'nowhere'"):
        make().fit(array_api_strict.asarray(X), device="nowhere")


def test_regressors_answer_in_the_library_of_the_data():
    X = torch.asarray(table("gcm"))
    found = GCM(LinearRegression()).fit(X).test_batch([0], [1], [[2]])
    assert isinstance(found.pvalue, torch.Tensor)
    # The sums over rows are those of two libraries.
    expected = GCM(LinearRegression()).fit(X.numpy()).test(0, 1, [2]).pvalue
    assert float(found.pvalue) == pytest.approx(expected, rel=1e-9)


def test_what_computes_in_main_memory_refuses_an_accelerator(monkeypatch):
    somewhere = torch.empty((50, 3), device="meta")
    with pytest.raises(
        DeviceError, match=r"`X` lies on device 'meta', but CorrectedFisherZ computes in main"
    ):
        CorrectedFisherZ().fit(somewhere)
    with pytest.raises(DeviceError, match="ConditionalGaussian computes in main memory only"):
        ConditionalGaussian().fit(somewhere)
    with pytest.raises(DeviceError, match="the reason; move the data there first"):
        refuse_accelerator(somewhere, "this", "the reason")
    monkeypatch.setattr(_arrays, "on_host", lambda _: False)
    with pytest.raises(DeviceError, match="GCM with a `regressor`"):
        GCM(LinearRegression()).fit(table("gcm"))
    GCM().fit(table("gcm"))


@pytest.mark.parametrize("dtype", ["int16", "float64"])
def test_smallest_numbers_by_sorting(as_array, dtype):
    values = np.random.default_rng(0).integers(-50, 50, size=(7, 11)).astype(dtype)
    for k in (0, 4, 10):
        found = kth_smallest(as_array(values), k)
        assert to_numpy(found).tolist() == np.sort(values, axis=1)[:, k].tolist()
