"""Interventions beyond setting and shifting: what they change, what they keep, how they compose."""

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from causalrep.graphs import DAG
from causalrep.scm import CPT, SCM, AdditiveNoise, ExtrapolationWarning, Function, Linear, Normal, Smoothed
from causalrep.utils import (
    CausalRepError,
    CycleError,
    DataError,
    GraphError,
    NotInvertibleError,
    UnknownNameError,
)

CHAIN = "Z = N(0, 1); X = Z + N(0, 1); Y = 2*X - Z + N(0, 1)"
TREATED = "Z = N(0, 1); T ~ Bernoulli(sigmoid(Z)); Y = T + Z + N(0, 1)"


@pytest.fixture
def scm():
    return SCM.from_equations(CHAIN)


def paired(model, base, n=2000, seed=0):
    return model.sample(n, seed), base.sample(n, seed)


# --- scale


def test_a_scaled_node_is_its_own_value_times_the_factor(scm):
    after, before = paired(scm.scale(X=3.0), scm)
    np.testing.assert_allclose(after["X"], 3 * before["X"], rtol=1e-12)
    np.testing.assert_allclose(after["Y"] - before["Y"], 4 * before["X"], rtol=1e-9, atol=1e-12)
    assert scm.scale(X=3.0).graph == scm.graph


def test_scales_and_shifts_compose_in_the_order_in_which_they_are_made(scm):
    base = scm.sample(50, 0)["X"]
    np.testing.assert_allclose(scm.scale(X=2.0).shift(X=1.0).sample(50, 0)["X"], 2 * base + 1, rtol=1e-12)
    np.testing.assert_allclose(scm.shift(X=1.0).scale(X=2.0).sample(50, 0)["X"], 2 * (base + 1), rtol=1e-12)


def test_a_factor_may_be_given_per_row(scm):
    factors = np.linspace(1, 2, 50)
    after, before = paired(scm.scale(X=factors), scm, n=50)
    np.testing.assert_allclose(after["X"], factors * before["X"], rtol=1e-12)
    with pytest.raises(DataError, match="'X'"):
        scm.scale(X=factors).sample(51, 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda scm: scm.scale(X=-2.5),
        lambda scm: scm.truncate("X", low=-0.5, high=1.0),
        lambda scm: scm.do(edge=("Z", "X"), value=0.7),
    ],
    ids=["scale", "truncate", "edge"],
)
def test_the_density_of_an_altered_node_has_mass_one_and_its_noise_is_told(scm, make):
    model = make(scm)
    mechanism = model.mechanisms["X"]
    grid = np.linspace(-20, 20, 80_001)
    at = {name: np.full(len(grid), 0.4) for name in model.graph.parents("X")}
    assert abs(np.trapezoid(np.exp(mechanism.log_prob(at, grid)), grid) - 1) < 1e-3
    rows = model.sample(200, 1, return_noise=True)
    parents = {name: rows[name] for name in model.graph.parents("X")}
    noise = mechanism.sample_noise(200, np.random.default_rng(0))
    value = mechanism.forward(parents, noise)
    np.testing.assert_allclose(mechanism.abduct(parents, value), noise, atol=1e-8)


@pytest.mark.parametrize("factor", [0, "2", np.nan, np.array([1.0, 0.0])])
def test_factors_that_are_none_are_refused(scm, factor):
    with pytest.raises(DataError) as caught:
        scm.scale(X=factor)
    assert "raised by the scale of 'X'" in caught.value.__notes__


# --- edges


def test_an_edge_intervention_acts_along_the_edge_alone():
    scm = SCM.from_equations("X = N(0, 1); M = 2*X + N(0, 1); Y = M + 5*X + N(0, 1)")
    after, before = paired(scm.do(edge=("X", "M"), value=1.0), scm)
    assert (after["X"] == before["X"]).all()
    # along X -> M -> Y the slope is 2
    np.testing.assert_allclose(after["Y"] - before["Y"], 2 * (1 - before["X"]), rtol=1e-9, atol=1e-12)
    direct = scm.do(edge=("X", "Y"), value=1.0).sample(2000, 0)
    np.testing.assert_allclose(direct["Y"] - before["Y"], 5 * (1 - before["X"]), rtol=1e-9, atol=1e-12)


def test_all_edges_out_of_a_node_together_are_do_for_its_children():
    scm = SCM.from_equations("X = N(0, 1); M = 2*X + N(0, 1); Y = M + 5*X + N(0, 1)")
    edges = scm.do(edge=[("X", "M"), ("X", "Y")], value=1.0).sample(100, 0)
    done = scm.do(X=1.0).sample(100, 0)
    np.testing.assert_allclose(edges[["M", "Y"]], done[["M", "Y"]], rtol=1e-12)


def test_an_edge_intervention_removes_the_edge_from_the_graph(scm):
    model = scm.do(edge=("X", "Y"), value=np.arange(5.0))
    assert model.graph.to_string() == "Z -> X; Z -> Y"
    assert list(model.interventions) == ["Y"]
    noise = scm.sample(5, 3, return_noise=True).noise["Y"]
    rows = model.sample(5, 3)
    np.testing.assert_allclose(rows["Y"], 2 * np.arange(5.0) - rows["Z"] + noise, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.do(edge=("Y", "X"), value=1), GraphError, "no edge from 'Y' to 'X'"),
        (lambda m: m.do(edge=("X", "W"), value=1), UnknownNameError, "'W'"),
        (lambda m: m.do(edge=("X", "Y")), DataError, "needs a `value`"),
        (lambda m: m.do(value=3), UnknownNameError, "'value'"),
        (lambda m: m.do(edge=("X", "Y", "Z"), value=1), DataError, "pair"),
        (lambda m: m.do(edge=("X", "Y"), value=lambda Z: Z), DataError, "number or an array"),
        (lambda m: m.do(edge=("X", "Y"), value=float("nan")), DataError, "NaN"),
    ],
)
def test_edges_that_are_none_are_refused(scm, call, error, message):
    with pytest.raises(error, match=message):
        call(scm)


def test_a_node_that_is_called_value_can_still_be_set():
    assert (SCM(mechanisms={"value": Normal(0, 1)}).do(value=3.0).sample(2, 0)["value"] == 3).all()


# --- truncation


@pytest.mark.parametrize("bounds", [(-1.0, 0.5), (0.5, math.inf), (-math.inf, -0.2)])
def test_a_truncated_law_is_the_conditional_law(bounds):
    scm = SCM.from_equations("X = Laplace(0.3, 1)")
    low, high = bounds
    rows = scm.truncate("X", low=low, high=high).sample(4000, 1)["X"]
    law = stats.laplace(0.3, 1)
    a, b = law.cdf(low), law.cdf(high)
    assert stats.kstest(rows, lambda x: (law.cdf(np.clip(x, low, high)) - a) / (b - a)).pvalue > 1e-4
    plain = scm.sample(4000, 1)["X"]
    assert (np.argsort(rows.to_numpy()) == np.argsort(plain.to_numpy())).all()  # ranks are kept


def test_truncation_depends_on_the_parents_and_on_falling_mechanisms(scm):
    for text in ("X = Z + N(0, 1)", "X = Z - N(0, 1)", "X = exp(Z - N(0, 1))"):
        model = SCM.from_equations(f"Z = N(0, 1); {text}").truncate("X", low=0.5, high=2.0)
        assert model.sample(2000, 0)["X"].between(0.5, 2.0).all()
        one_sided = SCM.from_equations(f"Z = N(0, 1); {text}").truncate("X", low=0.5)
        assert one_sided.sample(2000, 0)["X"].min() >= 0.5


def test_what_has_no_quantiles_cannot_be_truncated(scm):
    model = SCM(mechanisms={"Z": Normal(), "X": lambda Z: Z})
    with pytest.raises(CausalRepError, match="quantiles"):
        model.truncate("X", low=0)
    with pytest.raises(DataError, match="`low` < `high`"):
        scm.truncate("X", low=1, high=0)
    with pytest.raises(DataError, match="no probability"):
        scm.truncate("X", low=1e3).sample(5, 0)


# --- incremental


def equal_models():
    """Three ways to write a node of two states with P(second) = 0.2 and 0.7."""
    root = {"Z": CPT([0.5, 0.5])}
    yield SCM.from_equations("Z ~ Bernoulli(0.5); T ~ Bernoulli(0.2 + 0.5*Z)")
    yield SCM(mechanisms={**root, "T": CPT([[0.8, 0.2], [0.3, 0.7]], ["Z"])})
    yield SCM(mechanisms={**root, "T": CPT([[0.8, 0.2], [0.3, 0.7]], ["Z"], coupling="gumbel")})


@pytest.mark.parametrize("index", range(3))
def test_an_incremental_intervention_multiplies_the_odds(index):
    scm = list(equal_models())[index]
    n = 40_000
    rows = scm.incremental("T", odds=4.0).sample(n, 0)
    for z, p in ((0, 0.2), (1, 0.7)):
        expected = 4 * p / (1 - p + 4 * p)
        part = rows[rows["Z"] == z]["T"]
        assert abs(part.mean() - expected) < 4 * math.sqrt(expected * (1 - expected) / len(part))
    before = scm.sample(n, 0)
    assert (rows["T"] >= before["T"]).all()  # shared noise: higher odds never take a treatment away
    density = scm.incremental("T", odds=4.0).mechanisms["T"].log_prob({"Z": np.array([1])}, np.array([1]))
    np.testing.assert_allclose(density, math.log(2.8 / 3.1), rtol=1e-12)


def test_an_incremental_intervention_on_a_bernoulli_root():
    scm = SCM.from_equations("T ~ Bernoulli(0.5); Y = T + N(0, 1)")
    n = 20_000
    rows = scm.incremental("T", odds=3.0).sample(n, 0)
    assert abs(rows["T"].mean() - 0.75) < 4 * math.sqrt(0.1875 / n)
    assert (rows["T"] >= scm.sample(n, 0)["T"]).all()


def test_odds_of_one_change_nothing():
    scm = SCM.from_equations(TREATED)
    assert scm.incremental("T", odds=1.0).sample(500, 0).equals(scm.sample(500, 0))


def test_incremental_needs_two_states_and_positive_odds(scm):
    with pytest.raises(CausalRepError, match="two states"):
        scm.incremental("X", odds=2)
    with pytest.raises(DataError, match="positive"):
        SCM.from_equations(TREATED).incremental("T", odds=0)


# --- soft


def test_a_soft_intervention_keeps_the_random_numbers_of_the_node(scm):
    after, before = paired(scm.soft(X="3*Z + N(0, 1)"), scm)
    np.testing.assert_allclose(after["X"] - before["X"], 2 * before["Z"], rtol=1e-9, atol=1e-12)
    fresh = scm.do(X=Linear({"Z": 3.0}, noise=Normal(0, 1))).sample(2000, 0)
    assert abs(np.corrcoef(fresh["X"] - 3 * fresh["Z"], before["X"] - before["Z"])[0, 1]) < 4 / math.sqrt(
        2000
    )


def test_a_soft_intervention_may_add_and_drop_parents_but_close_no_cycle(scm):
    assert scm.soft(Y="Z + N(0, 1)").graph.to_string() == "Z -> X; Z -> Y"
    with pytest.raises(CycleError):
        scm.soft(X="Y + N(0, 1)")
    shifted = scm.soft(X="3*Z + N(0, 1)").shift(X=1.0).sample(100, 0)
    np.testing.assert_allclose(shifted["X"], scm.soft(X="3*Z + N(0, 1)").sample(100, 0)["X"] + 1, rtol=1e-12)


# --- together


def test_interventions_on_different_nodes_commute(scm):
    steps = [
        lambda m: m.scale(Z=2.0),
        lambda m: m.truncate("X", low=0.0),
        lambda m: m.do(edge=("Z", "Y"), value=1.0),
    ]
    frames = [
        steps[i](steps[j](steps[k](scm))).sample(50, 0) for i, j, k in [(0, 1, 2), (2, 1, 0), (1, 2, 0)]
    ]
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])


def test_interventions_are_listed_and_the_model_is_left_as_it_was(scm):
    before = scm.sample(20, 0)
    model = scm.do(Z=1.0).scale(X=2.0).do(edge=("X", "Y"), value=0.0)
    assert list(model.interventions) == ["Z", "X", "Y"]
    assert "Scaled" in repr(model)
    assert scm.interventions == {}
    assert scm.sample(20, 0).equals(before)


def test_a_clash_warns_or_is_an_error_under_strict(scm):
    with pytest.warns(UserWarning, match="'X' was intervened on before"):
        assert (scm.scale(X=2).do(X=1.0).sample(3, 0)["X"] == 1).all()
    with pytest.raises(GraphError, match="strict"):
        scm.do(X=0.0).do(X=1.0, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scm.do(X=0.0).do(Z=1.0, strict=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m.scale(X=-2.0),
        lambda m: m.do(edge=("Z", "Y"), value=0.5),
        lambda m: m.truncate("X", low=-1.0, high=2.0),
        lambda m: m.do(Z=1.0).scale(X=3.0).shift(X=-1.0),
        lambda m: m.do(X=lambda Z: Z**2),
    ],
)
def test_imagining_a_model_is_sampling_it_with_the_same_noise(scm, make):
    model = make(scm)
    seen = scm.sample(40, 7, return_noise=True)
    expected = model.sample(40, 7, return_noise=True)
    for rows in (seen, seen.frame):
        imagined = scm.counterfactual(rows, do=model)
        for node in scm.graph.nodes:
            np.testing.assert_allclose(imagined[node], expected[node], rtol=1e-8, atol=1e-8)


def test_imagining_a_tilt_needs_the_noise_of_the_states():
    scm = SCM.from_equations(TREATED)
    model = scm.incremental("T", odds=5.0)
    seen = scm.sample(60, 7, return_noise=True)
    assert (scm.counterfactual(seen, do=model)["T"] == model.sample(60, 7)["T"]).all()
    with pytest.raises(NotInvertibleError):
        scm.counterfactual(seen.frame, do=model)
    coin = SCM.from_equations("T ~ Bernoulli(0.5)")
    with pytest.raises(NotInvertibleError, match="0 or 1"):
        coin.counterfactual(coin.sample(5, 0), do=coin.incremental("T", odds=2))


def test_only_models_made_from_this_one_can_be_imagined(scm):
    with pytest.raises(DataError, match="made from this one"):
        scm.counterfactual(scm.sample(3, 0), do=SCM.from_equations(CHAIN).do(X=1))
    with pytest.raises(DataError, match="neither `shift` nor"):
        scm.counterfactual(scm.sample(3, 0), do=scm.do(X=1), shift={"Z": 1})


# --- learned models


def test_values_that_a_learned_model_never_saw_are_extrapolated_with_a_warning():
    data = SCM.from_equations(CHAIN).sample(300, 0)
    model = SCM(DAG([("Z", "X"), ("Z", "Y"), ("X", "Y")])).fit(data, "linear", random_state=0)
    with pytest.warns(ExtrapolationWarning, match="values of 'X' between") as caught:
        model.do(X=50.0)
    assert caught[0].filename == __file__
    with pytest.warns(ExtrapolationWarning, match="extrapolated"):
        model.counterfactual(data, do={"X": np.where(np.arange(300) == 7, 99.0, data["X"])})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.do(X=float(data["X"].max()))


def test_a_smoothed_noise_can_be_truncated():
    law = Smoothed.of(np.random.default_rng(0).exponential(size=500))
    scm = SCM(mechanisms={"Z": Normal(0, 1), "X": AdditiveNoise(lambda Z: Z, law)})
    assert scm.truncate("X", low=0.0, high=1.0).sample(300, 0)["X"].between(0, 1).all()


# --- functions that take one row at a time


def test_functions_of_single_numbers_are_applied_row_by_row_with_a_warning():
    def step(X):
        return 1.0 if X > 0 else math.exp(X)

    scm = SCM(mechanisms={"X": Normal(0, 1), "Y": step})
    with pytest.warns(UserWarning, match="step takes one row at a time"):
        rows = scm.sample(50, 0)
    np.testing.assert_allclose(rows["Y"], np.where(rows["X"] > 0, 1.0, np.exp(rows["X"])), rtol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scm.sample(50, 1)  # the warning comes once


def test_row_by_row_functions_take_noise_and_constant_ones_are_left_alone():
    noisy = Function(lambda X, noise: max(X, noise), Normal(0, 1))
    with pytest.warns(UserWarning, match="one row at a time"):
        got = noisy.forward({"X": np.array([1.0, -1.0, 0.5])}, np.array([0.0, 0.0, 2.0]))
    np.testing.assert_array_equal(got, [1.0, 0.0, 2.0])


def test_an_error_of_the_function_itself_is_raised_as_it_is():
    def broken(X):
        raise ValueError("no such dose")

    with pytest.raises(ValueError, match="no such dose"):
        SCM(mechanisms={"X": Normal(0, 1), "Y": broken}).sample(5, 0)
