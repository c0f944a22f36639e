"""What the searches find in measured and published data, beside the anchors recorded with the data.

Sachs: 853 observational cells and all 7,466 pooled, logarithms, against both lists of true edges. bnlearn:
samples of 10,000 rows from six discrete networks, chi-square test, alpha 0.05, against the true class.
Tetrad: three simulated graphs of twenty nodes. UCI: two tables with tiers of time, with and without them.
causal-learn's PC runs beside ours, on the columns as they are and in twenty random orders, on which its
directions depend. The data are not part of the library; without them nothing is run.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from causalrep.discovery import FCI, PC, RFCI, Bootstrap, Knowledge
from causalrep.graphs import CPDAG, DAG, PDAG, Graph
from causalrep.metrics import shd

RULES = ("majority", "max_p", "standard", "conservative")
N_ORDERS = 20
NETWORKS = ("asia", "cancer", "earthquake", "survey", "child", "alarm")
#: causal-learn's PC with the same test and alpha: adjacencies, shared with the truth, distance.
ANCHORS = {
    "asia": (6, 5, 5),
    "cancer": (4, 4, 2),
    "earthquake": (4, 4, 0),
    "survey": (6, 6, 2),
    "child": (25, 25, 9),
    "alarm": (46, 44, 5),
}


#: The order of time that the authors of the UCI collection wrote down.
TIERS = {
    "auto-mpg": [
        "modelyear origin weight",
        "cylinders",
        "displacement",
        "horsepower",
        "acceleration mpg",
    ],
    "airfoil-self-noise": ["Chord Attack Velocity", "Frequency Displacement", "Pressure"],
}


def edges_of(path: Path, nodes: list[str]) -> DAG:
    frame = pd.read_csv(path)
    return DAG(list(frame.itertuples(index=False, name=None)), nodes=nodes)


def parquet(path: Path) -> pd.DataFrame:
    table = pl.read_parquet(path)
    return pd.DataFrame(table.to_dict(as_series=False))


def pairs(graph: Graph) -> set[frozenset[Any]]:
    return {frozenset((u, v)) for u in graph.nodes for v in graph.adjacent(u)}


def to_dag_distance(truth: DAG, guess: PDAG) -> int:
    """Return the number of pairs on which a DAG and the estimate differ; a line differs from an arrow."""
    return shd(PDAG(truth.directed_edges, nodes=truth.nodes), guess)


def peer_distance(truth: np.ndarray, table: pd.DataFrame, test: str, alpha: float) -> int:
    """Return on how many pairs causal-learn's PC differs from a matrix, where (i, j) allows i -> j.

    Undirected edges are allowed both ways; its doubled arrows count as such.
    """
    from causallearn.search.ConstraintBased.PC import pc

    marks = pc(table.to_numpy(), alpha, test, stable=True, show_progress=False).G.graph
    differs = truth != (((marks == -1) & (marks.T != 0)) | ((marks == 1) & (marks.T == 1)))
    return int(np.triu(differs | differs.T).sum())


def peer_distances(truth: Graph, table: pd.DataFrame, test: str, alpha: float) -> str:
    """Return the distance of causal-learn's PC in the order of the columns, and over others."""
    matrix, rng, found = np.asarray(truth.to_adjacency() != 0), np.random.default_rng(0), []
    place = [list(truth.nodes).index(column) for column in table.columns]
    matrix = matrix[np.ix_(place, place)]
    given = peer_distance(matrix, table, test, alpha)
    for _ in range(N_ORDERS):
        order = rng.permutation(len(matrix))
        found.append(peer_distance(matrix[np.ix_(order, order)], table.iloc[:, order], test, alpha))
    return f"{given} | {statistics.median(found):.1f} ({min(found)}-{max(found)})"


def sachs(folder: Path) -> None:
    print("| data | method | adjacencies | in 17 | SHD 17 | in 20 | SHD 20 | CPU s |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for label, name in (("853 observational", "observational_853"), ("7,466 pooled", "all_conditions")):
        table = np.log(pd.read_csv(folder / f"sachs_{name}.csv").iloc[:, :11])
        truths = [
            edges_of(folder / f"edges_{name}.csv", list(table.columns))
            for name in ("bnlearn_17", "consensus_20")
        ]
        for rule in RULES:
            report(label, f"PC Fisher-z 0.05, {rule}", PC(alpha=0.05, collider_rule=rule), table, truths)
        as_peer = PC(alpha=0.05, collider_rule="standard", conflict="overwrite")
        report(label, "PC Fisher-z 0.05, standard, overwrite", as_peer, table, truths)
        if len(table) < 1000:  # minutes on the pooled cells, where the tests go deep
            report(label, "PC polynomial 0.05", PC("polynomial", alpha=0.05), table, truths)
        report(label, "100 bootstraps of PC 0.05", Bootstrap(PC(alpha=0.05)), table, truths)
        for search in (FCI(alpha=0.05), RFCI(alpha=0.05)):
            report(label, f"{type(search).__name__} Fisher-z 0.05", search, table, truths)
        rows += [
            (label, k, peer_distances(t, table, "fisherz", 0.05))
            for k, t in zip((17, 20), truths, strict=True)
        ]
    print("\n| data | true edges | causal-learn | over column orders |\n|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")


def report(label: str, method: str, search: Any, table: pd.DataFrame, truths: list[DAG]) -> None:
    start = time.process_time()
    graph = search.fit(table).graph_
    seconds = time.process_time() - start
    cells = []
    for truth in truths:
        distance = str(to_dag_distance(truth, graph)) if isinstance(graph, PDAG) else ""
        cells += [str(len(pairs(graph) & pairs(truth))), distance]
    print(f"| {label} | {method} | {len(pairs(graph))} | {' | '.join(cells)} | {seconds:.2f} |", flush=True)


def beside_the_peer(name: str, table: pd.DataFrame, truth: CPDAG, test: str, recorded: object) -> None:
    """Print a row: adjacencies, distances of each rule and of causal-learn's configuration, and its own."""
    found, distances, seconds = None, [], 0.0
    for rule in RULES:
        start = time.process_time()
        graph = PC(test, alpha=0.05, collider_rule=rule).fit(table).graph_
        seconds = seconds or time.process_time() - start
        found = found or pairs(graph)
        distances.append(shd(truth, graph))
    for policy in ("first", "overwrite"):
        as_peer = PC(test, alpha=0.05, collider_rule="standard", conflict=policy).fit(table)
        distances.append(shd(truth, as_peer.graph_))
    peer = peer_distances(truth, table, {"fisherz": "fisherz", "chisquare": "chisq"}[test], 0.05)
    true = pairs(truth)
    cells = (name, len(true), len(found), len(found & true), *distances, recorded, peer, f"{seconds:.2f}")
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def heading(what: str) -> None:
    ours = " | ".join((*RULES, "standard, first", "standard, overwrite"))
    print(f"\n{what}\n")
    print(f"| data | true | found | shared | {ours} | recorded | causal-learn | over column orders | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")


def bnlearn(folder: Path) -> None:
    heading("bnlearn samples")
    for name in NETWORKS:
        table = parquet(folder / f"{name}_10000.parquet")
        truth: CPDAG = edges_of(folder / f"{name}_edges.csv", list(table.columns)).to_cpdag()
        beside_the_peer(name, table, truth, "chisquare", ", ".join(map(str, ANCHORS[name])))


def tetrad(folder: Path) -> None:
    heading("Tetrad")
    recorded = {1: "31, 28, 18", 2: "28, 28, 10", 3: "28, 26, 19"}
    for kind, test in (("linear", "fisherz"), ("discrete", "chisquare")):
        for k, anchor in recorded.items():
            table = parquet(folder / f"{kind}_{k}.parquet")
            truth = edges_of(folder / f"edges_{k}.csv", list(table.columns)).to_cpdag()
            beside_the_peer(f"{kind}_{k}", table, truth, test, anchor if kind == "linear" else "")


def uci(folder: Path) -> None:
    print("\n| table | rows | arrows | against tiers | arrows with tiers | against tiers |")
    print("|---|---|---|---|---|---|")
    for name, tiers in TIERS.items():
        table = pd.read_csv(folder / f"{name}.csv").dropna()
        known = Knowledge(tiers=[tier.split() for tier in tiers])
        cells = []
        for knowledge in (None, known):
            arrows = PC(alpha=0.01, knowledge=knowledge).fit(table).graph_.directed_edges
            cells += [len(arrows), sum(known.forbids(*arrow) for arrow in arrows)]
        print(f"| {name} | {len(table):,} | {' | '.join(map(str, cells))} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="../shared/data", type=Path)
    args = parser.parse_args()
    if not (args.data / "sachs").is_dir():
        print(f"no data in {args.data}")
        return
    warnings.simplefilter("ignore")
    sachs(args.data / "sachs")
    tetrad(args.data / "tetrad_sim20")
    uci(args.data / "uci_tiers")
    bnlearn(args.data / "bnlearn_samples")


if __name__ == "__main__":
    main()
