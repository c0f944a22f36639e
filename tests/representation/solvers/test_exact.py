"""The denoiser in closed form is the score of the mixture, whatever is predicted."""

from __future__ import annotations

import pytest
import torch

from causalrep.representation.solvers import ExactDenoiser, VariancePreserving
from causalrep.utils import DataError


@pytest.fixture
def exact():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(7, 1, 2, 3, generator=generator, dtype=torch.float64)
    labels = torch.randn(7, 2, generator=generator, dtype=torch.float64)
    bandwidth = torch.tensor([0.5, 1.5], dtype=torch.float64)
    return ExactDenoiser(images, labels, bandwidth=bandwidth, width=0.3)


def log_density(exact, x, labels, alpha, sigma):
    """Log of the unnormalised density of x, one row and one component at a time."""
    rows = []
    for row, label in zip(x, labels, strict=True):
        terms = []
        for image, own in zip(exact.images, exact.labels, strict=True):
            kernel = -0.5 * (((label - own) / exact.bandwidth) ** 2).sum()
            variance = sigma**2 + alpha**2 * exact.width**2
            terms.append(kernel - 0.5 * ((row - alpha * image) ** 2).sum() / variance)
        rows.append(torch.logsumexp(torch.stack(terms), 0))
    return torch.stack(rows)


@pytest.mark.parametrize("level", [1, 8, 20])
def test_noise_is_minus_sigma_times_the_score(exact, process, level):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 1, 2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    t = process.grid(20)[level].expand(4)
    alpha, sigma = process.alpha(t[0]), process.sigma(t[0])
    (score,) = torch.autograd.grad(log_density(exact, x, labels, alpha, sigma).sum(), x)
    output = exact.given(process, labels)(x.detach(), t)
    # Tweedie: E[noise | x] = -sigma * score, alpha E[x0 | x] = x + sigma^2 * score; 1 / alpha is below 160.
    torch.testing.assert_close(process.epsilon(x.detach(), t, output), -sigma * score, rtol=0, atol=1e-10)
    clean = (x.detach() + sigma**2 * score) / alpha
    torch.testing.assert_close(process.clean(x.detach(), t, output), clean, rtol=1e-9, atol=1e-9)


def test_the_condition_picks_the_image(exact):
    process, t = VariancePreserving(), torch.full((7,), 1000.0, dtype=torch.float64)
    far_apart = ExactDenoiser(exact.images, 100 * exact.labels, bandwidth=1.0, width=1e-6)
    x = torch.zeros_like(exact.images)
    clean = process.clean(x, t, far_apart.given(process, far_apart.labels)(x, t))
    torch.testing.assert_close(clean, exact.images, rtol=0, atol=1e-8)


def test_labels_must_match_the_images(exact):
    with pytest.raises(
        DataError, match=r"`labels` must have shape \(7, d\), one row per image, got \(6, 2\)"
    ):
        ExactDenoiser(exact.images, exact.labels[:6], bandwidth=1.0)
