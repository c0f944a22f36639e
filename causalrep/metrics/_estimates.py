"""Means and ratios over images, each with what every image adds to its error.

An estimate carries its *influence values*: one number per image, the first-order change of
the estimate when that image gets more weight. Their spread gives the standard error (the delta
method), and because averages of estimates over nodes average the influence values image by
image, the interval of a mean over nodes knows that all nodes were asked about the same images.

The delta method was preferred to the bootstrap over images: it needs no seed, it does not depend on
the order of the images, and for a ratio of means of *paired* values it reduces to the familiar
residual formula, whose spread vanishes when error and baseline are proportional.

References
----------
.. [1] W. G. Cochran, *Sampling Techniques*, 3rd ed., Wiley, 1977, section 6.3: the variance
   of a ratio estimated from pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from causalrep.utils import DataError

__all__ = [
    "Estimate",
    "average_estimate",
    "explained_estimate",
    "jackknife_estimates",
    "mean_estimate",
    "ratio_estimate",
]


@dataclass(frozen=True, eq=False)
class Estimate:
    """A number estimated from images, with an interval.

    Attributes
    ----------
    value : float
        The estimate; NaN where it is undefined.
    influence : ndarray of shape (n_images,)
        What each image adds; zero for an image that does not count, mean zero over all.
    n : int
        Number of images that count; of groups, for an estimate by the jackknife.
    """

    value: float
    influence: NDArray[np.float64]
    n: int

    @property
    def standard_error(self) -> float:
        """Standard error over images; NaN with fewer than two of them."""
        if self.n < 2:
            return float("nan")
        spread = float(np.sqrt(np.sum(self.influence**2))) / len(self.influence)
        return spread * float(np.sqrt(self.n / (self.n - 1)))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the bounds of the two-sided interval by Student's t with n - 1 degrees of freedom.

        Parameters
        ----------
        level : float in (0, 1), default=0.95
            Share of repeated experiments whose interval should hold the truth.

        Returns
        -------
        tuple of float
            Lower and upper bound; NaN with fewer than two images.
        """
        if not 0 < level < 1:
            raise ValueError(f"`level` must be in (0, 1), got {level}")
        if self.n < 2:
            return float("nan"), float("nan")
        half = float(stdtrit(self.n - 1, (1 + level) / 2)) * self.standard_error
        return self.value - half, self.value + half


def mean_estimate(values: ArrayLike) -> Estimate:
    """Return the mean of `values` over images, leaving out those that are NaN.

    Parameters
    ----------
    values : array of shape (n_images,)
        One number per image.

    Examples
    --------
    >>> from causalrep.metrics import mean_estimate
    >>> estimate = mean_estimate([1.0, 2.0, 3.0, float("nan")])
    >>> estimate.value, estimate.n, round(estimate.standard_error, 4)
    (2.0, 3, 0.5774)
    """
    array = _vector(values, "values")
    valid = np.isfinite(array)
    n = int(valid.sum())
    if n == 0:
        return Estimate(float("nan"), np.zeros(len(array)), 0)
    mean = float(array[valid].mean())
    influence = np.where(valid, array - mean, 0.0) * (len(array) / n)
    return Estimate(mean, influence, n)


def ratio_estimate(errors: ArrayLike, baseline: ArrayLike) -> Estimate:
    """Return mean(errors) / mean(baseline) over images, pair by pair.

    Parameters
    ----------
    errors, baseline : array of shape (n_images,)
        Two numbers per image; pairs with a NaN are left out.

    Returns
    -------
    Estimate
        NaN if the mean of the baseline is zero.

    Notes
    -----
    With R the ratio and b the mean of the baseline, image i has the influence
    (errors[i] - R baseline[i]) / b, so the standard error is that of Cochran [1]_, eq. 6.13.

    References
    ----------
    .. [1] W. G. Cochran, *Sampling Techniques*, 3rd ed., Wiley, 1977, section 6.3.

    Examples
    --------
    >>> from causalrep.metrics import ratio_estimate
    >>> estimate = ratio_estimate([1.0, 2.0, 6.0], [2.0, 4.0, 12.0])
    >>> estimate.value, estimate.interval()
    (0.5, (0.5, 0.5))
    """
    numerator, denominator = _vector(errors, "errors"), _vector(baseline, "baseline")
    if numerator.shape != denominator.shape:
        raise DataError(
            "`errors` and `baseline` must hold one number per image each, "
            f"got {len(numerator)} and {len(denominator)}"
        )
    valid = np.isfinite(numerator) & np.isfinite(denominator)
    n = int(valid.sum())
    scale = float(denominator[valid].mean()) if n else 0.0
    if scale == 0.0:
        return Estimate(float("nan"), np.zeros(len(numerator)), n)
    ratio = float(numerator[valid].mean()) / scale
    residual = np.where(valid, numerator - ratio * denominator, 0.0)
    return Estimate(ratio, residual / scale * (len(numerator) / n), n)


def explained_estimate(errors: ArrayLike, deviations: ArrayLike) -> Estimate:
    """Return the share of variance explained, R2 = 1 - mean(errors**2) / mean(deviations**2).

    Parameters
    ----------
    errors, deviations : array of shape (n_images,)
        Distance of each truth from its prediction, and from the mean; pairs with a NaN are left out.
    """
    left = ratio_estimate(np.square(errors), np.square(deviations))
    return Estimate(1.0 - left.value, -left.influence, left.n)


def jackknife_estimates(
    statistics: Callable[[NDArray[np.intp]], Sequence[float]], n: int, *, groups: int = 10
) -> list[Estimate]:
    """Return statistics of images that are no means, with the spread that leaving out groups shows.

    Parameters
    ----------
    statistics : callable
        From the indices of the images that take part to some numbers.
    n : int
        Number of images.
    groups : int, default=10
        Images i with the same i modulo `groups` are left out together.

    Returns
    -------
    list of Estimate
        One per number; the standard errors are those of the delete-a-group jackknife, with `groups` - 1
        degrees of freedom.

    Notes
    -----
    With T the statistic of all and T_g without group g, the mean influence in a group is
    (groups - 1) (mean(T_g) - T_g); every image of the group gets it times the root of their number, so that
    the sum of squares is that of independent images.
    """
    values = statistics(np.arange(n))
    group = np.arange(n) % groups
    without = np.array([statistics(np.flatnonzero(group != g)) for g in range(groups)])
    influence = (groups - 1) * (without.mean(axis=0) - without)[group] * np.sqrt(n / groups)
    return [Estimate(float(value), influence[:, k], groups) for k, value in enumerate(values)]


def average_estimate(estimates: Sequence[Estimate]) -> Estimate:
    """Return the plain average of estimates that were made on the same images.

    Undefined (NaN) as soon as one of them is: an average over nodes is not an average over
    those nodes that happened to have an answer.
    """
    if not estimates:
        raise ValueError("`estimates` must hold at least one estimate, got none")
    if len({len(estimate.influence) for estimate in estimates}) > 1:
        raise DataError("`estimates` must have been made on the same images")
    return Estimate(
        float(np.mean([estimate.value for estimate in estimates])),
        np.mean([estimate.influence for estimate in estimates], axis=0),
        min(estimate.n for estimate in estimates),
    )


def _vector(values: ArrayLike, what: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise DataError(f"`{what}` must be an array of shape (n_images,), got shape {array.shape}")
    return array
