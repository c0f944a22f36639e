"""AIPW equals its formulas, and its door refuses what it should."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from causalrep.estimators import AIPW, CrossFitWarning, DoseWarning, OverlapWarning
from causalrep.utils import CausalRepError, UnknownNameError

from .conftest import by_hand, linear_design


def linear(**options):
    return AIPW(outcome_model=LinearRegression(), propensity_model=LogisticRegression(), **options)


def scores_by_hand(X, y, folds):
    mu0, mu1, e = by_hand(X, y, folds)
    t = X["t"].to_numpy()
    p = t.mean()
    psi = mu1 - mu0 + t * (y - mu1) / e - (1 - t) * (y - mu0) / (1 - e)
    ate = psi.mean()
    psi_att = t * (y - mu0) - (1 - t) * e / (1 - e) * (y - mu0)
    att = psi_att.sum() / t.sum()
    psi_atc = t * (1 - e) / e * (y - mu1) - (1 - t) * (y - mu1)
    atc = psi_atc.sum() / (1 - t).sum()
    ell = e * mu1 + (1 - e) * mu0
    ato = np.sum((t - e) * (y - ell)) / np.sum((t - e) ** 2)
    return {
        "ate": (ate, psi - ate),
        "att": (att, (psi_att - t * att) / p),
        "atc": (atc, (psi_atc - (1 - t) * atc) / (1 - p)),
        "ato": (ato, (t - e) * (y - ell - ato * (t - e)) / np.mean((t - e) ** 2)),
    }


@pytest.mark.parametrize("estimand", ["ate", "att", "atc", "ato"])
def test_estimate_and_influence_equal_the_formulas(design, folds, estimand):
    X, y = design
    result = getattr(linear(treatment="t", cv=folds).fit(X, y), estimand)()
    theta, influence = scores_by_hand(X, y, folds)[estimand]
    assert result.estimate == pytest.approx(theta, abs=1e-10)
    np.testing.assert_allclose(result.influence, influence, atol=1e-10)
    assert result.se == pytest.approx(influence.std(ddof=1) / 20, abs=1e-12)
    assert result.ci == pytest.approx((theta - 1.959964 * result.se, theta + 1.959964 * result.se), abs=1e-6)
    assert result.n == 400


def test_the_treatment_may_come_as_a_column_or_an_array(design, folds):
    X, y = design
    named = linear(treatment="t", cv=folds).fit(X, y).ate().estimate
    placed = linear(treatment=1, cv=folds).fit(X.to_numpy(), y).ate().estimate
    passed = linear(cv=folds).fit(X.drop(columns="t"), y, treatment=X["t"]).ate().estimate
    texts = linear(treatment="t", cv=folds).fit(X.assign(t=np.where(X["t"] == 1, "new", "control")), y)
    frame = linear(treatment="t", cv=folds).fit(pl.DataFrame(X.to_dict("list")), pl.Series(y))
    assert list(texts.arms_) == ["control", "new"]
    assert list(frame.covariate_names_in_) == ["a", "b", "c"]
    assert list(frame.feature_names_in_) == ["a", "t", "b", "c"]
    for other in (placed, passed, texts.ate().estimate, frame.ate().estimate):
        assert other == pytest.approx(named, abs=1e-12)


def test_rows_may_come_in_any_order_with_their_folds(design, folds):
    X, y = design
    rows = np.random.default_rng(0).permutation(400)
    back = np.argsort(rows)
    moved = [(back[train], back[test]) for train, test in folds]
    first = linear(treatment="t", cv=folds).fit(X, y).ate()
    second = linear(treatment="t", cv=moved).fit(X.iloc[rows], y[rows]).ate()
    assert second.estimate == pytest.approx(first.estimate, abs=1e-10)
    np.testing.assert_allclose(second.influence, first.influence[rows], atol=1e-9)


def test_results_do_not_depend_on_the_number_of_jobs(design):
    X, y = design
    alone, together = (
        linear(treatment="t", n_rep=2, random_state=3, n_jobs=n).fit(X, y).ate() for n in (1, 2)
    )
    assert alone.estimate == together.estimate
    np.testing.assert_array_equal(alone.influence, together.influence)


def test_repetitions_are_combined_by_medians(design):
    X, y = design
    est = linear(treatment="t", cv=KFold(4, shuffle=True, random_state=np.random.RandomState(0)), n_rep=3)
    result = est.fit(X, y).ate()
    solved = [score.solve(np.ones(400)) for score in est._scores("ate")]
    thetas = np.array([theta for theta, _ in solved])
    squares = np.array([influence.var(ddof=1) / 400 for _, influence in solved])
    assert len(set(thetas)) == 3
    assert result.estimate == np.median(thetas)
    assert result.se**2 == pytest.approx(np.median(squares + (thetas - np.median(thetas)) ** 2))


def test_groups_add_up_to_the_whole(design, folds):
    X, y = design
    est = linear(treatment="t", cv=folds).fit(X, y)
    group = (X["a"] > 0.3).to_numpy()
    result = est.gate(group)
    assert result.names == ("False", "True")
    assert result.estimate @ [1 - group.mean(), group.mean()] == pytest.approx(est.ate().estimate)
    pseudo = scores_by_hand(X, y, folds)["ate"][1] + est.ate().estimate
    assert result.estimate[1] == pytest.approx(pseudo[group].mean())
    se = pseudo[group].std() / np.sqrt(group.sum())
    assert result.se[1] == pytest.approx(se, rel=0.01)  # the shares of the groups are random too


def test_projection_is_least_squares_of_the_score(design, folds):
    X, y = design
    est = linear(treatment="t", cv=folds).fit(X, y)
    pseudo = scores_by_hand(X, y, folds)["ate"][1] + est.ate().estimate
    D = np.column_stack([np.ones(400), X[["a", "b", "c"]]])
    inverse = np.linalg.inv(D.T @ D)
    beta = inverse @ D.T @ pseudo
    residual = (pseudo - D @ beta) / (1 - np.einsum("ij,jk,ik->i", D, inverse, D))
    hc3 = inverse @ (D.T * residual**2) @ D @ inverse
    result = est.blp()
    assert result.names == ("intercept", "a", "b", "c")
    np.testing.assert_allclose(result.estimate, beta, atol=1e-10)
    np.testing.assert_allclose(result.se, np.sqrt(np.diag(hc3)), rtol=0.01)  # ours is centred
    np.testing.assert_allclose(est.predict(X), D @ beta, atol=1e-10)
    interval = est.interval(X.iloc[:5])
    expected = np.sqrt(np.einsum("ij,jk,ik->i", D[:5], hc3, D[:5]))
    np.testing.assert_allclose(interval.se, expected, rtol=0.01)
    assert est.ate(X.iloc[:5]).estimate == pytest.approx((D[:5] @ beta).mean())


def test_clusters_stay_together_and_widen_the_interval():
    X, y = linear_design(300, seed=4)
    twice = pd.concat([X, X], ignore_index=True)
    cluster = np.tile(np.arange(300), 2)
    est = linear(treatment="t", random_state=0).fit(twice, np.tile(y, 2), cluster=cluster)
    for train, test in est._splits[0]:
        assert not set(cluster[train]) & set(cluster[test])
    result = est.ate()
    naive = result.influence.std(ddof=1) / np.sqrt(600)
    assert result.se == pytest.approx(naive * np.sqrt(2), rel=0.01)  # each row counted twice is one row


def test_weights_count_like_repeated_rows(design):
    X, y = design
    weight = np.random.default_rng(0).integers(1, 4, 400)
    folds = [(np.arange(200), np.arange(200, 400)), (np.arange(200, 400), np.arange(200))]
    rows = np.repeat(np.arange(400), weight)
    where = [np.flatnonzero(rows < 200), np.flatnonzero(rows >= 200)]
    repeated = linear(treatment="t", cv=[(where[0], where[1]), (where[1], where[0])])
    weighted = linear(treatment="t", cv=folds).fit(X, y, sample_weight=weight).ate()
    expected = repeated.fit(X.iloc[rows], y[rows]).ate()
    assert weighted.estimate == pytest.approx(expected.estimate, abs=1e-5)  # the solver of the logistic model


def test_score_is_the_negative_r_loss(design, folds):
    X, y = design
    est = linear(treatment="t", cv=folds).fit(X, y)
    ell, m = est._center(X[["a", "b", "c"]].to_numpy())
    loss = np.mean((y - ell - est.predict(X) * (X["t"] - m)) ** 2)
    assert est.score(X, y) == pytest.approx(-loss)
    assert est.score(X, y) > est.score(X, y + 5 * X["t"])


def test_pipelines_and_searches_work_with_the_column(design):
    X, y = design
    search = GridSearchCV(
        linear(treatment="t", random_state=0), {"outcome_model__fit_intercept": [True, False]}, cv=2
    )
    assert search.fit(X, y).best_estimator_.ate().n == 400
    pipe = make_pipeline(StandardScaler(), AIPW(treatment=1, random_state=0)).fit(X.to_numpy(), y)
    assert pipe.predict(X.to_numpy()).shape == (400,)


def test_routing_delivers_the_treatment(design):
    X, y = design
    W = X.drop(columns="t")
    with sklearn.config_context(enable_metadata_routing=True):
        est = linear(random_state=0).set_fit_request(treatment=True).set_score_request(treatment=True)
        pipe = make_pipeline(StandardScaler(), est).fit(W, y, treatment=X["t"])
        search = GridSearchCV(est, {"min_propensity": [0.01, 0.02]}, cv=2).fit(W, y, treatment=X["t"])
    assert pipe[-1].ate().estimate == pytest.approx(2.0, abs=0.4)
    assert np.isfinite(search.best_score_)


def test_clone_and_refit_forget(design):
    X, y = design
    est = AIPW("t", outcome_model="linear", propensity_model="linear", random_state=0).fit(X, y)
    first = est.ate().estimate
    with pytest.warns(DoseWarning):
        est.fit(X.assign(t=X["t"] + X["a"]), y)
    assert not hasattr(est, "arms_")
    assert clone(est).fit(X, y).ate().estimate == first


def test_outcomes_of_both_arms_are_predicted(design, folds):
    X, y = design
    est = linear(treatment="t", cv=folds).fit(X, y)
    gap = est.predict_outcome(X, 1) - est.predict_outcome(X, 0)
    assert gap.mean() == pytest.approx(2, abs=0.4)
    np.testing.assert_array_equal(
        est.predict_outcome(X, X["t"])[X["t"] == 1], est.predict_outcome(X, 1)[X["t"] == 1]
    )


# --- what is refused, and what is said --------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"treatment": None}, "name its column.*or pass"),
        ({"column": "t"}, "given twice"),
        ({"y": "nan"}, "y contains NaN"),
        ({"t": "nan"}, "treatment.*NaN"),
        ({"t": "constant"}, "no overlap"),
        ({"t": "words"}, "at most 20 arms"),
        ({"t": "many"}, "continuous"),
        ({"t": "dose", "y": "binary"}, "swap"),
        ({"t": "rare"}, "no overlap"),
        ({"rows": 8}, "at least 10"),
        ({"x": "nan"}, "NaN"),
        ({"weight": -1.0}, "sample_weight"),
        ({"instrument": True}, "no use for `instrument`"),
    ],
)
def test_bad_input_is_refused_by_name(design, change, match):
    X, y = design
    n = change.get("rows", 400)
    W, t, y = X.drop(columns="t").iloc[:n].copy(), X["t"].to_numpy()[:n].astype(float), y[:n].copy()
    made = {
        "nan": np.where(np.arange(n) == 3, np.nan, t),
        "constant": np.ones(n),
        "words": np.array([f"v{row % 30}" for row in range(n)]),
        "many": np.arange(n) % 50,
        "dose": W["a"].to_numpy(),
        "rare": np.arange(n) == 5,
        None: t,
    }
    t = made[change.get("t")]
    y = {"nan": np.where(np.arange(n) == 3, np.nan, y), "binary": (y > 0) * 1.0, None: y}[change.get("y")]
    if change.get("x"):
        W.iloc[0, 0] = np.nan
    extra = {"sample_weight": np.full(n, change["weight"])} if "weight" in change else {}
    if change.get("instrument"):
        extra["instrument"] = t
    if "treatment" not in change:
        extra["treatment"] = t
    with pytest.raises(ValueError, match=match) as caught:
        AIPW(treatment=change.get("column")).fit(W.assign(t=0) if "column" in change else W, y, **extra)
    assert (
        change.get("x")
        or change.get("y") == "nan"
        or change.get("weight")
        or isinstance(caught.value, CausalRepError)
    )


def test_an_unknown_column_is_named_with_the_nearest_one(design):
    X, y = design
    with pytest.raises(UnknownNameError, match="did you mean 't'"):
        AIPW(treatment="T").fit(X, y)
    with pytest.raises(TypeError):
        AIPW().fit(X, y, X["t"])


def test_columns_of_one_name_are_refused(design):
    X, y = design
    with pytest.raises(ValueError, match="two columns named 'a'"):
        AIPW(treatment="t").fit(X.set_axis(["a", "t", "a", "c"], axis=1), y)


def test_missing_covariates_need_models_that_take_them(design):
    X, y = design
    X = X.mask(np.random.default_rng(0).random(X.shape) < [0.1, 0, 0, 0])
    trees = {
        "outcome_model": HistGradientBoostingRegressor(max_iter=10),
        "propensity_model": HistGradientBoostingClassifier(max_iter=10),
    }
    est = AIPW("t", random_state=0, **trees).fit(X, y)
    assert abs(est.ate().estimate - 2) < 4 * est.ate().se
    assert np.isfinite(est.predict(X)).all()
    with pytest.raises(ValueError, match="NaN"):
        AIPW("t", **(trees | {"outcome_model": "auto"})).fit(X, y)


def test_folds_that_are_no_partition_are_refused(design):
    X, y = design
    with pytest.raises(ValueError, match="exactly once"):
        AIPW(treatment="t", cv=[(np.arange(200), np.arange(200, 399))]).fit(X, y)


def test_few_rows_of_an_arm_mean_fewer_folds(design):
    X, y = design
    rows = np.r_[np.flatnonzero(X["t"] == 0), np.flatnonzero(X["t"] == 1)[:6]]
    with pytest.warns(CrossFitWarning, match="3 folds"), pytest.warns(OverlapWarning):
        AIPW(treatment="t", random_state=0).fit(X.iloc[rows], y[rows])


def test_no_number_comes_from_arms_that_do_not_overlap_without_a_warning():
    rng = np.random.default_rng(0)
    a = rng.normal(size=500)
    X = pd.DataFrame({"a": a, "t": (a > 0).astype(int)})
    with pytest.warns(OverlapWarning, match="of 500 propensities are outside .* rows"):
        est = AIPW(treatment="t", random_state=0).fit(X, a + rng.normal(size=500))
    assert est.ate().warnings
    assert est.overlap_.n_clipped > 100
    assert "!" in str(est.ate())


def test_a_dose_has_the_effect_of_one_unit_more():
    rng = np.random.default_rng(0)
    w = rng.normal(size=(1000, 2))
    dose = w[:, 0] + rng.normal(size=1000)
    est = AIPW(treatment_type="continuous", random_state=0).fit(w, 1.5 * dose + w[:, 0], treatment=dose)
    assert est.ate().estimate == pytest.approx(1.5, abs=0.01)
    with pytest.raises(ValueError, match="no ATT"):
        est.att()


# --- coverage ----------------------------------------------------------------------------------------


def covered(n_draws, n):
    hits = 0
    for seed in range(n_draws):
        X, y = linear_design(n, seed=1000 + seed)
        low, high = (
            AIPW("t", outcome_model="linear", propensity_model="linear", cv=2, random_state=0)
            .fit(X, y)
            .ate()
            .ci
        )
        hits += low < 2 < high
    return hits


def test_intervals_cover_in_a_few_draws():
    assert (
        covered(30, 300) >= 24
    )  # P(Binomial(30, 0.95) < 24) = 0.0006; a standard error half as large covers 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")  # a few draws have a heavy row
def test_intervals_cover_the_truth():
    assert 0.92 <= covered(300, 500) / 300 <= 0.98  # 0.95 -+ 2.4 standard errors of 300 draws
