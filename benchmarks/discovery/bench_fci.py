"""CPU time of FCI beside causal-learn on the same data: linear Gaussian, three hidden nodes."""

from __future__ import annotations

import contextlib
import io
import statistics
import time
import warnings

import numpy as np
from causallearn.search.ConstraintBased.FCI import fci

from causalrep.discovery import FCI

N_ROWS, N_HIDDEN, REPETITIONS = 1000, 3, 5


def sample(d: int, rng: np.random.Generator) -> np.ndarray:
    """Return columns of a random DAG with three neighbours per node, the first three nodes left out."""
    whole = d + N_HIDDEN
    B = np.triu(rng.random((whole, whole)) < 3 / (whole - 1), 1) * rng.uniform(0.5, 1.5, (whole, whole))
    X = np.zeros((N_ROWS, whole))
    for j in range(whole):
        X[:, j] = X @ B[:, j] + rng.normal(size=N_ROWS)
    return X[:, N_HIDDEN:]


def main() -> None:
    for d in (20, 50):
        X = sample(d, np.random.default_rng(0))
        ours = []
        for _ in range(REPETITIONS):
            start = time.process_time()
            found = FCI().fit(X)
            ours.append(time.process_time() - start)
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.process_time()
            fci(X, "fisherz", 0.01, verbose=False, show_progress=False)
            theirs = time.process_time() - start
        median = statistics.median(ours)
        print(
            f"d = {d}: causalrep {median:.3f} CPU s ({found.n_tests_:,} tests), causal-learn {theirs:.2f}, "
            f"{theirs / median:.1f} times faster"
        )


if __name__ == "__main__":
    main()
