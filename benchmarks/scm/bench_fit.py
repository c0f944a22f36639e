"""Learn random models beside DoWhy's GCM: CPU time, errors of interventions and counterfactuals.

Twenty nodes with up to four parents; each node is a sum of functions of its parents, scaled to unit variance,
plus normal, Laplace or uniform noise of deviation 0.5. The functions of ``--design nonlinear`` are lines,
tanh, sines, kinks, bumps and products, of ``steps`` thresholds, stairs and lines, of ``linear`` lines. Errors
are over all descendants of every second node, set to one deviation below and above its mean, against the true
model: the absolute error of E[Y | do(x)], and the root mean square error of unit counterfactuals of 2,000 new
rows, both in deviations of Y. DoWhy runs in an interpreter of its own (``--peer PYTHON``), with its own
automatic choice.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

QUICK = False
N_NODES = 20
DRAWS = 100_000  # for each mean: an error of 0.003 deviations is that of the draws

PEER = """
import sys, time, json
import networkx as nx, numpy as np, pandas as pd
import dowhy.gcm as gcm
gcm.config.disable_progress_bars()
gcm.config.set_default_n_jobs(1)
task = json.load(sys.stdin)
np.random.seed(task["seed"])
data = pd.DataFrame(np.load(task["folder"] + "/data.npy"), columns=task["names"])
rows = pd.DataFrame(np.load(task["folder"] + "/rows.npy"), columns=task["names"])
graph = nx.DiGraph(task["edges"])
graph.add_nodes_from(task["names"])
model = gcm.InvertibleStructuralCausalModel(graph)
start = time.process_time()
gcm.auto.assign_causal_mechanisms(model, data, quality=gcm.auto.AssignmentQuality.GOOD)
gcm.fit(model, data)
fit = time.process_time() - start
start = time.process_time()
gcm.draw_samples(model, 10_000)
rate = 10_000 / (time.process_time() - start)
for i, (name, value) in enumerate(task["actions"]):
    do = {name: lambda x, value=value: value}
    drawn = gcm.interventional_samples(model, do, num_samples_to_draw=task["draws"])[task["names"]]
    imagined = gcm.counterfactual_samples(model, do, observed_data=rows)[task["names"]]
    np.save(f"{task['folder']}/mean{i}.npy", drawn.mean().to_numpy())
    np.save(f"{task['folder']}/imagined{i}.npy", imagined.to_numpy())
print(json.dumps({"fit": fit, "rate": rate}))
"""

Shape = Callable[[Any, float, float], Any]


def line(x: Any, a: float, _: float) -> Any:
    """Return the only function without a bend."""
    return a * x


DESIGNS: dict[str, tuple[Shape, ...]] = {
    "nonlinear": (
        line,
        lambda x, a, b: a * np.tanh(2 * (x - b)),
        lambda x, a, b: a * np.sin(1.5 * x + b),
        lambda x, a, b: a * np.abs(x - b),
        lambda x, a, b: a * np.exp(-((x - b) ** 2)),
    ),
    "steps": (line, lambda x, a, b: a * (x > b), lambda x, a, b: a * np.floor(x - b)),
    "linear": (line,),
}


class Truth:
    """A random model that can be replayed under an intervention with the same noise."""

    def __init__(self, seed: int, design: str) -> None:
        chance = np.random.default_rng(seed)
        self.shapes, self.products = DESIGNS[design], design == "nonlinear"
        self.parents: list[list[int]] = [
            []
            if j < 3
            else sorted(chance.choice(j, size=min(j, chance.integers(1, 5)), replace=False).tolist())
            for j in range(N_NODES)
        ]
        self.terms = [self._terms(found, chance) for found in self.parents]
        self.kinds = chance.integers(3, size=N_NODES)
        self.scales = [(0.0, 1.0)] * N_NODES
        noise = self.noise(20_000, np.random.default_rng(99))
        columns: list[Any] = []
        for j in range(N_NODES):
            if self.parents[j]:
                raw = self._raw(j, columns)
                self.scales[j] = float(raw.mean()), float(raw.std()) or 1.0
            columns.append(self._value(j, columns, noise[j]))

    def _terms(
        self, parents: list[int], chance: np.random.Generator
    ) -> list[tuple[int, int, int, float, float]]:
        terms, n_shapes = [], len(self.shapes)
        for p in parents:
            sign = float(chance.choice([-1, 1]))
            terms.append(
                (int(chance.integers(n_shapes)), p, p, sign * chance.uniform(0.5, 1.5), chance.uniform(-1, 1))
            )
        for p, q in itertools.pairwise(parents):
            if self.products and chance.random() < 0.5:
                terms.append((n_shapes, p, q, float(chance.choice([-1, 1])) * chance.uniform(0.3, 0.8), 0.0))
        return terms

    def _raw(self, j: int, columns: list[Any]) -> Any:
        total: Any = 0.0
        for kind, p, q, a, b in self.terms[j]:
            product = kind == len(self.shapes)
            x = columns[p]
            total = total + (a * x * np.tanh(columns[q]) if product else self.shapes[kind](x, a, b))
        return total

    def _value(self, j: int, columns: list[Any], noise: Any) -> Any:
        if not self.parents[j]:
            return noise
        shift, scale = self.scales[j]
        return (self._raw(j, columns) - shift) / scale + noise

    def noise(self, n: int, chance: np.random.Generator) -> list[Any]:
        """Draw the noise of all nodes."""
        draws = (
            lambda: chance.normal(size=n),
            lambda: chance.laplace(size=n) / 2**0.5,
            lambda: chance.uniform(-(3**0.5), 3**0.5, n),
        )
        return [
            (0.5 if self.parents[j] else 1.0) * draws[kind]() for j, kind in enumerate(self.kinds.tolist())
        ]

    def rows(self, noise: list[Any], do: dict[int, float] | None = None) -> Any:
        """Return the rows that noise gives under an intervention."""
        columns: list[Any] = []
        for j in range(N_NODES):
            fixed = None if do is None else do.get(j)
            columns.append(
                np.full(len(noise[0]), fixed) if fixed is not None else self._value(j, columns, noise[j])
            )
        return np.column_stack(columns)

    def descendants(self, node: int) -> list[int]:
        """Return the nodes that descend from one."""
        found = {node}
        for j in range(node + 1, N_NODES):
            if found.intersection(self.parents[j]):
                found.add(j)
        return sorted(found - {node})


def experiment(seed: int, n: int, peer: str | None, design: str) -> dict[str, dict[str, float]]:
    """Return time and errors of either side on one random model."""
    truth = Truth(seed, design)
    names = [f"V{j}" for j in range(N_NODES)]
    data = truth.rows(truth.noise(n, np.random.default_rng(seed + 100)))
    many, few = (truth.noise(size, np.random.default_rng(k)) for size, k in ((100_000, 5), (2_000, 6)))
    population, rows = truth.rows(many), truth.rows(few)
    mean, deviation = population.mean(axis=0), population.std(axis=0)
    actions = [
        (j, float(mean[j] + side * deviation[j]))
        for j in range(0, N_NODES - 1, 2)
        for side in (-1, 1)
        if truth.descendants(j)
    ]
    true_means = [truth.rows(many, {j: value}).mean(axis=0) for j, value in actions]
    true_rows = [truth.rows(few, {j: value}) for j, value in actions]

    def errors(means: list[Any], imagined: list[Any]) -> dict[str, float]:
        of_means, of_rows = [], []
        for (j, _), m, i, tm, ti in zip(actions, means, imagined, true_means, true_rows, strict=True):
            for k in truth.descendants(j):
                of_means.append(abs(m[k] - tm[k]) / deviation[k])
                of_rows.append(np.sqrt(np.mean((i[:, k] - ti[:, k]) ** 2)) / deviation[k])
        return {"do": float(np.mean(of_means)), "counterfactual": float(np.mean(of_rows))}

    edges = [(names[p], names[j]) for j in range(N_NODES) for p in truth.parents[j]]
    found = {"causalrep": ours(edges, pd.DataFrame(data, columns=names), rows, actions, errors)}
    if peer is not None:
        found["dowhy"] = theirs(peer, seed, edges, names, data, rows, actions, errors)
    return found


def ours(
    edges: list[tuple[str, str]], data: pd.DataFrame, rows: Any, actions: list[tuple[int, float]], errors: Any
) -> dict[str, float]:
    from causalrep.graphs import DAG
    from causalrep.scm import SCM

    names = list(data.columns)
    start = time.process_time()
    model = SCM(DAG(edges, nodes=names)).fit(data, random_state=0)
    fit = time.process_time() - start
    start = time.process_time()
    model.sample(100_000, random_state=0)
    rate = 100_000 / (time.process_time() - start)
    observed = pd.DataFrame(rows, columns=names)
    worlds = [{names[j]: value} for j, value in actions]
    means = [model.do(do).sample(DRAWS, random_state=1).mean().to_numpy() for do in worlds]
    imagined = [model.counterfactual(observed, do=do).to_numpy() for do in worlds]
    return {"fit": fit, "rate": rate, **errors(means, imagined)}


def theirs(
    peer: str,
    seed: int,
    edges: list[tuple[str, str]],
    names: list[str],
    data: Any,
    rows: Any,
    actions: list[tuple[int, float]],
    errors: Any,
) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "data.npy", data)
        np.save(Path(folder) / "rows.npy", rows)
        task = {"seed": seed, "folder": folder, "names": names, "edges": edges, "draws": DRAWS}
        task["actions"] = [(names[j], value) for j, value in actions]
        done = subprocess.run(
            [peer, "-W", "ignore", "-c", PEER],
            input=json.dumps(task),
            text=True,
            capture_output=True,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )
        loaded = [
            [np.load(Path(folder) / f"{what}{i}.npy") for i in range(len(actions))]
            for what in ("mean", "imagined")
        ]
    return {**json.loads(done.stdout.splitlines()[-1]), **errors(*loaded)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--design", choices=DESIGNS, default="nonlinear")
    parser.add_argument("--peer", help="a Python interpreter that has dowhy")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.json:
        tables = {
            seed: experiment(seed, arguments.n, arguments.peer, arguments.design) for seed in arguments.seeds
        }
        json.dump(tables, sys.stdout, indent=2)
        return
    print(f"{'seed':>5}  {'':<10}{'fit CPU s':>10}{'rows/s':>10}{'do':>8}{'counterfactual':>16}", flush=True)
    for seed in arguments.seeds:
        for name, row in experiment(seed, arguments.n, arguments.peer, arguments.design).items():
            print(
                f"{seed:>5}  {name:<10}{row['fit']:>10.2f}{row['rate']:>10.0f}{row['do']:>8.4f}"
                f"{row['counterfactual']:>16.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
