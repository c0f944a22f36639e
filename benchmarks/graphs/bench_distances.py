"""CPU time of distances between graphs beside gadjid: same graphs, equal numbers, one process.

Random DAGs with three edges per node, and their CPDAGs; once against an unrelated guess, once against
one that differs from the truth in a tenth of the edges. gadjid is compiled; we are Python.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from functools import partial

import gadjid
import numpy as np
from scipy import sparse

from causalrep.graphs import CPDAG, DAG
from causalrep.metrics import adjustment_distance, separation_distance, sid

PEERS = {
    "sid": gadjid.sid,
    "parent": gadjid.parent_aid,
    "ancestor": gadjid.ancestor_aid,
    "oset": gadjid.oset_aid,
}


def random_dag(n_nodes: int, chance: random.Random) -> DAG:
    """Return a DAG with three edges per node, in an order that has nothing to do with the numbers."""
    edges: dict[tuple[int, int], None] = {}
    while len(edges) < 3 * n_nodes:
        i, j = sorted(chance.sample(range(n_nodes), 2))
        edges[i, j] = None
    names = chance.sample(range(n_nodes), n_nodes)
    return DAG([(names[i], names[j]) for i, j in edges], nodes=range(n_nodes))


def near(truth: DAG, chance: random.Random) -> DAG:
    """Return the truth without a tenth of its edges, and with as many others."""
    order = truth.topological_order()
    edges = dict.fromkeys(chance.sample(list(truth.directed_edges), 27 * len(truth) // 10))
    while len(edges) < 3 * len(truth):
        i, j = sorted(chance.sample(range(len(truth)), 2))
        edges[order[i], order[j]] = None
    return DAG(edges, nodes=truth.nodes)


def matrix(graph: DAG | CPDAG) -> sparse.csr_matrix:
    """Return the graph as gadjid wants it: 1 directed from row to column, 2 undirected."""
    coded = [(u, v, 1) for u, v in graph.directed_edges] + [(u, v, 2) for u, v in graph.undirected_edges]
    rows, columns, values = (np.array(column) for column in zip(*coded, strict=True))
    shape = (len(graph), len(graph))
    return sparse.csr_matrix((values.astype(np.int8), (rows, columns)), shape=shape)


def timed(call: Callable[[], float]) -> tuple[float, float]:
    """Return the CPU seconds and the result of a call."""
    start = time.process_time()
    found = call()
    return time.process_time() - start, found


def compare(kind: str, truth: DAG | CPDAG, guess: DAG | CPDAG, repetitions: int) -> dict[str, float]:
    """Return the median CPU seconds of either side, who take turns, after a check that they agree."""
    A, B = matrix(truth), matrix(guess)
    seconds: dict[str, list[float]] = {"causalrep": [], "gadjid": []}
    for _ in range(repetitions):
        mine = timed(lambda: sid(truth, guess) if kind == "sid" else adjustment_distance(truth, guess, kind))
        theirs = timed(lambda: PEERS[kind](A, B, edge_direction="from row to column")[1])
        if mine[1] != theirs[1]:
            raise SystemExit(f"the libraries disagree on {kind}: {mine[1]} and {theirs[1]}")
        seconds["causalrep"].append(mine[0])
        seconds["gadjid"].append(theirs[0])
    return {name: statistics.median(values) for name, values in seconds.items()} | {"distance": mine[1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for n_nodes in arguments.nodes:
        chance = random.Random(arguments.seed)
        truth = random_dag(n_nodes, chance)
        for name, guess in (("unrelated", random_dag(n_nodes, chance)), ("near", near(truth, chance))):
            for kind in PEERS:
                found = compare(kind, truth, guess, arguments.repetitions)
                rows.append({"nodes": n_nodes, "type": "DAG", "guess": name, "kind": kind} | found)
                if kind != "sid":
                    found = compare(kind, truth.to_cpdag(), guess.to_cpdag(), arguments.repetitions)
                    rows.append({"nodes": n_nodes, "type": "CPDAG", "guess": name, "kind": kind} | found)
            seconds, distance = timed(partial(separation_distance, truth, guess))
            rows.append(
                {"nodes": n_nodes, "type": "DAG", "guess": name, "kind": "separation", "causalrep": seconds}
                | {"distance": distance}
            )
    if arguments.json:
        print(json.dumps({"unit": "CPU seconds", "rows": rows}, indent=2))
        return
    print(
        f"{'nodes':>6}  {'type':<6}{'guess':<11}{'kind':<11}"
        f"{'distance':>9}{'causalrep':>11}{'gadjid':>10}  ours/theirs   (CPU ms)"
    )
    for row in rows:
        start = f"{row['nodes']:>6}  {row['type']:<6}{row['guess']:<11}{row['kind']:<11}"
        line = f"{start}{row['distance']:>9}{1e3 * row['causalrep']:>11.1f}"
        if "gadjid" in row:
            line += f"{1e3 * row['gadjid']:>10.1f}{row['causalrep'] / row['gadjid']:>12.2f}x"
        print(line)


if __name__ == "__main__":
    main()
