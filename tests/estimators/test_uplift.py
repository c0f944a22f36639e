"""Rankings by effect: against definitions written out, and RATE with its error against repeated draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalrep.estimators import AIPW, auuc, qini_curve, qini_score, rate, toc_curve, uplift_curve
from causalrep.utils import DataError, UnknownNameError


def by_hand(y, uplift, t):
    """Return shares, Qini and uplift gains at each distinct score, one subset at a time."""
    shares, qini, gains = [0.0], [0.0], [0.0]
    for cut in sorted(set(uplift), reverse=True):
        first = uplift >= cut
        treated, control = first & (t == 1), first & (t == 0)
        control_sum = y[control].sum() * treated.sum() / control.sum() if control.any() else 0.0
        shares.append(first.mean())
        qini.append((y[treated].sum() - control_sum) / (t == 1).sum())
        both = treated.any() and control.any()
        gains.append((y[treated].mean() - y[control].mean()) * first.mean() if both else 0.0)
    return shares, qini, gains


@pytest.mark.parametrize("seed", range(5))
def test_curves_are_those_of_the_definition_with_ties(seed):
    rng = np.random.default_rng(seed)
    y, uplift, t = rng.normal(size=40), rng.integers(0, 8, 40), rng.integers(0, 2, 40)
    shares, qini, gains = by_hand(y, uplift, t)
    for found, expected in (
        (qini_curve(y, uplift, t), (shares, qini)),
        (uplift_curve(y, uplift, t), (shares, gains)),
    ):
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-12, atol=1e-12)
        assert found[1][-1] == pytest.approx(y[t == 1].mean() - y[t == 0].mean(), rel=1e-9)


def test_areas_prefer_the_better_order_and_are_zero_or_half_at_random():
    rng = np.random.default_rng(0)
    w, t = rng.normal(size=(2, 4000))
    t = (t > 0).astype(int)
    y = t * (w + 0.5) + rng.normal(size=4000)
    assert qini_score(y, w, t) > 0.2 > qini_score(y, -w, t)
    # one value for all: the straight line
    assert qini_score(y, np.zeros(4000), t) == pytest.approx(0, abs=1e-12)
    effect = y[t == 1].mean() - y[t == 0].mean()
    assert auuc(y, np.zeros(4000), t) == pytest.approx(effect / 2, rel=1e-12)
    # E[w; first u] integrates to E[w F(w)] = 1 / (2 sqrt(pi)), plus half the mean; se of it is 0.02
    assert auuc(y, w, t) == pytest.approx(0.25 + 1 / (2 * np.sqrt(np.pi)), abs=0.06)


def test_names_of_arms_do_not_matter_but_their_order_does():
    rng = np.random.default_rng(1)
    y, w, t = rng.normal(size=50), rng.normal(size=50), rng.integers(0, 2, 50)
    named = np.where(t == 1, "mail", "control")
    assert qini_score(y, w, named) == qini_score(y, w, t)
    assert auuc(y, w, 1 - t) != auuc(y, w, t)


def rate_by_hand(scores, priority, method):
    """Return the area under the TOC, from subsets; ties have the mean of their scores."""
    means = np.array([scores[priority == p].mean() for p in priority])
    ordered = means[np.argsort(-priority, kind="stable")]
    toc = np.array([ordered[:k].mean() for k in range(1, len(ordered) + 1)]) - ordered.mean()
    weight = np.arange(1, len(toc) + 1) / len(toc) if method == "qini" else np.ones(len(toc))
    return float(np.mean(weight * toc))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["autoc", "qini"]), st.booleans())
def test_rate_and_its_jackknife_are_those_of_the_definition(seed, method, ties):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 30))
    scores = rng.normal(size=n)
    priority = rng.integers(0, 4, n).astype(float) if ties else rng.normal(size=n)
    result = rate(scores, priority, method=method)
    assert result.estimate == pytest.approx(rate_by_hand(scores, priority, method), abs=1e-10)
    without = np.array([rate_by_hand(np.delete(scores, i), np.delete(priority, i), method) for i in range(n)])
    jackknife = -(n - 1) * (without - without.mean())
    np.testing.assert_allclose(result.influence, jackknife, atol=1e-8)
    if method == "autoc":
        assert result.estimate == pytest.approx(np.mean(toc_curve(scores, priority)[1]), abs=1e-10)


@pytest.mark.parametrize(("method", "truth"), [("autoc", 0.903), ("qini", 0.2821)])
def test_the_error_of_rate_is_that_of_repeated_draws(method, truth):
    # for a normal w: qini is E[w F(w)] = 1 / (2 sqrt(pi)), autoc is E[-w log(1 - F(w))], by quadrature
    rng = np.random.default_rng(2)
    found = []
    for _ in range(300):
        w = rng.normal(size=400)
        result = rate(w + rng.normal(size=400), w, method=method)
        found.append((result.estimate, result.se, result.ci[0] < truth < result.ci[1]))
    estimates, ses, covered = np.array(found).T
    # the sd of 300 estimates has a relative error of 1/sqrt(600) = 0.04; 3 of them
    assert np.mean(ses) == pytest.approx(estimates.std(ddof=1), rel=0.13)
    assert abs(estimates.mean() - truth) < 0.02 + 4 * estimates.std() / np.sqrt(300)
    assert 0.91 <= covered.mean() <= 0.985  # 0.95 less or more 3 binomial standard errors


def test_rate_takes_the_scores_and_clusters_of_an_estimator(design):
    X, y = design
    cluster = np.repeat(np.arange(100), 4)
    est = AIPW(treatment="t", random_state=0).fit(X, y, cluster=cluster)
    score = est._scores("ate")[0]
    result = rate(est, X["a"])
    assert result.estimate == pytest.approx(rate(score.numerator, X["a"]).estimate, rel=1e-12)
    sums = np.bincount(cluster, result.influence)
    assert result.se == pytest.approx(np.sqrt(np.sum(sums**2) * 100 / 99) / 400, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: qini_score([1, 2], [1, 2, 3], [0, 1]), "of one length"),
        (lambda: auuc([1, 2], [1, 2], [1, 1]), "two values"),
        (lambda: auuc([1, np.nan], [1, 2], [0, 1]), "`y` must be a finite"),
        (lambda: rate([1.0, 2.0, 3.0], [1.0]), "each of 3 scores"),
        (lambda: rate([1.0, 2.0], [1.0, 2.0]), "at least three"),
        (lambda: rate([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], alpha=2), "alpha"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(DataError, match=message):
        call()
    with pytest.raises(UnknownNameError, match="autoc"):
        rate([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], method="auto")
