"""The likelihood-ratio test for mixed columns against closed forms, other software and simulation."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from sklearn.linear_model import LogisticRegression

from causalrep.discovery import PC
from causalrep.independence import ConditionalGaussian, Flag, GSquare
from causalrep.independence._multinomial import largest_log_likelihood
from causalrep.utils import DataError, UnknownNameError


def mixed(seed, n=200):
    """Return two groups, and numbers and categories that depend on one number and one group only."""
    rng = np.random.default_rng(seed)
    group = rng.integers(3, size=n)
    other = rng.integers(2, size=n)
    z = rng.normal(size=n) * (1.0 + group)
    slope = np.array([1.0, -0.2, 1.5])[group]
    x, y = (slope * z + group + (1.0 + 0.5 * group) * rng.normal(size=n) for _ in range(2))
    a, b = ((z * np.array([1.0, -0.5, 0.3])[group] + rng.logistic(size=n) > 0).astype(int) for _ in range(2))
    frame = {"x": x, "y": y, "z": z, "a": a, "b": b, "group": group, "other": other}
    return pd.DataFrame(frame).astype(dict.fromkeys(("a", "b", "group", "other"), "category"))


def test_two_numbers_are_compared_by_their_correlation():
    X = mixed(0)
    found = ConditionalGaussian().fit(X).test("x", "y")
    r = np.corrcoef(X["x"], X["y"])[0, 1]
    assert found.statistic == pytest.approx(-(200 - 2.5) * np.log(1 - r**2), rel=1e-9)
    assert found.dof == 1


def test_a_number_in_categories_is_compared_by_mean_and_variance():
    X = mixed(1)
    found = ConditionalGaussian().fit(X).test("group", "x")
    groups = [X["x"][X["group"] == k] for k in range(3)]
    within = sum(((one - one.mean()) ** 2).sum() for one in groups)
    means = -(200 - 2 - 2 / 2) * np.log(within / ((X["x"] - X["x"].mean()) ** 2).sum())
    expected = means + scipy.stats.bartlett(*groups).statistic
    assert found.statistic == pytest.approx(expected, rel=1e-9)
    assert found.dof == 4
    assert found.pvalue == pytest.approx(scipy.stats.chi2.sf(expected, 4), rel=1e-6)


@pytest.mark.parametrize("given", [[], ["group"], ["group", "other"]])
def test_categories_given_categories_are_compared_by_their_table(given):
    X = mixed(2, n=600)[["a", "b", "group", "other"]]
    found, expected = (kind().fit(X).test("a", "b", given) for kind in (ConditionalGaussian, GSquare))
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)
    assert found.dof == expected.dof


@pytest.mark.parametrize("pair", [("x", "y"), ("x", "other"), ("a", "b")])
def test_strata_are_tables_of_their_own(pair):
    X = mixed(3, n=600)
    whole = ConditionalGaussian().fit(X).test(*pair, ["z", "group"])
    parts = [
        ConditionalGaussian().fit(X[X["group"] == k].drop(columns="group")).test(*pair, ["z"])
        for k in range(3)
    ]
    if pair != ("a", "b"):  # whose two directions are combined at the end
        assert whole.statistic == pytest.approx(sum(part.statistic for part in parts), rel=1e-6)
    assert whole.dof == sum(part.dof for part in parts)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_logistic_regressions_are_those_of_scikit_learn(m):
    rng = np.random.default_rng(m)
    X = rng.normal(size=(300, 3))
    codes = (X @ rng.normal(size=(3, m)) + rng.gumbel(size=(300, m))).argmax(axis=1)
    model = LogisticRegression(C=1e12, tol=1e-10, max_iter=10_000).fit(X, codes)
    expected = model.predict_log_proba(X)[np.arange(300), codes].sum()
    assert largest_log_likelihood(codes, X) == pytest.approx(expected, rel=1e-8)
    twice = np.column_stack([X, X[:, 0]])  # a copy adds nothing
    assert largest_log_likelihood(codes, twice) == pytest.approx(expected, rel=1e-8)


def test_separated_categories_have_the_limit_of_their_likelihood():
    x = np.linspace(-1.0, 1.0, 40)
    assert largest_log_likelihood((x > 0).astype(int), x[:, None]) == pytest.approx(0.0, abs=1e-6)
    assert largest_log_likelihood(np.zeros(40, dtype=int), x[:, None]) == 0.0


NULLS = [
    ("x", "y", ["z", "group"]),
    ("x", "a", ["z", "group"]),
    ("a", "b", ["z", "group"]),
    ("x", "other", ["z", "group"]),
    ("other", "group", []),
    ("z", "other", ["group"]),
    ("a", "other", ["z"]),
]
by_name = pytest.mark.parametrize("question", NULLS, ids=lambda q: f"{q[0]}-{q[1]}-{len(q[2])}")


@by_name
def test_the_level_holds(question):
    pvalues = [ConditionalGaussian().fit(mixed(1000 + s)).test(*question).pvalue for s in range(150)]
    # 5 % of 150 is 7.5, with a standard deviation of 2.7; of half of them it is 6.1.
    assert np.sum(np.array(pvalues) < 0.05) <= 7.5 + 3 * 2.7
    assert np.sum(np.array(pvalues) < 0.5) == pytest.approx(75, abs=3.5 * 6.1)


@pytest.mark.slow
@by_name
def test_the_level_holds_closely(question):
    pvalues = [ConditionalGaussian().fit(mixed(seed)).test(*question).pvalue for seed in range(1000)]
    assert 0.035 <= np.mean(np.array(pvalues) < 0.05) <= 0.065


@pytest.mark.parametrize(
    "question", [("x", "z", ["group"]), ("x", "group", ["z"]), ("a", "z", ["group"]), ("a", "b", [])]
)
def test_dependences_are_seen(question):
    pvalues = [ConditionalGaussian().fit(mixed(seed, n=600)).test(*question).pvalue for seed in range(20)]
    assert np.mean(np.array(pvalues) < 0.05) >= 0.7


def test_a_category_that_changes_the_spread_only_is_seen():
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b"], size=300)
    X = {"group": group, "x": rng.normal(size=300) * np.where(group == "a", 1.0, 2.0)}
    assert ConditionalGaussian().fit(X).test("x", "group").pvalue < 1e-8


def test_places_of_ends_rows_and_labels_change_nothing():
    X = mixed(4)
    renamed = X.sample(frac=1.0, random_state=0)
    renamed["group"] = renamed["group"].map({0: "w", 1: "u", 2: "v"})
    one, other = ConditionalGaussian().fit(X), ConditionalGaussian().fit(renamed[list(X)[::-1]])
    for x, y, given in NULLS:
        found = one.test(x, y, given)
        assert found == one.test(y, x, given[::-1])
        assert other.test(x, y, given).pvalue == pytest.approx(found.pvalue, rel=1e-6)


def test_what_cannot_be_told_is_flagged():
    X = mixed(5, n=60)
    X["copy"] = 2.0 * X["x"] + 1.0
    X["rare"] = ["often"] * 57 + ["seldom"] * 3
    test = ConditionalGaussian().fit(X)
    assert test.test("y", "x", ["copy"]).flag == Flag.SINGULAR
    assert test.test("group", "x", ["copy"]).flag == Flag.SINGULAR
    assert test.test("rare", "x").flag == Flag.TOO_FEW_ROWS
    few = ConditionalGaussian().fit(X[:12].drop(columns="rare"))
    assert few.test("x", "y", ["a", "b", "group", "other"]).flag == Flag.TOO_FEW_ROWS


def test_types_are_told_and_refused():
    X = mixed(6).astype({"group": int})
    assert ConditionalGaussian().fit(X).types_["group"] == "continuous"
    test = ConditionalGaussian(types={"group": "categorical"}).fit(X)
    assert test.types_["group"] == "categorical"
    assert test.test("x", "group").dof == 4
    with pytest.raises(UnknownNameError, match="`types`"):
        ConditionalGaussian(types={"w": "categorical"}).fit(X)
    with pytest.raises(UnknownNameError, match="the type of 'x'"):
        ConditionalGaussian(types={"x": "ordinal"})
    with pytest.raises(DataError, match="at least 6 rows"):
        ConditionalGaussian().fit(X[:5])


def test_answers_are_of_the_library_of_the_data():
    X = mixed(7)[["x", "y", "z"]].to_numpy()
    found = ConditionalGaussian().fit(torch.asarray(X)).test_batch([0], [1], [[2]])
    assert isinstance(found.pvalue, torch.Tensor)
    assert float(found.pvalue) == ConditionalGaussian().fit(X).test(0, 1, [2]).pvalue
    assert isinstance(ConditionalGaussian().fit(X, device="cpu").test_batch([0], [1]).pvalue, torch.Tensor)


def test_a_search_finds_the_graph_of_a_mixed_model():
    X = mixed(8, n=2000)[["x", "y", "z", "group"]]
    found = PC(test="conditional_gaussian").fit(X).graph_
    expected = {("group", "z"), ("group", "x"), ("group", "y"), ("x", "z"), ("y", "z")}
    assert {tuple(sorted((edge[0], edge[-1]))) for edge in found.edges} == expected
