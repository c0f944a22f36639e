"""The test for mixed columns: its pure cases by other tests, determinants, calibration, guards."""

import math

import numpy as np
import pandas as pd
import pytest

from causalrep.discovery import PC
from causalrep.graphs import DAG
from causalrep.independence import DegenerateGaussian, FisherZ, Flag
from causalrep.utils import DataError, UnknownNameError


def mixed(n, seed, effect=0.0):
    rng = np.random.default_rng(seed)
    group = rng.integers(3, size=n)
    x = np.array([0.0, 1.0, -0.5])[group] + rng.normal(size=n)
    logits = np.column_stack([np.zeros(n), group + effect * x, -0.5 * group])
    answer = (logits + rng.gumbel(size=(n, 3))).argmax(axis=1)
    return pd.DataFrame(
        {"group": np.array(list("pqr"))[group], "x": x, "answer": np.array(list("uvw"))[answer]}
    )


def test_two_numbers_are_a_partial_correlation():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 4))
    for given in ([], [2], [2, 3]):
        found, fisher = DegenerateGaussian().fit(X).test(0, 1, given), FisherZ().fit(X).test(0, 1, given)
        r = math.tanh(fisher.statistic / math.sqrt(fisher.dof))
        expected = -(300 - 1 - len(given) - 1.5) * math.log(1 - r * r)
        assert found.statistic == pytest.approx(expected, rel=1e-9)
        assert found.dof == 1


def test_the_statistic_is_a_ratio_of_determinants():
    data = mixed(200, 1)
    found = DegenerateGaussian().fit(data).test("x", "answer", ["group"])
    E = np.column_stack(
        [data["x"], *(data["answer"] == s for s in "vw"), *(data["group"] == s for s in "qr")]
    ).astype(float)
    C = np.cov(E.T)
    x, y, z = [0], [1, 2], [3, 4]

    def logdet(columns):
        return np.linalg.slogdet(C[np.ix_(columns, columns)])[1]

    ratio = logdet(x + z) + logdet(y + z) - logdet(x + y + z) - logdet(z)
    assert found.statistic == pytest.approx((200 - 1 - 2 - 2) * ratio, rel=1e-9)
    assert found.dof == 2


def test_which_state_is_left_out_and_the_order_of_columns_do_not_matter():
    data = mixed(150, 2)
    expected = DegenerateGaussian().fit(data).test("x", "answer", ["group"])
    renamed = data.assign(answer=data["answer"].map({"u": "w", "v": "u", "w": "v"}))[["answer", "group", "x"]]
    found = DegenerateGaussian().fit(renamed).test("answer", "x", ["group"])
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)


def test_level_and_power():
    pvalues = {effect: [] for effect in (0.0, 1.0)}
    for seed in range(150):
        for effect, found in pvalues.items():
            data = mixed(300, seed, effect)
            found.append(DegenerateGaussian().fit(data).test("x", "answer", ["group"]).pvalue)
    # Four standard errors of a share with mean 0.05.
    assert (np.array(pvalues[0.0]) < 0.05).mean() < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 150)
    assert (np.array(pvalues[1.0]) < 0.05).mean() > 0.95


def test_types_are_read_from_dtypes_and_can_be_named():
    data = mixed(100, 3).assign(code=np.arange(100) % 4, yes=np.arange(100) % 2 == 0)
    assert DegenerateGaussian().fit(data).types_ == {
        "group": "categorical",
        "x": "continuous",
        "answer": "categorical",
        "code": "continuous",
        "yes": "categorical",
    }
    named = DegenerateGaussian(types={"code": "categorical"}).fit(data)
    assert named.test("x", "code").dof == 3


def test_what_the_others_determine_is_flagged():
    data = mixed(100, 4)
    data["copy"] = 2 * data["x"] + 1
    assert DegenerateGaussian().fit(data).test("copy", "answer", ["x"]).flag == Flag.SINGULAR
    # A state that two categories share is taken out once.
    doubled = data.assign(again=data["group"])
    one = DegenerateGaussian().fit(doubled).test("x", "answer", ["group", "again"])
    assert one.statistic == pytest.approx(
        DegenerateGaussian().fit(data).test("x", "answer", ["group"]).statistic, rel=1e-9
    )


@pytest.mark.parametrize(
    ("types", "data", "error", "match"),
    [
        ({"x": "number"}, mixed(50, 0), UnknownNameError, "type of 'x'"),
        ({"z": "continuous"}, mixed(50, 0), UnknownNameError, "`types`"),
        ({"group": "continuous"}, mixed(50, 0), DataError, "non-numbers"),
        (None, mixed(5, 0), DataError, "at least 6 rows"),
        (None, mixed(50, 0).assign(c=1.0), DataError, "'c' is constant"),
        (None, mixed(50, 0).assign(c=math.nan), DataError, "'c' is not finite"),
        (None, {}, DataError, r"0 feature\(s\)"),
    ],
)
def test_bad_input(types, data, error, match):
    with pytest.raises(error, match=match):
        DegenerateGaussian(types=types).fit(data)


def test_pc_on_a_mixed_table():
    data = mixed(3000, 5, effect=1.0)
    rng = np.random.default_rng(5)
    data["late"] = (data["answer"] == "v") * 1.5 + rng.normal(size=3000)
    found = PC(test="degenerate_gaussian").fit(data)
    truth = DAG.from_string("group -> x -> answer; group -> answer; answer -> late")
    assert found.graph_ == truth.to_cpdag()


def test_categories_of_a_frame_are_categories_whatever_they_hold():
    X = pd.DataFrame({"a": [1, 2, 3] * 10, "x": np.arange(30.0) % 7}).astype({"a": "category"})
    assert DegenerateGaussian().fit(X).types_ == {"a": "categorical", "x": "continuous"}
    assert DegenerateGaussian(types={"a": "continuous"}).fit(X).types_["a"] == "continuous"
