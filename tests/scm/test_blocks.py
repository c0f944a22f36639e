"""Sampling in blocks gives the rows of sampling at once, node by node and law by law."""

import numpy as np
import pandas as pd
import pytest

from causalrep.graphs import DAG
from causalrep.scm import (
    CPT,
    SCM,
    Bernoulli,
    Categorical,
    CountRegression,
    Dirac,
    Empirical,
    Equation,
    Exponential,
    Gamma,
    Laplace,
    Linear,
    LogNormal,
    Normal,
    Poisson,
    Smoothed,
    StudentT,
    Uniform,
)
from causalrep.scm._blocks import BLOCK, are_blockwise
from causalrep.utils import ImpossibleEvidenceError, keyed_generator

LAWS = [
    Normal(),
    Normal(2.0, 0.3),
    Laplace(1, 2),
    Uniform(-1, 2),
    Exponential(2),
    Gamma(0.5, 2),
    Gamma(3, 1),
    LogNormal(0, 1),
    StudentT(4, 1, 2),
    Bernoulli(0.3),
    Categorical([0.2, 0.3, 0.5]),
    Poisson(0.7),
    Poisson(40.0),
    Dirac(2.0),
    Empirical(np.arange(7)),
    Empirical(np.arange(5_000)),
    Smoothed.of(np.arange(50.0) ** 2),
]


@pytest.mark.parametrize("law", LAWS, ids=[f"{i}: {type(law).__name__}" for i, law in enumerate(LAWS)])
def test_draws_in_parts_are_the_draws_at_once(law):
    whole = law.sample(1000, keyed_generator(0, "a"))
    generator = keyed_generator(0, "a")
    parts = [law.sample(size, generator) for size in (1, 330, 335, 334)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_normal_law_draws_what_numpy_draws():
    for loc, scale in ((0.0, 1.0), (2.0, 1.0), (0.0, 0.3), (-1.5, 2.7)):
        expected = keyed_generator(0, "a").normal(loc, scale, 500)
        np.testing.assert_array_equal(Normal(loc, scale).sample(500, keyed_generator(0, "a")), expected)


def model():
    data = pd.DataFrame({"X": np.linspace(-1, 1, 60)})
    data["N"] = np.random.default_rng(0).poisson(np.exp(1 + data["X"]))
    count = SCM(DAG([("X", "N")])).fit(data, {"N": CountRegression()}, random_state=0).mechanisms["N"]
    return SCM(
        mechanisms={
            "X": Normal(0, 1),
            "L": CPT([0.2, 0.3, 0.5], states=["a", "b", "c"]),
            "Z": Linear({"X": 0.5}, intercept=2.0, noise=Laplace(0, 1)),
            "N": count,
            "Y": Equation("exp(Z/4) * N(0, 1) + where(X > 0, 1, -1)"),
        }
    )


@pytest.mark.parametrize(
    "make", [lambda m: m, lambda m: m.do(Z=1.0), lambda m: m.shift(Z=0.5).do(X=Uniform(0, 1))]
)
def test_sampling_in_blocks_gives_the_rows_of_sampling_at_once(make):
    scm = make(model())
    n = 2 * BLOCK + 17
    blocks = scm.sample(n, 3)
    whole = scm.sample(n, 3, return_noise=True)
    assert list(blocks) == list(whole)
    for node in whole:
        np.testing.assert_array_equal(blocks[node], whole[node])
        assert blocks[node].to_numpy().dtype == whole[node].dtype


def test_values_per_row_reach_their_rows_in_blocks():
    n = BLOCK + 5
    doses = np.linspace(0, 1, n)
    rows = model().do(X=doses).sample(n, 0)
    np.testing.assert_array_equal(rows["X"], doses)
    rows.loc[0, "X"] = 99.0
    assert doses[0] == 0


def test_functions_of_which_nothing_is_known_see_whole_arrays():
    scm = SCM(mechanisms={"X": Normal(0, 1), "Y": lambda X: X - X.mean()})
    assert not are_blockwise(scm.mechanisms)
    assert abs(scm.sample(2 * BLOCK, 0)["Y"].mean()) < 1e-12
    assert are_blockwise(model().mechanisms)
    assert not are_blockwise({"Y": Equation("N(0, 1) + X * N(0, 1)")})


@pytest.mark.parametrize("chunk", [700, BLOCK, 50_000])
def test_chunks_are_the_rows_of_one_sample(chunk):
    n = BLOCK + 2000
    parts = list(model().stream(n, chunk=chunk, random_state=5))
    assert [len(part) for part in parts[:-1]] == [chunk] * (len(parts) - 1)
    pd.testing.assert_frame_equal(pd.concat(parts), model().sample(n, 5), check_index_type=False)


def test_chunks_of_interventions_per_row_and_wanted_nodes():
    doses = np.arange(1000.0)
    parts = list(model().do(X=doses).stream(1000, chunk=300, random_state=0, nodes=["Z"]))
    whole = model().do(X=doses).sample(1000, 0, ["Z"])
    pd.testing.assert_frame_equal(pd.concat(parts), whole, check_index_type=False)


@pytest.mark.parametrize(
    ("do", "shift"),
    [
        ({"X": 0.3}, {}),
        ({"X": np.linspace(-1, 1, BLOCK + 9)}, {}),
        ({"Z": Laplace(0, 1)}, {"X": 0.5}),
        ({}, {"Z": 0.25}),
        ({}, {"Z": np.linspace(0, 1, BLOCK + 9)}),
    ],
)
def test_counterfactuals_in_blocks_are_those_of_whole_columns(do, shift):
    scm = SCM.from_equations(
        "X = N(0, 1); Z = 2*X + Laplace(0, 1); Y = exp((Z + N(0, 1))/4); W = Y * X; V = W + N(0, 1)"
    )
    frame = scm.sample(BLOCK + 9, 1)
    frame.index = frame.index[::-1] + 5
    frame["ward"] = "B"
    blocks = scm.counterfactual(frame, do, shift=shift, random_state=2)
    whole = scm.counterfactual(
        {name: frame[name].to_numpy() for name in "XZYWV"}, do, shift=shift, random_state=2
    )
    assert list(blocks.columns) == list(frame.columns)
    assert blocks.index.equals(frame.index)
    for name in "XZYWV":
        np.testing.assert_allclose(blocks[name], whole[name], rtol=1e-12, atol=1e-12)
    assert (blocks["ward"] == "B").all()


def test_frames_made_in_blocks_share_no_memory_with_what_was_given():
    scm = SCM.from_equations("X = N(0, 1); Y = X + N(0, 1); Z = N(0, 1)")
    frame, doses = scm.sample(BLOCK + 1, 1), np.zeros(BLOCK + 1)
    before = frame.copy(deep=True)
    imagined = scm.counterfactual(frame, {"X": doses})
    imagined.loc[0, ["X", "Y", "Z"]] = 99.0
    assert doses[0] == 0
    pd.testing.assert_frame_equal(frame, before)


def test_impossible_values_are_named_by_their_row_in_blocks_too():
    scm = SCM.from_equations("X = N(0, 1); Y = exp(X + N(0, 1))")
    frame = scm.sample(2 * BLOCK, 1)
    frame.loc[BLOCK + 3, "Y"] = -1.0
    with pytest.raises(ImpossibleEvidenceError, match=f"the first of them {BLOCK + 3}"):
        scm.counterfactual(frame, {"X": 0.0})
