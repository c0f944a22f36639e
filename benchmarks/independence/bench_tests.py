"""CPU time of one test for each test there is, beside causal-learn on the same questions in one process.

Discrete tests are asked in batches, which is how a search asks them; the kernel tests one at a time on a
fresh fit, so that nothing is remembered, and RCIT also in a batch that shares its conditioning sets.
causal-learn remembers its answers, so every repetition makes it anew. The p-values of the discrete tests
must agree to 1e-9.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
from causallearn.utils.cit import CIT
from causallearn.utils.KCI.KCI import KCI_CInd, KCI_UInd

from causalrep.independence import GCM, HSIC, KCI, RCIT, GSquare


def cpu_seconds(call: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def report(what: str, ours: list[float], theirs: list[float] | None, unit: float, name: str) -> None:
    cells = f"{statistics.median(ours) * unit:>10.3f} ({min(ours) * unit:.3f}-{max(ours) * unit:.3f}) {name}"
    if theirs is not None:
        ratio = statistics.median(theirs) / statistics.median(ours)
        cells += f"  causal-learn {statistics.median(theirs) * unit:.3f} {name}, {ratio:.1f} times faster"
    print(f"{what:<44} {cells}", flush=True)


def discrete(repetitions: int) -> None:
    """Time G-square on 20 columns of three states and 5000 rows."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(5000, 20))
    for j in range(1, 20):
        X[:, j] = np.where(rng.random(5000) < 0.4, X[:, j - 1], X[:, j])
    for k in range(4):
        ours, theirs = [], []
        for _ in range(repetitions):
            q = np.argsort(rng.random((2000, 20)), axis=1)[:, : k + 2]
            if k == 0:
                i, j = np.triu_indices(20, 1)
                q = np.column_stack([i, j])
            test, theirs_test = GSquare(min_per_cell=0).fit(X), CIT(X, "gsq")
            seconds, found = cpu_seconds(lambda t=test, q=q: t.test_batch(q[:, 0], q[:, 1], q[:, 2:]))
            ours.append(seconds / len(q))
            few = q[:60].tolist()
            seconds, answers = cpu_seconds(lambda p=theirs_test, few=few: [p(a, b, S) for a, b, *S in few])
            theirs.append(seconds / len(few))
            if np.abs(found.pvalue[:60] - answers).max() > 1e-9:
                raise SystemExit("the p-values differ")
        report(f"G2, n = 5000, |S| = {k}, batch of {len(q)}", ours, theirs, 1e6, "us")


def curved(n: int, k: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, k))
    w = Z.sum(axis=1) / np.sqrt(k)
    return np.column_stack([np.tanh(w) + 0.5 * rng.normal(size=n), 0.5 * w**2 + 0.5 * rng.normal(size=n), Z])


def kernels(repetitions: int) -> None:
    """Time the tests of nonlinear dependence."""
    for n, k in ((500, 1), (1000, 1), (2000, 1), (1000, 3)):
        ours, theirs = [], []
        for seed in range(repetitions):
            X = curved(n, k, seed)
            test = KCI().fit(X)
            ours.append(cpu_seconds(lambda t=test, k=k: t.test(0, 1, range(2, 2 + k)))[0])
            theirs.append(
                cpu_seconds(lambda X=X: KCI_CInd().compute_pvalue(X[:, :1], X[:, 1:2], X[:, 2:]))[0]
            )
        report(f"KCI, n = {n}, |S| = {k}", ours, theirs, 1e3, "ms")
    ours = [cpu_seconds(lambda s=s: KCI().fit(curved(10_000, 1, s)).test(0, 1, [2]))[0] for s in range(2)]
    report("KCI, n = 10000, |S| = 1", ours, None, 1e3, "ms")
    ours, theirs = [], []
    for seed in range(repetitions):
        X = curved(2000, 1, seed)
        test = HSIC().fit(X)
        ours.append(cpu_seconds(lambda t=test: t.test(0, 1))[0])
        theirs.append(cpu_seconds(lambda X=X: KCI_UInd().compute_pvalue(X[:, :1], X[:, 1:2]))[0])
    report("HSIC, n = 2000", ours, theirs, 1e3, "ms")
    ours, theirs = [], []
    i, j = np.triu_indices(10, 1)
    for seed in range(repetitions):
        X = np.column_stack([curved(2000, 1, 10 * seed + k)[:, :2] for k in range(5)])
        test = HSIC().fit(X)
        ours.append(cpu_seconds(lambda t=test: t.test_batch(i, j))[0] / len(i))
        few = [(X[:, a : a + 1], X[:, b : b + 1]) for a, b in zip(i[:3], j[:3], strict=True)]
        theirs.append(cpu_seconds(lambda few=few: [KCI_UInd().compute_pvalue(*pair) for pair in few])[0] / 3)
    report("HSIC, n = 2000, all 45 pairs of 10", ours, theirs, 1e3, "ms")
    for name, make in (("RCIT", RCIT), ("GCM", GCM)):
        ours, theirs = [], []
        for seed in range(repetitions):
            X = curved(1000, 1, seed)
            test = make().fit(X)
            ours.append(cpu_seconds(lambda t=test: t.test(0, 1, [2]))[0])
            if name == "RCIT":
                peer = CIT(X, "rcit")
                theirs.append(cpu_seconds(lambda p=peer: p(0, 1, [2]))[0])
        report(f"{name}, n = 1000, |S| = 1", ours, theirs or None, 1e3, "ms")


def shared_sets(repetitions: int) -> None:
    """Time 100 RCIT tests over 10 conditioning sets."""
    ours, theirs = [], []
    for seed in range(repetitions):
        rng = np.random.default_rng(seed)
        X = np.column_stack([curved(1000, 1, s) for s in range(10)])
        sets = rng.permutation(30)[:10]
        asked = [(a, b, s) for s in sets.tolist() for a, b in zip(*_pairs(rng, s), strict=True)]
        i, j, S = (np.array(part) for part in zip(*asked, strict=True))
        test = RCIT().fit(X)
        ours.append(cpu_seconds(lambda t=test, i=i, j=j, S=S: t.test_batch(i, j, S[:, None]))[0] / len(asked))
        few, peer = asked[:20], CIT(X, "rcit")
        seconds, _ = cpu_seconds(lambda p=peer, few=few: [p(a, b, [s]) for a, b, s in few])
        theirs.append(seconds / len(few))
    report("RCIT, n = 1000, 100 tests, 10 sets", ours, theirs, 1e3, "ms")


def _pairs(rng: np.random.Generator, s: int) -> tuple[list[int], list[int]]:
    others = np.setdiff1d(np.arange(30), [s])
    rows = np.array([rng.permutation(others)[:2] for _ in range(10)])
    return rows[:, 0].tolist(), rows[:, 1].tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    warnings.simplefilter("ignore")
    print(f"CPU time of one test: median (min-max) of {repetitions}")
    discrete(repetitions)
    kernels(repetitions)
    shared_sets(repetitions)


if __name__ == "__main__":
    main()
