"""Counterfactual rows of discrete models: what is missing in a row, latent nodes too, is drawn exactly.

Given a complete assignment of the observed world the noises of different nodes are independent, and
each mechanism draws its own (`Mechanism.draw_noise`). So it is enough to complete the rows, and that
does not depend on the intervention: interventions with the same seed are compared on the same draws.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from causalrep.scm._arrays import to_numpy
from causalrep.scm._draws import Clamp
from causalrep.scm._elimination import Codes, TooWideError
from causalrep.scm._tables import TableEngine
from causalrep.scm._worlds import Network
from causalrep.utils import ImpossibleEvidenceError, UnknownNameError, keyed_generator

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = ["completed_rows"]

_MISSING = -1


def completed_rows(
    model: SCM, network: Network, clamps: Mapping[int, Clamp], n: int, n_draws: int, seed: int
) -> dict[int, Clamp] | None:
    """Return values of all copies of the observed world, or None if they cannot be drawn exactly.

    Parameters
    ----------
    model, network
        The model; world 0 of the network is the observed one.
    clamps : mapping of int to Clamp
        Observed values of ``n * n_draws`` rows, each row `n_draws` times.
    n, n_draws : int
        Number of rows, and of draws for each.
    seed : int
        Seed; rows with the same observed values share a stream, addressed by these values.
    """
    nodes = {network.index[0, node]: node for node in model.graph.nodes}
    engine = TableEngine.build(network, sorted(nodes))
    if engine is None:
        return None
    seen = {number: _codes(engine, number, nodes[number], clamp, n_draws) for number, clamp in clamps.items()}
    codes = {number: np.empty((n, n_draws), dtype=np.intp) for number in nodes}
    rows = np.stack(list(seen.values()), axis=1) if seen else np.empty((n, 0), dtype=np.intp)
    patterns, which = np.unique(rows, axis=0, return_inverse=True)
    for at, pattern in enumerate(patterns):
        of = np.flatnonzero(which.ravel() == at)
        known = {number: int(code) for number, code in zip(seen, pattern, strict=True) if code != _MISSING}
        generator = keyed_generator(seed, "posterior", *known.items())
        try:
            drawn = engine.draw(known, len(of) * n_draws, generator)
        except TooWideError:
            return None
        if drawn is None:
            raise ImpossibleEvidenceError(
                f"what was observed has probability zero in {len(of)} row(s), the first of them {of[0]}"
            )
        for number, part in drawn.items():
            codes[number][of] = part.reshape(len(of), n_draws)
    return {number: _clamp(engine, number, part, clamps.get(number)) for number, part in codes.items()}


def _codes(engine: TableEngine, number: int, node: Hashable, clamp: Clamp, n_draws: int) -> Codes:
    """Return the code of the observed value of each row, and a mark where it is missing."""
    values = to_numpy(clamp.values)[::n_draws]
    there = np.ones(len(values), dtype=bool) if clamp.observed is None else clamp.observed[::n_draws]
    codes = np.full(len(values), _MISSING, dtype=np.intp)
    try:
        codes[there] = engine.tables[number].states.encode(values[there], what="`observed`")
    except UnknownNameError as error:
        if hasattr(engine.network.copies[number].mechanism, "states"):
            raise
        rows = np.flatnonzero(there & (values == error.name))
        raise ImpossibleEvidenceError(
            f"{node!r} cannot be {error.name!r}, as in {len(rows)} row(s), the first of them {rows[0]}"
        ) from error
    return codes


def _clamp(engine: TableEngine, number: int, codes: Codes, observed: Clamp | None) -> Clamp:
    if observed is not None and observed.observed is None:
        return observed
    return Clamp(engine.tables[number].states.decode(codes.ravel()))
