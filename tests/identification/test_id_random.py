"""ID, IDC and gID on random graphs, against enumeration."""

import numpy as np
import pytest

from causalrep.graphs import DAG
from causalrep.identification import Hedge, Thicket, Undecided, identify
from tests.identification.discrete_models import RandomModel, largest_error, random_admg, random_query


def check(seed, n_experiments=0, max_nodes=7):
    """Ask one random question of one random graph; return whether it was identifiable."""
    rng = np.random.default_rng(seed)
    graph = random_admg(rng, max_nodes)
    outcome, treatment, given = random_query(rng, graph)
    experiments, available = [()], None
    if n_experiments:
        experiments += [
            tuple(sorted(map(str, rng.choice(graph.nodes, size=rng.integers(1, 3), replace=False))))
            for _ in range(n_experiments)
        ]
        available = [distribution(graph, do) for do in experiments]
    result = identify(graph, outcome=outcome, treatment=treatment, given=given, available=available)
    if not result.identifiable:
        assert isinstance(result.witness, Hedge if available is None else (Hedge, Thicket))
        assert result.witness.verify()
        return False
    assert result.trace.verify()
    for model_seed in (seed, seed + 1):
        model = RandomModel(graph, model_seed)
        for expression in (result.estimand, result.raw):
            error = largest_error(model, expression, outcome, treatment, given, experiments)
            assert error < 1e-9, (graph, result.query, str(expression))
    return True


def distribution(graph, do):
    measured = [node for node in graph.nodes if node not in do]
    return f"P({', '.join(measured)}{' | do(' + ', '.join(do) + ')' if do else ''})"


def test_estimands_and_witnesses_are_right_on_sixty_random_graphs():
    found = [check(seed) for seed in range(60)]
    assert 20 < sum(found) < 58  # both answers were put to the test


def test_estimands_from_experiments_are_right_on_random_graphs():
    found = [check(seed, n_experiments=2, max_nodes=6) for seed in range(1000, 1040)]
    assert 20 < sum(found) < 40


def test_latent_nodes_may_have_many_children_and_latent_parents():
    n_found = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        graph = random_admg(rng, max_nodes=8, p_directed=0.45, p_bidirected=0.0)
        hidden = [str(node) for node in rng.choice(graph.nodes, size=len(graph) // 3, replace=False)]
        dag = DAG(graph.directed_edges, nodes=graph.nodes, latent=hidden)
        outcome, treatment, given = random_query(rng, graph.subgraph(dag.observed))
        if not treatment:
            continue
        result = identify(dag, outcome=outcome, treatment=treatment, given=given)
        if not result.identifiable:
            assert result.witness.verify()
            continue
        n_found += 1
        assert result.trace.verify()
        model = RandomModel(dag, seed)
        for expression in (result.estimand, result.raw):
            assert largest_error(model, expression, outcome, treatment, given) < 1e-9
    assert n_found > 40


def test_derivations_from_partial_measurements_are_sound():
    n_found = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        graph = random_admg(rng, max_nodes=5)
        outcome, treatment, given = random_query(rng, graph)
        sources = []
        for _ in range(3):
            mixed = [str(node) for node in rng.permutation(graph.nodes)]
            n_acted, n_left_out = rng.integers(0, 2), rng.integers(0, 2)
            sources.append((mixed[:n_acted], mixed[n_acted : len(mixed) - n_left_out]))
        available = [
            f"P({', '.join(measured)}{' | do(' + ', '.join(do) + ')' if do else ''})"
            for do, measured in sources
        ]
        result = identify(graph, outcome=outcome, treatment=treatment, given=given, available=available)
        if not result.identifiable:
            assert isinstance(result.witness, Undecided) or result.witness.verify()
            continue
        n_found += 1
        assert result.trace.verify()
        model = RandomModel(graph, seed)
        joints = {}
        for do, measured in sources:
            joints.setdefault((frozenset(do), ""), []).append(model.source(do, measured))
        for expression in (result.estimand, result.raw):
            error = largest_error(model, expression, outcome, treatment, given, joints=joints)
            assert error < 1e-9, (graph, available, result.query, str(expression))
    assert n_found > 40


def test_experiments_never_take_an_answer_away():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        graph = random_admg(rng, max_nodes=6)
        outcome, treatment, given = random_query(rng, graph)
        do = (str(rng.choice(graph.nodes)),)
        question = {"outcome": outcome, "treatment": treatment, "given": given}
        alone = identify(graph, **question)
        both = identify(graph, **question, available=[distribution(graph, ()), distribution(graph, do)])
        assert both.identifiable >= alone.identifiable


@pytest.mark.slow
def test_estimands_and_witnesses_are_right_on_five_hundred_random_graphs():
    found = [check(seed, max_nodes=8) for seed in range(5000, 5500)]
    assert 150 < sum(found) < 490


@pytest.mark.slow
def test_estimands_from_experiments_are_right_on_five_hundred_random_graphs():
    found = [check(seed, n_experiments=2) for seed in range(9000, 9500)]
    assert 150 < sum(found) < 490
