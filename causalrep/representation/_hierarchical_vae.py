r"""A hierarchical VAE as the mechanism of the image, fine-tuned on its own counterfactuals.

After maximum likelihood, counterfactuals :math:`x^*` of training images are drawn under random
interventions, and the label encoder, which is fixed by then, is asked whether it reads what it should:

.. math:: \min \tfrac12 \lVert \hat y(x^*) - y^* \rVert^2 \quad \text{subject to} \quad
          -\mathrm{ELBO} \le -c,

with a multiplier that grows as long as the constraint is violated. For labels that the intervention
does not touch, :math:`y^*` is what the encoder reads off the factual image ("soft"), or the label itself
("hard"): hard targets teach the model to exaggerate what its encoder reads too weakly.

References
----------
F. De Sousa Ribeiro, T. Xia, M. Monteiro, N. Pawlowski, B. Glocker, "High fidelity image counterfactuals
with probabilistic causal models", ICML 2023, arXiv:2306.15764.
T. Xia, M. Roschewitz, F. De Sousa Ribeiro, C. Jones, B. Glocker, "Mitigating attribute amplification in
counterfactual image generation", MICCAI 2024, arXiv:2403.09422.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from causalrep.representation._deep_scm import VariationalModel
from causalrep.representation._guidance import Terms
from causalrep.representation._images import ImageShape
from causalrep.representation._mechanisms import ImageMechanism
from causalrep.representation._network import Architecture, ImageNetwork
from causalrep.representation._recipes import Recipe, check_preset, overridden, small_network
from causalrep.representation._sources import Images
from causalrep.representation._training import encode_all, stage_of, train
from causalrep.representation.modules import Condition, LadderVAE
from causalrep.representation.trainer import Stage, TrainingLog, draw_rows
from causalrep.scm import Mechanism
from causalrep.utils import RandomState, UnknownNameError, keyed_torch_generator

__all__ = ["HierarchicalVAE"]


def _ladder(network: ImageNetwork) -> LadderVAE:
    if not isinstance(network.image, LadderVAE):
        raise TypeError(f"expected a LadderVAE, got {type(network.image).__name__}")
    return network.image


class LadderObjective(nn.Module):
    """Negative evidence bound, in nats per number of the image.

    Parameters
    ----------
    network : ImageNetwork
        Whose image network, a :class:`LadderVAE`, is trained.
    """

    def __init__(self, network: ImageNetwork) -> None:
        super().__init__()
        self.image = _ladder(network)
        self._network = (network,)

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Return both terms of the bound."""
        return self.bound(batch, generator)[0]

    def bound(
        self, batch: dict[str, Tensor], generator: torch.Generator
    ) -> tuple[dict[str, Tensor], tuple[Tensor, ...], Tensor]:
        """Return the terms, the latents that were drawn, and the residual of the drawing."""
        x = self._network[0].standardise(batch["images"])
        slots = batch["slots"]

        def normal(shape: tuple[int, ...]) -> Tensor:
            return draw_rows(torch.randn, shape, generator=generator, device=x.device)

        inferred = self.image.infer(x, normal)
        residual = x - self.image.draw(inferred.latents, Condition.full(slots, slots[:, 0, :0]))
        scale = self.image.scale()
        terms = {
            "reconstruction": (0.5 * (residual / scale) ** 2 + scale.log()).mean(),
            "rate": inferred.rate.mean() / x[0].numel(),
        }
        return terms, inferred.latents, residual


class CounterfactualTuning(LadderObjective):
    """Effectiveness of the model's own counterfactuals, under a bound on the evidence bound.

    Parameters
    ----------
    network : ImageNetwork
        Whose image network is tuned; label encoder and causal layer are left alone.
    soft : bool
        Whether labels that an intervention does not touch are to be read as on the factual image.
    damping : float, default=10.0
        How much more than its multiplier a violated constraint weighs, per nat per number.
    """

    limit: Tensor

    def __init__(self, network: ImageNetwork, *, soft: bool, damping: float = 10.0) -> None:
        super().__init__(network)
        self.soft, self.damping = soft, damping
        self.multiplier = nn.Parameter(torch.zeros(()))
        self.register_buffer("limit", torch.zeros(()))

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Return effectiveness and constraint."""
        network = self._network[0]
        terms, latents, residual = self.bound(batch, generator)
        excess = terms["reconstruction"] + terms["rate"] - self.limit
        slots, touched = self.intervened(batch["slots"], generator)
        drawn = self.image.draw(latents, Condition.full(slots, slots[:, 0, :0])) + residual
        wanted = slots
        if not self.soft:
            given = (batch["known"] * (1 - touched))[..., None]
            wanted = slots * (1 - given) + batch["labels"][..., None] * given
        effect = 0.5 * (network.slots(drawn) - wanted).square().mean()
        multiplier = F.softplus(self.multiplier)
        return {
            "effectiveness": effect,
            "constraint": (multiplier + self.damping * excess.clamp_min(0)).detach() * excess,
            # Its value is of no interest: gradient descent on it is ascent in the multiplier.
            "multiplier": -multiplier * excess.detach(),
        }

    def intervened(self, slots: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Set one node per row to a standard normal value; return the slots, and which nodes that moved."""
        layer, (n, n_nodes, _) = self._network[0].layer, slots.shape
        target = (draw_rows(torch.rand, (n,), generator=generator, device=slots.device) * n_nodes).long()
        value = draw_rows(torch.randn, (n,), generator=generator, device=slots.device)
        chosen = F.one_hot(target, n_nodes).to(slots)
        noise = layer.inverse(slots)
        after, touched = list(slots.unbind(1)), list(chosen.unbind(1))
        for node in layer.order:
            parents = list(layer.parents[node])
            if parents:
                upstream = torch.stack([touched[i] for i in parents]).amax(0)
                touched[node] = torch.maximum(touched[node], upstream)
                follows = layer.generate(node, torch.stack([after[i] for i in parents], 1), noise[:, node])
                # A node that nothing reaches keeps its very value, not one that rounding has been through.
                after[node] = torch.where(upstream[:, None] > 0, follows, after[node])
            after[node] = torch.where(chosen[:, node, None] > 0, value[:, None], after[node])
        return torch.stack(after, dim=1), torch.stack(touched, dim=1)


class LadderMechanism(ImageMechanism):
    """An image from slots, the latents of a hierarchical VAE and a residual.

    The noise is a dict of "latent0", "latent1", ... and "residual".
    """

    _seed: int | None = None

    def drawn(self, seed: int) -> LadderMechanism:
        """Return the mechanism whose abduction draws the latents from their posterior."""
        other = LadderMechanism(self._network, self._nodes, self._observed_codes)
        other._seed = seed
        return other

    def forward(self, parents: Mapping[Hashable, Tensor], noise: Mapping[str, Tensor]) -> Tensor:
        """Return images of shape (n, channels, size, size) in network units."""
        latents = [noise[f"latent{i}"] for i in range(len(noise) - 1)]
        return self._draw(parents, latents) + noise["residual"]

    def abduct(
        self,
        parents: Mapping[Hashable, Tensor],
        value: Tensor,
        code: Tensor | None = None,  # noqa: ARG002
    ) -> dict[str, Tensor]:
        """Return latents and residual of the images `value`."""
        normal: Callable[[tuple[int, ...]], Tensor] | None = None
        if self._seed is not None:
            generator = keyed_torch_generator(self._seed, "latents")

            def normal(shape: tuple[int, ...]) -> Tensor:
                return torch.randn(shape, generator=generator).to(value)

        latents = _ladder(self._network).infer(value, normal).latents
        noise = {f"latent{i}": z for i, z in enumerate(latents)}
        return {**noise, "residual": value - self._draw(parents, latents)}

    def sample_noise(self, n: int, generator: np.random.Generator) -> dict[str, Tensor]:
        """Draw latents from the prior and the residual of a pixel."""
        image, like = _ladder(self._network), self._network.image_mean

        def normal(shape: tuple[int, ...]) -> Tensor:
            return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32)).to(like)

        latents = image.sample(n, normal)
        noise = {f"latent{i}": z for i, z in enumerate(latents)}
        return {**noise, "residual": image.scale() * normal((n, *like.shape[1:]))}

    def _draw(self, parents: Mapping[Hashable, Tensor], latents: Any) -> Tensor:
        slots = torch.stack([parents[name] for name in self._nodes], dim=1)
        return _ladder(self._network).draw(latents, Condition.full(slots, slots[:, 0, :0]))


class HierarchicalVAE(VariationalModel):
    """Hierarchical variational autoencoder with labels injected at every level, tuned on counterfactuals.

    The latents of all levels and the residual are abducted and used again under the intervention.

    Parameters
    ----------
    graph : DAG, networkx.DiGraph, str or estimator, optional
        Graph whose nodes are the label columns.
    image_size : int, optional
        Side length, only to check the images against.
    preset : {"auto", "paper"}, default="auto"
        Our small network and optimisation, or the published ones for 32 pixels (widths 16 to 256, three
        latents of 16 channels per resolution, AdamW at 1e-3 with betas of 0.9, weight decay 0.01, batches
        of 32, gradients clipped at 350, average 0.999).
    tuning : {"soft", "hard", "none"}, default="soft"
        Targets of the counterfactual fine-tuning for labels that an intervention does not touch, or
        no fine-tuning.
    tuning_steps : int, optional
        Its steps; default: a fifth of `max_steps`.
    max_steps, batch_size : int, optional
        Optimiser steps of the image network before the tuning, and images per step.
    learning_rate : float, optional
        Peak learning rate of the image network.
    device : str, default="auto"
        Where to train and answer.
    precision : {"auto", "no", "bf16", "fp16"}, default="auto"
        Mixed precision of training.
    checkpoint : path, optional
        Folder for the state of the training.
    progress : bool, default=False
        Whether to show progress bars on stderr.
    random_state : int, Generator, RandomState or None
        Source of initial weights, batches and noise.

    Notes
    -----
    Labels are continuous, so that a soft target is the value that the encoder reads, where the source
    has the probabilities of a classifier.

    References
    ----------
    F. De Sousa Ribeiro et al., "High fidelity image counterfactuals with probabilistic causal models",
    ICML 2023, arXiv:2306.15764.
    T. Xia et al., "Mitigating attribute amplification in counterfactual image generation", MICCAI 2024,
    arXiv:2403.09422.

    Examples
    --------
    >>> from causalrep.datasets import pendulum
    >>> from causalrep.representation import HierarchicalVAE
    >>> world = pendulum(size=16)
    >>> s = world.sample(64, random_state=0)
    >>> model = HierarchicalVAE(world.graph_of_labels, max_steps=2, random_state=0)
    >>> result = model.fit(s["image"], s.frame).counterfactual(s["image"][:4], do={"angle": 10.0})
    >>> bool(abs(result.reconstruction - s["image"][:4]).max() < 1e-4)  # the residual is kept
    True
    """

    def __init__(
        self,
        graph: Any = None,
        *,
        image_size: int | None = None,
        preset: Literal["auto", "paper"] = "auto",
        tuning: Literal["soft", "hard", "none"] = "soft",
        tuning_steps: int | None = None,
        max_steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        device: str = "auto",
        precision: Literal["auto", "no", "bf16", "fp16"] = "auto",
        checkpoint: str | os.PathLike[str] | None = None,
        progress: bool = False,
        random_state: RandomState = None,
    ) -> None:
        super().__init__(
            graph, image_size=image_size, preset=preset, max_steps=max_steps, batch_size=batch_size,
            learning_rate=learning_rate, device=device, precision=precision, checkpoint=checkpoint,
            progress=progress, random_state=random_state,
        )  # fmt: skip
        self.tuning = tuning
        self.tuning_steps = tuning_steps

    def _make_recipe(self, shape: ImageShape, n_nodes: int) -> Recipe:  # noqa: ARG002
        check_preset(self.preset)
        if self.tuning not in ("soft", "hard", "none"):
            raise UnknownNameError(self.tuning, ("soft", "hard", "none"), what="`tuning`")
        networks: dict[str, Any] = {"denoiser": "ladder", "nuisance_dim": 0, "use_time": False}
        if self.preset == "paper":
            architecture = Architecture(
                widths=(16, 32, 64, 128, 256), fold=1, blocks=3, latent_dim=16, **networks
            )
            recipe = Recipe(
                architecture, batch_size=32, learning_rate=1e-3, betas=(0.9, 0.9), weight_decay=0.01,
                clip_norm=350.0, ema_decay=0.999, schedule="constant",
            )  # fmt: skip
        else:
            small = small_network(shape.size)
            architecture = Architecture(widths=small.widths, fold=small.fold, blocks=1, **networks)
            recipe = Recipe(architecture)
        return overridden(recipe, self._overrides())

    def _train(
        self, network: ImageNetwork, recipe: Recipe, images: Images, labels: NDArray[Any], **options: Any
    ) -> TrainingLog:
        tuning = CounterfactualTuning(network, soft=self.tuning == "soft")

        def slots() -> dict[str, Tensor]:
            return {"slots": encode_all(network, images)}

        def tune() -> tuple[Stage, dict[str, Tensor]]:
            data = slots()
            tuning.limit.copy_(_bound(tuning, images[:512], data["slots"][:512]))
            steps = max(1, recipe.max_steps // 5) if self.tuning_steps is None else self.tuning_steps
            changes = {"max_steps": steps, "learning_rate": recipe.learning_rate / 3}
            return stage_of(recipe, "tuning", tuning, **changes), data

        extra = [lambda: (stage_of(recipe, "images", LadderObjective(network)), slots())]
        if self.tuning != "none":
            extra.append(tune)
        return train(network, recipe, images, labels, process=None, image_stage=False, extra=extra, **options)

    def _image_mechanism(self, terms: Terms) -> Mechanism:  # noqa: ARG002
        return LadderMechanism(self.network_, self.graph_.nodes, self.observed_codes_)


@torch.no_grad()
def _bound(objective: LadderObjective, images: Tensor, slots: Tensor) -> Tensor:
    """Return the negative evidence bound of some images, with noise of its own seed."""
    device = objective._network[0].image_mean.device
    batch = {"images": images.to(device), "slots": slots.to(device)}
    terms, *_ = objective.bound(batch, keyed_torch_generator(0, "evidence bound", device=device))
    return terms["reconstruction"] + terms["rate"]
