"""CPU time of equivalence classes: their size, members at random, the first members, what experiments tell.

Chordal graphs in which every new node joins part of a clique, so that a class has astronomically many
members; complete graphs, whose size is a factorial; trees, whose size is the number of nodes. No
peer: what is installable counts by listing the members.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Callable
from itertools import combinations
from typing import Any

from causalrep.graphs import CPDAG


def chordal(n_nodes: int, width: int, seed: int) -> CPDAG:
    """Return a class whose graph is chordal, undirected and connected."""
    chance = random.Random(seed)
    cliques, edges = [[0]], []
    for new in range(1, n_nodes):
        clique = chance.choice(cliques)
        joined = chance.sample(clique, min(len(clique), chance.randint(1, width)))
        edges += [(old, new) for old in joined]
        cliques.append([*joined, new])
    return CPDAG(undirected=edges, nodes=range(n_nodes))


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds and the result of a call."""
    start = time.process_time()
    found = call()
    return time.process_time() - start, found


def measure(name: str, make: Callable[[], CPDAG]) -> dict[str, Any]:
    """Return what building, counting, drawing and listing take."""
    building, g = timed(make)
    counting, size = timed(g.size)
    drawing, _ = timed(lambda: g.sample_dags(100, random_state=0))
    listing, _ = timed(lambda: list(g.dags(limit=100)))
    return {
        "graph": name,
        "edges": len(g.undirected_edges),
        "size": str(size)
        if size < 1e19
        else f"{math.exp(math.log(size) % math.log(10)):.2f}e{int(math.log10(size))}",
        "check": building,
        "size()": counting,
        "100 drawn": drawing,
        "100 listed": listing,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    cases: dict[str, Callable[[], CPDAG]] = {
        f"chordal, {n} nodes, width {width}": lambda n=n, width=width: chordal(n, width, arguments.seed)
        for n, width in ((200, 4), (200, 12), (200, 25), (1000, 6))
    }
    cases["complete, 20 nodes"] = lambda: CPDAG(undirected=combinations(range(20), 2))
    cases["complete, 100 nodes"] = lambda: CPDAG(undirected=combinations(range(100), 2))
    cases["path, 5000 nodes"] = lambda: CPDAG(undirected=[(i, i + 1) for i in range(4999)])
    rows = [measure(name, make) for name, make in cases.items()]
    if arguments.json:
        print(json.dumps({"unit": "CPU seconds", "rows": rows}, indent=2))
        return
    print(
        f"{'graph':<30}{'edges':>6}{'size':>21}{'check':>9}{'size()':>9}{'100 drawn':>11}{'100 listed':>12}"
    )
    for row in rows:
        times = "".join(
            f"{1e3 * row[k]:>{w}.0f}" for k, w in (("check", 9), ("size()", 9), ("100 drawn", 11))
        )
        print(f"{row['graph']:<30}{row['edges']:>6}{row['size']:>21}{times}{1e3 * row['100 listed']:>12.0f}")
    print("(CPU ms)")


if __name__ == "__main__":
    main()
