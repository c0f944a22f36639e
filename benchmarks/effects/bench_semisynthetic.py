"""Effects on semi-synthetic data beside EconML, CausalML and DoubleML: IHDP, ACIC 2016, Twins.

Run ``python benchmarks/effects/bench_semisynthetic.py --rows FILE [--source ihdp] [--peer PYTHON]``. Each
method's errors on each replication are a JSON line of FILE; those that it has are not computed again, so a
run may be stopped, or be shared out. ``--peer`` is the interpreter of the peers' environment; without it
only causalrep is run. Tables are made of all lines: medians of the root error of effects by row (PEHE) and of
the error of their mean, and how much worse than the best a method is on average, by paired differences with
their standard errors: a method is within noise of the best where that is less than two of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bench_effects import by_peer
from designs import DATA_SETS, DESIGNS

from causalrep.estimators import TMLE, CausalForest, GComputation, RLearner, TARNet, TLearner, share_nuisances

QUICK = False

Row = dict[str, Any]


def ours() -> dict[str, Any]:
    return {
        "causalrep RLearner": RLearner(final_model="auto", random_state=0),
        "causalrep CausalForest": CausalForest(n_estimators=200, random_state=0),
        "causalrep TLearner": TLearner(random_state=0),
        "causalrep TARNet": TARNet(random_state=0),
        "causalrep TMLE": TMLE(random_state=0),
        "causalrep GComputation": GComputation(random_state=0),
    }


def data_of(source: str, key: int) -> dict[str, np.ndarray]:
    return DESIGNS[source](2000, key) if source in DESIGNS else DATA_SETS[source][0](key)


def errors(source: str, key: int, known: set[str]) -> Iterator[Row]:
    """Yield the errors of causalrep's estimators on a replication; what they share is fitted once."""
    data = data_of(source, key)
    with share_nuisances():
        for name, learner in ours().items():
            if name in known:
                continue
            start = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                learner.fit(data["W"], data["y"], treatment=data["t"])
                result = learner.ate()
            by_row = name.split()[1] in ("RLearner", "CausalForest", "TLearner", "TARNet")
            found = learner.predict(data["W"]) if by_row else None
            yield {
                "name": name,
                "pehe": None if found is None else float(np.sqrt(np.mean((found - data["effect"]) ** 2))),
                "ate": result.estimate - float(data["effect"].mean()),
                "low": result.ci[0],
                "high": result.ci[1],
                "seconds": time.process_time() - start,
            }


def table(source: str, rows: list[Row]) -> None:
    """Print medians, and paired differences to the best."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    keys = sorted({row["key"] for row in rows})
    print(f"\n{source}, {len(keys)} replications\n")
    print("| | root PEHE | above the best | error of the mean | above the best |\n|---|---|---|---|---|")
    columns = [worse(rows, names, keys, "pehe"), worse(rows, names, keys, "ate")]
    for name in names:
        print(f"| {name} | " + " | ".join(column.get(name, "| ") for column in columns) + " |")


def worse(rows: list[Row], names: list[str], keys: list[int], what: str) -> dict[str, str]:
    """Return for each method its median, and its mean difference from the best by median."""
    value = {(row["name"], row["key"]): abs(row[what]) for row in rows if row[what] is not None}
    full = [name for name in names if all((name, key) in value for key in keys)]
    median = {name: statistics.median(value[name, key] for key in keys) for name in full}
    best = min(median, key=lambda name: median[name], default=None)
    found = {}
    for name in full:
        gap = [value[name, key] - value[best, key] for key in keys]
        noise = statistics.stdev(gap) / len(gap) ** 0.5 if len(gap) > 1 else float("nan")
        text = "best" if name == best else f"{statistics.mean(gap):+.3f} ({noise:.3f})"
        found[name] = f"{median[name]:.3f} | {text}"
    return found


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, required=True, help="file of JSON lines, made or added to")
    parser.add_argument("--source", nargs="*", choices=["nonlinear", *DATA_SETS], default=list(DATA_SETS))
    parser.add_argument("--draws", type=int, default=3, help="of the nonlinear design")
    parser.add_argument("--peer", help="interpreter of an environment with econml, doubleml and causalml")
    arguments = parser.parse_args()
    for source in arguments.source:
        for key in range(arguments.draws) if source in DESIGNS else DATA_SETS[source][1]:
            known = {
                row["name"] for row in read(arguments.rows) if (row["source"], row["key"]) == (source, key)
            }
            peers_done = any(not name.startswith("causalrep") for name in known)
            lines = [] if peers_done else by_peer(arguments.peer, "effects", source, str(key))
            with arguments.rows.open("a") as file:
                for line in (*lines, *errors(source, key, known)):
                    file.write(json.dumps({"source": source, "key": key, **line}) + "\n")
                    file.flush()
    rows = read(arguments.rows)
    for source in dict.fromkeys(row["source"] for row in rows):
        table(source, [row for row in rows if row["source"] == source])


if __name__ == "__main__":
    main()
