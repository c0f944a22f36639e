"""CPU time of identification queries on the literature suite of the tests: verdict, estimand, both.

A query is what a user writes: text in, graph as it stands; the answer has its verdict, its simplified
estimand and, where there is none, its witness. The graph is new in the column "first", so that its
bit masks are built too, and has been asked before in the column "again". Derivations are made when
asked for, and timed apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from causalrep.graphs import ADMG, DAG
from causalrep.identification import identify

SUITE = Path(__file__).resolve().parents[2] / "tests" / "identification" / "literature.py"


def questions() -> list[tuple[Any, str, bool]]:
    """Return (how to make the graph anew, query, recorded answer) for every question of the suite."""
    spec = spec_from_file_location("literature", SUITE)
    if spec is None or spec.loader is None:
        raise SystemExit(f"the suite is not at {SUITE}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return [(maker(case), query, answer) for case in module.CASES for query, answer in case.queries]


def maker(case: Any) -> Callable[[], DAG | ADMG]:
    """Return a function that builds the graph of a case."""
    graph = ADMG.from_string(case.edges)
    if case.latent:
        return lambda: DAG(graph.directed_edges, nodes=graph.nodes, latent=case.latent)
    return lambda: ADMG(graph.directed_edges, graph.bidirected_edges, nodes=graph.nodes)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds and the result of one call."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def one_pass(asked: list[tuple[Any, str, bool]]) -> dict[str, float]:
    """Return mean CPU milliseconds per query of each kind of work."""
    spent = dict.fromkeys(("first", "again", "derivation", "derivation verified"), 0.0)
    for make, query, answer in asked:
        graph = make()
        for column in ("first", "again"):
            seconds, result = timed(lambda graph=graph, query=query: identify(graph, query))
            spent[column] += seconds
        if result.identifiable != answer:
            raise SystemExit(f"wrong verdict for {query} on {graph}")
        seconds, trace = timed(lambda result=result: result.trace)
        spent["derivation"] += seconds
        seconds, holds = timed(trace.verify)
        spent["derivation verified"] += seconds
        if not holds:
            raise SystemExit(f"the derivation of {query} on {graph} does not hold")
    return {column: 1e3 * seconds / len(asked) for column, seconds in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    asked = questions()
    passes = [one_pass(asked) for _ in range(arguments.repetitions)]
    rows = {column: [one[column] for one in passes] for column in passes[0]}
    if arguments.json:
        print(json.dumps({"unit": "CPU ms per query", "queries": len(asked), "rows": rows}, indent=2))
        return
    print(
        f"{len(asked)} queries; CPU ms per query: median (smallest-largest) of {arguments.repetitions} passes"
    )
    for column, values in rows.items():
        print(f"{column:<22}{statistics.median(values):8.3f} ({min(values):.3f}-{max(values):.3f})")


if __name__ == "__main__":
    main()
