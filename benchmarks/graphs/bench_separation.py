"""CPU time of separation beside networkx: same graphs, same queries, one process, answers compared.

Random DAGs of degree 6 (three edges per node). Queries ask for two random nodes given five others; the
batch is 1 000 such queries at once; separators are sought for two random nodes that are not adjacent.
networkx has no batch, no matrix and no CPDAG: batch and matrix stand against its single calls.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial

import networkx as nx

from causalrep.graphs import DAG

#: Queries that are timed one by one.
N_TIMED = 30

Query = tuple[int, int, list[int]]


def cpu_seconds(call: Callable[[], object], at_least: float = 5e-3) -> float:
    """Return the CPU seconds of one call, repeated within until the clock can resolve it."""
    n_calls = 1
    while True:
        start = time.process_time()
        for _ in range(n_calls):
            call()
        elapsed = time.process_time() - start
        if elapsed > at_least:
            return elapsed / n_calls
        n_calls *= 4


def random_edges(n_nodes: int, chance: random.Random) -> list[tuple[int, int]]:
    """Return 3 n_nodes distinct edges; nodes are numbered in an order unrelated to causes."""
    order = chance.sample(range(n_nodes), n_nodes)
    edges: dict[tuple[int, int], None] = {}
    while len(edges) < 3 * n_nodes:
        i, j = sorted(chance.sample(range(n_nodes), 2))
        edges[order[i], order[j]] = None
    return list(edges)


Call = Callable[[], object]


def means(calls: Sequence[tuple[Call, Call]]) -> tuple[float, float]:
    """Return the mean CPU seconds of either side; the sides take turns.

    Means, not medians: easy queries end early, and what one waits for is the sum.
    """
    ours, theirs = zip(*((cpu_seconds(a), cpu_seconds(b)) for a, b in calls), strict=True)
    return statistics.fmean(ours), statistics.fmean(theirs)


def separation_calls(ours: DAG, theirs: nx.DiGraph, asked: list[Query]) -> list[tuple[Call, Call]]:
    """Return the calls to time, once both libraries have been found to agree."""
    calls: list[tuple[Call, Call]] = []
    for x, y, z in asked:
        peer = partial(nx.is_d_separator, theirs, {x}, {y}, set(z))
        if ours.is_separated(x, y, z) != peer():
            raise SystemExit(f"the libraries disagree on {x} and {y} given {z}")
        calls.append((partial(ours.is_separated, x, y, z), peer))
    return calls


def separator_calls(ours: DAG, theirs: nx.DiGraph, asked: list[Query]) -> list[tuple[Call, Call]]:
    """Return the calls to time, for pairs without an edge; what ours finds is minimal by the peer's word."""
    calls: list[tuple[Call, Call]] = []
    for x, y, _ in asked:
        if theirs.has_edge(x, y) or theirs.has_edge(y, x):
            continue
        found = ours.find_minimal_separator(x, y)
        if found is None or not nx.is_minimal_d_separator(theirs, x, y, set(found)):
            raise SystemExit(f"no minimal separator of {x} and {y}: {found}")
        calls.append(
            (
                partial(ours.find_minimal_separator, x, y),
                partial(nx.find_minimal_d_separator, theirs, x, y),
            )
        )
    return calls


def measure(n_nodes: int, seed: int, repetitions: int) -> dict[str, tuple[float, float | None]]:
    """Return for each question the CPU seconds of causalrep and of networkx, where it can answer."""
    chance = random.Random(f"{seed} {n_nodes}")
    edges = random_edges(n_nodes, chance)
    ours, theirs = DAG(edges, nodes=range(n_nodes)), nx.DiGraph(edges)
    theirs.add_nodes_from(range(n_nodes))
    asked: list[Query] = [(x, y, z) for x, y, *z in (chance.sample(range(n_nodes), 7) for _ in range(1000))]

    def median(call: Call) -> float:
        return statistics.median(cpu_seconds(call) for _ in range(repetitions))

    single, peer = means(separation_calls(ours, theirs, asked[:N_TIMED]))
    batch = median(lambda: ours.are_separated(asked)) / len(asked)
    matrix = median(lambda: ours.separation_matrix(asked[0][2])) / n_nodes**2
    anew = median(lambda: DAG(edges, nodes=range(n_nodes)).to_cpdag())
    return {
        "one separation": (single, peer),
        "one of 1 000 at once": (batch, peer),
        "one entry of the matrix": (matrix, peer),
        "minimal separator": means(separator_calls(ours, theirs, asked[:N_TIMED])),
        "CPDAG, graph built anew": (anew, None),
    }


def bytes_per_edge(n_nodes: int, seed: int) -> float:
    """Return what a graph and everything that separation derives from it keep, per edge."""
    edges = random_edges(n_nodes, random.Random(f"{seed} {n_nodes}"))
    tracemalloc.start()
    graph = DAG(edges, nodes=range(n_nodes))
    graph.is_separated(0, 1)
    graph.find_minimal_separator(0, 1)
    graph.are_separated([(0, 1)])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept / len(edges)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[100, 500, 1000, 2000, 5000])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table = {n: measure(n, arguments.seed, arguments.repetitions) for n in arguments.nodes}
    memory = {n: bytes_per_edge(n, arguments.seed) for n in arguments.nodes}
    if arguments.json:
        print(json.dumps({"cpu_seconds": table, "bytes_per_edge": memory}, indent=2))
        return
    print(f"{'nodes':>6}  {'question':<26}{'causalrep':>12}{'networkx':>12}    ratio   (CPU ms)")
    for n_nodes, rows in table.items():
        for name, (mine, peer) in rows.items():
            theirs = f"{1e3 * peer:>12.3f}{peer / mine:>9.1f}x" if peer is not None else f"{'-':>12}"
            print(f"{n_nodes:>6}  {name:<26}{1e3 * mine:>12.4f}{theirs}")
    print("bytes kept per edge:", ", ".join(f"{n}: {size:.0f}" for n, size in memory.items()))


if __name__ == "__main__":
    main()
