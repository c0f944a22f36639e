"""Several data sets: Fisher's combination by hand, level and power, columns by name, guards."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import combine_pvalues

from causalrep.discovery import PC
from causalrep.graphs import DAG
from causalrep.independence import FisherZ, Flag, GSquare, Pooled
from causalrep.utils import DataError


def shifted(n, mean, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(mean, 1, n)
    return pd.DataFrame({"x": x, "y": mean + rng.normal(size=n), "z": x + rng.normal(size=n)})


def test_equals_scipys_combination():
    sets = [shifted(100, 0.0, 0), shifted(60, 2.0, 1), shifted(80, -1.0, 2)]
    pooled = Pooled(FisherZ()).fit(sets)
    for x, y, given in (("x", "z", []), ("x", "y", ["z"]), ("y", "z", ["x"])):
        pvalues = [FisherZ().fit(data).test(x, y, given).pvalue for data in sets]
        expected = combine_pvalues(pvalues, method="fisher")
        found = pooled.test(x, y, given)
        assert found.statistic == pytest.approx(expected.statistic, rel=1e-10)
        assert found.pvalue == pytest.approx(expected.pvalue, rel=1e-9)
        assert found.dof == 6


def test_mixing_would_make_a_dependence_that_is_in_neither():
    sets = [shifted(300, 0.0, 3), shifted(300, 3.0, 4)]
    assert FisherZ().fit(pd.concat(sets)).test("x", "y").pvalue < 1e-9
    assert Pooled(FisherZ()).fit(sets).test("x", "y").pvalue > 0.01


def test_level():
    pvalues = [
        Pooled(FisherZ()).fit([shifted(30, 0.0, 2 * s), shifted(40, 5.0, 2 * s + 1)]).test("x", "y").pvalue
        for s in range(300)
    ]
    # Four standard errors of a share of 0.05 in 300.
    assert abs(np.mean(np.array(pvalues) < 0.05) - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 300)


def test_columns_are_matched_by_name():
    first, second = shifted(50, 0.0, 5), shifted(50, 1.0, 6)
    expected = Pooled(FisherZ()).fit([first, second]).test("x", "z", ["y"])
    assert (
        Pooled(FisherZ()).fit([first[["z", "x", "y"]], second[["y", "z", "x"]]]).test("z", "x", ["y"])
        == expected
    )


def test_a_data_set_that_cannot_answer_is_left_out():
    small = shifted(4, 0.0, 7)
    large = shifted(100, 0.0, 8)
    found = Pooled(FisherZ()).fit([small, large]).test("x", "z", ["y"])
    assert found.pvalue == pytest.approx(FisherZ().fit(large).test("x", "z", ["y"]).pvalue, rel=1e-9)
    assert found.dof == 2
    nobody = Pooled(FisherZ()).fit([small, small]).test("x", "z", ["y"])
    assert nobody.flag == Flag.TOO_FEW_ROWS
    assert math.isnan(nobody.pvalue)


def test_pc_learns_one_graph_from_several_tables():
    truth = DAG.from_string("a -> c <- b; c -> d")
    sets = []
    for seed, (shift, scale) in enumerate([(0.0, 1.0), (4.0, 0.7), (-3.0, 1.5)]):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(shift, 1, size=(2, 700))
        c = scale * (a + b) + rng.normal(size=700)
        sets.append(pd.DataFrame({"a": a, "b": b, "c": c, "d": c + rng.normal(size=700)}))
    found = PC(test=Pooled(FisherZ())).fit(sets)
    assert found.graph_ == truth.to_cpdag()
    assert PC().fit(pd.concat(sets)).graph_ != truth.to_cpdag()


def test_any_test_can_be_pooled():
    rng = np.random.default_rng(9)
    sets = [{"a": rng.integers(3, size=200), "b": rng.integers(2, size=200)} for _ in range(2)]
    assert Pooled(GSquare()).fit(sets).test("a", "b").dof == 4


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ([], "at least one data set"),
        (shifted(20, 0.0, 0), "must be a list of data sets"),
        (
            [shifted(20, 0.0, 0), shifted(20, 0.0, 1).rename(columns={"z": "w"})],
            r"data set 1 differs in \['w', 'z'\]",
        ),
    ],
)
def test_bad_data(data, match):
    with pytest.raises(DataError, match=match):
        Pooled(FisherZ()).fit(data)


def test_bad_test():
    with pytest.raises(TypeError, match="`test`"):
        Pooled("fisherz")
