"""What tests of independence do on a CUDA device: tests per second, and the device's own ceilings.

Fisher's z is timed in two ways. Questions one by one: a thousand columns, each of many pairs met by many
conditioning sets, the positions already on the device, by array operations and by the hand-written kernels
for Torch's and CuPy's arrays. And as a search asks: the weakest test of each pair over all subsets of its
neighbours.
The PC algorithm is timed end to end, from rows in main memory to a CPDAG with separating sets, on a sparse
graph and on random tables of the size of those that cuPC's authors published times for. The kernel test is
asked in groups that share conditioning sets. Every answer is compared with that of the CPU. The ceilings are
measured too: a copy of a large array, and a product of float64 matrices.

Without a CUDA device it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator
from math import comb
from typing import Any

import numpy as np
import torch

from causalrep.discovery import PC
from causalrep.independence import KCI, FisherZ
from causalrep.independence._arrays import to_numpy
from causalrep.independence._subsets import Neighbourhoods, unrank

N_COLUMNS = 1000


def seconds(call: Callable[[], object], repetitions: int, warm: int = 2) -> float:
    """Return the median wall time of a call whose work on the device is waited for."""
    times = []
    for repetition in range(repetitions + warm):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        if repetition >= warm:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def ceilings(repetitions: int) -> tuple[float, float]:
    """Return bytes per second of a copy, and float64 operations per second of a matrix product."""
    source = torch.ones(2**28, dtype=torch.float32, device="cuda")
    target = torch.empty_like(source)
    bandwidth = 2 * 4 * 2**28 / seconds(lambda: target.copy_(source), repetitions)
    A = torch.ones((4096, 4096), dtype=torch.float64, device="cuda")
    return bandwidth, 2 * 4096**3 / seconds(lambda: A @ A, repetitions)


def linear_rows(
    n: int, d: int, seed: int, degree: float = 3.0, low: float = 0.3, high: float = 0.8
) -> np.ndarray:
    """Return rows of a linear Gaussian model on a random DAG of this mean degree."""
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.random((d, d)) < degree / (d - 1), k=1) * rng.uniform(low, high, (d, d))
    weights *= rng.choice([-1.0, 1.0], (d, d))
    X = rng.normal(size=(n, d))
    for column in range(1, d):
        X[:, column] += X @ weights[:, column]
    order = rng.permutation(d)
    return X[:, order]


def operations(k: int) -> int:
    """Return the number of floating-point operations of one test given k columns."""
    if k < 3:
        return (1, 9, 31)[k]
    later = [k - 1 - p for p in range(k)]  # rows below the diagonal, column by column
    return 8 + sum(6 + 6 * m + m * (m - 1) for m in later) + sum(5 + m for m in later[1:])


def libraries() -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Yield what can put an array on the device."""
    yield "Torch", lambda values: torch.asarray(values, device="cuda")
    if importlib.util.find_spec("cupy") is not None:
        yield "CuPy", importlib.import_module("cupy").asarray


def one_by_one(tests: int, repetitions: int, bandwidth: float) -> None:
    """Time tests that write one number each; a position is read for each, and a pair for hundreds."""
    rng = np.random.default_rng(0)
    X = linear_rows(10_000, N_COLUMNS, 0)
    width, few = 512, 20_000 // 512
    pairs = tests // width
    on_cpu = FisherZ().fit(X)
    for k in range(4):
        ends = np.sort(rng.integers(0, 100, (pairs, 2)), axis=1) + np.array([0, 100])
        sets = [rng.integers(200 * (p + 1), 200 * (p + 2), (pairs, width)) for p in range(k)]
        i, j = (end if k else end.repeat(width, 1) for end in (ends[:, :1], ends[:, 1:]))
        expected = on_cpu.strength(i[:few], j[:few], [part[:few] for part in sets]).min(axis=1)
        for library, put in libraries():
            for kernel, precision in (("array", "float64"), ("array", "float32"), ("fused", "float64")):
                test = FisherZ(kernel=kernel, precision=precision).fit(put(X))
                asked = [test.index_array(part) for part in (i, j, *sets)]
                found = to_numpy(
                    test.strength(asked[0][:few], asked[1][:few], [part[:few] for part in asked[2:]])
                )
                if np.abs(found.min(axis=1) - expected).max() > 1e-10:
                    raise SystemExit("CPU and GPU differ")
                took = seconds(lambda t=test, a=asked: t.strength(a[0], a[1], a[2:]), repetitions)
                rate, traffic = pairs * width / took, 8 * k + 8
                print(
                    f"one by one, |S| = {k}, {library}, {kernel}, {precision}: {rate:.2e} tests/s; "
                    f"{rate * traffic / bandwidth:.1%} of the bandwidth at {traffic} B a test",
                    flush=True,
                )


def as_a_search(repetitions: int, flops: float) -> None:
    """Time the weakest of all subsets of the neighbours of each node of a regular graph."""
    X = linear_rows(10_000, N_COLUMNS, 0)
    on_cpu = FisherZ().fit(X)
    for k, degree in ((1, 999), (2, 300), (3, 60), (4, 32), (6, 18), (8, 16)):
        near = np.stack([(np.arange(1, degree + 1) + node) % N_COLUMNS for node in range(N_COLUMNS)])
        near.sort(axis=1)
        pairs = N_COLUMNS * degree
        asked = Neighbourhoods(
            np.repeat(np.arange(N_COLUMNS), degree),
            near.reshape(-1),
            np.repeat(np.arange(N_COLUMNS) * degree, degree),
            np.full(pairs, degree - 1),
            np.tile(np.arange(degree), N_COLUMNS),
            near.reshape(-1),
        )
        some = np.delete(near[3], 5)
        sets = some[unrank(np.arange(min(comb(degree - 1, k), 2**20)), degree - 1, k)]
        few = on_cpu.strength(np.array([3]), near[3, 5:6], [sets[:, p] for p in range(k)])
        n_tests = pairs * comb(degree - 1, k)
        for library, put in libraries():
            test = FisherZ(kernel="fused").fit(put(X))
            strength, rank, _ = test.weakest(asked, k)
            which = 3 * degree + 5
            if len(sets) == comb(degree - 1, k) and (few.min(), few.argmin()) != (
                strength[which],
                rank[which],
            ):
                raise SystemExit("CPU and GPU differ")
            rate = n_tests / seconds(lambda t=test, a=asked, k=k: t.weakest(a, k), repetitions, warm=1)
            print(
                f"as a search, |S| = {k}, {library}: {n_tests:.1e} tests, {rate:.2e} tests/s; at "
                f"{operations(k)} operations {rate * operations(k) / flops:.1%} of a float64 product's rate",
                flush=True,
            )


def whole_search(repetitions: int) -> None:
    X = linear_rows(10_000, N_COLUMNS, 1)
    for rule in ("standard", "max_p", "majority"):
        expected = PC(collider_rule=rule).fit(X)
        for kernel in ("array", "fused"):
            pc = PC(test=FisherZ(kernel=kernel), collider_rule=rule, device="cuda")
            took = seconds(lambda pc=pc: pc.fit(X), repetitions)
            if pc.graph_ != expected.graph_ or pc.sepsets_ != expected.sepsets_:
                raise SystemExit("CPU and GPU find different graphs")
            print(f"PC, d = 1000, n = 10000, {rule}, {kernel}: {took:.3f} s end to end", flush=True)


def published_sizes() -> None:
    """Time PC on random tables of the sizes for which cuPC's authors published times, and on denser ones."""
    sizes = (
        ("NCI-60", 47, 1190, 4.9, None),
        ("MCC", 88, 1380, 4.9, None),
        ("BR-51", 50, 1592, 4.9, None),
        ("S. cerevisiae", 63, 5361, 4.9, None),
        ("S. aureus", 160, 2810, 4.9, None),
        ("DREAM5-Insilico", 850, 1643, 4.9, None),
        ("DREAM5-Insilico", 850, 1643, 20.0, 3),
        ("a random graph", 10_000, 1000, 20.0, 3),
    )
    for name, n, d, degree, largest in sizes:
        X = linear_rows(n, d, 0, degree)
        pc = PC(collider_rule="standard", device="cuda", max_cond=largest)
        took = seconds(lambda pc=pc, X=X: pc.fit(X), 1, warm=1)
        levels = pc.n_tests_per_level_
        print(
            f"PC, the size of {name} (n = {n}, d = {d}), mean degree {degree}, sets up to {len(levels) - 1}: "
            f"{took:.3f} s, {sum(levels):.2e} tests, {len(pc.graph_.edges)} edges",
            flush=True,
        )


def kernels(repetitions: int, flops: float) -> None:
    rng = np.random.default_rng(2)
    n, d = 1000, 30
    X = rng.normal(size=(n, d))
    X[:, 10:] += np.tanh(X[:, :10].repeat(2, axis=1))
    owner = np.repeat(np.arange(10), 10)
    rest = np.array([rng.permutation(np.arange(10, d))[:2] for _ in owner])
    i, j, S = rest[:, 0], rest[:, 1], owner[:, None]
    expected = KCI().fit(X).test_batch(i, j, S).pvalue
    data = torch.asarray(X, device="cuda")
    dense = 8 * n**3 / flops  # four products for two residual kernels, at the rate of a matrix product
    for gram in ("factor", "dense"):
        found = to_numpy(KCI(gram=gram).fit(data).test_batch(i, j, S).pvalue)
        if np.abs(found - expected).max() > 1e-4:
            raise SystemExit(f"CPU and GPU differ by {np.abs(found - expected).max()}")
        took = seconds(lambda g=gram: KCI(gram=g).fit(data).test_batch(i, j, S), repetitions) / len(owner)
        print(
            f"KCI, n = 1000, 100 tests that share 10 sets, {gram}: {took * 1e3:.3f} ms a test; "
            f"the products for two residual kernels alone take {dense * 1e3:.3f} ms",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=2**24)
    parser.add_argument("--repetitions", type=int, default=5)
    parts = ("one", "search", "pc", "published", "kci")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("This machine has no CUDA device: nothing was measured.")
        return
    bandwidth, flops = ceilings(arguments.repetitions)
    rates = f"copies {bandwidth / 1e9:.0f} GB/s, float64 products {flops / 1e12:.1f} Tflop/s"
    print(f"{torch.cuda.get_device_name()}: {rates}")
    calls: dict[str, Callable[[], None]] = {
        "one": lambda: one_by_one(arguments.tests, arguments.repetitions, bandwidth),
        "search": lambda: as_a_search(min(3, arguments.repetitions), flops),
        "pc": lambda: whole_search(arguments.repetitions),
        "kci": lambda: kernels(arguments.repetitions, flops),
        "published": published_sizes,
    }
    for part in calls:
        if part in arguments.parts:
            calls[part]()


if __name__ == "__main__":
    main()
