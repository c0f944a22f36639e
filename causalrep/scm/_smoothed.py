"""A law estimated from values: a kernel density on a grid, with exponential tails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causalrep.scm._distributions import Distribution, Normal
from causalrep.utils import DataError

__all__ = ["Smoothed", "noise_law"]

Floats = NDArray[np.float64]

_CELLS = 400
_TAIL = 0.002


@dataclass(frozen=True, eq=False)
class Smoothed(Distribution):
    """A piecewise uniform density with exponential tails, as `of` estimates it from values.

    Unlike `Empirical` it has a density everywhere, so that rows never seen before have a finite
    likelihood; unlike a kernel sum its cost does not grow with the number of values.

    Parameters
    ----------
    edges : array of shape (m + 1,)
        Ends of the cells, increasing.
    weights : array of shape (m + 2,)
        Probabilities of the left tail, the cells and the right tail, summing to one.
    scales : tuple of (float, float)
        Mean lengths of the left and the right tail.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.scm import Smoothed
    >>> law = Smoothed.of(np.random.default_rng(0).normal(2.0, 1.0, 5000))
    >>> round(law.mean, 1), float(law.cdf(2.0).round(1)), bool(abs(law.log_prob([2.0])[0] + 0.92) < 0.1)
    (2.0, 0.5, True)
    """

    edges: Floats
    weights: Floats
    scales: tuple[float, float]

    def __post_init__(self) -> None:
        edges, weights = np.asarray(self.edges, np.float64), np.asarray(self.weights, np.float64)
        proper = edges.ndim == 1 and len(edges) > 1 and bool((np.diff(edges) > 0).all())
        if not proper or weights.shape != (len(edges) + 1,) or min(self.scales) <= 0:
            raise ValueError("Smoothed needs m + 1 increasing edges, m + 2 weights and positive scales")
        if not bool((weights >= 0).all()) or abs(weights.sum() - 1) > 1e-6:
            raise ValueError(f"Smoothed needs non-negative weights that sum to 1, got sum {weights.sum()}")
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "weights", weights / weights.sum())

    @classmethod
    def of(cls, values: ArrayLike) -> Smoothed:
        """Return the estimate from values, with mean and variance as theirs.

        Parameters
        ----------
        values : array of shape (n,)
            At least two different, finite numbers.

        Returns
        -------
        Smoothed
            Gaussian kernels with the bandwidth of Silverman (1986, equation 3.31) on 400 cells between the
            quantiles of 0.2 and 99.8 per cent, exponential tails beyond; shrunk about the mean, because
            kernels add to the variance.

        Raises
        ------
        DataError
            If the values are not finite or all the same.

        References
        ----------
        B. W. Silverman, *Density Estimation for Statistics and Data Analysis*, Chapman and Hall, 1986.
        """
        values = np.sort(np.asarray(values, dtype=np.float64))
        if values.ndim != 1 or not np.isfinite(values).all() or len(values) < 2 or values[0] == values[-1]:
            raise DataError("a density needs finite values, two of them different")
        spread = min(values.std(), float(np.subtract(*np.quantile(values, [0.75, 0.25]))) / 1.349 or math.inf)
        width = 0.9 * spread * len(values) ** -0.2
        low, high = np.quantile(values, [_TAIL, 1 - _TAIL]) + np.array([-width, width])
        edges = np.linspace(low, high, _CELLS + 1)
        counts, _ = np.histogram(values, bins=edges)
        cells = _blurred(counts.astype(np.float64), width / (edges[1] - edges[0]))
        below, above = values[values < low], values[values > high]
        tails = [len(part) / len(values) + _TAIL / 2 for part in (below, above)]
        scales = (
            float(np.sum(low - below) + width) / (len(below) + 1),
            float(np.sum(above - high) + width) / (len(above) + 1),
        )
        weights = np.concatenate([tails[:1], cells * (1 - sum(tails)) / cells.sum(), tails[1:]])
        rough = cls(edges, weights, scales)
        return rough._fitted_to(float(values.mean()), float(values.std()))

    def _fitted_to(self, mean: float, deviation: float) -> Smoothed:
        factor = deviation / math.sqrt(self.variance)
        edges = mean + (self.edges - self.mean) * factor
        return Smoothed(edges, self.weights, (self.scales[0] * factor, self.scales[1] * factor))

    def __repr__(self) -> str:
        return f"Smoothed(mean {self.mean:.3g}, deviation {math.sqrt(self.variance):.3g})"

    @cached_property
    def mean(self) -> float:
        """Expected value."""
        return float(self._centres @ self.weights)

    @cached_property
    def variance(self) -> float:
        """Variance: between the cells and tails, and within them."""
        within = np.concatenate([[self.scales[0] ** 2], np.diff(self.edges) ** 2 / 12, [self.scales[1] ** 2]])
        return float(((self._centres - self.mean) ** 2 + within) @ self.weights)

    @property
    def _centres(self) -> Floats:
        inner = (self.edges[1:] + self.edges[:-1]) / 2
        return np.concatenate([[self.edges[0] - self.scales[0]], inner, [self.edges[-1] + self.scales[1]]])

    @cached_property
    def _cumulative(self) -> Floats:
        return np.cumsum(self.weights[:-1])  # at the edges

    def log_prob(self, value: ArrayLike) -> Floats:
        """Return the log density of each value, shape (n,)."""
        x = np.asarray(value, dtype=np.float64)
        at = np.searchsorted(self.edges, x, "right")
        heights = np.concatenate([[1.0], self.weights[1:-1] / np.diff(self.edges), [1.0]])
        with np.errstate(divide="ignore"):
            log = np.log(heights)[at]
            left, right = (
                math.log(w / s) if w else -math.inf
                for w, s in zip(self.weights[[0, -1]], self.scales, strict=True)
            )
        log = np.where(at == 0, left - np.maximum(self.edges[0] - x, 0) / self.scales[0], log)
        beyond = np.maximum(x - self.edges[-1], 0) / self.scales[1]
        density: Floats = np.where(at == len(self.edges), right - beyond, log)
        return density

    def cdf(self, value: ArrayLike) -> Floats:
        """Return the probability of at most each value, shape (n,)."""
        x = np.asarray(value, dtype=np.float64)
        inside = np.interp(x, self.edges, self._cumulative)
        below = self.weights[0] * np.exp(np.minimum(x - self.edges[0], 0) / self.scales[0])
        above = self.weights[-1] * np.exp(np.minimum(self.edges[-1] - x, 0) / self.scales[1])
        return np.where(x < self.edges[0], below, np.where(x > self.edges[-1], 1 - above, inside))

    def ppf(self, probability: ArrayLike) -> Floats:
        """Return the quantiles, shape (n,)."""
        p = np.asarray(probability, dtype=np.float64)
        value: Floats = np.interp(p, self._cumulative, self.edges)
        with np.errstate(divide="ignore"):
            for side, tail in ((p < self._cumulative[0], 0), (p > self._cumulative[-1], -1)):
                if side.any():
                    part = (p if tail == 0 else 1 - p)[side] / self.weights[tail]
                    reach = self.scales[tail] * np.log(part)
                    value[side] = self.edges[tail] + (reach if tail == 0 else -reach)
        return value

    def sample(self, n: int, generator: np.random.Generator) -> NDArray[Any]:
        """Return draws of shape (n,), by the method of aliases: no search for the cell (Walker 1977).

        One uniform number gives a column, and its fraction one of the column's two parts and the place in it.

        References
        ----------
        A. J. Walker, "An efficient method for generating discrete random variables with general
        distributions", ACM TOMS 3(3), 1977. M. D. Vose, "A linear algorithm for generating random numbers
        with a given distribution", IEEE TSE 17(9), 1991.
        """
        threshold, start, slope, tail = self._aliases
        u = generator.random(n) * len(threshold)
        part = u.astype(np.intp)
        u -= part
        np.add(2 * part, u >= threshold.take(part), out=part)
        value: Floats = start.take(part) + slope.take(part) * u
        far = np.flatnonzero(tail.take(part))
        if len(far):  # there the place is a probability
            side = tail[part[far]]
            reach = np.log1p(-value[far]) * np.take(self.scales, (side > 0).astype(np.intp))
            value[far] = np.where(side > 0, self.edges[-1] - reach, self.edges[0] + reach)
        return value

    @cached_property
    def _aliases(self) -> tuple[Floats, Floats, Floats, NDArray[np.int8]]:
        """Return thresholds of the columns; start and slope in the fraction, and the tail, of their parts."""
        m = len(self.weights)
        threshold, alias = _alias_table(self.weights)
        cells = np.stack([np.arange(m), alias], axis=1).ravel()
        share = np.stack([threshold, 1 - threshold], axis=1).ravel()
        begin = np.stack([np.zeros(m), threshold], axis=1).ravel()
        low = np.concatenate([[0.0], self.edges[:-1], [0.0]])[cells]
        width = np.concatenate([[1.0], np.diff(self.edges), [1.0]])[cells]
        slope = np.divide(width, share, out=np.zeros(2 * m), where=share > 0)
        tail = np.concatenate([[-1], np.zeros(m - 2), [1]]).astype(np.int8)[cells]
        return threshold, low - slope * begin, slope, tail


def _alias_table(weights: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return how much of each of m equal columns its own cell fills, and which cell the rest (Vose 1991)."""
    left = weights * len(weights)
    alias = np.arange(len(weights))
    threshold = np.ones(len(weights))
    small, large = (list(np.flatnonzero(side)) for side in (left < 1, left >= 1))
    while small and large:
        giver, taker = large[-1], small.pop()
        threshold[taker], alias[taker] = left[taker], giver
        left[giver] -= 1 - left[taker]
        if left[giver] < 1:
            small.append(large.pop())
    return threshold, alias  # what is left over is full up to rounding


def _blurred(counts: Floats, width: float) -> Floats:
    """Return counts smoothed by a Gaussian kernel of `width` cells, reflected at both ends."""
    reach = min(int(4 * width) + 1, len(counts) - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(width, 1e-3)) ** 2)
    padded = np.concatenate([counts[reach:0:-1], counts, counts[-2 : -reach - 2 : -1]])
    blurred: Floats = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    blurred += 1e-9 * counts.sum() / len(counts)
    return blurred


def noise_law(values: Floats, folds: Sequence[NDArray[np.intp]]) -> tuple[Distribution, Floats]:
    """Return the law of residuals, and the log density of each under the law of the other folds.

    A normal law is kept unless the smoothed density is better by more than one standard error out of fold.
    """
    scores = np.empty((2, len(values)))
    for rows in folds:
        rest = np.delete(values, rows)
        for i, make in enumerate((_normal, Smoothed.of)):
            scores[i, rows] = make(rest).log_prob(values[rows])
    gain = scores[1] - scores[0]
    if gain.mean() > gain.std() / math.sqrt(len(gain)):
        return Smoothed.of(values), scores[1]
    return _normal(values), scores[0]


def _normal(values: Floats) -> Normal:
    return Normal(float(values.mean()), float(values.std()))
