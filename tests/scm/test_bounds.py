"""What data cannot settle they can bound: the bounds contain the truth of the model that made the table."""

import numpy as np
import pytest

from causalrep.graphs import DAG
from causalrep.identification import bounds
from causalrep.scm import DiscreteSCM


def instrument(seed):
    """Z -> X -> Y with a hidden cause of X and Y that holds all 16 pairs of response types."""
    rng = np.random.default_rng(seed)
    types = np.arange(16)
    weights = rng.dirichlet(np.full(16, 0.4))
    x_types, y_types = types // 4, types % 4
    respond = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    return DiscreteSCM.from_response_functions(
        exogenous={"E": [1 - (p := rng.uniform(0.2, 0.8)), p], "U": weights},
        functions={
            "Z": (["E"], [0, 1]),
            "X": (["Z", "U"], respond[x_types].T),
            "Y": (["X", "U"], respond[y_types].T),
        },
    )


def check(seed):
    scm = instrument(seed)
    graph = DAG([("Z", "X"), ("X", "Y"), ("U", "X"), ("U", "Y")], nodes=["Z", "X", "Y", "U"], latent="U")
    table = scm.table(["Z", "X", "Y"])
    table = table[table["p"] > 0]
    states = {node: [0, 1] for node in ("Z", "X", "Y")}
    for kind in ("ATE", "PNS", "PN"):
        if kind == "PN" and scm.probability({"X": 1, "Y": 1}) < 1e-6:
            continue
        found = bounds(graph, kind, table, treatment="X", outcome="Y", states=states)
        truth = scm.effect(kind, "X", "Y")
        # the programme is solved to 1e-7 (HiGHS's default feasibility)
        assert found.lower - 1e-6 <= truth <= found.upper + 1e-6
        if kind == "ATE":
            assert found.width < 1 + 1e-9  # an instrument never does worse than no assumption


@pytest.mark.parametrize("seed", range(10))
def test_balke_pearl_bounds_contain_the_truth(seed):
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(400))
def test_balke_pearl_bounds_contain_the_truth_of_many_models(seed):
    check(1000 + seed)
