"""The plug-in equals estimators that are known, and the truth of random models within sampling error."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from causalrep.estimators import PlugIn
from causalrep.graphs import ADMG, DAG
from causalrep.identification import identify
from causalrep.scm import DiscreteSCM
from causalrep.utils import DataError, NotIdentifiableError, PositivityError, UnknownNameError

GRAPHS = {
    "adjustment": "Z -> X; Z -> Y; X -> Y",
    "front door": "U -> X; U -> Y; X -> M; M -> Y",
    "napkin": "U -> W; U -> X; V -> W; V -> Y; W -> R; R -> X; X -> Y",
    "covariate front door": "U -> X; U -> Y; C -> X; C -> M; C -> Y; X -> M; M -> Y",
    "no effect": "Z -> X; Z -> Y",
}
HIDDEN = ("U", "V")


def random_model(text, seed, low=0.2):
    """Return a model of binary variables with random tables, probabilities kept off zero."""
    graph = DAG.from_string(text)
    rng = np.random.default_rng(seed)
    cpts = {}
    for node in graph.nodes:
        parents = list(graph.parents(node))
        one = rng.uniform(low, 1 - low, size=(2,) * len(parents))
        cpts[node] = (parents, np.stack([1 - one, one], axis=-1))
    observed = [node for node in graph.nodes if node not in HIDDEN]
    return DiscreteSCM.from_cpts(cpts), graph.latent_projection(keep=observed), observed


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("seed", range(3))
def test_effects_of_random_models_are_found_within_sampling_error(name, seed):
    """Fifteen draws: a t statistic beyond 3.7 has a chance of 0.003 in all of them together."""
    scm, graph, observed = random_model(GRAPHS[name], seed)
    data = scm.sample(4000, random_state=seed)[observed]
    truth = scm.probability({"Y": 1}, do={"X": 1}) - scm.probability({"Y": 1}, do={"X": 0})
    result = PlugIn(graph, treatment="X", outcome="Y").fit(data).ate()
    assert abs(result.estimate - truth) <= 3.7 * result.se + 1e-12
    assert result.se < 0.2
    assert abs(result.influence.mean()) < 1e-6


def test_the_standard_error_of_adjustment_is_the_one_in_closed_form():
    """With saturated models the influence function is that of augmented weighting with the cells' shares."""
    scm, graph, observed = random_model(GRAPHS["adjustment"], 5)
    data = scm.sample(800, random_state=0)[observed]
    result = PlugIn(graph, treatment="X", outcome="Y").fit(data).ate()
    z, x, y = (data[name].to_numpy() for name in ("Z", "X", "Y"))
    mu = np.array([[y[(x == a) & (z == c)].mean() for c in (0, 1)] for a in (0, 1)])
    e = np.array([x[z == c].mean() for c in (0, 1)])[z]
    psi = mu[1, z] - mu[0, z] + x * (y - mu[1, z]) / e - (1 - x) * (y - mu[0, z]) / (1 - e)
    assert result.estimate == pytest.approx(psi.mean())
    np.testing.assert_allclose(result.influence, psi - psi.mean(), atol=1e-5)


@pytest.mark.parametrize("name", ["front door", "napkin"])
def test_the_standard_error_is_that_of_the_bootstrap(name):
    scm, graph, observed = random_model(GRAPHS[name], 2, low=0.3)
    data = scm.sample(3000, random_state=1)[observed]
    found = identify(graph, "P(Y | do(X))")
    result = PlugIn(found, treatment="X", outcome="Y").fit(data).mean(1)
    rng = np.random.default_rng(0)
    drawn = [
        found.evaluate(data.iloc[rng.integers(3000, size=3000)], do={"X": 1}, outcome={"Y": 1})
        for _ in range(80)
    ]
    assert result.se == pytest.approx(np.std(drawn), rel=0.25)  # 8 % is one standard error of a spread
    assert result.estimate == pytest.approx(found.evaluate(data, do={"X": 1}, outcome={"Y": 1}))


def test_outcomes_may_have_any_numbers_and_several_nodes_may_be_set():
    rng = np.random.default_rng(3)
    a, b = rng.integers(3, size=(2, 3000))
    y = 2.5 * a - b + rng.integers(2, size=3000)
    graph = DAG.from_string("a -> y; b -> y")
    X = pd.DataFrame({"a": np.array(["low", "mid", "top"])[a], "b": b})
    est = PlugIn(graph, treatment=["a", "b"], outcome="y").fit(X, y)
    cell = y[(a == 2) & (b == 1)]
    result = est.mean({"a": "top", "b": 1})
    assert result.estimate == pytest.approx(cell.mean())
    assert result.se == pytest.approx(cell.std() / np.sqrt(len(cell)), rel=1e-3)
    gap = est.effect({"a": "low", "b": 1}, {"a": "top", "b": 1})
    assert gap.estimate == pytest.approx(result.estimate - y[(a == 0) & (b == 1)].mean())
    with pytest.raises(DataError, match="not two values"):
        est.ate()
    with pytest.raises(UnknownNameError, match="'huge'"):
        est.mean({"a": "huge", "b": 1})
    with pytest.raises(DataError, match="must set"):
        est.mean("top")


def test_clusters_of_copies_change_no_standard_error():
    scm, graph, observed = random_model(GRAPHS["adjustment"], 7)
    data = scm.sample(300, random_state=0)[observed]
    twice = pd.concat([data, data])
    est = PlugIn(graph, treatment="X", outcome="Y")
    single = est.fit(data).ate().se
    assert est.fit(twice, cluster=np.tile(np.arange(300), 2)).ate().se == pytest.approx(single, rel=1e-3)
    assert est.fit(twice).ate().se == pytest.approx(single / np.sqrt(2), rel=1e-2)


def test_intervals_cover_in_a_few_draws():
    scm, graph, observed = random_model(GRAPHS["front door"], 4, low=0.3)
    truth = scm.probability({"Y": 1}, do={"X": 1}) - scm.probability({"Y": 1}, do={"X": 0})
    hits = 0
    for seed in range(25):
        data = scm.sample(500, random_state=100 + seed)[observed]
        low, high = PlugIn(graph, treatment="X", outcome="Y").fit(data).ate().ci
        hits += low < truth < high
    assert hits >= 20  # P(Binomial(25, 0.95) < 20) = 0.0012


BOW = ADMG(directed=[("X", "Y")], bidirected=[("X", "Y")], nodes=["X", "Y"])


def table(**columns):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"Z": rng.integers(2, size=60), "X": np.arange(60) % 2, "Y": rng.integers(2, size=60)} | columns
    )


@pytest.mark.parametrize(
    ("options", "columns", "error", "match"),
    [
        ({"treatment": None}, {}, DataError, "`treatment` is missing"),
        ({"treatment": "T"}, {}, KeyError, "'T'"),
        ({"method": "shares"}, {"Z": np.linspace(0, 1, 60)}, DataError, "60 values"),
        ({}, {"Z": np.where(np.arange(60) < 3, np.nan, 1.0)}, DataError, "NaN"),
        ({}, {"Y": np.array(["a", "b"] * 30)}, DataError, "numbers for values"),
        ({"graph": BOW}, {}, NotIdentifiableError, "not identifiable"),
        ({"graph": identify(DAG.from_string("Z -> X"), "P(X | do(Z))")}, {}, DataError, "which is not"),
        ({"graph": DAG.from_string("W -> X; W -> Y; X -> Y")}, {}, UnknownNameError, "'W'"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(options, columns, error, match):
    graph = DAG.from_string(GRAPHS["adjustment"])
    with pytest.raises(error, match=match):
        PlugIn(**{"graph": graph, "treatment": "X", "outcome": "Y"} | options).fit(table(**columns))


def test_an_empty_stratum_is_refused():
    graph = DAG.from_string(GRAPHS["adjustment"])
    data = table(Z=np.where(np.arange(60) % 2 == 1, 1, np.arange(60) % 4 // 2))
    with pytest.raises(PositivityError):
        PlugIn(graph, treatment="X", outcome="Y").fit(data).ate()


# --- draws ----------------------------------------------------------------------------------------------


def linear_world(name, seed, n=3000):
    """Return continuous data of a linear model of the graph, in which the effect of X on Y is 1.2."""
    rng = np.random.default_rng(seed)
    u, v, *noise = rng.normal(size=(8, n))
    data = {}
    if name == "adjustment":
        data["Z"] = u
        data["X"] = 0.8 * u + noise[0]
        data["Y"] = 1.2 * data["X"] - 2 * u + noise[1]
    elif name == "front door":
        data["X"] = u + noise[0]
        data["M"] = 0.8 * data["X"] + noise[1]
        data["Y"] = 1.5 * data["M"] - 2 * u + noise[2]
    else:
        data["W"] = u + v + noise[0]
        data["R"] = 0.7 * data["W"] + noise[1]
        data["X"] = 0.8 * data["R"] + u + noise[2]
        data["Y"] = 1.2 * data["X"] - 2 * v + noise[3]
    graph = DAG.from_string(GRAPHS[name])
    keep = [node for node in graph.nodes if node not in HIDDEN]
    return pd.DataFrame(data), graph.latent_projection(keep=keep)


@pytest.mark.parametrize("name", ["adjustment", "front door", "napkin"])
def test_draws_find_the_effects_of_linear_models(name):
    data, graph = linear_world(name, 0)
    est = PlugIn(graph, "X", "Y", n_bootstrap=20, n_draws=3000, random_state=0).fit(data)
    assert est.method_ == "draws"
    result = est.effect(0.0, 1.0)
    # 20 resamples know the standard error to 16 %; draws add chance of their own in a ratio
    assert abs(result.estimate - 1.2) < 4.5 * result.se < 1.2
    assert result.n == 3000
    assert abs(data["X"].cov(data["Y"]) / data["X"].var() - 1.2) > 0.2  # regression is far off


def test_draws_and_shares_agree_on_discrete_data():
    scm, graph, observed = random_model(GRAPHS["covariate front door"], 3)
    data = scm.sample(3000, random_state=0)[observed].astype(float)
    shares = PlugIn(graph, "X", "Y").fit(data).ate()
    model = make_pipeline(PolynomialFeatures(3, interaction_only=True), LinearRegression())
    drawn = PlugIn(graph, "X", "Y", method="draws", model=model, n_bootstrap=30, n_draws=8000, random_state=0)
    result = drawn.fit(data).ate()
    # the mediator is drawn by a logistic regression without interactions: near, not equal
    assert result.estimate == pytest.approx(shares.estimate, abs=0.03)
    assert result.se == pytest.approx(shares.se, rel=0.5)


def test_draws_depend_on_the_seed_alone_and_clusters_are_drawn_whole():
    data, graph = linear_world("front door", 1, 400)
    options = {"n_bootstrap": 10, "n_draws": 500, "random_state": 3}
    first, second = (PlugIn(graph, "X", "Y", **options).fit(data).mean(1.0) for _ in range(2))
    assert (first.estimate, first.se) == (second.estimate, second.se)
    twice = pd.concat([data, data], ignore_index=True)
    clustered = PlugIn(graph, "X", "Y", **options).fit(twice, cluster=np.tile(np.arange(400), 2)).mean(1.0)
    assert clustered.se == pytest.approx(first.se, rel=0.4)
    with pytest.raises(DataError, match="must be numeric"):
        PlugIn(graph, "X", "Y", method="draws").fit(data.assign(M=["a", "b"] * 200))
    with pytest.raises(DataError, match="shares are for discrete"):
        PlugIn(graph, "X", "Y", method="shares").fit(data)
    with pytest.raises(UnknownNameError, match="`method`"):
        PlugIn(graph, "X", "Y", method="guess").fit(data)
    with pytest.raises(DataError, match="`n_draws`"):
        PlugIn(graph, "X", "Y", n_draws=0).fit(data)
