"""The other estimators equal their formulas with the same folds and nuisances."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from causalrep.estimators import (
    AIPW,
    IPW,
    TMLE,
    DoubleML,
    DRLearner,
    GComputation,
    RLearner,
    SLearner,
    TLearner,
    ULearner,
    XLearner,
)

from .conftest import by_hand, linear_design

NUISANCES = {"outcome_model": LinearRegression(), "propensity_model": LogisticRegression()}


def arrays(X):
    return X[["a", "b", "c"]].to_numpy(), X["t"].to_numpy().astype(float)


def out_of_fold(model, W, target, folds, rows=None):
    values = np.zeros(len(W))
    for train, test in folds:
        train = train if rows is None else train[rows[train]]
        values[test] = model.fit(W[train], target[train]).predict(W[test])
    return values


# --- targeted maximum likelihood ---------------------------------------------------------------------


@pytest.mark.parametrize("estimand", ["ate", "att", "atc", "ato"])
def test_targeted_models_solve_the_weighted_residuals(design, folds, estimand):
    X, y = design
    _, t = arrays(X)
    mu0, mu1, e = by_hand(X, y, folds)
    low, span = y.min(), np.ptp(y)
    one = np.ones_like(e)
    w0, w1 = {
        "ate": (1 / (1 - e), 1 / e),
        "att": (e / (1 - e), one),
        "atc": (one, (1 - e) / e),
        "ato": (e, 1 - e),
    }[estimand]

    def moved(mu, weight):
        shift, base = 0.0, logit((mu - low) / span)
        for _ in range(50):  # Newton's method
            p = expit(base + shift)
            shift += np.sum(weight * ((y - low) / span - p)) / np.sum(weight * p * (1 - p))
        return low + span * expit(base + shift)

    star0, star1 = moved(mu0, (1 - t) * w0), moved(mu1, t * w1)
    target = {"ate": one, "att": t, "atc": 1 - t, "ato": (t - e) ** 2}[estimand]
    effects = {"ate": star1 - star0, "att": y - star0, "atc": star1 - y, "ato": star1 - star0}[estimand]
    result = getattr(TMLE("t", cv=folds, **NUISANCES).fit(X, y), estimand)()
    assert result.estimate == pytest.approx(np.average(effects, weights=target), abs=1e-9)
    assert result.influence.mean() == pytest.approx(0, abs=1e-9)


# --- weighting ---------------------------------------------------------------------------------------


def test_weighting_is_normalised_in_each_arm(design, folds):
    X, y = design
    _, t = arrays(X)
    _, _, e = by_hand(X, y, folds)
    est = IPW("t", propensity_model=LogisticRegression(), cv=folds).fit(X, y)
    expected = np.average(y, weights=t / e) - np.average(y, weights=(1 - t) / (1 - e))
    assert est.ate().estimate == pytest.approx(expected, abs=1e-10)
    expected = np.average(y, weights=t) - np.average(y, weights=(1 - t) * e / (1 - e))
    assert est.att().estimate == pytest.approx(expected, abs=1e-10)
    assert any("as known" in text for text in est.ate().warnings)


@pytest.mark.parametrize("estimand", ["ate", "att", "atc", "ato"])
def test_variance_of_weighting_is_the_derivative_by_the_weights_of_rows(estimand):
    """An influence function is what a row's weight does to the estimate, propensity fit included."""
    X, y = linear_design(200, seed=2)
    weight = np.ones(200)
    step = 1e-3
    result = getattr(IPW("t", cv=2, random_state=0).fit(X, y), estimand)()
    for row in (0, 57, 113):
        ends = []
        for sign in (1, -1):
            weight[row] = 1 + sign * step
            fitted = IPW("t", cv=2, random_state=0).fit(X, y, sample_weight=weight)
            ends.append(getattr(fitted, estimand)().estimate)
        weight[row] = 1
        derivative = (ends[0] - ends[1]) / (2 * step) * 200
        assert result.influence[row] == pytest.approx(derivative, rel=2e-3, abs=1e-3)


# --- outcome models ----------------------------------------------------------------------------------


@pytest.mark.parametrize("estimand", ["ate", "att", "atc"])
def test_standardisation_and_its_influence_are_those_of_least_squares(estimand):
    X, y = linear_design(200, seed=3)
    W, t = arrays(X)
    fits = [LinearRegression().fit(W[t == arm], y[t == arm]) for arm in (0, 1)]
    target = {"ate": np.ones(200), "att": t, "atc": 1 - t}[estimand]
    est = GComputation("t", random_state=0).fit(X, y)
    result = getattr(est, estimand)()
    expected = np.average(fits[1].predict(W) - fits[0].predict(W), weights=target)
    assert result.estimate == pytest.approx(expected, abs=1e-10)
    np.testing.assert_allclose(est.predict(X), fits[1].predict(W) - fits[0].predict(W), atol=1e-9)
    weight = np.ones(200)
    for row in (3, 90):
        ends = []
        for sign in (1, -1):
            weight[row] = 1 + sign * 1e-3
            fitted = GComputation("t", random_state=0).fit(X, y, sample_weight=weight)
            ends.append(getattr(fitted, estimand)().estimate)
        weight[row] = 1
        derivative = (ends[0] - ends[1]) / 2e-3 * 200
        assert result.influence[row] == pytest.approx(derivative, rel=1e-3, abs=1e-3)


def test_without_covariates_it_is_the_difference_of_means():
    rng = np.random.default_rng(0)
    t, y = np.repeat([0, 1], 50), rng.normal(size=100)
    result = GComputation(0, random_state=0).fit(t[:, None], y).ate()
    assert result.estimate == pytest.approx(y[50:].mean() - y[:50].mean())
    welch = np.sqrt(y[50:].var() / 50 + y[:50].var() / 50)
    assert result.se == pytest.approx(welch * np.sqrt(100 / 99))


def test_a_plug_in_of_other_models_says_that_it_is_biased(design, folds):
    X, y = design
    mu0, mu1, _ = by_hand(X, y, folds)
    result = GComputation("t", cv=folds, **NUISANCES).fit(X, y).ate()
    assert result.estimate == pytest.approx(np.mean(mu1 - mu0), abs=1e-10)
    assert any("bias" in text for text in result.warnings)


# --- double machine learning -------------------------------------------------------------------------


@pytest.fixture
def with_instrument():
    rng = np.random.default_rng(5)
    W, hidden = rng.normal(size=(400, 2)), rng.normal(size=400)
    z = (rng.random(400) < expit(W[:, 0] / 2)).astype(float)
    t = ((1.5 * z + hidden + rng.normal(size=400)) > 0.7).astype(float)
    return W, z, t, 2 * t + W[:, 0] + hidden + rng.normal(size=400)


def test_partially_linear_model_regresses_residuals_on_residuals(design, folds):
    X, y = design
    W, t = arrays(X)
    y_left = y - out_of_fold(LinearRegression(), W, y, folds)
    t_left = t - out_of_fold(LinearRegression(), W, t, folds)
    theta = y_left @ t_left / (t_left @ t_left)
    est = DoubleML(
        "t", model="plr", outcome_model=LinearRegression(), treatment_model=LinearRegression(), cv=folds
    )
    result = est.fit(X, y).ate()
    assert result.estimate == pytest.approx(theta, abs=1e-10)
    psi = t_left * (y_left - theta * t_left) / np.mean(t_left**2)
    np.testing.assert_allclose(result.influence, psi, atol=1e-10)


def test_interactive_model_is_the_doubly_robust_estimator(design, folds):
    X, y = design
    ours = DoubleML("t", model="irm", cv=folds, **NUISANCES).fit(X, y)
    same = DoubleML(
        "t", model="irm", cv=folds, outcome_model=LinearRegression(), treatment_model=LogisticRegression()
    )
    robust = AIPW("t", cv=folds, **NUISANCES).fit(X, y)
    assert ours.ate().estimate == robust.ate().estimate == same.fit(X, y).ate().estimate
    assert ours.att().estimate == robust.att().estimate


def test_partially_linear_instrument_model(with_instrument, folds):
    W, z, t, y = with_instrument
    left = [v - out_of_fold(LinearRegression(), W, v, folds) for v in (y, t, z)]
    linear = dict.fromkeys(("outcome_model", "treatment_model", "instrument_model"), LinearRegression())
    est = DoubleML(model="pliv", cv=folds, **linear).fit(W, y, treatment=t, instrument=z)
    assert est.ate().estimate == pytest.approx(left[2] @ left[0] / (left[2] @ left[1]), abs=1e-10)
    slope = left[2] @ left[1] / (left[2] @ left[2])
    robust = np.sum(left[2] ** 2 * (left[1] - slope * left[2]) ** 2) / np.sum(left[2] ** 2) ** 2
    assert est.first_stage_f_ == pytest.approx(slope**2 / robust)


def test_effect_on_compliers_is_a_ratio_of_two_effects(with_instrument, folds):
    W, z, t, y = with_instrument
    linear = {"outcome_model": LinearRegression(), "propensity_model": LogisticRegression()}
    est = DoubleML(model="iivm", cv=folds, treatment_model=LinearRegression(), **linear)
    result = est.fit(W, y, treatment=t, instrument=z).ate()
    on_y = AIPW(cv=folds, **linear).fit(W, y, treatment=z).ate()
    on_t = AIPW(cv=folds, **linear).fit(W, t, treatment=z).ate()
    assert result.estimate == pytest.approx(on_y.estimate / on_t.estimate, abs=1e-10)
    expected = (on_y.influence - result.estimate * on_t.influence) / on_t.estimate
    np.testing.assert_allclose(result.influence, expected, atol=1e-9)
    assert abs(result.estimate - 2) < 4 * result.se


def test_a_useless_instrument_is_said_to_be_one(with_instrument, folds):
    W, _, t, y = with_instrument
    z = np.random.default_rng(0).normal(size=400)
    result = DoubleML(model="pliv", cv=folds).fit(W, y, treatment=t, instrument=z).ate()
    assert any("weak" in text for text in result.warnings)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"model": "prl"}, "did you mean 'plr'"),
        ({"model": "pliv"}, "needs one"),
        ({"treatment_model": LinearRegression(), "propensity_model": LinearRegression()}, "one model"),
        ({"model": "irm", "propensity_model": LinearRegression()}, "classifier"),
    ],
)
def test_double_ml_refuses_what_does_not_fit(design, options, match):
    X, y = design
    with pytest.raises((ValueError, KeyError), match=match):
        DoubleML("t", **options).fit(X, y)


# --- meta-learners -----------------------------------------------------------------------------------


def test_learners_follow_their_definitions(design, folds):
    X, y = design
    W, t = arrays(X)
    mu0, mu1, e = by_hand(X, y, folds)
    tree = DecisionTreeRegressor(max_depth=3, random_state=0)
    common = {"cv": folds, **NUISANCES}
    x = XLearner("t", final_model=tree, **common).fit(X, y)
    tau0 = DecisionTreeRegressor(max_depth=3, random_state=0).fit(W[t == 0], (mu1 - y)[t == 0])
    tau1 = DecisionTreeRegressor(max_depth=3, random_state=0).fit(W[t == 1], (y - mu0)[t == 1])
    g = x._at("propensity", W)
    np.testing.assert_allclose(x.predict(X), g * tau0.predict(W) + (1 - g) * tau1.predict(W), atol=1e-10)
    ell = e * mu1 + (1 - e) * mu0
    r = RLearner("t", final_model=tree, **common).fit(X, y)
    expected = DecisionTreeRegressor(max_depth=3, random_state=0)
    expected.fit(W, (y - ell) / (t - e), sample_weight=(t - e) ** 2)
    np.testing.assert_allclose(r.predict(X), expected.predict(W), atol=1e-8)
    u = ULearner("t", final_model=tree, **common).fit(X, y)
    expected = DecisionTreeRegressor(max_depth=3, random_state=0).fit(W, (y - ell) / (t - e))
    np.testing.assert_allclose(u.predict(X), expected.predict(W), atol=1e-8)
    psi = mu1 - mu0 + t * (y - mu1) / e - (1 - t) * (y - mu0) / (1 - e)
    dr = DRLearner("t", final_model=tree, **common).fit(X, y)
    expected = DecisionTreeRegressor(max_depth=3, random_state=0).fit(W, psi)
    np.testing.assert_allclose(dr.predict(X), expected.predict(W), atol=1e-8)
    single = LinearRegression().fit(np.column_stack([W, t]), y)
    np.testing.assert_allclose(SLearner("t", **common).fit(X, y).predict(X), single.coef_[-1], atol=1e-9)


def test_linear_r_learner_minimises_the_r_loss(design, folds):
    X, y = design
    W, t = arrays(X)
    mu0, mu1, e = by_hand(X, y, folds)
    D = np.column_stack([np.ones(400), W])
    ell = e * mu1 + (1 - e) * mu0
    beta = np.linalg.lstsq(D * (t - e)[:, None], y - ell, rcond=None)[0]
    est = RLearner("t", cv=folds, **NUISANCES).fit(X, y)
    np.testing.assert_allclose(est.predict(X), D @ beta, atol=1e-9)
    np.testing.assert_allclose(est.interval(X).estimate, est.predict(X), atol=1e-12)


def test_the_mean_of_views_follows_curves_and_steps():
    rng = np.random.default_rng(8)
    W = rng.uniform(-2, 2, size=(2000, 3))
    t = (rng.random(2000) < expit(W[:, 1])).astype(int)
    curve = np.sin(2 * W[:, 0]) + (W[:, 2] > 0)
    y = curve * t + W[:, 1] + 0.5 * rng.normal(size=2000)
    options = {"outcome_model": "linear", "propensity_model": "linear", "random_state": 0}
    for kind in (RLearner, DRLearner):
        smooth = kind(final_model="auto", **options).fit(W, y, treatment=t)
        plane = kind(**options).fit(W, y, treatment=t)
        errors = [np.sqrt(np.mean((est.predict(W) - curve) ** 2)) for est in (smooth, plane)]
        assert errors[0] < 0.55 * errors[1]  # of the five, one is a plane
        five = [model.predict(W) for model in smooth.final_model_.models_]
        assert len(five) == 5
        np.testing.assert_allclose(smooth.predict(W), np.mean(five, axis=0))
    with pytest.raises(ValueError, match="`final_model` must be 'linear', 'auto' or a regressor"):
        RLearner(final_model="curve", **options).fit(W, y, treatment=t)


@pytest.mark.parametrize("kind", [SLearner, TLearner, XLearner, RLearner, DRLearner, ULearner])
def test_learners_find_an_effect_that_varies_and_average_it_alike(kind):
    rng = np.random.default_rng(3)
    W = rng.normal(size=(1500, 2))
    t = (rng.random(1500) < expit(W[:, 1] / 2)).astype(int)
    y = (1 + W[:, 0]) * t + W[:, 1] + 0.5 * rng.normal(size=1500)
    est = kind(random_state=0).fit(W, y, treatment=t)
    error = np.sqrt(np.mean((est.predict(W) - 1 - W[:, 0]) ** 2))
    assert error < 0.2  # the effects have standard deviation 1
    assert est.ate().estimate == AIPW(random_state=0).fit(W, y, treatment=t).ate().estimate


def test_models_with_chance_do_not_depend_on_the_number_of_jobs(design):
    X, y = design
    forest = RandomForestClassifier(10, min_samples_leaf=20)
    results = [
        XLearner("t", outcome_model="linear", propensity_model=forest, random_state=0, n_jobs=n).fit(X, y)
        for n in (1, 2)
    ]
    np.testing.assert_array_equal(results[0].predict(X), results[1].predict(X))
