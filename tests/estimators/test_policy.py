"""Policies: values against known truths, and trees against all trees."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from causalrep.estimators import AIPW, DoubleML, PolicyTree, policy_value
from causalrep.estimators._policy_search import best_tree, cuts_of
from causalrep.utils import DataError


def experiment(n, seed):
    """Return covariates and treatment, and an outcome whose effect is the first covariate, confounded."""
    rng = np.random.default_rng(seed)
    w = rng.uniform(-1, 1, size=(n, 2))
    t = (rng.random(n) < 1 / (1 + np.exp(-w[:, 1]))).astype(int)
    y = t * w[:, 0] + w[:, 1] + 0.5 * rng.normal(size=n)
    return pd.DataFrame({"benefit": w[:, 0], "severity": w[:, 1], "t": t}), y


def all_leaves(W, gain, depth, min_leaf):
    """Return the value of the best tree, by trying all of them."""
    if len(gain) < min_leaf:
        return -np.inf
    best = max(0.0, gain.sum())
    if depth == 0:
        return best
    for column in W.T:
        for cut in np.unique(column)[:-1]:
            left = column <= cut
            if min(left.sum(), (~left).sum()) >= min_leaf:
                parts = [all_leaves(W[rows], gain[rows], depth - 1, min_leaf) for rows in (left, ~left)]
                best = max(best, sum(parts))
    return best


@pytest.mark.parametrize(("seed", "depth", "min_leaf"), list(product(range(6), (1, 2), (1, 4))))
def test_the_tree_is_the_best_of_all_trees(seed, depth, min_leaf):
    rng = np.random.default_rng(seed)
    W = np.column_stack([rng.normal(size=25), rng.integers(0, 3, 25), np.ones(25)])
    gain = rng.normal(size=25)
    tree = best_tree(W, gain, depth, max_cuts=100, min_leaf=min_leaf)
    assert gain[tree.decide(W)].sum() == pytest.approx(all_leaves(W, gain, depth, min_leaf), abs=1e-9)


def test_depth_two_sees_what_greed_does_not():
    W = np.array(list(product([0.0, 1.0], repeat=2)) * 10)
    gain = np.where(W[:, 0] == W[:, 1], 1.0, -1.0)  # no single question helps
    tree = best_tree(W, gain, 2, max_cuts=10, min_leaf=1)
    np.testing.assert_array_equal(tree.decide(W), gain > 0)


def test_cuts_stand_between_values_or_at_quantiles():
    np.testing.assert_array_equal(cuts_of(np.array([3.0, 1.0, 1.0, 2.0]), 5), [1.5, 2.5])
    cuts = cuts_of(np.arange(1000.0), 9)
    assert len(cuts) == 9
    np.testing.assert_allclose(cuts, np.arange(1, 10) * 100, atol=1)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_learned_policy_treats_who_gains(depth):
    X, y = experiment(2000, seed=0)
    tree = PolicyTree(treatment="t", max_depth=depth, min_samples_leaf=50, random_state=0).fit(X, y)
    test, _ = experiment(4000, seed=1)
    decided = tree.predict(test)
    assert set(decided) <= {0, 1}
    regret = 0.25 - np.mean(decided * test["benefit"])  # E[max(benefit, 0)] is 1/4
    assert regret < 0.02  # the best policy; its value has a standard error of 0.005
    assert tree.rules().startswith("if ")
    assert "treat" in tree.rules()


def test_a_cost_moves_the_threshold():
    X, y = experiment(4000, seed=0)
    tree = PolicyTree(treatment="t", max_depth=1, cost=0.5, random_state=0).fit(X, y)
    assert tree._tree.feature == 0
    assert tree._tree.threshold == pytest.approx(0.5, abs=0.15)


def test_names_of_arms_come_back_and_frames_too():
    X, y = experiment(600, seed=0)
    named = X.assign(t=np.where(X["t"] == 1, "drug", "none"))
    tree = PolicyTree(treatment="t", random_state=0).fit(named, -y)
    assert tree.arms_.tolist() == ["drug", "none"]
    assert set(tree.predict(named)) == {"drug", "none"}
    assert tree.covariate_names_in_.tolist() == ["benefit", "severity"]


def value_and_gain(seed):
    """Return the value of treating who benefits, 1/4, and the gain over all at a cost of 0.1, 0.3."""
    X, y = experiment(400, seed)
    est = AIPW(treatment="t", outcome_model="linear", propensity_model="linear", random_state=0).fit(X, y)
    treat = X["benefit"] > 0
    return policy_value(est, treat), policy_value(est, treat, baseline=1, cost=0.1)


def test_values_and_gains_are_near_the_truth():
    for result, truth in zip(value_and_gain(0), (0.25, 0.3), strict=True):
        assert abs(result.estimate - truth) < 4 * result.se


@pytest.mark.slow
def test_values_and_gains_cover_the_truth():
    covered = np.array(
        [
            [
                one.ci[0] < truth < one.ci[1]
                for one, truth in zip(value_and_gain(seed), (0.25, 0.3), strict=True)
            ]
            for seed in range(300)
        ]
    )
    # 0.95 of 300 draws, less or more three standard errors of 0.0126
    assert (np.abs(covered.mean(axis=0) - 0.95) < 0.038).all()


def test_values_of_constant_policies_differ_by_the_effect():
    X, y = experiment(400, 0)
    est = AIPW(treatment="t", n_rep=1, random_state=0).fit(X, y)
    everybody, nobody = policy_value(est, 1), policy_value(est, np.zeros(400))
    assert everybody.estimate - nobody.estimate == pytest.approx(est.ate().estimate, rel=1e-12)
    gain = policy_value(est, np.ones(400), baseline=0)
    assert gain.estimate == pytest.approx(est.ate().estimate, rel=1e-12)
    np.testing.assert_allclose(gain.influence, est.ate().influence, atol=1e-12)
    half = policy_value(est, 0.5)
    assert half.estimate == pytest.approx((everybody.estimate + nobody.estimate) / 2, rel=1e-12)


@pytest.mark.slow
def test_the_value_of_the_tree_is_on_rows_that_it_did_not_see():
    # nothing to gain: a tree fitted to noise seems worth something on its own rows
    rng = np.random.default_rng(0)
    own, honest = [], []
    for seed in range(30):
        W, t, y = rng.normal(size=(150, 3)), rng.integers(0, 2, 150), rng.normal(size=150)
        estimator = AIPW(outcome_model="linear", propensity_model="linear", random_state=seed)
        tree = PolicyTree(estimator=estimator, random_state=seed).fit(W, y, treatment=t)
        own.append(policy_value(tree.estimator_, tree.predict(W), baseline=0).estimate)
        honest.append(tree.value(baseline=0).estimate)
    assert np.mean(own) > 0.1
    assert abs(np.mean(honest)) < 4 * np.std(honest) / np.sqrt(30)


def test_bad_input_is_named():
    X, y = experiment(200, 0)
    est = AIPW(treatment="t", random_state=0).fit(X, y)
    for policy in (np.ones(3), np.full(200, 2.0), np.full(200, "yes"), np.ones((200, 2))):
        with pytest.raises(DataError, match="policy"):
            policy_value(est, policy)
    with pytest.raises(DataError, match="two values"):
        policy_value(DoubleML(treatment="t").fit(X, y), 1)
    with pytest.raises(DataError, match="adjusts"):
        policy_value("AIPW", 1)
    with pytest.raises(DataError, match="alpha"):
        policy_value(est, 1, alpha=0)
    for options, message in (({"max_depth": 0}, "max_depth"), ({"estimator": DoubleML}, "estimator")):
        with pytest.raises(DataError, match=message):
            PolicyTree(treatment="t", **options).fit(X, y)
    with pytest.raises(DataError, match="two arms"):
        PolicyTree(treatment="benefit").fit(X, y)


def test_other_estimators_give_scores_too():
    X, y = experiment(1000, 0)
    tree = PolicyTree(treatment="t", estimator=DoubleML(model="irm", random_state=0), max_depth=1).fit(X, y)
    assert tree._tree.feature == 0
