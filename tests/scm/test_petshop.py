"""Root causes in real microservices: the PetShop data set, where it is at hand."""

import json
from pathlib import Path

import pandas as pd
import pytest

from causalrep.graphs import DAG
from causalrep.scm import SCM, root_causes

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "petshop_rca" / "high_traffic"


def latencies(path):
    frame = pd.read_csv(path, header=[0, 1, 2], index_col=0)
    return frame.xs(("latency", "Average"), axis=1, level=[1, 2])


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="the PetShop data set is not there")
@pytest.mark.parametrize("issue", ["issue_0", "issue_2", "issue_3"])
def test_the_slow_service_is_among_the_first_three(issue):
    calls = pd.read_csv(DATA / "graph.csv", index_col=0)
    told = json.loads((DATA / "train" / issue / "target.json").read_text())
    target, cause = told["target"]["node"], told["root_cause"]["node"]
    normal, rows = (
        latencies(DATA / "noissue" / "metrics.csv.gz"),
        latencies(DATA / "train" / issue / "metrics.csv"),
    )
    kept = [v for v in normal if normal[v].isna().mean() <= 0.1 and v in rows and rows[v].notna().any()]
    normal, rows = (frame[kept].ffill().bfill() for frame in (normal, rows))
    edges = [
        (callee, caller)
        for caller in calls.index
        for callee in calls.columns
        if calls.loc[caller, callee] and callee in kept and caller in kept
    ]
    graph = DAG(edges, nodes=kept)
    graph = graph.subgraph([node for node in kept if node in {target, *graph.ancestors([target])}])
    scm = SCM(graph).fit(normal, mechanisms="linear", random_state=0)
    table = root_causes(scm, rows[list(graph.nodes)], target, random_state=0)
    assert len(table) >= 30
    assert cause in table["node"].tolist()[:3]
