"""Structural functions by instruments: right where regressing on the treatment is wrong."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.kernel_ridge import KernelRidge

from causalrep.estimators import DeepIV, KernelIV
from causalrep.estimators._structural import gaussian_kernel, median_distances
from causalrep.utils import DataError

GRID = np.linspace(-1.5, 1.5, 50)
TRUTH = np.sin(1.5 * GRID)


def design(seed, n=1000):
    rng = np.random.default_rng(seed)
    hidden, z, noise = rng.normal(size=(3, n))
    dose = z + 0.7 * hidden
    return dose, z, np.sin(1.5 * dose) + hidden + 0.1 * noise


def errors(seed, n, **options):
    """Return the mean squared errors of the kernel, of the network, and of a regression on the treatment."""
    dose, z, y = design(seed, n)
    plain = KernelRidge(alpha=0.1, kernel="rbf").fit(dose[:, None], y).predict(GRID[:, None])
    X, at = np.column_stack([dose, z]), np.column_stack([GRID, GRID])
    kinds = (KernelIV(0, 1, random_state=0), DeepIV(0, 1, random_state=0, **options))
    return [np.mean((f - TRUTH) ** 2) for f in (*(kind.fit(X, y).predict(at) for kind in kinds), plain)]


def test_the_structural_function_is_found_where_regression_is_far_off():
    """The regression is off by 0.7 / 1.49 = 0.47 per unit of dose: 0.165 on the grid, at any n."""
    found = np.array([errors(seed, 1000, max_epochs=30, patience=10) for seed in (3, 4)]).mean(axis=0)
    assert found[2] > 0.14
    assert np.all(found[:2] < 0.07)


@pytest.mark.slow
def test_both_beat_regression_over_draws():
    found = np.array([errors(seed, 2000) for seed in range(10)])
    assert np.all(np.median(found[:, :2], axis=0) < 0.05)
    assert np.median(found[:, 2]) > 0.14


def test_kernel_stages_are_those_of_the_algorithm_written_out():
    """Algorithm 1 of Singh et al. with the penalties given, by plain matrices."""
    dose, z, y = design(0, 60)
    w = np.random.default_rng(1).normal(size=60)
    X = np.column_stack([dose, w, z])
    est = KernelIV(0, 2, first_penalty=0.01, second_penalty=0.02, random_state=0).fit(X, y)
    causes, around = (
        (part - part.mean(axis=0)) / part.std(axis=0)
        for part in (np.column_stack([dose, w]), np.column_stack([z, w]))
    )
    target = (y - y.mean()) / y.std()
    first = [int(np.flatnonzero(np.isclose(causes, row).all(axis=1))[0]) for row in est._anchors]
    second = np.setdiff1d(np.arange(60), first)
    assert len(first) == 30
    K = gaussian_kernel(causes, causes, median_distances(causes))
    L = gaussian_kernel(around, around, median_distances(around))
    weights = np.linalg.solve(L[np.ix_(first, first)] + 30 * 0.01 * np.eye(30), L[np.ix_(first, second)])
    predicted = K[np.ix_(first, first)] @ weights
    alpha = np.linalg.solve(
        predicted @ predicted.T + 30 * 0.02 * K[np.ix_(first, first)], predicted @ target[second]
    )
    expected = y.mean() + y.std() * (K[:, first] @ alpha)
    np.testing.assert_allclose(est.predict(X), expected, atol=1e-4)


def test_kernel_penalties_minimise_the_losses_on_the_other_rows():
    dose, z, y = design(3, 200)
    X = np.column_stack([dose, z])
    est = KernelIV(0, 1, random_state=0).fit(X, y)
    losses = {}
    for penalty in est.second_penalty_ * np.logspace(-2, 2, 5):
        other = KernelIV(0, 1, first_penalty=est.first_penalty_, second_penalty=penalty, random_state=0)
        other.fit(X, y)
        scaled = (dose - dose.mean()) / dose.std()
        first = np.isin(scaled.round(9), other._anchors[:, 0].round(9))
        losses[penalty] = np.mean((y - other.predict(X))[first] ** 2)
    assert min(losses, key=losses.get) == pytest.approx(est.second_penalty_)


def test_length_scales_are_medians_times_the_root_of_the_columns():
    values = np.array([[0.0, 0.0], [1.0, 10.0], [3.0, 30.0]])
    np.testing.assert_allclose(median_distances(values), np.array([2.0, 20.0]) * np.sqrt(2))


def test_mixture_densities_and_draws_are_those_of_normals():
    import torch

    from causalrep.estimators._deep_iv import _mixture_draws, _mixture_log_density

    share, means, scales = np.array([0.3, 0.7]), np.array([-1.0, 2.0]), np.array([0.5, 1.5])
    parameters = torch.tensor([[*np.log(share), *means, *np.log(scales)]], dtype=torch.float32)
    for t in (-1.5, 0.0, 3.0):
        expected = np.log(share @ stats.norm.pdf(t, means, scales)) + 0.5 * np.log(2 * np.pi)
        assert float(_mixture_log_density(parameters, torch.tensor([[t]]))) == pytest.approx(
            expected, abs=1e-5
        )
    drawn = _mixture_draws(parameters, 20000, torch.Generator().manual_seed(0)).numpy().ravel()
    spread = share @ (scales**2 + means**2) - (share @ means) ** 2
    assert drawn.mean() == pytest.approx(share @ means, abs=4 * np.sqrt(spread / 20000))
    assert drawn.var() == pytest.approx(spread, rel=0.05)


def test_two_arms_give_the_ratio_of_wald():
    rng = np.random.default_rng(0)
    n = 2000
    z, hidden = rng.integers(2, size=n), rng.normal(size=n)
    t = (2 * z + hidden + 0.5 * rng.normal(size=n) > 1).astype(int)
    y = 2 * t - hidden + 0.1 * rng.normal(size=n)
    wald = (y[z == 1].mean() - y[z == 0].mean()) / (t[z == 1].mean() - t[z == 0].mean())
    X = pd.DataFrame({"t": np.where(t == 1, "yes", "no"), "z": z})
    est = DeepIV("t", "z", hidden=16, weight_decay=0.0, max_epochs=20, learning_rate=0.01, random_state=0)
    est.fit(X, y)
    effect = est.effect(X[:1], "no", "yes")[0]
    assert effect == pytest.approx(wald, abs=0.3)
    assert y[t == 1].mean() - y[t == 0].mean() < 1.2  # the difference of means is far off
    with pytest.raises(DataError, match="'maybe'"):
        est.predict_outcome(X, "maybe")


@pytest.mark.parametrize("kind", [KernelIV, DeepIV])
def test_seeds_decide_and_scores_tell_the_right_function_from_the_wrong(kind):
    dose, z, y = design(4, 300)
    W = np.zeros((300, 1))
    options = {} if kind is KernelIV else {"max_epochs": 8}
    first, second = (
        kind(random_state=1, **options).fit(W, y, treatment=dose, instrument=z) for _ in range(2)
    )
    np.testing.assert_array_equal(first.predict_outcome(W, dose), second.predict_outcome(W, dose))
    right = first.score(W, y, treatment=dose, instrument=z)
    assert right > first.score(W, y + 2 * dose, treatment=dose, instrument=z)
    with pytest.raises(DataError, match="predict_outcome"):
        first.predict(W)


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        (KernelIV, {"first_penalty": 0.0}, "`first_penalty`"),
        (KernelIV, {"share": 1.0}, "`share`"),
        (KernelIV, {"instrument": None}, "`instrument` is missing"),
        (DeepIV, {"n_draws": 0}, "`n_draws`"),
        (DeepIV, {"learning_rate": 0.0}, "`learning_rate`"),
    ],
)
def test_bad_options_are_refused(kind, options, match):
    dose, z, y = design(0, 50)
    with pytest.raises(DataError, match=match):
        kind(**{"treatment": 0, "instrument": 1} | options).fit(np.column_stack([dose, z]), y)


@pytest.mark.parametrize("kind", [KernelIV, DeepIV])
def test_bad_data_are_refused(kind):
    dose, z, y = design(0, 50)
    with pytest.raises(DataError, match="instrument is constant"):
        kind(0, 1).fit(np.column_stack([dose, np.ones(50)]), y)
    with pytest.raises(ValueError, match="NaN"):
        kind(0, 1).fit(np.column_stack([dose, z]), np.where(y > 1, np.nan, y))
    with pytest.raises(DataError, match="finite rows"):
        kind(0).fit(np.column_stack([dose]), y, instrument=np.where(z > 1, np.nan, z))
