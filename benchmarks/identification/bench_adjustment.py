"""CPU time of adjustment sets beside networkx: same graphs, same questions, one process.

Random DAGs with three edges per node, and questions whose answer is not trivial: the treatment causes the
outcome, and nothing but a set of covariates removes the confounding. networkx knows minimal separators
but no effects, so that it is given the back-door graph, ready made; its answer is one minimal set for
one treatment with the nodes that are no descendants of it.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from functools import partial

import networkx as nx

from causalrep.graphs import DAG
from causalrep.identification import adjustment_sets, is_valid_adjustment, optimal_adjustment


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


def random_dag(n_nodes: int, chance: random.Random) -> DAG:
    edges: dict[tuple[int, int], None] = {}
    while len(edges) < 3 * n_nodes:
        i, j = sorted(chance.sample(range(n_nodes), 2))
        edges[i, j] = None
    return DAG(edges, nodes=range(n_nodes))


def questions(g: DAG, n_questions: int, chance: random.Random) -> list[tuple[int, int]]:
    """Return pairs of a cause and its effect for which something must be adjusted for."""
    found: list[tuple[int, int]] = []
    while len(found) < n_questions:
        x, y = sorted(chance.sample(range(len(g) // 5, len(g)), 2))
        if y in g.descendants(x) and not is_valid_adjustment(g, x, y):
            found.append((x, y))
    return found


def nearest(g: DAG, x: int, y: int) -> object:
    """One minimal set, in two searches."""
    return adjustment_sets(g, x, y, "minimal", limit=1)


def measure(n_nodes: int, seed: int, n_questions: int) -> dict[str, tuple[float, float | None]]:
    """Return for each kind of answer the median seconds of causalrep and, where it can, of networkx."""
    chance = random.Random(seed)
    g = random_dag(n_nodes, chance)
    asked = questions(g, n_questions, chance)
    twins: list[tuple[nx.DiGraph, set[int]]] = []
    for x, y in asked:
        twin = g.cut_outgoing(x).to_networkx()
        twins.append((twin, {v for v in g.nodes if v not in g.descendants(x)} - {x, y}))
    for (x, y), (twin, usable) in zip(asked, twins, strict=True):
        separator = nx.find_minimal_d_separator(twin, {x}, {y}, restricted=usable)
        if not is_valid_adjustment(g, x, y, separator):
            raise SystemExit(f"the libraries disagree on {x} and {y}")

    def ours(call: Callable[..., object]) -> float:
        return statistics.median(cpu_seconds(partial(call, g, x, y)) for x, y in asked)

    pairs = []  # the sides take turns, so that load on the machine hits both
    for (x, y), (twin, usable) in zip(asked, twins, strict=True):
        peer = partial(nx.find_minimal_d_separator, twin, {x}, {y}, restricted=usable)
        pairs.append((cpu_seconds(partial(nearest, g, x, y)), cpu_seconds(peer)))
    mine, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {
        "minimal set": (mine, theirs),
        "is it valid": (ours(lambda g, x, y: is_valid_adjustment(g, x, y, g.parents(x))), None),
        "optimal set": (ours(optimal_adjustment), None),
        "canonical set": (ours(partial(adjustment_sets, kind="canonical")), None),
        "minimum set": (ours(partial(adjustment_sets, kind="minimum")), None),
        "100 minimal sets": (ours(partial(adjustment_sets, kind="minimal", limit=100)), None),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[100, 500, 1000, 2000, 5000])
    parser.add_argument("--questions", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table = {n: measure(n, arguments.seed, arguments.questions) for n in arguments.nodes}
    if arguments.json:
        print(
            json.dumps(
                {"unit": "CPU seconds", "columns": ["causalrep", "networkx"], "nodes": table}, indent=2
            )
        )
        return
    print(f"{'nodes':>6}  {'question':<18}{'causalrep':>12}{'networkx':>12}   ratio   (CPU ms, medians)")
    for n_nodes, rows in table.items():
        for name, (mine, peer) in rows.items():
            beside = f"{1e3 * peer:>12.3f}{peer / mine:>7.1f}x" if peer is not None else f"{'-':>12}"
            print(f"{n_nodes:>6}  {name:<18}{1e3 * mine:>12.3f}{beside}")


if __name__ == "__main__":
    main()
