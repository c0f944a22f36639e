"""What an attribution is: shares of a number, with standard errors."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._estimate import Estimate
from causalrep.scm._shapley import Shares
from causalrep.utils import Columns, UnknownNameError, frame_like

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Attribution"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much of a number each cause contributes, in the population or row by row.

    Attributes
    ----------
    players : tuple of p hashables
        The causes, in the order of the graph.
    values : array of shape (p,) or (p, n)
        Their contributions; for n rows, one column each.
    se : array of the shape of `values`
        Standard errors; zero where nothing was drawn.
    total : array of shape () or (n,), or None
        What `values` add up to; None for measures that do not add up (`arrow_strength`).
    start : array of shape () or (n,)
        The number where no cause has contributed yet, so that ``start + total`` is its end.
    measure : str
        What the number is.
    n_permutations : int
        Permutations behind Shapley values; 0 where all coalitions were evaluated.

    Examples
    --------
    >>> from causalrep.scm import SCM, arrow_strength
    >>> scm = SCM.from_equations("X = N(0, 1); Z = N(0, 1); Y = 2*X + Z + N(0, 0.5)")
    >>> strength = arrow_strength(scm, "Y", random_state=0)
    >>> strength.ranking()
    ['X', 'Z']
    >>> abs(strength["X"] - 4) < 4 * strength["X"].se
    True
    """

    players: tuple[Hashable, ...]
    values: Floats
    se: Floats
    total: Floats | None
    start: Floats
    measure: str
    n_permutations: int = 0

    @classmethod
    def of(cls, players: tuple[Hashable, ...], shares: Shares, measure: str) -> Attribution:
        """Return the attribution that Shapley values make."""
        return cls(
            players, shares.values, shares.se, shares.total, shares.none, measure, shares.n_permutations
        )

    def __repr__(self) -> str:
        if self.values.ndim > 1:
            return f"Attribution({self.measure}; {len(self.players)} causes, {self.values.shape[1]} rows)"
        parts = (
            f"{player!r}: {value:.4g} (se {se:.2g})"
            for player, value, se in zip(self.players, self.values, self.se, strict=True)
        )
        return f"Attribution({self.measure}; {', '.join(parts)})"

    def __getitem__(self, player: Hashable) -> Any:
        """Return the contribution of one cause: an `Estimate`, or an array of n of them."""
        if player not in self.players:
            raise UnknownNameError(player, self.players, what="the attribution")
        i = self.players.index(player)
        if self.values.ndim > 1:
            return self.values[i]
        return Estimate(float(self.values[i]), se=float(self.se[i]))

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self.players)

    def __len__(self) -> int:
        return len(self.players)

    def ranking(self, row: int | None = None) -> list[Hashable]:
        """Return the causes, the largest contribution first, in the direction of the total.

        Parameters
        ----------
        row : int, optional
            Of which row; default: by the mean over rows.

        Returns
        -------
        list of hashable
            Ties in the order of the graph.
        """
        values, _ = self.of_row(row)
        downwards = self.total is not None and values.sum() < 0
        return [self.players[i] for i in np.argsort(values if downwards else -values, kind="stable")]

    def of_row(self, row: int | None = None) -> tuple[Floats, Floats]:
        """Return contributions and their standard errors in one row.

        Parameters
        ----------
        row : int, optional
            Which row; default: the mean over rows, with the mean of their standard errors, since rows
            share their draws.

        Returns
        -------
        tuple of two arrays of shape (p,)
            Values and standard errors; all there is where there are no rows.
        """
        if self.values.ndim == 1:
            return self.values, self.se
        if row is None:
            return self.values.mean(axis=1), self.se.mean(axis=1)
        return self.values[:, row], self.se[:, row]

    @property
    def frame(self) -> pd.DataFrame:
        """A data frame with the columns ``cause``, ``value``, ``se``, and ``row`` where there are rows."""
        n = self.values.shape[1] if self.values.ndim > 1 else 1
        causes = np.empty(len(self.players) * n, dtype=object)
        causes[:] = [player for player in self.players for _ in range(n)]
        columns: Columns = {"cause": causes}
        if self.values.ndim > 1:
            columns["row"] = np.tile(np.arange(n), len(self.players))
        columns |= {"value": self.values.ravel(), "se": self.se.ravel()}
        frame: pd.DataFrame = frame_like(columns)
        return frame
