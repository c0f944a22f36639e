"""Checks of a model against data: right models pass, each kind of wrong one is caught where it is wrong."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from causalrep.graphs import DAG
from causalrep.scm import SCM
from causalrep.scm._check import _energy, _implied, holm
from causalrep.utils import DataError

TRUTH = "X = N(0, 1); Y = sin(2*X) + N(0, 0.5); Z = Y + X + N(0, 1); W = Z + N(0, 1)"


def data(n=1500, seed=0, text=TRUTH):
    return SCM.from_equations(text).sample(n, random_state=seed)


def rejected(report):
    table = report.table
    return list(table[table["rejected"]][["check", "about"]].itertuples(index=False, name=None))


def test_a_true_model_is_rejected_no_more_often_than_the_level_allows():
    # the family-wise level is 0.05: of 8 data sets more than 3 are rejected with probability below 4e-4
    truth = SCM.from_equations(TRUTH)
    reports = [
        truth.check(data(300, seed), n_permutations=10, max_rows=200, random_state=seed) for seed in range(8)
    ]
    assert sum(not report.ok for report in reports) <= 3
    pvalues = np.concatenate([report.table.query("check == 'fit'")["pvalue"] for report in reports])
    assert stats.kstest(pvalues, "uniform").pvalue > 1e-4


def test_a_learned_model_passes_and_its_graph_beats_permuted_ones():
    graph = SCM.from_equations(TRUTH).graph
    model = SCM(graph).fit(data(2000), random_state=0)
    report = model.check(data(1500, 7), alpha=1e-3, random_state=0)  # a right model fails once in a thousand
    assert report.ok
    assert report.permutation_pvalue < 0.1
    assert (report.n_implied, report.violations_permuted.shape) == (2, (50,))
    assert "fit: 0 of 4 rejected" in str(report)


def test_a_wrong_noise_law_is_seen_in_the_fit():
    wrong = SCM.from_equations(TRUTH.replace("Y + X + N(0, 1)", "Y + X + Laplace(0, 1)"))
    assert rejected(wrong.check(data(), random_state=0)) == [("fit", "Z")]


def test_a_wrong_function_is_seen_in_the_noise():
    graph = SCM.from_equations(TRUTH).graph
    model = SCM(graph).fit(
        data(text="X = N(0, 1); Y = X**2 + N(0, 0.5); Z = Y + X + N(0, 1); W = Z + N(0, 1)"), "linear"
    )
    seen = data(1500, 3, "X = N(0, 1); Y = X**2 + N(0, 0.5); Z = Y + X + N(0, 1); W = Z + N(0, 1)")
    assert ("noise", "Y | X") in rejected(model.check(seen, random_state=0))


def test_a_missing_edge_is_seen_in_the_graph():
    graph = DAG([("X", "Y"), ("Y", "Z"), ("Z", "W")])
    model = SCM(graph).fit(data(2000), random_state=0)
    report = model.check(data(1500, 7), random_state=0)
    assert ("graph", "Z _||_ X | Y") in rejected(report)
    assert report.n_violations > 0


def test_a_wrong_model_of_the_joint_law_is_seen_in_the_prediction():
    model = SCM(DAG(nodes=["X", "Y"])).fit(data()[["X", "Y"]], random_state=0)
    seen = data(1500, 7)[["X", "Y"]].assign(Y=lambda d: d["X"] + 0.1 * d["Y"])
    report = model.check(seen, random_state=0)
    assert ("prediction", "all nodes") in rejected(report)
    assert report.energy_distance > 0.05


def test_discrete_and_count_nodes_are_checked_through_drawn_noise():
    text = "X = N(0, 1); T ~ Bernoulli(sigmoid(X)); K ~ Poisson(exp(X/2)); Y = T + K + N(0, 1)"
    rows = data(1500, 1, text)
    truth = SCM.from_equations(text)
    report = truth.check(rows, random_state=0)
    assert report.ok
    assert set(report.table.query("check == 'fit'")["about"]) == {"X", "T", "K", "Y"}
    wrong = SCM.from_equations(text.replace("sigmoid(X)", "sigmoid(-X)"))
    assert ("noise", "T | X") in rejected(wrong.check(rows, random_state=0))
    learned = SCM(truth.graph).fit(data(1500, 2, text), random_state=0)
    assert learned.check(rows, alpha=1e-3, random_state=0).ok


def test_labels_are_checked():
    rng = np.random.default_rng(0)
    x = rng.normal(size=800)
    rows = pd.DataFrame({"X": x, "L": np.where(x + rng.logistic(size=800) > 0, "a", "b")})
    model = SCM(DAG([("X", "L")])).fit(rows, random_state=0)
    assert model.check(rows, alpha=1e-3, random_state=0).ok


def test_the_local_markov_statements_are_those_of_the_graph():
    graph = SCM.from_equations(TRUTH).graph
    assert _implied(graph) == [("W", "X", ("Z",)), ("W", "Y", ("Z",))]
    for a, b, given in _implied(graph):
        assert graph.is_separated(a, b, given)


def test_holm_is_holm():
    pvalues = np.array([0.01, 0.2, 0.03, 0.03, 0.9, 1e-5])
    np.testing.assert_allclose(holm(pvalues), multipletests(pvalues, method="holm")[1], rtol=1e-12)


def test_the_energy_distance_is_its_definition():
    scm = SCM.from_equations("X = N(0, 1)")
    values = {"X": np.random.default_rng(0).normal(1.0, 2.0, 50)}
    found, pvalue = _energy(scm, values, 50, 99, 3)
    scale = values["X"].std()
    x, y = values["X"] / scale, scm.sample(50, 3)["X"].to_numpy() / scale
    gap = lambda a, b: np.abs(a[:, None] - b[None, :]).mean()  # noqa: E731
    assert found == pytest.approx(2 * gap(x, y) - gap(x, x) - gap(y, y), rel=1e-9)
    assert 0 < pvalue <= 1


def test_the_report_is_the_same_for_the_same_seed_and_names_what_is_missing():
    truth = SCM.from_equations(TRUTH)
    one, two = (truth.check(data(300), n_permutations=5, random_state=3) for _ in range(2))
    pd.testing.assert_frame_equal(one.table, two.table)
    with pytest.raises(DataError, match="'W'"):
        truth.check(data(300).drop(columns="W"))
    with pytest.raises(DataError, match="`alpha`"):
        truth.check(data(300), alpha=1.0)
