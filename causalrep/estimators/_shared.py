"""Nuisances that several estimators share: each is fitted once for each fold, whoever asks first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import joblib
from numpy.typing import NDArray

from causalrep.estimators._learners import seeded

__all__ = ["SharedNuisances", "digest_of", "share_nuisances", "shared_nuisances"]


class SharedNuisances:
    """The nuisances that were fitted inside a block of `share_nuisances`.

    Attributes
    ----------
    n_fitted : int
        Models that were fitted.
    n_reused : int
        Models that were asked for again.
    """

    def __init__(self) -> None:
        self.n_fitted = 0
        self.n_reused = 0
        self._results: dict[str, tuple[NDArray[Any], Any]] = {}

    def __contains__(self, digest: str) -> bool:
        return digest in self._results

    def add(self, results: Mapping[str, tuple[NDArray[Any], Any]]) -> None:
        """Keep predictions and models under their digests.

        Parameters
        ----------
        results : mapping of str to (array, model)
            What was fitted.
        """
        self._results.update(results)
        self.n_fitted += len(results)

    def read(self, digest: str, *, new: bool) -> tuple[NDArray[Any], Any]:
        """Return predictions and model of a digest.

        Parameters
        ----------
        digest : str
            As `digest_of` gives it.
        new : bool
            Whether they were fitted for who asks.

        Returns
        -------
        tuple of (array, model)
            The predictions for the rows of the fold, and the fitted model.
        """
        self.n_reused += not new
        return self._results[digest]


_CURRENT: ContextVar[SharedNuisances | None] = ContextVar("shared_nuisances", default=None)


@contextmanager
def share_nuisances() -> Iterator[SharedNuisances]:
    """Let the estimators that are fitted inside the block share their nuisance models.

    A model is fitted again only where the model, its target, its rows, the covariates, the weights or, for
    a model of chance, its seed differ. So estimators agree on what to share if they are given the same
    `random_state` (or `cv`) and models, and their estimates are those without sharing, to the last bit.

    Yields
    ------
    SharedNuisances
        How many models were fitted and how many reused. It is forgotten after the block.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import AIPW, TMLE, share_nuisances
    >>> rng = np.random.default_rng(0)
    >>> w, t, y = rng.normal(size=(500, 2)), rng.integers(0, 2, 500), rng.normal(size=500)
    >>> with share_nuisances() as shared:
    ...     fitted = [kind(random_state=0).fit(w, y, treatment=t) for kind in (AIPW, TMLE)]
    >>> shared.n_fitted, shared.n_reused                            # three models in each of five folds
    (15, 15)
    """
    shared = SharedNuisances()
    token = _CURRENT.set(shared)
    try:
        yield shared
    finally:
        _CURRENT.reset(token)


def shared_nuisances() -> SharedNuisances | None:
    """Return what is shared at this place, or None outside of all blocks."""
    return _CURRENT.get()


def digest_of(model: Any, seed: int, *arrays: NDArray[Any] | None) -> str:
    """Return a text that is equal where the fitted model would be: of the model, its seed and its data.

    The seed counts only where the model leaves chance open.
    """
    return str(joblib.hash((type(model).__qualname__, seeded(model, seed), arrays)))
