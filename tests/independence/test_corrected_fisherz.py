"""The correction for gaps with a cause: regressions written out, its level by design, what PC makes of it."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from causalrep.discovery import PC
from causalrep.graphs import DAG
from causalrep.independence import CITestWarning, CorrectedFisherZ, FisherZ, Flag
from causalrep.utils import DataError, UnknownNameError


def by_effect(rng, n, effect=0.0):
    """x and y both cause w, which decides whether x is missing (missing at random)."""
    x, y, e, u = rng.normal(size=(4, n))
    y = y + effect * x
    w = x + y + e
    return {"x": np.where(w + 0.3 * u > 0.3, x, np.nan), "y": y, "w": w}


def by_incomplete_effect(rng, n, effect=0.0):
    """The same, but w has gaps itself, which a, one of its causes, decides (missing not at random)."""
    x, y, e, a, u, v = rng.normal(size=(6, n))
    y = y + effect * x
    w = x + y + e + a
    return {
        "x": np.where(w + 0.5 * u > 0.5, np.nan, x),
        "y": y,
        "w": np.where(a + 0.5 * v > 0.6, np.nan, w),
        "a": a,
    }


def in_the_condition(rng, n, effect=0.0):
    """x and y share the cause z, and w, an effect of both, decides whether z is missing."""
    z, a, b, e, u = rng.normal(size=(5, n))
    x = z + a
    y = z + b + effect * x
    w = x + y + e
    return {"x": x, "y": y, "z": np.where(w + 0.5 * u > 0.5, np.nan, z), "w": w}


def by_chance(rng, n, effect=0.0):
    """A third of x and a third of z are missing for no reason."""
    data = in_the_condition(rng, n, effect)
    z, a = rng.normal(size=(2, n))
    data["z"], data["x"] = z, np.where(rng.random(n) < 1 / 3, np.nan, z + a)
    data["y"] = z + rng.normal(size=n) + effect * (z + a)
    return data | {"z": np.where(rng.random(n) < 1 / 3, np.nan, z)}


DESIGNS = [
    (by_effect, [], {"x": ["w"]}, True),
    (by_incomplete_effect, [], {"x": ["w"], "w": ["a"]}, True),
    (in_the_condition, ["z"], {"z": ["w"]}, True),
    (by_chance, ["z"], {}, False),
]


@pytest.mark.parametrize(("design", "given", "causes", "biased"), DESIGNS)
def test_level_and_power_in_each_design(design, given, causes, biased):
    deleted, corrected, power = [], [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        data = design(rng, 400)
        deleted.append(FisherZ(missing="testwise").fit(data).test("x", "y", given).pvalue < 0.05)
        corrected.append(CorrectedFisherZ(causes=causes).fit(data).test("x", "y", given).pvalue < 0.05)
        dependent = design(rng, 400, effect=0.4)
        power.append(CorrectedFisherZ(causes=causes).fit(dependent).test("x", "y", given).pvalue < 0.05)
    # Four standard errors of a share with mean 0.05.
    assert np.mean(corrected) < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 100)
    assert (np.mean(deleted) > 0.4) == biased
    assert np.mean(power) > 0.9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the gaps of")  # now and then something is taken for a cause that is none
@pytest.mark.parametrize(("design", "given", "causes", "biased"), DESIGNS)
def test_level_with_causes_that_are_found(design, given, causes, biased):
    pvalues = []
    for seed in range(1000):
        test = CorrectedFisherZ(alpha=0.001).fit(design(np.random.default_rng(seed), 400))
        pvalues.append(test.test("x", "y", given).pvalue)
    for level in (0.01, 0.05, 0.5):
        share = np.mean(np.array(pvalues) < level)
        assert abs(share - level) < 4 * math.sqrt(level * (1 - level) / 1000)


@pytest.mark.parametrize(("design", "given", "causes", "biased"), DESIGNS)
def test_causes_are_found(design, given, causes, biased):
    for seed in range(3):
        test = CorrectedFisherZ(alpha=0.001).fit(design(np.random.default_rng(seed), 2000))
        expected = {"x", "z"} & set(test.names_) if design is by_chance else set(causes)
        assert test.causes_ == {name: tuple(causes.get(name, ())) for name in expected}


def test_the_estimate_is_that_of_regressions_written_out():
    data = pd.DataFrame(by_incomplete_effect(np.random.default_rng(1), 500))
    # w given a from the rows that have w; x and y given w and a from those that have all; a from all.
    a = data["a"]
    w_rows, all_rows = data.dropna(subset=["w"]), data.dropna()
    b = np.polyfit(w_rows["a"], w_rows["w"], 1)[0]
    w_left = np.var(w_rows["w"] - np.polyval(np.polyfit(w_rows["a"], w_rows["w"], 1), w_rows["a"]))
    S = np.array([[b * b * a.var(ddof=0) + w_left, b * a.var(ddof=0)], [b * a.var(ddof=0), a.var(ddof=0)]])
    design = np.column_stack([np.ones(len(all_rows)), all_rows["w"], all_rows["a"]])
    slopes = np.linalg.lstsq(design, all_rows[["x", "y"]].to_numpy())[0]
    left = all_rows[["x", "y"]].to_numpy() - design @ slopes
    K = slopes[1:].T @ S @ slopes[1:] + left.T @ left / len(left)
    found = CorrectedFisherZ(causes={"x": ["w"], "w": ["a"]}).fit(data).test("x", "y")
    r = math.tanh(found.statistic / math.sqrt(found.dof))
    assert r == pytest.approx(K[0, 1] / math.sqrt(K[0, 0] * K[1, 1]), rel=1e-9)


def test_the_number_of_rows_is_that_of_an_estimate_as_exact():
    statistics, dofs = [], []
    for seed in range(400):
        data = by_effect(np.random.default_rng(seed), 400)
        found = CorrectedFisherZ(causes={"x": ["w"]}).fit(data).test("x", "y")
        statistics.append(found.statistic)
        dofs.append(found.dof)
    # The variance of 400 standard normal numbers has standard error sqrt(2 / 400) = 0.07.
    assert abs(np.var(statistics) - 1.0) < 0.28
    # Knowing w and y of the rows without x helps a little, and to extrapolate x costs more.
    assert 40 < np.mean(dofs) < 200


def test_without_a_bias_it_is_the_test_of_the_rows_that_have_all():
    data = by_effect(np.random.default_rng(2), 300)
    plain, corrected = FisherZ(missing="testwise").fit(data), CorrectedFisherZ(causes={"x": ["w"]}).fit(data)
    # Given w the selection does no harm; of y and w it takes no notice; w and x have the cause among them.
    for question in (("x", "y", ["w"]), ("y", "w"), ("x", "w")):
        assert corrected.test(*question) == plain.test(*question)
    assert corrected.test("x", "y") != plain.test("x", "y")
    whole = {name: np.nan_to_num(values) for name, values in data.items()}
    assert CorrectedFisherZ().fit(whole).test("x", "y") == FisherZ().fit(whole).test("x", "y")
    assert CorrectedFisherZ().fit(whole).causes_ == {}


def test_the_order_of_columns_and_of_the_question_changes_no_bit():
    data = pd.DataFrame(in_the_condition(np.random.default_rng(3), 300)).assign(
        v=np.random.default_rng(4).normal(size=300)
    )
    test, other = CorrectedFisherZ().fit(data), CorrectedFisherZ().fit(data[["v", "w", "z", "y", "x"]])
    assert test.causes_ == other.causes_ == {"z": ("w",)}
    expected = test.test("x", "y", ["z", "v"])
    for one in (test, other):
        for x, y, S in (("x", "y", ["v", "z"]), ("y", "x", ["z", "v"])):
            assert one.test(x, y, S) == expected


def test_a_batch_is_its_questions_one_by_one_in_any_library():
    data = pd.DataFrame(in_the_condition(np.random.default_rng(5), 200))
    test = CorrectedFisherZ().fit(data)
    i, j, S = np.array([0, 0, 0, 2]), np.array([1, 3, 1, 1]), np.array([[2], [2], [3], [3]])
    batch = test.test_batch(i, j, S)
    for k in range(4):
        one = test.test(*(data.columns[v[k]] for v in (i, j)), [data.columns[S[k, 0]]])
        assert (one.statistic, one.pvalue, one.dof) == (batch.statistic[k], batch.pvalue[k], batch.dof[k])
    tensors = CorrectedFisherZ().fit(torch.tensor(data.to_numpy())).test_batch(i, j, S)
    assert isinstance(tensors.pvalue, torch.Tensor)
    np.testing.assert_allclose(tensors.statistic.numpy(), batch.statistic, rtol=1e-9)


def test_pc_loses_the_edge_that_selection_made():
    truth = DAG.from_string("x -> w; y -> w; w -> v")
    rng = np.random.default_rng(6)
    data = by_effect(rng, 3000)
    data["v"] = data["w"] + rng.normal(size=3000)
    wrong = PC(test=FisherZ(missing="testwise")).fit(data).graph_
    assert "y" in wrong.adjacent("x")
    found = PC(test="corrected_fisherz").fit(data)
    assert found.graph_ == truth.to_cpdag()
    assert found.sepsets_["x", "y"] == set()


def test_gaps_in_a_circle_are_told():
    rng = np.random.default_rng(7)
    x, y, u, v = rng.normal(size=(4, 500))
    data = {"x": np.where(y + u > 1, np.nan, x), "y": np.where(x + v > 1, np.nan, y)}
    with pytest.warns(CITestWarning, match="in a circle") as caught:
        test = CorrectedFisherZ(causes={"x": ["y"], "y": ["x"]}).fit(data)
    assert (caught[0].message.kind, caught[0].message.names) == ("circular", ("x", "y"))
    plain = FisherZ(missing="testwise").fit(data).test("x", "y")
    assert test.test("x", "y").statistic == pytest.approx(plain.statistic, rel=1e-9)


def test_what_cannot_be_told_is_flagged():
    data = in_the_condition(np.random.default_rng(8), 300)
    data["copy"] = 2 * data["z"]
    test = CorrectedFisherZ(causes={"z": ["w"], "copy": ["w"]}).fit(data)
    assert test.test("x", "y", ["z", "copy"]).flag == Flag.SINGULAR
    few = pd.DataFrame(data).head(12)
    few.loc[few.index[4:], "z"] = np.nan
    answer = CorrectedFisherZ(causes={"z": ["w"]}).fit(few).test("x", "y", ["z"])
    assert answer.flag != Flag.OK
    assert math.isnan(answer.pvalue)


def test_bad_input():
    data = by_effect(np.random.default_rng(9), 50)
    for alpha in (0, 1.0, "x"):
        with pytest.raises(DataError, match="`alpha`"):
            CorrectedFisherZ(alpha=alpha)
    for causes in ({"x": ["q"]}, {"q": ["x"]}):
        with pytest.raises(UnknownNameError, match="`causes` names 'q'"):
            CorrectedFisherZ(causes=causes).fit(data)
    with pytest.raises(DataError, match="infinity"):
        CorrectedFisherZ().fit(data | {"y": np.where(data["y"] > 1, np.inf, data["y"])})
