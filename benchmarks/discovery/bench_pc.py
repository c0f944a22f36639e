"""CPU time of PC with Fisher's z on linear Gaussian data, beside causal-learn, with the quality of both.

Random DAGs with three neighbours per node, alpha 0.01, columns in random order. Ours are the defaults (all
separating sets counted, p-values and sets for every pair, checked result), each the median of five fits,
which are short. Both run on the same data, taking turns. Quality is the structural Hamming distance to the
true equivalence class.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np
from causallearn.search.ConstraintBased.PC import pc as peer_pc

from causalrep.discovery import PC
from causalrep.graphs import CPDAG, DAG
from causalrep.metrics import shd

DEGREE, ALPHA, N_FITS = 3.0, 0.01, 5


def simulate(d: int, seed: int, n: int = 1000) -> tuple[DAG, np.ndarray]:
    """Return a random DAG on 0, ..., d - 1 and standardised data from a linear Gaussian model on it."""
    rng = np.random.default_rng([d, seed])
    order = rng.permutation(d)
    edges = np.triu(rng.random((d, d)) < DEGREE / (d - 1), 1)
    weights = edges * rng.uniform(0.5, 1.5, (d, d)) * rng.choice([-1, 1], (d, d))
    X = np.zeros((n, d))
    for k in range(d):
        X[:, order[k]] = X[:, order] @ weights[:, k] + rng.normal(size=n)
    dag = DAG([(int(order[a]), int(order[b])) for a, b in np.argwhere(edges)], nodes=range(d))
    return dag, X / X.std(axis=0)


def distance(truth: CPDAG, guess: np.ndarray) -> int:
    """Return the structural Hamming distance to a matrix: (i, j) allows i -> j, both ways if undirected.

    For graphs it is `shd`; but causal-learn may return arrows in a circle, which no graph type holds.
    """
    differs = (truth.to_adjacency() != 0) != guess
    return int(np.triu(differs | differs.T).sum())


def allowed(matrix: np.ndarray) -> np.ndarray:
    """Return such a matrix of causal-learn's, where (j, i) = 1 and (i, j) = -1 mean i -> j.

    Its doubled arrows i <-> j count as undirected.
    """
    tail_at_row = (matrix == -1) & (matrix.T != 0)
    return tail_at_row | ((matrix == 1) & (matrix.T == 1))


def one_run(d: int, seed: int, n: int, *, with_peer: bool) -> dict[str, float]:
    dag, X = simulate(d, seed, n)
    truth = dag.to_cpdag()
    seconds = []
    for _ in range(N_FITS):
        start = time.process_time()
        ours = PC(alpha=ALPHA).fit(X)
        seconds.append(time.process_time() - start)
    row = {"ours": statistics.median(seconds), "ours shd": shd(truth, ours.graph_), "tests": ours.n_tests_}
    if with_peer:
        start = time.process_time()
        theirs = peer_pc(X, alpha=ALPHA, indep_test="fisherz", stable=True, show_progress=False)
        row["causal-learn"] = time.process_time() - start
        row["causal-learn shd"] = distance(truth, allowed(theirs.G.graph))
        found = ours.graph_.to_adjacency() != 0
        if distance(truth, found) != row["ours shd"]:
            raise SystemExit("the two ways to measure the distance disagree")
        if not np.array_equal(found | found.T, theirs.G.graph != 0):
            raise SystemExit(f"the skeletons differ at d = {d}, seed {seed}")
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5, help="data sets for each size")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--with-peer", type=int, nargs="*", default=[50, 100])
    parser.add_argument("--alone", type=int, nargs="*", default=[200, 500, 1000])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    PC().fit(simulate(20, 0)[1])  # first calls load libraries
    rows: dict[int, dict[str, Any]] = {}
    for d in (*arguments.with_peer, *arguments.alone):
        runs = [
            one_run(d, seed, arguments.rows, with_peer=d in arguments.with_peer)
            for seed in range(arguments.repetitions)
        ]
        rows[d] = {key: [run[key] for run in runs] for key in runs[0]}
    if arguments.json:
        print(json.dumps({"unit": "CPU seconds", "columns": rows}, indent=2))
        return
    print(
        f"CPU seconds, median (min-max), and mean SHD over {arguments.repetitions} data sets "
        f"of {arguments.rows} rows"
    )
    print(
        f"{'d':>5} {'tests':>9} {'ours':>22} {'SHD':>6} {'causal-learn':>22} {'SHD':>6} {'times faster':>13}"
    )
    for d, row in rows.items():
        cells = (
            f"{d:>5} {statistics.median(row['tests']):>9.0f} {spread(row['ours'])} {mean(row['ours shd'])}"
        )
        if "causal-learn" in row:
            ratio = statistics.median(b / a for a, b in zip(row["ours"], row["causal-learn"], strict=True))
            cells += f" {spread(row['causal-learn'])} {mean(row['causal-learn shd'])} {ratio:>13.0f}"
        print(cells)


def spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.3f} ({min(seconds):.3f}-{max(seconds):.3f})".rjust(22)


def mean(values: list[float]) -> str:
    return f"{statistics.mean(values):>6.1f}"


if __name__ == "__main__":
    main()
