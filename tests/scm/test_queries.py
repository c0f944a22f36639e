"""Questions of any model: exact where an engine can, draws with a standard error elsewhere."""

import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from causalrep.graphs import DAG
from causalrep.scm import (
    CPT,
    SCM,
    AdditiveNoise,
    Bernoulli,
    Categorical,
    Estimate,
    Function,
    Interval,
    Invertible,
    JointNormal,
    Laplace,
    Linear,
    Normal,
    Uniform,
)
from causalrep.utils import CausalRepError, DataError, ImpossibleEvidenceError, UnknownNameError

FOUR = 4  # standard errors: a right answer fails once in 16 000 seeds


def discrete():
    return SCM(
        mechanisms={
            "U": Bernoulli(0.3),
            "X": Categorical([0.2, 0.5, 0.3]),
            "Y": lambda X, U: np.maximum(X - 2 * U, 0),
        }
    )


def nonlinear():
    return SCM(
        mechanisms={
            "Z": Normal(0, 1),
            "X": AdditiveNoise(lambda Z: np.tanh(Z), Normal(0, 1)),
            "Y": AdditiveNoise(lambda X, Z: X**2 + Z, Normal(0, 0.5)),
        }
    )


def linear(sampled=False):
    """X -> Y <- Z -> X; `sampled` hides from the closed forms that it is linear."""
    if not sampled:
        x, y = Linear({"Z": 0.8}, noise=Normal(0, 1)), Linear({"X": 2.0, "Z": -1.0}, noise=Normal(0, 0.5))
    else:
        x = AdditiveNoise(lambda Z: 0.8 * Z, Normal(0, 1))
        y = AdditiveNoise(lambda X, Z: 2.0 * X - Z, Normal(0, 0.5))
    return SCM(DAG([("Z", "X"), ("Z", "Y"), ("X", "Y")]), {"Z": Normal(0, 1), "X": x, "Y": y})


def test_finite_functions_are_exact():
    scm = discrete()
    found = scm.probability({"Y": 1})
    assert found.exact
    assert found == pytest.approx(0.7 * 0.5)
    assert scm.expectation("Y", do={"X": 2}) == pytest.approx(0.7 * 2)
    assert scm.counterfactual_probability({"Y": 2}, do={"X": 2}, given={"Y": 1}) == pytest.approx(1.0)
    assert scm.counterfactual_expectation("Y", do={"X": 2}, given={"X": 0, "Y": 0}) == pytest.approx(1.4)


def test_events_in_every_form():
    scm = discrete()
    either = scm.probability({"Y": 1}) + scm.probability({"Y": 2})
    for event in ({"Y": [1, 2]}, {"Y": {1, 2}}, {"Y": Interval(low=0.5)}, {"Y": lambda y: y >= 1}):
        assert scm.probability(event) == pytest.approx(either)
    assert scm.probability(lambda Y: Y >= 1) == pytest.approx(either)
    assert scm.probability(lambda X, Y: X == Y) == pytest.approx(0.7 + 0.3 * 0.2)
    assert scm.probability({"Y": 0}, given={"X": [1, 2]}) == pytest.approx(0.3)


def test_interventions_in_every_form():
    scm = discrete()
    assert scm.expectation("Y", do={"X": Categorical([0, 0, 1.0])}) == pytest.approx(1.4)
    assert scm.expectation("Y", do={"X": lambda U: 1 + U}) == pytest.approx(0.7)
    assert scm.shift(X=1).expectation("Y") == pytest.approx(0.7 * (0.2 + 1.0 + 0.9) + 0.3 * (0.3))
    done = scm.do(X=2)
    assert done.expectation("Y") == pytest.approx(1.4)
    assert done.probability({"X": 2}) == 1.0


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        ("expectation", ("Y", {"X": 1.0})),
        ("expectation", ("Y", None, {"X": 1.0})),
        ("expectation", ("Z", None, {"Y": 1.0})),
        ("probability", ({"Y": Interval(0, 2)}, {"X": 1.0}, {"Z": 0.5})),
        ("counterfactual_expectation", ("Y", {"X": 1.0}, {"X": 0.0, "Y": 0.5})),
        ("counterfactual_expectation", ("Y", {"X": 1.0}, {"Y": 0.5})),
        ("counterfactual_probability", ({"Y": Interval(high=1)}, {"X": 1.0}, {"Y": 0.5})),
        ("counterfactual_variance", ("Y", {"X": 1.0}, {"Y": 0.5})),
    ],
)
def test_draws_agree_with_closed_forms(question, arguments):
    exact = getattr(linear(), question)(*arguments)
    drawn = getattr(linear(sampled=True), question)(*arguments, random_state=4, n_samples=20_000)
    assert exact.exact
    assert exact.se == 0
    assert not drawn.exact
    assert drawn.n_samples == 20_000
    assert abs(drawn - exact) <= FOUR * drawn.se + 1e-12  # rounding, where nothing is left to chance
    assert 0 < drawn.se < 0.05


def test_standard_errors_are_right():
    """Over 200 seeds, the errors in units of the standard error have unit variance."""
    exact = linear().expectation("Z", given={"Y": 1.0})
    scm = linear(sampled=True)
    z = []
    for seed in range(200):
        found = scm.expectation("Z", given={"Y": 1.0}, random_state=seed, n_samples=2000)
        z.append((found - exact) / found.se)
    # standard error of a variance from 200 draws: sqrt(2 / 200) = 0.1
    assert np.var(z) == pytest.approx(1, abs=0.4)
    assert abs(np.mean(z)) <= 4 / math.sqrt(200)


def test_the_same_seed_gives_the_same_estimate_and_contrasts_are_paired():
    scm = nonlinear()
    first, again = (scm.expectation("Y", do={"X": 1.0}, random_state=7, n_samples=100) for _ in range(2))
    assert first == again
    contrast = scm.effect("ATE", "X", "Y", random_state=7, n_samples=1000)
    assert contrast == pytest.approx(1.0)  # X**2 between 0 and 1, all noise cancels
    assert contrast.se < 1e-12


def test_counterfactual_of_nonlinear_model_with_full_evidence_is_settled():
    scm = nonlinear()
    given = {"Z": 0.3, "X": 1.0, "Y": 2.0}
    found = scm.counterfactual_expectation("Y", do={"X": 3.0}, given=given, random_state=0, n_samples=1000)
    assert found == pytest.approx(2.0 - 1.0 + 9.0)
    assert found.se < 1e-12


def test_evidence_below_is_weighed_not_ignored():
    """P(X < 0 | Y = 2) of Y = X**2 + e is 1/2, but |X| is near sqrt 2: the prior would say 0.68 below 1."""
    scm = SCM(mechanisms={"X": Normal(0, 1), "Y": AdditiveNoise(lambda X: X**2, Normal(0, 0.1))})
    near = {"X": lambda x: abs(x) < 1}
    found = scm.probability(near, given={"Y": 2.0}, random_state=0)
    grid = np.linspace(-5, 5, 20_001)
    weight = norm.pdf(grid) * norm.pdf(2.0 - grid**2, scale=0.1)
    expected = weight[abs(grid) < 1].sum() / weight.sum()
    assert abs(found - expected) <= FOUR * max(found.se, 1e-5)
    assert scm.probability(near) == pytest.approx(0.683, abs=0.01)


def test_discrete_outcomes_of_opaque_functions_are_rejected_or_kept():
    scm = SCM(
        mechanisms={
            "X": Normal(0, 1),
            "Y": Function(lambda X, noise: (X + noise > 0).astype(int), Normal(0, 1)),
        }
    )
    found = scm.counterfactual_probability({"Y": 1}, do={"X": 1.0}, given={"X": 0.0, "Y": 0}, random_state=0)
    expected = (norm.cdf(0) - norm.cdf(-1)) / norm.cdf(0)  # the noise is below 0, and must be above -1
    assert abs(found - expected) <= FOUR * found.se


def test_continuous_outcomes_of_opaque_functions_are_an_error_and_never_the_prior():
    scm = SCM(mechanisms={"X": Normal(0, 1), "Y": Function(lambda X, noise: X + noise**3, Normal(0, 1))})
    with pytest.raises(ImpossibleEvidenceError, match="cannot tell or draw its noise"):
        scm.counterfactual_expectation("Y", do={"X": 1.0}, given={"Y": 0.5}, random_state=0, n_samples=1000)


def test_an_invertible_mechanism_without_density_needs_its_parents():
    scm = SCM(
        mechanisms={
            "X": Normal(0, 1),
            "Y": Invertible(
                lambda X, noise: X * np.exp(noise), lambda X, value: np.log(value / X), Normal(0, 1)
            ),
        }
    )
    given = {"X": 2.0, "Y": 4.0}
    found = scm.counterfactual_expectation("Y", do={"X": 1.0}, given=given, random_state=0, n_samples=100)
    assert found == pytest.approx(2.0)
    with pytest.raises(CausalRepError, match="no density"):
        scm.counterfactual_expectation("Y", do={"X": 1.0}, given={"Y": 4.0}, random_state=0)


def test_few_effective_draws_are_announced():
    scm = SCM(mechanisms={"X": Normal(0, 1), "Y": AdditiveNoise(lambda X: X**3, Normal(0, 0.01))})
    with pytest.warns(UserWarning, match="effective sample size"):
        found = scm.expectation("X", given={"Y": 8.0}, random_state=0, n_samples=20_000)
    assert found.ess < 200


def test_the_warning_points_at_the_question():
    scm = SCM(mechanisms={"X": Normal(0, 1), "Y": AdditiveNoise(lambda X: X**3, Normal(0, 0.01))})
    rows = pd.DataFrame({"Y": [8.0]})
    for ask in (
        lambda: scm.expectation("X", given={"Y": 8.0}, random_state=0, n_samples=5000),
        lambda: scm.effect("ATE", "X", "Y", given={"Y": 8.0}, random_state=0, n_samples=5000),
        lambda: scm.counterfactual(rows, do={"X": 0.0}, n_draws=5000, random_state=0),
    ):
        with pytest.warns(UserWarning, match="effective sample size") as caught:
            ask()
        assert caught[0].filename == __file__


def test_events_that_no_draw_shows_are_not_taken_for_impossible():
    scm = SCM(mechanisms={"X": Normal(0, 1), "Y": AdditiveNoise(lambda X: X**2, Normal(0, 0.1))})
    found = scm.probability({"X": Interval(low=6), "Y": Interval(low=30)}, random_state=0, n_samples=1000)
    assert found == 0
    assert found.se == pytest.approx(0.001)


def test_no_warning_where_the_weights_are_even():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nonlinear().expectation("Y", random_state=0, n_samples=50)


def test_impossible_evidence():
    scm = discrete()
    with pytest.raises(ImpossibleEvidenceError):
        scm.probability({"U": 1}, given={"X": 0, "Y": 2})
    with pytest.raises(ImpossibleEvidenceError):
        scm.counterfactual_probability({"Y": 1}, do={"X": 1}, given={"U": 1, "Y": 2})
    with pytest.raises(ImpossibleEvidenceError):
        scm.expectation("Y", given={"Y": 7})
    uniform = SCM(mechanisms={"X": Uniform(0, 1), "Y": AdditiveNoise(lambda X: X, Laplace(0, 1))})
    with pytest.raises(ImpossibleEvidenceError):
        uniform.expectation("Y", given={"X": 2.0}, random_state=0)


def test_unknown_names_and_wrong_forms():
    scm = discrete()
    for ask in (
        lambda: scm.expectation("y"),
        lambda: scm.expectation(lambda y: y),
        lambda: scm.probability({"Q": 1}),
        lambda: scm.probability({"Y": 1}, do={"Q": 1}),
        lambda: scm.probability({"Y": 1}, given={"Q": 1}),
    ):
        with pytest.raises(UnknownNameError):
            ask()
    with pytest.raises(DataError, match="empty"):
        scm.probability({"Y": []})
    with pytest.raises(DataError, match="truth value"):
        scm.probability({"Y": lambda y: 2 * y})
    with pytest.raises(TypeError, match="mapping"):
        scm.probability({"Y": 1}, given=[("X", 1)])


def test_estimates_are_floats():
    estimate = Estimate(0.5, 0.1, 80.0, 100)
    assert estimate + 0.25 == 0.75
    assert (estimate.estimate, estimate.se, estimate.ess, estimate.n_samples) == (0.5, 0.1, 80.0, 100)
    again = pickle.loads(pickle.dumps(estimate))
    assert (float(again), again.se, again.ess) == (0.5, 0.1, 80.0)
    assert Estimate(2.0).exact
    assert Estimate(2.0).ess == math.inf


# Rows: weighted draws of what they might have been ---------------------------------------------------


def test_draws_of_rows_agree_with_the_exact_counterfactual():
    scm, hidden = linear(), linear(sampled=True)
    rows = pd.DataFrame({"Z": [0.2, np.nan, np.nan], "X": [1.0, -0.5, np.nan], "Y": [1.5, 0.3, -1.0]})
    draws = hidden.counterfactual(rows, do={"X": 2.0}, n_draws=20_000, random_state=0)
    assert draws.weights.shape == (3, 20_000)
    np.testing.assert_allclose(draws.weights.sum(axis=1), 1)
    for i, row in rows.iterrows():
        given = {name: value for name, value in row.items() if not np.isnan(value)}
        mean = scm.counterfactual_expectation("Y", do={"X": 2.0}, given=given)
        sd = math.sqrt(scm.counterfactual_variance("Y", do={"X": 2.0}, given=given))
        assert abs(draws.mean("Y")[i] - mean) <= FOUR * sd / math.sqrt(draws.ess[i]) + 1e-9
    # the first row is fully observed: every draw is the same, and as the engine tells it
    told = hidden.counterfactual(rows.iloc[:1], do={"X": 2.0})
    first = draws.samples["Y"].reshape(3, -1)[0]
    np.testing.assert_allclose(first, told["Y"].iloc[0])
    assert draws.ess[0] == pytest.approx(20_000)


def test_missing_columns_and_latent_nodes_are_drawn():
    graph = DAG([("U", "X"), ("U", "Y"), ("X", "Y")], latent="U")
    scm = SCM(
        graph,
        {
            "U": Bernoulli(0.4),
            "X": CPT([[0.9, 0.1], [0.2, 0.8]], ["U"]),
            "Y": CPT([[[0.8, 0.2], [0.5, 0.5]], [[0.3, 0.7], [0.1, 0.9]]], ["U", "X"]),
        },
    )
    rows = scm.sample(6, random_state=0)
    assert list(rows.columns) == ["X", "Y"]
    assert "U" in scm.sample(6, random_state=0, return_noise=True)
    assert "U" in scm.sample(6, random_state=0, nodes=["U", "X"])
    assert scm.do(X=1).graph.latent == {"U"}
    draws = scm.counterfactual(rows, do={"X": 1 - rows["X"].to_numpy()}, n_draws=20_000, random_state=1)
    assert list(draws.samples) == ["X", "Y"]
    for i, row in rows.iterrows():
        seen = {"X": int(row["X"]), "Y": int(row["Y"])}
        exact = scm.counterfactual_probability({"Y": 1}, do={"X": 1 - seen["X"]}, given=seen)
        se = 0.5 / math.sqrt(draws.ess[i])
        assert abs(draws.probability("Y", 1)[i] - exact) <= FOUR * se
    with pytest.raises(DataError, match="'U'"):
        scm.counterfactual(rows, do={"X": 1})


def test_latent_nodes_can_be_named_with_the_mechanisms():
    mechanisms = {"U": Normal(0, 1), "W": Normal(0, 1), "X": lambda U, W: U + W}
    assert SCM(mechanisms=mechanisms, latent="U").graph.latent == {"U"}
    both = SCM(DAG([("U", "X"), ("W", "X")], latent="W"), mechanisms, latent=["U", "W"])
    assert both.graph.latent == {"U", "W"}
    assert list(both.sample(2, random_state=0).columns) == ["X"]
    with pytest.raises(UnknownNameError, match="latent"):
        SCM(mechanisms=mechanisms, latent="V")


def test_picks_follow_the_weights():
    scm = linear(sampled=True)
    rows = pd.DataFrame({"Y": np.full(2000, 1.0)})
    with pytest.warns(UserWarning, match="effective"):
        draws = scm.counterfactual(rows, do={"X": 0.0}, n_draws=60, random_state=0)
    picked = draws.pick(random_state=1)
    assert len(picked) == 2000
    exact = linear().counterfactual_expectation("Y", do={"X": 0.0}, given={"Y": 1.0})
    sd = math.sqrt(linear().counterfactual_variance("Y", do={"X": 0.0}, given={"Y": 1.0}))
    # the bias of self-normalised weights with 60 draws is of the order sd / 60
    assert abs(picked["Y"].mean() - exact) <= FOUR * sd / math.sqrt(2000) + sd / 20


def test_interventions_per_row_and_shifts_are_repeated_for_the_draws():
    scm = linear(sampled=True)
    rows = scm.sample(4, random_state=0)
    values = np.array([0.0, 1.0, 2.0, 3.0])
    told = scm.counterfactual(rows, do={"X": values})
    draws = scm.counterfactual(rows, do={"X": values}, n_draws=3, random_state=0)
    np.testing.assert_allclose(draws.mean("Y"), told["Y"])
    moved = scm.counterfactual(rows, shift={"X": values})
    draws = scm.counterfactual(rows, shift={"X": values}, n_draws=3, random_state=0)
    np.testing.assert_allclose(draws.mean("Y"), moved["Y"])


def test_noise_that_rows_carry_is_used():
    scm = SCM(mechanisms={"X": Normal(0, 1), "Y": Function(lambda X, noise: X * noise**2, Normal(0, 1))})
    rows = scm.sample(5, random_state=0, return_noise=True)
    draws = scm.counterfactual(rows, do={"X": 1.0}, n_draws=2, random_state=3)
    np.testing.assert_allclose(draws.mean("Y"), rows.noise["Y"] ** 2)


def test_known_noise_tells_of_the_noise_that_goes_with_it():
    law = JointNormal(["X", "Y"], [[1.0, 0.9], [0.9, 1.0]])
    y = AdditiveNoise(lambda X: np.tanh(X))
    scm = SCM(mechanisms={"X": Linear({}), "Y": y}, noise=law)
    rows = pd.DataFrame({"X": [1.5]})
    draws = scm.counterfactual(
        rows, do={"X": 0.0}, noise={"X": np.array([1.5])}, n_draws=20_000, random_state=0
    )
    assert abs(draws.mean("Y")[0] - 0.9 * 1.5) <= FOUR * math.sqrt((1 - 0.81) / 20_000)


def test_impossible_rows_are_named():
    scm = SCM(mechanisms={"X": Bernoulli(0.5), "Y": lambda X: 2 * X})
    rows = pd.DataFrame({"X": [0, 1], "Y": [0, 1]})
    with pytest.raises(ImpossibleEvidenceError, match="first of them 1"):
        scm.counterfactual(rows, do={"X": 1}, n_draws=10, random_state=0)
    with pytest.raises(DataError, match="n_draws"):
        scm.counterfactual(rows, do={"X": 1}, n_draws=0)


def test_altered_mechanisms_of_linear_models_stay_exact():
    scm = linear()
    for world, expected in (
        (scm.scale(Y=3.0), 3 * (2.0 * 1.0 - 0.5)),
        (scm.do(edge=("X", "Y"), value=4.0), 2.0 * 4.0 - 0.5),
        (scm.shift(Y=1.0).scale(Y=2.0), 2 * (2.0 * 1.0 - 0.5 + 1.0)),
    ):
        found = world.expectation("Y", given={"X": 1.0, "Z": 0.5})
        assert found.exact
        assert found == pytest.approx(expected)
    spread = linear().scale(Y=3.0).counterfactual_variance("Y", given={"X": 1.0, "Z": 0.5})
    assert spread == pytest.approx(9 * 0.25)


def test_altered_mechanisms_of_tables_stay_exact():
    scm = SCM(
        mechanisms={
            "Z": Categorical([0.3, 0.7]),
            "X": CPT([[0.8, 0.2], [0.4, 0.6]], ["Z"]),
            "Y": lambda X, Z: 2 * X + Z,
        }
    )
    assert scm.scale(Y=3).expectation("Y", do={"X": 1}) == pytest.approx(3 * 2.7)
    cut = scm.do(edge=("X", "Y"), value=1).probability({"Y": 3})
    assert cut.exact
    assert cut == pytest.approx(0.7)
    tilted = scm.incremental("X", odds=4.0)
    found = tilted.probability({"X": 1}, given={"Z": 0})
    assert found.exact
    assert found == pytest.approx(4 * 0.2 / (0.8 + 4 * 0.2))
    drawn = tilted.sample(40_000, random_state=0)
    at = drawn["Z"] == 0
    assert abs(drawn["X"][at].mean() - found) <= FOUR * 0.5 / math.sqrt(at.sum())
