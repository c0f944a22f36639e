"""Multiple imputation: the model by closed forms, the pooling by Rubin's rules, p-values by simulation."""

import numpy as np
import pytest
import scipy.stats

from causalrep.discovery import PC
from causalrep.independence import CITestWarning, FisherZ, Flag, ImputedFisherZ
from causalrep.independence._normal_with_gaps import GappedRows
from causalrep.utils import DataError


def sample(rng, n, effect=0.0):
    """X and Y given Z, with gaps in Y that W, an effect of X and of Y, decides, and chance gaps in Z."""
    z = rng.normal(size=n)
    x = z + rng.normal(size=n)
    y = z + effect * x + rng.normal(size=n)
    w = x + rng.normal(size=n)
    z, y = np.where(rng.random(n) < 0.15, np.nan, z), np.where(rng.normal(size=n) < 2 * w, np.nan, y)
    return {"x": x, "y": y, "z": z, "w": w}


def test_em_gives_the_closed_form_where_gaps_are_nested():
    # Anderson (1957): x from all rows, and y given x from the rows that have both.
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = np.where(x > 0.3, np.nan, 2 * x + rng.normal(size=200) + 1)
    found = GappedRows(np.column_stack([x, y])).fit(np.ones(200))
    both = ~np.isnan(y)
    slope = np.cov(x[both], y[both], ddof=0)[0, 1] / x[both].var()
    rest = (y - slope * x)[both]
    assert found.mean == pytest.approx([x.mean(), rest.mean() + slope * x.mean()], abs=1e-4)
    expected = [[x.var(), slope * x.var()], [slope * x.var(), slope**2 * x.var() + rest.var()]]
    assert found.covariance == pytest.approx(np.array(expected), abs=1e-4)


def test_em_weighs_rows_as_if_they_were_repeated():
    rng = np.random.default_rng(1)
    X = np.where(rng.random((60, 3)) < 0.2, np.nan, rng.normal(size=(60, 3)))
    X = X[~np.isnan(X).all(axis=1)]
    weights = rng.integers(0, 4, size=len(X))
    found = GappedRows(X).fit(weights.astype(float))
    repeated = GappedRows(np.repeat(X, weights, axis=0)).fit(np.ones(weights.sum()))
    assert found.covariance == pytest.approx(repeated.covariance, abs=1e-9)


def test_draws_follow_the_model():
    rng = np.random.default_rng(2)
    x = rng.normal(size=20_000)
    y = np.where(rng.random(20_000) < 0.5, np.nan, 0.8 * x + 0.6 * rng.normal(size=20_000))
    rows = GappedRows(np.column_stack([x, y]))
    filled = rows.filled(rows.fit(np.ones(20_000)), rng)
    drawn = filled[np.isnan(y)]
    # Slope and residual variance of 10,000 draws: standard errors 0.006 and 0.005, twice that of the model.
    slope = np.cov(drawn.T)[0, 1] / drawn[:, 0].var()
    assert slope == pytest.approx(0.8, abs=0.04)
    assert (drawn[:, 1] - slope * drawn[:, 0]).var() == pytest.approx(0.36, abs=0.04)
    assert np.array_equal(filled[~np.isnan(y), 1], y[~np.isnan(y)])


def test_without_gaps_it_is_the_plain_test():
    X = np.random.default_rng(0).normal(size=(50, 4))
    for given in ([], [2], [2, 3]):
        found, plain = ImputedFisherZ().fit(X).test(0, 1, given), FisherZ().fit(X).test(0, 1, given)
        assert found.statistic == pytest.approx(plain.statistic, rel=1e-9)
        assert found.pvalue == pytest.approx(plain.pvalue, rel=1e-9)
        assert found.log_pvalue == pytest.approx(plain.log_pvalue, rel=1e-9)


def test_answers_are_pooled_by_rubins_rules():
    test = ImputedFisherZ(n_imputations=4).fit(sample(np.random.default_rng(0), 100))
    found = test.test("x", "y", ["z"])
    each = [one.test("x", "y", ["z"]) for one in test.tests_]
    q, u = np.array([one.statistic / np.sqrt(96) for one in each]), 1 / 96
    total = u + 1.25 * q.var(ddof=1)
    freedom = 3 * (1 + u / (1.25 * q.var(ddof=1))) ** 2  # Rubin (1987), equation 3.1.6
    assert found.statistic == pytest.approx(q.mean() / np.sqrt(total))
    assert found.dof == pytest.approx(freedom)
    assert found.pvalue == pytest.approx(2 * scipy.stats.t.sf(abs(found.statistic), freedom))


def test_order_of_columns_and_of_ends_changes_nothing():
    data = sample(np.random.default_rng(3), 80)
    one = ImputedFisherZ(n_imputations=3, random_state=5).fit(data)
    other = ImputedFisherZ(n_imputations=3, random_state=5).fit({name: data[name] for name in "zwyx"})
    assert one.test("x", "y", ["z", "w"]) == other.test("y", "x", ["w", "z"])
    assert one.test("x", "y") != ImputedFisherZ(n_imputations=3).fit(data).test("x", "y")


def rejections(seed, n_sets, effect):
    rng = np.random.default_rng(seed)
    tests = [
        ImputedFisherZ(n_imputations=5, random_state=k).fit(sample(rng, 200, effect)) for k in range(n_sets)
    ]
    return np.mean([test.test("x", "y", ["z"]).pvalue < 0.05 for test in tests])


@pytest.mark.slow
def test_the_level_is_kept_where_values_that_are_seen_decide():
    # 120 draws: a share of 0.05 has a standard error of 0.02.
    assert rejections(0, 120, 0.0) < 0.11
    assert rejections(1, 15, 0.5) > 0.8


def test_a_search_learns_from_rows_with_gaps():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 1500))
    c = x + y + rng.normal(size=1500)
    data = {"x": x, "c": c, "y": y, "d": c + rng.normal(size=1500)}
    expected = PC().fit(data).graph_
    data["x"] = np.where(data["d"] > 1, np.nan, x)
    assert PC(test="imputed_fisherz").fit(data).graph_ == expected


def test_bad_input():
    data = sample(np.random.default_rng(0), 30)
    with pytest.raises(DataError, match="`n_imputations` must be an integer of at least 2, got 1"):
        ImputedFisherZ(n_imputations=1)
    with pytest.raises(DataError, match="column 'e' of `X` has no value"):
        ImputedFisherZ().fit(data | {"e": np.full(30, np.nan)})
    with pytest.raises(DataError, match="column 'e' is constant"):
        ImputedFisherZ().fit(data | {"e": np.where(np.arange(30) < 9, np.nan, 1.0)})
    with pytest.raises(DataError, match="infinity"):
        ImputedFisherZ().fit(data | {"e": np.where(np.arange(30) < 9, np.nan, np.inf)})
    with pytest.raises(DataError, match="at least 4 rows"):
        ImputedFisherZ().fit({"a": [1.0, 2.0, 3.0, np.nan], "b": [2.0, np.nan, 1.0, np.nan]})


def test_copies_are_warned_of_once_and_flagged():
    data = sample(np.random.default_rng(0), 30)
    with pytest.warns(CITestWarning, match="is a linear function of") as caught:
        copies = ImputedFisherZ(n_imputations=3).fit(data | {"e": 2 * data["x"]})
    assert len(caught) == 1
    assert copies.test("x", "y", ["e"]).flag == Flag.SINGULAR
    assert ImputedFisherZ(n_imputations=2).fit({"a": [1.0, 2, 3, 5], "b": [2.0, 1, 4, 3]}).max_cond == 0
