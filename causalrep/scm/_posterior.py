"""Counterfactuals of rows whose noise cannot be told: weighted draws from its law given what was seen.

Where tables or linear Gaussian mechanisms allow it the draws are exact (`_table_rows`, `_gaussian_rows`).
Elsewhere the sampler is importance sampling (`_draws`). Another one, a Markov chain say, needs to give
the same two things: noise for `n_draws` copies of each row, and the logarithms of their weights.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._answers import warn_of_few
from causalrep.scm._arrays import as_array, is_numpy, to_numpy
from causalrep.scm._couplings import Floats
from causalrep.scm._draws import Clamp, draw
from causalrep.scm._evidence import Evidence
from causalrep.scm._gaussian_rows import gaussian_draws
from causalrep.scm._gaussians import GaussianEngine
from causalrep.scm._interventions import Fixed, Shifted
from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.scm._samples import Samples
from causalrep.scm._table_rows import completed_rows
from causalrep.scm._worlds import Network, World, unfold
from causalrep.utils import DataError, ImpossibleEvidenceError, RandomState, as_generator

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = ["WeightedDraws", "imagined"]


@dataclass(frozen=True)
class WeightedDraws:
    """What each of n observed rows might have been: draws with weights.

    Attributes
    ----------
    samples : Samples
        ``n * n_draws`` rows: all draws of the first observed row, then those of the second, ...
    weights : array of shape (n, n_draws)
        Weights of the draws; each row sums to one.

    Examples
    --------
    >>> import pandas as pd
    >>> from causalrep.scm import SCM, Bernoulli
    >>> scm = SCM(mechanisms={"X": Bernoulli(0.5), "U": Bernoulli(0.3), "Y": lambda X, U: X ^ U})
    >>> seen = pd.DataFrame({"X": [0, 1], "Y": [1, 1]})
    >>> draws = scm.counterfactual(seen, do={"X": 0}, n_draws=500, random_state=0)
    >>> draws.mean("Y")
    array([1., 0.])
    """

    samples: Samples
    weights: Floats

    @property
    def ess(self) -> Floats:
        """Effective number of draws of each row, ``1 / sum w**2``, shape (n,)."""
        return np.asarray(1 / (self.weights**2).sum(axis=1))

    def mean(self, node: Hashable) -> Floats:
        """Return the weighted mean of a node for each row.

        Parameters
        ----------
        node : hashable
            A node with numbers.

        Returns
        -------
        array of shape (n, ...)
            One mean for each observed row.
        """
        n, n_draws = self.weights.shape
        values = to_numpy(self.samples[node])
        if values.dtype.kind not in "biuf":
            raise DataError(f"the mean of {node!r} needs numbers, got values of dtype {values.dtype}")
        values = values.reshape(n, n_draws, *values.shape[1:])
        return np.asarray(np.einsum("nd,nd...->n...", self.weights, values))

    def probability(self, node: Hashable, value: Any) -> Floats:
        """Return the weight of the draws in which a scalar node has a value, for each row.

        Parameters
        ----------
        node : hashable
            A scalar node.
        value : number or str
            The value.

        Returns
        -------
        array of shape (n,)
            One probability for each observed row.
        """
        hit = np.asarray(to_numpy(self.samples[node]) == value).reshape(self.weights.shape)
        return np.asarray((self.weights * hit).sum(axis=1))

    def pick(self, random_state: RandomState = None) -> Samples:
        """Return one draw for each row, chosen by the weights.

        Parameters
        ----------
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed.

        Returns
        -------
        Samples
            n rows.
        """
        n, n_draws = self.weights.shape
        level = as_generator(random_state).random((n, 1))
        chosen = (self.weights.cumsum(axis=1)[:, :-1] <= level).sum(axis=1)
        return self.samples.take(np.arange(n) * n_draws + chosen)


def imagined(
    model: SCM,
    evidence: Evidence,
    replaced: Mapping[Hashable, Mechanism],
    nodes: Iterable[Hashable] | None,
    known: Mapping[Hashable, Noise],
    n_draws: int,
    seed: int,
    method: str = "importance",
) -> WeightedDraws:
    """Return draws of what the observed rows would have been under the given mechanisms."""
    if isinstance(n_draws, bool) or not isinstance(n_draws, (int, np.integer)) or n_draws < 1:
        raise DataError(f"`n_draws` must be a positive integer, got {n_draws!r}")
    wanted = model._known(nodes, what="`nodes`")
    if nodes is None:
        wanted = [node for node in wanted if node not in model.graph.latent or node in evidence.values]
    if method != "importance":
        return _imagined_by_pyro(model, evidence, replaced, wanted, known, n_draws, seed, method)
    network = unfold(model, [World(), World(_repeated_actions(model, replaced, evidence.n, n_draws))])
    clamps: dict[int, Clamp] = {}
    for node in model.graph.nodes:
        if node in evidence.values:
            clamp = _clamp(evidence.values[node], n_draws)
            if clamp is not None:
                clamps[network.index[0, node]] = clamp
    noise = {network.index[0, node]: _repeat(part, n_draws) for node, part in known.items()}
    exact = None if known else _exact(model, network, clamps, wanted, evidence.n, n_draws, seed)
    if exact is not None:
        return WeightedDraws(Samples(exact), np.full((evidence.n, n_draws), 1 / n_draws))
    completed = None if known else completed_rows(model, network, clamps, evidence.n, n_draws, seed)
    clamps = clamps if completed is None else completed
    numbers = network.needed([*((1, node) for node in wanted), *_seen(model, evidence)])
    draws = draw(model, network, numbers, evidence.n * n_draws, seed, clamps, known=noise)
    log_weights = draws.log_weights if completed is None else np.zeros(evidence.n * n_draws)
    weights = _normalised(log_weights.reshape(evidence.n, n_draws))
    uneven = weights.max(axis=1) > weights.min(axis=1) * (1 + 1e-12)
    result = WeightedDraws(Samples({node: draws.values[network.index[1, node]] for node in wanted}), weights)
    if uneven.any():
        warn_of_few(float(result.ess[uneven].min()), n_draws, stacklevel=4)
    return result


def _imagined_by_pyro(
    model: SCM,
    evidence: Evidence,
    replaced: Mapping[Hashable, Mechanism],
    wanted: list[Hashable],
    known: Mapping[Hashable, Noise],
    n_draws: int,
    seed: int,
    method: str,
) -> WeightedDraws:
    """Return draws for which Pyro completes the rows; what they then leave of the noise is drawn as ever."""
    from causalrep.scm._pyro_posterior import completed_rows

    if known:
        raise DataError(
            f"method={method!r} draws the noise itself; leave `noise` out, or give a plain data frame"
        )
    seen = {
        node: (evidence.values[node], ~_missing(evidence.values[node]))
        for node in model.graph.nodes
        if node in evidence.values
    }
    done = completed_rows(model, seen, evidence.n, n_draws, seed, method)
    network = unfold(model, [World(), World(_repeated_actions(model, replaced, evidence.n, n_draws))])
    clamps = {network.index[0, node]: Clamp(part) for node, part in done.values.items()}
    noise = {network.index[0, node]: part for node, part in done.noise.items()}
    numbers = network.needed([*((1, node) for node in wanted), *((0, node) for node in model.graph.nodes)])
    # all nodes are clamped, so the weights that this gives are densities of draws that are posterior already
    draws = draw(model, network, numbers, evidence.n * n_draws, seed, clamps, known=noise)
    result = WeightedDraws(
        Samples({node: draws.values[network.index[1, node]] for node in wanted}),
        _normalised(done.log_weights),
    )
    fewest = min(done.ess, float(result.ess.min()))
    if fewest < n_draws:
        warn_of_few(fewest, n_draws, stacklevel=4)
    return result


def _exact(
    model: SCM,
    network: Network,
    clamps: Mapping[int, Clamp],
    wanted: Sequence[Hashable],
    n: int,
    n_draws: int,
    seed: int,
) -> dict[Hashable, Floats] | None:
    """Return draws of a linear Gaussian model, or None if it is none."""
    world = {network.index[0, node] for node in model.graph.nodes}
    engine = GaussianEngine.build(
        network, sorted({*world, *network.needed((1, v) for v in wanted)}), model._joints
    )
    if engine is None:
        return None
    seen = {}
    for number, clamp in clamps.items():
        values = to_numpy(clamp.values)[::n_draws]
        if values.dtype.kind not in "biuf" or values.ndim > 1 or np.isinf(values).any():
            return None
        seen[number] = values.astype(np.float64)
    asked = {node: network.index[1, node] for node in wanted}
    draws = gaussian_draws(engine, network, list(asked.values()), seen, world, n, n_draws, seed)
    return {node: draws[number] for node, number in asked.items()}


def _seen(model: SCM, evidence: Evidence) -> list[tuple[int, Hashable]]:
    return [(0, node) for node in model.graph.nodes if node in evidence.values]


def _clamp(values: Array, n_draws: int) -> Clamp | None:
    """Return the observed values of a node, repeated for the draws, or None if none was observed."""
    missing = _missing(values)
    if missing.all():
        return None
    repeated = _repeat(values, n_draws)
    return Clamp(repeated, None if not missing.any() else np.repeat(~missing, n_draws))


def _missing(values: Array) -> NDArray[np.bool_]:
    """Return the rows in which a value, or any entry of it, is NaN or None."""
    found = np.asarray(to_numpy(values != values))
    if is_numpy(values) and values.dtype == object:
        found = found | np.array([value is None for value in values.ravel()]).reshape(values.shape)
    return np.asarray(found.reshape(len(found), -1).any(axis=1))


def _repeat(part: Any, times: int) -> Any:
    if isinstance(part, Mapping):
        return {name: _repeat(inner, times) for name, inner in part.items()}
    rows = np.repeat(np.arange(part.shape[0]), times)
    return part[rows]


def _repeated_actions(
    model: SCM, replaced: Mapping[Hashable, Mechanism], n: int, n_draws: int
) -> dict[Hashable, Mechanism]:
    """Return the interventions with values per row repeated for the draws of each row."""
    actions = dict(replaced)
    for node, action in replaced.items():
        if isinstance(action, Fixed) and as_array(action.value).shape:
            ready = action.for_rows(n, model._template, node)
            actions[node] = Fixed(_repeat(ready.value, n_draws))
        elif isinstance(action, Shifted) and as_array(action.delta).shape:
            moved = action.for_rows(n, model._template, node)
            actions[node] = Shifted(moved.mechanism, _repeat(moved.delta, n_draws))
    return actions


def _normalised(log_weights: Floats) -> Floats:
    largest = log_weights.max(axis=1, keepdims=True)
    lost = np.flatnonzero(~(largest[:, 0] > -np.inf))
    if lost.size:
        raise ImpossibleEvidenceError(
            f"none of {log_weights.shape[1]} draws agrees with what was observed in {lost.size} row(s), the "
            f"first of them {lost[0]}: it has probability zero or needs more draws, or a continuous value "
            "was observed of a mechanism that can neither tell nor draw its noise"
        )
    weights = np.exp(log_weights - largest)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
