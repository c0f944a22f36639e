"""Formulas for bounds against linear programmes, enumerated models and each other."""

from itertools import pairwise, product

import numpy as np
import pytest

from causalrep.graphs import ADMG
from causalrep.identification import (
    balke_pearl_bounds,
    bounds,
    frechet_bounds,
    lee_bounds,
    manski_bounds,
    tian_pearl_bounds,
)
from causalrep.utils import DataError, UnknownNameError
from tests.identification.response_models import ResponseModel
from tests.identification.test_bounds import BOW, IV, XY, truths

TABLE = {"X": [0, 0, 1, 1], "Y": [0, 1, 0, 1], "p": [0.3, 0.2, 0.1, 0.4]}


def ends(found):
    return found.lower, found.upper


# Fréchet


@pytest.mark.parametrize("seed", range(3))
def test_frechet_bounds_are_those_of_all_joint_distributions(seed):
    p, q = np.random.default_rng(seed).random(2)
    # Two events with hidden dependence: a district of two nodes, each a table of its own.
    g = ADMG((), [("A", "B")], nodes="AB")
    trials = [
        ({"B": 0}, {"A": [0, 1], "p": [1 - p, p]}),
        ({"A": 0}, {"B": [0, 1], "p": [1 - q, q]}),
    ]
    found = bounds(g, "P(A=1, B=1)", experiments=trials)
    assert ends(frechet_bounds(p, q)) == pytest.approx(ends(found), abs=1e-9)


def test_frechet_bounds_of_three():
    assert ends(frechet_bounds(0.9, 0.8, 0.7)) == pytest.approx((0.4, 0.7))
    with pytest.raises(DataError):
        frechet_bounds(1.2)
    with pytest.raises(DataError):
        frechet_bounds()


# Manski


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("manski", "lp"), [([], []), (["mtr"], ["monotone"])])
def test_manski_bounds_are_the_programmes(seed, manski, lp):
    p = np.random.default_rng(seed).dirichlet(np.ones(6))
    table = {"X": [0, 0, 0, 1, 1, 1], "Y": [0, 1, 2, 0, 1, 2], "p": p}
    expected = bounds(BOW, "ATE", table, assumptions=lp, **XY)
    assert ends(manski_bounds(table, "X", "Y", assumptions=manski)) == pytest.approx(ends(expected), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_manski_bounds_of_three_treatments_are_the_programmes(seed):
    p = np.random.default_rng(seed).dirichlet(np.ones(6))
    table = {"X": [0, 0, 1, 1, 2, 2], "Y": [0, 1] * 3, "p": p}
    for treated, control in ((2, 0), (2, 1), (1, 0), (0, 2)):
        for manski, lp in (([], []), (["mtr"], ["monotone"])):
            options = {"treated": treated, "control": control}
            expected = bounds(BOW, "ATE", table, assumptions=lp, **options, **XY)
            found = manski_bounds(table, "X", "Y", assumptions=manski, **options)
            assert ends(found) == pytest.approx(ends(expected), abs=1e-9)


def test_monotone_response_and_selection_bound_by_the_difference_of_means():
    # Manski and Pepper 2000, for a binary treatment: 0 to E[Y|1] - E[Y|0].
    found = manski_bounds(TABLE, "X", "Y", assumptions=["mtr", "mts"])
    assert ends(found) == pytest.approx((0.0, 0.8 - 0.4))
    # Selection alone: the missing means are at most, or at least, those seen in the other arm.
    only = manski_bounds(TABLE, "X", "Y", assumptions=["mts"])
    assert only.upper == pytest.approx(0.8 - 0.4)
    assert only.lower == pytest.approx((0.5 * 0 + 0.5 * 0.8) - (0.5 * 0.4 + 0.5 * 1))


@pytest.mark.parametrize("seed", range(6))
def test_monotone_assumptions_hold_the_truth_of_models_that_meet_them(seed):
    # Types: what each unit would choose and have; the higher choosers get the higher outcomes.
    chance = np.random.default_rng(seed)
    n = 400
    ability = np.sort(chance.random(n))
    choice = np.sort(chance.integers(0, 3, n))
    outcomes = np.sort(chance.random((n, 3)) * 0.3 + ability[:, None] * 0.7, axis=1)
    outcomes = np.sort(np.round(outcomes, 1), axis=0)
    data = {"X": choice, "Y": outcomes[np.arange(n), choice]}
    truth = outcomes[:, 2].mean() - outcomes[:, 0].mean()
    width = {}
    for assumptions in ((), ("mtr",), ("mts",), ("mtr", "mts")):
        found = manski_bounds(data, "X", "Y", assumptions=assumptions, outcome_range=(0, 1))
        assert found.lower - 1e-12 <= truth <= found.upper + 1e-12
        width[assumptions] = found.width
    assert width["mtr", "mts"] < width["mtr",] < width[()]
    assert width["mtr", "mts"] < width["mts",] < width[()]


@pytest.mark.parametrize("seed", range(4))
def test_mean_independent_instruments_intersect_the_bounds(seed):
    model = ResponseModel(IV, seed)
    found = manski_bounds(model.table(), "X", "Y", assumptions=["iv"], instrument="Z")
    truth = truths(model)["ATE"]
    plain = manski_bounds(model.table(), "X", "Y")
    assert plain.lower <= found.lower <= truth <= found.upper <= plain.upper
    # Weaker than full independence, which the programme uses.
    sharp = bounds(IV, "ATE", model.table(), **XY)
    assert found.lower <= sharp.lower + 1e-9
    assert sharp.upper - 1e-9 <= found.upper
    monotone = manski_bounds(model.table(), "X", "Y", assumptions=["miv"], instrument="Z")
    assert plain.lower - 1e-9 <= monotone.lower <= found.lower + 1e-9
    assert found.upper - 1e-9 <= monotone.upper <= plain.upper + 1e-9


def test_monotone_instruments_carry_bounds_upwards():
    # By hand: given Z=0 the lower bounds of E[Y[1]] and E[Y[0]] are 0.5 and 0; given Z=1 0.1 and 0.4.
    table = {
        "Z": [0, 0, 1, 1, 1, 1],
        "X": [1, 1, 1, 1, 0, 0],
        "Y": [0, 1, 0, 1, 0, 1],
        "p": [0.25, 0.25, 0.05, 0.05, 0.2, 0.2],
    }
    found = manski_bounds(table, "X", "Y", assumptions=["miv"], instrument="Z")
    # E[Y[1]]: lower max(0.5) then 0.5; upper min(0.5, 0.9) and 0.9. E[Y[0]]: lower 0, 0.4; upper 0.6, 0.6.
    assert found.lower == pytest.approx(0.5 - 0.6)
    assert found.upper == pytest.approx((0.5 + 0.9) / 2 - (0.0 + 0.4) / 2)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"assumptions": ["linear"]}, UnknownNameError),
        ({"assumptions": ["iv"]}, DataError),
        ({"instrument": "X"}, DataError),
        ({"outcome_range": (0.5, 1)}, DataError),
        ({"treated": 7}, DataError),
    ],
)
def test_bad_questions_are_refused(options, error):
    with pytest.raises(error):
        manski_bounds(TABLE, "X", "Y", **options)


def test_tables_that_contradict_assumptions_are_refused():
    falling = {**TABLE, "p": [0.1, 0.4, 0.3, 0.2]}
    with pytest.raises(DataError, match="must not fall"):
        manski_bounds(falling, "X", "Y", assumptions=["mtr", "mts"])
    with pytest.raises(UnknownNameError, match="'Q'"):
        manski_bounds(TABLE, "Q", "Y")


# Balke and Pearl


@pytest.mark.parametrize("seed", range(10))
def test_balke_pearl_bounds_are_the_programme(seed):
    table = ResponseModel(IV, seed, n_hidden=6).table()
    expected = bounds(IV, "ATE", table, **XY)
    assert ends(balke_pearl_bounds(table, "Z", "X", "Y")) == pytest.approx(ends(expected), abs=1e-9)


def test_balke_pearl_bounds_of_the_lipid_trial():
    # Balke and Pearl 1997, section 4: the cholestyramine data give 0.392 to 0.780.
    cells = {(0, 0): (0.919, 0.0, 0.081, 0.0), (1, 0): (0.315, 0.139, 0.073, 0.473)}
    rows = [(z, x, y, 0.5 * cells[z, 0][2 * y + x]) for z, x, y in product((0, 1), (0, 1), (0, 1))]
    columns = dict(zip(("Z", "X", "Y", "p"), np.array(rows).T, strict=True))
    found = balke_pearl_bounds(columns, "Z", "X", "Y")
    assert ends(found) == pytest.approx((0.392, 0.780), abs=1e-9)


def test_the_instrumental_inequality_is_noticed():
    table = {"Z": [0, 0, 1, 1], "X": [0, 1, 0, 1], "Y": [0, 1, 1, 1], "p": [0.4, 0.1, 0.4, 0.1]}
    with pytest.raises(DataError, match="instrumental inequality"):
        balke_pearl_bounds(table, "Z", "X", "Y")
    with pytest.raises(DataError, match="two values"):
        balke_pearl_bounds({**table, "X": [0, 1, 2, 1]}, "Z", "X", "Y")


# Tian and Pearl


@pytest.mark.parametrize("quantity", ["PN", "PS", "PNS"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["both", "observation", "experiments", "monotone"])
def test_tian_pearl_bounds_are_the_programme(quantity, seed, kind):
    model = ResponseModel(BOW, seed, n_hidden=5)
    if kind == "monotone":
        parents, table, hidden = model.functions["Y"]
        model.functions["Y"] = (parents, np.sort(table, axis=0), hidden)
    trials = [({"X": x}, model.table({"X": x})) for x in (0, 1)] if kind != "observation" else []
    observed = model.table() if kind != "experiments" else None
    assumptions = ["monotone"] if kind == "monotone" else []
    if observed is None and quantity != "PNS":
        with pytest.raises(DataError, match="needs `table`"):
            tian_pearl_bounds(quantity, "X", "Y", observed, experiments=trials)
        return
    found = tian_pearl_bounds(quantity, "X", "Y", observed, experiments=trials, assumptions=assumptions)
    lp = bounds(BOW, quantity, observed, experiments=trials, assumptions=assumptions, **XY)
    assert ends(found) == pytest.approx(ends(lp), abs=1e-9)


def test_contradicting_sources_are_refused():
    trials = [({"X": x}, {"Y": [0, 1], "p": [0.9, 0.1]}) for x in (0, 1)]
    with pytest.raises(DataError, match="contradict"):
        tian_pearl_bounds("PNS", "X", "Y", TABLE, experiments=trials)
    with pytest.raises(DataError, match="both values"):
        tian_pearl_bounds("PNS", "X", "Y", TABLE, experiments=trials[:1])


# Lee


@pytest.mark.parametrize("direction", [1, 0])
def test_lee_bounds_hold_for_the_always_selected_and_are_attained(direction):
    chance = np.random.default_rng(direction)
    n = 4000
    always, extra = chance.random(n) < 0.5, chance.random(n) < 0.5
    extra &= ~always
    outcome = {0: chance.normal(0, 1, n), 1: chance.normal(1, 1, n)}
    treatment = np.arange(n) % 2
    selected = always | (extra & (treatment == direction))
    seen = np.where(selected, np.where(treatment == 1, outcome[1], outcome[0]), np.nan)
    found = lee_bounds({"T": treatment, "Y": seen, "S": selected}, "T", "Y", "S")
    truth = (outcome[1] - outcome[0])[always].mean()
    assert found.lower < truth < found.upper
    # The worst case: the units that only this arm selects are those with the lowest outcomes.
    arm = (treatment == direction) & selected
    kept = np.sort(seen[arm])
    share = selected[treatment != direction].mean() / selected[treatment == direction].mean()
    n_kept = share * len(kept)
    best, worst = kept[len(kept) - int(n_kept) :].mean(), kept[: int(n_kept)].mean()
    other = seen[(treatment != direction) & selected].mean()
    expected = (worst - other, best - other) if direction else (other - best, other - worst)
    assert ends(found) == pytest.approx(expected, abs=0.005)  # one unit of 2,000 is cut in part


def test_lee_bounds_without_excess_are_the_difference_of_means():
    data = {"T": [0, 0, 1, 1], "Y": [1.0, 3.0, 4.0, 6.0], "S": [1, 1, 1, 1]}
    assert ends(lee_bounds(data, "T", "Y", "S")) == pytest.approx((3.0, 3.0))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"T": [0, 1, 2, 1]}, DataError),
        ({"S": [0, 0, 1, 1]}, DataError),
        ({"S": [1, 2, 1, 1]}, DataError),
        ({"Y": [np.nan, 1, 1, 1]}, DataError),
    ],
)
def test_bad_data_are_refused(change, error):
    data = {"T": [0, 0, 1, 1], "Y": [1.0, 3.0, 4.0, 6.0], "S": [1, 1, 1, 1], **change}
    with pytest.raises(error):
        lee_bounds(data, "T", "Y", "S")
    with pytest.raises(UnknownNameError):
        lee_bounds(data, "T", "Y", "Q")


def test_more_assumptions_never_widen():
    chains = [(), ("mtr",), ("mtr", "mts")]
    found = [manski_bounds(TABLE, "X", "Y", assumptions=a) for a in chains]
    for wide, narrow in pairwise(found):
        assert wide.lower <= narrow.lower <= narrow.upper <= wide.upper
