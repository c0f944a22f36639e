"""Propensities, weights and residuals as steps of a pipeline."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from causalrep.estimators import AIPW, PropensityScore, Residualizer
from causalrep.utils import DataError, UnknownNameError

MODEL = LogisticRegression()


def test_propensities_of_fit_transform_are_out_of_fold(design, folds):
    X, _ = design
    W, t = X[["a", "b", "c"]].to_numpy(), X["t"].to_numpy()
    step = PropensityScore("t", model=MODEL, cv=folds)
    found = step.fit_transform(X)
    by_hand, models = np.zeros(400), []
    for train, test in folds:
        models.append(LogisticRegression().fit(W[train], t[train]))
        by_hand[test] = models[-1].predict_proba(W[test])[:, 1]
    np.testing.assert_allclose(found[:, 0], by_hand, rtol=1e-12)
    mean = np.mean([model.predict_proba(W)[:, 1] for model in models], axis=0)
    np.testing.assert_allclose(step.transform(X)[:, 0], mean, rtol=1e-12)
    odds = PropensityScore("t", model=MODEL, cv=folds, output="log_odds").fit_transform(X)
    np.testing.assert_allclose(odds, np.log(found / (1 - found)), rtol=1e-9)


@pytest.mark.parametrize("estimand", ["ate", "att", "atc", "ato"])
def test_weights_are_those_of_the_estimand(design, folds, estimand):
    X, _ = design
    t = X["t"].to_numpy()
    e = PropensityScore("t", model=MODEL, cv=folds).fit_transform(X)[:, 0]
    step = PropensityScore("t", model=MODEL, cv=folds, output="weight", estimand=estimand)
    written = {
        "ate": np.where(t == 1, 1 / e, 1 / (1 - e)),
        "att": np.where(t == 1, 1, e / (1 - e)),
        "atc": np.where(t == 1, (1 - e) / e, 1),
        "ato": np.where(t == 1, 1 - e, e),
    }[estimand]
    np.testing.assert_allclose(step.fit_transform(X)[:, 0], written, rtol=1e-12)
    new = step.transform(X.iloc[:5])
    assert new.shape == (5, 1)
    array = PropensityScore(model=MODEL, output="weight").fit(X[["a", "b", "c"]], treatment=t)
    with pytest.raises(DataError, match="need the treatment of the rows"):
        array.transform(X[["a", "b", "c"]])
    assert array.transform(X[["a", "b", "c"]], treatment=t).shape == (400, 1)


def test_residuals_reproduce_the_partially_linear_estimate(design, folds):
    X, y = design
    table = X.assign(y=y)
    step = Residualizer(["y", "t"], model=LinearRegression(), cv=folds)
    left = step.fit_transform(table)
    slope = left[:, 0] @ left[:, 1] / (left[:, 1] @ left[:, 1])
    est = AIPW("t", outcome_model=LinearRegression(), propensity_model=LinearRegression(), cv=folds)
    est.set_params(treatment_type="continuous").fit(X, y)
    assert slope == pytest.approx(est.ate().estimate, rel=1e-10)
    W = X[["a", "b", "c"]].to_numpy()
    means = np.mean([LinearRegression().fit(W[train], y[train]).predict(W) for train, _ in folds], axis=0)
    np.testing.assert_allclose(step.transform(table)[:, 0], y - means, atol=1e-10)


def test_the_way_out_is_chosen_by_set_output(design):
    X, _ = design
    both = [PropensityScore("t", model="linear", random_state=0), Residualizer(["a"], model="linear")]
    names = ["propensity", "a_residual"]
    for step, name in zip(both, names, strict=True):
        frame = step.set_output(transform="pandas").fit_transform(X)
        assert isinstance(frame, pd.DataFrame)
        assert list(frame.columns) == [name]
        assert frame.index.equals(X.index)
        table = pl.DataFrame(X.to_dict("list"))
        other = step.set_output(transform="polars").fit(table).transform(table)
        assert isinstance(other, pl.DataFrame)
        assert other.columns == [name]
    union = make_union(*both).set_output(transform="pandas")
    assert [column.split("__")[-1] for column in union.fit_transform(X).columns] == names


def test_routing_delivers_the_treatment_to_a_step(design):
    X, y = design
    W, t = X[["a", "b", "c"]], X["t"].to_numpy()
    with sklearn.config_context(enable_metadata_routing=True):
        step = PropensityScore(model="linear", random_state=0)
        step.set_fit_request(treatment=True).set_transform_request(treatment=True)
        pipe = make_pipeline(StandardScaler(), step, LinearRegression()).fit(W, y, treatment=t)
    assert np.isfinite(pipe[-1].coef_).all()


def test_clusters_share_folds_and_jobs_change_nothing(design):
    X, _ = design
    twice = pd.concat([X, X], ignore_index=True)
    cluster = np.tile(np.arange(400), 2)
    found = Residualizer(["a"], model="linear", random_state=0).fit_transform(twice, cluster=cluster)
    np.testing.assert_allclose(found[:400], found[400:], atol=1e-12)  # else a fold would hold a twin
    again = Residualizer(["a"], model="linear", random_state=0, n_jobs=2).fit_transform(
        twice, cluster=cluster
    )
    np.testing.assert_array_equal(found, again)


def test_what_cannot_be_transformed_is_refused(design):
    X, _ = design
    with pytest.raises(UnknownNameError, match="`output`"):
        PropensityScore("t", output="odds").fit(X)
    with pytest.raises(DataError, match="must be a classifier"):
        PropensityScore("t", model=LinearRegression()).fit(X)
    with pytest.raises(DataError, match="two arms were expected"):
        PropensityScore("a").fit(X)
    with pytest.raises(DataError, match="at least one column"):
        Residualizer().fit(X)
    with pytest.raises(DataError, match="NaN"):
        Residualizer(["a"]).fit(X.assign(a=np.nan))
