"""What the searches find in measured and published data, beside the anchors recorded with the data.

Sachs: 853 observational cells and all 7,466 pooled, logarithms, against both lists of true edges. bnlearn:
samples of 10,000 rows from six discrete networks, chi-square test, alpha 0.05, against the true class.
Tetrad: three simulated graphs of twenty nodes. UCI: two tables with tiers of time, with and without them.
The data are not part of the library; without them nothing is run.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from causalrep.discovery import FCI, PC, RFCI, Bootstrap, Knowledge
from causalrep.graphs import CPDAG, DAG, PDAG, Graph
from causalrep.metrics import shd

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


def pairs(graph: Graph) -> set[frozenset[Any]]:
    return {frozenset((u, v)) for u in graph.nodes for v in graph.adjacent(u)}


def to_dag_distance(truth: DAG, guess: PDAG) -> int:
    """Return the number of pairs on which a DAG and the estimate differ; a line differs from an arrow."""
    return shd(PDAG(truth.directed_edges, nodes=truth.nodes), guess)


def sachs(folder: Path) -> None:
    print("| data | method | adjacencies | in 17 | SHD 17 | in 20 | SHD 20 | CPU s |")
    print("|---|---|---|---|---|---|---|---|")
    for label, name in (("853 observational", "observational_853"), ("7,466 pooled", "all_conditions")):
        table = np.log(pd.read_csv(folder / f"sachs_{name}.csv").iloc[:, :11])
        truths = [
            edges_of(folder / f"edges_{name}.csv", list(table.columns))
            for name in ("bnlearn_17", "consensus_20")
        ]
        for rule in ("max_p", "standard", "conservative", "majority"):
            report(label, f"PC Fisher-z 0.05, {rule}", PC(alpha=0.05, collider_rule=rule), table, truths)
        if len(table) < 1000:  # minutes on the pooled cells, where the tests go deep
            report(label, "PC polynomial 0.05", PC("polynomial", alpha=0.05), table, truths)
        report(label, "100 bootstraps of PC 0.05", Bootstrap(PC(alpha=0.05)), table, truths)
        for search in (FCI(alpha=0.05), RFCI(alpha=0.05)):
            report(label, f"{type(search).__name__} Fisher-z 0.05", search, table, truths)


def report(label: str, method: str, search: Any, table: pd.DataFrame, truths: list[DAG]) -> None:
    start = time.process_time()
    graph = search.fit(table).graph_
    seconds = time.process_time() - start
    cells = []
    for truth in truths:
        distance = str(to_dag_distance(truth, graph)) if isinstance(graph, PDAG) else ""
        cells += [str(len(pairs(graph) & pairs(truth))), distance]
    print(f"| {label} | {method} | {len(pairs(graph))} | {' | '.join(cells)} | {seconds:.2f} |", flush=True)


def bnlearn(folder: Path, rule: str) -> None:
    print(f"\n{rule}\n\n| network | nodes | true | found | shared | SHD | recorded | CPU s |")
    print("|---|---|---|---|---|---|---|---|")
    for name in NETWORKS:
        table = pl.read_parquet(folder / f"{name}_10000.parquet")
        truth: CPDAG = edges_of(folder / f"{name}_edges.csv", list(table.columns)).to_cpdag()
        start = time.process_time()
        graph = PC("chisquare", alpha=0.05, collider_rule=rule).fit(table).graph_
        seconds = time.process_time() - start
        here, true = pairs(graph), pairs(truth)
        recorded = ", ".join(map(str, ANCHORS[name]))
        print(
            f"| {name} | {len(truth.nodes)} | {len(true)} | {len(here)} | {len(here & true)} "
            f"| {shd(truth, graph)} | {recorded} | {seconds:.2f} |",
            flush=True,
        )


def tetrad(folder: Path) -> None:
    print("\n| data | rule | found | shared | SHD | recorded |\n|---|---|---|---|---|---|")
    recorded = {1: "31, 28, 18", 2: "28, 28, 10", 3: "28, 26, 19"}
    for kind, test in (("linear", "fisherz"), ("discrete", "chisquare")):
        for k, anchor in recorded.items():
            table = pl.read_parquet(folder / f"{kind}_{k}.parquet")
            truth = edges_of(folder / f"edges_{k}.csv", list(table.columns)).to_cpdag()
            for rule in ("max_p", "standard", "majority"):
                graph = PC(test, alpha=0.05, collider_rule=rule).fit(table).graph_
                shared = len(pairs(graph) & pairs(truth))
                known = anchor if kind == "linear" else ""
                cells = (f"{kind}_{k}", rule, len(pairs(graph)), shared, shd(truth, graph), known)
                print(f"| {' | '.join(map(str, cells))} |")


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
    parser.add_argument(
        "--rules", nargs="+", default=["max_p", "standard"], help="collider rules for bnlearn"
    )
    args = parser.parse_args()
    if not (args.data / "sachs").is_dir():
        print(f"no data in {args.data}")
        return
    sachs(args.data / "sachs")
    tetrad(args.data / "tetrad_sim20")
    uci(args.data / "uci_tiers")
    for rule in args.rules:
        bnlearn(args.data / "bnlearn_samples", rule)


if __name__ == "__main__":
    main()
