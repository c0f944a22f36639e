"""CPU time of sampling, do and counterfactuals beside DoWhy's GCM and a hand-written NumPy loop.

Linear models with standard normal noise and up to three parents a node. The hand loop goes node by node over
whole columns, with the parents and coefficients written out. DoWhy cannot be installed beside this library:
its side runs in an interpreter of its own (``--peer PYTHON``), on the same machine, in turns with ours.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

PEER = """
import json, sys, time
import networkx as nx, numpy as np, pandas as pd
import dowhy.gcm as gcm
from scipy import stats
gcm.config.disable_progress_bars()
task = json.load(sys.stdin)
parents = {name: found for name, found in task["parents"]}
n, m = task["n"], task["rows"]
graph = nx.DiGraph([(p, name) for name, found in parents.items() for p in found])
graph.add_nodes_from(parents)
class Line(gcm.ml.PredictionModel):
    def __init__(self, k): self.k = k
    def fit(self, X, Y): pass
    def predict(self, X): return (X * 0.5).sum(axis=1, keepdims=True)
    def clone(self): return Line(self.k)
model = gcm.InvertibleStructuralCausalModel(graph)
for name, found in parents.items():
    noise = gcm.ScipyDistribution(stats.norm, loc=0, scale=1)
    model.set_causal_mechanism(name, gcm.AdditiveNoiseModel(Line(len(found)), noise) if found else noise)
for name, found in parents.items():
    model.graph.nodes[name]["parents_during_fit"] = sorted(found)
first = task["target"]
def clock(call):
    start = time.process_time(); result = call(); return time.process_time() - start, result
def seconds(call):
    return min(clock(call)[0] for _ in range(task["repetitions"]))
observed = gcm.draw_samples(model, m)
print(json.dumps({
    "sample": seconds(lambda: gcm.draw_samples(model, n)),
    "do": seconds(lambda: gcm.interventional_samples(model, {first: lambda x: 1.0}, num_samples_to_draw=n)),
    "counterfactual": seconds(lambda: gcm.counterfactual_samples(
        model, {first: lambda x: 1.0}, observed_data=observed)),
}))
"""


def parents_of(n_nodes: int) -> dict[str, list[str]]:
    """Return up to three earlier nodes for each node."""
    chance = np.random.default_rng(1)
    picks = [sorted(set(chance.integers(0, j, size=min(3, j)).tolist())) if j else [] for j in range(n_nodes)]
    return {f"V{j:03}": [f"V{i:03}" for i in found] for j, found in enumerate(picks)}


def by_hand(parents: Mapping[str, list[str]], n: int, do: Mapping[str, float]) -> pd.DataFrame:
    """Sample as one writes it for one model: node by node, whole columns."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {}
    for name, found in parents.items():
        if name in do:
            columns[name] = np.full(n, do[name])
            continue
        value = rng.normal(0, 1, n)
        for parent in found:
            value = value + 0.5 * columns[parent]
        columns[name] = value
    return pd.DataFrame(columns, copy=False)


def cpu_seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def measured(n_nodes: int, n: int, rows: int, repetitions: int, peer: str | None) -> dict[str, Any]:
    from causalrep.scm import SCM, Linear, Normal

    parents = parents_of(n_nodes)
    scm = SCM(
        mechanisms={
            name: Linear(dict.fromkeys(found, 0.5), noise=Normal(0, 1)) if found else Normal(0, 1)
            for name, found in parents.items()
        }
    )
    target = "V001"
    observed = scm.sample(rows, random_state=1)
    done = scm.do({target: 1.0})
    calls: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "sample": (lambda: scm.sample(n, random_state=0), lambda: by_hand(parents, n, {})),
        "do": (lambda: done.sample(n, random_state=0), lambda: by_hand(parents, n, {target: 1.0})),
        "counterfactual": (
            lambda: scm.counterfactual(observed, do={target: 1.0}),
            lambda: imagined_by_hand(parents, observed, target, 1.0),
        ),
    }
    table: dict[str, Any] = {}
    for name, (ours, hand) in calls.items():
        ours()
        pairs = [(cpu_seconds(ours), cpu_seconds(hand)) for _ in range(repetitions)]
        table[name] = {
            "causalrep": statistics.median(a for a, _ in pairs),
            "hand loop": statistics.median(b for _, b in pairs),
        }
    got = scm.counterfactual(observed, do={target: 1.0}).to_numpy()
    expected = imagined_by_hand(parents, observed, target, 1.0).to_numpy()
    table["largest counterfactual error"] = float(np.abs(got - expected).max())
    if peer is not None:
        task = {"parents": list(parents.items()), "n": n, "rows": rows, "target": target, "repetitions": 2}
        found = subprocess.run(
            [peer, "-W", "ignore", "-c", PEER],
            input=json.dumps(task),
            text=True,
            capture_output=True,
            check=True,
        )
        for name, seconds in json.loads(found.stdout.splitlines()[-1]).items():
            table[name]["dowhy"] = seconds
    return table


def imagined_by_hand(
    parents: Mapping[str, list[str]], observed: pd.DataFrame, target: str, value: float
) -> pd.DataFrame:
    """Abduct, act and predict for the descendants of one node."""
    columns = {name: observed[name].to_numpy() for name in parents}
    new = dict(columns)
    new[target] = np.full(len(observed), value)
    changed = {target}
    for name, found in parents.items():
        if name == target or not changed.intersection(found):
            continue
        changed.add(name)
        noise = columns[name]
        for parent in found:
            noise = noise - 0.5 * columns[parent]
        for parent in found:
            noise = noise + 0.5 * new[parent]
        new[name] = noise
    return pd.DataFrame(new)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--peer", help="a Python interpreter that has dowhy")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    tables = {
        d: measured(d, arguments.n, arguments.rows, arguments.repetitions, arguments.peer)
        for d in arguments.nodes
    }
    if arguments.json:
        json.dump({"unit": "CPU seconds", "nodes": tables}, sys.stdout, indent=2)
        return
    print(f"{'nodes':>6}  {'call':<16}{'causalrep':>11}{'hand loop':>11}{'dowhy':>9}  of hand  times dowhy")
    for d, table in tables.items():
        for name, row in table.items():
            if not isinstance(row, dict):
                print(f"{d:>6}  {name}: {row:.1e}")
                continue
            ours, hand, theirs = row["causalrep"], row["hand loop"], row.get("dowhy", float("nan"))
            seconds = f"{ours:>11.3f}{hand:>11.3f}{theirs:>9.3f}"
            print(f"{d:>6}  {name:<16}{seconds}{ours / hand:>8.2f}x{theirs / ours:>11.1f}x")


if __name__ == "__main__":
    main()
