"""CPU time and peak memory of PC with Fisher's z as variables get more, each size in its own process."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

N_ROWS, DEGREE, ALPHA = 1000, 2.0, 0.001


def sample(d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges (cause, effect) of a sparse random DAG in random order, and standardised rows."""
    rng = np.random.default_rng([d, seed])
    order = rng.permutation(d)
    n_edges = int(d * DEGREE / 2)
    ends = np.unique(np.sort(rng.integers(d, size=(n_edges, 2)), axis=1), axis=0)
    ends = ends[ends[:, 0] < ends[:, 1]]
    ends = ends[np.argsort(ends[:, 1], kind="stable")]
    X = rng.normal(size=(d, N_ROWS))
    weights = rng.uniform(0.5, 1.0, len(ends)) * rng.choice([-1, 1], len(ends))
    for (a, b), weight in zip(ends.tolist(), weights.tolist(), strict=True):
        X[b] += weight * X[a]
    X /= X.std(axis=1, keepdims=True)
    columns = np.empty_like(X)
    columns[order] = X
    return order[ends], np.ascontiguousarray(columns.T)


def one(d: int) -> None:
    from causalrep.discovery import PC

    edges, X = sample(d, 0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.process_time()
    pc = PC(alpha=ALPHA).fit(X)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    true = {frozenset(edge) for edge in edges.tolist()}
    found = {frozenset(edge) for edge in (*pc.graph_.directed_edges, *pc.graph_.undirected_edges)}
    f1 = 2 * len(true & found) / (len(true) + len(found))
    print(
        f"| {d:,} | {len(true):,} | {pc.n_tests_:,} | {len(pc.n_tests_per_level_)} | {seconds:.2f} "
        f"| {before:.2f} | {peak:.2f} | {f1:.3f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1000, 2000, 5000, 10_000])
    parser.add_argument("--one", type=int)
    args = parser.parse_args()
    if args.one:
        one(args.one)
        return
    print("| d | edges | tests | levels | CPU s | GiB before the fit | peak GiB | skeleton F1 |")
    print("|---|---|---|---|---|---|---|---|")
    for d in args.sizes:  # peaks of memory never fall, so that each needs a process
        subprocess.run([sys.executable, __file__, "--one", str(d)], check=True)


if __name__ == "__main__":
    main()
