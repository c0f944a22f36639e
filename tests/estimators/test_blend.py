"""The default nuisance models: plain where that suffices, a blend where the data bend."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from causalrep.estimators import AIPW
from causalrep.estimators._blend import AutoRegressor, Blended, Members, short_stacked
from causalrep.estimators._learners import classifier, regressor


def bent(n, seed):
    """Return covariates, a treatment that follows waves of them, and the outcome with an effect of 1."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(n, 3))
    wave = np.sin(2 * W[:, 0]) + np.tanh(W[:, 1] * W[:, 2])
    t = (rng.random(n) < 1 / (1 + np.exp(-wave))).astype(int)
    return W, t, t + 2 * wave + rng.normal(size=n)


@pytest.mark.parametrize("seed", range(5))
def test_a_plain_regression_stays_where_the_truth_is_one(seed):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(500, 3))
    y = W @ [1.0, -1, 0.5] + W[:, 0] * W[:, 1] + rng.normal(size=500)
    auto = regressor("auto", W)
    assert auto.narrowed(W, y) is auto.plain
    binary = classifier("auto", W)
    assert binary.narrowed(W, (W[:, 0] + rng.normal(size=500) > 0).astype(float)) is binary.plain


def test_waves_steps_and_few_rows():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(600, 3))
    for truth in (np.sin(3 * W[:, 0]), 1.0 * (W[:, 1] > 0.5)):
        y = truth + 0.3 * rng.normal(size=600)
        assert isinstance(regressor("auto", W).narrowed(W, y), Members)
        assert not isinstance(regressor("auto", W[:190]).narrowed(W[:190], y[:190]), Members)


def test_weights_are_the_convex_combination_of_least_squares():
    rng = np.random.default_rng(1)
    each = rng.normal(size=(4000, 3))
    target = 0.7 * each[:, 0] + 0.3 * each[:, 2] - 0.2 * each[:, 1]
    weights, _ = short_stacked(each, [], target, None)
    np.testing.assert_allclose(weights, [0.7, 0, 0.3], atol=0.02)
    silent = np.arange(4000) < 5
    weights, _ = short_stacked(each, [], np.where(silent, 99.0, each[:, 1]), np.where(silent, 0.0, 2.0))
    np.testing.assert_allclose(weights, [0, 1, 0], atol=1e-9)


def test_members_are_weighted_and_put_back_on_the_scale_of_the_outcome():
    rng = np.random.default_rng(2)
    W = rng.normal(size=(50, 2))
    y = 100 + 30 * W[:, 0] + rng.normal(size=50)
    members = clone(Members((LinearRegression(), Ridge(1e9)), random_state=0)).fit(W, y)
    np.testing.assert_allclose(members.predict_each(W)[:, 0], LinearRegression().fit(W, y).predict(W))
    np.testing.assert_allclose(members.predict_each(W)[:, 1], y.mean(), rtol=1e-6)
    mixed = Blended(members, np.array([0.25, 0.75])).predict(W)
    np.testing.assert_allclose(mixed, members.predict_each(W) @ [0.25, 0.75])


def test_alone_it_beats_the_plain_model_and_gives_probabilities():
    (W, t, y), (W_new, t_new, y_new) = bent(800, seed=3), bent(800, seed=4)
    plain = make_pipeline(StandardScaler(), Ridge())
    errors = [np.mean((m.fit(W, y).predict(W_new) - y_new) ** 2) for m in (AutoRegressor(plain, 0), plain)]
    assert errors[0] < 0.8 * errors[1]
    p = classifier("auto", W).fit(W, t).predict_proba(W_new)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert np.mean((p[:, 1] - t_new) ** 2) < np.var(t_new)


@pytest.mark.slow
def test_waves_that_confound_are_adjusted_for_by_default():
    W, t, y = bent(2000, seed=5)
    default = AIPW(random_state=0).fit(W, y, treatment=t).ate()
    linear = AIPW(outcome_model="linear", propensity_model="linear").fit(W, y, treatment=t).ate()
    assert linear.estimate > 1.5
    assert abs(default.estimate - 1) < 3 * default.se
    assert default.se < 0.06  # with the true nuisances it is 0.05
