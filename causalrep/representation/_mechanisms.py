"""The learned mechanisms of an image model, as the SCM engine calls them.

An image model is a structural causal model over slots and an image: every label node has a
:class:`SlotMechanism`, the node "image" one of the image mechanisms. Sampling, interventions and
counterfactuals are then the engine's.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping
from typing import Self

import numpy as np
import torch
from torch import Tensor

from causalrep.representation._execution import execution_on
from causalrep.representation._guidance import Terms
from causalrep.representation._network import ImageNetwork
from causalrep.representation._replay import network_under
from causalrep.representation.modules import Condition
from causalrep.representation.solvers import Denoise, Process, Solver
from causalrep.scm import Mechanism
from causalrep.utils import keyed_torch_generator

__all__ = ["DecoderMechanism", "ImageDiffusionMechanism", "ImageMechanism", "SlotMechanism"]


class SlotMechanism(Mechanism):
    """A node's slot from its parents' slots and its noise: one node of the causal layer.

    Parameters
    ----------
    network : ImageNetwork
        Whose causal layer it is.
    index : int
        Index of the node.
    parents : tuple of hashable
        Names of its parents, in the layer's order.
    observed_noise : Tensor of shape (n_observed, slot_dim)
        Noise of training rows, from which new noise is drawn.
    """

    def __init__(
        self, network: ImageNetwork, index: int, parents: tuple[Hashable, ...], observed_noise: Tensor
    ) -> None:
        self._layer = network.layer
        self._index = index
        self._parents = parents
        self._observed_noise = observed_noise

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """Names of the parents."""
        return self._parents

    def _stack(self, parents: Mapping[Hashable, Tensor]) -> Tensor:
        if not self._parents:
            return torch.empty(0)
        return torch.stack([parents[name] for name in self._parents], dim=1)

    def forward(self, parents: Mapping[Hashable, Tensor], noise: Tensor) -> Tensor:
        """Return slots of shape (n, slot_dim)."""
        return self._layer.generate(self._index, self._stack(parents), noise)

    def abduct(self, parents: Mapping[Hashable, Tensor], value: Tensor) -> Tensor:
        """Return the noise of shape (n, slot_dim) that gives the slots `value`."""
        return self._layer.abduct(self._index, self._stack(parents), value)

    def sample_noise(self, n: int, generator: np.random.Generator) -> Tensor:
        """Draw noise of training rows with replacement."""
        rows = torch.from_numpy(generator.integers(len(self._observed_noise), size=n))
        return self._observed_noise[rows.to(self._observed_noise.device)]


class ImageMechanism(Mechanism):
    """What the image mechanisms share: the order of their parents and the nuisance code."""

    def __init__(self, network: ImageNetwork, nodes: tuple[Hashable, ...], observed_codes: Tensor) -> None:
        self._network = network
        self._nodes = nodes
        self._observed_codes = observed_codes

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """All label nodes."""
        return self._nodes

    def drawn(self, seed: int) -> Self:  # noqa: ARG002
        """Return the mechanism whose abduction, where it draws anything, draws from `seed`."""
        return self

    def _condition(self, parents: Mapping[Hashable, Tensor], code: Tensor) -> Condition:
        return Condition.full(torch.stack([parents[name] for name in self._nodes], dim=1), code)

    def _draw_codes(self, n: int, generator: np.random.Generator) -> Tensor:
        rows = torch.from_numpy(generator.integers(len(self._observed_codes), size=n))
        return self._observed_codes[rows.to(self._observed_codes.device)]


class ImageDiffusionMechanism(ImageMechanism):
    """An image from slots and noise by solving the probability-flow ODE; abduction solves it backwards.

    The noise is a dict of "state" (n, n_states, channels, size, size), what the solver starts from, and
    "code" (n, nuisance_dim). Images are in network units.

    Parameters
    ----------
    network : ImageNetwork
        The trained networks.
    nodes : tuple of hashable
        Names of the label nodes, in the order of the slots.
    observed_codes : Tensor of shape (n_observed, nuisance_dim)
        Codes of training images, from which new ones are drawn.
    process : Process
        How images were noised in training.
    solver : Solver
        How the ODE is solved, both ways.
    terms : tuple of (float, tuple of bool), optional
        Guidance when predicting: weights of predictions under some of the slots, which are made as one
        batch; by default the model itself.
    abduction_terms : tuple of (float, tuple of bool), optional
        The same for abduction.
    cuda_graphs : bool, optional
        Whether the network's calls are recorded and replayed on CUDA devices; default: as was measured.
    fresh_seed : int, optional
        If given, abduction draws the noise instead of inverting: the image itself is noised to the
        last level with noise of this seed. The published procedure, for comparison.
    """

    def __init__(
        self,
        network: ImageNetwork,
        nodes: tuple[Hashable, ...],
        observed_codes: Tensor,
        *,
        process: Process,
        solver: Solver,
        terms: Terms = (),
        abduction_terms: Terms = (),
        cuda_graphs: bool | None = None,
        fresh_seed: int | None = None,
    ) -> None:
        super().__init__(network, nodes, observed_codes)
        self._process = process
        self._solver = solver
        self._terms, self._abduction_terms = terms, abduction_terms
        device = network.image_mean.device
        self._cuda_graphs = execution_on(device, cuda_graphs=cuda_graphs).cuda_graphs
        self._fresh_seed = fresh_seed

    def _denoise(self, condition: Condition, terms: Terms = ()) -> Denoise:
        """Return the network under a condition, which is worked out once for all steps."""
        image, process = self._network.image, self._process
        weights = [weight for weight, _ in terms] or [1.0]
        parts = [condition.showing(shown) for _, shown in terms] or [condition]
        prepared = image.prepare(Condition.concatenate(parts))
        run = network_under(image, prepared, cuda_graphs=self._cuda_graphs)
        n = len(parts)

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            time = process.network_time(t)
            if n == 1:
                return weights[0] * run(x, time)
            predictions = run(x.repeat(n, 1, 1, 1), time.repeat(n)).chunk(n)
            return torch.stack([w * p for w, p in zip(weights, predictions, strict=True)]).sum(0)

        return denoise

    def drawn(self, seed: int) -> Self:
        """Return the mechanism whose fresh noise, where it is not abducted, is drawn from `seed`."""
        other = copy.copy(self)
        other._fresh_seed = None if self._fresh_seed is None else seed
        return other

    def forward(self, parents: Mapping[Hashable, Tensor], noise: Mapping[str, Tensor]) -> Tensor:
        """Return images of shape (n, channels, size, size) in network units."""
        denoise = self._denoise(self._condition(parents, noise["code"]), self._terms)
        state = noise["state"]
        if state.shape[1] < self._solver.n_states:  # drawn, not abducted: a solver with memory has none yet
            state = self._solver.start(self._process, denoise, state[:, 0])
        return self._solver.decode(self._process, denoise, state)

    def abduct(
        self, parents: Mapping[Hashable, Tensor], value: Tensor, code: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the noise that gives the images `value` under these slots, and this code if one is given."""
        code = self._network.code(value) if code is None else code
        if self._fresh_seed is None:
            denoise = self._denoise(self._condition(parents, code), self._abduction_terms)
            return {"state": self._solver.encode(self._process, denoise, value), "code": code}
        generator = keyed_torch_generator(self._fresh_seed, "fresh noise")
        draw = torch.randn(value.shape, generator=generator).to(value)
        last = value.new_full((len(value),), self._process.last_time)
        return {"state": self._process.add_noise(value, draw, last).unsqueeze(1), "code": code}

    def sample_noise(self, n: int, generator: np.random.Generator) -> dict[str, Tensor]:
        """Draw Gaussian image noise and the code of a training image."""
        code = self._draw_codes(n, generator)
        shape = (n, *self._network.image_mean.shape[1:])
        draw = torch.from_numpy(generator.standard_normal(shape, dtype=np.float32)).to(code.device)
        return {"state": self._process.last_state(draw).unsqueeze(1), "code": code}


class DecoderMechanism(ImageMechanism):
    """An image drawn from slots and code in one pass, plus a residual: an additive-noise mechanism.

    The noise is a dict of "code" and, if carried over, "residual": what the decoder did not draw.

    Parameters
    ----------
    network : ImageNetwork
        The trained networks.
    nodes : tuple of hashable
        Names of the label nodes.
    observed_codes : Tensor of shape (n_observed, nuisance_dim)
        Codes of training images.
    carry_over : bool, default=False
        Whether the residual is abducted and added to the counterfactual.
    """

    def __init__(
        self,
        network: ImageNetwork,
        nodes: tuple[Hashable, ...],
        observed_codes: Tensor,
        *,
        carry_over: bool = False,
    ) -> None:
        super().__init__(network, nodes, observed_codes)
        self._carry_over = carry_over

    def _draw(self, parents: Mapping[Hashable, Tensor], code: Tensor) -> Tensor:
        blank = torch.zeros_like(self._network.image_mean).expand(len(code), -1, -1, -1)
        return self._network.predict(blank, code.new_zeros(len(code)), self._condition(parents, code))

    def forward(self, parents: Mapping[Hashable, Tensor], noise: Mapping[str, Tensor]) -> Tensor:
        """Return images of shape (n, channels, size, size) in network units."""
        drawn = self._draw(parents, noise["code"])
        return drawn + noise["residual"] if "residual" in noise else drawn

    def abduct(
        self, parents: Mapping[Hashable, Tensor], value: Tensor, code: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the code of the images `value` (or the one given) and, if carried over, the residual."""
        code = self._network.code(value) if code is None else code
        if not self._carry_over:
            return {"code": code}
        return {"code": code, "residual": value - self._draw(parents, code)}

    def sample_noise(self, n: int, generator: np.random.Generator) -> dict[str, Tensor]:
        """Draw the code of a training image."""
        return {"code": self._draw_codes(n, generator)}
