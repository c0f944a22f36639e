"""Print what the library answers to questions asked with plain sets, whose order changes with the hash seed.

Run by test_hash_seed.py, once per seed; the outputs must be equal byte for byte.
"""

import sys
from itertools import islice

import numpy as np

from causalrep.graphs import ADMG, CPDAG, DAG, MPDAG, PDAG, BayesNet
from causalrep.identification import (
    adjustment_sets,
    bounds,
    frontdoor_sets,
    identify,
    identify_linear,
    instrumental_sets,
    instruments,
    optimal_adjustment,
    transport,
)
from causalrep.metrics import adjustment_distance, mark_shd, separation_distance, shd, sid, skeleton_scores

FORMATS = ["string", "json", "dot", "dagitty", "gml", "graphml", "lavaan", "bif", "xmlbif", "net"]

EDGES = {(a + "1", b + "2") for a in "spam" for b in "eggs!"} | {("s1", "p1"), ("p1", "a1")}
DAG_ = DAG(EDGES, latent={"m1", "e2"})
PDAG_ = PDAG(undirected=EDGES, nodes={node for edge in EDGES for node in edge} | {"w", "v"})
ADMG_ = ADMG(EDGES, {("e2", "g2"), ("s1", "!2"), ("s1", "p1")})
MAG_ = DAG(EDGES).to_mag(latent={"s2"}, selection={"g2"})
PAG_ = DAG(EDGES).to_pag(latent={"s2"}, selection={"g2"})
CPDAG_ = DAG(EDGES - {("p1", "a1")}).to_cpdag()
TREE = CPDAG(undirected={("s1", "p1"), ("p1", "a1"), ("a1", "m1"), ("a1", "w")})
MPDAG_ = MPDAG(undirected={("s1", "p1"), ("p1", "a1"), ("s1", "a1")})
X, Y = {"s1", "p1"}, {"e2", "!2"}


def show(*answers: object) -> None:
    for answer in answers:
        sys.stdout.write(f"{answer.tolist() if isinstance(answer, np.ndarray) else answer}\n")


def exchange() -> None:
    """Write every type in every format that can say it."""
    for graph in (DAG_, DAG(EDGES), PDAG_, ADMG_, MAG_, PAG_, CPDAG_, MPDAG_):
        roles = {"exposure": X, "outcome": Y}
        nodes = {node: {role: True for role, those in roles.items() if node in those} for node in set(graph)}
        graph = graph.with_attributes(nodes, {edge: {"beta": 0.5} for edge in set(graph.edges)})
        show(graph.nodes, graph.edges, graph.attributes, graph._repr_html_())
        show(graph.to_networkx().edges(data=True), graph.to_causallearn())
        bidirected = any(kind != "->" for _, kind, _ in graph.edges)
        for name in FORMATS[: 6 if bidirected else None]:
            text = getattr(graph, f"to_{name}")()
            show(text, getattr(type(graph), f"from_{name}")(text).nodes)
    states = dict.fromkeys(DAG_.topological_order(), ("a", "b"))
    net = BayesNet(states, {node: DAG_.parents(node) for node in states})
    show(net.to_bif(), net.to_xmlbif(), net.to_net())


def graphs() -> None:
    """Ask every type about sets of nodes."""
    for graph in (DAG_, PDAG_, ADMG_, MAG_, PAG_, CPDAG_):
        show(graph.ancestors(Y), graph.descendants(X), graph.adjacent("e2"), graph.parents("e2") | {"z", "y"})
        show({"s1", "a1", "m1"} & graph.parents("e2"))
    for graph in (DAG_, ADMG_, MAG_, CPDAG_):
        show(
            graph.is_separated({"p1"}, {"m1"}),
            graph.separated_from({"m1"}, {"e2"}),
            graph.separation_matrix({"a1"}),
        )
        for restrict in (None, {"p1", "e2", "s1", "a1"}):
            show(graph.find_separator("s1", {"m1"}, restrict=restrict))
            show(graph.find_minimal_separator("s1", {"m1"}, restrict=restrict))
            show(graph.find_minimum_separator("s1", {"m1"}, restrict=restrict))
        show(
            list(islice(graph.minimal_separators("s1", "m1"), 5)),
            list(islice(graph.markov_statements("pairwise"), 9)),
        )
        show(graph.moralize())
    for graph in (PDAG_, PAG_, CPDAG_):
        show(graph.possible_descendants(X), graph.possible_ancestors(Y))
    show(
        DAG_.topological_order(),
        DAG_.depth_levels(),
        DAG_.markov_blanket("e2"),
        DAG_.subgraph(Y),
        DAG_.do(*sorted(X)),
    )
    show(DAG_.to_cpdag().edges, PDAG_.meek_closure().edges, DAG_.interventional_cpdag([X, {"a1"}]).edges)
    show(
        DAG_.latent_projection().edges, DAG_.latent_projection(keep=X | Y).edges, ADMG_.canonical_dag().edges
    )
    show(
        ADMG_.districts(), MAG_.edges, PAG_.edges, DAG_.twin_network({"s1": 1}), DAG_.swig({"s1": 1, "p1": 0})
    )
    show(DAG_.parallel_worlds([{"s1": 1}, {"p1": 0, "a1": 1}]).graph.edges)
    show(
        TREE.size(),
        [dag.edges for dag in TREE.dags()],
        [dag.edges for dag in TREE.sample_dags(3, random_state=0)],
    )
    show(TREE.consistent_extension().edges, MPDAG_.size())


def distances() -> None:
    """Compare graphs whose nodes come in another order each time."""
    truth, guess = DAG(EDGES), DAG(EDGES - {("s1", "e2")} | {("!2", "e2")})
    show(shd(truth, guess), sid(truth, guess), skeleton_scores(truth, guess), mark_shd(PAG_, MAG_))
    show(*(adjustment_distance(truth, guess, kind) for kind in ("parent", "ancestor", "oset")))
    show(separation_distance(truth, guess))


def identification() -> None:
    """Ask for effects, with their formulas, derivations, sets and bounds."""
    napkin = ADMG({("W", "Z"), ("Z", "X"), ("X", "Y")}, {("W", "X"), ("W", "Y")})
    front = ADMG({("X", "M"), ("M", "Y")}, {("X", "Y")})
    bow = ADMG({("X", "Y")}, {("X", "Y")})
    shared = DAG(
        {("A", "X"), ("A", "Z"), ("B", "Y"), ("B", "Z"), ("Z", "X"), ("Z", "Y"), ("X", "M"), ("M", "Y")}
    )
    for graph in (napkin, front, bow, shared):
        for query in ("P(Y | do(X))", "P(Y[X=1] | X=0)", "P(Y[X=1]=1, Y[X=0]=0)"):
            r = identify(graph, query)
            show(r.strategy, r.trace, r.estimand if r.identifiable else r.witness)
        show(identify_linear(graph), instruments(graph, "X", "Y"), instrumental_sets(graph, {"X"}, "Y"))
        show(frontdoor_sets(graph, "X", "Y"), optimal_adjustment(graph, "X", "Y"))
        for kind in ("all", "minimal", "minimum", "canonical", "parents"):
            show(adjustment_sets(graph, {"X"}, {"Y"}, kind))
    cpdag = shared.to_cpdag()
    show(adjustment_sets(cpdag, "X", "Y"), adjustment_sets(shared.to_pag(latent={"A"}), "X", "Y"))
    show(transport(shared, "P(Y | do(X))", {"Z", "A"}).estimand)
    show(bounds(bow, "ATE", TABLE, treatment="X", outcome="Y"))


TABLE = {"X": [0, 0, 1, 1], "Y": [0, 1, 0, 1], "p": [0.1, 0.4, 0.2, 0.3]}

for part in (exchange, graphs, distances, identification):
    part()
