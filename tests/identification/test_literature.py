"""Every verdict and every estimand of the literature suite, against enumeration of random models."""

import pytest

from causalrep.graphs import ADMG
from causalrep.identification import identify
from tests.identification.discrete_models import RandomModel, as_dag, largest_error
from tests.identification.literature import CASES

QUESTIONS = [(case, query, answer) for case in CASES for query, answer in case.queries]
NAMES = [f"{case.name}: {query}" for case, query, _ in QUESTIONS]


def graph_of(case):
    return as_dag(case.edges, case.latent) if case.latent else ADMG.from_string(case.edges)


def test_the_suite_has_at_least_sixty_graphs_that_all_differ():
    assert len({case.name for case in CASES}) >= 60
    assert len({(graph_of(case), case.queries) for case in CASES}) == len(CASES)


@pytest.mark.parametrize(("case", "query", "answer"), QUESTIONS, ids=NAMES)
def test_the_verdict_is_the_published_one_and_proved(case, query, answer):
    result = identify(graph_of(case), query)
    assert result.identifiable == answer
    proof = result.trace if answer else result.witness
    assert proof.verify()


@pytest.mark.parametrize(
    ("case", "query"),
    [(case, query) for case, query, answer in QUESTIONS if answer],
    ids=[name for name, (_, _, answer) in zip(NAMES, QUESTIONS, strict=True) if answer],
)
def test_both_forms_of_the_estimand_equal_the_truth_on_two_models(case, query):
    graph = graph_of(case)
    result = identify(graph, query)
    asked = result.query
    parts = (
        [p.variable for p, _ in asked.outcome],
        [name for name, _ in asked.do],
        [p.variable for p, _ in asked.given],
    )
    for seed in (0, 1):
        model = RandomModel(graph, seed)
        for expression in (result.estimand, result.raw):
            assert largest_error(model, expression, *parts) < 1e-9
            assert not {v.name for term in expression.terms() for v in term.outcome} & set(case.latent)
