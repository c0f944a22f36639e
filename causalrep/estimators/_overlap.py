"""Overlap: whether both arms occur everywhere, said before any number is."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causalrep.utils import DataError, PositivityWarning

__all__ = ["Overlap", "OverlapWarning", "effective_size", "overlap_of", "standardised_differences"]

Array = NDArray[np.float64]

_LEAST_SHARE = 0.1
_LARGEST_WEIGHT = 0.05


class OverlapWarning(PositivityWarning):
    """Some rows are almost sure to be treated, or not to be."""


@dataclass(frozen=True)
class Overlap:
    """How comparable the arms are.

    Parameters
    ----------
    n_clipped : int
        Rows whose propensity was moved to `min_propensity`.
    min_propensity : float
        The limit; 1 less it is the other one.
    lowest, highest : float
        Range of the propensities before that.
    effective_size : tuple of float
        Number of independent rows that the weighted control and treated rows are worth.
    largest_weight : float
        Share of the largest weight in the sum of the weights of its arm.
    difference_before, difference_after : array of shape (n_covariates,)
        Standardised mean differences without and with weights; above 0.1 the arms differ.
    """

    n_clipped: int
    min_propensity: float
    lowest: float
    highest: float
    effective_size: tuple[float, float]
    largest_weight: float
    difference_before: Array
    difference_after: Array
    _messages: tuple[str, ...] = ()

    @property
    def messages(self) -> tuple[str, ...]:
        """What there is to warn of."""
        return self._messages


def effective_size(weight: Array) -> float:
    """Return the effective sample size of weighted rows: (sum w)^2 / sum w^2."""
    square = float(np.sum(weight**2))
    return float(np.sum(weight)) ** 2 / square if square > 0 else 0.0


def standardised_differences(W: Array, t: Array, weight: Array) -> Array:
    """Return the differences of weighted means over the pooled standard deviation without weights."""
    if W.shape[1] == 0:
        return np.zeros(0)
    treated, control = t == 1, t == 0
    spread = np.sqrt((np.nanvar(W[treated], axis=0) + np.nanvar(W[control], axis=0)) / 2)
    filled = np.where(np.isfinite(W), W, np.nanmean(np.where(np.isfinite(W), W, np.nan), axis=0))
    means = [np.average(filled[arm], axis=0, weights=weight[arm]) for arm in (treated, control)]
    return np.asarray(np.divide(means[0] - means[1], spread, out=np.zeros(W.shape[1]), where=spread > 0))


def overlap_of(raw: Array, t: Array, W: Array, weight: Array, min_propensity: float) -> tuple[Array, Overlap]:
    """Return propensities within the limits, with diagnostics; warn where the arms hardly overlap."""
    if not 0 < min_propensity < 0.5:
        raise DataError(f"`min_propensity` must be in (0, 0.5), got {min_propensity}")
    e = np.clip(raw, min_propensity, 1 - min_propensity)
    n_clipped = int(np.sum(e != raw))
    inverse = weight * np.where(t == 1, 1 / e, 1 / (1 - e))
    arms = (inverse[t == 0], inverse[t == 1])
    sizes = (effective_size(arms[0]), effective_size(arms[1]))
    shares = [float(w.max() / w.sum()) for w in arms]
    messages = []
    if n_clipped:
        messages.append(
            f"{n_clipped} of {len(t)} propensities are outside [{min_propensity}, {1 - min_propensity}] and "
            f"were moved there; the weighted arms are worth {sizes[0]:.1f} (control) and {sizes[1]:.1f} "
            "(treated) rows. The effect for them rests on the outcome model alone; `ato()` leaves them out"
        )
    for name, w, size, share in zip(("control", "treated"), arms, sizes, shares, strict=True):
        if size < _LEAST_SHARE * len(w) or share > max(_LARGEST_WEIGHT, 20 / len(w)):
            messages.append(
                f"the {len(w)} {name} rows are worth {size:.1f} when weighted, and one of them carries "
                f"{share:.0%} of the weight"
            )
    for text in messages:
        warnings.warn(OverlapWarning(text), stacklevel=4)
    return e, Overlap(
        n_clipped=n_clipped,
        min_propensity=min_propensity,
        lowest=float(raw.min()),
        highest=float(raw.max()),
        effective_size=sizes,
        largest_weight=max(shares),
        difference_before=standardised_differences(W, t, weight),
        difference_after=standardised_differences(W, t, inverse),
        _messages=tuple(messages),
    )
