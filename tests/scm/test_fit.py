"""Learning mechanisms from data: what is recovered, what is chosen, and what is refused."""

# ruff: noqa: ARG002 - learners are handed rows, folds and a seed whether or not they use them

import copy
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from joblib import parallel_config
from scipy import stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsRegressor

from causalrep.graphs import DAG
from causalrep.scm import (
    CPT,
    SCM,
    AdditiveNoise,
    Classification,
    CountRegression,
    Empirical,
    FlowRegression,
    Learner,
    Linear,
    LocationScale,
    Normal,
    Regression,
    Root,
    Smoothed,
    SplineRegression,
    Table,
)
from causalrep.scm._choose import choose, residual_independence
from causalrep.scm._encoding import Encoding
from causalrep.scm._learner import CrossFit, Rows
from causalrep.scm._location_scale import PostNonlinear
from causalrep.scm._smoothed import _alias_table
from causalrep.scm._splines import Axis, Basis, fit_folds
from causalrep.utils import CausalRepError, DataError, UnknownNameError

PAIR = DAG([("X", "Y")])


def rows_of(equation, n=4000, seed=0, x="N(0, 1)"):
    return SCM.from_equations(f"X = {x}; Y = {equation}").sample(n, random_state=seed)


def chosen(model):
    table = model.choices_
    return dict(table[table["chosen"]][["node", "mechanism"]].itertuples(index=False))


def error_of(model, truth, at=None):
    """Return the root mean square difference of E[Y | do(X)] from the truth, over the middle of X."""
    x = np.linspace(-2, 2, 41) if at is None else at
    got = model.mechanisms["Y"].location({"X": x})
    return float(np.sqrt(np.mean((got - truth(x)) ** 2)))


# --- splines


def test_the_spline_basis_sums_to_one_and_is_twice_smooth():
    axis = Axis(-1.0, 1.0, 5)
    x = np.linspace(-1, 1, 2001)
    dense = axis.dense(x)
    np.testing.assert_allclose(dense.sum(axis=1), 1.0, rtol=1e-12)
    # second differences of a cubic spline with knots 0.4 apart, over steps of 1e-3, stay small and continuous
    second = np.diff(dense, n=2, axis=0) / 1e-6
    assert np.abs(np.diff(second, axis=0)).max() < 1e-3 / 0.4**3 * 4


def test_splines_go_on_as_their_tangents_beyond_the_knots():
    axis, step = Axis(-1.0, 1.0, 5), 1e-5
    for end in (-1.0, 1.0):
        inner = (axis.dense(np.array([end])) - axis.dense(np.array([end - np.sign(end) * step])))[0]
        tangent = (
            np.sign(end) * inner / step
        )  # one-sided: off by step times the second derivative, 1 / 0.4**2
        ways = np.array([0.3, 2.0])
        out = axis.dense(end + np.sign(end) * ways) - axis.dense(np.array([end]))
        np.testing.assert_allclose(out, np.sign(end) * ways[:, None] * tangent, atol=2.0 * step / 0.4**2)


def test_evaluating_a_spline_equals_its_design_matrix():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=300), rng.integers(0, 2, 300), rng.exponential(size=300)])
    basis = Basis.of(X)
    far = np.vstack([X, 3 * X + 1])
    coefficients = rng.normal(size=basis.design(X).shape[1])
    np.testing.assert_allclose(
        basis.evaluate(far, coefficients), basis.design(far) @ coefficients, rtol=1e-10, atol=1e-10
    )
    assert all(len(part) == len(coefficients) for part in basis.penalty())


def test_out_of_fold_predictions_are_those_of_a_fit_without_the_fold():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 2))
    y = np.sin(X[:, 0]) * X[:, 1] + rng.normal(size=400) / 5
    folds = np.array_split(rng.permutation(400), 4)
    basis = Basis.of(X)
    fit = fit_folds(basis, X, y, folds)
    # a response enters the predictions of all rows but those of its own fold; the change is small enough to
    # leave the penalties on their grid
    held = folds[1]
    moved = y.copy()
    moved[held] += 0.01
    again = fit_folds(basis, X, moved, folds)
    np.testing.assert_allclose(again.out_of_fold[held], fit.out_of_fold[held], rtol=1e-9, atol=1e-12)
    kept = np.setdiff1d(np.arange(400), held)
    assert np.abs(again.out_of_fold[kept] - fit.out_of_fold[kept]).min() > 1e-9


def test_splines_find_curves_and_products_that_lines_miss():
    rng = np.random.default_rng(2)
    X = rng.uniform(-2, 2, (4000, 2))
    truth = np.sin(2 * X[:, 0]) + X[:, 0] * X[:, 1]
    y = truth + 0.3 * rng.normal(size=4000)
    frame = pd.DataFrame({"A": X[:, 0], "B": X[:, 1], "Y": y})
    model = SCM(DAG([("A", "Y"), ("B", "Y")])).fit(frame, random_state=0)
    assert chosen(model)["Y"] == "spline"
    # about 100 effective terms in 4000 rows with noise 0.3 leave an error of 0.3 * sqrt(100 / 4000) = 0.05
    got = model.mechanisms["Y"].location({"A": X[:, 0], "B": X[:, 1]})
    assert np.sqrt(np.mean((got - truth) ** 2)) < 0.06


# --- laws


def test_the_smoothed_law_has_the_moments_of_its_values_and_one_as_its_mass():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-2, 0.5, 4000), rng.exponential(1.0, 2000)])
    law = Smoothed.of(values)
    np.testing.assert_allclose([law.mean, law.variance], [values.mean(), values.var()], rtol=1e-9)
    grid = np.linspace(-12, 25, 400_001)
    density = np.exp(law.log_prob(grid))
    assert abs(np.trapezoid(density, grid) - 1) < 1e-3
    np.testing.assert_allclose(np.cumsum(density) * (grid[1] - grid[0]), law.cdf(grid), atol=2e-3)
    p = np.linspace(0.0005, 0.9995, 500)
    np.testing.assert_allclose(law.cdf(law.ppf(p)), p, atol=1e-9)
    # a Kolmogorov-Smirnov distance of draws from the law itself, at level 1e-4
    assert stats.kstest(law.sample(5000, rng), law.cdf).pvalue > 1e-4
    assert np.isfinite(law.log_prob([-50.0, 100.0])).all()


def test_aliases_share_out_the_weights():
    weights = np.random.default_rng(1).dirichlet(np.full(50, 0.3))
    weights[7] = 0.0
    threshold, alias = _alias_table(weights / weights.sum())
    mass = threshold + np.bincount(alias, 1 - threshold, minlength=50)
    np.testing.assert_allclose(mass / 50, weights / weights.sum(), atol=1e-15)


def test_a_smoothed_law_draws_tails_and_cells_as_often_and_as_far_as_it_says():
    law = Smoothed(np.array([0.0, 1.0, 3.0]), np.array([0.3, 0.4, 0.1, 0.2]), (0.5, 2.0))
    drawn = law.sample(200_000, np.random.default_rng(0))
    # at level 1e-4
    assert stats.kstest(drawn, law.cdf).pvalue > 1e-4
    assert abs(drawn.mean() - law.mean) < 4 * (law.variance / 200_000) ** 0.5


def test_noise_laws_are_normal_unless_that_is_worse():
    normal = SCM(DAG(nodes=["X"])).fit(rows_of("X", n=2000)[["X"]], random_state=0).mechanisms["X"]
    assert isinstance(normal.noise, Normal)
    skewed = SCM(DAG(nodes=["X"])).fit(rows_of("X", x="Exponential(1)")[["X"]], random_state=0)
    assert isinstance(skewed.mechanisms["X"].noise, Smoothed)


def test_few_integers_are_counts_or_labels_as_the_likelihood_says():
    rng = np.random.default_rng(3)
    x = rng.normal(size=1500)
    steps = (x[:, None] + rng.logistic(size=(1500, 1)) > np.arange(-2, 3)).sum(axis=1)
    rows = pd.DataFrame({"X": x, "counted": rng.poisson(np.exp(x / 2)), "graded": steps})
    assert rows["counted"].nunique() <= 10
    model = SCM(DAG([("X", "counted"), ("X", "graded")])).fit(rows, random_state=0)
    assert chosen(model)["counted"] == "poisson"
    assert chosen(model)["graded"] == "logistic"
    # a count has no last value: more than was ever seen has a probability
    assert np.isfinite(model.log_prob(pd.DataFrame({"X": [0.0], "counted": [12], "graded": [1]}))).all()


def test_a_root_with_repeated_values_keeps_exactly_these():
    values = np.random.default_rng(0).integers(0, 40, 3000) * 50
    law = SCM(DAG(nodes=["X"])).fit(pd.DataFrame({"X": values}), random_state=0).mechanisms["X"].noise
    assert isinstance(law, Empirical)
    assert set(law.sample(100, np.random.default_rng(1))) <= set(values)


# --- choices


def test_a_line_is_chosen_for_a_line_and_recovered():
    model = SCM(PAIR).fit(rows_of("2*X + 1 + N(0, 0.5)"), random_state=0)
    assert chosen(model) == {"X": "normal", "Y": "linear"}
    line = model.mechanisms["Y"]
    assert isinstance(line, Linear)
    # standard errors of slope and intercept are 0.5 / sqrt(4000), that of the deviation is 0.5 / sqrt(8000)
    assert abs(line.coefficients["X"] - 2) < 4 * 0.5 / math.sqrt(4000)
    assert abs(line.intercept - 1) < 4 * 0.5 / math.sqrt(4000)
    assert abs(line.noise.scale - 0.5) < 4 * 0.5 / math.sqrt(8000)


def test_steps_are_left_to_trees():
    step = "where(X > 0, 2, 0) + where(X > 1, -3, 0) + where(X < -1, 1.5, 0) + N(0, 0.2)"
    model = SCM(PAIR).fit(rows_of(step, n=6000), random_state=0)
    assert chosen(model)["Y"] == "boosting"


def test_noise_is_measured_on_rows_that_the_fit_had_not_seen():
    # boosting without early stopping fits its rows: residuals of training rows would have a deviation far
    # below the true 1.0, those of new rows one above it, since the fit has an error of its own
    from sklearn.ensemble import HistGradientBoostingRegressor

    greedy = HistGradientBoostingRegressor(early_stopping=False, max_iter=60, max_leaf_nodes=63)
    model = SCM(PAIR).fit(rows_of("X + N(0, 1)", n=1500), {"Y": Regression(greedy)}, random_state=0)
    assert 1.0 < math.sqrt(model.mechanisms["Y"].noise.variance) < 1.5


def test_a_scale_that_depends_on_the_parents_is_found():
    model = SCM(PAIR).fit(rows_of("2*X + exp(X/2) * N(0, 1)"), random_state=0)
    assert chosen(model)["Y"] == "heteroscedastic"
    table = model.choices_.set_index("mechanism")
    assert table.loc["spline", "independence"] < 1e-6
    y = model.mechanisms["Y"]
    assert isinstance(y, LocationScale)
    sizes = np.exp(y.log_scale(np.array([-1.0, 1.0]))) * math.sqrt(y.noise.variance)
    np.testing.assert_allclose(sizes, np.exp([-0.5, 0.5]), rtol=0.15)


def test_residuals_independent_of_the_parents_have_uniform_pvalues():
    rng = np.random.default_rng(0)
    pvalues = []
    for _ in range(200):
        x, residuals = rng.normal(size=300), rng.laplace(size=300)
        rows = Rows("Y", {"X": x}, residuals, Encoding(("X",), (None,)))
        pvalues.append(residual_independence(rows, CrossFit("", residuals, None, residuals)))
    assert stats.kstest(pvalues, "uniform").pvalue > 1e-4


class Told(Learner):
    """A learner whose scores and residuals are given."""

    def __init__(self, name, scores, residuals):
        self.told = CrossFit(name, scores, lambda: Root(Normal()), residuals)

    def fit(self, rows, seed):
        return Root(Normal())

    def cross_fit(self, rows, folds, seed):
        return self.told


@pytest.mark.parametrize(("behind", "expected"), [(0.0, "clean"), (-1.0, "clean"), (1.0, "dependent")])
def test_independent_residuals_are_preferred_among_candidates_that_are_as_good(behind, expected):
    rng = np.random.default_rng(0)
    x, noise, scores = rng.normal(size=500), rng.normal(size=500), rng.normal(size=500)
    rows = Rows("Y", {"X": x}, noise, Encoding(("X",), (None,)))
    learners = [Told("dependent", scores, np.exp(x) * noise), Told("clean", scores - behind, noise)]
    choice = choose(rows, learners, 2, 0)
    assert [line["mechanism"] for line in choice.lines if line["chosen"]] == [expected]


def test_a_warped_mechanism_is_fitted_and_inverted():
    data = rows_of("exp(X/2 + N(0, 0.3))")
    model = SCM(PAIR).fit(data, {"Y": "postnonlinear"}, random_state=0)
    additive = SCM(PAIR).fit(data, {"Y": "spline"}, random_state=0)
    assert model.log_prob(data).mean() > additive.log_prob(data).mean() + 0.1
    expected = data["Y"] * np.exp(-data["X"] / 2)
    errors = [np.mean((m.counterfactual(data, {"X": 0.0})["Y"] - expected) ** 2) for m in (model, additive)]
    assert errors[0] < 0.25 * errors[1]


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
def test_warps_are_inverted_and_know_their_slope(exponent):
    warp = PostNonlinear.warp(1.0, 2.0, exponent, reach=3.0)
    values = np.linspace(-15, 15, 301)
    np.testing.assert_allclose(warp(warp.undo(values)), values, rtol=1e-9, atol=1e-9)
    slope = (warp.undo(values + 1e-6) - warp.undo(values - 1e-6)) / 2e-6
    np.testing.assert_allclose(np.exp(warp.log_slope(values)), slope, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("word", ["gp", "mlp", "boosting"])
def test_other_regressors_find_a_curve(word):
    model = SCM(PAIR).fit(rows_of("sin(2*X) + N(0, 0.2)", n=1500), {"Y": word}, random_state=0)
    assert error_of(model, lambda x: np.sin(2 * x), np.linspace(-1.5, 1.5, 31)) < 0.15


def test_a_flow_is_inverted_and_its_density_has_mass_one():
    data = rows_of("X + N(0, 0.3)", n=100)
    model = SCM(PAIR).fit(data, {"Y": FlowRegression(max_epochs=1)}, cv=2, random_state=0)
    flow = model.mechanisms["Y"]
    grid = np.linspace(-15, 15, 4001)
    at = {"X": np.full(len(grid), 0.5)}
    np.testing.assert_allclose(flow.forward(at, flow.abduct(at, grid)), grid, atol=1e-6)
    assert abs(np.trapezoid(np.exp(flow.log_prob(at, grid)), grid) - 1) < 1e-3


@pytest.mark.slow
def test_a_flow_learns_a_law_of_two_humps():
    data = rows_of("X + where(Uniform(0, 1) < 0.5, -2, 2) + N(0, 0.3)", n=800)
    model = SCM(PAIR).fit(data, {"Y": FlowRegression(max_epochs=25)}, cv=2, random_state=0)
    line = SCM(PAIR).fit(data, {"Y": "linear"}, random_state=0)
    flow = model.mechanisms["Y"]
    parents, value = {"X": data["X"].to_numpy()}, data["Y"].to_numpy()
    noise = flow.abduct(parents, value)
    np.testing.assert_allclose(flow.forward(parents, noise), value, atol=1e-6)
    # two humps of deviation 0.3: the normal density of deviation 2.02 loses about half a nat on them
    gaussian = Normal(0, 2.02).log_prob(value - parents["X"]).mean()
    assert flow.log_prob(parents, value).mean() > gaussian + 0.3
    assert line.mechanisms["Y"].parents == flow.parents


# --- discrete nodes and counts


def test_tables_are_chosen_for_few_cells_and_recovered():
    data = SCM.from_equations(
        "A ~ Bernoulli(0.3); B ~ Categorical(0.2, 0.5, 0.3); Y ~ Bernoulli(0.1 + 0.8 * (A == (B > 0)))"
    ).sample(4000, random_state=0)
    model = SCM(DAG([("A", "Y"), ("B", "Y")])).fit(data, random_state=0)
    assert chosen(model) == {"A": "cpt", "B": "cpt", "Y": "cpt"}
    table = model.mechanisms["Y"]
    assert isinstance(table, CPT)
    # a cell has at least 4000 * 0.3 * 0.2 = 240 rows
    np.testing.assert_allclose(table.table[0, 0, 1], 0.9, atol=4 * math.sqrt(0.09 / 240))
    np.testing.assert_allclose(table.table[1, 0, 1], 0.1, atol=4 * math.sqrt(0.09 / 240))


def test_the_dirichlet_prior_is_spread_over_the_states():
    data = pd.DataFrame({"X": [0] * 8 + [1] * 2, "Y": [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]})
    table = SCM(PAIR).fit(data, {"Y": Table(prior=2.0)}, random_state=0).mechanisms["Y"].table
    np.testing.assert_allclose(table, [[7 / 10, 3 / 10], [1 / 4, 3 / 4]])


def test_labels_of_any_kind_are_learned_and_drawn_again():
    rng = np.random.default_rng(0)
    x = rng.normal(size=3000)
    label = np.where(x + rng.logistic(size=3000) > 0, "high", "low").astype(object)
    y = np.where(label == "high", 2.0, 0.0) + rng.normal(size=3000)
    data = pd.DataFrame({"X": x, "L": label, "Y": y})
    model = SCM(DAG([("X", "L"), ("L", "Y")])).fit(data, random_state=0)
    assert chosen(model)["L"] == "logistic"
    drawn = model.do(X=1.0).sample(20_000, random_state=0)
    assert set(drawn["L"]) == {"high", "low"}
    # sigmoid(1) = 0.731; its estimate from 3000 rows has a standard error below 0.02
    assert abs((drawn["L"] == "high").mean() - 1 / (1 + math.exp(-1))) < 0.08
    assert abs(model.do(L="high").sample(4000, random_state=1)["Y"].mean() - 2) < 0.15
    with pytest.raises(UnknownNameError, match="'medium'"):
        model.do(L="medium").sample(5, random_state=0)


def test_classifiers_of_scikit_learn_serve_as_mechanisms():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 2000)
    data = pd.DataFrame({"X": x, "Y": (np.abs(x) > 0.5) ^ (rng.random(2000) < 0.1)})
    forest = RandomForestClassifier(n_estimators=30, min_samples_leaf=20)
    model = SCM(PAIR).fit(data, {"Y": forest}, random_state=0)
    p = model.mechanisms["Y"].rows({"X": np.array([0.0, 0.8])})[:, 1]
    assert p[0] < 0.25
    assert p[1] > 0.75
    gumbel = SCM(PAIR).fit(data, {"Y": Classification(forest, coupling="gumbel")}, random_state=0)
    assert gumbel.mechanisms["Y"].sample_noise(3, rng).shape == (3, 2)


def test_no_state_is_impossible_for_a_learned_classifier():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    data = pd.DataFrame({"X": x, "Y": x > 0})
    model = SCM(PAIR).fit(data, random_state=0)
    assert np.isfinite(model.log_prob(pd.DataFrame({"X": [5.0], "Y": [False]}))).all()


def test_counts_are_poisson_unless_they_vary_more():
    poisson = SCM(PAIR).fit(rows_of("Poisson(exp(1.5 + X/2))"), random_state=0)
    assert chosen(poisson)["Y"] == "poisson"
    # the information about the slope is sum of mu x^2, above 4000 * 4.4 * 1 here
    assert abs(poisson.mechanisms["Y"].weights[0] - 0.5) < 4 / math.sqrt(4000 * 4.4)
    wide = SCM(PAIR).fit(rows_of("Poisson(Gamma(2, 2) * exp(1.5 + X/2))"), random_state=0)
    assert chosen(wide)["Y"] == "negative_binomial"
    # a gamma of shape 2 gives dispersion 1 / 2
    assert abs(wide.mechanisms["Y"].dispersion - 0.5) < 0.1


def test_noise_behind_a_learned_count_gives_it_back():
    data = rows_of("Poisson(exp(1 + X/2))", n=500)
    count = SCM(PAIR).fit(data, {"Y": CountRegression(overdispersed=True)}, random_state=0).mechanisms["Y"]
    parents, value = {"X": data["X"].to_numpy()}, data["Y"].to_numpy()
    noise = count.draw_noise(parents, value, np.random.default_rng(0))
    np.testing.assert_array_equal(count.forward(parents, noise), value)
    assert stats.kstest(noise, "uniform").pvalue > 1e-4
    masses = np.exp(count.log_prob({"X": np.zeros(400)}, np.arange(400)))
    assert abs(masses.sum() - 1) < 1e-9


# --- the call


def test_fit_is_the_same_whatever_the_number_of_jobs_and_its_seed_matters():
    data = rows_of("where(X > 0, 2, 0) + N(0, 0.3)", n=600)
    graph = DAG([("X", "Y")])
    one = SCM(graph).fit(data, "boosting", random_state=3)
    with parallel_config(backend="threading"):
        two = SCM(graph).fit(data, "boosting", random_state=3, n_jobs=2)
    pd.testing.assert_frame_equal(one.choices_, two.choices_)
    assert one.sample(20, 0).equals(two.sample(20, 0))
    other = SCM(graph).fit(data, "boosting", random_state=4)
    assert not one.choices_.equals(other.choices_)


@pytest.mark.slow
def test_nodes_are_learned_in_processes_of_their_own():
    data = rows_of("sin(3*X) + N(0, 0.3)", n=600)
    one, two = (SCM(PAIR).fit(data, random_state=3, n_jobs=n) for n in (None, 2))
    assert one.sample(20, 0).equals(two.sample(20, 0))


def test_fit_returns_the_model_and_leaves_models_made_from_it():
    data = rows_of("2*X + N(0, 1)", n=200)
    model = SCM(PAIR, {"X": Normal(0, 1), "Y": Linear({"X": 5.0}, noise=Normal(0, 1))})
    done = model.do(X=1.0)
    before = done.sample(50, random_state=0)
    assert model.fit(data, "linear", random_state=0) is model
    assert abs(model.mechanisms["Y"].coefficients["X"] - 2) < 0.5
    assert done.sample(50, random_state=0).equals(before)
    assert list(done.interventions) == ["X"]
    with pytest.raises(CausalRepError, match="before intervening"):
        done.fit(data)


def test_a_mapping_keeps_the_mechanisms_that_are_known():
    data = rows_of("2*X + N(0, 1)", n=200)
    known = AdditiveNoise(lambda X: 7 * X, Normal(0, 1))
    model = SCM(PAIR).fit(data, {"X": Normal(3, 1), "Y": known})
    assert model.mechanisms["Y"] is known
    assert model.mechanisms["X"].noise == Normal(3, 1)
    again = SCM(PAIR, {"X": Normal(3, 1), "Y": known}).fit(data, {"X": "auto"}, random_state=0)
    assert again.mechanisms["Y"] is known
    assert again.mechanisms["X"].noise != Normal(3, 1)


def test_learners_may_stand_in_the_constructor_and_in_lists():
    data = rows_of("sin(3*X) + N(0, 0.1)", n=500)
    model = SCM(PAIR, {"Y": KNeighborsRegressor(10)}).fit(data, {}, random_state=0)
    assert chosen(model)["Y"] == "KNeighborsRegressor"
    model = SCM(PAIR).fit(data, {"Y": ["linear", SplineRegression()]}, random_state=0)
    assert chosen(model)["Y"] == "spline"
    assert list(model.choices_["mechanism"]) == ["normal", "linear", "spline"]


def test_latent_nodes_need_no_column_if_their_mechanisms_are_given():
    graph = DAG([("U", "Y"), ("X", "Y"), ("X", "W")], latent=["U"])
    data = pd.DataFrame({"X": np.arange(40.0), "Y": np.arange(40.0) % 7, "W": np.arange(40.0) * 2 % 11})
    known = {"U": Normal(0, 1), "Y": AdditiveNoise(lambda U, X: U + X, Normal(0, 1))}
    model = SCM(graph).fit(data, known, random_state=0)
    assert set(model.choices_["node"]) == {"X", "W"}
    with pytest.raises(DataError, match="'U' is latent"):
        SCM(graph).fit(data, random_state=0)


@pytest.mark.parametrize(
    "make", [pd.DataFrame, pl.DataFrame, dict, lambda d: np.column_stack(list(d.values()))]
)
def test_any_container_teaches_the_same(make):
    columns = {name: column.to_numpy() for name, column in rows_of("2*X + N(0, 1)", n=100).items()}
    data = make(columns)
    graph = DAG([(0, 1)]) if isinstance(data, np.ndarray) else PAIR
    model = SCM(graph).fit(data, "linear", random_state=0)
    line = model.mechanisms[graph.nodes[1]]
    slope = np.polyfit(columns["X"], columns["Y"], 1)[0]
    np.testing.assert_allclose(line.coefficients[graph.nodes[0]], slope, rtol=1e-9)


def spoiled(column, row, value):
    return np.where(np.arange(len(column)) == row, value, column)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda d: d.drop(columns="X"), DataError, "no column 'X'"),
        (lambda d: d.rename(columns={"X": "x"}), DataError, "did you mean 'x'"),
        (
            lambda d: d.assign(X=np.where(np.arange(len(d)) == 3, np.nan, d["X"])),
            DataError,
            "'X'.*first in row 3",
        ),
        (
            lambda d: d.assign(Y=np.where(np.arange(len(d)) == 5, np.inf, d["Y"])),
            DataError,
            "'Y'.*first in row 5",
        ),
        (lambda d: d.assign(X=["a", None] * (len(d) // 2)), DataError, "'X'.*first in row 1"),
        (lambda d: d.assign(X=1.5), DataError, "'X' has one value only"),
        (lambda d: d.assign(X=pd.Timestamp("2020-01-01")), DataError, "'X' has dtype"),
        (lambda d: d.head(9), DataError, "at least 10 rows"),
        (lambda d: d.assign(Y=2 * d["X"]), DataError, "exactly a function"),
        (lambda d: pd.concat([d, d[["X"]]], axis=1), DataError, "two columns named 'X'"),
    ],
)
def test_data_that_teach_nothing_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        SCM(PAIR).fit(change(rows_of("X + N(0, 1)", n=40)), "linear", random_state=0)


@pytest.mark.parametrize(
    ("mechanisms", "error", "message"),
    [
        ("splines", UnknownNameError, "did you mean 'spline'"),
        ({"Z": "linear"}, UnknownNameError, "'Z'"),
        ({"Y": 3}, DataError, "must be the name of a learner"),
        ({"Y": "cpt"}, DataError, "'cpt' is for categorical nodes, and 'Y' is continuous"),
        (7, TypeError, "must be a str or a mapping"),
    ],
)
def test_words_that_mean_nothing_are_refused(mechanisms, error, message):
    with pytest.raises(error, match=message):
        SCM(PAIR).fit(rows_of("X + N(0, 1)", n=40), mechanisms, random_state=0)


def test_few_rows_reduce_the_folds_with_a_warning():
    with pytest.warns(UserWarning, match="12 rows are too few for 10 folds; 6 are used"):
        SCM(PAIR).fit(rows_of("X + N(0, 1)", n=12), "linear", cv=10, random_state=0)
    with pytest.raises(DataError, match="`cv` must be"):
        SCM(PAIR).fit(rows_of("X + N(0, 1)", n=12), cv=1)


def test_too_many_rows_for_a_gaussian_process_are_refused():
    with pytest.raises(DataError, match="at most 2000 rows, got 2001"):
        SCM(PAIR).fit(rows_of("X + N(0, 1)", n=2001), {"Y": "gp"}, random_state=0)


def test_an_unfitted_model_says_so():
    model = SCM(PAIR)
    for call in (lambda: model.sample(2), lambda: model.choices_, lambda: model.log_prob(rows_of("X", n=12))):
        with pytest.raises(NotFittedError, match="call fit"):
            call()


def test_learned_models_are_copied_and_answer_counterfactuals():
    data = rows_of("sin(2*X) + N(0, 0.3)", n=3000)
    model = copy.deepcopy(SCM(PAIR).fit(data, random_state=0))
    same = model.counterfactual(data, {"X": data["X"]})
    np.testing.assert_allclose(same["Y"], data["Y"], atol=1e-9)
    imagined = model.counterfactual(data, {"X": 0.5})["Y"]
    expected = data["Y"] - np.sin(2 * data["X"]) + math.sin(1)
    assert np.sqrt(np.mean((imagined - expected) ** 2)) < 0.08
    assert isinstance(model.mechanisms["X"], Root)
