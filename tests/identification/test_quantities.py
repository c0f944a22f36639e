"""Quantities by name against their definitions in enumerated worlds."""

import numpy as np
import pytest

from causalrep.graphs import ADMG
from causalrep.identification import identify, identify_quantity
from causalrep.utils import DataError, GraphError, UnknownNameError
from tests.identification.response_models import ResponseModel, Y
from tests.identification.test_bounds import truths
from tests.identification.test_counterfactual import ALL, GRAPHS, OBS, tables

#: graph, quantity, distributions at hand, whether identified
CASES = [
    ("backdoor", "ATE", OBS, True),
    ("backdoor", "ATT", OBS, True),
    ("backdoor", "ATC", OBS, True),
    ("backdoor", "PN", ALL, False),
    ("backdoor", "PS", ALL, False),
    ("backdoor", "PNS", ALL, False),
    ("edge", "PN", ALL, False),
    ("edge", "PS", ALL, False),
    ("edge", "PNS", ALL, False),
    ("frontdoor", "ATE", OBS, True),
    ("frontdoor", "ATT", OBS, True),
    ("bow", "ATE", OBS, False),
    ("bow", "ATT", OBS, False),
    ("bow", "ATE", ALL, True),
    ("bow", "ATT", ALL, True),
    ("bow", "ATC", ALL, True),
    ("instrument", "ATE", OBS, False),
]


@pytest.mark.parametrize(("name", "quantity", "kind", "expected"), CASES)
def test_quantities_have_their_values(name, quantity, kind, expected):
    for seed in (0, 1):
        model = ResponseModel(GRAPHS[name], seed)
        at_hand = tables(model, kind)
        r = identify_quantity(model.graph, quantity, "X", "Y", available=list(at_hand))
        assert r.identifiable is expected
        if expected:
            assert r.trace.verify()
            for form in ("simplified", "raw"):
                assert r.evaluate(at_hand, form=form) == pytest.approx(truths(model)[quantity], abs=1e-9)
        else:
            assert r.witness.verify()


@pytest.mark.parametrize("seed", range(2))
def test_direct_and_indirect_effects(seed):
    g = ADMG([("W", "X"), ("W", "M"), ("W", "Y"), ("X", "M"), ("M", "Y"), ("X", "Y")])
    model = ResponseModel(g, seed)
    m0, m1 = Y("M", X=0), Y("M", X=1)
    base = model.mean(Y("Y", X=0))
    expected = {
        "NDE": model.mean(Y("Y", X=1, M=m0)) - base,
        "NIE": model.mean(Y("Y", X=0, M=m1)) - base,
    }
    for name, value in expected.items():
        assert identify_quantity(g, name, "X", "Y").evaluate(model.table()) == pytest.approx(value, abs=1e-9)
    cde = model.mean(Y("Y", X=1, M=1)) - model.mean(Y("Y", X=0, M=1))
    r = identify_quantity(g, "CDE", "X", "Y", mediators={"M": 1})
    assert r.evaluate(model.table()) == pytest.approx(cde, abs=1e-9)


def test_mediators_may_be_named():
    g = GRAPHS["recanting"]
    model = ResponseModel(g, 0)
    some, everything = (identify_quantity(g, "NDE", "X", "Y", mediators=m) for m in ("L", {"M", "L"}))
    by_l = model.mean(Y("Y", X=1, L=Y("L", X=0))) - model.mean(Y("Y", X=0))
    by_both = model.mean(Y("Y", X=1, L=Y("L", X=0), M=Y("M", X=0))) - model.mean(Y("Y", X=0))
    assert some.evaluate(model.table()) == pytest.approx(by_l, abs=1e-9)
    assert everything.evaluate(model.table()) == pytest.approx(by_both, abs=1e-9)
    assert not identify_quantity(g, "NDE", "X", "Y", mediators=["M"]).identifiable


def test_an_effect_through_nothing_is_zero():
    model = ResponseModel(GRAPHS["backdoor"], 0)
    assert identify_quantity(model.graph, "NIE", "X", "Y").evaluate(model.table()) == 0


def test_conditional_effects_are_tabulated():
    model = ResponseModel(GRAPHS["backdoor"], 2)
    r = identify_quantity(model.graph, "CATE", "X", "Y", given="W")
    frame = r.evaluate(model.table())
    assert len(frame["W"]) == 2
    for w, effect in zip(frame["W"], frame["effect"], strict=True):
        known = [(Y("W"), w)]
        truth = model.mean(Y("Y", X=1), known) - model.mean(Y("Y", X=0), known)
        assert effect == pytest.approx(truth, abs=1e-9)
        one = identify_quantity(model.graph, "CATE", "X", "Y", given={"W": int(w)})
        assert one.evaluate(model.table()) == pytest.approx(truth, abs=1e-9)


@pytest.mark.parametrize(("name", "kind"), [("backdoor", OBS), ("edge", OBS), ("bow", ALL)])
@pytest.mark.parametrize("quantity", ["PN", "PS", "PNS"])
def test_monotonicity_makes_causes_of_effects_identifiable(name, kind, quantity):
    model = ResponseModel(GRAPHS[name], 1)
    parents, table, hidden = model.functions["Y"]
    rising = np.sort(table, axis=parents.index("X"))
    model.functions["Y"] = (parents, rising, hidden)
    at_hand = tables(model, kind)
    r = identify_quantity(model.graph, quantity, "X", "Y", assumptions=["monotone"], available=list(at_hand))
    assert r.evaluate(at_hand) == pytest.approx(truths(model)[quantity], abs=1e-9)
    assert any("never" in assumption for assumption in r.assumptions)


def test_exogenous_and_monotone_are_the_textbook_ratios():
    # Tian and Pearl 2000: PNS = P(y|x) - P(y|x'), PN = PNS / P(y|x), PS = PNS / P(y'|x').
    table = {"X": [0, 0, 1, 1], "Y": [0, 1, 0, 1], "p": [0.3, 0.2, 0.1, 0.4]}
    for name, value in {"PNS": 0.4, "PN": 0.4 / 0.8, "PS": 0.4 / 0.6}.items():
        r = identify_quantity(GRAPHS["edge"], name, "X", "Y", assumptions=["monotone"])
        assert r.evaluate(table) == pytest.approx(value, abs=1e-12)


def test_identify_knows_the_names():
    r = identify(GRAPHS["backdoor"], "ATT", treatment="X", outcome="Y")
    assert str(r.estimand) == "P(Y | X=1) - sum_{W} P(Y | W, X=0) P(W | X=1)"


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (("ATX", "X", "Y"), {}, UnknownNameError),
        (("ATE", "Q", "Y"), {}, UnknownNameError),
        (("ATE", "X", "Q"), {}, UnknownNameError),
        (("ATE", "X", "Y"), {"assumptions": ["linear"]}, UnknownNameError),
        (("ATE", "X", "X"), {}, GraphError),
        (("CDE", "X", "Y"), {}, GraphError),
        (("CATE", "X", "Y"), {}, GraphError),
        (("NDE", "X", "Y"), {"mediators": "W"}, GraphError),
    ],
)
def test_bad_questions_are_refused(arguments, options, error):
    with pytest.raises(error):
        identify_quantity(GRAPHS["backdoor"], *arguments, **options)


def test_means_need_numbers():
    r = identify_quantity(GRAPHS["edge"], "ATE", "X", "Y")
    table = {"X": [0, 0, 1, 1], "Y": ["a", "b", "a", "b"], "p": [0.25] * 4}
    with pytest.raises(DataError, match="needs numbers"):
        r.evaluate(table)
