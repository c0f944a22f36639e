"""Counterfactual rows by Hamiltonian Monte Carlo or variational inference; imported where Pyro is used.

Pyro draws what was not observed, given what was: the model is run as a Pyro program, conditioned on the
observed columns. Rows that are complete in this way tell their noise, or let it be drawn, node by node.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from numpy.typing import NDArray
from pyro import poutine
from pyro.infer import MCMC, NUTS, SVI, Trace_ELBO
from pyro.ops.stats import effective_sample_size
from pyro.optim import ClippedAdam
from torch import Tensor
from torch.distributions import biject_to

from causalrep.scm._arrays import to_numpy
from causalrep.scm._couplings import Floats
from causalrep.scm._mechanism import Array, Noise
from causalrep.scm._to_pyro import PyroModel
from causalrep.utils import CausalRepError, DataError, keyed_seed, torch_rng

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = ["Completed", "completed_rows"]

_LATENTS = 100  # values that are drawn together
_LEAST_WARMUP = 200
_STEPS = 1000


@dataclass
class Completed:
    """Rows with nothing missing, ``n * n_draws`` of them, noises that are known, and log weights."""

    values: dict[Hashable, Array]
    noise: dict[Hashable, Noise]
    log_weights: Floats
    ess: float


def completed_rows(
    model: SCM,
    seen: Mapping[Hashable, tuple[Array, NDArray[np.bool_]]],
    n: int,
    n_draws: int,
    seed: int,
    method: str,
) -> Completed:
    """Return draws of complete rows given the observed values, and where they were observed."""
    samplers: dict[str, Callable[..., tuple[dict[str, Tensor], Tensor, float]]] = {"nuts": _nuts, "svi": _svi}
    if method not in samplers:
        raise DataError(f"`method` must be 'importance', 'nuts' or 'svi', got {method!r}")
    program = PyroModel(model, "values")
    values: dict[Hashable, Any] = {}
    noise: dict[Hashable, Any] = {}
    log_weights, least = np.zeros((n, n_draws)), np.inf
    for rows, data in _batches(model, seen, n):
        conditioned = poutine.condition(
            _rows_of(program, len(rows)),
            {program.names[node]: _site_value(program, node, part) for node, part in data.items()},
        )
        with torch_rng(keyed_seed(seed, method, int(rows[0]))), _own_parameters():
            latent = _latent_sites(program, conditioned, data)
            drawn, weights, ess = (
                samplers[method](conditioned, latent, n_draws) if latent else _nothing(rows, n_draws)
            )
            traces = _replayed(conditioned, drawn, n_draws)
        least = min(least, ess)
        log_weights[rows] = weights.numpy().T
        for node in model.graph.nodes:
            part = np.stack([to_numpy(run[program.names[node]]) for run in traces], axis=1)
            own = data.get(node)
            part = part if own is None else np.repeat(own[:, None], n_draws, axis=1)
            _put(values, node, rows, part, (n, n_draws))
            if node not in data and any(site in traces[0] for site in program.noise_names.get(node, ())):
                _put(noise, node, rows, _noise_of(program, node, traces), (n, n_draws))
    flat = {node: part.reshape(n * n_draws) for node, part in values.items()}
    known = {node: _flat(part, n * n_draws) for node, part in noise.items() if _is_known(part)}
    return Completed(flat, known, log_weights, least)


def _rows_of(program: PyroModel, n: int) -> Callable[[], dict[str, Tensor]]:
    return lambda: program(n)


def _batches(
    model: SCM, seen: Mapping[Hashable, tuple[Array, NDArray[np.bool_]]], n: int
) -> Iterator[tuple[NDArray[np.intp], dict[Hashable, Any]]]:
    """Yield rows with the same nodes observed, few enough to be drawn together, and what was observed."""
    nodes = [node for node in model.graph.nodes if node in seen]
    pattern = np.stack([seen[node][1] for node in nodes], axis=1) if nodes else np.zeros((n, 0), dtype=bool)
    distinct, which = np.unique(pattern, axis=0, return_inverse=True)
    for number, observed in enumerate(distinct):
        rows = np.flatnonzero(which.reshape(-1) == number)
        there = [node for node, is_there in zip(nodes, observed, strict=True) if is_there]
        hidden = len(model.graph.nodes) - len(there)
        step = max(1, _LATENTS // max(1, hidden))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            yield some, {node: to_numpy(seen[node][0])[some] for node in there}


def _site_value(program: PyroModel, node: Hashable, part: Any) -> Tensor:
    return program._coded(node, part)


def _latent_sites(program: PyroModel, conditioned: Any, data: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Return the sites that are to be drawn and their constraints, after checking that they can be."""
    trace = poutine.trace(conditioned).get_trace()
    model = program.scm
    for node in data:
        site = trace.nodes[program.names[node]]
        certain = model._mechanisms[node].deterministic and all(p in data for p in model._parents[node])
        if type(site["fn"]).__name__ == "Delta" and not certain:
            raise CausalRepError(
                f"{node!r} is observed, but {model._mechanisms[node]!r} has no density to weigh it by; give "
                "it a mechanism with a density, or leave it out"
            )
    latent = {}
    for name in trace.stochastic_nodes:
        site = trace.nodes[name]
        if site["infer"].get("_deterministic") or name == "rows":
            continue
        if site["fn"].support.is_discrete:
            raise CausalRepError(
                f"{name!r} is discrete and was not observed, so it has no gradient; draw by "
                "method='importance'"
            )
        latent[name] = site["fn"].support
    return latent


def _nothing(rows: NDArray[np.intp], n_draws: int) -> tuple[dict[str, Tensor], Tensor, float]:
    return {}, torch.zeros((n_draws, len(rows)), dtype=torch.float64), np.inf


def _nuts(
    conditioned: Any, latent: Mapping[str, Any], n_draws: int
) -> tuple[dict[str, Tensor], Tensor, float]:
    """Return draws of the latent sites, (n_draws, m), by the No-U-Turn sampler."""
    kernel = NUTS(conditioned, jit_compile=False)
    chain = MCMC(kernel, n_draws, max(_LEAST_WARMUP, n_draws // 2), disable_progbar=True)
    chain.run()
    drawn = {name: part for name, part in chain.get_samples().items() if name in latent}
    ess = (
        min(float(effective_sample_size(part[None], 0, 1).min()) for part in drawn.values())
        if n_draws > 3
        else 1.0
    )
    m = next(iter(drawn.values())).shape[1]
    return drawn, torch.zeros((n_draws, m), dtype=torch.float64), ess


def _svi(
    conditioned: Any, latent: Mapping[str, Any], n_draws: int
) -> tuple[dict[str, Tensor], Tensor, float]:
    """Return draws of a fitted guide, (n_draws, m), and their log importance weights."""
    guide = _guide(conditioned, latent)
    optimiser = ClippedAdam({"lr": 0.03, "lrd": 0.03 ** (1 / _STEPS)})
    fit = SVI(conditioned, guide, optimiser, Trace_ELBO())
    for _ in range(_STEPS):
        fit.step()
    drawn, weights = [], []
    with torch.no_grad():
        for _ in range(n_draws):
            proposed = poutine.trace(guide).get_trace()
            value: dict[str, Any] = {name: proposed.nodes[name]["value"] for name in latent}
            target = poutine.trace(poutine.condition(conditioned, value)).get_trace()
            weights.append(_log_prob(target) - _log_prob(proposed))
            drawn.append(value)
    stacked = {name: torch.stack([value[name] for value in drawn]) for name in latent}
    return stacked, torch.stack(weights), np.inf


def _guide(conditioned: Any, latent: Mapping[str, Any]) -> Callable[[], None]:
    """Return a Gaussian of the unconstrained latent values of each row, with all correlations within it."""
    trace = poutine.trace(conditioned).get_trace()
    m = next(iter(trace.nodes[name]["value"].shape[0] for name in latent))
    k = len(latent)
    to_support = {name: biject_to(support) for name, support in latent.items()}
    start = torch.stack([to_support[name].inv(trace.nodes[name]["value"]) for name in latent], dim=1)

    def guide() -> None:
        loc = pyro.param("loc", start.clone())
        log_scale = pyro.param("log_scale", torch.full((m, k), -1.0, dtype=torch.float64))
        weights = pyro.param("weights", torch.zeros((m, k, k), dtype=torch.float64))
        before: list[Tensor] = []
        with pyro.plate("rows", m):
            for j, name in enumerate(latent):
                centre = loc[:, j] + sum(weights[:, j, i] * z for i, z in enumerate(before))
                base = dist.Normal(centre, log_scale[:, j].exp())
                value = pyro.sample(name, dist.TransformedDistribution(base, [to_support[name]]))
                before.append(to_support[name].inv(value))

    return guide


def _log_prob(trace: Any) -> Tensor:
    """Return the log density of each row, (m,)."""
    trace.compute_log_prob()
    parts: list[Tensor] = [
        site["log_prob"] for name, site in trace.nodes.items() if site["type"] == "sample" and name != "rows"
    ]
    return sum(parts[1:], parts[0])


def _replayed(conditioned: Any, drawn: Mapping[str, Tensor], n_draws: int) -> list[dict[str, Any]]:
    """Return the values of all sites for each draw."""
    runs = []
    with torch.no_grad():
        for i in range(n_draws):
            value = {name: part[i] for name, part in drawn.items()}
            trace = poutine.trace(poutine.condition(conditioned, value)).get_trace()
            runs.append(
                {name: site["value"] for name, site in trace.nodes.items() if site["type"] == "sample"}
            )
    return runs


def _noise_of(program: PyroModel, node: Hashable, traces: list[dict[str, Tensor]]) -> Any:
    """Return the noise of a node that is no value site, (m, n_draws) or a dict of such."""
    site = f"{program.names[node]}_noise"
    parts = {
        name.removeprefix(f"{site}_"): np.stack([to_numpy(run[name]) for run in traces], axis=1)
        for name in program.noise_names[node]
    }
    return parts.get(site, parts)


def _put(
    store: dict[Hashable, Any], node: Hashable, rows: NDArray[np.intp], part: Any, shape: tuple[int, int]
) -> None:
    """Write the rows of a node into an array of all rows; what is not written stays NaN or None."""
    if isinstance(part, Mapping):
        inner = store.setdefault(node, {})
        for name, piece in part.items():
            _put(inner, name, rows, piece, shape)
        return
    if node not in store:
        empty: Any = None if part.dtype == object else np.nan
        store[node] = np.full(
            shape, empty, dtype=np.result_type(part.dtype, type(empty)) if empty is not None else object
        )
    store[node][rows] = part


def _is_known(part: Any) -> bool:
    """Say whether a noise is known in all rows."""
    pieces = part.values() if isinstance(part, Mapping) else [part]
    return not any(np.isnan(piece).any() for piece in pieces)


def _flat(part: Any, n: int) -> Any:
    return (
        {name: piece.reshape(n) for name, piece in part.items()}
        if isinstance(part, Mapping)
        else part.reshape(n)
    )


class _own_parameters:  # noqa: N801 - used as a function, in `with`
    """Keep Pyro's global parameters as they were."""

    def __enter__(self) -> None:
        self.before = pyro.get_param_store().get_state()
        pyro.clear_param_store()

    def __exit__(self, *error: object) -> None:
        pyro.clear_param_store()
        pyro.get_param_store().set_state(self.before)
