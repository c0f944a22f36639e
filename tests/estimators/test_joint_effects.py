"""Several treatments set together: the possible effects are those of all graphs of the class."""

import numpy as np
import pandas as pd
import pytest

from causalrep.estimators import AIPW, JointEffectSet, causal_effect
from causalrep.graphs import ADMG, CPDAG, DAG
from causalrep.identification import ida
from causalrep.utils import DataError, GraphError, UnknownNameError

NAMES = ["a", "b", "c", "d", "y"]


def random_model(seed):
    """Return a DAG on five nodes with its coefficients, B[i, j] that of i -> j, and its covariance."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(5)
    B = np.zeros((5, 5))
    for i in range(5):
        for j in range(i + 1, 5):
            if rng.random() < 0.5:
                B[order[i], order[j]] = rng.uniform(0.5, 1.5) * rng.choice([-1, 1])
    inverse = np.linalg.inv(np.eye(5) - B)
    dag = DAG([(NAMES[i], NAMES[j]) for i, j in zip(*np.nonzero(B), strict=True)], nodes=NAMES)
    return dag, B, inverse.T @ inverse


def with_covariance(covariance, n=50):
    """Return rows with exactly this sample covariance."""
    raw = np.random.default_rng(0).normal(size=(n, 5))
    raw -= raw.mean(axis=0)
    white = np.linalg.qr(raw)[0] * np.sqrt(n - 1)
    return pd.DataFrame(white @ np.linalg.cholesky(covariance).T, columns=NAMES)


def joint_of(dag, covariance, treatments):
    """Regress each node on its parents, cut the arrows into the treatments, and add up all paths to y."""
    B = np.zeros((5, 5))
    for j, name in enumerate(NAMES):
        parents = [NAMES.index(parent) for parent in dag.parents(name)]
        if name not in treatments and parents:
            B[parents, j] = np.linalg.solve(covariance[np.ix_(parents, parents)], covariance[parents, j])
    return np.linalg.inv(np.eye(5) - B)[[NAMES.index(t) for t in treatments], -1]


@pytest.mark.parametrize("possible", ["local", "optimal"])
@pytest.mark.parametrize("seed", range(8))
def test_the_set_is_that_of_all_graphs_of_the_class(seed, possible):
    dag, _, covariance = random_model(seed)
    treatments = [["a", "b"], ["c", "a"], ["b", "d", "a"]][seed % 3]
    cpdag = dag.to_cpdag()
    found = causal_effect(
        with_covariance(covariance), treatment=treatments, outcome="y", graph=cpdag, possible=possible
    )
    expected = {tuple(np.round(joint_of(one, covariance, treatments), 6) + 0.0) for one in cpdag.dags()}
    assert {tuple(row) for row in np.round(found.estimates, 6) + 0.0} == expected
    named = {row[0] for row in found._rows() if "caused by" in row[0]}
    assert len(named) == len(found.members)


def test_the_set_is_that_of_joint_ida_from_the_covariance():
    dag, _, covariance = random_model(3)
    found = causal_effect(
        with_covariance(covariance), treatment=["a", "c"], outcome="y", graph=dag.to_cpdag(), possible="local"
    )
    expected = ida(dag.to_cpdag(), ["a", "c"], "y", covariance).effects
    assert {tuple(row) for row in np.round(found.estimates, 6) + 0.0} == {
        tuple(row) for row in np.round(expected, 6) + 0.0
    }


def chain(n, seed):
    """Return rows of z -> a -> b -> y, with a -> y and z -> y; b passes on what a does to it."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    a = z + rng.normal(size=n)
    b = 0.5 * a + rng.normal(size=n) * (1 + np.abs(a)) / 2
    y = 1.0 * a + 2.0 * b - z + rng.normal(size=n)
    return pd.DataFrame({"z": z, "a": a, "b": b, "y": y})


GRAPH = DAG.from_string("z -> a; a -> b; b -> y; a -> y; z -> y")


def test_a_graph_gives_what_each_does_while_the_others_are_held():
    found = causal_effect(chain(2000, 0), treatment=["a", "b"], outcome="y", graph=GRAPH)
    assert isinstance(found, JointEffectSet)
    (member,) = found.members
    assert (np.abs(member.effect.estimate - [1, 2]) < 4 * member.effect.se).all()
    alone = causal_effect(chain(2000, 0), treatment="a", outcome="y", graph=GRAPH, random_state=0)
    assert alone.estimate == pytest.approx(2, abs=0.3)  # b passes a part on if it is not held
    for part in ("Joint effects of a, b on y, by the DAG", "a caused by z; b caused by a", "together"):
        assert part in str(found)


def test_the_standard_errors_are_those_of_resampled_rows():
    data = chain(300, 1)
    se = causal_effect(data, treatment=["a", "b"], outcome="y", graph=GRAPH).members[0].effect.se
    drawn = []
    for k in range(120):
        rows = np.random.default_rng(k).integers(300, size=300)
        again = causal_effect(data.iloc[rows], treatment=["a", "b"], outcome="y", graph=GRAPH)
        drawn.append(again.members[0].effect.estimate)
    np.testing.assert_allclose(se, np.std(drawn, axis=0), rtol=0.25)  # 6.5 % is one standard error


def covered(n_draws):
    hits = []
    for seed in range(n_draws):
        ci = causal_effect(chain(300, 9000 + seed), treatment=["a", "b"], outcome="y", graph=GRAPH).ci
        hits.append((ci[:, 0] < [1, 2]) & (ci[:, 1] > [1, 2]))
    return np.mean(hits, axis=0)


def test_intervals_cover_in_a_few_draws():
    assert (covered(40) >= 33 / 40).all()  # chance 0.002 of fewer, for each


@pytest.mark.slow
def test_intervals_cover_the_truth():
    rates = covered(300)
    assert ((rates >= 0.912) & (rates <= 0.988)).all()  # 0.95 -+ 3 standard errors of 300 draws


def test_the_union_holds_whichever_graph_is_true():
    data = chain(1000, 2)
    cpdag = GRAPH.to_cpdag()
    found = causal_effect(data, treatment=["a", "b"], outcome="y", graph=cpdag, alpha=0.1)
    assert len(found.members) > 1
    limits = np.array([one.effect.ci for one in found.members])
    np.testing.assert_array_equal(found.ci[:, 0], limits[..., 0].min(axis=0))
    np.testing.assert_array_equal(found.ci[:, 1], limits[..., 1].max(axis=0))
    np.testing.assert_array_equal(found.smallest, np.abs(found.estimates).min(axis=0))
    assert "90% interval" in str(found)
    assert "whichever is true" in found._repr_html_()
    drawn = found.plot()
    assert len(drawn.get_yticklabels()) == 2 * len(found.members)


def test_the_order_of_treatments_is_that_of_the_list():
    data = chain(200, 3)
    one, other = (
        causal_effect(data, treatment=names, outcome="y", graph=GRAPH.to_cpdag())
        for names in (["a", "b"], ["b", "a"])
    )
    np.testing.assert_allclose(one.ci, other.ci[::-1])


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"treatment": ["a", "a"]}, DataError, "different nodes"),
        ({"treatment": []}, DataError, "different nodes"),
        ({"treatment": ["a", "y"]}, DataError, "are both 'y'"),
        ({"treatment": ["a", "x"]}, UnknownNameError, "does not exist"),
        ({"method": AIPW()}, DataError, "linear model"),
        ({"refute": True}, DataError, "linear model"),
        ({"alpha": 1.0}, DataError, "`alpha`"),
        ({"graph": ADMG(GRAPH.directed_edges, [("a", "y")])}, GraphError, "ADMG"),
        (
            {"graph": CPDAG(undirected=[("a", "b")], nodes=list("zaby")), "possible": "any"},
            UnknownNameError,
            "any",
        ),
    ],
)
def test_what_cannot_be_is_named(options, error, match):
    arguments = {"treatment": ["a", "b"], "outcome": "y", "graph": GRAPH, **options}
    with pytest.raises(error, match=match):
        causal_effect(chain(50, 0), **arguments)


def test_columns_are_checked():
    data = chain(50, 0)
    with pytest.raises(DataError, match="determine 'a'"):
        causal_effect(data.assign(a=data["z"]), treatment=["a", "b"], outcome="y", graph=GRAPH)
    with pytest.raises(DataError, match="texts in 'z'"):
        causal_effect(data.assign(z="x"), treatment=["a", "b"], outcome="y", graph=GRAPH)
    with pytest.raises(DataError, match="'z' contains NaN"):
        causal_effect(data.assign(z=np.nan), treatment=["a", "b"], outcome="y", graph=GRAPH)
    with pytest.raises(DataError, match="too few to adjust"):
        causal_effect(data[:3], treatment=["a", "b"], outcome="y", graph=GRAPH)
