"""Repeated cross-sections: rows of their own in each period, compared doubly robustly."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from causalrep.estimators import DifferenceInDifferences, GroupTimeDiD, OverlapWarning
from causalrep.estimators._did_improved import tilting_weights
from causalrep.utils import DataError

from .test_anchors import TEEN_EMPLOYMENT, table


def sections(seed, n=400, trend=lambda a: a, chance=lambda a: a / 2):
    """Rows of two periods whose trends differ by a covariate; the effect on the treated is 1 on average."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    group = (rng.random(n) < 1 / (1 + np.exp(-chance(a)))).astype(int)
    time = (rng.random(n) < 0.4).astype(int)
    effect = 1 + 0.5 * (a - a[group == 1].mean())
    y = group + a + time * (trend(a) + group * effect) + rng.normal(size=n)
    return pd.DataFrame({"group": group, "time": time, "a": a}), y


def six_means(design, y, d, t, odds, mu):
    """The estimand of section 2.2 of Sant'Anna and Zhao (2020), by its six weighted means."""

    def mean(weight, value):
        return np.sum(weight * value) / np.sum(weight)

    rest = y - np.where(t == 1, mu[0, 1], mu[0, 0])
    first = mean(d * t, rest) - mean(d * (1 - t), rest)
    first -= mean((1 - d) * t * odds, rest) - mean((1 - d) * (1 - t) * odds, rest)
    late, early = mu[1, 1] - mu[0, 1], mu[1, 0] - mu[0, 0]
    return first + mean(d, late) - mean(d * t, late) - mean(d, early) + mean(d * (1 - t), early)


@pytest.fixture
def rows():
    """Rows on which the Python package drdid 1.1.7 was run, see below."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 400))
    d = (rng.random(400) < 1 / (1 + np.exp(-a / 2 + b / 3))).astype(int)
    t = (rng.random(400) < 0.4).astype(int)
    y = a + d + t * (1 + a - b * 0.5) + d * t * (1 + 0.5 * a) + rng.normal(size=400)
    return pd.DataFrame({"d": d, "t": t, "a": a, "b": b}), y


def test_the_estimate_is_that_of_the_six_means_which_are_those_of_another_package(rows):
    X, y = rows
    d, t, W = X["d"].to_numpy(), X["t"].to_numpy(), X[["a", "b"]].to_numpy()
    design = np.column_stack([np.ones(400), W])

    def regressions(odds):
        cells = {(g, s): (d == g) & (t == s) for g in (0, 1) for s in (0, 1)}
        weights = {cell: None if cell[0] else odds[rows] for cell, rows in cells.items()}
        return {
            cell: LinearRegression().fit(W[rows], y[rows], weights[cell]).predict(W)
            for cell, rows in cells.items()
        }

    e = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(W, d).predict_proba(W)[:, 1]
    plain = six_means(design, y, d, t, e / (1 - e), regressions(np.ones(400)))
    assert plain == pytest.approx(1.0666419667664764, abs=1e-8)  # drdid_rc of drdid 1.1.7
    odds = tilting_weights(design, d.astype(float), np.ones(400))
    result = DifferenceInDifferences("d", "t", method="improved").fit(X, y).att()
    assert result.estimate == pytest.approx(six_means(design, y, d, t, odds, regressions(odds)), abs=1e-9)
    assert result.se == pytest.approx(0.2279, rel=0.02)  # drdid says 0.22786; the nuisances differ


def test_without_covariates_it_is_the_difference_of_four_means(rows):
    X, y = rows
    result = DifferenceInDifferences("d", "t", method="improved").fit(X[["d", "t"]], y).att()
    cells = pd.Series(y).groupby([X["d"], X["t"]])
    mean, size = cells.mean(), cells.size()
    assert result.estimate == pytest.approx(mean[1, 1] - mean[1, 0] - mean[0, 1] + mean[0, 0], abs=1e-10)
    assert result.se == pytest.approx(np.sqrt((cells.var(ddof=0) / size).sum() * 400 / 399), rel=1e-9)


def test_the_standard_error_is_that_of_resampled_rows(rows):
    X, y = rows
    est = DifferenceInDifferences("d", "t", method="improved")
    se, drawn = est.fit(X, y).att().se, []
    for k in range(150):
        chosen = np.random.default_rng(k).integers(400, size=400)
        drawn.append(est.fit(X.iloc[chosen].reset_index(drop=True), y[chosen]).att().estimate)
    assert se == pytest.approx(np.std(drawn), rel=0.2)  # 6 % is one standard error of a spread


def test_a_weight_of_two_is_a_row_twice(rows):
    X, y = rows
    twice = np.arange(400) < 150
    est = DifferenceInDifferences("d", "t", method="improved")
    weighted = est.fit(X, y, sample_weight=1.0 + twice).att()
    doubled = est.fit(pd.concat([X, X[twice]], ignore_index=True), np.concatenate([y, y[twice]])).att()
    assert weighted.estimate == pytest.approx(doubled.estimate, abs=1e-9)


@pytest.mark.parametrize("wrong", ["trend", "chance"])
def test_one_of_the_models_may_be_wrong_where_a_regression_may_not(wrong):
    options = {wrong: lambda a: np.exp(a / 2) if wrong == "trend" else 0.7 * a**2 - 0.7}
    X, y = sections(1, 8000, **options)
    result = DifferenceInDifferences("group", "time", method="improved").fit(X, y).att()
    assert abs(result.estimate - 1) < 3.5 * result.se < 0.3
    if wrong == "trend":
        plain = DifferenceInDifferences("group", "time").fit(X, y).att()
        assert plain.estimate - 1 > 3.5 * plain.se  # it holds the covariate to count alike in both periods


def test_effects_on_subgroups_of_the_treated_follow_the_covariate():
    X, y = sections(3, 4000)
    est = DifferenceInDifferences("group", "time", method="improved").fit(X, y)
    line = est.blp(X[["a"]].to_numpy())
    assert abs(line.estimate[-1] - 0.5) < 3.5 * line.se[-1] < 0.4


def covered(n_draws):
    hits, errors, ses = 0, [], []
    for seed in range(n_draws):
        X, y = sections(7000 + seed)
        result = DifferenceInDifferences("group", "time", method="improved").fit(X, y).att()
        hits += result.ci[0] < 1 < result.ci[1]
        errors.append(result.estimate - 1)
        ses.append(result.se)
    return hits / n_draws, np.mean(errors) / np.mean(ses)


def test_intervals_cover_in_a_few_draws():
    assert covered(60)[0] >= 51 / 60  # chance 0.0014 of fewer


@pytest.mark.slow
def test_intervals_cover_the_truth():
    rate, bias = covered(300)
    assert 0.912 <= rate <= 0.988  # 0.95 -+ 3 standard errors of 300 draws
    assert abs(bias) < 0.2  # the mean error of 300 draws has the error 0.06


def test_published_effects_of_minimum_wages_as_if_counties_were_drawn_anew():
    data = table("did_mpdta/mpdta.csv")
    panel = GroupTimeDiD("first.treat", "year", "countyreal")
    known = panel.fit(data[["first.treat", "year", "countyreal"]], data["lemp"]).att_gt().se.max()
    for g, t, before in ((2004, 2004, 2003), (2006, 2007, 2005), (2007, 2007, 2006)):
        chosen = data[data["first.treat"].isin([0, g]) & data["year"].isin([before, t])]
        X = pd.DataFrame({"group": (chosen["first.treat"] == g).astype(int), "time": chosen["year"]})
        result = DifferenceInDifferences("group", "time", method="improved").fit(X, chosen["lemp"]).att()
        assert result.estimate == pytest.approx(TEEN_EMPLOYMENT[f"{g}, {t}"], abs=5.1e-5)
        assert result.se > 3 * known  # which knows that counties stay what they are


def test_cells_and_overlap_are_checked(rows):
    X, y = rows
    est = DifferenceInDifferences("d", "t", method="improved")
    few = (X["d"] == 0) | (X["t"] == 0) | (np.cumsum((X["d"] == 1) & (X["t"] == 1)) <= 3)
    with pytest.raises(DataError, match="treated rows of the later period must be more than the 3"):
        est.fit(X[few].reset_index(drop=True), y[few])
    with pytest.raises(DataError, match="no overlap"):
        est.fit(X.assign(a=10 * X["d"] + X["a"] / 10), y)
    far = X.assign(a=X["a"] + 1.5 * X["d"])
    with pytest.warns(OverlapWarning, match="controls are worth"):
        est.fit(far, y)
