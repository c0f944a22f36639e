"""Errors of counterfactual images, apart for what should change and what should not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from causalrep.metrics._estimates import Estimate, ratio_estimate
from causalrep.utils import DataError

__all__ = ["CHANGE_THRESHOLD", "ImageErrors", "Region", "image_errors"]

Region: TypeAlias = Literal["whole", "changed", "unchanged"]

GREY_LEVELS = 255.0
CHANGE_THRESHOLD = 0.025
"""A pixel counts as changed beyond this difference of [0, 1] images: 6.4 grey levels of 255."""


@dataclass(frozen=True, eq=False)
class ImageErrors:
    """Mean absolute errors per image, in grey levels of 255.

    NaN marks an image whose region is empty: a counterfactual that equals its factual image
    has no changed pixel.

    Attributes
    ----------
    whole, changed, unchanged : ndarray of shape (n_images,)
        Error of the prediction over all pixels, over those that the intervention truly
        changes, and over the others (where any error is lost identity).
    copy_whole, copy_changed, copy_unchanged : ndarray of shape (n_images,)
        The same for a prediction that copies the factual image: the baseline "do nothing".
    """

    whole: NDArray[np.float64]
    changed: NDArray[np.float64]
    unchanged: NDArray[np.float64]
    copy_whole: NDArray[np.float64]
    copy_changed: NDArray[np.float64]
    copy_unchanged: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.whole)

    def error(self, region: Region) -> NDArray[np.float64]:
        """Return the errors of the prediction in one region, one per image."""
        return {"whole": self.whole, "changed": self.changed, "unchanged": self.unchanged}[region]

    def ratio(self, region: Region = "whole") -> Estimate:
        """Return mean error over mean error of copying, with its interval.

        Below 1 the prediction is nearer to the truth than the factual image is. In the
        unchanged region the ratio says little: copying is right there up to the threshold.
        """
        baseline = {"whole": self.copy_whole, "changed": self.copy_changed, "unchanged": self.copy_unchanged}
        return ratio_estimate(self.error(region), baseline[region])


def image_errors(
    prediction: Any, truth: Any, factual: Any, *, threshold: float = CHANGE_THRESHOLD
) -> ImageErrors:
    """Return how far predicted counterfactual images are from the true ones, image by image.

    Parameters
    ----------
    prediction, truth, factual : array of shape (n_images, n_channels, height, width)
        Predicted and true counterfactual images and the images they start from, all in [0, 1].
    threshold : float in [0, 1), default=0.025
        A pixel is *changed* if truth and factual image differ by more than this in any channel.
        In units of the [0, 1] images: the default is the 0.05 that is customary for images in
        [-1, 1], that is 6.4 grey levels of 255.

    Returns
    -------
    ImageErrors
        Six arrays of shape (n_images,): the mean over pixels and channels of the absolute
        difference, times 255.

    Raises
    ------
    DataError
        For images that are not floating-point, not finite, outside [0, 1], not of four
        dimensions, or of different shapes.

    Examples
    --------
    A prediction that brightens everything by 51 grey levels, where the truth only moves one of
    four pixels:

    >>> import numpy as np
    >>> from causalrep.metrics import image_errors
    >>> factual = np.zeros((1, 1, 2, 2))
    >>> truth = factual.copy()
    >>> truth[0, 0, 0, 0] = 1.0
    >>> errors = image_errors(factual + 0.2, truth, factual)
    >>> errors.changed.round(6), errors.unchanged.round(6), errors.copy_whole
    (array([204.]), array([51.]), array([63.75]))
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"`threshold` must be in [0, 1), got {threshold}")
    start = check_images(factual, "`factual`")
    target = check_images(truth, "`truth`", shape=start.shape)
    guess = check_images(prediction, "`prediction`", shape=start.shape)
    change = np.abs(start - target)
    mask: NDArray[np.bool_] = np.any(change > threshold, axis=1)
    return ImageErrors(
        *_by_region(np.abs(guess - target).mean(axis=1), mask), *_by_region(change.mean(axis=1), mask)
    )


def check_images(images: Any, what: str, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """Return `images` as float64 of shape (n, C, H, W), or raise DataError saying what is wrong."""
    given = np.asarray(images)
    if given.ndim != 4 or given.size == 0:
        raise DataError(f"{what} must be images of shape (n, C, H, W), got shape {given.shape}")
    if shape is not None and given.shape != shape:
        raise DataError(f"{what} must have the shape {shape} of the factual images, got {given.shape}")
    if not np.issubdtype(given.dtype, np.floating):
        raise DataError(f"{what} must be floating-point images in [0, 1], got dtype {given.dtype}")
    array: NDArray[np.float64] = np.asarray(given, dtype=np.float64)
    bad = ~np.isfinite(array).all(axis=(1, 2, 3))
    if bad.any():
        raise DataError(f"{what} must be finite, got NaN or infinity in image {int(np.argmax(bad))}")
    low, high = float(array.min()), float(array.max())
    if low < -1e-6 or high > 1 + 1e-6:  # what float32 arithmetic may leave of a clip
        raise DataError(f"{what} must be in [0, 1], got values from {low:g} to {high:g}")
    return array


def _by_region(error: NDArray[np.float64], mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], ...]:
    """Return the mean over all, masked and other pixels of `error` (n, H, W), in grey levels."""
    error = error * GREY_LEVELS
    return error.mean(axis=(1, 2)), _masked_mean(error, mask), _masked_mean(error, ~mask)


def _masked_mean(error: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    count = mask.sum(axis=(1, 2))
    total = (error * mask).sum(axis=(1, 2))
    mean = np.full(len(error), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean
