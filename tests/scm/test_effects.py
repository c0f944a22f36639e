"""Effects: against enumeration, against formulas, and the identities that hold between them."""

from itertools import pairwise

import numpy as np
import pytest

from causalrep.graphs import DAG
from causalrep.scm import SCM, AdditiveNoise, DiscreteSCM, Interval, Linear, LinearGaussianSCM, Normal
from causalrep.utils import DataError, GraphError, ImpossibleEvidenceError, UnknownNameError
from tests.scm.enumeration import random_model

TOLERANCE = 1e-9  # asked for by the specification


def random_query(seed, n_nodes):
    rng = np.random.default_rng(seed)
    truth, states = random_model(rng, n_nodes)
    labels = {node: range(size) for node, size in states.items()}
    scm = DiscreteSCM.from_response_functions(truth.exogenous, truth.functions, labels)
    i, j = sorted(rng.choice(n_nodes, size=2, replace=False))
    return rng, truth, states, scm, truth.order[i], truth.order[j]


def check_effects(seed, n_nodes):
    """Compare every kind of effect of one random model with enumeration."""
    rng, truth, states, scm, x, y = random_query(seed, n_nodes)
    w, seen = truth.weights, truth.world()
    on, off = truth.world({x: 1}), truth.world({x: 0})
    for kind in ("ATE", "TE"):
        assert scm.effect(kind, x, y) == pytest.approx(w @ (on[y] - off[y]), abs=TOLERANCE)
    for kinds, value in ((("ATT", "ETT"), 1), (("ATC",), 0)):
        law = truth.mass(seen, {x: value})
        for kind in kinds:
            if law.sum() == 0:
                with pytest.raises(ImpossibleEvidenceError):
                    scm.effect(kind, x, y)
            else:
                expected = law @ (on[y] - off[y]) / law.sum()
                assert scm.effect(kind, x, y) == pytest.approx(expected, abs=TOLERANCE)
    check_mediation(rng, truth, states, scm, x, y)
    check_causation(truth, scm, x, y)


def check_mediation(rng, truth, states, scm, x, y):
    others = [node for node in truth.order if node not in (x, y)]
    mediators = [str(node) for node in others if rng.random() < 0.5]
    on, off, w = truth.world({x: 1}), truth.world({x: 0}), truth.weights
    if mediators:
        held = {m: int(rng.integers(states[m])) for m in mediators}
        contrast = truth.world({x: 1, **held})[y] - truth.world({x: 0, **held})[y]
        assert scm.effect("CDE", x, y, mediators=held) == pytest.approx(w @ contrast, abs=TOLERANCE)
    direct = truth.world({x: 1, **{m: off[m] for m in mediators}})[y]
    found = scm.effect("NDE", x, y, mediators=mediators)
    assert found == pytest.approx(w @ (direct - off[y]), abs=TOLERANCE)
    indirect = truth.world({x: 0, **{m: on[m] for m in mediators}})[y]
    found = scm.effect("NIE", x, y, mediators=mediators)
    assert found == pytest.approx(w @ (indirect - off[y]), abs=TOLERANCE)
    path = directed_path(rng, scm.graph, x, y)
    if path is not None:
        reads = {edge: off[edge[0]] for edge in scm.graph.directed_edges if edge[0] not in truth.exogenous}
        for edge in pairwise(path):
            del reads[edge]
        special = truth.world({x: 1}, reads)[y]
        found = scm.effect("PSE", x, y, paths=[path])
        assert found == pytest.approx(w @ (special - off[y]), abs=TOLERANCE)


def directed_path(rng, graph, x, y):
    path = [x]
    while path[-1] != y:
        onward = [c for c in graph.children(path[-1]) if c == y or y in graph.descendants(c)]
        if not onward:
            return None
        path.append(onward[int(rng.integers(len(onward)))])
    return path


def check_causation(truth, scm, x, y):
    seen, on, off = truth.world(), truth.world({x: 1}), truth.world({x: 0})
    both = truth.weights @ ((on[y] == 1) & (off[y] != 1))
    assert scm.effect("PNS", x, y) == pytest.approx(both, abs=TOLERANCE)
    harmed = truth.weights * ((seen[x] == 1) & (seen[y] == 1))
    spared = truth.weights * ((seen[x] == 0) & (seen[y] != 1))
    for kind, law, hit in (("PN", harmed, off[y] != 1), ("PS", spared, on[y] == 1)):
        if law.sum() == 0:
            with pytest.raises(ImpossibleEvidenceError):
                scm.effect(kind, x, y)
        else:
            assert scm.effect(kind, x, y) == pytest.approx(law @ hit / law.sum(), abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(40))
def test_every_effect_agrees_with_enumeration(seed):
    check_effects(seed, n_nodes=2 + seed % 4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(400))
def test_every_effect_agrees_with_enumeration_up_to_eight_nodes(seed):
    check_effects(20_000 + seed, n_nodes=2 + seed % 7)


@pytest.mark.parametrize("seed", range(20))
def test_identities(seed):
    _, _, _, scm, x, y = random_query(500 + seed, 5)
    te = scm.effect("ATE", x, y)
    reversed_nie = scm.effect("NIE", x, y, treated=0, control=1)
    assert te == pytest.approx(scm.effect("NDE", x, y) - reversed_nie, abs=1e-12)
    p = {value: scm.probability({x: value}) for value in (0, 1)}
    if min(p.values()) > 0 and sum(p.values()) > 1 - 1e-12:  # a binary treatment
        mixed = p[1] * scm.effect("ETT", x, y) + p[0] * scm.effect("ATC", x, y)
        assert te == pytest.approx(mixed, abs=1e-12)
        check_pns_decomposition(scm, x, y, p)
    for value, chance in p.items():  # consistency: do(X=x) changes nothing where X is x
        if chance > 0:
            imagined = scm.counterfactual_expectation(y, do={x: value}, given={x: value})
            assert imagined == pytest.approx(scm.expectation(y, given={x: value}), abs=1e-12)


def check_pns_decomposition(scm, x, y, p):
    """PNS = P(x, y) PN + P(x', y') PS (Pearl 1999, lemma 9.2.6 of Causality), for binary x and y."""
    if len(scm.states[y]) > 2:
        return
    harmed, spared = scm.probability({x: 1, y: 1}), scm.probability({x: 0, y: 0})
    parts = 0.0
    if harmed > 0:
        parts += harmed * scm.effect("PN", x, y)
    if spared > 0:
        parts += spared * scm.effect("PS", x, y)
    assert scm.effect("PNS", x, y) == pytest.approx(parts, abs=1e-12)


def interaction_model(a=1.5, b=-2.0, c=0.7, i=0.6, m0=0.4):
    """M = m0 + a X + e, Y = c X + b M + i X M + e'."""
    return SCM(
        mechanisms={
            "X": Normal(0, 1),
            "M": Linear({"X": a}, intercept=m0, noise=Normal(0, 1)),
            "Y": AdditiveNoise(lambda X, M: c * X + b * M + i * X * M, Normal(0, 0.5)),
        }
    )


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        ("CDE", {"mediators": {"M": 2.0}}, 0.7 + 0.6 * 2.0),
        ("NDE", {}, 0.7 + 0.6 * 0.4),
        ("NIE", {"mediators": "M"}, 1.5 * -2.0),
        ("ATE", {}, 0.7 + 0.6 * 0.4 + 1.5 * (-2.0 + 0.6)),
        ("PSE", {"paths": [["X", "Y"]]}, 0.7 + 0.6 * 0.4),
    ],
)
def test_linear_with_interaction(kind, more, expected):
    """The formulas for M = m0 + aX + e, Y = cX + bM + iXM + e'; sampled, so to 4 standard errors."""
    found = interaction_model().effect(kind, "X", "Y", random_state=0, n_samples=20_000, **more)
    assert not found.exact
    # the CDE and the NIE have no noise left: the difference is rounding, of 20 000 terms near 1
    assert abs(found - expected) <= 4 * found.se + 1e-12


def test_effects_of_a_linear_gaussian_model_are_exact():
    rng = np.random.default_rng(3)
    B = np.triu(rng.normal(size=(5, 5)), 1)
    scm = LinearGaussianSCM(B, rng.uniform(0.5, 2, 5))
    total, direct = scm.total_effects(), scm.direct_effects()
    assert scm.effect("ATE", 1, 4, treated=3, control=1) == pytest.approx(2 * total[1, 4], abs=1e-12)
    assert scm.effect("ATT", 1, 4) == pytest.approx(total[1, 4], abs=1e-12)
    assert scm.effect("NDE", 1, 4) == pytest.approx(direct[1, 4], abs=1e-12)
    assert scm.effect("NIE", 1, 4) == pytest.approx(total[1, 4] - direct[1, 4], abs=1e-12)
    along = scm.effect("PSE", 1, 4, paths=[[1, 3, 4]])
    assert along == pytest.approx(B[1, 3] * B[3, 4], abs=1e-12)
    assert along.exact


def test_probability_effects_of_a_gaussian_outcome():
    scm = LinearGaussianSCM([[0, 2.0], [0, 0]], [1, 1], names=["X", "Y"])
    from scipy.stats import norm

    high = Interval(low=1.0)
    expected = norm.sf(1.0, 2.0, 1.0) - norm.sf(1.0, 0.0, 1.0)
    assert scm.effect("ATE", "X", "Y", event=high) == pytest.approx(expected, abs=1e-12)
    # Y_1 = 2 + e and Y_0 = e share e: y_1 and not y_0 is e in [-1, 1)
    found = scm.effect("PNS", "X", "Y", event=high, random_state=0)
    assert abs(found - (norm.cdf(1) - norm.cdf(-1))) <= 4 * found.se
    assert found.se < 0.002


def test_effects_of_named_states_need_an_event():
    scm = DiscreteSCM.from_cpts(
        {"X": ((), [0.5, 0.5]), "Y": (["X"], [[0.9, 0.1], [0.3, 0.7]])},
        states={"X": ["no", "yes"], "Y": ["ill", "well"]},
    )
    asked = {"treated": "yes", "control": "no"}
    assert scm.effect("ATE", "X", "Y", event="well", **asked) == pytest.approx(0.6)
    with pytest.raises(DataError, match="one number per row"):
        scm.effect("ATE", "X", "Y", **asked)
    with pytest.raises(UnknownNameError, match="yess"):
        scm.effect("ATE", "X", "Y", event="well", treated="yess", control="no")
    with pytest.raises(UnknownNameError, match="did you mean 'well'"):
        scm.effect("ATE", "X", "Y", event="Well", **asked)


def test_subgroup_effect():
    scm = DiscreteSCM.from_cpts(
        {
            "Z": ((), [0.5, 0.5]),
            "X": (("Z",), [[0.8, 0.2], [0.3, 0.7]]),
            "Y": (("X", "Z"), [[[0.9, 0.1], [0.6, 0.4]], [[0.7, 0.3], [0.2, 0.8]]]),
        }
    )
    assert scm.effect("ATE", "X", "Y", given={"Z": 0}) == pytest.approx(0.2)
    assert scm.effect("ATE", "X", "Y", given={"Z": 1}) == pytest.approx(0.4)
    assert scm.effect("ATE", "X", "Y") == pytest.approx(0.3)
    assert scm.effect("ATT", "X", "Y") == pytest.approx((0.1 * 0.2 + 0.35 * 0.4) / 0.45)


@pytest.mark.parametrize(
    ("error", "match", "kind", "more"),
    [
        (UnknownNameError, "'ATR'", "ATR", {}),
        (GraphError, "treatment and outcome", "CDE", {"mediators": {"Y": 1}}),
        (DataError, "values that mediators", "CDE", {}),
        (DataError, "values that mediators", "CDE", {"mediators": ["M"]}),
        (DataError, "without values", "NDE", {"mediators": {"M": 1}}),
        (UnknownNameError, "'N'", "NDE", {"mediators": ["N"]}),
        (UnknownNameError, "'Nod'", "NDE", {"mediators": "Nod"}),
        (DataError, "`paths`", "PSE", {}),
        (DataError, "`paths`", "ATE", {"paths": [["X", "Y"]]}),
        (DataError, "`mediators`", "ATE", {"mediators": ["M"]}),
        (GraphError, "directed path", "PSE", {"paths": [["X", "M"]]}),
        (GraphError, "directed path", "PSE", {"paths": [["M", "Y"]]}),
    ],
)
def test_refusals(error, match, kind, more):
    with pytest.raises(error, match=match):
        interaction_model().effect(kind, "X", "Y", **more)


def test_treatment_and_outcome_must_differ_and_exist():
    scm = interaction_model()
    with pytest.raises(GraphError, match="must differ"):
        scm.effect("ATE", "X", "X")
    with pytest.raises(UnknownNameError, match="did you mean 'X'"):
        scm.effect("ATE", "x", "Y")
    assert scm.graph == DAG([("X", "M"), ("X", "Y"), ("M", "Y")])
