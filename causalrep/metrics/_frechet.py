"""How far two sets of images are apart, in the features of a fixed network.

The Fréchet inception distance needs a network that has to be downloaded. A network of random weights also
tells sets of images apart; what matters is that everybody uses the same one, so distances carry the hash of
theirs. Distances of different hashes must not be compared, nor those of different numbers of images: the
estimate is too large by an amount that falls with that number.

References
----------
.. [1] M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler, S. Hochreiter, "GANs trained by a two time-scale
   update rule converge to a local Nash equilibrium", NeurIPS 2017, arXiv:1706.08500.
.. [2] M. F. Naeem, S. J. Oh, Y. Uh, Y. Choi, J. Yoo, "Reliable fidelity and diversity metrics for
   generative models", ICML 2020, arXiv:2002.09797: features of random networks.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causalrep.metrics._estimates import Estimate, jackknife_estimates
from causalrep.metrics._image_errors import check_images
from causalrep.utils import DataError, keyed_generator

__all__ = [
    "Extractor",
    "FrechetDistance",
    "RandomFeatures",
    "distance_estimate",
    "extractor_digest",
    "features_of",
    "frechet_distance",
    "gaussian_distance",
]

Matrix: TypeAlias = NDArray[np.float64]
Extractor: TypeAlias = Callable[[NDArray[np.float32]], Any]

_WIDTHS = (32, 64, 64)
_ROWS = 256
_GROUPS = 10


class RandomFeatures:
    """A convolutional network with fixed random weights: images in, 64 features out.

    Three layers of 3 x 3 convolutions with stride 2 and a leaky rectifier, then the mean over the picture.
    The weights depend on the seed and on the number of channels alone, not on the machine.

    Parameters
    ----------
    seed : int, default=0
        Of the weights.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.metrics import RandomFeatures
    >>> RandomFeatures()(np.zeros((2, 3, 16, 16), dtype=np.float32)).shape
    (2, 64)
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def __repr__(self) -> str:
        return f"RandomFeatures(seed={self.seed})"

    def weights(self, channels: int) -> list[NDArray[np.float32]]:
        """Return the weights for images of some number of channels, a tensor per layer."""
        layers, before = [], channels
        for k, width in enumerate(_WIDTHS):
            draws = keyed_generator(self.seed, "random features", k, channels).standard_normal(
                (width, before, 3, 3), dtype=np.float32
            )
            layers.append(draws * np.float32(math.sqrt(2 / (9 * before))))
            before = width
        return layers

    def __call__(self, images: NDArray[np.float32]) -> Matrix:
        """Return features of shape (n_images, 64)."""
        import torch
        from torch.nn.functional import conv2d, leaky_relu

        layers = [torch.from_numpy(weight) for weight in self.weights(images.shape[1])]
        parts = []
        with torch.no_grad():
            for rows in torch.split(torch.from_numpy(np.ascontiguousarray(images)), _ROWS):
                state = 2.0 * rows - 1.0
                for weight in layers:
                    state = leaky_relu(conv2d(state, weight, stride=2, padding=1), 0.2)
                parts.append(state.mean(dim=(2, 3)).double().numpy())
        return np.concatenate(parts)

    def digest(self, channels: int) -> str:
        """Return the hash of the weights."""
        content = b"".join(weight.tobytes() for weight in self.weights(channels))
        return hashlib.blake2b(content, digest_size=6).hexdigest()


@dataclass(frozen=True)
class FrechetDistance:
    """A Fréchet distance and what it was measured with.

    Attributes
    ----------
    distance : float
        Squared distance of the two Gaussians; 0 for equal means and covariances.
    low, high : float
        95 % interval over images, by a jackknife over ten groups.
    extractor : str
        Hash of the feature extractor: compare distances of the same hash only.
    n_features : int
        Number of features.
    n_first, n_second : int
        Number of images.
    """

    distance: float
    low: float
    high: float
    extractor: str
    n_features: int
    n_first: int
    n_second: int

    def __str__(self) -> str:
        return (
            f"Fréchet distance {self.distance:.4g} [{self.low:.4g}, {self.high:.4g}], {self.n_features} "
            f"features of extractor {self.extractor}, {self.n_first} and {self.n_second} images"
        )


def frechet_distance(first: Any, second: Any, *, extractor: Extractor | None = None) -> FrechetDistance:
    """Return the Fréchet distance of two sets of images.

    Parameters
    ----------
    first, second : array of shape (n_images, n_channels, height, width)
        Images in [0, 1], at least 20 of each.
    extractor : callable, optional
        From float32 images to features of shape (n_images, n_features): a Torch module is called with a
        tensor and may return one, anything else with an array. Default: :class:`RandomFeatures`.

    Returns
    -------
    FrechetDistance
        With the hash of the extractor: of its weights for a module, else of its answer to fixed images.

    Raises
    ------
    DataError
        For too few images, images not in [0, 1] or of different shapes, or features that are not a finite
        matrix.

    Notes
    -----
    For features with means m, n and covariances S, T: :math:`|m - n|^2 + tr(S + T - 2 (S^{1/2} T
    S^{1/2})^{1/2})`, the squared 2-Wasserstein distance of the Gaussians with these moments.

    References
    ----------
    .. [1] M. Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash
       equilibrium", NeurIPS 2017, arXiv:1706.08500, eq. 6.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.metrics import frechet_distance
    >>> images = np.random.default_rng(0).uniform(size=(64, 1, 8, 8))
    >>> same, brighter = (frechet_distance(images, x) for x in (images, 0.5 + images / 2))
    >>> abs(round(same.distance, 6)), brighter.distance > 0.1, same.extractor == brighter.extractor
    (0.0, True, True)
    """
    one, two = check_images(first, "`first`"), check_images(second, "`second`")
    if one.shape[1:] != two.shape[1:]:
        raise DataError(f"`second` must have images of shape {one.shape[1:]}, got {two.shape[1:]}")
    if min(len(one), len(two)) < 2 * _GROUPS:
        raise DataError(f"both sets must have at least {2 * _GROUPS} images, got {len(one)} and {len(two)}")
    chosen = RandomFeatures() if extractor is None else extractor
    a, b = features_of(chosen, one), features_of(chosen, two)
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)  # the distance is symmetric
    estimate = distance_estimate(longer, shorter)
    low, high = estimate.interval()
    digest = extractor_digest(chosen, one.shape[1:])
    return FrechetDistance(estimate.value, low, high, digest, a.shape[1], len(a), len(b))


def gaussian_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Return the squared 2-Wasserstein distance of Gaussians with the moments of two samples.

    Parameters
    ----------
    first, second : array of shape (n_samples, n_features)
        The samples.

    Returns
    -------
    float
        At least 0 but for rounding.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    gap = a.mean(axis=0) - b.mean(axis=0)
    S, T = np.atleast_2d(np.cov(a, rowvar=False)), np.atleast_2d(np.cov(b, rowvar=False))
    values, vectors = np.linalg.eigh(S)
    root = vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ T @ root), 0.0)).sum()
    return float(gap @ gap + np.trace(S) + np.trace(T) - 2 * cross)


def distance_estimate(first: Matrix, second: Matrix) -> Estimate:
    """Return the distance of two feature matrices, with its spread over images.

    The jackknife leaves out the same positions of both; influence values are those of the first.
    """
    last = len(second)

    def distance(rows: NDArray[np.intp]) -> list[float]:
        return [gaussian_distance(first[rows], second[rows[rows < last]])]

    return jackknife_estimates(distance, len(first), groups=_GROUPS)[0]


def features_of(extractor: Extractor, images: Matrix) -> Matrix:
    """Return the features of images as a finite float64 matrix, or raise DataError."""
    given = images.astype(np.float32)
    if hasattr(extractor, "state_dict"):
        import torch

        with torch.no_grad():
            answer = np.asarray(extractor(torch.from_numpy(given)))  # type: ignore[arg-type]
    else:
        answer = np.asarray(extractor(given))
    features = np.asarray(answer, dtype=np.float64)
    if features.ndim != 2 or len(features) != len(images) or not np.isfinite(features).all():
        raise DataError(
            f"`extractor` must return finite features of shape ({len(images)}, n_features), "
            f"got shape {features.shape}"
        )
    return features


def extractor_digest(extractor: Extractor, shape: tuple[int, ...]) -> str:
    """Return the hash of an extractor for images of one shape."""
    if isinstance(extractor, RandomFeatures):
        return extractor.digest(shape[0])
    if hasattr(extractor, "state_dict"):
        state = extractor.state_dict()
        content = b"".join(name.encode() + state[name].cpu().numpy().tobytes() for name in sorted(state))
    else:
        probe = keyed_generator(0, "extractor").random((4, *shape))
        content = np.round(features_of(extractor, probe), 4).tobytes()
    return hashlib.blake2b(content, digest_size=6).hexdigest()
