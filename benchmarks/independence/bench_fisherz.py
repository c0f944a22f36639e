"""CPU time of one Fisher z-test with its p-value, in batches: ours, a NumPy floor, causal-learn.

The floor is what a careful user writes in plain NumPy for this one purpose: the same formulas on whole
arrays, without any check, flag or bound on memory. causal-learn answers one question at a time and
remembers its answers, so each repetition makes it anew. The p-values of all three are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from causallearn.utils.cit import CIT
from scipy.special import erfc

from causalrep.independence import FisherZ

N_ROWS, N_COLUMNS = 1000, 200


def cpu_seconds(call: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def floor(R, n, i, j, S):
    """Return p-values by whole-array arithmetic on the flat correlation matrix."""
    d, k = len(R), S.shape[1]
    flat = R.ravel()

    def r(a, b):
        return np.take(flat, a * d + b)

    columns = [S[:, p] for p in range(k)]
    A, B = [r(s, i) for s in columns], [r(s, j) for s in columns]
    L = {(p, q): r(columns[p], columns[q]) for p in range(k) for q in range(p)}
    for p in range(k):
        pivot = np.sqrt(1.0 - sum(L[p, q] * L[p, q] for q in range(p)))
        A[p] = (A[p] - sum(L[p, q] * A[q] for q in range(p))) / pivot
        B[p] = (B[p] - sum(L[p, q] * B[q] for q in range(p))) / pivot
        for s in range(p + 1, k):
            L[s, p] = (L[s, p] - sum(L[s, q] * L[p, q] for q in range(p))) / pivot
    covariance = r(i, j) - sum(a * b for a, b in zip(A, B, strict=True))
    variances = (1.0 - sum(a * a for a in A)) * (1.0 - sum(b * b for b in B))
    z = np.sqrt(n - k - 3) * np.arctanh(covariance / np.sqrt(variances))
    return erfc(np.abs(z) / np.sqrt(2.0))


def questions(rng, m, k):
    """Return m questions about k + 2 different columns each."""
    rows = rng.integers(N_COLUMNS, size=(2 * m, k + 2))
    ordered = np.sort(rows, axis=1)
    rows = rows[(ordered[:, 1:] != ordered[:, :-1]).all(axis=1)][:m]
    return rows[:, 0].copy(), rows[:, 1].copy(), rows[:, 2:].copy()


def measure(k: int, n_tests: int, n_peer: int, repetitions: int) -> dict[str, dict[str, float]]:
    """Return microseconds per test, the three taking turns on the same questions."""
    rng = np.random.default_rng(k)
    X = rng.normal(size=(N_ROWS, N_COLUMNS)) @ (np.eye(N_COLUMNS) + 0.1 * rng.normal(size=(N_COLUMNS,) * 2))
    test, R = FisherZ().fit(X), np.corrcoef(X.T)
    times: dict[str, list[float]] = {"ours": [], "floor": [], "causal-learn": []}
    for _ in range(repetitions):
        i, j, S = questions(rng, n_tests, k)
        few = list(
            zip(i[:n_peer].tolist(), j[:n_peer].tolist(), map(tuple, S[:n_peer].tolist()), strict=True)
        )
        peer = CIT(X, "fisherz")  # a new one, since it remembers
        seconds, ours = cpu_seconds(partial(test.test_batch, i, j, S))
        times["ours"].append(seconds / n_tests * 1e6)
        seconds, plain = cpu_seconds(partial(floor, R, N_ROWS, i, j, S))
        times["floor"].append(seconds / n_tests * 1e6)
        seconds, theirs = cpu_seconds(lambda ask=peer, asked=few: [ask(*question) for question in asked])
        times["causal-learn"].append(seconds / n_peer * 1e6)
        worst = max(np.abs(ours.pvalue - plain).max(), np.abs(ours.pvalue[:n_peer] - theirs).max())
        if worst > 1e-9:
            raise SystemExit(f"the p-values differ by {worst}")
    return {
        name: {"median": statistics.median(runs), "min": min(runs), "max": max(runs)}
        for name, runs in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=200_000)
    parser.add_argument("--peer-tests", type=int, default=1000)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = {
        k: measure(k, arguments.tests, arguments.peer_tests, arguments.repetitions)
        for k in (0, 1, 2, 3, 4, 6)
    }
    if arguments.json:
        print(json.dumps({"unit": "CPU microseconds per test", "given": rows}, indent=2))
        return
    print(f"CPU microseconds per test with p-value: median (min-max) of {arguments.repetitions}")
    heads = [f"{name:>22}" for name in ("ours", "NumPy floor", "causal-learn")]
    print(f"{'|S|':>3} {' '.join(heads)} {'ours/floor':>11} {'times faster':>13}")
    for k, row in rows.items():
        cells = " ".join(
            f"{r['median']:>9.3f} ({r['min']:.3f}-{r['max']:.3f})".rjust(22) for r in row.values()
        )
        ours, plain, theirs = (r["median"] for r in row.values())
        print(f"{k:>3} {cells} {ours / plain:>11.2f} {theirs / ours:>13.0f}")


if __name__ == "__main__":
    main()
