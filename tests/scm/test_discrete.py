"""Discrete models: exact answers against enumeration of all exogenous states, and their files."""

import numpy as np
import pandas as pd
import pytest

from causalrep.graphs import DAG
from causalrep.scm import CPT, SCM, Bernoulli, Categorical, DiscreteSCM, Interval, Normal
from causalrep.utils import (
    CausalRepError,
    CycleError,
    DataError,
    GraphError,
    ImpossibleEvidenceError,
    UnknownNameError,
)
from tests.scm.enumeration import random_model

TOLERANCE = 1e-9  # asked for by the specification; sums of at most 3**10 terms of double precision


def build(truth, states):
    labels = {node: range(size) for node, size in states.items()}
    return DiscreteSCM.from_response_functions(truth.exogenous, truth.functions, labels)


def pick(rng, states, k, *, avoid=()):
    nodes = [node for node in states if node not in avoid]
    chosen = rng.choice(nodes, size=min(k, len(nodes)), replace=False)
    return {str(node): int(rng.integers(states[node])) for node in chosen}


def check_model(seed, n_nodes):
    """Compare every kind of query on one random model with enumeration."""
    rng = np.random.default_rng(seed)
    truth, states = random_model(rng, n_nodes)
    scm = build(truth, states)
    event, do = pick(rng, states, 2), pick(rng, states, 1)
    given = pick(rng, states, 2, avoid=event)
    seen, acted = truth.world(), truth.world(do)
    w = truth.weights

    assert scm.probability(event) == pytest.approx(truth.mass(seen, event).sum(), abs=TOLERANCE)
    assert scm.probability(event, do=do) == pytest.approx(truth.mass(acted, event).sum(), abs=TOLERANCE)
    node = str(rng.choice(list(states)))
    assert scm.expectation(node, do=do) == pytest.approx(w @ acted[node], abs=TOLERANCE)
    product = scm.expectation(lambda V1, V0: V1 * (V0 + 1.0), do=do)
    assert product == pytest.approx(w @ (acted["V1"] * (acted["V0"] + 1.0)), abs=TOLERANCE)

    check_given(lambda e: scm.probability(e, given=given), seen, seen, truth, event, given)
    check_given(lambda e: scm.probability(e, do=do, given=given), acted, acted, truth, event, given)
    check_given(
        lambda e: scm.counterfactual_probability(e, do=do, given=given), acted, seen, truth, event, given
    )
    below = truth.mass(seen, given)
    if below.sum() > 0:
        law = below / below.sum()
        mean = law @ acted[node]
        found = scm.counterfactual_expectation(node, do=do, given=given)
        assert found == pytest.approx(mean, abs=TOLERANCE)
        found = scm.counterfactual_variance(node, do=do, given=given)
        assert found == pytest.approx(law @ (acted[node] - mean) ** 2, abs=TOLERANCE)


def check_given(ask, asked_world, given_world, truth, event, given):
    below = truth.mass(given_world, given)
    if below.sum() == 0:
        with pytest.raises(ImpossibleEvidenceError):
            ask(event)
    else:
        both = (truth.mass(asked_world, event) > 0) * below
        assert ask(event) == pytest.approx(both.sum() / below.sum(), abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(40))
def test_every_query_agrees_with_enumeration(seed):
    check_model(seed, n_nodes=2 + seed % 4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(400))
def test_every_query_agrees_with_enumeration_up_to_eight_nodes(seed):
    check_model(10_000 + seed, n_nodes=2 + seed % 7)


def confounded(**more):
    return DiscreteSCM.from_cpts(
        {
            "Z": ((), [0.5, 0.5]),
            "X": (("Z",), [[0.8, 0.2], [0.3, 0.7]]),
            "Y": (("X", "Z"), [[[0.9, 0.1], [0.6, 0.4]], [[0.7, 0.3], [0.2, 0.8]]]),
        },
        **more,
    )


def test_seeing_differs_from_doing():
    scm = confounded()
    assert scm.probability({"Y": 1}, do={"X": 1}) == pytest.approx(0.5 * 0.3 + 0.5 * 0.8)
    assert scm.probability({"Y": 1}, given={"X": 1}) == pytest.approx((0.1 * 0.3 + 0.35 * 0.8) / 0.45)
    assert scm.do(X=1).probability({"Y": 1}) == scm.probability({"Y": 1}, do={"X": 1})


def test_axes_follow_the_order_of_the_parents_given():
    """The same tables with parents in another order are the same model."""
    scm = confounded()
    table = scm.mechanisms["Y"].table.transpose(1, 0, 2)
    other = DiscreteSCM.from_cpts(
        {
            "Y": (("Z", "X"), table),
            "X": (("Z",), scm.mechanisms["X"].table),
            "Z": ((), [0.5, 0.5]),
        }
    )
    for event in ({"Y": 1, "X": 0}, {"Z": 1, "Y": 0}):
        assert other.probability(event) == pytest.approx(scm.probability(event))
    rows, more = scm.sample(5, random_state=0), other.sample(5, random_state=0)
    assert rows["Y"].tolist() == more["Y"].tolist()


def test_the_engine_serves_it_as_any_scm():
    scm = confounded()
    n = 40_000
    rows = scm.sample(n, random_state=0)
    assert rows.dtypes.unique().tolist() == [np.dtype(np.int64)]
    for event in ({"X": 1, "Y": 1}, {"Z": 0, "Y": 1}):
        frequency = np.logical_and.reduce([rows[node] == value for node, value in event.items()]).mean()
        assert abs(frequency - scm.probability(event)) <= 5 * 0.5 / np.sqrt(n)
    done = scm.do(X=1).sample(n, random_state=0)
    assert (done["Z"] == rows["Z"]).all()  # common random numbers
    assert abs(done["Y"].mean() - scm.expectation("Y", do={"X": 1})) <= 5 * 0.5 / np.sqrt(n)
    same = scm.counterfactual(scm.sample(50, 0, return_noise=True), do={"X": rows["X"].to_numpy()[:50]})
    assert (same["Y"] == rows["Y"][:50]).all()  # consistency
    expected = [np.log(scm.probability(dict(row))) for row in rows.iloc[:5].to_dict("records")]
    np.testing.assert_allclose(scm.log_prob(rows.iloc[:5]), expected)


def test_latent_nodes_are_summed_out_and_hidden():
    scm = confounded(latent="Z")
    assert scm.graph.latent == {"Z"}
    assert list(scm.sample(3, random_state=0).columns) == ["X", "Y"]
    assert scm.probability({"Y": 1}, given={"X": 1}) == pytest.approx((0.1 * 0.3 + 0.35 * 0.8) / 0.45)
    responses = DiscreteSCM.from_response_functions({"U": [0.5, 0.5]}, {"X": (["U"], [0, 1])})
    assert responses.graph == DAG([("U", "X")], nodes=["X", "U"], latent="U")


def test_a_node_has_as_many_states_as_its_tables_use():
    scm = DiscreteSCM.from_response_functions(
        {"U": [0.5, 0.5]},
        {"X": (["U"], [0, 0]), "W": (["U"], [1, 1]), "Y": (["X"], [0, 1, 1])},
    )
    assert scm.states == {"X": (0, 1, 2), "W": (0, 1), "Y": (0, 1), "U": (0, 1)}
    assert scm.probability({"X": 2}) == 0.0
    assert scm.probability({"Y": 1}, do={"X": 2}) == 1.0


def test_joint_tables():
    scm = confounded(states={"X": ["off", "on"]})
    table = scm.table()
    assert list(table.columns) == ["Z", "X", "Y", "p"]
    assert table["p"].sum() == pytest.approx(1)
    for row in table.to_dict("records"):
        event = {node: row[node] for node in ("Z", "X", "Y")}
        assert scm.probability(event) == pytest.approx(row["p"])
    done = scm.table(["Y"], do={"X": "on"})
    assert done["p"].tolist() == pytest.approx([0.45, 0.55])
    assert scm.table(["X", "Y"], given={"X": "on"})["X"].tolist() == ["on", "on"]
    assert list(confounded(latent="Z").table().columns) == ["X", "Y", "p"]
    with pytest.raises(UnknownNameError):
        scm.table(["Q"])
    with pytest.raises(ImpossibleEvidenceError):
        scm.table(["Y"], do={"X": "on"}, given={"X": "off"})
    with pytest.raises(CausalRepError, match="finitely many"):
        scm.table(["Y"], do={"Z": Normal(0, 1)})


def test_one_parent_may_be_a_name_alone():
    scm = DiscreteSCM.from_cpts({"sky": ((), [0.5, 0.5]), "rain": ("sky", [[1, 0], [0.4, 0.6]])})
    assert scm.probability({"rain": 1}) == pytest.approx(0.3)
    assert scm.probability({"rain": 1}, given={"sky": np.nan}) == pytest.approx(0.3)


def test_policies_and_stochastic_interventions_are_exact():
    scm = confounded()
    by_rule = scm.probability({"Y": 1}, do={"X": lambda Z: 1 - Z})
    assert by_rule.exact
    assert by_rule == pytest.approx(0.5 * 0.3 + 0.5 * 0.4)
    drawn = scm.expectation("Y", do={"X": Bernoulli(0.25)})
    assert drawn == pytest.approx(0.75 * 0.25 + 0.25 * 0.55)
    tilted = scm.probability({"Y": 1}, do={"X": CPT([[0.5, 0.5], [0.0, 1.0]], ["Z"])})
    assert tilted == pytest.approx(0.5 * 0.5 * (0.1 + 0.3) + 0.5 * 0.8)
    per_row = scm.do(X=np.array([0, 1, 1])).sample(3, random_state=0)
    assert per_row["X"].tolist() == [0, 1, 1]


def test_named_states():
    scm = confounded(states={"X": ["off", "on"], "Y": [-1.5, 2.5]})
    assert scm.probability({"Y": 2.5}, do={"X": "on"}) == pytest.approx(0.55)
    assert scm.expectation("Y", do={"X": "on"}) == pytest.approx(0.45 * -1.5 + 0.55 * 2.5)
    assert scm.probability({"Y": Interval(low=0)}, do={"X": "on"}) == pytest.approx(0.55)
    assert set(scm.sample(50, random_state=0)["X"]) == {"off", "on"}
    assert set(scm.do(X="on").sample(5, random_state=0)["X"]) == {"on"}
    with pytest.raises(UnknownNameError, match="did you mean 'on'"):
        scm.probability({"Y": 2.5}, do={"X": "On"})
    with pytest.raises(UnknownNameError, match="did you mean 'off'"):
        scm.probability({"X": "of"})
    with pytest.raises(UnknownNameError):
        scm.probability({"Y": 1}, given={"Y": 0})
    with pytest.raises(DataError, match="one number per row"):
        scm.expectation("X")


@pytest.mark.parametrize(
    ("error", "match", "cpts", "more"),
    [
        (UnknownNameError, "the parents of 'Y'", {"Y": (["X"], [[0.5, 0.5]])}, {}),
        (UnknownNameError, "`states`", {"X": ((), [0.5, 0.5])}, {"states": {"x": [0, 1]}}),
        (DataError, "'Y'", {"X": ((), [0.5, 0.5]), "Y": (["X"], [0.5, 0.5])}, {}),
        (DataError, "'Y'", {"X": ((), [0.5, 0.5]), "Y": (["X"], [[0.5, 0.5]] * 3)}, {}),
        (DataError, "sum to 1", {"X": ((), [0.5, 0.6])}, {}),
        (DataError, "shape", {"X": ((), [0.5, 0.5])}, {"states": {"X": [0, 1, 2]}}),
        (DataError, "coupling", {"X": ((), [0.5, 0.5])}, {"coupling": "none"}),
        (CycleError, "cycle", {"X": (["Y"], np.eye(2)), "Y": (["X"], np.eye(2))}, {}),
        (UnknownNameError, "latent", {"X": ((), [0.5, 0.5])}, {"latent": "Q"}),
    ],
)
def test_bad_tables_are_refused(error, match, cpts, more):
    with pytest.raises(error, match=match):
        DiscreteSCM.from_cpts(cpts, **more)


@pytest.mark.parametrize(
    ("error", "match", "exogenous", "functions"),
    [
        (GraphError, "both", {"X": [0.5, 0.5]}, {"X": ((), 0)}),
        (DataError, "codes", {"U": [0.5, 0.5]}, {"X": (["U"], [0.5, 0.5])}),
        (DataError, "codes", {"U": [0.5, 0.5]}, {"X": (["U"], [0, -1])}),
        (DataError, "'X'", {"U": [0.5, 0.5]}, {"X": (["U"], [0, 1, 1])}),
        (DataError, "sum to 1", {"U": [0.5, 0.4]}, {"X": (["U"], [0, 1])}),
        (UnknownNameError, "arguments of 'X'", {"U": [0.5, 0.5]}, {"X": (["V"], [0, 1])}),
    ],
)
def test_bad_response_functions_are_refused(error, match, exogenous, functions):
    with pytest.raises(error, match=match):
        DiscreteSCM.from_response_functions(exogenous, functions)


def test_disagreeing_states_are_refused():
    with pytest.raises(DataError, match="states"):
        DiscreteSCM(DAG([("X", "Y")]), {"X": CPT([0.5, 0.5]), "Y": CPT(np.eye(2), {"X": ["a", "b"]})})
    with pytest.raises(DataError, match="must be a CPT"):
        DiscreteSCM(DAG(nodes=["X"]), {"X": Bernoulli(0.5)})


def test_only_tables_go_into_files():
    scm = confounded()
    again = DiscreteSCM.from_bif(scm.to_bif())
    assert again.states["X"] == ("0", "1")  # a file holds text
    assert again.probability({"Y": "1"}, do={"X": "1"}) == pytest.approx(0.55)
    with pytest.raises(GraphError, match="'X'"):
        scm.do(X=1).to_bif()


def test_general_models_join_tables_with_functions():
    scm = SCM(
        mechanisms={
            "A": Categorical([0.2, 0.3, 0.5]),
            "B": CPT([[0.9, 0.1], [0.5, 0.5], [0.0, 1.0]], ["A"]),
            "C": lambda A, B: A * B,
        }
    )
    found = scm.probability({"C": 1})
    assert found.exact
    assert found == pytest.approx(0.15)
    assert scm.expectation("C") == pytest.approx(0.15 + 2 * 0.5)


@pytest.mark.parametrize("seed", range(12))
def test_rows_with_gaps_and_hidden_causes_are_drawn_exactly(seed):
    """The means of the draws against exact counterfactuals; every draw weighs the same."""
    rng = np.random.default_rng(seed)
    truth, states = random_model(rng, 5)
    scm = build(truth, states)
    rows = scm.sample(6, random_state=seed).astype(float)
    rows = rows.mask(rng.random(rows.shape) < 0.3)
    n = 2000
    draws = scm.counterfactual(rows, do={"V1": 1}, n_draws=n, random_state=seed)
    np.testing.assert_allclose(draws.ess, n)
    for i, row in rows.iterrows():
        for node in ("V0", "V3", "V4"):
            mean = scm.counterfactual_expectation(node, do={"V1": 1}, given=dict(row))
            variance = scm.counterfactual_variance(node, do={"V1": 1}, given=dict(row))
            # four standard errors, and three draws in n of an event too rare to show
            assert abs(draws.mean(node)[i] - mean) <= 4 * np.sqrt(variance / n) + 3 * 2 / n


@pytest.mark.parametrize("coupling", ["monotone", "gumbel"])
def test_rows_of_tables_are_drawn_under_their_coupling(coupling):
    scm = confounded(coupling=coupling, latent="Z")
    rows = pd.DataFrame({"X": [0, 1, 1, 0], "Y": [0, 1, 0, 1]})
    n = 20_000
    draws = scm.counterfactual(rows, do={"X": 1 - rows["X"].to_numpy()}, n_draws=n, random_state=0)
    for i, row in rows.iterrows():
        exact = scm.counterfactual_probability({"Y": 1}, do={"X": 1 - row["X"]}, given=dict(row))
        assert abs(draws.probability("Y", 1)[i] - exact) <= 4 * 0.5 / np.sqrt(n)
    same = scm.counterfactual(rows, do={"X": rows["X"].to_numpy()}, n_draws=5, random_state=0)
    assert (same.samples["Y"].reshape(4, 5) == rows["Y"].to_numpy()[:, None]).all()  # consistency


def test_draws_are_paired_across_interventions_and_rows_do_not_disturb_each_other():
    scm = confounded(latent="Z")
    rows = pd.DataFrame({"X": [0, 1], "Y": [0, 1]})
    how = {"n_draws": 50, "random_state": 3, "nodes": ["Z", "Y"]}
    one, two = (scm.counterfactual(rows, do={"X": x}, **how) for x in (0, 1))
    assert (one.samples["Z"] == two.samples["Z"]).all()
    alone = scm.counterfactual(rows.iloc[1:], do={"X": 0}, **how)
    assert (alone.samples["Z"] == one.samples["Z"][50:]).all()


def test_impossible_rows_are_named():
    scm = DiscreteSCM.from_cpts({"X": ((), [0.5, 0.5]), "Y": ("X", [[1.0, 0.0], [0.3, 0.7]])})
    rows = pd.DataFrame({"X": [0.0, np.nan, 0.0], "Y": [0, 1, 1]})
    with pytest.raises(ImpossibleEvidenceError, match=r"1 row\(s\), the first of them 2"):
        scm.counterfactual(rows, do={"X": 1}, n_draws=5, random_state=0)
    with pytest.raises(UnknownNameError, match="observed"):
        scm.counterfactual(pd.DataFrame({"Y": [2]}), do={"X": 1}, n_draws=5, random_state=0)


def test_a_root_that_is_certain_has_as_many_rows_as_asked_for():
    scm = DiscreteSCM.from_cpts({"X": ((), [0.0, 1.0]), "Y": (("X",), [[1.0, 0.0], [0.5, 0.5]])}, {"X": "ab"})
    rows = scm.sample(200, random_state=0)
    assert rows["X"].tolist() == ["b"] * 200
    assert 60 < rows["Y"].sum() < 140  # five standard deviations of 200 tosses
