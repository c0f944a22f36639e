"""More than two arms: each against the reference, on all rows, with their covariance."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from causalrep.estimators import (
    AIPW,
    IPW,
    TMLE,
    CausalForest,
    DoseWarning,
    DoubleML,
    DRLearner,
    EntropyBalancing,
    GComputation,
    OverlapWarning,
    RLearner,
    SLearner,
    TARNet,
    TLearner,
    XLearner,
    policy_value,
)
from causalrep.estimators._contrast import Contrast, probabilities
from causalrep.utils import DataError, UnknownNameError

ARMS = np.array(["placebo", "low", "high"])
LINEAR = {"outcome_model": "linear", "propensity_model": "linear", "reference": "placebo", "random_state": 0}


def draw(n, seed):
    """Return a table of three arms by a multinomial logit, outcomes, and the effects of low and high."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(n, 2))
    odds = np.exp(np.column_stack([np.zeros(n), 0.6 * W[:, 0] - 0.3, 0.4 * W[:, 0] - 0.5 * W[:, 1]]))
    chance = odds / odds.sum(axis=1, keepdims=True)
    code = (rng.random(n)[:, None] > chance.cumsum(axis=1)).sum(axis=1)
    effects = np.column_stack([np.zeros(n), 1 + 0.5 * W[:, 0], -1 + W[:, 1]])
    y = W @ [1.0, -0.5] + effects[np.arange(n), code] + rng.normal(size=n)
    return pd.DataFrame({"a": W[:, 0], "arm": ARMS[code], "b": W[:, 1]}), y, effects[:, 1:]


@pytest.fixture(scope="module")
def design():
    return draw(1500, seed=1)


# --- the pieces -------------------------------------------------------------------------------------


def table(n_arms, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(40, n_arms - 1))
    coded = rng.integers(0, n_arms, 40)
    return logits, coded


def of_logits(logits, coded, arm):
    return Contrast(coded, probabilities(1 / (1 + np.exp(-logits))), arm)


def test_probabilities_are_those_of_the_multinomial_model():
    logits, _ = table(4)
    odds = np.exp(np.column_stack([np.zeros(40), logits]))
    np.testing.assert_allclose(
        probabilities(1 / (1 + np.exp(-logits))), odds / odds.sum(axis=1, keepdims=True), rtol=1e-12
    )


@pytest.mark.parametrize("estimand", ["ate", "att", "atc", "ato"])
@pytest.mark.parametrize("n_arms", [2, 3, 4])
def test_slopes_of_the_weights_are_their_derivatives(estimand, n_arms):
    logits, coded = table(n_arms)
    for arm in range(1, n_arms):
        contrast = of_logits(logits, coded, arm)
        slopes = contrast.slopes(estimand)
        for j in range(n_arms - 1):
            step = np.eye(n_arms - 1)[j] * 1e-6
            up, down = (of_logits(logits + sign * step, coded, arm).weights(estimand) for sign in (1, -1))
            for side, member in enumerate((coded == 0, coded == arm)):
                numeric = member * (up[side] - down[side]) / 2e-6
                np.testing.assert_allclose(slopes[side][:, j], numeric, atol=1e-7, rtol=1e-6)


def test_two_arms_have_the_overlap_weights_that_everybody_knows():
    rng = np.random.default_rng(0)
    e, t = rng.uniform(0.02, 0.98, 50), rng.integers(0, 2, 50).astype(float)
    two = Contrast.of_two(t, e)
    np.testing.assert_allclose(two.weights("ato"), [e, 1 - e], rtol=1e-12)
    np.testing.assert_allclose(two.overlap_score, (t - e) ** 2, atol=1e-15)


def test_overlap_scores_of_several_arms_have_the_mean_of_the_overlap_weights():
    e = probabilities(np.random.default_rng(1).uniform(0.2, 0.8, (1, 3)))
    parts = [Contrast(np.array([arm]), e).overlap_score[0] for arm in range(4)]
    assert parts @ e[0] == pytest.approx(1 / np.sum(1 / e), rel=1e-12)  # the derivative has mean zero


# --- average effects --------------------------------------------------------------------------------


def nuisances(X, y, folds):
    """Return mean outcomes and probabilities of all arms, written out."""
    W, arm = X[["a", "b"]].to_numpy(), X["arm"].to_numpy()
    mu, odds = np.zeros((len(y), 3)), np.ones((len(y), 3))
    for train, test in folds:
        for k, name in enumerate(ARMS):
            rows = train[arm[train] == name]
            mu[test, k] = LinearRegression().fit(W[rows], y[rows]).predict(W[test])
            if k:
                pair = train[np.isin(arm[train], [ARMS[0], name])]
                model = LogisticRegression().fit(W[pair], arm[pair] == name)
                odds[test, k] = np.exp(model.decision_function(W[test]))
    return mu, odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("kind", [AIPW, DoubleML, TLearner])
def test_aipw_of_several_arms_is_the_formula(design, kind):
    X, y, _ = design
    parts = np.array_split(np.random.default_rng(3).permutation(len(y)), 4)
    folds = [(np.setdiff1d(np.arange(len(y)), test), test) for test in parts]
    models = {"outcome_model": LinearRegression(), "propensity_model": LogisticRegression()}
    options = {"model": "irm"} if kind is DoubleML else {}
    est = kind(treatment="arm", reference="placebo", cv=folds, **models, **options).fit(X, y)
    mu, e = nuisances(X, y, folds)
    member = X["arm"].to_numpy()[:, None] == ARMS
    psi = mu + member * (y[:, None] - mu) / e
    order = [2, 1]  # high, low: sorted
    assert est.contrasts_ == ("high - placebo", "low - placebo")
    ate = est.ate()
    np.testing.assert_allclose(ate.estimate, (psi[:, order] - psi[:, [0]]).mean(axis=0), rtol=1e-9)
    gap = psi[:, order] - psi[:, [0]]
    np.testing.assert_allclose(ate.se, gap.std(axis=0, ddof=1) / np.sqrt(len(y)), rtol=1e-9)
    np.testing.assert_allclose(ate.covariance, np.cov(gap.T) / len(y), rtol=1e-9)
    for k, found in zip(order, est.att().estimate, strict=True):
        moved = member[:, k] * (y - mu[:, 0]) - member[:, 0] * e[:, k] / e[:, 0] * (y - mu[:, 0])
        assert found == pytest.approx(moved.sum() / member[:, k].sum(), rel=1e-9)
    for k, found in zip(order, est.atc().estimate, strict=True):
        left = y - mu[:, k]
        moved = member[:, k] * e[:, 0] / e[:, k] * left - member[:, 0] * left
        assert found == pytest.approx(moved.sum() / member[:, 0].sum(), rel=1e-9)


@pytest.mark.parametrize("kind", [AIPW, TMLE, GComputation, IPW, DRLearner, CausalForest])
def test_all_average_effects_are_near_the_truth(design, kind):
    X, y, effects = design
    taken = {name: value for name, value in LINEAR.items() if name in kind().get_params()}
    est = kind(treatment="arm", **taken).fit(X, y)
    arm = X["arm"].to_numpy()
    truths = {"ate": effects.mean(axis=0), "atc": effects[arm == "placebo"].mean(axis=0)}
    truths["att"] = np.array([effects[arm == name, k].mean() for k, name in enumerate(ARMS[1:])])
    for estimand, truth in truths.items():
        found = getattr(est, estimand)()
        assert np.all(np.abs(found.estimate - truth[::-1]) < 4 * found.se)
        assert np.all(found.se < 0.2)


def test_weights_and_regression_agree_where_a_design_is_saturated():
    rng = np.random.default_rng(0)
    z = rng.integers(0, 2, 900)
    arm = (rng.random(900) < 0.3 + 0.3 * z).astype(int) + (rng.random(900) < 0.4)
    y = 1.0 * arm + z + rng.normal(size=900)
    X = pd.DataFrame({"z": z, "arm": np.array(["A", "B", "C"])[arm]})
    by_weights = IPW(treatment="arm", random_state=0).fit(X, y)
    by_regression = GComputation(treatment="arm", propensity_model="linear", random_state=0).fit(X, y)
    stratified = [
        np.average(
            [y[(arm == k) & (z == v)].mean() - y[(arm == 0) & (z == v)].mean() for v in (0, 1)],
            weights=[np.mean(z == 0), np.mean(z == 1)],
        )
        for k in (1, 2)
    ]
    np.testing.assert_allclose(by_weights.ate().estimate, stratified, rtol=1e-5)  # the solver's tolerance
    np.testing.assert_allclose(by_regression.ate().estimate, stratified, rtol=1e-10)
    # Both have the same influence function, so the term of the estimated propensities is right.
    np.testing.assert_allclose(by_weights.ate().influence, by_regression.ate().influence, atol=1e-4)
    np.testing.assert_allclose(by_weights.att().influence, by_regression.att().influence, atol=1e-4)


def test_another_reference_is_the_difference_of_two_effects(design):
    X, y, _ = design
    est = GComputation(treatment="arm", **LINEAR | {"outcome_model": "auto"}).fit(X, y)
    other = GComputation(treatment="arm", **LINEAR | {"outcome_model": "auto", "reference": "low"}).fit(X, y)
    difference, direct = est.ate().combined([1, -1]), other.ate()
    assert other.contrasts_[0] == "high - low"
    assert difference.estimate == pytest.approx(direct.estimate[0], rel=1e-10)
    assert difference.se == pytest.approx(direct.se[0], rel=1e-10)
    both = est.ate().combined([[1, -1], [1, 0]])
    np.testing.assert_allclose(both.estimate, [difference.estimate, est.ate().estimate[0]])
    with pytest.raises(DataError, match="one value for each of the 2 effects"):
        est.ate().combined([1, 0, 0])


def test_groups_projections_and_summaries_name_the_contrast(design):
    X, y, _ = design
    est = AIPW(treatment="arm", **LINEAR).fit(X, y)
    groups = est.gate(X["a"] > 0)
    assert groups.names[:2] == ("high - placebo: False", "high - placebo: True")
    share = np.mean(X["a"] > 0)
    np.testing.assert_allclose(
        groups.estimate.reshape(2, 2) @ [1 - share, share], est.ate().estimate, rtol=1e-10
    )
    assert est.blp().names[0] == "high - placebo: intercept"
    assert est.effect_summary().names == tuple(
        f"{name}: {what}" for name in est.contrasts_ for what in ("ATE", "ATT", "ATC", "ATO")
    )
    np.testing.assert_allclose(est.ate(X).estimate, est.predict(X).mean(axis=0), rtol=1e-10)


# --- effects at rows --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SLearner, TLearner, XLearner, RLearner, DRLearner, CausalForest])
def test_learners_give_a_column_for_each_contrast(design, kind):
    X, y, effects = design
    options = {"n_estimators": 100} if kind is CausalForest else {}
    if kind is SLearner:  # a single model that is linear knows one effect for all rows
        options["outcome_model"] = make_pipeline(PolynomialFeatures(2), LinearRegression())
    if kind is XLearner:
        options["final_model"] = "linear"
    est = kind(treatment="arm", **LINEAR | options).fit(X, y)
    found = est.predict(X)
    assert found.shape == (1500, 2)
    for k in (0, 1):
        assert np.corrcoef(found[:, k], effects[:, 1 - k])[0, 1] > 0.85
    result = est.interval(X.iloc[:4])
    assert result.ci.shape == (4, 2, 2)
    if kind in (RLearner, DRLearner, CausalForest):
        np.testing.assert_allclose(result.estimate, found[:4], rtol=1e-9)
    assert len(result.to_frame()) == 8
    if kind is not CausalForest:  # whose errors know how the forest varies
        np.testing.assert_allclose(result.se, result.influence.std(axis=0, ddof=1) / np.sqrt(1500), rtol=2e-3)


def test_renaming_arms_permutes_what_is_said(design):
    X, y, _ = design
    names = {"placebo": "z", "low": "x", "high": "y"}
    est = DRLearner(treatment="arm", **LINEAR).fit(X, y)
    other = DRLearner(treatment="arm", **LINEAR | {"reference": "z"}, cv=est._splits[0])
    other.fit(X.replace({"arm": names}), y)
    assert other.contrasts_ == ("x - z", "y - z")
    np.testing.assert_allclose(other.ate().estimate, est.ate().estimate[::-1], rtol=1e-10)
    np.testing.assert_allclose(
        other.predict(X.replace({"arm": names})), est.predict(X)[:, ::-1], rtol=1e-9, atol=1e-12
    )


def test_the_score_and_the_outcomes_of_several_arms(design):
    X, y, _ = design
    est = AIPW(treatment="arm", **LINEAR).fit(X, y)
    mu = np.column_stack([est.predict_outcome(X, arm) for arm in est.arms_])
    member = X["arm"].to_numpy()[:, None] == est.arms_
    assert np.mean((y - mu[member]) ** 2) == pytest.approx(1.0, abs=0.15)  # the noise has variance one
    ell, e = est._center(X[["a", "b"]].to_numpy())
    full = np.column_stack([1 - e.sum(axis=1), e])
    np.testing.assert_allclose(ell, np.sum(full * mu, axis=1), rtol=1e-10)
    left = y - ell - np.sum(est.predict(X) * (member[:, 1:] - e), axis=1)
    assert est.score(X, y) == pytest.approx(-np.mean(left**2), rel=1e-10)


# --- how arms are named -----------------------------------------------------------------------------


def test_declared_categories_order_the_arms(design):
    X, y, _ = design
    declared = X.assign(arm=pd.Categorical(X["arm"], categories=ARMS))
    enum = pl.DataFrame(X.to_dict("list")).with_columns(pl.col("arm").cast(pl.Enum(ARMS.tolist())))
    models = {"outcome_model": "linear", "propensity_model": "linear", "random_state": 0}
    named = AIPW(treatment="arm", reference="placebo", **models).fit(X, y)
    for table in (declared, enum):
        est = AIPW(treatment="arm", **models).fit(table, y)
        assert est.contrasts_ == ("low - placebo", "high - placebo")
        np.testing.assert_allclose(est.ate().estimate, named.ate().estimate[::-1], rtol=0.02)
    by_keyword = AIPW(**models).fit(X[["a", "b"]], y, treatment=declared["arm"])
    assert by_keyword.arms_.tolist() == ARMS.tolist()


def test_numbers_are_arms_where_that_is_said(design):
    X, y, _ = design
    coded = X.assign(arm=X["arm"].map(dict(zip(ARMS, (0, 1, 2), strict=True))))
    models = {"outcome_model": "linear", "propensity_model": "linear", "random_state": 0}
    est = AIPW(treatment="arm", treatment_type="categorical", **models).fit(coded, y)
    assert est.contrasts_ == ("1 - 0", "2 - 0")
    categories = coded.assign(arm=coded["arm"].astype("category"))
    assert AIPW(treatment="arm", **models).fit(categories, y).contrasts_ == est.contrasts_
    with pytest.warns(DoseWarning, match="'categorical' if the values are arms"):
        AIPW(treatment="arm", **models).fit(coded, y)
    two = coded[coded["arm"] < 2]
    flipped = AIPW(treatment="arm", reference=1, **models).fit(two, y[coded["arm"] < 2])
    assert flipped.contrasts_ == ("0 - 1",)
    assert flipped.ate().estimate < -0.5


def test_arms_that_cannot_be_are_refused(design):
    X, y, _ = design
    with pytest.raises(UnknownNameError, match="did you mean 'placebo'"):
        AIPW(treatment="arm", reference="plazebo").fit(X, y)
    with pytest.raises(DataError, match="is a dose and has no arms"):
        AIPW(treatment="a", treatment_type="continuous", reference=1).fit(X[["a", "b"]], y)
    with pytest.raises(DataError, match="30 values, and at most 20 arms"):
        AIPW().fit(X[["a", "b"]], y, treatment=np.array([f"v{k % 30}" for k in range(1500)]))
    for kind in (EntropyBalancing, TARNet):
        with pytest.raises(DataError, match="must have two values"):
            kind(treatment="arm").fit(X, y)
    est = AIPW(treatment="arm", **LINEAR).fit(X, y)
    with pytest.raises(DataError, match="two values"):
        policy_value(est, np.ones(1500, dtype=int))
    with pytest.raises(DataError, match="has the value 'placebo or not'"):  # not cut to the longest name
        est.predict_outcome(X, "placebo or not")


def test_an_arm_without_overlap_is_said_with_its_effect(design):
    X, y, _ = design
    far = X.assign(a=X["a"] + 20.0 * (X["arm"] == "high"))
    with pytest.warns(OverlapWarning, match="propensities are outside"):
        est = AIPW(treatment="arm", **LINEAR).fit(far, y)
    assert any("moved there" in text for text in est.ate().warnings)
    assert est.overlaps_["high - placebo"].n_clipped > 0


def test_scikit_learn_takes_it(design):
    X, y, _ = design
    est = AIPW(treatment="arm", **LINEAR)
    assert clone(est).reference == "placebo"
    assert np.all(cross_validate(est, X, y, cv=3)["test_score"] < 0)
    weight = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    cluster = np.arange(len(y)) // 5
    est.fit(X, y, sample_weight=weight, cluster=cluster)
    sums = np.add.reduceat(est.ate().influence, np.arange(0, len(y), 5))
    np.testing.assert_allclose(np.diag(est.ate().covariance), est.ate().se ** 2, rtol=1e-12)
    np.testing.assert_allclose(est.ate().covariance, np.cov(sums.T) * len(sums) / len(y) ** 2, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [AIPW, IPW, TMLE])
def test_intervals_of_every_contrast_cover(kind):
    """200 draws and two contrasts: 0.95 to within three standard errors of 0.011."""
    taken = {name: value for name, value in LINEAR.items() if name in kind().get_params()}
    if kind is IPW:
        del taken["propensity_model"]  # whose own has the variance that knows that it was estimated
    covered = []
    for seed in range(200):
        X, y, _ = draw(800, seed)
        ci = kind(treatment="arm", **taken).fit(X, y).ate().ci
        covered += [ci[0, 0] < -1 < ci[0, 1], ci[1, 0] < 1 < ci[1, 1]]
    assert abs(np.mean(covered) - 0.95) < 0.033
