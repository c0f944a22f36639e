"""Published figures on published data; skipped where the data are absent."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from causalrep.estimators import (
    IPW,
    LIML,
    DifferenceInDifferences,
    DoubleML,
    GComputation,
    GroupTimeDiD,
    Mediation,
    RegressionDiscontinuity,
    SyntheticControl,
    SyntheticDiD,
    TwoStageLeastSquares,
)

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def table(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"needs ../shared/data/{name}")
    return pd.read_csv(path)


def test_job_training_experiment_is_a_difference_of_means():
    data = table("lalonde_nsw/nsw_dw_experimental.csv")
    for kind in (GComputation, IPW):
        result = kind("treat", random_state=0).fit(data[["treat"]], data["re78"]).ate()
        assert result.estimate == pytest.approx(1794.3, abs=0.05)
        assert result.se == pytest.approx(671.0, abs=1.0)  # unequal variances


def test_returns_to_schooling_by_college_proximity():
    data = table("card_schooling/card.csv")
    controls = ["exper", "expersq", "black", "smsa", "south", "smsa66", *(f"reg66{k}" for k in range(2, 10))]
    X = data[["educ", "nearc4", *controls]]
    est = TwoStageLeastSquares("educ", "nearc4", covariance="nonrobust").fit(X, data["lwage"])
    assert est.ate().estimate == pytest.approx(0.1315, abs=5e-5)
    assert est.ate().se == pytest.approx(0.0550, abs=5e-5)
    assert est.first_stage_f_ == pytest.approx(13.3, abs=0.1)
    assert est.endogeneity().pvalue == pytest.approx(0.28, abs=5e-3)


def test_returns_to_schooling_by_proximity_of_two_colleges():
    """Two instruments: 0.157 (0.053) and a test of overidentification of 1.25, Wooldridge, example 15.8."""
    data = table("card_schooling/card.csv")
    controls = ["exper", "expersq", "black", "smsa", "south", "smsa66", *(f"reg66{k}" for k in range(2, 10))]
    X = data[["educ", "nearc2", "nearc4", *controls]]
    est = TwoStageLeastSquares("educ", ["nearc2", "nearc4"], covariance="nonrobust").fit(X, data["lwage"])
    assert est.ate().estimate == pytest.approx(0.157, abs=5e-4)
    assert est.ate().se == pytest.approx(0.053, abs=5e-4)
    assert est.overidentification().statistic == pytest.approx(1.25, abs=5e-3)
    likely = LIML("educ", ["nearc2", "nearc4"], covariance="nonrobust").fit(X, data["lwage"])
    assert likely.ate().estimate == pytest.approx(0.164, abs=5e-4)


PENSIONS = ["age", "inc", "educ", "fsize", "marr", "twoearn", "db", "pira", "hown"]


def test_pension_plans_by_linear_models():
    """The figures that come with the data: naive, adjusted (an instrument that is the treatment), 2SLS."""
    path = DATA / "pension_401k" / "401k.parquet"
    if not path.exists():
        pytest.skip("needs ../shared/data/pension_401k")
    data = pl.read_parquet(path)
    y = data["net_tfa"].to_numpy()
    naive = GComputation("e401", random_state=0).fit(data.select("e401"), y).ate()
    assert naive.estimate == pytest.approx(19559, abs=0.5)
    X = data.select("e401", *PENSIONS).with_columns(same=data["e401"])
    adjusted = TwoStageLeastSquares("e401", "same").fit(X, y).ate()
    assert (adjusted.estimate, adjusted.se) == pytest.approx((5896, 1524), abs=0.5)
    X = data.select("p401", "e401", *PENSIONS)
    taken = TwoStageLeastSquares("p401", "e401", covariance="nonrobust").fit(X, y).ate()
    assert (taken.estimate, taken.se) == pytest.approx((8502, 1798), abs=0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "low", "high"),
    [
        ("plr", 8000, 9500),
        ("irm", 7000, 8800),
        ("iivm", 11000, 12800),
    ],  # the figures of the paper, rounded outwards
)
def test_effects_of_pension_plans_are_near_the_published_ones(model, low, high):
    path = DATA / "pension_401k" / "401k.parquet"
    if not path.exists():
        pytest.skip("needs ../shared/data/pension_401k")
    data = pl.read_parquet(path)
    W = data.select(PENSIONS).to_numpy()
    forests = {
        "outcome_model": RandomForestRegressor(60, max_depth=7, min_samples_leaf=5, n_jobs=1),
        "propensity_model": RandomForestClassifier(60, max_depth=5, min_samples_leaf=5, n_jobs=1),
    }
    roles = {"treatment": data["p401" if model == "iivm" else "e401"].to_numpy()}
    if model == "iivm":
        roles["instrument"] = data["e401"].to_numpy()
        forests["treatment_model"] = RandomForestClassifier(60, max_depth=5, min_samples_leaf=5, n_jobs=1)
    est = DoubleML(model=model, cv=3, random_state=0, **forests)
    result = est.fit(W.astype(float), data["net_tfa"].to_numpy(), **roles).ate()
    assert low < result.estimate < high
    assert 1000 < result.se < 2000


TEEN_EMPLOYMENT = {
    "2004, 2004": -0.0105,
    "2004, 2005": -0.0704,
    "2004, 2006": -0.1373,
    "2004, 2007": -0.1008,
    "2006, 2004": 0.0065,
    "2006, 2005": -0.0028,
    "2006, 2006": -0.0046,
    "2006, 2007": -0.0412,
    "2007, 2004": 0.0305,
    "2007, 2005": -0.0027,
    "2007, 2006": -0.0311,
    "2007, 2007": -0.0261,
}


def test_minimum_wages_and_teen_employment():
    data = table("did_mpdta/mpdta.csv")
    est = GroupTimeDiD("first.treat", "year", "countyreal")
    est.fit(data[["first.treat", "year", "countyreal"]], data["lemp"])
    result = est.att_gt()
    assert result.names == tuple(TEEN_EMPLOYMENT)
    np.testing.assert_allclose(result.estimate, list(TEEN_EMPLOYMENT.values()), atol=5.1e-5)
    simple = est.aggregate("simple")
    assert simple.estimate == pytest.approx(-0.0400, abs=5e-5)
    assert simple.se == pytest.approx(0.012, abs=5e-4)
    assert est.aggregate("group").estimate[-1] == pytest.approx(-0.0310, abs=5e-5)


def test_incumbency_in_the_senate():
    data = table("rdd_senate/senate.csv")[["margin", "vote"]].dropna()
    est = RegressionDiscontinuity("margin").fit(data[["margin"]], data["vote"])
    result = est.ate()
    assert est.bandwidth_ == pytest.approx(17.754, abs=1e-3)
    assert est.n_effective_ == (360, 323)
    assert result.estimate == pytest.approx(7.414, abs=5e-4)
    assert result.ci == pytest.approx((4.094, 10.919), abs=2e-3)
    plain = RegressionDiscontinuity("margin", bias_correction=False).fit(data[["margin"]], data["vote"]).ate()
    assert plain.se == pytest.approx(1.459, abs=5e-4)


def test_cigarette_sales_after_proposition_99():
    """Arkhangelsky et al. 2021, table 1; their weights stop short of the minimum by a tolerance."""
    data = table("synth_prop99/california_prop99.csv")
    X, y = data[["State", "Year", "treated"]], data["PacksPerCapita"]
    control = SyntheticControl("treated", "Year", "State").fit(X, y)
    assert control.att().estimate == pytest.approx(-19.6, abs=0.15)
    assert control.effects().estimate[-1] == pytest.approx(-26, abs=1.0)  # Abadie et al. 2010, by 2000
    weights = dict(zip(control.controls_, control.weights_, strict=True))
    assert weights["Utah"] == max(control.weights_)
    both = SyntheticDiD("treated", "Year", "State").fit(X, y)
    assert both.att().estimate == pytest.approx(-15.6, abs=0.05)
    np.testing.assert_allclose(both.time_weights_[-3:], [0.366, 0.206, 0.427], atol=2e-3)
    assert both.att().se == pytest.approx(8.4, abs=1.2)  # theirs from placebos drawn at random
    groups = pd.DataFrame({"california": data["State"] == "California", "late": data["Year"] >= 1989})
    plain = DifferenceInDifferences("california", "late").fit(groups.astype(int), y).att()
    assert plain.estimate == pytest.approx(-27.35, abs=5e-3)


def test_job_search_and_depression():
    """JOBS II: the indirect effect by way of job-search efficacy, with three covariates."""
    data = table("mediation_jobs/jobs.csv")
    X = data[["treat", "job_seek", "econ_hard", "sex", "age"]]
    est = Mediation("treat", "job_seek", method="linear").fit(X, data["depress2"])
    assert est.nie().estimate == pytest.approx(-0.0157, abs=5e-5)
    assert est.nde().estimate == pytest.approx(-0.0403, abs=5e-5)
    assert est.ate().estimate == pytest.approx(-0.0560, abs=5e-5)
    assert est.nie().ci == pytest.approx((-0.04, 0.01), abs=5e-3)


def test_nobody_chooses_to_win_a_senate_race():
    """The test in the manual of Cattaneo, Jansson and Ma: T = -0.8753, p = 0.3814, by a jackknife."""
    margins = table("rdd_senate/senate.csv")["margin"].dropna().to_numpy()
    est = RegressionDiscontinuity(0).fit(margins[:, None], margins)
    found = est.density_test(bandwidth=(19.841, 27.119))
    assert found.statistic == pytest.approx(-0.8753, abs=5e-4)
    assert found.pvalue == pytest.approx(0.3814, abs=5e-4)
