"""Overlap: whether both arms occur everywhere, said before any number is."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.utils import DataError, PositivityWarning

__all__ = [
    "Balance",
    "Overlap",
    "OverlapWarning",
    "balance_of",
    "crump_alpha",
    "described",
    "effective_size",
    "overlap_of",
    "standardised_differences",
    "within",
]

Array = NDArray[np.float64]

_LEAST_SHARE = 0.1
_LARGEST_WEIGHT = 0.05


class OverlapWarning(PositivityWarning):
    """Some rows are almost sure to be treated, or not to be."""


@dataclass(frozen=True, kw_only=True)
class Balance:
    """How comparable the weighted arms are.

    Parameters
    ----------
    effective_size : tuple of float
        Number of independent rows that the weighted control and treated rows are worth.
    largest_weight : float
        Share of the largest weight in the sum of the weights of its arm.
    difference_before, difference_after : array of shape (n_covariates,)
        Standardised mean differences without and with weights; above 0.1 the arms differ.
    names : tuple of hashable
        Names of the covariates.
    treated : array of shape (n,), bool
        Who was treated.
    weight : array of shape (n,)
        Weights of the rows.
    messages : tuple of str
        What there is to warn of.
    """

    effective_size: tuple[float, float]
    largest_weight: float
    difference_before: Array
    difference_after: Array
    names: tuple[Hashable, ...] = field(repr=False)
    treated: NDArray[np.bool_] = field(repr=False)
    weight: Array = field(repr=False)
    messages: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True)
class Overlap(Balance):
    """How comparable the arms are, by the probability of treatment given the covariates.

    Parameters
    ----------
    effective_size : tuple of float
        Number of independent rows that the weighted control and treated rows are worth.
    largest_weight : float
        Share of the largest weight in the sum of the weights of its arm.
    difference_before, difference_after : array of shape (n_covariates,)
        Standardised mean differences without and with weights; above 0.1 the arms differ.
    names : tuple of hashable
        Names of the covariates.
    treated : array of shape (n,), bool
        Who was treated.
    weight : array of shape (n,)
        Weights of the rows: the inverse of the probability of the arm that they are in.
    messages : tuple of str
        What there is to warn of.
    n_clipped : int
        Rows whose propensity was moved to `min_propensity`.
    min_propensity : float
        The limit; 1 less it is the other one.
    lowest, highest : float
        Range of the propensities before that.
    propensity : array of shape (n,)
        The propensities before that.
    crump_alpha : float
        The average effect is estimated most precisely on the rows with propensities between this and 1
        less this (Crump et al., "Dealing with limited overlap in estimation of average treatment effects",
        Biometrika 96, 2009, equation 7).
    share_trimmed : float
        Share of the rows that are outside of these limits.
    """

    n_clipped: int
    min_propensity: float
    lowest: float
    highest: float
    propensity: Array = field(repr=False)
    crump_alpha: float
    share_trimmed: float


def effective_size(weight: Array) -> float:
    """Return the effective sample size of weighted rows: (sum w)^2 / sum w^2."""
    square = float(np.sum(weight**2))
    return float(np.sum(weight)) ** 2 / square if square > 0 else 0.0


def standardised_differences(W: Array, t: Array, *weights: Array) -> list[Array]:
    """Return the differences of means, for each weighting, over the pooled standard deviation without any."""
    if W.shape[1] == 0:
        return [np.zeros(0) for _ in weights]
    treated, control = np.flatnonzero(t == 1), np.flatnonzero(t == 0)
    missing = np.isnan(W).any()
    variance: Any = np.nanvar if missing else np.var
    filled = np.where(np.isnan(W), np.nanmean(W, axis=0), W) if missing else W
    spread = np.sqrt((variance(W[treated], axis=0) + variance(W[control], axis=0)) / 2)
    found = []
    for weight in weights:
        means = [weight[arm] @ filled[arm] / weight[arm].sum() for arm in (treated, control)]
        gap = np.divide(means[0] - means[1], spread, out=np.zeros(W.shape[1]), where=spread > 0)
        found.append(np.asarray(gap))
    return found


def balance_of(
    weight: Array, base: Array, t: Array, W: Array, names: tuple[Hashable, ...] = ()
) -> dict[str, Any]:
    """Return the fields of `Balance` of rows with these weights, and `base` weights before."""
    arms = weight[t == 0], weight[t == 1]
    sizes = (effective_size(arms[0]), effective_size(arms[1]))
    shares = [float(w.max() / w.sum()) for w in arms]
    messages = []
    for name, w, size, share in zip(("control", "treated"), arms, sizes, shares, strict=True):
        if size < _LEAST_SHARE * len(w) or share > max(_LARGEST_WEIGHT, 20 / len(w)):
            messages.append(
                f"the {len(w)} {name} rows are worth {size:.1f} when weighted, and one of them carries "
                f"{share:.0%} of the weight"
            )
    before, after = standardised_differences(W, t, base, weight)
    return {
        "effective_size": sizes,
        "largest_weight": max(shares),
        "difference_before": before,
        "difference_after": after,
        "names": names or tuple(range(W.shape[1])),
        "treated": t == 1,
        "weight": weight,
        "messages": tuple(messages),
    }


def crump_alpha(e: Array) -> float:
    """Return the limit of the propensities within which the average effect is estimated most precisely."""
    spread = np.sort(1 / np.clip(e * (1 - e), 1e-12, None))
    doubled = 2 * np.cumsum(spread) / np.arange(1, len(spread) + 1)
    if spread[-1] <= doubled[-1]:
        return 0.0
    first = int(np.argmax((spread[:-1] <= doubled[:-1]) & (doubled[:-1] < spread[1:])))
    return float(0.5 - np.sqrt(max(0.25 - 1 / doubled[first], 0.0)))


def overlap_of(
    raw: Array, t: Array, W: Array, weight: Array, min_propensity: float, names: tuple[Hashable, ...] = ()
) -> tuple[Array, Overlap]:
    """Return propensities within the limits, with diagnostics; warn where the arms hardly overlap."""
    e = within(raw, min_propensity)
    inverse = np.where(t == 1, 1 / e, 1 / (1 - e))
    return e, described(raw, t, W, weight, inverse, min_propensity, int(np.sum(e != raw)), names)


def within(raw: Array, min_propensity: float) -> Array:
    """Return propensities moved into the limits."""
    if not 0 < min_propensity < 0.5:
        raise DataError(f"`min_propensity` must be in (0, 0.5), got {min_propensity}")
    return np.clip(raw, min_propensity, 1 - min_propensity)


def described(
    raw: Array,
    t: Array,
    W: Array,
    weight: Array,
    inverse: Array,
    min_propensity: float,
    n_clipped: int,
    names: tuple[Hashable, ...],
) -> Overlap:
    """Return the diagnostics of two arms weighted by `inverse`, and warn where they hardly overlap."""
    fields = balance_of(weight * inverse, weight, t, W, names)
    if n_clipped:
        control, treated = fields["effective_size"]
        clipped = (
            f"{n_clipped} of {len(t)} propensities are outside [{min_propensity}, {1 - min_propensity}] and "
            f"were moved there; the weighted arms are worth {control:.1f} (control) and {treated:.1f} "
            "(treated) rows. The effect for them rests on the outcome model alone; `ato()` leaves them out"
        )
        fields["messages"] = (clipped, *fields["messages"])
    for text in fields["messages"]:
        warnings.warn(OverlapWarning(text), stacklevel=5)
    alpha = crump_alpha(raw)
    return Overlap(
        n_clipped=n_clipped,
        min_propensity=min_propensity,
        lowest=float(raw.min()),
        highest=float(raw.max()),
        propensity=raw,
        crump_alpha=alpha,
        share_trimmed=float(np.average((raw < alpha) | (raw > 1 - alpha), weights=weight)),
        **fields,
    )
