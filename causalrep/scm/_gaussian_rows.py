"""Counterfactual rows of linear Gaussian models: exact draws of the noise, whatever is missing in a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import numpy as np

from causalrep.scm._couplings import Floats
from causalrep.scm._gaussians import GaussianEngine
from causalrep.scm._worlds import Network
from causalrep.utils import keyed_generator

__all__ = ["gaussian_draws"]


def gaussian_draws(
    engine: GaussianEngine,
    network: Network,
    wanted: Sequence[int],
    seen: Mapping[int, Floats],
    world: Set[int],
    n: int,
    n_draws: int,
    seed: int,
) -> dict[int, Floats]:
    """Return draws of the copies `wanted`, ``n * n_draws`` of each, given rows of observed values.

    Parameters
    ----------
    engine, network
        The model.
    wanted : sequence of int
        Copies by number.
    seen : mapping of int to array of shape (n,)
        Observed values by number; NaN where they are missing.
    world : set of int
        The copies of the observed world.
    n, n_draws : int
        Number of rows, and of draws for each.
    seed : int
        Seed. The draws of the noise depend on what was observed alone, so that interventions with the
        same seed are compared on the same noise.
    """
    numbers, d = list(seen), len(engine.noise)
    values = np.stack(list(seen.values()), axis=1) if seen else np.empty((n, 0))
    noise = np.empty((n, n_draws, d))
    shared = np.array([column for number, column in engine.sources.items() if number in world], dtype=np.intp)
    standard = keyed_generator(seed, "posterior").standard_normal((n, n_draws, len(shared)))
    patterns, which = np.unique(np.isnan(values), axis=0, return_inverse=True)
    for at, missing in enumerate(patterns):
        rows = np.flatnonzero(which.ravel() == at)
        law = engine.posterior([number for number, gone in zip(numbers, missing, strict=True) if not gone])
        means = law.noise_means(values[np.ix_(rows, np.flatnonzero(~missing))])
        root = _root(law.covariance[np.ix_(shared, shared)])
        noise[np.ix_(rows, np.arange(n_draws), shared)] = means[:, None, shared] + standard[rows] @ root.T
    for number, column in engine.sources.items():
        if number not in world:
            generator = keyed_generator(seed, "do", network.copies[number].node)
            drawn = generator.standard_normal((n, n_draws))
            noise[:, :, column] = np.sqrt(engine.noise[column, column]) * drawn
    flat = noise.reshape(n * n_draws, d)
    draws = {}
    for number in wanted:
        row = engine.rows[number]
        value = engine.means[row] + flat @ engine.maps[row]
        if number in seen:  # what was observed and cannot have changed is that very number
            observed = np.repeat(seen[number], n_draws)
            value = np.where(np.isnan(observed), value, observed)
        draws[number] = value
    return draws


def _root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
