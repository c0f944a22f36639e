"""The graphs of dagitty's gallery and tests, answered as dagitty answers them."""

import json
from itertools import combinations
from pathlib import Path

import pytest

from causalrep.graphs import ADMG, DAG
from causalrep.identification import adjustment_sets, instruments

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "data" / "id_graphs" / "dagitty_graphs.json"
ENTRIES = json.loads(PUBLISHED.read_text(encoding="utf-8")) if PUBLISHED.exists() else []

pytestmark = pytest.mark.skipif(not ENTRIES, reason=f"the published graphs are not at {PUBLISHED}")


def graph_of(entry):
    edges = {kind: [(u, v) for u, k, v in entry["edges"] if k == kind] for kind in ("->", "<->")}
    if edges["<->"]:
        return ADMG(edges["->"], edges["<->"], nodes=entry["nodes"], latent=entry["latents"])
    return DAG(edges["->"], nodes=entry["nodes"], latent=entry["latents"])


def sets_of(found):
    return {frozenset(chosen) for chosen in found}


def with_answers(key):
    entries = [entry for entry in ENTRIES if key in entry]
    return pytest.mark.parametrize("entry", entries, ids=[entry["name"] for entry in entries])


@with_answers("minimal_adjustment_sets_total")
def test_minimal_sets_for_total_effects(entry):
    found = adjustment_sets(graph_of(entry), entry["exposures"], entry["outcomes"])
    assert sets_of(found) == sets_of(entry["minimal_adjustment_sets_total"])


@with_answers("minimal_adjustment_sets_direct")
def test_minimal_sets_for_direct_effects(entry):
    found = adjustment_sets(graph_of(entry), entry["exposures"], entry["outcomes"], criterion="single-door")
    assert sets_of(found) == sets_of(entry["minimal_adjustment_sets_direct"])


@with_answers("instruments")
def test_instruments(entry):
    (x,), (y,) = entry["exposures"], entry["outcomes"]
    found = {(one.instrument, frozenset(one.given)) for one in instruments(graph_of(entry), x, y)}
    assert found == {(one["instrument"], frozenset(one["given"])) for one in entry["instruments"]}


@with_answers("minimal_implied_independencies")
def test_minimal_implied_independencies(entry):
    g = graph_of(entry)
    found = {
        (frozenset([x, y]), frozenset(given))
        for x, y in combinations(g.observed, 2)
        for given in g.minimal_separators(x, y)
    }
    assert found == {
        (frozenset([one["x"], one["y"]]), frozenset(one["given"]))
        for one in entry["minimal_implied_independencies"]
    }


def test_all_graphs_are_asked():
    assert len(ENTRIES) == 16
    assert sum("minimal_adjustment_sets_total" in entry for entry in ENTRIES) == 13
