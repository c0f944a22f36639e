"""CPU time and quality of searches by scores and functional models, beside peers, on the same data.

``ges``: random DAGs with three neighbours per node, linear Gaussian, 1,000 standardised rows, columns in
random order; beside causal-learn's GES. Quality is the skeleton's F1, the structural Hamming distance to the
true equivalence class, and the score, ours and theirs by the same function.

``lingam``: the same with uniform noise, not standardised; beside causal-learn's DirectLiNGAM. Quality is the
Hamming distance to the true DAG, and whether the orders are the same.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from bench_pc import DEGREE, N_ROWS, simulate

from causalrep.discovery import GES, DirectLiNGAM
from causalrep.graphs import DAG, PDAG
from causalrep.metrics import shd, skeleton_scores

Row = dict[str, float]


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    found = run()
    return found, time.process_time() - start


def one_ges(d: int, seed: int) -> Row:
    from causallearn.search.ScoreBased.GES import ges as peer

    dag, X = simulate(d, seed)
    truth = dag.to_cpdag()
    ours, seconds = timed(lambda: GES().fit(X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, peer_seconds = timed(lambda: peer(X))
    theirs = PDAG.from_causallearn(found["G"].graph, list(range(d)))
    return {
        "ours": seconds,
        "peer": peer_seconds,
        "ours F1": skeleton_scores(truth, ours.graph_).f1,
        "peer F1": skeleton_scores(truth, theirs).f1,
        "ours SHD": shd(truth, ours.graph_),
        "peer SHD": shd(truth, theirs),
        "score above the peer's": ours.score_ - ours.local_score_.total(theirs),
    }


def simulate_uniform(d: int, seed: int) -> tuple[DAG, np.ndarray]:
    """Return a random DAG on 0, ..., d - 1 and data from a linear model on it with uniform noise."""
    rng = np.random.default_rng([d, seed])
    order = rng.permutation(d)
    edges = np.triu(rng.random((d, d)) < DEGREE / (d - 1), 1)
    weights = edges * rng.uniform(0.5, 1.5, (d, d)) * rng.choice([-1, 1], (d, d))
    X = np.zeros((N_ROWS, d))
    for k in range(d):
        X[:, order[k]] = X[:, order] @ weights[:, k] + rng.uniform(-1.0, 1.0, size=N_ROWS)
    return DAG([(int(order[a]), int(order[b])) for a, b in np.argwhere(edges)], nodes=range(d)), X


def one_lingam(d: int, seed: int) -> Row:
    from causallearn.search.FCMBased.lingam import DirectLiNGAM as Peer

    dag, X = simulate_uniform(d, seed)
    ours, seconds = timed(lambda: DirectLiNGAM().fit(X))
    theirs = Peer()
    _, peer_seconds = timed(lambda: theirs.fit(X))
    peer_graph = DAG.from_adjacency((np.asarray(theirs.adjacency_matrix_).T != 0).astype(int), list(range(d)))
    return {
        "ours": seconds,
        "peer": peer_seconds,
        "ours SHD": shd(dag, ours.graph_),
        "peer SHD": shd(dag, peer_graph),
        "same order": float(list(ours.causal_order_) == list(theirs.causal_order_)),
    }


PARTS: dict[str, tuple[Callable[[int, int], Row], list[int]]] = {
    "ges": (one_ges, [20, 50]),
    "lingam": (one_lingam, [10, 20, 50]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--repetitions", type=int, default=10)
    arguments = parser.parse_args()
    run, sizes = PARTS[arguments.part]
    run(5, 0)  # first calls load libraries
    for d in arguments.sizes or sizes:
        report(d, [run(d, seed) for seed in range(arguments.repetitions)])


def report(d: int, rows: list[Row]) -> None:
    """Print medians of seconds and of their ratio, means of the rest."""
    print(f"d = {d}, {len(rows)} data sets")
    for key in rows[0]:
        values = [row[key] for row in rows]
        if key == "ours" or (key.startswith("peer") and " " not in key):
            print(f"  {key:>24}: {statistics.median(values):.4f} s ({min(values):.4f}-{max(values):.4f})")
        else:
            print(f"  {key:>24}: mean {statistics.mean(values):.3f} ({min(values):.3f}-{max(values):.3f})")
    for peer in (key for key in rows[0] if key.startswith("peer") and " " not in key):
        ratio = statistics.median(row[peer] / row["ours"] for row in rows)
        print(f"  {peer + ' / ours':>24}: {ratio:.1f}", flush=True)


if __name__ == "__main__":
    main()
