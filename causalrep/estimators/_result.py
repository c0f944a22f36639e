"""What an estimate comes with: its interval, its influence function, and what to know before believing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["EffectResult", "standard_error"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class EffectResult:
    """An estimated effect, or several of them.

    Parameters
    ----------
    estimate : float or array of shape (n_effects,)
        The estimate.
    se : float or array of shape (n_effects,)
        Its standard error.
    ci : tuple of float or array of shape (n_effects, 2)
        The limits of the interval.
    influence : array of shape (n,) or (n, n_effects)
        The estimated influence function at each row: it has mean zero, and its standard deviation over the
        root of n is the standard error, where rows are independent and cross-fitting is not repeated. The
        influence of a difference of two estimates from the same rows is the difference of theirs.
    n : int
        Number of rows.
    method : str
        What was computed.
    warnings : tuple of str, default=()
        What speaks against believing it.
    names : tuple of str, default=()
        Names of the effects, where there are several.
    """

    estimate: Any
    se: Any
    ci: Any
    influence: Array = field(repr=False)
    n: int
    method: str
    warnings: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def pvalue(self) -> Any:
        """Two-sided p-value of no effect, by the normal approximation."""
        with np.errstate(divide="ignore", invalid="ignore"):
            p = 2 * stats.norm.sf(np.abs(np.asarray(self.estimate) / np.asarray(self.se)))
        return float(p) if np.ndim(p) == 0 else p

    def to_frame(self) -> Any:
        """Return the effects as a table.

        Returns
        -------
        pandas.DataFrame
            One row for each effect, with the columns estimate, se, low, high and pvalue.
        """
        import pandas as pd

        limits = np.reshape(np.asarray(self.ci, dtype=float), (-1, 2))
        columns = {"estimate": self.estimate, "se": self.se, "low": limits[:, 0], "high": limits[:, 1]}
        columns["pvalue"] = self.pvalue
        index = list(self.names) or None
        return pd.DataFrame({name: np.atleast_1d(values) for name, values in columns.items()}, index=index)

    def __str__(self) -> str:
        estimates, ses = np.atleast_1d(self.estimate), np.atleast_1d(self.se)
        limits = np.reshape(np.asarray(self.ci, dtype=float), (-1, 2))
        names = self.names or tuple("" for _ in estimates)
        width = max((len(name) for name in names), default=0)
        lines = [
            f"{name:{width}s}{' ' if width else ''}{b:.4g} (se {s:.4g}, interval {low:.4g} to {high:.4g})"
            for name, b, s, (low, high) in zip(names, estimates, ses, limits, strict=True)
        ]
        head = f"{self.method}, n = {self.n}: "
        body = lines[0] if len(lines) == 1 else "\n  ".join(["", *lines])
        return head + body + "".join(f"\n  ! {text}" for text in self.warnings)


def standard_error(influence: Array, cluster: NDArray[np.intp] | None = None) -> Array:
    """Return the standard error of a mean with this influence function, column by column.

    Rows of one cluster may depend on each other: their influences are added up first.
    """
    n = len(influence)
    if cluster is None:
        return np.asarray(np.std(influence, axis=0, ddof=1) / np.sqrt(n))
    n_clusters = int(cluster.max()) + 1
    sums = np.zeros((n_clusters, *influence.shape[1:]))
    np.add.at(sums, cluster, influence)
    sums -= sums.mean(axis=0)
    return np.asarray(np.sqrt((sums**2).sum(axis=0) * n_clusters / (n_clusters - 1)) / n)


def limits(estimate: Any, se: Any, alpha: float) -> Any:
    """Return the normal interval: a pair of floats, or an array of shape (n_effects, 2)."""
    half = stats.norm.isf(alpha / 2) * np.asarray(se)
    low, high = np.asarray(estimate) - half, np.asarray(estimate) + half
    return (float(low), float(high)) if np.ndim(low) == 0 else np.stack([low, high], axis=-1)
