"""Censored times: the curves of Kaplan, Meier, Aalen and Johansen, and effects whose size is known."""

import numpy as np
import pandas as pd
import pytest

from causalrep.estimators import AIPW, SurvivalEffect
from causalrep.estimators._censoring import Censoring
from causalrep.utils import DataError, PositivityError, UnknownNameError

LINEAR = {"outcome_model": "linear", "propensity_model": "linear", "random_state": 0}


def two_causes(n, seed, *, discrete=False):
    """Rows with an arm, a confounder, two causes of the end and censoring that hangs on the arm."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=n)
    t = (rng.random(n) < 1 / (1 + np.exp(-0.7 * w))).astype(int)
    rates = np.column_stack([0.7 * np.exp(0.5 * w - 0.6 * t), np.full(n, 0.3)])
    ends = rng.exponential(1 / rates)
    stops = rng.exponential(1.5 + t)
    if discrete:
        ends, stops = np.ceil(4 * ends) / 4, np.ceil(4 * stops) / 4
    cause = 1 + ends.argmin(axis=1)
    last = ends.min(axis=1)
    event = np.where(last <= stops, cause, 0)
    return pd.DataFrame({"t": t, "w": w, "event": event}), np.minimum(last, stops)


def aalen_johansen(time, event, cause, horizon):
    """The product-limit risk of a cause, one time after the other."""
    alive, risk = 1.0, 0.0
    for at in np.unique(time[(event > 0) & (time <= horizon)]):
        at_risk = np.sum(time >= at)
        now = (time == at) & (event > 0)
        risk += alive * np.sum(now & (event == cause if cause else event > 0)) / at_risk
        alive *= 1 - now.sum() / at_risk
    return risk, alive


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("cause", [None, 1, 2])
def test_means_of_arms_are_those_of_kaplan_and_meier_or_aalen_and_johansen(discrete, cause):
    X, y = two_causes(200, 0, discrete=discrete)
    est = SurvivalEffect("t", "event", horizons=[0.5, 1.0], cause=cause, **LINEAR).fit(X, y)
    for arm in (0, 1):
        rows = X["t"].to_numpy() == arm
        for k, horizon in enumerate((0.5, 1.0)):
            risk, alive = aalen_johansen(y[rows], X["event"].to_numpy()[rows], cause, horizon)
            assert est.pseudo_outcome_[rows, k].mean() == pytest.approx(risk, abs=1e-12)
            if cause is None:
                assert risk == pytest.approx(1 - alive, abs=1e-12)


def test_time_without_event_is_the_area_under_the_curve():
    X, y = two_causes(200, 1)
    est = SurvivalEffect("t", "event", measure="time", horizons=0.8, **LINEAR).fit(X, y)
    rows = X["t"].to_numpy() == 0
    steps = np.unique(np.append(y[rows & (X["event"] > 0) & (y < 0.8)], [0.0, 0.8]))
    alive = [aalen_johansen(y[rows], X["event"].to_numpy()[rows], None, at)[1] for at in steps[:-1]]
    assert est.pseudo_outcome_[rows, 0].mean() == pytest.approx(np.sum(np.diff(steps) * alive), abs=1e-12)


@pytest.mark.parametrize("discrete", [False, True])
def test_the_influence_of_estimated_weights_is_that_of_greenwood(discrete):
    """The variance of a risk with the censoring as estimated, against the sum of d / (n (n - d))."""
    X, y = two_causes(400, 2, discrete=discrete)
    event = X["event"].to_numpy()
    until, seen = np.minimum(y, 1.0), (event > 0) | (y >= 1.0)
    curve = Censoring.of(y, event == 0, 400)
    value = np.where(seen, (event > 0) & (y <= 1.0), 0) / curve.before(until)
    influence = value - value.mean() + curve.influence(y, event == 0, until, value, 400)
    total = 0.0
    for at in np.unique(y[(event > 0) & (y <= 1.0)]):
        at_risk, died = np.sum(y >= at), np.sum((y == at) & (event > 0))
        total += died / (at_risk * (at_risk - died))
    greenwood = aalen_johansen(y, event, None, 1.0)[1] * np.sqrt(total)
    assert influence.std() / 20 == pytest.approx(greenwood, rel=2e-3)
    assert influence.mean() == pytest.approx(0, abs=1e-12)


def test_without_censoring_it_is_the_doubly_robust_estimate():
    X, y = two_causes(300, 3)
    X["event"] = 1
    folds = [(np.arange(150), np.arange(150, 300)), (np.arange(150, 300), np.arange(150))]
    est = SurvivalEffect("t", "event", horizons=1.0, cv=folds, **LINEAR).fit(X, y)
    by_hand = AIPW("t", cv=folds, **LINEAR).fit(X[["t", "w"]], (y <= 1.0).astype(float))
    for name in ("ate", "att"):
        found, expected = getattr(est, name)(), getattr(by_hand, name)()
        assert found.estimate == pytest.approx(expected.estimate, abs=1e-10)
        np.testing.assert_allclose(found.influence, expected.influence, atol=1e-8)


def risks(horizon):
    """Return the risks of cause 1 in both arms by the horizon, over the confounder."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    found = []
    for t in (0, 1):
        rate = 0.7 * np.exp(0.5 * nodes - 0.6 * t)
        found.append(weights @ (rate / (rate + 0.3) * (1 - np.exp(-(rate + 0.3) * horizon))) / weights.sum())
    return found


def draws(n_draws, n=500):
    truth = np.subtract(*risks(1.0)[::-1])
    hits, errors, ses = [], [], []
    for seed in range(n_draws):
        X, y = two_causes(n, 4000 + seed)
        result = SurvivalEffect("t", "event", cause=1, horizons=1.0, **LINEAR).fit(X, y).ate()
        hits.append(result.ci[0] < truth < result.ci[1])
        errors.append(result.estimate - truth)
        ses.append(result.se)
    return np.array(hits), np.array(errors), np.array(ses)


@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")  # a row, now and then
def test_intervals_cover_in_a_few_draws():
    assert draws(20)[0].sum() >= 16  # chance 0.0026 of fewer


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
def test_intervals_cover_the_truth():
    hits, errors, ses = draws(300)
    assert 0.912 <= hits.mean() <= 0.988  # 0.95 -+ 3 standard errors of 300 draws
    assert abs(errors.mean()) < 0.2 * ses.mean()  # the mean error of 300 draws has the error 0.06
    assert ses.mean() == pytest.approx(errors.std(), rel=0.13)  # 4 % is one standard error of the spread


def test_censoring_that_hangs_on_a_group_needs_strata():
    rng = np.random.default_rng(0)
    n = 6000
    t, ill = rng.integers(0, 2, (2, n))
    lasts = rng.exponential(np.where(ill == 1, 0.5, 2.0))
    stops = np.where((ill == 1) & (t == 1), rng.exponential(0.5, n), 10.0)  # the ill who are treated drop out
    X = pd.DataFrame({"t": t, "event": (lasts <= stops).astype(int), "ill": ill})
    y = np.minimum(lasts, stops)
    apart = SurvivalEffect("t", "event", strata="ill", **LINEAR).fit(X, y).ate()
    assert abs(apart.estimate) < 3 * apart.se < 0.1
    pooled = SurvivalEffect("t", "event", **LINEAR).fit(X, y).ate()
    assert abs(pooled.estimate) > 3 * pooled.se


def test_several_horizons_have_names_and_roles_may_be_arrays():
    X, y = two_causes(300, 5)
    est = SurvivalEffect(horizons=[0.5, 1.0], cause=1, **LINEAR)
    found = est.fit(X[["w"]], y, treatment=X["t"], event=X["event"]).ate()
    assert found.names == ("0.5", "1")
    alone = SurvivalEffect("t", "event", horizons=1.0, cause=1, **LINEAR).fit(X, y).ate()
    assert alone.estimate == pytest.approx(found.estimate[1], abs=1e-9)
    assert alone.se == pytest.approx(found.se[1], rel=1e-9)


@pytest.mark.parametrize(
    ("options", "change", "error", "match"),
    [
        ({"measure": "hazard"}, {}, UnknownNameError, "`measure`"),
        ({"horizons": [0.0]}, {}, DataError, "`horizons` must be above 0"),
        ({"cause": 3}, {}, DataError, "`cause` must be one of the events"),
        ({"cause": 1, "measure": "time"}, {}, DataError, "`cause` must be None"),
        ({"horizons": 1e4}, {}, PositivityError, "followed up to 10000"),
        ({}, {"event": 0.5}, DataError, "`event` must be 0"),
        ({}, {"event": "x"}, DataError, "`event` must be 0"),
        ({"min_propensity": 0.7}, {}, DataError, "`min_propensity`"),
    ],
)
def test_bad_input_is_named(options, change, error, match):
    X, y = two_causes(100, 6)
    with pytest.raises(error, match=match):
        SurvivalEffect("t", "event", **LINEAR | options).fit(X.assign(**change), y)


def test_times_and_levels_are_checked():
    X, y = two_causes(100, 6)
    with pytest.raises(DataError, match="must be above 0, got -1"):
        SurvivalEffect("t", "event", **LINEAR).fit(X, np.append(y[1:], -1.0))
    with pytest.raises(DataError, match="`alpha`"):
        SurvivalEffect("t", "event", horizons=0.5, **LINEAR).fit(X, y).ate(alpha=0)
