"""CPU time of CD-NOD beside causal-learn: kernel tests, mechanisms that change with time, six variables.

python benchmarks/discovery/bench_cdnod.py
"""

from __future__ import annotations

import statistics
import time

import numpy as np
from causallearn.search.ConstraintBased.CDNOD import cdnod
from numpy.typing import NDArray

from causalrep.discovery import CDNOD

N_ROWS, N_MODELS, REPETITIONS = 400, 3, 3


def rows(seed: int) -> NDArray[np.float64]:
    """Return rows in the order of time; the first and the fourth mechanism change with it."""
    rng = np.random.default_rng(seed)
    now = np.linspace(0, 1, N_ROWS)
    first = np.sin(6 * now) + 0.5 * rng.normal(size=N_ROWS)
    second = np.tanh(2 * first) + 0.5 * rng.normal(size=N_ROWS)
    third = second**2 / 2 + 0.5 * rng.normal(size=N_ROWS)
    fourth = rng.normal(size=N_ROWS) * (1 + now)
    fifth = fourth + third + 0.5 * rng.normal(size=N_ROWS)
    return np.column_stack([first, second, third, fourth, fifth, rng.normal(size=N_ROWS)])


def main() -> None:
    for seed in range(N_MODELS):
        X = rows(seed)
        times = []
        for _ in range(REPETITIONS):
            start = time.process_time()
            found = CDNOD().fit(X)
            times.append(time.process_time() - start)
        start = time.process_time()
        cdnod(X, np.arange(N_ROWS)[:, None].astype(float), 0.05, "kci", show_progress=False)
        theirs, ours = time.process_time() - start, statistics.median(times)
        print(
            f"causalrep {ours:.2f} CPU s ({found.n_tests_} tests), causal-learn {theirs:.2f}: "
            f"{theirs / ours:.1f} times faster",
            flush=True,
        )


if __name__ == "__main__":
    main()
