"""Linear identification against random coefficients: estimates, and the rank of the Jacobian."""

import random

import numpy as np
import pandas as pd
import pytest

from causalrep.graphs import ADMG, DAG, NodeSet
from causalrep.identification import identify_linear
from causalrep.utils import DataError, GraphError, UnknownNameError
from tests.identification.oracles import LinearModel, as_dag, every_admg, random_admg


def locally_identified(g, seed=0):
    """The edges whose coefficients no small change of all parameters can move and keep the covariances.

    A parameter is so iff its unit vector is in the row space of the Jacobian of the covariances, at
    random parameters; this is necessary for being identified.
    """
    model = LinearModel(g, seed)
    p = len(model.nodes)
    reduced = np.linalg.inv(np.eye(p) - model.B)
    columns = []
    for u, v in g.directed_edges:  # the derivative of S by B[u, v] is S E M + its transpose
        change = np.zeros((p, p))
        change[model.at[u], model.at[v]] = 1
        half = model.S @ change @ reduced
        columns.append((half + half.T)[np.triu_indices(p)])
    pairs = [(v, v) for v in model.nodes] + list(g.bidirected_edges)
    for u, v in pairs:
        change = np.zeros((p, p))
        change[model.at[u], model.at[v]] = change[model.at[v], model.at[u]] = 1
        columns.append((reduced.T @ change @ reduced)[np.triu_indices(p)])
    jacobian = np.array(columns).T
    _, values, rows = np.linalg.svd(jacobian)
    rank = int((values > 1e-9 * values[0]).sum())
    kernel = rows[rank:]
    edges = list(g.directed_edges)
    return {edge for i, edge in enumerate(edges) if np.abs(kernel[:, i]).max(initial=0) < 1e-7}


def check(g, seed):
    found = identify_linear(g)
    possible = locally_identified(g)
    assert set(found.identified) <= possible
    assert set(found.identified) | set(found.undecided) == set(g.directed_edges)
    model = LinearModel(g, seed)
    for (u, v), value in found.estimate(model.S).items():
        assert np.isclose(value, model.B[model.at[u], model.at[v]], atol=1e-6), (g, u, v)
    infinite = found.is_infinite_to_one()
    if infinite:
        assert possible != set(g.directed_edges)
    return len(found.identified), len(possible), infinite, possible != set(g.directed_edges)


def test_what_is_identified_on_every_admg_of_3_nodes_is_what_the_jacobian_allows():
    # On three nodes nothing that is identified is missed, and all that is not is known to be so.
    for g in every_admg(3):
        n_found, n_possible, infinite, lacking = check(g, 3)
        assert n_found == n_possible
        assert infinite == lacking


@pytest.mark.parametrize("seed", range(30))
def test_estimates_are_the_coefficients_on_random_graphs(seed):
    check(random_admg(random.Random(seed), 6, directed=0.5, bidirected=0.25), seed)


@pytest.mark.slow
def test_2000_random_graphs_are_mostly_solved():
    totals = np.array(
        [check(random_admg(random.Random(seed), 6, 0.5, 0.3), seed)[:2] for seed in range(2000)]
    ).sum(axis=0)
    assert totals[0] > 0.97 * totals[1]


def test_all_edges_of_a_model_without_hidden_causes_are_regressions():
    g = DAG.from_string("Z -> X -> Y; Z -> Y")
    found = identify_linear(g)
    assert found.identified == g.directed_edges
    model = LinearModel(g, 0)
    frame = pd.DataFrame(model.S, index=model.nodes, columns=model.nodes)
    shuffled = frame.loc[["Y", "Z", "X"], ["Y", "Z", "X"]]
    assert found.estimate(shuffled)["X", "Y"] == pytest.approx(model.B[model.at["X"], model.at["Y"]])


def test_latent_nodes_are_projected_out():
    g = ADMG.from_string("Z -> X -> M -> Y; X <-> M; M <-> Y")
    hidden = as_dag(g)
    assert identify_linear(hidden).steps == identify_linear(g).steps


def test_an_error_serves_where_the_variable_does_not():
    # D, confounded with A, reaches C through A: only the error of C is free of it.
    g = ADMG.from_string("A -> C; A <-> B; A -> D; A <-> D; C -> D")
    *_, last = identify_linear(g).steps
    assert last.parents == {"A", "C"}
    assert last.instruments == {"B", "C"}
    assert last.residual == {"C"}
    assert str(last) == "A, C -> D: half-treks from error of C, B to A, C"
    check(g, 1)


def test_known_edges_make_way_for_others():
    # With the bow at B, the edges into A cannot be solved together; without D's part, C is unconfounded.
    g = ADMG.from_string("C -> D -> A; C -> A; D <-> A; E <-> D; B -> A; B <-> A")
    found = identify_linear(g)
    assert [str(step) for step in found.steps[1:]] == [
        "D -> A: cov(E, A) / cov(E, D)",
        "C -> A: regression of (A less its part due to D) on C",
    ]
    assert found.undecided == {("B", "A")}
    check(g, 2)


def verma():
    return ADMG.from_string("A -> B -> C -> D; B <-> D")


def test_the_verma_graph_is_identified_without_an_instrument_in_the_plain_sense():
    found = identify_linear(verma())
    assert found.undecided == NodeSet()
    check(verma(), 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Z -> X -> Y; Z -> Y", ["Z -> X: regression of X on Z", "Z, X -> Y: regression of Y on Z, X"]),
        ("X -> Y; W <-> X; W -> Y; X <-> Y; Z -> X", ["Z -> X: regression of X on Z"]),
        ("Z -> X -> Y; X <-> Y", ["Z -> X: regression of X on Z", "X -> Y: cov(Z, Y) / cov(Z, X)"]),
    ],
)
def test_steps_say_what_they_do(text, expected):
    assert [str(step) for step in identify_linear(ADMG.from_string(text)).steps][: len(expected)] == expected


@pytest.mark.parametrize(
    ("covariance", "error", "message"),
    [
        (np.eye(3), DataError, "shape"),
        (np.array([[1, np.nan], [0, 1]]), DataError, "finite"),
        (np.array([[1.0, 0.5], [0.1, 1.0]]), DataError, "symmetric"),
        (np.array([[0.0, 0.0], [0.0, 1.0]]), DataError, "positive diagonal"),
        (pd.DataFrame(np.eye(2), columns=["X", "Q"]), UnknownNameError, "'Y'"),
    ],
)
def test_a_bad_covariance_matrix_is_refused(covariance, error, message):
    with pytest.raises(error, match=message):
        identify_linear(DAG.from_string("X -> Y")).estimate(covariance)


def test_a_class_of_graphs_is_refused():
    with pytest.raises(GraphError, match="type DAG or ADMG"):
        identify_linear(DAG.from_string("X -> Y").to_cpdag())
