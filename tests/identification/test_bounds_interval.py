"""Intervals around estimated bounds: their critical value, what they cover, what they refuse."""

import numpy as np
import pytest
from scipy.stats import norm

from causalrep.graphs import ADMG
from causalrep.identification import bounds
from causalrep.identification._bounds_interval import critical_value
from causalrep.utils import DataError
from tests.identification.response_models import ResponseModel
from tests.identification.test_bounds import BOW, IV, TABLE, XY, truths


def draw(table, n, chance):
    """n rows from a table of probabilities."""
    p = np.asarray(table["p"])
    rows = chance.choice(len(p), size=n, p=p / p.sum())
    return {name: np.asarray(column)[rows] for name, column in table.items() if name != "p"}


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_critical_values_lie_between_one_and_two_sided(level):
    assert critical_value(0.0, 1.0, level) == pytest.approx(norm.ppf((1 + level) / 2), abs=1e-6)
    assert critical_value(50.0, 1.0, level) == pytest.approx(norm.ppf(level), abs=1e-6)
    c = critical_value(1.0, 1.0, level)
    assert norm.cdf(c + 1) - norm.cdf(-c) == pytest.approx(level, abs=1e-9)


def test_an_interval_holds_the_bounds_and_does_not_depend_on_global_state():
    data = draw(TABLE, 500, np.random.default_rng(0))
    b = bounds(BOW, "ATE", data, **XY)
    one, two = (b.interval(n_resamples=30, random_state=1) for _ in range(2))
    assert one == two
    assert one.lower < b.lower < b.upper < one.upper
    # The ends are -p(x', y) - p(x, y') and its complement: a binomial share of 500 rows.
    share = b.upper
    expected = np.sqrt(share * (1 - share) / 500)
    # 30 draws tell a standard error to a factor 1 +- 0.13, so four of these.
    assert one.se == pytest.approx((expected, expected), rel=0.5)


def test_more_data_make_narrower_intervals():
    chance = np.random.default_rng(1)
    widths = [
        (i.upper - i.lower) - (i.bounds[1] - i.bounds[0])
        for i in (
            bounds(BOW, "ATE", draw(TABLE, n, chance), **XY).interval(n_resamples=40, random_state=0)
            for n in (200, 3200)
        )
    ]
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.5)


def test_the_bias_of_a_maximum_is_taken_back():
    # Treatment without effect and nothing hidden: the lower bound of PNS is max(0, P(y|x) - P(y|x')),
    # zero in the data and positive in half of the draws.
    data = {"X": [0, 0, 1, 1] * 50, "Y": [0, 1, 0, 1] * 50}
    b = bounds(ADMG([("X", "Y")]), "PNS", data, **XY)
    assert b.lower == pytest.approx(0, abs=1e-9)
    i = b.interval(n_resamples=40, random_state=0)
    # E max(0, N(0, s)) is 0.4 s with s = sqrt(0.5 * 0.5 / 100 * 2) = 0.07
    assert i.bounds[0] == pytest.approx(-0.4 * 0.07, rel=0.6)


def test_contradicting_draws_are_met_as_nearly_as_can_be():
    # An experiment on the edge of what observation allows: half of the draws contradict it.
    model = ResponseModel(BOW, 0)
    chance = np.random.default_rng(2)
    trials = [({"X": x}, draw(model.table({"X": x}), 300, chance)) for x in (0, 1)]
    data = draw(model.table(), 300, chance)
    b = bounds(BOW, "PNS", data, experiments=trials, tolerance=0.05, **XY)
    i = b.interval(n_resamples=20, random_state=0)
    assert i.lower <= truths(model)["PNS"] <= i.upper


def test_tables_of_probabilities_have_no_sampling_error():
    with pytest.raises(DataError, match="needs data"):
        bounds(BOW, "ATE", TABLE, **XY).interval()


@pytest.mark.parametrize("options", [{"level": 1.0}, {"n_resamples": 1}])
def test_bad_arguments_are_refused(options):
    b = bounds(BOW, "ATE", draw(TABLE, 50, np.random.default_rng(0)), **XY)
    with pytest.raises(DataError):
        b.interval(**options)


@pytest.mark.slow
def test_coverage_of_both_ends_of_the_identified_set():
    model = ResponseModel(IV, 3)
    exact = bounds(IV, "ATE", model.table(), **XY)
    chance = np.random.default_rng(3)
    n_draws = 80
    hits = np.zeros(2)
    for _ in range(n_draws):
        b = bounds(IV, "ATE", draw(model.table(), 400, chance), **XY)
        i = b.interval(n_resamples=30, random_state=chance)
        hits += [i.lower <= exact.lower <= i.upper, i.lower <= exact.upper <= i.upper]
    # Each end is covered with probability 0.95; 0.87 is more than three standard deviations of 80 draws
    # below.
    assert (hits / n_draws >= 0.87).all(), hits / n_draws
