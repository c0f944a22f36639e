"""CPU time of one test by nearest neighbours with its 200 permutations, beside tigramite.

Both estimate the same information with the same number of neighbours, and the estimates must agree. The
permutations are drawn differently. tigramite's pins clash with those of the other peers: run the script in an
environment that has it besides this package. Without tigramite only ours is timed.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable

import numpy as np

from causalrep.independence import CMIKnn

QUICK = False
N_ROWS = 1000


def cpu_seconds(call: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def rows(seed: int) -> np.ndarray:
    """Return x, y and z, of which x and y are noisy curves of z."""
    rng = np.random.default_rng(seed)
    z, a, b = rng.normal(size=(3, N_ROWS))
    return np.column_stack([np.tanh(z) + 0.5 * a, 0.5 * z**2 + 0.5 * b, z])


def tigramites_test(X: np.ndarray) -> Callable[[], tuple[float, float]]:
    """Return what makes tigramite answer the question whether x and y are independent given z."""
    from tigramite.data_processing import DataFrame
    from tigramite.independence_tests.cmiknn import CMIknn

    test = CMIknn(knn=0.2, significance="shuffle_test", sig_samples=200, transform="ranks", workers=1)
    test.set_dataframe(DataFrame(X))
    return lambda: test.run_test(X=[(0, 0)], Y=[(1, 0)], Z=[(2, 0)])[:2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    has_peer = importlib.util.find_spec("tigramite") is not None
    ours, theirs = [], []
    for seed in range(parser.parse_args().repetitions):
        X = rows(seed)
        test = CMIKnn().fit(X)
        seconds, found = cpu_seconds(lambda t=test: t.test(0, 1, [2]))
        ours.append(seconds)
        if has_peer:
            seconds, (estimate, _) = cpu_seconds(tigramites_test(X))
            theirs.append(seconds)
            if abs(estimate - found.statistic) > 1e-9:
                raise SystemExit(f"the estimates differ: {found.statistic} and {estimate}")
    line = f"CMIKnn, n = {N_ROWS}, |S| = 1: {statistics.median(ours):.2f} s ({min(ours):.2f}-{max(ours):.2f})"
    if has_peer:
        ratio = statistics.median(theirs) / statistics.median(ours)
        line += f", tigramite {statistics.median(theirs):.2f} s, {ratio:.1f} times faster, the same estimates"
    print(line if has_peer else f"{line}; tigramite is not installed")


if __name__ == "__main__":
    main()
