"""Direct and indirect effects: products of coefficients, known truths, robustness to a wrong model."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

from causalrep.estimators import Mediation, OverlapWarning
from causalrep.utils import DataError, UnknownNameError

DIRECT, INDIRECT = 0.3, 0.5
LINEAR = {"outcome_model": "linear", "propensity_model": "linear"}


def design(seed, n=1000):
    """E[Y(1, M0) - Y(0, M0)] = 0.3 + 0.4 E[M0] = 0.3, and E[Y(1, M1) - Y(1, M0)] = (0.6 + 0.4) 0.5."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(n, 2))
    t = (rng.random(n) < 1 / (1 + np.exp(-0.5 * W[:, 0]))).astype(int)
    m = 0.5 * t + 0.5 * W[:, 0] + 0.3 * W[:, 1] + rng.normal(size=n)
    y = 0.3 * t + 0.6 * m + 0.4 * t * m + 0.5 * W[:, 1] + rng.normal(size=n)
    return W, t, m, y


def fitted(seed=0, n=1000, **options):
    W, t, m, y = design(seed, n)
    return Mediation(**{"random_state": 0} | options).fit(W, y, treatment=t, mediator=m)


def test_direct_and_indirect_add_up_to_the_total_effect():
    for method in ("robust", "linear"):
        est = fitted(method=method)
        total, direct, indirect = est.ate(), est.nde(), est.nie()
        assert total.estimate == pytest.approx(direct.estimate + indirect.estimate)
        np.testing.assert_allclose(total.influence, direct.influence + indirect.influence, atol=1e-9)
        assert est.effect_summary().names == ("ATE", "NDE", "NIE")


@pytest.mark.parametrize("wrong", [None, "outcome", "propensity"])
def test_one_kind_of_model_may_be_wrong(wrong):
    options = dict(LINEAR)
    if wrong == "outcome":
        options["outcome_model"] = DummyRegressor()
    if wrong == "propensity":
        options["propensity_model"] = DummyClassifier()
    est = fitted(1, 6000, **options)
    for result, truth in ((est.nde(), DIRECT), (est.nie(), INDIRECT)):
        assert abs(result.estimate - truth) < 3.5 * result.se < 0.25
    if wrong is None:
        both = fitted(1, 6000, outcome_model=DummyRegressor(), propensity_model=DummyClassifier())
        assert abs(both.nde().estimate - DIRECT) > 5 * both.nde().se


def test_the_scores_are_those_of_the_paper_with_a_density_of_the_mediator():
    """Theorem 1 with binary mediator, its probabilities and all models written out fold by fold."""
    W, t, m, y = design(2, 300)
    m = (m > 0).astype(int)
    rows = np.random.default_rng(0).permutation(300)
    folds = [(np.setdiff1d(rows, test), test) for test in np.array_split(rows, 3)]
    learners = {"outcome_model": LinearRegression(), "propensity_model": LogisticRegression(C=1e8)}
    est = Mediation(cv=folds, **learners).fit(W, y, treatment=t, mediator=m)
    cross = np.zeros(300)
    both = np.column_stack([W, m])
    for train, test in folds:
        arm = [train[t[train] == a] for a in (0, 1)]
        mu = LinearRegression().fit(both[arm[1]], y[arm[1]])
        eta = LinearRegression().fit(W[arm[0]], mu.predict(both[arm[0]])).predict(W[test])
        e = learners["propensity_model"].fit(W[train], t[train]).predict_proba(W[test])[:, 1]
        e_m = learners["propensity_model"].fit(both[train], t[train]).predict_proba(both[test])[:, 1]
        ratio = (1 - e_m) / e_m * e / (1 - e)  # f(m | 0, w) / f(m | 1, w)
        at = mu.predict(both[test])
        cross[test] = t[test] / e * ratio * (y[test] - at) + (1 - t[test]) / (1 - e) * (at - eta) + eta
    one = est.ate().estimate - est.nde().estimate  # E[Y(1)] - E[Y(1, M0)]
    assert one == pytest.approx(est.nie().estimate)
    np.testing.assert_allclose(
        est.nde().influence - est.nde().influence.mean(),
        (cross - cross.mean()) - (_zero(est) - _zero(est).mean()),
        atol=1e-5,
    )


def _zero(est):
    """Return the uncentred score of E[Y(0)], from the parts that the estimator keeps."""
    score = est._levels
    # nie = one - cross and nde = cross - zero: ate - nie - nde vanishes, so zero is found from folds again
    sample, zero = est._sample, np.zeros(300)
    for train, test in est.cv:
        controls = train[sample.t[train] == 0]
        mu = LinearRegression().fit(sample.W[controls], sample.y[controls]).predict(sample.W[test])
        e = (
            LogisticRegression(C=1e8)
            .fit(sample.W[train], sample.t[train])
            .predict_proba(sample.W[test])[:, 1]
        )
        zero[test] = mu + (1 - sample.t[test]) * (sample.y[test] - mu) / (1 - e)
    assert np.allclose(score["ate"].numerator, score["nde"].numerator + score["nie"].numerator)
    return zero


def test_linear_effects_are_products_of_coefficients_with_the_delta_method():
    rng = np.random.default_rng(3)
    n = 400
    W, dose = rng.normal(size=(n, 2)), rng.normal(size=n)
    M = np.column_stack([dose + W[:, 0], -0.5 * dose]) + rng.normal(size=(n, 2))
    y = dose + M @ [1.0, 2.0] + W[:, 1] + rng.normal(size=n)
    est = Mediation(method="linear").fit(W, y, treatment=dose, mediator=M)
    one = np.ones((n, 1))
    first, second = np.hstack([dose[:, None], W, one]), np.hstack([dose[:, None], M, W, one])
    a = np.linalg.lstsq(first, M, rcond=None)[0][0]
    b = np.linalg.lstsq(second, y, rcond=None)[0][:3]
    assert est.nde().estimate == pytest.approx(b[0])
    assert est.nie().estimate == pytest.approx(a @ b[1:])
    total = np.linalg.lstsq(first, y, rcond=None)[0][0]
    assert est.ate().estimate == pytest.approx(total)  # coefficients of linear regressions add up
    drawn = []
    for _ in range(400):
        rows = rng.integers(n, size=n)
        again = Mediation(method="linear").fit(W[rows], y[rows], treatment=dose[rows], mediator=M[rows])
        drawn.append(again.nie().estimate)
    assert est.nie().se == pytest.approx(np.std(drawn), rel=0.15)  # 3.5 % is one standard error of a spread
    np.testing.assert_allclose(est.predict(W[:3]), total)


def test_columns_may_be_named_and_clusters_widen():
    W, t, m, y = design(4, 300)
    X = pd.DataFrame({"t": np.where(t == 1, "b", "a"), "m": m, "w": W[:, 0], "v": W[:, 1]})
    est = Mediation("t", ["m"], random_state=0, **LINEAR).fit(X, y)
    other = Mediation(random_state=0, **LINEAR).fit(W, y, treatment=t, mediator=m)
    assert est.nie().estimate == pytest.approx(other.nie().estimate)
    assert list(est.covariate_names_in_) == ["w", "v"]
    twice = np.tile(np.arange(300), 2)
    double = Mediation(method="linear").fit(
        np.vstack([W, W]), np.tile(y, 2), treatment=np.tile(t, 2), mediator=np.tile(m, 2), cluster=twice
    )
    single = Mediation(method="linear").fit(W, y, treatment=t, mediator=m)
    assert double.nie().se == pytest.approx(single.nie().se, rel=0.02)


def test_a_randomised_treatment_needs_no_covariates():
    rng = np.random.default_rng(5)
    t = rng.integers(2, size=2000)
    m = (rng.random(2000) < 0.2 + 0.5 * t).astype(int)
    y = t + 2 * m + rng.normal(size=2000)
    X = pd.DataFrame({"t": t, "m": m})
    est = Mediation("t", "m", random_state=0).fit(X, y)
    assert abs(est.nie().estimate - 1.0) < 3.5 * est.nie().se


def test_arms_that_do_not_overlap_given_the_mediator_are_said_so():
    W, t, m, y = design(6, 400)
    with pytest.warns(OverlapWarning):
        est = Mediation(random_state=0).fit(W, y, treatment=t, mediator=m + 6 * t)
    assert est.nde().warnings


def covered(n_draws, n, **options):
    hits = np.zeros(2)
    for seed in range(n_draws):
        est = fitted(1000 + seed, n, **options)
        for k, (result, truth) in enumerate(((est.nde(), DIRECT), (est.nie(), INDIRECT))):
            hits[k] += result.ci[0] < truth < result.ci[1]
    return hits / n_draws


def test_intervals_cover_in_a_few_draws():
    assert np.all(covered(25, 300, cv=2, **LINEAR) >= 20 / 25)  # P(Binomial(25, 0.95) < 20) = 0.0012


@pytest.mark.slow
def test_intervals_cover_the_truth():
    found = covered(300, 1000, **LINEAR)
    assert np.all((found >= 0.91) & (found <= 0.985))  # 0.95 -+ 3 standard errors of 300 draws


@pytest.mark.parametrize(
    ("options", "change", "error", "match"),
    [
        ({"method": "magic"}, {}, UnknownNameError, "`method`"),
        ({}, {"mediator": None}, DataError, "`mediator` is missing"),
        ({}, {"mediator": np.ones(100)}, DataError, "constant"),
        ({}, {"mediator": np.full(100, np.nan)}, DataError, "finite rows"),
        ({}, {"treatment": np.linspace(0, 1, 100)}, DataError, "two arms"),
        ({"propensity_model": LinearRegression()}, {}, DataError, "must be a classifier"),
        ({"min_propensity": 0.6}, {}, DataError, "`min_propensity`"),
    ],
)
def test_bad_input_is_refused(options, change, error, match):
    W, t, m, y = design(7, 100)
    with pytest.raises(error, match=match):
        Mediation(**options).fit(W, y, **({"treatment": t, "mediator": m} | change))


def test_a_mediator_that_is_the_treatment_is_refused_by_linear_effects():
    W, t, _, y = design(8, 100)
    with pytest.raises(DataError, match="linear combinations"):
        Mediation(method="linear").fit(W, y, treatment=t, mediator=2 * t + 1)
