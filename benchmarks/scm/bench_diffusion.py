"""Error of counterfactuals of a learned mechanism: tabular diffusion beside splines, boosting and DoWhy.

Each design has one node Y with a known mechanism. Mechanisms are learned from 2,000 rows; then 1,000 other
rows are asked what Y would have been had X been another draw. The error is the root of the mean square, in
standard deviations of Y. DoWhy cannot be installed beside this library: its side (additive noise over
gradient boosting, and over the regressor of its automatic assignment) runs in an interpreter of its own
(``--peer PYTHON``).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from typing import Any

import numpy as np

DESIGNS = {
    "additive, sine": "X = N(0, 1); Y = sin(2*X) + N(0, 0.5)",
    "scale depends on X": "X = N(0, 1); Y = X**2/2 + exp(X/2) * N(0, 0.5)",
    "multiplicative": "X = N(0, 1); Y = X**2/2 + exp(X/2 + 0.5*N(0, 1))",
    "bent by softplus": "X = N(0, 1); Z = N(0, 1); Y = 2*tanh(X) + Z/2 + log(1 + exp(X + 2*N(0, 1)))",
    "skewed by X": "X = N(0, 1); Y = X + sinh(N(0, 1) * (1 + 0.8*tanh(X)))",
}
PEER = """
import json, sys, time, warnings
import networkx as nx, numpy as np, pandas as pd
import dowhy.gcm as gcm
gcm.config.disable_progress_bars()
task = json.load(sys.stdin)
train, rows = pd.DataFrame(task["train"]), pd.DataFrame(task["rows"])
answers = {}
for name in ("boosting", "auto"):
    model = gcm.InvertibleStructuralCausalModel(nx.DiGraph([(p, "Y") for p in task["parents"]]))
    for p in task["parents"]:
        model.set_causal_mechanism(p, gcm.EmpiricalDistribution())
    gcm.util.general.set_random_seed(0)
    if name == "auto":
        gcm.auto.assign_causal_mechanisms(model, train)
    else:
        regressor = gcm.ml.create_hist_gradient_boost_regressor()
        model.set_causal_mechanism("Y", gcm.AdditiveNoiseModel(regressor))
    start = time.process_time()
    gcm.fit(model, train)
    seconds = time.process_time() - start
    noise = gcm.counterfactual_samples(model, {"X": lambda x: x}, observed_data=rows)
    new = iter(task["new"])
    found = gcm.counterfactual_samples(model, {"X": lambda x: next(new)}, observed_data=rows)
    answers[name] = {"Y": found["Y"].tolist(), "X": found["X"].tolist(), "seconds": seconds}
print(json.dumps(answers))
"""


def rows_of(text: str, n: int, seed: int) -> Any:
    from causalrep.scm import SCM

    return SCM.from_equations(text).sample(n, random_state=seed)


def learned(name: str, text: str, train: Any) -> tuple[Any, float]:
    """Return the model with Y learned in one way, and the CPU seconds that took."""
    from causalrep.representation import DiffusionMechanism
    from causalrep.scm import SCM

    truth = SCM.from_equations(text)
    given = {node: truth.mechanisms[node] for node in truth.graph.nodes if node != "Y"}
    start = time.process_time()
    if name.startswith("diffusion"):
        parents = {node: train[node] for node in truth.graph.parents("Y")}
        mechanism = DiffusionMechanism(name.split()[1]).fit(parents, train["Y"], random_state=0)
        model = SCM(truth.graph, {**given, "Y": mechanism})
    else:
        model = SCM(truth.graph).fit(train, {**given, "Y": name}, random_state=0)
    return model, time.process_time() - start


def peer_errors(peer: str, text: str, train: Any, rows: Any, new: Any, wanted: Any) -> dict[str, Any]:
    """Return error and seconds of DoWhy's additive noise models, run in another interpreter."""
    from causalrep.scm import SCM

    task = {
        "train": train.to_dict("list"),
        "rows": rows.to_dict("list"),
        "parents": list(SCM.from_equations(text).graph.parents("Y")),
        "new": new.tolist(),
    }
    done = subprocess.run(
        [peer, "-W", "ignore", "-c", PEER], input=json.dumps(task), text=True, capture_output=True, check=True
    )
    answers = json.loads(done.stdout.splitlines()[-1])
    table = {}
    for name, answer in answers.items():
        if not np.allclose(answer["X"], new):
            raise RuntimeError("the peer did not set X to the wanted values, row by row")
        error = float(np.sqrt(np.mean((np.array(answer["Y"]) - wanted) ** 2)))
        table[f"dowhy {name}"] = (error, answer["seconds"])
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="a Python interpreter that has DoWhy")
    parser.add_argument("--paper", action="store_true", help="also train with the settings of the paper")
    options = parser.parse_args()
    names = ["diffusion quick", *(["diffusion paper"] if options.paper else [])]
    names += ["spline", "heteroscedastic", "boosting", "linear"]
    from causalrep.scm import SCM

    for design, text in DESIGNS.items():
        train, rows = rows_of(text, 2000, 0), rows_of(text, 1000, 1)
        new = np.random.default_rng(5).normal(size=len(rows))
        wanted = SCM.from_equations(text).counterfactual(rows, do={"X": new})["Y"].to_numpy()
        scale, table = float(rows["Y"].std()), {}
        for name in names:
            model, seconds = learned(name, text, train)
            found = model.counterfactual(rows, do={"X": new})["Y"].to_numpy()
            table[name] = (float(np.sqrt(np.mean((found - wanted) ** 2))), seconds)
        if options.peer:
            table |= peer_errors(options.peer, text, train, rows, new, wanted)
        for name, (error, seconds) in table.items():
            print(f"| {design} | {name} | {error / scale:.3f} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
