"""Root causes of injected faults in the PetShop microservices (Hardt et al. 2023), with the call graph given.

Run ``python benchmarks/scm/bench_petshop.py DATA`` with the folder ``high_traffic`` of the data set. A model
of normal operation is fitted to one metric of all services; the rows of each issue are then ranked by
`root_causes`. Printed is the rank of the true cause, by contribution to the outlier of the front end, and
by how unusual a node is given its parents.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from causalrep.graphs import DAG
from causalrep.scm import SCM, root_causes

_MOST_MISSING = 0.1
_FEW, _GRAIN = 20, 0.1  # columns with fewer values get noise of this deviation


def read(path: Path, metric: str) -> pd.DataFrame:
    """Return the averages of one metric, a column for each service."""
    frame = pd.read_csv(path, header=[0, 1, 2], index_col=0)
    return frame.xs((metric, "Average"), axis=1, level=[1, 2])


def model_of(normal: pd.DataFrame, calls: pd.DataFrame, target: str) -> SCM:
    """Return the model of normal operation: a caller is slow, or fails, because what it calls does."""
    edges = [
        (callee, caller)
        for caller in calls.index
        for callee in calls.columns
        if calls.loc[caller, callee] and callee in normal and caller in normal
    ]
    graph = DAG(edges, nodes=list(normal))
    graph = graph.subgraph([node for node in graph.nodes if node in {target, *graph.ancestors([target])}])
    # availability is 100 % nearly always: without a grain of noise there is nothing to learn from
    generator = np.random.default_rng(0)
    grain = {node: _GRAIN if normal[node].nunique() < _FEW else 0.0 for node in graph.nodes}
    rows = pd.DataFrame(
        {node: normal[node] + generator.normal(0, grain[node], len(normal)) for node in grain}
    )
    return SCM(graph).fit(rows, mechanisms="linear", random_state=0)


def main(folder: Path) -> None:
    """Print the table."""
    calls = pd.read_csv(folder / "graph.csv", index_col=0)
    found = []
    for issue in sorted((folder / "train").iterdir()):
        told = json.loads((issue / "target.json").read_text())
        metric, target, cause = told["target"]["metric"], told["target"]["node"], told["root_cause"]["node"]
        normal = read(folder / "noissue" / "metrics.csv.gz", metric)
        rows = read(issue / "metrics.csv", metric)
        kept = [v for v in normal if normal[v].isna().mean() <= _MOST_MISSING and v in rows]
        kept = [v for v in kept if rows[v].notna().any()]
        normal, rows = (frame[kept].ffill().bfill() for frame in (normal, rows))
        begin = time.process_time()
        scm = model_of(normal, calls, target)
        fitted = time.process_time()
        table = root_causes(scm, rows[list(scm.graph.nodes)], target, n_samples=1000, random_state=0)
        own = table.sort_values("given_parents", ascending=False, kind="stable", ignore_index=True)
        ranks = [int(np.flatnonzero(frame["node"] == cause)[0]) + 1 for frame in (table, own)]
        found.append((metric, *ranks))
        print(
            f"{issue.name}  {metric:12s} nodes {len(table):2d}  rank by contribution {ranks[0]:2d}, "
            f"given parents {ranks[1]:2d}  first: {table['node'][0]}  "
            f"(fit {fitted - begin:.1f} s, attribution {time.process_time() - fitted:.1f} s CPU)"
        )
    for metric in sorted({line[0] for line in found}):
        some = np.array([line[1:] for line in found if line[0] == metric])
        recall = [(some[:, how] <= k).mean() for how in (0, 1) for k in (1, 3)]
        print(
            f"{metric}: contribution top-1 {recall[0]:.2f}, top-3 {recall[1]:.2f}; "
            f"given parents top-1 {recall[2]:.2f}, top-3 {recall[3]:.2f}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
