"""Estimates and standard errors that DoubleML 0.11.4 gives with the same folds and nuisance models."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from causalrep.estimators import AIPW, DoubleML

# One propensity of 200 is beyond 0.99; both libraries move it there.
pytestmark = pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(11)
    W = rng.normal(size=(200, 3))
    z = (rng.random(200) < 1 / (1 + np.exp(-W[:, 0]))).astype(float)
    t = ((0.8 * z + W[:, 1] + rng.normal(size=200)) > 0.4).astype(float)
    y = 1.5 * t + W @ [1.0, -0.5, 0.3] + rng.normal(size=200)
    parts = np.array_split(np.arange(200), 4)
    return W, z, t, y, [(np.setdiff1d(np.arange(200), part), part) for part in parts]


def same(result, estimate, se):
    """Compare; DoubleML divides by n where we divide by n - 1."""
    assert result.estimate == pytest.approx(estimate, abs=1e-10)
    assert result.se * np.sqrt(199 / 200) == pytest.approx(se, abs=1e-10)


def test_partially_linear_regression(data):
    W, _, t, y, folds = data
    linear = {"outcome_model": LinearRegression(), "treatment_model": LinearRegression()}
    est = DoubleML(model="plr", cv=folds, **linear).fit(W, y, treatment=t)
    same(est.ate(), 1.3353934928946285, 0.16375327001543488)


@pytest.mark.parametrize("kind", [AIPW, lambda **options: DoubleML(model="irm", **options)])
def test_interactive_regression(data, kind):
    W, _, t, y, folds = data
    models = {"outcome_model": LinearRegression(), "propensity_model": LogisticRegression()}
    est = kind(cv=folds, **models).fit(W, y, treatment=t)
    same(est.ate(), 1.246553313031534, 0.16484186256308483)
    same(est.att(), 1.2355480718953256, 0.19364033012963658)


def test_partially_linear_instrument(data):
    W, z, t, y, folds = data
    linear = dict.fromkeys(("outcome_model", "treatment_model", "instrument_model"), LinearRegression())
    est = DoubleML(model="pliv", cv=folds, **linear).fit(W, y, treatment=t, instrument=z)
    same(est.ate(), 2.183307110159305, 0.6455613970951427)


def test_interactive_instrument(data):
    W, z, t, y, folds = data
    models = {"outcome_model": LinearRegression(), "propensity_model": LogisticRegression()}
    est = DoubleML(model="iivm", treatment_model=LogisticRegression(), cv=folds, **models)
    same(est.fit(W, y, treatment=t, instrument=z).ate(), 2.4873974337395466, 0.9500597076064299)
