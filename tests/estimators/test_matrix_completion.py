"""Panels with cells taken out: optimal by its conditions, and right where factors move all units."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from causalrep.estimators import MatrixCompletion
from causalrep.estimators._nuclear import complete, largest_penalty
from causalrep.plotting import plot_synthetic_control
from causalrep.utils import DataError

from .test_anchors import table


def holes(seed, shape=(12, 9)):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(shape[0], 2)) @ rng.normal(size=(2, shape[1])) + 0.3 * rng.normal(size=shape)
    seen = rng.random(shape) < 0.8
    seen[0], seen[:, 0] = True, True
    return y + np.arange(shape[1]), seen


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("seed", range(3))
def test_the_conditions_of_the_minimum_hold(seed, share):
    y, seen = holes(seed)
    penalty = share * largest_penalty(y, seen)
    found = complete(y, seen, penalty, tolerance=1e-10)
    left = np.where(seen, y - found.fit, 0.0)
    np.testing.assert_allclose(
        left.sum(axis=0), 0, atol=1e-6
    )  # effects of units and periods are not penalised
    np.testing.assert_allclose(left.sum(axis=1), 0, atol=1e-6)
    # what is left is the penalty times a subgradient of the nuclear norm: U V' + W with |W| <= 1
    assert np.linalg.norm(left, 2) <= penalty * (1 + 1e-6)
    u, values, v = np.linalg.svd(found.low_rank)
    rank = int(np.sum(values > 1e-8))
    assert 0 < rank < 8
    np.testing.assert_allclose(u[:, :rank].T @ left @ v[:rank].T, penalty * np.eye(rank), atol=1e-5)


def test_from_the_largest_penalty_on_nothing_but_effects_of_units_and_periods_is_left():
    y, seen = holes(5)
    top = largest_penalty(y, seen)
    assert not complete(y, seen, 1.001 * top, tolerance=1e-9).low_rank.any()
    assert complete(y, seen, 0.99 * top, tolerance=1e-9).low_rank.any()


def as_rows(y, state):
    n, periods = y.shape
    X = {"state": state.ravel().astype(int), "time": np.tile(np.arange(periods), n)}
    return pd.DataFrame({**X, "unit": np.repeat(np.arange(n), periods)}), y.ravel()


COLUMNS = ("state", "time", "unit")


def test_a_large_penalty_gives_the_difference_in_differences_of_four_means():
    rng = np.random.default_rng(0)
    y, state = rng.normal(size=(10, 8)), np.zeros((10, 8), dtype=bool)
    state[:3, 5:] = True
    found = MatrixCompletion(*COLUMNS, penalty=1e6, n_placebos=3).fit(*as_rows(y, state))
    means = [y[rows][:, when].mean() for rows in (slice(3), slice(3, 10)) for when in (slice(5), slice(5, 8))]
    assert found.att().estimate == pytest.approx(means[1] - means[0] - means[3] + means[2], abs=1e-4)
    assert found.rank_ == 0


def factors(seed, effect=2.0, noise=0.3):
    """Units that two random walks move, six of which start in one of three periods."""
    rng = np.random.default_rng(seed)
    y = rng.uniform(0, 2, (30, 2)) @ np.cumsum(rng.normal(size=(2, 18)), axis=1)
    start = np.where(np.arange(30) < 6, 11 + np.arange(30) % 3, 99)
    state = np.arange(18) >= start[:, None]
    return as_rows(y + effect * state + noise * rng.normal(size=y.shape), state)


def test_staggered_starts_in_a_panel_of_factors():
    X, y = factors(0)
    found = MatrixCompletion(*COLUMNS, random_state=0).fit(X, y)
    assert abs(found.att().estimate - 2) < 3 * found.att().se < 1.5
    assert found.errors_.min() < 0.5 * found.errors_[0]
    assert found.effects().names == ("11", "12", "13", "14", "15", "16", "17")
    state = X["state"].to_numpy().reshape(30, 18)
    shares = state.sum(axis=0)[11:] / state.sum()
    assert found.effects().estimate @ shares == pytest.approx(found.att().estimate)
    assert list(found.treated_) == list(range(6))
    assert found.start_ == 11


def test_without_noise_low_rank_is_found_exactly():
    X, y = factors(1, noise=0.0)
    found = MatrixCompletion(*COLUMNS, penalty=1e-5, n_placebos=2).fit(X, y)
    assert found.att().estimate == pytest.approx(2, abs=0.02)
    assert found.rank_ == 2


def test_effects_of_units_and_periods_and_the_order_of_rows_change_nothing():
    X, y = factors(2)
    one = MatrixCompletion(*COLUMNS, random_state=1, n_placebos=5).fit(X, y)
    moved = y + 3 * X["unit"].to_numpy() + 0.5 * X["time"].to_numpy() ** 2
    order = np.random.default_rng(0).permutation(len(y))
    other = MatrixCompletion(*COLUMNS, random_state=1, n_placebos=5).fit(X.iloc[order], moved[order])
    assert other.penalty_ == pytest.approx(one.penalty_)
    assert other.att().estimate == pytest.approx(one.att().estimate, abs=1e-3)
    assert other.att().se == pytest.approx(one.att().se, rel=1e-2)
    scaled = MatrixCompletion(*COLUMNS, random_state=1, n_placebos=5).fit(X, 100 * y)
    assert scaled.att().estimate == pytest.approx(100 * one.att().estimate, rel=1e-4)


def test_with_one_treated_unit_each_control_is_the_placebo_once():
    X, y = factors(3)
    few = X[X["unit"] >= 5].reset_index(drop=True)
    values = y[X["unit"] >= 5]
    est = MatrixCompletion(*COLUMNS, penalty=0.01).fit(few, values)
    gaps = []
    controls = few["unit"] > 5
    state = few.loc[few["unit"] == 5, "state"].to_numpy()
    for unit in range(6, 30):
        placebo = few[controls].copy()
        placebo.loc[placebo["unit"] == unit, "state"] = state
        fit = MatrixCompletion(*COLUMNS, penalty=0.01, n_placebos=2).fit(placebo, values[controls])
        gaps.append((fit._y - fit.counterfactual_)[fit._state].mean())
    assert est.att().se == pytest.approx(np.std(gaps), rel=1e-2)
    assert est.att().n == 24


def test_cigarette_sales_after_proposition_99():
    """Arkhangelsky et al. 2021, table 1: -20.2 (11.5), and of the difference in differences -27.3 (17.7)."""
    data = table("synth_prop99/california_prop99.csv")
    X, y = data[["State", "Year", "treated"]], data["PacksPerCapita"]
    result = MatrixCompletion("treated", "Year", "State", random_state=0).fit(X, y).att()
    assert result.estimate == pytest.approx(-20.2, abs=0.5)  # their cells to choose the penalty are others
    assert result.se == pytest.approx(11.5, abs=1.0)
    plain = MatrixCompletion("treated", "Year", "State", penalty=1e6).fit(X, y).att()
    assert plain.estimate == pytest.approx(-27.35, abs=5e-3)
    assert plain.se == pytest.approx(17.7, abs=1.0)


@pytest.mark.slow
def test_intervals_cover():
    hits = []
    for seed in range(150):
        X, y = factors(100 + seed)
        low, high = MatrixCompletion(*COLUMNS, random_state=0).fit(X, y).att().ci
        hits.append(low < 2 < high)
    assert np.mean(hits) > 0.89  # 0.95 of 150, less three standard errors of 0.018


def test_what_the_panel_would_have_been_can_be_drawn():
    est = MatrixCompletion(*COLUMNS, penalty=0.1).fit(*factors(4))
    lines = plot_synthetic_control(est).lines
    np.testing.assert_array_equal(lines[1].get_ydata(), est.synthetic_)


@pytest.mark.parametrize(
    ("options", "change", "match"),
    [
        ({"penalty": -1.0}, {}, "`penalty` must be at least 0"),
        ({"cv": 1}, {}, "`cv` must be an integer of at least 2"),
        ({"n_placebos": 0}, {}, "`n_placebos` must be an integer"),
        ({}, {"x": 1.0}, "takes no covariates, got .'x'"),
        ({}, {"always": True}, "in unit 0 all cells are treated"),
        ({}, {"late": True}, "in period 17 all cells are treated"),
    ],
)
def test_bad_panels_and_options_are_refused(options, change, match):
    X, y = factors(0)
    if "x" in change:
        X["x"] = 1.0
    if "always" in change:
        X.loc[X["unit"] == 0, "state"] = 1
    if "late" in change:
        X.loc[X["time"] == 17, "state"] = 1
    with pytest.raises(DataError, match=match):
        MatrixCompletion(*COLUMNS, **options).fit(X, y)


def test_what_cannot_be_had_is_refused_and_slow_search_is_said():
    X, y = factors(0)
    few = X["unit"] < 8
    est = MatrixCompletion(*COLUMNS, penalty=0.1).fit(X[few].reset_index(drop=True), y[few])
    with pytest.raises(DataError, match="placebos need at least 8 units"):
        est.att()
    with pytest.raises(DataError, match="`alpha`"):
        MatrixCompletion(*COLUMNS, penalty=0.1, n_placebos=2).fit(X, y).att(alpha=2)
    with pytest.warns(ConvergenceWarning, match="not completed after 5 steps"):
        complete(*holes(0), 1e-3, max_iter=5)
