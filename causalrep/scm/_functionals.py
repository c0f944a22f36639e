"""Functionals of a sample in replicates: estimates whose mean is the estimate and whose spread its error.

Draws are dealt to groups in turn. For a mean, a replicate is the mean of a group; for other functionals it
is a pseudo-value of the jackknife that leaves one group out, moved so that the replicates' mean is the
functional of all draws (Miller, "The jackknife: a review", Biometrika 1974).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causalrep.scm._shapley import Floats
from causalrep.utils import DataError

__all__ = ["GROUPS", "Functional", "as_functional", "grouped", "in_groups", "means", "pseudo_values"]

GROUPS = 20

Functional: TypeAlias = Callable[[NDArray[Any]], Floats]
"""Values of shape (k, n), n a multiple of `GROUPS`, in; replicates of shape (GROUPS, k) out."""


def in_groups(n_samples: int) -> int:
    """Return the number of draws, rounded up to a multiple of the number of groups."""
    if isinstance(n_samples, bool) or not isinstance(n_samples, (int, np.integer)) or n_samples < 2 * GROUPS:
        raise DataError(f"`n_samples` must be an integer of at least {2 * GROUPS}, got {n_samples!r}")
    return -(-int(n_samples) // GROUPS) * GROUPS


def grouped(values: NDArray[Any]) -> NDArray[Any]:
    """Return the draws dealt to groups: (..., n) becomes (..., n / GROUPS, GROUPS)."""
    return values.reshape(*values.shape[:-1], -1, GROUPS)


def means(values: NDArray[Any]) -> Floats:
    """Return the means of groups, (GROUPS, ...)."""
    return np.asarray(np.moveaxis(grouped(values).mean(axis=-2), -1, 0), dtype=np.float64)


def pseudo_values(whole: ArrayLike, without: Floats) -> Floats:
    """Return replicates from the functional of all draws, (...), and without each group, (GROUPS, ...)."""
    pseudo = GROUPS * np.asarray(whole) - (GROUPS - 1) * without
    return np.asarray(pseudo - pseudo.mean(axis=0) + whole)


def as_functional(functional: str | float | Callable[..., float], reference: NDArray[Any]) -> Functional:
    """Return the functional that a user names; `reference` are the draws that divergences compare with."""
    if callable(functional):
        return _of_callable(functional)
    if functional == "kl":
        return _Divergence(reference)
    if functional in ("mean", "variance", "median") or isinstance(functional, float):
        if reference.dtype.kind not in "biuf":
            raise DataError(
                f"the functional {functional!r} needs numbers, got values of dtype {reference.dtype}"
            )
        if functional == "mean":
            return means
        if functional == "variance":
            return _variances
        level = 0.5 if functional == "median" else float(functional)
        if 0 < level < 1:
            return lambda values: _quantiles(values, level)
    raise DataError(
        "`functional` must be 'mean', 'variance', 'median', 'kl', the level of a quantile in (0, 1), or a "
        f"function of an array, got {functional!r}"
    )


def _variances(values: NDArray[Any]) -> Floats:
    away = values - values.mean(axis=-1, keepdims=True)
    first, second = means(away), means(away**2)
    rest = (second.sum(axis=0) - second) / (GROUPS - 1) - ((first.sum(axis=0) - first) / (GROUPS - 1)) ** 2
    return pseudo_values(second.mean(axis=0), rest)


def _quantiles(values: NDArray[Any], level: float) -> Floats:
    """Return replicates of a quantile by its influence function, (level - 1[y <= q]) / density(q)."""
    width = min(level, 1 - level, values.shape[-1] ** -0.5)
    low, quantile, high = np.quantile(values, [level - width, level, level + width], axis=-1)
    slope = (high - low) / (2 * width)
    influence = -means(values <= quantile[..., None]) * slope
    return np.asarray(influence - influence.mean(axis=0) + quantile)


def _of_callable(function: Callable[..., float]) -> Functional:
    def replicates(values: NDArray[Any]) -> Floats:
        whole = np.array([float(function(row)) for row in values])
        kept = np.arange(values.shape[-1]) % GROUPS
        without = [[float(function(row[kept != g])) for row in values] for g in range(GROUPS)]
        return pseudo_values(whole, np.array(without))

    return replicates


class _Divergence:
    """Kullback-Leibler divergence of the values from the reference, on states or on bins of equal mass."""

    def __init__(self, reference: NDArray[Any]) -> None:
        self.cells: NDArray[Any] | None = None
        if reference.dtype.kind == "f":
            n_bins = max(2, int(2 * reference.size ** (1 / 3)))
            inner = np.quantile(reference, np.arange(1, n_bins) / n_bins)
            self.edges = np.unique(inner)
            self.n_cells = len(self.edges) + 1
        else:
            self.cells = np.unique(reference)
            self.n_cells = len(self.cells) + 1  # one for states that the reference does not have
        counts = self._counts(reference[None]).sum(axis=0)[0]
        self.reference = self._smooth(counts)

    def __call__(self, values: NDArray[Any]) -> Floats:
        counts = self._counts(values)
        whole = counts.sum(axis=0)
        return pseudo_values(self._divergence(whole), self._divergence(whole - counts))

    def _divergence(self, counts: Floats) -> Floats:
        found = self._smooth(counts)
        return np.asarray((found * np.log(found / self.reference)).sum(axis=-1))

    def _smooth(self, counts: Floats) -> Floats:
        return np.asarray((counts + 0.5) / (counts + 0.5).sum(axis=-1, keepdims=True))

    def _counts(self, values: NDArray[Any]) -> Floats:
        """Return the counts of cells in each group, (GROUPS, k, n_cells)."""
        if self.cells is None:
            code = np.searchsorted(self.edges, values, side="right")
        else:
            code = np.minimum(np.searchsorted(self.cells, values), len(self.cells) - 1)
            code = np.where(self.cells[code] == values, code, len(self.cells))
        k, n = values.shape
        group = np.arange(n) % GROUPS
        flat = (group * k + np.arange(k)[:, None]) * self.n_cells + code
        counts = np.bincount(flat.ravel(), minlength=GROUPS * k * self.n_cells)
        return counts.reshape(GROUPS, k, self.n_cells).astype(np.float64)
