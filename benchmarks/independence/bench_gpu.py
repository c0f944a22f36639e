"""What tests of independence do on a CUDA device: tests per second, and the device's own ceilings.

Fisher's z is timed as a search asks it: a thousand columns, each of many pairs met by many conditioning
sets, the positions already on the device. The PC algorithm is timed end to end, from rows in main memory to
a CPDAG with separating sets. The kernel test is asked in groups that share conditioning sets. Every answer
is compared with that of the CPU. The ceilings are measured too: a copy of a large array, and a product of
float64 matrices.

Without a CUDA device it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from causalrep.discovery import PC
from causalrep.independence import KCI, FisherZ

QUICK = False
N_COLUMNS = 1000


def seconds(call: Callable[[], object], repetitions: int) -> float:
    """Return the median wall time of a call whose work on the device is waited for, after two to warm up."""
    times = []
    for repetition in range(repetitions + 2):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        if repetition >= 2:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def ceilings(repetitions: int) -> tuple[float, float]:
    """Return bytes per second of a copy, and float64 operations per second of a matrix product."""
    source = torch.ones(2**28, dtype=torch.float32, device="cuda")
    target = torch.empty_like(source)
    bandwidth = 2 * 4 * 2**28 / seconds(lambda: target.copy_(source), repetitions)
    A = torch.ones((4096, 4096), dtype=torch.float64, device="cuda")
    return bandwidth, 2 * 4096**3 / seconds(lambda: A @ A, repetitions)


def linear_rows(n: int, d: int, seed: int) -> np.ndarray:
    """Return rows of a linear Gaussian model on a random DAG of mean degree 3."""
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.random((d, d)) < 3.0 / (d - 1), k=1) * rng.uniform(0.3, 0.8, (d, d))
    weights *= rng.choice([-1.0, 1.0], (d, d))
    X = rng.normal(size=(n, d))
    for column in range(1, d):
        X[:, column] += X @ weights[:, column]
    order = rng.permutation(d)
    return X[:, order]


def work(k: int) -> tuple[int, int]:
    """Return the bytes that one test has to read and write, and the number of its operations.

    A conditioning position is read for each test and a pair of ends for hundreds; correlations come from the
    cache, where 8 MB of them stay.
    """
    return 8 * k + 8, (1, 9, 31, 57)[k]


def fisher(tests: int, repetitions: int, bandwidth: float) -> None:
    rng = np.random.default_rng(0)
    X = linear_rows(10_000, N_COLUMNS, 0)
    variants = [("array", "float64"), ("array", "float32")]
    if importlib.util.find_spec("triton") is not None:
        variants.append(("triton", "float64"))
    width, few = 512, 20_000 // 512
    pairs = tests // width
    on_cpu = FisherZ().fit(X)
    for k in range(4):
        ends = np.sort(rng.integers(0, 100, (pairs, 2)), axis=1) + np.array([0, 100])
        sets = [rng.integers(200 * (p + 1), 200 * (p + 2), (pairs, width)) for p in range(k)]
        i, j = (
            (ends[:, :1], ends[:, 1:]) if k else (ends[:, :1].repeat(width, 1), ends[:, 1:].repeat(width, 1))
        )
        expected = on_cpu.strength(i[:few], j[:few], [part[:few] for part in sets])
        for kernel, precision in variants:
            test = FisherZ(kernel=kernel, precision=precision).fit(torch.asarray(X, device="cuda"))
            asked = [test.index_array(part) for part in (i, j, *sets)]
            found = test.strength(asked[0][:few], asked[1][:few], [part[:few] for part in asked[2:]])
            worst = np.abs(found.min(dim=1).values.cpu().numpy() - expected.min(axis=1)).max()
            if worst > 1e-10:
                raise SystemExit(f"CPU and GPU differ by {worst}")
            took = seconds(lambda t=test, a=asked: t.strength(a[0], a[1], a[2:]), repetitions)
            rate = pairs * width / took
            traffic, operations = work(k)
            print(
                f"Fisher z, |S| = {k}, {kernel}, {precision}: {rate:.2e} tests/s; "
                f"{rate * traffic / bandwidth:.1%} of the bandwidth at {traffic} B a test, "
                f"{rate * operations:.1e} operations/s",
                flush=True,
            )


def search(repetitions: int) -> None:
    X = linear_rows(10_000, N_COLUMNS, 1)
    expected = PC().fit(X)
    kernels = ["array"] + (["triton"] if importlib.util.find_spec("triton") is not None else [])
    for kernel in kernels:
        pc = PC(test=FisherZ(kernel=kernel), device="cuda")
        took = seconds(lambda pc=pc: pc.fit(X), repetitions)
        if pc.graph_ != expected.graph_:
            raise SystemExit("CPU and GPU find different graphs")
        print(
            f"PC, d = 1000, n = 10000, {kernel}: {took:.3f} s end to end, the same graph as the CPU",
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
    dense = 4 * n**3 / flops  # two products for a residual kernel, at the rate of a matrix product
    for gram in ("factor", "dense"):
        found = KCI(gram=gram).fit(data).test_batch(i, j, S).pvalue.cpu().numpy()
        if np.abs(found - expected).max() > 1e-3:
            raise SystemExit("CPU and GPU differ")
        took = seconds(lambda g=gram: KCI(gram=g).fit(data).test_batch(i, j, S), repetitions) / len(owner)
        print(
            f"KCI, n = 1000, 100 tests that share 10 sets, {gram}: {took * 1e3:.2f} ms a test; "
            f"the two products of a whole residual kernel alone take {dense * 1e3:.2f} ms",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=2**24)
    parser.add_argument("--repetitions", type=int, default=7)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("This machine has no CUDA device: nothing was measured.")
        return
    bandwidth, flops = ceilings(arguments.repetitions)
    rates = f"copies {bandwidth / 1e9:.0f} GB/s, float64 products {flops / 1e12:.1f} Tflop/s"
    print(f"{torch.cuda.get_device_name()}: {rates}")
    fisher(arguments.tests, arguments.repetitions, bandwidth)
    search(arguments.repetitions)
    kernels(arguments.repetitions, flops)


if __name__ == "__main__":
    main()
