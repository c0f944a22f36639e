"""The normal equations give what LinearRegression gives, and step aside where they would not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from causalrep.estimators import AIPW, DoubleML
from causalrep.estimators._least_squares import normal_equations


class Plain(LinearRegression):
    """Is asked itself, as every other class is."""


def draw(seed, n=60, k=4):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(n, k)) @ (np.eye(k) + 0.5 * rng.normal(size=(k, k)))
    return W * 10.0 ** rng.integers(-2, 3, k) + rng.normal(size=k), rng.normal(size=n) + W[:, 0]


@given(seed=st.integers(0, 10**6), weighted=st.booleans())
def test_coefficients_are_those_of_scikit_learn(seed, weighted):
    W, y = draw(seed)
    weight = np.random.default_rng(seed).uniform(0.1, 3, len(y)) if weighted else None
    found = normal_equations(LinearRegression(), W, y, weight)
    if found is None:  # the draw was too nearly collinear
        return
    expected = LinearRegression().fit(W, y, weight)
    np.testing.assert_allclose(found.predict(W), expected.predict(W), atol=1e-10 * np.abs(y).max())
    np.testing.assert_allclose(
        found.coef_, expected.coef_, rtol=1e-8, atol=1e-10 * np.abs(expected.coef_).max()
    )
    np.testing.assert_allclose(found.singular_, expected.singular_, rtol=1e-7)
    assert (found.rank_, found.n_features_in_) == (expected.rank_, expected.n_features_in_)


def test_most_designs_are_solved_and_the_model_is_left_alone():
    model = LinearRegression()
    solved = [normal_equations(model, *draw(seed), None) for seed in range(50)]
    assert sum(found is not None for found in solved) > 40
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (Plain(), lambda W: W),
        (LinearRegression(fit_intercept=False), lambda W: W),
        (LinearRegression(positive=True), lambda W: W),
        (LinearRegression(), lambda W: np.column_stack([W, W[:, 0] + 1e-3 * W[:, 1]])),
        (LinearRegression(), lambda W: np.column_stack([W, np.ones(len(W))])),
        (LinearRegression(), lambda W: W + 1e7),
        (LinearRegression(), lambda W: W * [1, 1, 1, 1e-7]),  # of which scikit-learn drops one
        (LinearRegression(), lambda W: np.tile(W, (1, 20))),
    ],
)
def test_other_models_and_designs_are_left_to_them(model, change):
    W, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60.0)
    assert normal_equations(model, change(W), y, None) is None


def test_effects_are_those_of_a_model_that_is_asked_itself(design):
    X, y = design
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    for sample_weight in (None, weight):
        both = [
            AIPW("t", outcome_model=model, propensity_model="linear", random_state=0)
            .fit(X, y, sample_weight=sample_weight)
            .ate()
            for model in (LinearRegression(), Plain())
        ]
        np.testing.assert_allclose(both[0].estimate, both[1].estimate, rtol=1e-12)
        np.testing.assert_allclose(both[0].influence, both[1].influence, atol=1e-11)
    partial = [
        DoubleML("t", outcome_model=model, treatment_model=model, random_state=0).fit(X, y).ate().estimate
        for model in (LinearRegression(), Plain())
    ]
    assert partial[0] == pytest.approx(partial[1], rel=1e-12)
