"""The oracle answers what the graph says."""

import itertools

import numpy as np
import pytest

from causalrep.graphs import CPDAG, DAG
from causalrep.independence import Flag, Oracle
from causalrep.utils import DataError, UnknownNameError


def test_answers_are_those_of_d_separation():
    dag = DAG.from_string("Z -> X -> M -> Y; Z -> Y; M -> W")
    oracle = Oracle(dag)
    for x, y in itertools.combinations(dag.nodes, 2):
        rest = [node for node in dag.nodes if node not in (x, y)]
        for size in range(4):
            for given in itertools.combinations(rest, size):
                result = oracle.test(x, y, given)
                assert result.pvalue == float(dag.is_separated(x, y, given))
                assert result.flag is Flag.OK


def test_batches_are_symmetric_and_ignore_the_order_of_the_set():
    oracle = Oracle(DAG.from_string("A -> C <- B; C -> D"))
    position = {name: k for k, name in enumerate(oracle.names_)}
    a, b, c, d = (position[name] for name in "ABCD")
    batch = oracle.test_batch([a, b, a, b], [b, a, b, a], [[c, d], [d, c], [d, c], [c, d]])
    assert batch.pvalue.tolist() == [0.0] * 4
    assert np.isinf(batch.statistic).all()
    assert np.isneginf(batch.log_pvalue).all()
    free = oracle.test_batch([a], [b])
    assert (free.statistic[0], free.pvalue[0], free.log_pvalue[0]) == (0.0, 1.0, 0.0)


def test_latent_nodes_are_not_named_but_still_connect():
    oracle = Oracle(DAG.from_string("L -> X; L -> Y; X -> Z"), latent=["L"])
    assert oracle.names_ == ("X", "Y", "Z")
    assert oracle.test("X", "Y").pvalue == 0.0
    assert oracle.test("Z", "Y", "X").pvalue == 1.0
    with pytest.raises(UnknownNameError, match="'L'"):
        oracle.test("X", "L")


def test_selection_opens_the_collider():
    dag = DAG.from_string("X -> S <- Y; Z")
    oracle = Oracle(dag, selection=["S"])
    assert oracle.names_ == ("X", "Y", "Z")
    assert oracle.test("X", "Y").pvalue == 0.0
    assert oracle.test("X", "Z").pvalue == 1.0
    assert Oracle(dag).test("X", "Y").pvalue == 1.0


def test_strength_is_lowest_for_separated_pairs():
    oracle = Oracle(DAG.from_string("A -> B -> C"))
    strength = oracle.strength(np.array([[0]]), np.array([[2]]), [np.array([[1]])])
    assert strength.shape == (1, 1)
    assert strength[0, 0] < oracle.strength(np.array([[0]]), np.array([[1]]), [np.array([[2]])])[0, 0]


def test_the_oracle_needs_no_fit_and_only_compares_columns():
    oracle = Oracle(DAG.from_string("A -> B"))
    assert oracle.is_fitted
    assert oracle.max_cond == 0
    assert oracle.fit() is oracle
    assert oracle.fit(np.zeros((3, 2))) is oracle
    assert oracle.fit({"B": np.zeros(3), "A": np.zeros(3)}) is oracle
    for wrong in (np.zeros((3, 9)), {"A": np.zeros(3), "C": np.zeros(3)}):
        with pytest.raises(DataError, match="must be the observed nodes"):
            oracle.fit(wrong)


def test_bad_arguments_are_refused():
    dag = DAG.from_string("A -> B; C")
    with pytest.raises(TypeError, match="`dag` must be a DAG, got CPDAG"):
        Oracle(CPDAG(undirected=[("A", "B")]))
    with pytest.raises(UnknownNameError, match="`latent` names 'D'"):
        Oracle(dag, latent=["D"])
    with pytest.raises(UnknownNameError, match="`selection` names 'E'"):
        Oracle(dag, selection=["E"])
    with pytest.raises(DataError, match="'A' in both"):
        Oracle(dag, latent=["A"], selection=["A"])
