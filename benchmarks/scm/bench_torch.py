"""CPU time of Torch sampling beside a Pyro program that is written by hand, in one process, on one thread.

Linear models with standard normal noise and up to three parents a node, in float32. The Pyro program is one
``pyro.sample`` a node inside a plate, whose mean adds up the weighted parents, as one writes it for one
model; it is run as it is, without tracing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import pyro
import pyro.distributions as dist
import torch


def parents_of(n_nodes: int) -> dict[str, list[str]]:
    """Return up to three earlier nodes for each node."""
    chance = np.random.default_rng(1)
    picks = [sorted(set(chance.integers(0, j, size=min(3, j)).tolist())) if j else [] for j in range(n_nodes)]
    return {f"V{j:03}": [f"V{i:03}" for i in found] for j, found in enumerate(picks)}


def by_hand(parents: Mapping[str, list[str]], n: int) -> dict[str, torch.Tensor]:
    """Run the Pyro program."""
    values: dict[str, torch.Tensor] = {}
    with pyro.plate("rows", n):
        for name, found in parents.items():
            mean = torch.zeros(())
            for parent in found:
                mean = mean + 0.5 * values[parent]
            values[name] = pyro.sample(name, dist.Normal(mean, 1.0))
    return values


def by_loop(parents: Mapping[str, list[str]], n: int) -> dict[str, torch.Tensor]:
    """Sample without Pyro: ``torch.randn`` and whole columns."""
    values: dict[str, torch.Tensor] = {}
    for name, found in parents.items():
        value = torch.randn(n)
        for parent in found:
            value = value + 0.5 * values[parent]
        values[name] = value
    return values


def cpu_seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    from causalrep.scm import SCM, Linear, Normal

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    n = options.rows
    for n_nodes in (10, 50):
        parents = parents_of(n_nodes)
        scm = SCM(
            mechanisms={
                name: Linear(dict.fromkeys(found, 0.5), noise=Normal(0, 1)) if found else Normal(0, 1)
                for name, found in parents.items()
            }
        )
        calls: dict[str, Callable[[], object]] = {
            "causalrep, float32 Torch": lambda scm=scm: scm.sample(n, 0, device="cpu", dtype="float32"),
            "Pyro program": lambda parents=parents: by_hand(parents, n),
            "Torch loop": lambda parents=parents: by_loop(parents, n),
            "causalrep, float64 NumPy": lambda scm=scm: scm.sample(n, 0),
        }
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        for repetition in range(options.repetitions + 1):  # in turns; the first round warms up
            for name, call in calls.items():
                taken = cpu_seconds(call)
                if repetition:
                    seconds[name].append(taken)
        medians = {name: statistics.median(taken) for name, taken in seconds.items()}
        for name, median in medians.items():
            share = medians["causalrep, float32 Torch"] / median
            print(f"| {n_nodes} | {name} | {median:.3f} | {share:.2f} |", flush=True)


if __name__ == "__main__":
    main()
