"""CPU time and quality of searches by scores and functional models, beside peers, on the same data.

``ges``: random DAGs with three neighbours per node, linear Gaussian, 1,000 standardised rows, columns in
random order; beside causal-learn's GES. Quality is the skeleton's F1, the structural Hamming distance to the
true equivalence class, and the score, ours and theirs by the same function.

``boss``: the same beside causal-learn's BOSS, both with twice the price of the BIC, which is its default.

``lingam``: the same with uniform noise, not standardised; beside causal-learn's DirectLiNGAM. Quality is the
Hamming distance to the true DAG, and whether the orders are the same.

``notears``: as for ``ges``, not standardised; beside NOTEARS of gCastle, where ``--peers`` names the folder
of its installation. Quality is the objective, ours and theirs by the same function, and the Hamming distance
to the true DAG.

``dagma``: the same beside the package of DAGMA's authors.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bench_pc import DEGREE, simulate

from causalrep.discovery import BOSS, DAGMA, GES, NOTEARS, DirectLiNGAM, GaussianBIC
from causalrep.discovery._acyclic_optimum import (
    ordered_optimum,
    penalised_loss,
    smallest_acyclic_threshold,
)
from causalrep.discovery._weighted_search import forwards
from causalrep.graphs import DAG, PDAG
from causalrep.metrics import shd, skeleton_scores

Row = dict[str, float]

N_ROWS = 1000


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


def one_boss(d: int, seed: int) -> Row:
    from causallearn.search.PermutationBased.BOSS import boss as peer

    dag, X = simulate(d, seed)
    truth = dag.to_cpdag()
    ours, seconds = timed(lambda: BOSS(GaussianBIC(penalty=2.0)).fit(X))
    with contextlib.redirect_stdout(io.StringIO()):
        found, peer_seconds = timed(lambda: peer(X, verbose=False))
    theirs = PDAG.from_causallearn(found.graph, list(range(d)))
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


def simulate_gaussian(d: int, seed: int) -> tuple[DAG, np.ndarray]:
    """Return a random DAG on 0, ..., d - 1 and data from a linear model on it with noise of variance one."""
    rng = np.random.default_rng([d, seed])
    edges = np.triu(rng.random((d, d)) < DEGREE / (d - 1), 1)
    weights = edges * rng.uniform(0.5, 1.5, (d, d)) * rng.choice([-1, 1], (d, d))
    X = np.zeros((N_ROWS, d))
    for k in range(d):
        X[:, k] = X @ weights[:, k] + rng.normal(size=N_ROWS)
    order = rng.permutation(d)
    return DAG.from_adjacency(edges[np.ix_(order, order)].astype(int), list(range(d))), X[:, order]


def one_dagma(d: int, seed: int) -> Row:
    from dagma.linear import DagmaLinear

    dag, X = simulate_gaussian(d, seed)
    ours, seconds = timed(lambda: DAGMA(standardize="never").fit(X))
    rows = X.copy()  # it centres in place
    with contextlib.redirect_stderr(io.StringIO()):  # a progress bar
        W, peer_seconds = timed(lambda: DagmaLinear("l2").fit(rows, lambda1=0.1, w_threshold=0.0))
    return compared(dag, X, ours, W, seconds, peer_seconds)


def one_notears(d: int, seed: int) -> Row:
    from castle.algorithms.gradient.notears.linear import Notears

    dag, X = simulate_gaussian(d, seed)
    ours, seconds = timed(lambda: NOTEARS(standardize="never").fit(X))
    theirs = Notears()
    _, peer_seconds = timed(lambda: theirs.learn(X))
    W = np.asarray(theirs.weight_causal_matrix)
    return compared(dag, X, ours, W, seconds, peer_seconds)


def compared(dag: DAG, X: np.ndarray, ours: Any, W: np.ndarray, seconds: float, peer_seconds: float) -> Row:
    """Return times and quality of our search and of a peer's weights.

    Theirs leave cycles of small weights, ours none, so both objectives are also compared in the order of
    each: theirs is taken to the best acyclic weights as ours are.
    """
    S, price = np.cov(X.T, bias=True), np.full(W.shape, 0.1)
    nothing = np.zeros(W.shape, dtype=bool)
    acyclic = np.abs(W) > smallest_acyclic_threshold(W, 0.0, nothing)
    wrong = (dag.to_adjacency() != 0) != (np.abs(W) > 0.3)
    return {
        "ours": seconds,
        "peer": peer_seconds,
        "ours objective": ours.objective_,
        "peer objective as it is": penalised_loss(S, price, W),
        "peer objective in order": ordered_optimum(S, price, forwards(acyclic))[1],
        "ours SHD": shd(dag, ours.graph_),
        "peer SHD": int(np.triu(wrong | wrong.T).sum()),
    }


PARTS: dict[str, tuple[Callable[[int, int], Row], list[int]]] = {
    "ges": (one_ges, [20, 50]),
    "boss": (one_boss, [20, 50, 100]),
    "lingam": (one_lingam, [10, 20, 50]),
    "notears": (one_notears, [10, 20, 50]),
    "dagma": (one_dagma, [10, 20, 50]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--peers", type=Path, help="site-packages of an environment with gCastle and dagma")
    arguments = parser.parse_args()
    if arguments.peers:
        sys.path.append(str(arguments.peers))  # after our own, whose versions win
    logging.disable(logging.INFO)
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
