"""PCMCI+ beside tigramite on the same series: CPU time, whether the graphs are equal, and how near the truth.

    python benchmarks/discovery/bench_time_series.py [--columns 5 20 50] [--processes 3]

Linear stationary processes: every series remembers its last value, and has on average one lagged cause, with
a lag up to three, and half a contemporaneous one; a thousand rows, Gaussian noise.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import tigramite.data_processing as pp
from numpy.typing import NDArray
from tigramite.independence_tests.parcorr import ParCorr
from tigramite.pcmci import PCMCI

from causalrep.discovery import PCMCIPlus

N_ROWS, MAX_LAG, ALPHA, BURN_IN = 1000, 3, 0.01, 200


def process(d: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return rows, and whether series i causes series j after each lag, shape (d, d, MAX_LAG + 1)."""
    rng = np.random.default_rng(seed)
    place = rng.permutation(d)
    W = np.zeros((MAX_LAG + 1, d, d))
    W[0] = (rng.random((d, d)) < 1 / d) & (place[:, None] < place[None, :])
    W[1:] = (rng.random((MAX_LAG, d, d)) < 1 / (MAX_LAG * d)) & ~np.eye(d, dtype=bool)
    W *= rng.uniform(0.2, 0.4, W.shape) * rng.choice([-1, 1], W.shape)
    W[1][np.eye(d, dtype=bool)] = rng.uniform(0.3, 0.6, d)
    X = np.zeros((N_ROWS + BURN_IN, d))
    noise, at_once = rng.normal(size=X.shape), np.linalg.inv(np.eye(d) - W[0].T)
    for t in range(MAX_LAG, len(X)):
        X[t] = at_once @ (sum(W[lag].T @ X[t - lag] for lag in range(1, MAX_LAG + 1)) + noise[t])
    return X[BURN_IN:], np.moveaxis(W, 0, 2) != 0


def marks(search: PCMCIPlus, d: int) -> NDArray[np.str_]:
    """Return the links as tigramite writes them."""
    table = np.full((d, d, MAX_LAG + 1), "", dtype="U3")
    for link in search.links_:
        table[link.cause, link.effect, link.lag] = link.mark
        if link.lag == 0:
            table[link.effect, link.cause, 0] = {"-->": "<--"}.get(link.mark, link.mark)
    return table


def f1(table: NDArray[np.str_], truth: NDArray[np.bool_]) -> float:
    """Return the F1 score of the arrows."""
    arrows = table == "-->"
    return float(2 * (arrows & truth).sum() / (arrows.sum() + truth.sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, nargs="+", default=[5, 20, 50])
    parser.add_argument("--processes", type=int, default=3)
    arguments = parser.parse_args()
    print(
        "| series | ours, CPU-s | tigramite, CPU-s | ratio | links that differ "
        "| F1 of arrows, ours | tigramite |"
    )
    print("|---|---|---|---|---|---|---|")
    for d in arguments.columns:
        rows = []
        for seed in range(arguments.processes):
            X, truth = process(d, seed)
            times = []
            for _ in range(5):
                start = time.process_time()
                search = PCMCIPlus(max_lag=MAX_LAG, alpha=ALPHA).fit(X)
                times.append(time.process_time() - start)
            start = time.process_time()
            peer = PCMCI(dataframe=pp.DataFrame(X), cond_ind_test=ParCorr(), verbosity=0)
            theirs = peer.run_pcmciplus(tau_max=MAX_LAG, pc_alpha=ALPHA)["graph"]
            took = time.process_time() - start
            ours = marks(search, d)
            rows.append(
                (
                    statistics.median(times),
                    took,
                    int((ours != theirs).sum()),
                    f1(ours, truth),
                    f1(theirs, truth),
                )
            )
        first, second, differ, *scores = np.array(rows).T
        print(
            f"| {d} | {np.median(first):.3f} | {np.median(second):.2f} | {np.median(second / first):.0f} "
            f"| {int(differ.sum())} | {scores[0].mean():.3f} | {scores[1].mean():.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
