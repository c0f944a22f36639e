"""The queries whose answers were recorded elsewhere, if the file is at hand."""

import json
from pathlib import Path

import pytest

from causalrep.graphs import ADMG
from causalrep.identification import identify

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "id_graphs" / "id_queries.json"


@pytest.mark.skipif(not RECORDED.exists(), reason="needs the recorded queries beside the repository")
def test_all_recorded_queries_are_answered_as_recorded():
    wrong, n_queries = [], 0
    for entry in json.loads(RECORDED.read_text(encoding="utf-8")):
        graph = ADMG(map(tuple, entry["directed"]), map(tuple, entry["bidirected"]), nodes=entry["nodes"])
        for query in entry["queries"]:
            n_queries += 1
            result = identify(graph, outcome=query["outcomes"], treatment=query["treatments"])
            if result.identifiable != query["identifiable"]:
                wrong.append((entry["name"], query))
            assert result.trace.verify() if result.identifiable else result.witness.verify()
    assert n_queries == 213
    assert wrong == []
