"""Models from decorated functions are those of a dictionary of mechanisms."""

import numpy as np
import pytest

from causalrep.graphs import DAG
from causalrep.scm import SCM, AdditiveNoise, Builder, Function, Invertible, Normal
from causalrep.utils import DataError, GraphError


def built():
    model = Builder(noise={"Z": Normal(0, 1)})

    @model.mechanism("X", noise=Normal(0, 1), additive=True)
    def x(Z):
        return np.tanh(Z)

    @model.mechanism("Y", parents=["X", "Z"], noise=Normal(0, 1))
    def y(first, second, noise):
        return first - 2 * second + noise**2

    @model.mechanism("W", noise=Normal(0, 1), inverse=lambda X, value: np.log(value) - X)
    def w(X, noise):
        return np.exp(X + noise)

    return model, (x, y, w)


def test_decorated_functions_make_the_model_of_a_dictionary():
    model, (x, y, w) = built()
    same = SCM(
        mechanisms={
            "Z": Normal(0, 1),
            "X": AdditiveNoise(x, Normal(0, 1)),
            "Y": Function(y, Normal(0, 1), parents=["X", "Z"]),
            "W": Invertible(w, lambda X, value: np.log(value) - X, Normal(0, 1)),
        }
    )
    scm = model.build()
    assert scm.graph == same.graph
    assert scm.sample(20, 0)[list("ZXYW")].equals(same.sample(20, 0)[list("ZXYW")])
    assert [scm.mechanisms[node].invertible for node in "XYW"] == [True, False, True]
    assert x(0.0) == 0.0  # functions stay functions


def test_a_model_that_was_built_does_not_change_with_its_builder():
    model, _ = built()
    scm = model.build()

    @model.mechanism("V", additive=False)
    def v(X):
        return X

    assert "V" not in scm.graph
    assert "V" in model.build().graph


def test_a_graph_that_disagrees_with_the_functions_is_refused():
    model = Builder(DAG([("A", "B")]), noise={"A": Normal()})

    @model.mechanism("B")
    def b(C):
        return C

    with pytest.raises(GraphError, match="reads 'C'"):
        model.build()


def test_a_node_takes_one_mechanism_of_one_kind():
    model, _ = built()
    with pytest.raises(DataError, match="'X' has a mechanism already"):
        model.mechanism("X")
    with pytest.raises(DataError, match="`additive` or `inverse`"):
        model.mechanism("V", additive=True, inverse=lambda value: value)
