"""PC beside causal-learn's PC-stable on published networks and samples, and beside what is recorded of them.

The data are not part of the library: they are read from ../shared/data where that is there.
"""

import warnings
from itertools import combinations
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pytest

from causalrep.discovery import PC, Knowledge
from causalrep.graphs import DAG
from causalrep.independence import ChiSquare, CITestWarning, Oracle
from causalrep.metrics import shd
from causalrep.scm import DiscreteSCM, LinearGaussianSCM

DATA = Path(__file__).parents[3] / "shared/data"


def folder(name):
    if not (DATA / name).is_dir():
        pytest.skip(f"needs ../shared/data/{name}")
    return DATA / name


def network(name):
    return folder("bnlearn_networks") / name


def edges_of(path, nodes):
    return DAG(list(pd.read_csv(path).iloc[:, :2].itertuples(index=False, name=None)), nodes=nodes)


def skeleton_of(graph):
    return {frozenset((u, v)) for u in graph.nodes for v in graph.adjacent(u)}


def peer_skeleton(columns, **options):
    """Return the adjacencies that causal-learn finds in its stable variant."""
    from causallearn.search.ConstraintBased.PC import pc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        marks = pc(stable=True, show_progress=False, **options).G.graph
    return {
        frozenset((columns[i], columns[j]))
        for i, j in combinations(range(len(columns)), 2)
        if marks[i, j] or marks[j, i]
    }


# --- networks ---------------------------------------------------------------------------------------


def assert_the_class_and_the_peers_skeleton(dag):
    found = PC(test=Oracle(dag)).fit().graph_
    assert found == dag.to_cpdag()
    numbered = nx.DiGraph()
    numbered.add_nodes_from(range(len(dag.nodes)))
    place = {node: k for k, node in enumerate(dag.nodes)}
    numbered.add_edges_from((place[u], place[v]) for u, v in dag.directed_edges)
    data = np.zeros((4, len(dag.nodes)))
    peer = peer_skeleton(dag.nodes, data=data, alpha=0.05, indep_test="d_separation", true_dag=numbered)
    assert skeleton_of(found) == peer


@pytest.mark.parametrize("name", ["asia", "cancer", "earthquake", "survey", "sachs"])
def test_an_oracle_on_a_network_gives_its_class_and_the_peers_skeleton(name):
    assert_the_class_and_the_peers_skeleton(DiscreteSCM.from_bif(network(f"{name}.bif")).graph)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["child", "alarm"])
def test_an_oracle_on_a_larger_network_gives_its_class_and_the_peers_skeleton(name):
    assert_the_class_and_the_peers_skeleton(DiscreteSCM.from_bif(network(f"{name}.bif")).graph)


@pytest.mark.slow
def test_an_oracle_on_a_large_network_gives_its_class():
    dag = DiscreteSCM.from_bif(network("hailfinder.bif")).graph  # for which the peer takes minutes
    assert PC(test=Oracle(dag)).fit().graph_ == dag.to_cpdag()


@pytest.mark.slow
def test_a_gaussian_network():
    nodes, edges = (pd.read_csv(network(f"ecoli70_{part}.csv")) for part in ("nodes", "coefficients"))
    names = nodes["node"].tolist()
    B = edges.pivot(index="cause", columns="effect", values="coefficient")
    B = B.reindex(index=names, columns=names).fillna(0.0).to_numpy()
    scm = LinearGaussianSCM(B, nodes["noise_variance"].to_numpy(), names=names)
    assert PC(test=Oracle(scm.graph)).fit().graph_ == scm.graph.to_cpdag()
    table = scm.sample(2000, random_state=0)
    found = PC(alpha=0.01).fit(table).graph_
    peer = peer_skeleton(names, data=table[names].to_numpy(), alpha=0.01, indep_test="fisherz")
    assert skeleton_of(found) == peer


# --- samples ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3])
def test_simulated_linear_data(k):
    table = pl.read_parquet(folder("tetrad_sim20") / f"linear_{k}.parquet")
    truth = edges_of(DATA / f"tetrad_sim20/edges_{k}.csv", list(table.columns))
    found = PC(alpha=0.05).fit(table).graph_
    peer = peer_skeleton(list(table.columns), data=table.to_numpy(), alpha=0.05, indep_test="fisherz")
    assert skeleton_of(found) == peer
    n_found, n_shared, distance = {1: (31, 28, 18), 2: (28, 28, 10), 3: (28, 26, 19)}[k]
    assert len(skeleton_of(found)) == n_found
    assert len(skeleton_of(found) & skeleton_of(truth)) == n_shared
    assert shd(truth.to_cpdag(), found) <= distance


@pytest.mark.parametrize("k", [1, 2, 3])
def test_simulated_discrete_data(k):
    table = pl.read_parquet(folder("tetrad_sim20") / f"discrete_{k}.parquet")
    test = ChiSquare(min_per_cell=0)  # the peer answers also where rows are few
    found = PC(test=test, alpha=0.05).fit(table)
    peer = peer_skeleton(list(table.columns), data=table.to_numpy(), alpha=0.05, indep_test="chisq")
    if found.n_untestable_ == 0:
        assert skeleton_of(found.graph_) == peer
    else:  # what cannot be tested it counts as independent
        assert skeleton_of(found.graph_) >= peer


@pytest.mark.parametrize("name", ["cancer", "earthquake", "survey"])
def test_samples_of_small_networks(name):
    table = pl.read_parquet(folder("bnlearn_samples") / f"{name}_10000.parquet")
    found = PC("chisquare", alpha=0.05).fit(table).graph_
    peer = peer_skeleton(list(table.columns), data=table.to_numpy(), alpha=0.05, indep_test="chisq")
    assert skeleton_of(found) == peer


@pytest.mark.slow
@pytest.mark.parametrize("name", ["child", "alarm"])
def test_samples_of_larger_networks(name):
    table = pl.read_parquet(folder("bnlearn_samples") / f"{name}_10000.parquet")
    found = PC("chisquare", alpha=0.05).fit(table).graph_
    peer = peer_skeleton(list(table.columns), data=table.to_numpy(), alpha=0.05, indep_test="chisq")
    assert skeleton_of(found) == peer


def test_a_node_that_others_determine_keeps_its_edges():
    # "either" is the logical or of tub and lung: given both it does not vary, and no table tells anything.
    # The peer takes that for independence and removes both of its effects; here it counts as untestable.
    table = pl.read_parquet(folder("bnlearn_samples") / "asia_10000.parquet")
    found = PC("chisquare", alpha=0.05).fit(table)
    peer = peer_skeleton(list(table.columns), data=table.to_numpy(), alpha=0.05, indep_test="chisq")
    kept = {frozenset(("either", "xray")), frozenset(("either", "dysp"))}
    assert skeleton_of(found.graph_) == peer | kept
    assert skeleton_of(edges_of(DATA / "bnlearn_samples/asia_edges.csv", list(table.columns))) >= kept
    assert found.n_untestable_ > 0


@pytest.mark.parametrize(("name", "n_found"), [("observational_853", 7), ("all_conditions", 22)])
def test_measured_proteins(name, n_found):
    table = np.log(pd.read_csv(folder("sachs") / f"sachs_{name}.csv").iloc[:, :11])
    found = PC(alpha=0.05).fit(table).graph_
    peer = peer_skeleton(list(table.columns), data=table.to_numpy(), alpha=0.05, indep_test="fisherz")
    assert skeleton_of(found) == peer
    assert len(peer) == n_found


def test_the_simulated_graph_of_pcalg():
    table = pl.read_parquet(folder("pcalg_examples") / "gmG8.parquet")
    truth = edges_of(DATA / "pcalg_examples/gmG8_edges.csv", list(table.columns))
    found = PC(alpha=0.01).fit(table).graph_
    peer = peer_skeleton(list(table.columns), data=table.to_numpy(), alpha=0.01, indep_test="fisherz")
    assert skeleton_of(found) == peer == skeleton_of(truth)
    assert shd(truth.to_cpdag(), found) <= 4  # what is recorded of the peer


def test_the_simulated_patients():
    table = pd.read_csv(folder("lucas") / "lucas.csv")
    truth = edges_of(DATA / "lucas/edges.csv", list(table.columns))
    found = PC(alpha=0.05).fit(table).graph_
    peer = peer_skeleton(list(table.columns), data=table.to_numpy(), alpha=0.05, indep_test="fisherz")
    assert skeleton_of(found) == peer
    assert (len(peer), len(peer & skeleton_of(truth))) == (14, 11)


# --- knowledge --------------------------------------------------------------------------------------


def tiers_of(path):
    """Read the tiers of a knowledge file, and which of them forbid edges within."""
    tiers, closed, reading = [], [], False
    for line in path.read_text().splitlines():
        words = line.split()
        if line.startswith("addtemporal"):
            reading = True
        elif reading and words and words[0].rstrip("*").isdigit():
            tiers.append(words[1:])
            closed.append(words[0].endswith("*"))
        elif reading and not (words and words[0].isdigit()):
            reading = False
    return tiers, closed


@pytest.mark.parametrize("name", ["auto-mpg", "airfoil-self-noise"])
def test_tiers_of_measured_tables_are_obeyed(name):
    table = pd.read_csv(folder("uci_tiers") / f"{name}.csv").dropna()
    tiers, closed = tiers_of(DATA / f"uci_tiers/{name}.knowledge.txt")
    forbidden = [
        pair
        for tier, is_closed in zip(tiers, closed, strict=True)
        for u, v in (combinations(tier, 2) if is_closed else ())
        for pair in ((u, v), (v, u))
    ]
    knowledge = Knowledge(forbidden=forbidden, tiers=tiers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CITestWarning)  # some columns have few values
        free = PC(alpha=0.01).fit(table).graph_
        bound = PC(alpha=0.01, knowledge=knowledge).fit(table).graph_
    assert not [edge for edge in bound.directed_edges if knowledge.forbids(*edge)]
    broken = [edge for edge in free.directed_edges if knowledge.forbids(*edge)]
    assert 2 * len(broken) <= max(1, len(free.directed_edges))
    assert all(set(pair) <= set(table.columns) for pair in forbidden)
