"""Bounds against models whose truth is enumerated, against closed forms, and against their own proofs."""

from itertools import product

import networkx as nx
import numpy as np
import pytest

from causalrep.graphs import ADMG, DAG
from causalrep.identification import bounds
from causalrep.utils import (
    DataError,
    GraphError,
    ImpossibleEvidenceError,
    PolynomialProgramError,
    UnknownNameError,
)
from tests.identification.response_models import ResponseModel, Y

BOW = ADMG([("X", "Y")], [("X", "Y")])
IV = ADMG([("Z", "X"), ("X", "Y")], [("X", "Y")])
TABLE = {"X": [0, 0, 1, 1], "Y": [0, 1, 0, 1], "p": [0.3, 0.2, 0.1, 0.4]}
XY = {"treatment": "X", "outcome": "Y"}

GRAPHS = {
    "bow": BOW,
    "instrument": IV,
    "covariate": ADMG([("W", "X"), ("W", "Y"), ("X", "Y")], [("X", "Y")]),
    "mediator": ADMG([("X", "M"), ("M", "Y"), ("X", "Y")], [("M", "Y")]),
    "confounded front door": ADMG([("X", "M"), ("M", "Y")], [("X", "Y"), ("M", "Y"), ("X", "M")]),
    "pre-treatment proxy": ADMG([("X", "Y")], [("W", "Y")]),
}


def truths(model):
    """The named quantities, by their definitions in the enumerated worlds."""
    y1, y0, x, y = Y("Y", X=1), Y("Y", X=0), Y("X"), Y("Y")
    return {
        "ATE": model.mean(y1) - model.mean(y0),
        "ATT": model.mean(y, [(x, 1)]) - model.mean(y0, [(x, 1)]),
        "ATC": model.mean(y1, [(x, 0)]) - model.mean(y, [(x, 0)]),
        "PN": model.probability([(y0, 0)], [(x, 1), (y, 1)]),
        "PS": model.probability([(y1, 1)], [(x, 0), (y, 0)]),
        "PNS": model.probability([(y1, 1), (y0, 0)]),
    }


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("seed", range(3))
def test_the_truth_lies_within_the_bounds(name, seed):
    model = ResponseModel(GRAPHS[name], seed)
    for quantity, truth in truths(model).items():
        found = bounds(model.graph, quantity, model.table(), **XY)
        # HiGHS meets constraints and optimality to 1e-7.
        assert found.lower - 1e-6 <= truth <= found.upper + 1e-6, quantity
        for certificate, end in zip(found.certificates, (found.lower, found.upper), strict=True):
            assert certificate.verify()
            assert certificate.bound == pytest.approx(end, abs=1e-7)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("seed", range(3))
def test_the_truth_lies_within_the_bounds_where_some_strata_are_empty(name, seed):
    # Without noise that gives every value everywhere, cells of the table are zero, conditions undefined.
    model = ResponseModel(GRAPHS[name], seed, n_hidden=2, positive=False)
    table = model.table()
    with np.errstate(invalid="ignore"):
        expected = truths(model)
    for quantity in ("ATE", "PNS"):
        found = bounds(model.graph, quantity, table, **XY)
        assert found.lower - 1e-6 <= expected[quantity] <= found.upper + 1e-6, quantity


@pytest.mark.parametrize("seed", range(3))
def test_an_experiment_narrows_the_bounds_and_keeps_the_truth(seed):
    model = ResponseModel(BOW, seed)
    trials = [({"X": x}, model.table({"X": x})) for x in (0, 1)]
    for quantity, truth in truths(model).items():
        wide = bounds(BOW, quantity, model.table(), **XY)
        narrow = bounds(BOW, quantity, model.table(), experiments=trials, **XY)
        assert wide.lower - 1e-7 <= narrow.lower <= truth + 1e-7
        assert truth - 1e-7 <= narrow.upper <= wide.upper + 1e-7
    # A trial settles the average effect, and with observation that on the treated.
    for quantity in ("ATE", "ATT", "ATC"):
        found = bounds(BOW, quantity, model.table(), experiments=trials, **XY)
        assert found.lower == pytest.approx(truths(model)[quantity], abs=1e-9)
        assert found.width == pytest.approx(0, abs=1e-9)


# Closed forms


def tian_pearl(model):
    """Bounds of PNS, PN and PS from observation and experiment (Tian and Pearl 2000)."""
    p = lambda **e: model.probability([(Y(v), value) for v, value in e.items()])  # noqa: E731
    y1, y0 = model.probability([(Y("Y", X=1), 1)]), model.probability([(Y("Y", X=0), 1)])
    y, xy, x_y, xy_, x_y_ = p(Y=1), p(X=1, Y=1), p(X=0, Y=1), p(X=1, Y=0), p(X=0, Y=0)
    return {
        "PNS": (max(0, y1 - y0, y - y0, y1 - y), min(y1, 1 - y0, xy + x_y_, y1 - y0 + xy_ + x_y)),
        "PN": (max(0, (y - y0) / xy), min(1, (1 - y0 - x_y_) / xy)),
        "PS": (max(0, (y1 - y) / x_y_), min(1, (y1 - xy) / x_y_)),
    }


@pytest.mark.parametrize("seed", range(8))
def test_causes_of_effects_agree_with_tian_and_pearl(seed):
    model = ResponseModel(BOW, seed, n_hidden=5)
    trials = [({"X": x}, model.table({"X": x})) for x in (0, 1)]
    for quantity, (low, high) in tian_pearl(model).items():
        found = bounds(BOW, quantity, model.table(), experiments=trials, **XY)
        assert (found.lower, found.upper) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_without_assumptions_the_average_effect_has_width_one(seed):
    p = np.random.default_rng(seed).dirichlet(np.ones(4))
    found = bounds(BOW, "ATE", {"X": [0, 0, 1, 1], "Y": [0, 1, 0, 1], "p": p}, **XY)
    # Manski 1990: each unknown potential outcome may be all 0 or all 1.
    assert found.lower == pytest.approx(-p[1] - p[2], abs=1e-9)
    assert found.upper == pytest.approx(p[0] + p[3], abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_under_a_monotone_effect_the_lower_bounds_are_the_values(seed):
    model = ResponseModel(BOW, seed)
    y = model.functions["Y"]
    model.functions["Y"] = (y[0], np.sort(y[1], axis=0), y[2])  # no unit's outcome falls
    trials = [({"X": x}, model.table({"X": x})) for x in (0, 1)]
    for quantity, truth in truths(model).items():
        found = bounds(BOW, quantity, model.table(), experiments=trials, assumptions=["monotone"], **XY)
        assert (found.lower, found.upper) == pytest.approx((truth, truth), abs=1e-9)


def test_an_unconfounded_monotone_cause_has_point_probabilities_of_causation():
    g = ADMG([("X", "Y")])
    # P(y|x) = 0.8, P(y|x') = 0.4: PNS is their difference, PN and PS its share.
    expected = {"PNS": 0.4, "PN": 0.4 / 0.8, "PS": 0.4 / 0.6}
    for quantity, value in expected.items():
        found = bounds(g, quantity, TABLE, assumptions=["monotone"], **XY)
        assert (found.lower, found.upper) == pytest.approx((value, value), abs=1e-9)
        assert bounds(g, quantity, TABLE, **XY).width > 0.1  # but not without the assumption


@pytest.mark.parametrize("seed", range(3))
def test_without_defiers_the_share_of_those_who_comply_is_known(seed):
    model = ResponseModel(IV, seed)
    parents, table, hidden = model.functions["X"]
    model.functions["X"] = (parents, np.sort(table, axis=0), hidden)
    truth = model.probability([(Y("X", Z=1), 1), (Y("X", Z=0), 0)])
    query = "P(X[Z=1]=1, X[Z=0]=0)"
    found = bounds(IV, query, model.table(), assumptions=["monotone Z -> X"])
    assert (found.lower, found.upper) == pytest.approx((truth, truth), abs=1e-9)
    assert bounds(IV, query, model.table()).upper > truth + 1e-3
    plain = bounds(IV, "ATE", model.table(), **XY)
    narrow = bounds(IV, "ATE", model.table(), assumptions=["monotone Z -> X"], **XY)
    assert plain.lower - 1e-9 <= narrow.lower <= truths(model)["ATE"] <= narrow.upper <= plain.upper + 1e-9


# Sharpness: the types at the optimum are a model, which we run.


def run(graph, shares, event):
    """Probability of an event in a model given as shares of response types of one district, by hand."""
    total = 0.0
    for share in shares:
        values = []
        for potential, wanted in event:
            world = dict(potential.do)
            for v in graph.topological_order():
                if v not in world:
                    world[v] = share.functions[v][tuple(world[p] for p in graph.parents(v))]
            values.append(world[potential.variable] == wanted)
        total += share.share * all(values)
    return total


@pytest.mark.parametrize("quantity", ["ATE", "PNS", "PN"])
@pytest.mark.parametrize("seed", range(3))
def test_a_model_attains_each_end(quantity, seed):
    p = np.random.default_rng(seed).dirichlet(np.ones(4))
    found = bounds(BOW, quantity, {**TABLE, "p": p}, **XY)
    assert found.sharp
    for shares, end in zip(found.models(), (found.lower, found.upper), strict=True):
        for (x, y), cell in zip(product((0, 1), (0, 1)), p, strict=True):
            assert run(BOW, shares, [(Y("X"), x), (Y("Y"), y)]) == pytest.approx(cell, abs=1e-8)
        both = [(Y("Y", X=1), 1), (Y("Y", X=0), 0)]
        value = {
            "ATE": run(BOW, shares, both[:1]) - 1 + run(BOW, shares, both[1:]),
            "PNS": run(BOW, shares, both),
            "PN": run(BOW, shares, [(Y("X"), 1), (Y("Y"), 1), both[1]]) / p[3],
        }[quantity]
        assert value == pytest.approx(end, abs=1e-8)


# Questions in text


def test_an_identified_question_has_equal_bounds():
    g = ADMG([("W", "X"), ("W", "Y"), ("X", "Y")])
    model = ResponseModel(g, 0)
    truth = model.probability([(Y("Y", X=1), 1)])
    found = bounds(g, "P(Y=1 | do(X=1))", model.table())
    assert (found.lower, found.upper) == pytest.approx((truth, truth), abs=1e-9)


def test_a_question_within_a_condition_is_the_same_as_its_name():
    asked = bounds(BOW, "P(Y[X=0]=0 | X=1, Y=1)", TABLE)
    named = bounds(BOW, "PN", TABLE, **XY)
    assert (asked.lower, asked.upper) == pytest.approx((named.lower, named.upper), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_natural_effects_are_bounded_through_nested_worlds(seed):
    g = GRAPHS["mediator"]
    model = ResponseModel(g, seed)
    m0, m1 = Y("M", X=0), Y("M", X=1)
    nde = model.mean(Y("Y", X=1, M=m0)) - model.mean(Y("Y", X=0))
    nie = model.mean(Y("Y", X=0, M=m1)) - model.mean(Y("Y", X=0))
    for quantity, truth in (("NDE", nde), ("NIE", nie)):
        found = bounds(g, quantity, model.table(), **XY)
        assert found.lower - 1e-7 <= truth <= found.upper + 1e-7
        assert 0.01 < found.width < 2
    cde = model.mean(Y("Y", X=1, M=1)) - model.mean(Y("Y", X=0, M=1))
    found = bounds(g, "CDE", model.table(), mediators={"M": 1}, **XY)
    assert found.lower - 1e-7 <= cde <= found.upper + 1e-7


def test_a_ratio_of_two_unknowns_is_bounded():
    # P(Y[X=1]=1 | Y[X=0]=1): neither is known; the programme is fractional.
    model = ResponseModel(BOW, 1)
    truth = model.probability([(Y("Y", X=1), 1)], [(Y("Y", X=0), 1)])
    found = bounds(BOW, "P(Y[X=1]=1 | Y[X=0]=1)", model.table())
    assert found.lower <= truth <= found.upper
    low, high = (
        run(BOW, shares, [(Y("Y", X=1), 1), (Y("Y", X=0), 1)]) / run(BOW, shares, [(Y("Y", X=0), 1)])
        for shares in found.models()
    )
    assert (low, high) == pytest.approx((found.lower, found.upper), abs=1e-8)


def test_latent_nodes_are_projected_out():
    g = DAG([("U", "X"), ("U", "Y"), ("X", "Y")], latent=["U"])
    assert bounds(g, "ATE", TABLE, **XY).upper == pytest.approx(0.7)


def test_a_chain_of_two_hidden_causes_is_bounded_but_not_called_sharp():
    chain = ADMG([("X", "Y")], [("X", "W"), ("W", "Y")])
    found = bounds(chain, "PNS", ResponseModel(chain, 0).table(), **XY)
    assert not found.sharp
    one = DAG([("U", "X"), ("U", "W"), ("U", "Y"), ("X", "Y")], latent=["U"])
    assert bounds(one, "PNS", ResponseModel(chain, 0).table(), **XY).sharp


@pytest.mark.parametrize("names", [["Y"], ["M", "Y"]])
def test_an_experiment_may_measure_some_nodes_only(names):
    g = ADMG([("X", "M"), ("M", "Y"), ("X", "Y")], [("X", "Y")])
    model = ResponseModel(g, 4)
    trials = [({"X": x}, model.table({"X": x}, names)) for x in (0, 1)]
    truth = truths(model)
    found = bounds(g, "ATE", model.table(), experiments=trials, **XY)
    assert (found.lower, found.upper) == pytest.approx((truth["ATE"], truth["ATE"]), abs=1e-8)


# What is refused


def test_products_of_unknowns_are_refused():
    g = ADMG([("X", "M"), ("M", "Y")])
    with pytest.raises(PolynomialProgramError, match=r"no linear programme.*multiply") as caught:
        bounds(g, "PNS", ResponseModel(g, 0).table(), **XY)
    assert caught.value.districts == (("M",), ("Y",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p": [0.3, 0.2, 0.1, 0.3]}, "sum to one, got 0.9"),
        ({"p": [-0.3, 0.8, 0.1, 0.4]}, "negative, got -0.3"),
        ({"p": [np.nan, 0.6, 0.1, 0.3]}, "finite"),
        ({"p": ["a", "b", "c", "d"]}, "numbers"),
        ({"X": [0, 0, 0, 1]}, "once"),
        ({"Y": [0.0, np.nan, 0.0, 1.0]}, "missing"),
    ],
)
def test_bad_tables_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        bounds(BOW, "ATE", {**TABLE, **change}, **XY)


def test_a_table_must_have_the_nodes_of_the_graph():
    with pytest.raises(DataError, match="no column 'Z'"):
        bounds(IV, "ATE", TABLE, **XY)
    with pytest.raises(UnknownNameError, match="'W'"):
        bounds(BOW, "ATE", {**TABLE, "W": [0, 0, 0, 0]}, **XY)


def test_data_may_have_other_columns_but_no_latent_ones():
    g = DAG([("U", "X"), ("U", "Y"), ("X", "Y")], latent=["U"])
    data = {"X": [0, 0, 1, 1, 1], "Y": [0, 1, 0, 1, 1]}
    plain = bounds(g, "ATE", data, **XY)
    assert bounds(g, "ATE", {**data, "id": [1, 2, 3, 4, 5]}, **XY).upper == plain.upper
    with pytest.raises(DataError, match="declares latent"):
        bounds(g, "ATE", {**data, "U": [0] * 5}, **XY)


def test_frames_and_words_as_values_are_understood():
    pd = pytest.importorskip("pandas")
    words = pd.DataFrame({"X": ["no", "no", "yes", "yes"], "Y": ["ill", "well"] * 2, "p": TABLE["p"]})
    for quantity in ("PN", "PNS"):
        found = bounds(BOW, quantity, words, **XY)
        expected = bounds(BOW, quantity, TABLE, **XY)
        assert (found.lower, found.upper) == pytest.approx((expected.lower, expected.upper), abs=1e-12)
    asked = bounds(BOW, "P(Y[X=no]=ill | X=yes, Y=well)", words)
    named = bounds(BOW, "PN", TABLE, **XY)
    assert asked.upper == pytest.approx(named.upper, abs=1e-12)
    with pytest.raises(DataError, match="needs numbers"):
        bounds(BOW, "ATE", words, **XY)


def test_an_impossible_experiment_is_refused():
    # P(Y[X=1]=1) is at least P(X=1, Y=1) = 0.4.
    trial = ({"X": 1}, {"Y": [0, 1], "p": [0.7, 0.3]})
    with pytest.raises(DataError, match=r"contradict.*at least 0.0"):
        bounds(BOW, "ATE", TABLE, experiments=[trial], **XY)
    loose = bounds(BOW, "ATE", TABLE, experiments=[trial], tolerance=0.06, **XY)
    assert loose.lower <= loose.upper
    with pytest.raises(DataError, match="other values of 'X'"):
        bounds(BOW, "ATE", TABLE, experiments=[({"X": 0}, TABLE)], **XY)


def test_a_tolerance_moves_every_cell_by_that_much_and_no_more():
    # The bounds are -(p01 + p10) and p00 + p11; two cells may gain 0.03 each, which the others lose.
    found = bounds(BOW, "ATE", TABLE, tolerance=0.03, **XY)
    assert (found.lower, found.upper) == pytest.approx((-0.36, 0.76), abs=1e-9)
    for certificate in found.certificates:
        assert certificate.verify()


def test_the_instrumental_inequality_is_noticed():
    # Z moves Y and never X: no model on the graph does that.
    table = {"Z": [0, 1], "X": [0, 0], "Y": [0, 1], "p": [0.5, 0.5]}
    with pytest.raises(DataError, match="no model on the graph"):
        bounds(IV, "ATE", table, states={"X": [0, 1]}, **XY)


def test_graphs_of_other_kinds():
    twin = nx.DiGraph([("X", "Y")])
    assert bounds(twin, "ATE", TABLE, **XY).width == pytest.approx(0, abs=1e-9)
    with pytest.raises(GraphError, match="type DAG or ADMG, got CPDAG"):
        bounds(DAG([("X", "Y")]).to_cpdag(), "ATE", TABLE, **XY)


def test_an_impossible_condition_is_refused():
    with pytest.raises(ImpossibleEvidenceError):
        bounds(BOW, "P(Y[X=1]=1 | X=0)", {**TABLE, "p": [0, 0, 0.5, 0.5]})


@pytest.mark.parametrize(
    ("query", "options", "error", "message"),
    [
        ("ATX", {}, UnknownNameError, "'ATX'"),
        ("ATE", {}, TypeError, "treatment"),
        ("ATE", {"treatment": "X", "outcome": "X"}, DataError, "must differ"),
        ("ATE", {"treatment": "Q", "outcome": "Y"}, UnknownNameError, "'Q'"),
        ("ATE", {**XY, "assumptions": ["linear"]}, UnknownNameError, "'linear'"),
        ("ATE", {**XY, "treated": 2}, DataError, "no value 2"),
        ("ATE", {**XY, "tolerance": -1}, DataError, "tolerance"),
        ("CDE", XY, TypeError, "mediators"),
        ("P(Y | do(X=1))", {}, DataError, "needs a value"),
        ("P(Y=1 | do(X=7))", {}, DataError, "no value 7"),
        ("P(V=1)", {}, UnknownNameError, "'V'"),
    ],
)
def test_bad_questions_are_refused(query, options, error, message):
    with pytest.raises(error, match=message):
        bounds(BOW, query, TABLE, **options)
