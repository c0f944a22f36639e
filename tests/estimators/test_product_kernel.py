"""The kernel that learns which covariates matter, against densities, loops and exact Gaussian processes."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal
from sklearn.linear_model import Ridge

from causalrep.estimators._product_kernel import (
    KernelFeatures,
    ProductKernel,
    learned_kernel,
    loss_and_gradient,
)


def a_kernel(k=2):
    """Return a kernel of three covariates, of which the first k bend."""
    center, scale = np.array([0.1, -0.2, 0.3]), np.array([1.0, 2.0, 0.5])
    parameters = np.array([0.7, 1.5, 0.4])[:k], np.array([2.0, 0.3, 1.0])[:k]
    return ProductKernel(center, scale, np.arange(k), *parameters, 0.8, 0.2, 0.1)


def waves(n, seed, d=5):
    """Return covariates, and an outcome of a wave of the first and a product of the next two."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, np.sin(2 * X[:, 0]) + np.tanh(X[:, 1] * X[:, 2]) + 0.3 * rng.normal(size=n)


def test_the_kernel_is_level_times_product_plus_plane():
    rng = np.random.default_rng(0)
    X, Z, kernel = rng.normal(size=(4, 3)), rng.normal(size=(3, 3)), a_kernel()
    found = kernel.between(X, Z)
    assert found.shape == (4, 3)
    for i in range(4):
        for j in range(3):
            u, v = (X[i] - kernel.center) / kernel.scale, (Z[j] - kernel.center) / kernel.scale
            one = 1 + 0.7 * np.exp(-2.0 * (u[0] - v[0]) ** 2 / 2)
            two = 1 + 1.5 * np.exp(-0.3 * (u[1] - v[1]) ** 2 / 2)
            np.testing.assert_allclose(found[i, j], 0.8 * one * two + 0.2 * (u @ v))


@pytest.fixture
def likelihood():
    """Return the loss of logs, the same by SciPy's density, and logs."""
    rng = np.random.default_rng(1)
    Z, y, unsure = rng.normal(size=(12, 3)), rng.normal(size=12), rng.uniform(0.5, 2, 12)
    squares = [(Z[:, j][:, None] - Z[:, j]) ** 2 for j in range(2)]
    prior, spread, logs = rng.normal(size=7), rng.uniform(1, 2, 7), rng.normal(size=7) / 2
    data = {"squares": squares, "straight": Z @ Z.T, "y": y, "unsure": unsure}

    def density(logs):
        values = np.exp(logs)
        kernel = ProductKernel(np.zeros(3), np.ones(3), np.arange(2), values[:2], values[2:4], *values[4:])
        covariance = kernel.between(Z, Z) + np.diag(values[-1] * unsure + 1e-6)
        return multivariate_normal(np.zeros(12), covariance).logpdf(y)

    def loss(logs):
        return loss_and_gradient(logs, **data, prior=prior, spread=spread)

    return loss, lambda logs: -density(logs) + np.sum(((logs - prior) / spread) ** 2) / 2, logs


def test_the_loss_is_less_the_log_posterior(likelihood):
    loss, expected, logs = likelihood
    other = logs + 0.3
    np.testing.assert_allclose(loss(other)[0] - loss(logs)[0], expected(other) - expected(logs), rtol=1e-8)


def test_the_gradient_is_that_of_finite_differences(likelihood):
    loss, expected, logs = likelihood
    np.testing.assert_allclose(loss(logs)[1], approx_fprime(logs, expected, 1e-6), rtol=1e-4, atol=1e-5)


def test_a_matrix_that_is_not_positive_turns_the_search_back(likelihood):
    loss, _, logs = likelihood
    logs = logs.copy()
    logs[:2], logs[2:4], logs[4:] = 40.0, -80.0, (0.0, 40.0, -80.0)
    value, gradient = loss(logs)
    assert value == 1e10
    assert not gradient.any()


def test_all_rows_as_landmarks_give_the_exact_process():
    X, y = waves(60, seed=2, d=3)
    kernel = a_kernel()
    features = KernelFeatures(kernel, 100, random_state=0).fit(X)
    Phi = features.transform(X)
    np.testing.assert_allclose(Phi @ Phi.T, kernel.between(X, X), atol=1e-6)
    X_new = waves(20, seed=3, d=3)[0]
    exact = kernel.between(X_new, X) @ np.linalg.solve(kernel.between(X, X) + 0.1 * np.eye(60), y)
    ridge = Ridge(0.1, fit_intercept=False).fit(Phi, y)
    np.testing.assert_allclose(
        ridge.predict(features.transform(X_new)), exact, atol=2e-3
    )  # less what is cut off as rounding


def test_fewer_landmarks_are_drawn_by_the_seed():
    X, _ = waves(60, seed=4, d=3)
    one, same, other = (KernelFeatures(a_kernel(), 10, random_state=s).fit(X) for s in (0, 0, 1))
    assert one.transform(X).shape == (60, 10)
    np.testing.assert_array_equal(one.landmarks_, same.landmarks_)
    assert not np.array_equal(one.landmarks_, other.landmarks_)


def test_covariates_without_a_part_leave_and_noise_is_found():
    X, y = waves(400, seed=5)
    kernel = learned_kernel(X, y, 200)
    found = kernel.between(X, X) @ np.linalg.solve(kernel.between(X, X) + kernel.noise * np.eye(400), y)
    truth = np.sin(2 * X[:, 0]) + np.tanh(X[:, 1] * X[:, 2])
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.2  # the noise is 0.3
    bend = kernel.relevance * (1 - np.exp(-kernel.rate / 2))  # what one standard deviation changes
    assert bend[3:].max() < 0.2 * bend[:3].min()
    # the variance of the noise is 0.09 of about 0.8, known to a quarter by 200 rows
    assert 0.6 < kernel.noise * np.var(y) / 0.09 < 1.5


def test_rows_of_little_weight_are_noisier():
    X, y = waves(400, seed=6)
    rng = np.random.default_rng(7)
    weight = np.where(rng.random(400) < 0.5, 1.0, 0.01)
    noisy = y + rng.normal(size=400) / np.sqrt(weight) * 0.3
    known, unknown = learned_kernel(X, noisy, 150, weight), learned_kernel(X, noisy, 150)
    truth = np.sin(2 * X[:, 0]) + np.tanh(X[:, 1] * X[:, 2])
    errors = []
    for kernel, w in ((known, weight), (unknown, np.ones(400))):
        features = KernelFeatures(kernel, 100, random_state=0).fit(X)
        model = Ridge(kernel.noise * w.mean()).fit(features.transform(X), noisy, sample_weight=w)
        errors.append(np.sqrt(np.mean((model.predict(features.transform(X)) - truth) ** 2)))
    assert errors[0] < 0.6 * errors[1]


def test_of_many_covariates_those_that_matter_may_bend():
    X, y = waves(800, seed=8, d=30)
    kernel = learned_kernel(X, y + 0.5 * X[:, 29], 60)
    assert len(kernel.curved) == 16
    assert {0, 1, 2} <= set(kernel.curved.tolist())
    X_new = X.copy()
    X_new[:, 29] += 1  # one that need not bend has a part in the plane
    assert not np.allclose(kernel.between(X, X), kernel.between(X_new, X_new))


def test_a_constant_covariate_and_a_constant_outcome():
    X, y = waves(100, seed=9)
    X[:, 1] = 3.0
    kernel = learned_kernel(X, y, 100)
    assert kernel.scale[1] == 1
    assert np.isfinite(kernel.between(X, X)).all()
    assert np.isfinite(learned_kernel(X, np.zeros(100), 100).noise)
