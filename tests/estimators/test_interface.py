"""One interface: frames of any library, routing, folds, clusters, repetitions, and any number of jobs."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from joblib import parallel_config
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from causalrep.estimators import (
    AIPW,
    TMLE,
    DoubleML,
    DRLearner,
    EffectResult,
    GComputation,
    RLearner,
    share_nuisances,
)
from causalrep.estimators._crossfit import make_splits
from causalrep.utils import DataError

from .conftest import linear_design

FORESTS = {
    "outcome_model": RandomForestRegressor(n_estimators=5, max_depth=3),
    "propensity_model": RandomForestClassifier(n_estimators=5, max_depth=3),
}


@pytest.fixture
def fitted(design):
    return AIPW(treatment="t", random_state=0).fit(*design)


def test_every_effect_is_a_result_with_the_influence_of_each_row(fitted, design):
    X, _ = design
    results = [fitted.ate(), fitted.att(), fitted.atc(), fitted.ato(), fitted.ate(X.iloc[:7])]
    results += [fitted.gate(X["a"] > 0), fitted.blp(), fitted.interval(X.iloc[:5]), fitted.effect_summary()]
    for result in results:
        assert isinstance(result, EffectResult)
        assert len(result.influence) == result.n == 400
        np.testing.assert_allclose(result.influence.mean(axis=0), 0, atol=1e-2)  # HC3 moves it a little
        spread = result.influence.std(axis=0, ddof=1) / 20
        np.testing.assert_allclose(result.se, spread, rtol=1e-9)
        assert list(result.to_frame().columns) == ["estimate", "se", "low", "high", "pvalue"]
        np.testing.assert_array_equal(result.to_frame()["estimate"], np.atleast_1d(result.estimate))


def test_mean_outcomes_have_intervals_whose_difference_is_that_of_the_effect(fitted, design):
    X, y = design
    control, treated = (fitted.predict_outcome(X, arm, interval=True) for arm in (0, 1))
    effect = fitted.interval(X)
    np.testing.assert_allclose(treated.estimate - control.estimate, effect.estimate, rtol=1e-9)
    np.testing.assert_allclose(treated.influence - control.influence, effect.influence, atol=1e-9)
    mixed = fitted.predict_outcome(X, X["t"].to_numpy(), interval=True)
    np.testing.assert_array_equal(mixed.estimate, np.where(X["t"] == 1, treated.estimate, control.estimate))
    truth = X[["a", "b", "c"]].to_numpy() @ [1.0, -0.5, 0.3]
    assert np.mean(np.abs(control.estimate - truth) < 3 * control.se) > 0.9
    exact = GComputation(treatment="t", propensity_model="linear").fit(X, y)
    found = exact.predict_outcome(X, 1, interval=True)
    np.testing.assert_allclose(found.estimate, exact.predict_outcome(X, 1), rtol=1e-10)
    rows = X["t"] == 1
    design = np.column_stack([np.ones(400), X[["a", "b", "c"]]])
    inverse = np.linalg.inv(design[rows].T @ design[rows])
    left = (y - exact.predict_outcome(X, 1))[rows]
    sandwich = inverse @ (design[rows].T * left**2) @ design[rows] @ inverse
    se = np.sqrt(np.einsum("ij,jk,ik->i", design, sandwich, design))
    np.testing.assert_allclose(found.se, se * np.sqrt(400 / 399), rtol=1e-9)
    with pytest.raises(DataError, match="DoseResponse"):
        AIPW(treatment="a", treatment_type="continuous").fit(X, y).predict_outcome(X, 1.0, interval=True)


def test_a_band_is_as_wide_as_its_correlations_ask_for(fitted, design):
    X, _ = design
    one = X.iloc[[0]]
    alike = pd.concat([one] * 5)  # the same effect five times needs no more than one interval
    pointwise, band = (fitted.interval(alike, simultaneous=say) for say in (False, True))
    # the 0.95 quantile of 999 draws has a standard error of 0.033 about 1.96
    assert np.ptp(band.ci[0]) / np.ptp(pointwise.ci[0]) == pytest.approx(1.0, abs=0.06)
    wide, narrow = (fitted.interval(X, simultaneous=say) for say in (True, False))
    ratio = np.ptp(wide.ci, axis=1) / np.ptp(narrow.ci, axis=1)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    # linear in three covariates: above pointwise, below Scheffe's root of the 0.95 quantile of chi2(4), 3.08
    assert 1.2 < ratio[0] < 3.09 / 1.96
    np.testing.assert_array_equal(wide.estimate, narrow.estimate)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
def test_bands_hold_together():
    """200 draws: 0.95 to within three standard errors of 0.015, less the error of HC3 at 400 rows."""
    grid = pd.DataFrame({"a": np.linspace(-2, 2, 9), "t": 0, "b": 0.5, "c": np.linspace(1, -1, 9)})
    inside = []
    for seed in range(200):
        X, y = linear_design(400, seed)
        est = AIPW(treatment="t", outcome_model="linear", propensity_model="linear", random_state=0).fit(X, y)
        low, high = est.interval(grid, simultaneous=True).ci.T
        inside.append(np.all((low < 2) & (high > 2)))
    assert 0.90 < np.mean(inside) < 0.995


def test_the_groups_of_gate_average_to_the_effect(fitted, design):
    labels = np.where(design[0]["a"] > 0, "high", "low")
    groups = fitted.gate(labels)
    shares = [np.mean(labels == name) for name in groups.names]
    assert groups.names == ("high", "low")
    assert np.dot(shares, groups.estimate) == pytest.approx(fitted.ate().estimate, abs=1e-12)


def test_the_score_is_the_negative_r_loss(design):
    X, y = design
    est = AIPW(treatment="t", random_state=0, outcome_model="linear", propensity_model="linear").fit(X, y)
    mu = [est.predict_outcome(X, arm) for arm in (0, 1)]
    e = est._at("propensity", X[["a", "b", "c"]].to_numpy())
    left = (y - (1 - e) * mu[0] - e * mu[1]) - est.predict(X) * (X["t"] - e)
    assert est.score(X, y) == pytest.approx(-np.mean(left**2), rel=1e-12)
    assert est.score(X, y) > est.score(X, np.asarray(y)[::-1])


@pytest.mark.parametrize("library", ["polars", "pyarrow", "numpy", "torch", "fortran"])
def test_tables_of_every_library_give_the_same_numbers(design, fitted, library):
    X, y = design
    if library == "pyarrow":
        pa = pytest.importorskip("pyarrow")
    made = {
        "polars": lambda: (pl.DataFrame(X.to_dict("list")), pl.Series(y), "t"),
        "pyarrow": lambda: (pa.table(X.to_dict("list")), pa.array(y), "t"),
        "numpy": lambda: (X.to_numpy(), y, 1),
        "torch": lambda: (torch.tensor(X.to_numpy()), torch.tensor(y), 1),
        "fortran": lambda: (np.asfortranarray(X.to_numpy()), y.tolist(), -3),
    }
    table, outcome, treatment = made[library]()
    est = AIPW(treatment=treatment, random_state=0).fit(table, outcome)
    assert est.ate().estimate == pytest.approx(fitted.ate().estimate, rel=1e-12)
    np.testing.assert_allclose(est.predict(table), fitted.predict(X), rtol=1e-10)
    names = ["a", "b", "c"] if library in ("polars", "pyarrow") else [0, 2, 3]
    assert est.covariate_names_in_.tolist() == names


def test_columns_of_new_rows_must_stand_in_the_order_of_fit(fitted, design):
    with pytest.raises(ValueError, match="must be in the same order"):
        fitted.predict(design[0][["t", "a", "b", "c"]])


@pytest.mark.parametrize(
    "coded", [lambda t: t.astype(bool), lambda t: np.where(t == 1, "yes", "no"), lambda t: t * 4.0 - 1]
)
def test_two_values_of_any_kind_are_arms(design, fitted, coded):
    X, y = design
    t = coded(X["t"].to_numpy())
    est = AIPW(random_state=0).fit(X.drop(columns="t"), y, treatment=t)
    assert est.arms_.tolist() == sorted(set(t.tolist()))
    assert est.ate().estimate == pytest.approx(fitted.ate().estimate, rel=1e-12)
    category = pd.Categorical(t)
    assert AIPW(random_state=0).fit(X.drop(columns="t"), y, treatment=category).ate().n == 400


def test_the_column_form_needs_no_routing(design):
    X, y = design
    pipe = make_pipeline(StandardScaler(with_mean=False).set_output(transform="pandas"), AIPW(treatment="t"))
    scores = cross_validate(pipe, X, y, cv=3)["test_score"]
    assert scores.shape == (3,)
    assert (scores < 0).all()
    search = GridSearchCV(
        DRLearner(treatment="t", final_model=RandomForestRegressor(20, random_state=0), random_state=0),
        {"final_model__max_depth": [1, 8]},
        cv=2,
    ).fit(X, y)
    assert search.best_params_ == {"final_model__max_depth": 1}  # one effect for all rows: less is better


def test_metadata_routing_delivers_the_treatment(design):
    X, y = design
    W, t = X[["a", "b", "c"]], X["t"].to_numpy()
    with sklearn.config_context(enable_metadata_routing=True):
        asking = AIPW(random_state=0).set_fit_request(treatment=True, sample_weight=True)
        asking.set_score_request(treatment=True, sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipe = make_pipeline(scaler, asking).fit(W, y, treatment=t, sample_weight=np.ones(400))
        alone = AIPW(random_state=0).fit(StandardScaler().fit_transform(W), y, treatment=t)
        assert pipe[-1].ate().estimate == pytest.approx(alone.ate().estimate, rel=1e-9)
        params = {"treatment": t, "sample_weight": np.ones(400)}
        scores = cross_validate(pipe, W, y, cv=3, params=params)["test_score"]
        assert np.isfinite(scores).all()


def test_a_swapped_call_cannot_train_silently(design):
    X, y = design
    W, t = X[["a", "b", "c"]], X["t"]
    with pytest.raises(TypeError, match="positional"):
        AIPW().fit(W, t, y)
    with pytest.raises(ValueError, match="did you swap them"):
        AIPW().fit(W, t, treatment=y)


def test_clusters_share_folds_and_widen_the_interval():
    X, y = linear_design(200, seed=3)
    twice, y_twice = pd.concat([X, X], ignore_index=True), np.concatenate([y, y])
    cluster = np.tile(np.arange(200), 2)
    est = AIPW(treatment="t", random_state=0).fit(twice, y_twice, cluster=cluster)
    for train, test in est._splits[0]:
        assert not set(cluster[train]) & set(cluster[test])
    sums = np.bincount(cluster, weights=est.ate().influence)
    assert est.ate().se == pytest.approx(np.sqrt(np.sum(sums**2) * 200 / 199) / 400, rel=1e-9)
    naive = est.ate().influence.std(ddof=1) / np.sqrt(400)
    assert est.ate().se == pytest.approx(naive * np.sqrt(2), rel=0.02)  # every row is there twice


def test_time_makes_blocks_whose_neighbours_nobody_learns_from(design):
    X, y = design
    month = np.random.default_rng(0).permutation(np.repeat(np.arange(50), 8))
    est = AIPW(treatment="t", cv=5, random_state=0).fit(X, y, time=month)
    assert sorted(row for _, test in est._splits[0] for row in test) == list(range(400))
    for k, (train, test) in enumerate(est._splits[0]):
        assert set(month[test]) == set(range(10 * k, 10 * k + 10))
        assert np.abs(month[train][:, None] - month[test][None, :]).min() > 10
    dates = np.datetime64("2020-01-01") + month * np.timedelta64(1, "D")
    again = AIPW(treatment="t", cv=5, random_state=0).fit(X, y, time=dates)
    assert again.ate().estimate == est.ate().estimate


@pytest.mark.parametrize(
    ("cv", "n_rep", "message"), [(3, 1, "at least 4"), (5, 2, "same in each"), (60, 1, "50 values")]
)
def test_blocks_that_cannot_be_made_are_said(cv, n_rep, message):
    time = np.repeat(np.arange(50), 8)
    with pytest.raises(ValueError, match=message):
        make_splits(cv, 400, strata=None, groups=None, n_rep=n_rep, seed=0, time=time)


def test_repetitions_give_the_median_and_what_they_add_to_its_error(design):
    X, y = design
    est = AIPW(treatment="t", n_rep=5, outcome_model="linear", propensity_model="linear", random_state=0)
    est.fit(X, y)
    solved = [score.solve(np.ones(400)) for score in est._scores("ate")]
    thetas, ses = zip(*((theta, influence.std(ddof=1) / 20) for theta, influence in solved), strict=True)
    assert len(set(thetas)) == 5
    assert est.ate().estimate == np.median(thetas)
    se = np.sqrt(np.median(np.square(ses) + (np.array(thetas) - np.median(thetas)) ** 2))
    assert est.ate().se == pytest.approx(se, rel=1e-12)


def effects(X, y, **options):
    est = DRLearner(treatment="t", random_state=3, cv=3, **FORESTS, **options).fit(X, y)
    return np.r_[est.ate().estimate, est.att().se, est.predict(X)[:5]]


@pytest.mark.parametrize("options", [{}, {"n_jobs": 2}])
def test_threads_give_the_numbers_of_one_job(design, options):
    with parallel_config(backend="threading", n_jobs=2):
        found = effects(*design, **options)
    np.testing.assert_array_equal(found, effects(*design))


@pytest.mark.slow
def test_processes_and_a_cluster_give_the_numbers_of_one_job(design):
    from dask.distributed import Client, LocalCluster

    alone = effects(*design)
    np.testing.assert_allclose(effects(*design, n_jobs=2), alone, rtol=1e-12)  # arrays come otherwise aligned
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, processes=False) as cluster,
        Client(cluster),
        parallel_config(backend="dask"),
    ):
        np.testing.assert_allclose(effects(*design), alone, rtol=1e-12)


class CountingRegression(LinearRegression):
    """Counts its fits."""

    fits = 0

    def fit(self, X, y, sample_weight=None):
        type(self).fits += 1
        return super().fit(X, y, sample_weight)


def test_a_nuisance_is_fitted_once_per_fold_whoever_asks(design):
    X, y = design
    models = {"outcome_model": CountingRegression(), "propensity_model": LogisticRegression()}

    def run():
        kinds = (AIPW, TMLE, DRLearner, RLearner)
        fitted = [kind(treatment="t", random_state=0, **models).fit(X, y) for kind in kinds]
        return [est.ate().estimate for est in fitted]

    alone = run()
    CountingRegression.fits = 0
    with share_nuisances() as shared:
        together = run()
        assert (shared.n_fitted, shared.n_reused) == (15, 45)
        irm = DoubleML(treatment="t", model="irm", random_state=0, **models).fit(X, y)
        assert (shared.n_fitted, shared.n_reused) == (15, 60)
    assert CountingRegression.fits == 10  # two arms in each of five folds
    assert together == alone
    assert irm.ate().estimate == alone[0]


def test_nothing_is_shared_where_models_folds_data_or_chance_differ(design):
    X, y = design
    with share_nuisances() as shared:
        AIPW(treatment="t", random_state=0).fit(X, y)
        AIPW(treatment="t", random_state=1).fit(X, y)
        AIPW(treatment="t", random_state=0).fit(X, np.asarray(y) + 1)
        AIPW(treatment="t", random_state=0).fit(X, y, sample_weight=np.ones(400))
        assert shared.n_reused == 5  # the propensity does not ask for the outcome
        assert shared.n_fitted == 55
    halves = [(np.arange(200), np.arange(200, 400)), (np.arange(200, 400), np.arange(200))]
    with share_nuisances() as shared:
        for seed in (0, 1):
            AIPW(treatment="t", random_state=seed, cv=halves, **FORESTS).fit(X, y)
        assert shared.n_reused == 0  # the folds agree, but forests draw
