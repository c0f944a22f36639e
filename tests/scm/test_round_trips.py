"""Any model survives the way through a folder and through a networkx graph: same graph, same draws."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from causalrep.scm import (
    CPT,
    SCM,
    DiscreteSCM,
    Empirical,
    Equation,
    JointNormal,
    Laplace,
    Linear,
    Normal,
    Poisson,
)
from tests.strategies import dags

NAMES = (
    st.text(min_size=1, max_size=4) | st.integers(-99, 99) | st.tuples(st.text(max_size=2), st.integers(0, 9))
)
seeds = st.integers(0, 2**31)


@st.composite
def models(draw):
    """Return a model of roots, lines, equations and counts; perhaps two nodes share their noise."""
    graph = draw(dags(min_nodes=1, max_nodes=6, labels=NAMES))
    mechanisms, lines = {}, []
    for node in graph.nodes:
        parents = list(graph.parents(node))
        slopes = [draw(st.floats(-3, 3)) for _ in parents]
        if not parents:
            roots = [Normal(0, 1), Empirical([1.0, 2.5]), CPT([0.2, 0.8], states=["no", "yes"]), Poisson(2.0)]
            mechanisms[node] = draw(st.sampled_from(roots[:2] if graph.children(node) else roots))
        elif (
            len(parents) == 1
            and isinstance(parents[0], str)
            and parents[0].isidentifier()
            and draw(st.booleans())
        ):
            mechanisms[node] = Equation(f"tanh({slopes[0]!r} * {parents[0]}) * N(1, 2)")
        else:
            mechanisms[node] = Linear(
                dict(zip(parents, slopes, strict=True)), draw(st.floats(-9, 9)), Laplace(0, 2)
            )
            lines.append(node)
    noise = {}
    if len(lines) > 1 and draw(st.booleans()):
        shared = JointNormal(lines[:2], [[1.0, 0.6], [0.6, 2.0]])
        noise = dict.fromkeys(lines[:2], shared)
        mechanisms |= {
            node: Linear(mechanisms[node].coefficients, mechanisms[node].intercept) for node in lines[:2]
        }
    return SCM(graph, mechanisms, noise=noise)


@st.composite
def discrete_models(draw):
    graph = draw(dags(min_nodes=1, max_nodes=4, labels=NAMES, latent=True))
    rng = np.random.default_rng(draw(seeds))
    sizes = {node: draw(st.integers(1, 3)) for node in graph.nodes}
    shapes = {node: [sizes[p] for p in graph.parents(node)] for node in graph.nodes}
    return DiscreteSCM(
        graph,
        {
            node: CPT(
                rng.dirichlet(np.ones(sizes[node]), size=shapes[node]), parents=list(graph.parents(node))
            )
            for node in graph.nodes
        },
    )


def assert_same(again, scm, seed):
    assert type(again) is type(scm)
    assert again.graph == scm.graph
    assert again.graph.nodes == scm.graph.nodes
    nodes = list(scm.graph.nodes)  # latent ones too
    assert again.sample(20, seed, nodes).equals(scm.sample(20, seed, nodes))


@settings(max_examples=25)
@given(models() | discrete_models(), seeds)
def test_through_a_folder(tmp_path_factory, scm, seed):
    path = tmp_path_factory.mktemp("model") / "m"
    scm.save(path)
    assert_same(type(scm).load(path), scm, seed)


@settings(max_examples=25)
@given(models() | discrete_models(), seeds)
def test_through_networkx(scm, seed):
    assert_same(type(scm).from_networkx(scm.to_networkx()), scm, seed)
