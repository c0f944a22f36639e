"""The Fréchet distance against its closed forms, and what is said about the extractor."""

import numpy as np
import pytest

from causalrep.metrics import RandomFeatures, frechet_distance
from causalrep.metrics._frechet import gaussian_distance
from causalrep.utils import DataError


def pixels(images):
    """The four pixels of an image as its features."""
    return images.reshape(len(images), -1)


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(0.2, 0.8, size=(50, 1, 2, 2))


def test_a_shift_costs_its_square(images):
    moved = images.copy()
    moved[:, 0, 0, 0] += 0.1
    moved[:, 0, 1, 1] -= 0.2
    assert frechet_distance(images, moved, extractor=pixels).distance == pytest.approx(0.05, abs=1e-6)


def test_a_scale_costs_the_squared_difference_of_the_deviations(images):
    """Covariances S and S / 4 commute, so tr(S + S / 4 - 2 S / 2) = tr(S) / 4; float32 pixels."""
    middle = images.mean(axis=0)
    smaller = middle + (images - middle) / 2
    expected = np.trace(np.cov(pixels(images), rowvar=False)) / 4
    assert frechet_distance(images, smaller, extractor=pixels).distance == pytest.approx(expected, rel=1e-4)


def test_covariances_that_do_not_commute():
    """Against the definition with SciPy's matrix square root."""
    from scipy.linalg import sqrtm

    draws = np.random.default_rng(1).normal(size=(2, 60, 3))
    first, second = draws[0] @ [[2, 1, 0], [0, 1, 1], [0, 0, 0.3]], draws[1]
    S, T = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    gap = first.mean(axis=0) - second.mean(axis=0)
    expected = gap @ gap + np.trace(S + T - 2 * sqrtm(S @ T).real)
    assert gaussian_distance(first, second) == pytest.approx(expected, rel=1e-8)


def test_it_is_symmetric_also_for_sets_of_different_size(images):
    other = np.random.default_rng(1).uniform(size=(70, 1, 2, 2))
    forth, back = (frechet_distance(a, b, extractor=pixels) for a, b in ((images, other), (other, images)))
    assert forth.distance == pytest.approx(back.distance)
    assert (forth.n_first, forth.n_second) == (50, 70)


def test_the_interval_covers_a_known_distance():
    """Two samples of one law, one shifted by 0.1 in one of two features: the distance is 0.01.

    The bias, of order features / n, is small beside the interval; 200 draws, 3 sd below 0.95.
    """
    hits = 0
    for seed in range(200):
        a, b = np.random.default_rng(seed).normal(0.5, 0.05, size=(2, 200, 1, 2, 1))
        b[:, 0, 0] += 0.1
        found = frechet_distance(a.clip(0, 1), b.clip(0, 1), extractor=lambda x: x.reshape(len(x), 2))
        hits += found.low <= 0.01 <= found.high
    assert hits >= 200 * 0.95 - 3 * np.sqrt(200 * 0.95 * 0.05)


def test_random_features_are_fixed_and_named_by_their_hash(images):
    first, again = (frechet_distance(images, images / 2) for _ in range(2))
    assert first == again
    assert first.extractor in str(first)
    assert frechet_distance(images, images, extractor=RandomFeatures(1)).extractor != first.extractor
    assert first.n_features == 64


def test_the_hash_of_a_module_is_that_of_its_weights(images):
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
    before = frechet_distance(images, images, extractor=module)
    with torch.no_grad():
        module[1].weight += 1
    assert frechet_distance(images, images, extractor=module).extractor != before.extractor
    assert before.n_features == 3


def test_bad_input_is_named(images):
    with pytest.raises(DataError, match="at least 20 images, got 5 and 50"):
        frechet_distance(images[:5], images)
    with pytest.raises(DataError, match=r"`second` must have images of shape \(1, 2, 2\)"):
        frechet_distance(images, np.zeros((50, 3, 2, 2)))
    with pytest.raises(DataError, match=r"`first` must be in \[0, 1\]"):
        frechet_distance(images * 9, images)
    with pytest.raises(DataError, match="`extractor` must return finite features"):
        frechet_distance(images, images, extractor=lambda x: x)
