"""Doses: shifts and curves, against formulas written out and against truths that are known."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from causalrep.estimators import DoseResponse, OverlapWarning, ShiftIntervention
from causalrep.utils import DataError


def draw(n, seed):
    """Return covariates, a dose that they move, and an outcome with mean sin(dose) if all had it."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(n, 2))
    dose = 0.5 * w[:, 0] - 0.3 * w[:, 1] + rng.normal(size=n)
    return w, dose, np.sin(dose) + 0.3 * dose * w[:, 0] + w[:, 0] + 0.5 * rng.normal(size=n)


# The dose is normal with variance s2 = 1.34: E[sin(T + d) - sin(T)] = exp(-s2 / 2) sin(d), and the nearest
# line has the slope Cov(T, sin T) / s2 = E[cos T] = exp(-s2 / 2).
DECAY = np.exp(-0.67)


@pytest.fixture(scope="module")
def rows():
    return draw(1000, seed=0)


def folds_of(n):
    parts = np.array_split(np.random.default_rng(3).permutation(n), 3)
    return [(np.setdiff1d(np.arange(n), test), test) for test in parts]


def test_the_shift_is_the_one_step_estimator(rows):
    w, t, y = rows
    folds, ratio, at, shifted = folds_of(1000), np.zeros(1000), np.zeros(1000), np.zeros(1000)
    now, then = np.column_stack([t, w]), np.column_stack([t + 0.5, w])
    for train, test in folds:
        told = LogisticRegression(C=2.0).fit(
            np.vstack([now[train], then[train]]), np.repeat([0, 1], len(train))
        )
        p = told.predict_proba(now[test])[:, 1]
        ratio[test] = p / (1 - p)
        model = LinearRegression().fit(now[train], y[train])
        at[test], shifted[test] = model.predict(now[test]), model.predict(then[test])
    score = ratio * (y - at) + shifted - y
    est = ShiftIntervention(
        shift=0.5, outcome_model="linear", ratio_model=LogisticRegression(C=2.0), cv=folds, random_state=0
    ).fit(w, y, treatment=t)
    effect, mean = est.ate(), est.mean_outcome()
    assert effect.estimate == pytest.approx(score.mean(), rel=1e-9)
    assert effect.se == pytest.approx(score.std(ddof=1) / np.sqrt(1000), rel=1e-9)
    assert mean.estimate == pytest.approx(np.mean(score + y), rel=1e-9)
    assert mean.se == pytest.approx(np.std(score + y, ddof=1) / np.sqrt(1000), rel=1e-9)


@pytest.mark.parametrize("wrong", ["outcome", "ratio"])
def test_the_shift_is_right_if_either_model_is(wrong):
    w, t, y = draw(4000, seed=1)
    models = {"outcome": {"outcome_model": DummyRegressor()}, "ratio": {"ratio_model": Flat()}}[wrong]
    if wrong == "ratio":
        y = y - np.sin(t) + t  # a line, which the outcome model knows
    est = ShiftIntervention(shift=0.4, random_state=0, **models).fit(w, y, treatment=t)
    truth = 0.4 if wrong == "ratio" else DECAY * np.sin(0.4)
    assert abs(est.ate().estimate - truth) < 4 * est.ate().se
    assert truth / est.ate().se > 4  # not for want of precision


class Flat(LogisticRegression):
    """Sees no difference between shifted rows and others."""

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)


def test_a_function_of_dose_and_covariates_shifts_too(rows):
    w, t, y = rows
    number = ShiftIntervention(shift=0.5, random_state=0).fit(w, y, treatment=t)
    function = ShiftIntervention(shift=lambda dose, _: dose + 0.5, random_state=0).fit(w, y, treatment=t)
    assert function.ate().estimate == number.ate().estimate
    some = ShiftIntervention(shift=lambda dose, W: dose + 0.5 * (W[:, 0] > 0), random_state=0)
    gates = some.fit(w, y, treatment=t).gate(w[:, 0] > 0)
    assert abs(gates.estimate[0]) < 4 * gates.se[0]  # nothing happens to them
    assert gates.estimate[1] > 0.1


def test_effects_of_shifts_vary_with_covariates(rows):
    w, t, y = rows
    frame = pd.DataFrame(w, columns=["a", "b"]).assign(dose=t)
    est = ShiftIntervention("dose", 0.5, random_state=0).fit(frame, y)
    line = est.blp()
    assert line.names == ("intercept", "a", "b")
    # by 0.3 * 0.5 for each unit of a, and by what sin bends: its slope is cos(0.5 a + ...), flat at zero
    assert abs(line.estimate[1] - 0.15) < 4 * line.se[1]
    assert est.predict(frame).shape == (1000,)
    assert est.score(frame, y) < 0


def test_a_shift_to_where_nobody_is_warns_first(rows):
    w, t, y = rows
    with pytest.warns(OverlapWarning, match="shift by less"):
        est = ShiftIntervention(shift=6.0, random_state=0).fit(w, y, treatment=t)
    assert any("hardly occur" in text for text in est.ate().warnings)


def test_the_curve_is_a_local_line_through_pseudo_outcomes(rows):
    w, t, y = rows
    est = DoseResponse(bandwidth=0.8, random_state=0).fit(w, y, treatment=t)
    found = est.curve([-0.5, 0.7])
    smoothed = est.set_params(bias_correction=False).curve([-0.5, 0.7])
    polyfit = np.polynomial.polynomial.polyfit
    for k, dose in enumerate([-0.5, 0.7]):
        d = t - dose
        weight = np.sqrt(np.clip(1 - (d / 0.8) ** 2, 0, None))
        line = polyfit(d, est.pseudo_outcome_, 1, w=weight)
        assert smoothed.estimate[k] == pytest.approx(line[0], rel=1e-9)
        # what the line makes of the curvature that a cubic sees
        curve = polyfit(d, est.pseudo_outcome_, 3, w=weight)[2] * d**2
        bias = polyfit(d, curve, 1, w=weight)[0]
        assert found.estimate[k] == pytest.approx(line[0] - bias, rel=1e-9)
    line = np.polynomial.polynomial.polyfit(t, est.pseudo_outcome_, 1)
    assert est.slope().estimate == pytest.approx(line[1], rel=1e-9)


def test_pseudo_outcomes_are_those_of_the_paper(rows):
    w, t, y = rows
    folds = folds_of(1000)
    est = DoseResponse(outcome_model="linear", treatment_model="linear", cv=folds, random_state=0)
    est.fit(w, y, treatment=t)
    mu, mean, average = np.zeros(1000), np.zeros(1000), np.zeros(1000)
    for train, test in folds:
        model = LinearRegression().fit(np.column_stack([t, w])[train], y[train])
        mu[test] = model.predict(np.column_stack([t, w])[test])
        mean[test] = LinearRegression().fit(w[train], t[train]).predict(w[test])
        average += [np.sum(model.predict(np.column_stack([np.full(len(test), a), w[test]]))) for a in t]
    average /= 1000
    residual = t - mean
    # the noise is normal with variance 1, the dose with variance 1.34; kernels come near both
    normal = np.exp(-(t**2) / 2.68 + residual**2 / 2) / np.sqrt(1.34)
    ratio = (est.pseudo_outcome_ - average) / (y - mu)
    inner = np.abs(residual) < 1.5
    assert np.corrcoef(ratio[inner], normal[inner])[0, 1] > 0.97
    assert np.median(ratio[inner] / normal[inner]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("wrong", ["outcome", "dose"])
def test_the_curve_is_right_if_either_model_is(wrong):
    w, t, y = draw(4000, seed=2)
    models = {"outcome": {"outcome_model": DummyRegressor()}, "dose": {"treatment_model": DummyRegressor()}}
    if wrong == "dose":
        y = y - np.sin(t) + t
    est = DoseResponse(random_state=0, **models[wrong]).fit(w, y, treatment=t)
    found, doses = est.curve([-1.0, 0.0, 1.0]), np.array([-1.0, 0.0, 1.0])
    truth = doses if wrong == "dose" else np.sin(doses)
    naive = [y[np.abs(t - dose) < 0.2].mean() for dose in doses]  # confounded: off by 0.37 at both ends
    assert np.abs(naive - truth).max() > 0.3
    assert (np.abs(found.estimate - truth) < 3.5 * found.se).all()
    assert found.se.max() < 0.1


def test_the_correction_takes_off_what_the_kernel_smooths_away():
    t = np.random.default_rng(0).uniform(-2, 2, 600)
    w = np.random.default_rng(1).normal(size=(600, 1))
    est = DoseResponse(
        outcome_model=DummyRegressor(), treatment_model="linear", bandwidth=1.0, random_state=0
    )
    est.fit(w, 0 * t, treatment=t)
    est.pseudo_outcome_ = t**3 + t**2  # without noise what is left is the bias
    doses = np.array([-1.0, 0.0, 1.0])
    errors = est.curve(doses).estimate - doses**3 - doses**2
    assert np.abs(errors).max() < 0.02
    smoothed = est.set_params(bias_correction=False).curve(doses).estimate - doses**3 - doses**2
    # half of m'' = 6 t + 2 times the second moment of the kernel, 1/5 on a uniform dose
    np.testing.assert_allclose(smoothed, (6 * doses + 2) / 10, atol=0.06)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")  # a row or two, now and then
def test_effects_of_doses_cover_the_truth():
    covered, at = [], np.array([-1.0, 0.0, 1.0])
    cubic = make_pipeline(PolynomialFeatures(3), StandardScaler(), Ridge())
    for seed in range(300):
        w, t, y = draw(500, seed)
        est = DoseResponse(outcome_model=cubic, treatment_model="linear", random_state=seed)
        est.fit(w, y, treatment=t)
        shift = ShiftIntervention(shift=0.5, outcome_model=cubic, ratio_model="linear", random_state=seed)
        shift = shift.fit(w, y, treatment=t).ate()
        curve = est.curve(at)
        truths = [(shift.ci, DECAY * np.sin(0.5)), (est.slope().ci, DECAY)]
        truths += zip(curve.ci, np.sin(at), strict=True)
        covered.append([low < truth < high for (low, high), truth in truths])
    rates = np.mean(covered, axis=0)
    assert (rates > 0.912).all()  # 0.95 of 300, less three standard errors of 0.0126


def test_clusters_and_weights_count(rows):
    w, t, y = rows
    cluster = np.tile(np.arange(500), 2)
    twice = [np.concatenate([part[:500], part[:500]]) for part in (w, t, y)]
    est = DoseResponse(outcome_model="linear", treatment_model=Ridge(), bandwidth=1.0, max_weight=1e6)
    clustered = est.fit(twice[0], twice[2], treatment=twice[1], cluster=cluster).slope()
    sums = np.bincount(cluster, clustered.influence)
    assert clustered.se == pytest.approx(np.sqrt(np.sum(sums**2) * 500 / 499) / 1000, rel=1e-9)
    half = est.fit(w, y, treatment=t, sample_weight=(np.arange(1000) < 500).astype(float)).slope()
    np.testing.assert_allclose(half.influence[500:], 0, atol=1e-12)


def test_bad_input_is_named(rows):
    w, t, y = rows
    for call, message in (
        (lambda: DoseResponse().fit(w, y), "given once"),
        (lambda: DoseResponse(bandwidth=-1).fit(w, y, treatment=t), "`bandwidth` must be above 0"),
        (lambda: DoseResponse(treatment_model=LogisticRegression()).fit(w, y, treatment=t), "regressor"),
        (lambda: DoseResponse().fit(w, y, treatment=w[:, 0]), "no overlap"),
        (lambda: DoseResponse(bandwidth=1).fit(w, y, treatment=t).curve([99.0]), "among those seen"),
        (lambda: DoseResponse(bandwidth=1e-9).fit(w, y, treatment=t).curve([0.0]), "too few rows"),
        (lambda: ShiftIntervention(shift=0.0).fit(w, y, treatment=t), "leaves all doses"),
        (lambda: ShiftIntervention(shift=lambda _, W: W).fit(w, y, treatment=t), "a finite dose for each"),
        (lambda: ShiftIntervention(max_ratio=1).fit(w, y, treatment=t), "`max_ratio` must be above 1"),
        (lambda: ShiftIntervention(ratio_model=Ridge()).fit(w, y, treatment=t), "must be a classifier"),
    ):
        with pytest.raises(DataError, match=message):
            call()
