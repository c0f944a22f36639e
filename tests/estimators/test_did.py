"""Differences in differences equal means of cells, and find effects that start at different times."""

import numpy as np
import pandas as pd
import pytest

from causalrep.estimators import AIPW, DifferenceInDifferences, GroupTimeDiD
from causalrep.estimators._did_improved import tilting_weights


@pytest.fixture
def panel():
    rng = np.random.default_rng(0)
    n = 200
    a = rng.normal(size=n)
    group = (rng.random(n) < 1 / (1 + np.exp(-a / 2))).astype(int)
    level = rng.normal(size=n) + 2 * group
    frames = [
        pd.DataFrame(
            {"unit": np.arange(n), "time": t, "group": group, "a": a, "y": level + t * (1 + a + 3 * group)}
        )
        for t in (0, 1)
    ]
    table = pd.concat(frames).sample(frac=1, random_state=0).reset_index(drop=True)
    table["y"] += rng.normal(size=2 * n)
    return table


def cells(table):
    mean = table.groupby(["group", "time"])["y"].mean()
    return mean[1, 1] - mean[1, 0] - mean[0, 1] + mean[0, 0]


@pytest.mark.parametrize("unit", [None, "unit"])
def test_two_by_two_is_the_difference_of_four_means(panel, unit):
    X = panel[["group", "time", "unit"] if unit else ["group", "time"]]
    result = DifferenceInDifferences("group", "time", unit).fit(X, panel["y"]).att()
    assert result.estimate == pytest.approx(cells(panel), abs=1e-10)
    if unit:
        wide = panel.pivot(index="unit", columns="time", values="y")
        change, group = wide[1] - wide[0], panel.groupby("unit")["group"].first()
        welch = sum(change[group == g].var(ddof=0) / (group == g).sum() for g in (0, 1))
        assert result.se == pytest.approx(np.sqrt(welch * 200 / 199))
        assert result.n == 200


def test_covariates_correct_trends_that_differ(panel):
    X = panel[["group", "time", "unit", "a"]]
    est = DifferenceInDifferences("group", "time", "unit", random_state=0).fit(X, panel["y"])
    assert abs(est.att().estimate - 3) < 3 * est.att().se < 1
    assert cells(panel) > 3.3
    wide = panel.pivot(index="unit", columns="time", values="y")
    first = panel.groupby("unit").first()
    inner = AIPW(outcome_model="linear", propensity_model="linear", random_state=0)
    inner.fit(first[["a"]].to_numpy(), (wide[1] - wide[0]).to_numpy(), treatment=first["group"].to_numpy())
    assert est.att().estimate == pytest.approx(inner.att().estimate, abs=1e-10)
    assert est.predict(X).shape == (400,)
    assert est.score(X, panel["y"]) > est.score(X, panel["y"] + 3 * panel["group"] * panel["time"])


def changes(seed, n=400, trend=lambda a: a, chance=lambda a: a / 2):
    """A panel of two periods whose trends differ by a covariate; the effect is 1 for all."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    group = (rng.random(n) < 1 / (1 + np.exp(-chance(a)))).astype(int)
    level = rng.normal(size=n) + group
    rows = [pd.DataFrame({"unit": np.arange(n), "time": t, "group": group, "a": a}) for t in (0, 1)]
    y = [level + t * (group + trend(a)) + rng.normal(size=n) for t in (0, 1)]
    return pd.concat(rows, ignore_index=True), np.concatenate(y)


def test_tilted_controls_have_the_covariates_of_the_treated():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(300, 3))
    W[:, 2] = W[:, 0] - W[:, 1]  # collinear columns do no harm
    d = (rng.random(300) < 1 / (1 + np.exp(-W[:, 0]))).astype(float)
    weight = rng.uniform(0.5, 1.5, 300)
    odds = tilting_weights(np.column_stack([np.ones(300), W]), d, weight)
    assert (odds[d == 1] == 0).all()
    assert (odds[d == 0] > 0).all()
    assert np.sum(weight * odds) == pytest.approx(np.sum(weight * d))
    np.testing.assert_allclose((weight * odds) @ W, (weight * d) @ W, atol=1e-6)
    logs = np.log(odds[d == 0])
    fitted = np.column_stack([np.ones(300), W])[d == 0]
    np.testing.assert_allclose(fitted @ np.linalg.lstsq(fitted, logs, rcond=None)[0], logs, atol=1e-8)
    with pytest.raises(ValueError, match="no overlap"):
        tilting_weights(np.column_stack([np.ones(300), 10 * d + rng.random(300)]), d, weight)


def test_the_improved_estimate_is_that_of_weighted_least_squares():
    X, y = changes(0)
    est = DifferenceInDifferences("group", "time", "unit", method="improved").fit(X, y)
    a, d = X["a"].to_numpy()[:400], X["group"].to_numpy()[:400]
    change = y[400:] - y[:400]
    design = np.column_stack([np.ones(400), a])
    odds = tilting_weights(design, d.astype(float), np.ones(400))[d == 0]
    slopes = np.linalg.solve(
        (design[d == 0].T * odds) @ design[d == 0], (design[d == 0].T * odds) @ change[d == 0]
    )
    rest = change - design @ slopes
    assert est.att().estimate == pytest.approx(rest[d == 1].mean(), abs=1e-8)
    whole = np.zeros(400)
    whole[d == 0] = odds
    influence = (d * (rest - rest[d == 1].mean()) - whole * rest) / d.mean()
    np.testing.assert_allclose(est.att().influence, influence, atol=1e-6)
    drawn = []
    for k in range(150):
        rows = np.random.default_rng(k).integers(400, size=400)
        both = np.concatenate([rows, rows + 400])
        again = X.iloc[both].assign(unit=np.tile(np.arange(400), 2))
        drawn.append(
            DifferenceInDifferences("group", "time", "unit", method="improved")
            .fit(again, y[both])
            .att()
            .estimate
        )
    assert est.att().se == pytest.approx(np.std(drawn), rel=0.2)  # 6 % is one standard error of a spread


@pytest.mark.parametrize("wrong", ["trend", "chance"])
def test_the_improved_estimate_allows_one_model_to_be_wrong(wrong):
    options = {wrong: lambda a: np.exp(a / 2) if wrong == "trend" else 0.7 * a**2 - 0.7}
    X, y = changes(1, 4000, **options)
    result = DifferenceInDifferences("group", "time", "unit", method="improved").fit(X, y).att()
    assert abs(result.estimate - 1) < 3.5 * result.se < 0.3


def covered(method, n_draws):
    hits = 0
    for seed in range(n_draws):
        X, y = changes(5000 + seed, 300)
        est = DifferenceInDifferences("group", "time", "unit", method=method, cv=2, random_state=0)
        low, high = est.fit(X, y).att().ci
        hits += low < 1 < high
    return hits / n_draws


@pytest.mark.parametrize(("method", "n_draws", "least"), [("improved", 60, 51), ("cross_fit", 20, 16)])
def test_intervals_cover_in_a_few_draws(method, n_draws, least):
    assert covered(method, n_draws) >= least / n_draws  # chances 0.0014 and 0.0026 of fewer


@pytest.mark.slow
@pytest.mark.parametrize("method", ["improved", "cross_fit"])
def test_intervals_cover_the_truth(method):
    assert 0.91 <= covered(method, 300) <= 0.985  # 0.95 -+ 3 standard errors of 300 draws


def test_staggered_adoption_takes_the_improved_estimate_too():
    X, y = staggered(5)
    a = np.repeat(np.random.default_rng(0).normal(size=400), 5)
    y = y + a * X["time"]
    est = GroupTimeDiD("group", "time", "unit", method="improved").fit(X.assign(a=a), y)
    cell = est.att_gt()
    two = X["time"].isin([2, 3]) & X["group"].isin([0, 3])
    pair = X.assign(a=a, group=X["group"] == 3)[two]
    alone = DifferenceInDifferences("group", "time", "unit", method="improved").fit(pair, y[two]).att()
    at = cell.names.index("3, 3")
    assert cell.estimate[at] == pytest.approx(alone.estimate)
    assert cell.se[at] == pytest.approx(alone.se, rel=0.01)
    with pytest.raises(KeyError, match="`method`"):
        GroupTimeDiD("group", "time", "unit", method="best").fit(X, y)
    with pytest.raises(KeyError, match="`method`"):
        DifferenceInDifferences("group", "time", "unit", method="best").fit(pair, y[two])


def test_the_state_of_treatment_does_as_well_as_the_group(panel):
    X = panel[["time", "unit"]].assign(d=panel["group"] * panel["time"])
    result = DifferenceInDifferences("d", "time", "unit").fit(X, panel["y"]).att()
    assert result.estimate == pytest.approx(cells(panel))
    with pytest.raises(ValueError, match="group in both periods"):
        DifferenceInDifferences("d", "time").fit(X[["time", "d"]], panel["y"])


def test_panels_with_holes_are_refused(panel):
    X = panel[["group", "time", "unit"]]
    with pytest.raises(ValueError, match="exactly once"):
        DifferenceInDifferences("group", "time", "unit").fit(X.iloc[1:], panel["y"].iloc[1:])
    with pytest.raises(ValueError, match="two values"):
        DifferenceInDifferences("group", "time", "unit").fit(X.assign(time=np.arange(400) % 3), panel["y"])
    with pytest.raises(ValueError, match="`time` is missing"):
        DifferenceInDifferences("group").fit(X[["group", "unit"]], panel["y"])


# --- staggered adoption --------------------------------------------------------------------------------


def staggered(seed, n=400):
    """Effects grow with the time since the start, and differ by group."""
    rng = np.random.default_rng(seed)
    start = rng.choice([0, 3, 4], n, p=[0.4, 0.35, 0.25])
    rows = pd.DataFrame(
        [(i, t, g) for i, g in enumerate(start) for t in (1, 2, 3, 4, 5)], columns=["unit", "time", "group"]
    )
    treated = (rows["group"] > 0) & (rows["time"] >= rows["group"])
    effect = treated * (rows["time"] - rows["group"] + 1) * np.where(rows["group"] == 3, 1.0, 2.0)
    return rows, effect + 0.5 * rows["time"] + start[rows["unit"]] + 0.3 * rng.normal(size=len(rows))


TRUTH = {"3, 3": 1, "3, 4": 2, "3, 5": 3, "4, 4": 2, "4, 5": 4, "3, 2": 0, "4, 2": 0, "4, 3": 0}


@pytest.mark.parametrize("control", ["never", "not_yet"])
def test_each_group_and_period_has_its_effect(control):
    X, y = staggered(0)
    result = GroupTimeDiD("group", "time", "unit", control=control).fit(X, y).att_gt()
    truth = np.array([TRUTH[name] for name in result.names])
    assert np.all(np.abs(result.estimate - truth) < 4 * result.se)
    assert result.se.max() < 0.1


def test_controls_are_never_or_not_yet_treated_by_hand():
    X, y = staggered(1)
    wide = X.assign(y=y).pivot(index="unit", columns="time", values="y")
    start = X.groupby("unit")["group"].first()
    change = wide[3] - wide[2]
    never = change[start == 3].mean() - change[start == 0].mean()
    not_yet = change[start == 3].mean() - change[start != 3].mean()
    for control, expected in (("never", never), ("not_yet", not_yet)):
        result = GroupTimeDiD("group", "time", "unit", control=control).fit(X, y).att_gt()
        assert result.estimate[result.names.index("3, 3")] == pytest.approx(expected, abs=1e-10)


def test_averages_weigh_groups_by_their_size():
    X, y = staggered(2)
    est = GroupTimeDiD("group", "time", "unit").fit(X, y)
    cell = dict(zip(est.att_gt().names, est.att_gt().estimate, strict=True))
    start = X.groupby("unit")["group"].first()
    p, q = (start == 3).mean(), (start == 4).mean()
    simple = p * (cell["3, 3"] + cell["3, 4"] + cell["3, 5"]) + q * (cell["4, 4"] + cell["4, 5"])
    assert est.aggregate().estimate == pytest.approx(simple / (3 * p + 2 * q))
    event = est.aggregate("event")
    assert event.names == ("-2", "-1", "0", "1", "2", "average")
    zero = (p * cell["3, 3"] + q * cell["4, 4"]) / (p + q)
    assert event.estimate[2] == pytest.approx(zero)
    assert event.estimate[-1] == pytest.approx(event.estimate[2:5].mean())
    group = est.aggregate("group")
    assert group.estimate[1] == pytest.approx((cell["4, 4"] + cell["4, 5"]) / 2)
    assert group.estimate[-1] == pytest.approx((p * group.estimate[0] + q * group.estimate[1]) / (p + q))
    assert est.aggregate("calendar").names == ("3", "4", "5", "average")


def test_standard_errors_are_those_of_resampled_units():
    """The influence function, shares of groups included, against the spread over fresh draws."""
    drawn = [
        GroupTimeDiD("group", "time", "unit").fit(*staggered(100 + k, 200)).aggregate() for k in range(40)
    ]
    spread = np.std([result.estimate for result in drawn], ddof=1)
    stated = np.mean([result.se for result in drawn])
    assert 0.65 < spread / stated < 1.35  # the spread of 40 draws has a relative standard error of 11 %


def test_simultaneous_bands_are_wider_and_trends_before_are_tested():
    X, y = staggered(3)
    est = GroupTimeDiD("group", "time", "unit", random_state=0).fit(X, y)
    alone, together = est.att_gt(), est.att_gt(simultaneous=True)
    ratio = np.ptp(together.ci, axis=1) / np.ptp(alone.ci, axis=1)
    assert np.all((ratio > 1.2) & (ratio < 2.74 / 1.96 * 1.05))  # below Bonferroni's limit for 8 intervals
    assert est.pretrend_test() > 0.001
    bent = y + (X["group"] == 4) * (X["time"] == 3) * 0.5
    assert GroupTimeDiD("group", "time", "unit").fit(X, bent).pretrend_test() < 1e-6


def test_periods_and_units_may_be_arrays_and_clusters_widen():
    X, y = staggered(6, 200)
    est = GroupTimeDiD("group", random_state=0).fit(X[["group"]], y, time=X["time"], unit=X["unit"])
    named = GroupTimeDiD("group", "time", "unit", random_state=0).fit(X, y)
    np.testing.assert_allclose(est.att_gt().estimate, named.att_gt().estimate)
    both = pd.concat([X, X.assign(unit=X["unit"] + 200)])
    twice = np.concatenate([y, y])
    pairs = GroupTimeDiD("group", "time", "unit", random_state=0)
    pairs.fit(both, twice, cluster=both["unit"] % 200)
    np.testing.assert_allclose(pairs.att_gt().se, named.att_gt().se, rtol=0.01)
    bands = [np.ptp(e.att_gt(simultaneous=True).ci, axis=1) / e.att_gt().se for e in (pairs, named)]
    np.testing.assert_allclose(bands[0], bands[1], rtol=0.05)
    assert pairs.pretrend_test() == pytest.approx(named.pretrend_test(), abs=0.01)
    with pytest.raises(ValueError, match="`time` is given twice"):
        named.fit(X, y, time=X["time"])
    with pytest.raises(ValueError, match="`cluster` must be the same"):
        pairs.fit(X, y, cluster=X["time"])


@pytest.mark.parametrize(
    ("options", "covariate"), [({}, False), ({"method": "improved"}, True), ({"control": "not_yet"}, False)]
)
def test_a_unit_of_weight_two_is_two_units(options, covariate):
    X, y = staggered(7, 150)
    if covariate:
        X = X.assign(a=np.random.default_rng(1).normal(size=150)[X["unit"]])
    weight = np.random.default_rng(0).integers(0, 3, 150)
    weighted = GroupTimeDiD("group", "time", "unit", **options)
    weighted.fit(X, y, sample_weight=weight[X["unit"]].astype(float))
    copies = [X.assign(y=y, unit=X["unit"] + 150 * k)[weight[X["unit"]] > k] for k in (0, 1)]
    twice = pd.concat(copies, ignore_index=True)
    repeated = GroupTimeDiD("group", "time", "unit", **options).fit(twice.drop(columns="y"), twice["y"])
    np.testing.assert_allclose(weighted.att_gt().estimate, repeated.att_gt().estimate, atol=1e-8)
    for kind in ("simple", "event", "group"):
        found, expected = weighted.aggregate(kind).estimate, repeated.aggregate(kind).estimate
        np.testing.assert_allclose(found, expected, atol=1e-8)
    if not options:  # two rows of one cluster say no more than one of weight two
        pairs = GroupTimeDiD("group", "time", "unit").fit(
            twice.drop(columns="y"), twice["y"], cluster=twice["unit"] % 150
        )
        np.testing.assert_allclose(weighted.att_gt().se, pairs.att_gt().se, rtol=0.01)
    with pytest.raises(ValueError, match="`sample_weight` must be the same"):
        weighted.fit(X, y, sample_weight=np.arange(len(X)) + 1.0)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda X: X.assign(group=4), "nobody is left"),
        (lambda X: X.assign(group=0), "no unit starts"),
        (lambda X: X.assign(group=np.arange(len(X)) % 2 * 3), "must be the same"),
        (lambda X: X.assign(time=X["time"].replace(5, 4)), "exactly once"),
    ],
)
def test_bad_panels_are_refused(change, match):
    X, y = staggered(4)
    with pytest.raises(ValueError, match=match):
        GroupTimeDiD("group", "time", "unit").fit(change(X), y)
