"""CPU time of graph questions beside networkx: same graphs, same queries, one process.

Random DAGs with three edges per node. A separation query asks for two random nodes given five
others. networkx has no CPDAG; its column shows the first step of one, listing the v-structures.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import networkx as nx

from causalrep.graphs import DAG


def cpu_seconds(call: Callable[[], object]) -> float:
    """Return the CPU seconds of one call, repeated within until the clock can resolve it."""
    n_calls = 1
    while True:
        start = time.process_time()
        for _ in range(n_calls):
            call()
        elapsed = time.process_time() - start
        if elapsed > 2e-3:
            return elapsed / n_calls
        n_calls *= 4


def medians(
    pairs: Sequence[tuple[Callable[[], object], Callable[[], object]]],
) -> tuple[float, float]:
    """Return the median of either side; the sides take turns, so that load on the machine hits both."""
    ours, theirs = zip(*((cpu_seconds(a), cpu_seconds(b)) for a, b in pairs), strict=True)
    return statistics.median(ours), statistics.median(theirs)


def questions(n_nodes: int, seed: int, repetitions: int) -> dict[str, tuple[float, float]]:
    """Return for each question the median seconds of causalrep and of networkx."""
    chance = random.Random(seed)
    edges: dict[tuple[int, int], None] = {}
    while len(edges) < 3 * n_nodes:
        i, j = sorted(chance.sample(range(n_nodes), 2))
        edges[i, j] = None
    ours, theirs = DAG(edges, nodes=range(n_nodes)), nx.DiGraph(list(edges))
    theirs.add_nodes_from(range(n_nodes))

    queries = []
    for _ in range(repetitions):
        x, y, *z = chance.sample(range(n_nodes), 7)
        if ours.is_separated(x, y, z) != nx.is_d_separator(theirs, {x}, {y}, set(z)):
            raise SystemExit(f"the libraries disagree on {x} and {y} given {z}")
        queries.append((x, y, z))

    def both(ask_ours: Callable[..., Any], ask_theirs: Callable[..., Any]) -> tuple[float, float]:
        return medians([(partial(ask_ours, *query), partial(ask_theirs, *query)) for query in queries])

    def build(*_: Any) -> DAG:
        return DAG(edges, nodes=range(n_nodes))

    return {
        "one d-separation": both(
            ours.is_separated, lambda x, y, z: nx.is_d_separator(theirs, {x}, {y}, set(z))
        ),
        "all targets of one": both(
            lambda x, _, z: ours.separated_from(x, z),
            # The same answer takes a query per target there: timed for 20 of them and scaled up.
            lambda x, _, z: [
                nx.is_d_separator(theirs, {x}, {t}, set(z))
                for t in [t for t in range(n_nodes) if t != x and t not in z][:20]
            ],
        ),
        "build, check acyclic": both(build, lambda *_: nx.is_directed_acyclic_graph(nx.DiGraph(list(edges)))),
        "ancestors": both(lambda x, *_: ours.ancestors(x), lambda x, *_: nx.ancestors(theirs, x)),
        "CPDAG": both(
            # On a fresh graph each time: what is remembered between calls must not count.
            lambda *_: build().to_cpdag(),
            lambda *_: list(nx.dag.v_structures(nx.DiGraph(list(edges)))),
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[100, 500, 1000, 5000])
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table = {}
    for n_nodes in arguments.nodes:
        rows = questions(n_nodes, arguments.seed, arguments.repetitions)
        mine, peer = rows["all targets of one"]
        rows["all targets of one"] = (mine, peer * (n_nodes - 6) / 20)
        table[n_nodes] = rows
    if arguments.json:
        print(
            json.dumps(
                {"unit": "CPU seconds", "columns": ["causalrep", "networkx"], "nodes": table}, indent=2
            )
        )
        return
    print(f"{'nodes':>6}  {'question':<22}{'causalrep':>12}{'networkx':>12}   ratio   (CPU ms, medians)")
    for n_nodes, rows in table.items():
        for name, (mine, peer) in rows.items():
            print(f"{n_nodes:>6}  {name:<22}{1e3 * mine:>12.3f}{1e3 * peer:>12.3f}{peer / mine:>7.1f}x")


if __name__ == "__main__":
    main()
