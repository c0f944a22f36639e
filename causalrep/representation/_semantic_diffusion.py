r"""Spatial, semantic and dynamic abduction with a guided diffusion model.

*Spatial*: the noise of the image is found by DDIM under the factual labels. *Semantic*: a Gaussian code,
inferred from the image, is a condition beside the labels. *Dynamic*: a guided decode no longer undoes the
unguided encode; a token that takes the place of the null condition is optimised for every step, so that
the guided decode under the *factual* labels follows the encoded path, and is used again under the
counterfactual ones.

References
----------
R. Rasal, A. Kori, F. De Sousa Ribeiro, T. Xia, B. Glocker, "Diffusion counterfactual generation with
semantic abduction", ICML 2025, arXiv:2506.07883.
R. Mokady, A. Hertz, K. Aberman, Y. Pritch, D. Cohen-Or, "Null-text inversion for editing real images
using guided diffusion models", CVPR 2023, arXiv:2211.09794.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from causalrep.representation._composed import ComposedModel
from causalrep.representation._guidance import Guidance, GuidanceLike, Terms
from causalrep.representation._images import ImageShape
from causalrep.representation._mechanisms import ImageDiffusionMechanism
from causalrep.representation._network import Architecture
from causalrep.representation._recipes import Recipe, check_preset, overridden, small_network
from causalrep.representation.modules import Condition, Prepared
from causalrep.scm import Mechanism
from causalrep.utils import RandomState, UnknownNameError

__all__ = ["SemanticDiffusion"]

_KINDS = ("spatial", "semantic", "dynamic")


class DynamicAbductionMechanism(ImageDiffusionMechanism):
    """Guided decoding with tokens that make it undo the unguided encode; for DDIM.

    The noise has "tokens", (n, n_steps, n_embedding), beside "state" and "code".

    Parameters
    ----------
    *arguments, **options
        As for the base.
    weight : float
        Strength of guidance that the tokens are optimised for.
    iterations : int
        Steps of Adam per step of the solver, at most.
    """

    def __init__(self, *arguments: Any, weight: float, iterations: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._weight, self._iterations = weight, iterations
        self._times = self._process.grid(self._solver.steps)
        self._positions = self._process.position(self._times)

    def abduct(
        self, parents: Mapping[Hashable, Tensor], value: Tensor, code: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return state, code and tokens of the images `value`."""
        code = self._network.code(value) if code is None else code
        condition = self._condition(parents, code)
        path = self._path(condition, value)
        shown, null = self._prepared(condition)
        x, tokens = path[-1], []
        for level in range(len(path) - 1, 0, -1):
            token = self._fitted(x, level, path[level - 1], shown, null)
            with torch.no_grad():
                x = self._step(x, level, self._guided(x, level, shown, null, token))
            tokens.append(token)
        return {"state": path[-1].unsqueeze(1), "code": code, "tokens": torch.stack(tokens, dim=1)}

    def forward(self, parents: Mapping[Hashable, Tensor], noise: Mapping[str, Tensor]) -> Tensor:
        """Return images; without tokens, or unguided, as the base does."""
        if "tokens" not in noise or not self._terms:
            return super().forward(parents, noise)
        shown, null = self._prepared(self._condition(parents, noise["code"]))
        x = noise["state"][:, 0]
        for number, level in enumerate(range(len(self._times) - 1, 0, -1)):
            x = self._step(x, level, self._guided(x, level, shown, null, noise["tokens"][:, number]))
        return x

    def _prepared(self, condition: Condition) -> tuple[Prepared, Prepared]:
        image = self._network.image
        none = (False,) * condition.keep.shape[1]
        return image.prepare(condition), image.prepare(condition.showing(none))

    @torch.no_grad()
    def _path(self, condition: Condition, x: Tensor) -> list[Tensor]:
        """Return the states of the unguided encode, from the image to its noise."""
        shown, _ = self._prepared(condition)
        path = [x]
        for level in range(1, len(self._times)):
            at = path[-1]
            slope = self._slope(at, level, self._run(at, level, shown))
            y = self._process.to_state(at, self._times[level - 1]) + self._length(level) * slope
            path.append(self._process.from_state(y, self._times[level]))
        return path

    def _length(self, level: int) -> float:
        return float(self._positions[level] - self._positions[level - 1])

    def _run(self, x: Tensor, level: int, prepared: Prepared) -> Tensor:
        t = self._process.network_time(x.new_full((len(x),), float(self._times[level])))
        return self._network.image.run(x, t, prepared)

    def _slope(self, x: Tensor, level: int, output: Tensor) -> Tensor:
        return self._process.derivative(x, self._times[level], output)

    def _guided(self, x: Tensor, level: int, shown: Prepared, null: Prepared, token: Tensor) -> Tensor:
        moved = replace(null, vector=token if null.vector is None else null.vector + token)
        away = self._run(x, level, moved)
        return away + self._weight * (self._run(x, level, shown) - away)

    def _step(self, x: Tensor, level: int, output: Tensor) -> Tensor:
        """Return the state one level nearer to the image."""
        slope = self._slope(x, level, output)
        y = self._process.to_state(x, self._times[level]) - self._length(level) * slope
        return self._process.from_state(y, self._times[level - 1])

    @torch.enable_grad()
    def _fitted(self, x: Tensor, level: int, wanted: Tensor, shown: Prepared, null: Prepared) -> Tensor:
        """Return the tokens (n, n_embedding) with which the guided step lands on the encoded path.

        Every row is optimised by itself: one that has arrived stays, whatever the others do.
        """
        if shown.vector is None:
            raise ValueError("a token takes the place of labels that are added to the time embedding")
        token = torch.zeros_like(shown.vector).requires_grad_()
        best, least = torch.zeros_like(token), x.new_full((len(x),), torch.inf)
        rate = 1e-2 * (1 - level / (2 * (len(self._times) - 1)))
        adam = torch.optim.Adam([token], lr=rate)
        for _ in range(self._iterations + 1):
            missed = self._step(x, level, self._guided(x, level, shown, null, token)) - wanted
            losses = missed.square().flatten(1).mean(1)
            with torch.no_grad():
                better = losses < least
                best = torch.where(better[:, None], token, best)
                least = torch.where(better, losses, least)
            going = (losses > 1e-5).to(losses)
            if not going.any():
                break
            adam.zero_grad()
            (losses * going).sum().backward()
            adam.step()
        return best.detach()


class SemanticDiffusion(ComposedModel):
    """Label-conditional diffusion with spatial, semantic or dynamic abduction, guided when it decodes.

    Parameters
    ----------
    graph : DAG, networkx.DiGraph, str or estimator, optional
        Graph whose nodes are the label columns.
    image_size : int, optional
        Side length, only to check the images against.
    preset : {"auto", "paper"}, default="auto"
        Our small network and optimisation, or the published ones for digits (widths 32, 128 and 256, one
        block, batches of 32 at 1e-4, average 0.9999, 1 000 steps each way).
    abduction : {"semantic", "spatial", "dynamic"}, default="semantic"
        What is abducted beside the labels: image noise and code; image noise alone; or also the tokens.
    guidance : float or mapping, default=1.5
        Strength of the condition when predicting; a mapping of "affected" and "invariant" weighs the
        labels apart, except with "dynamic".
    nuisance_dim : int, default=4
        Numbers of the code.
    condition_dropout : float, default=0.1
        Share of conditions withheld in training.
    slot_dropout : float, default=0.0
        Share of single labels withheld in training, for guidance by mapping.
    token_iterations : int, default=10
        Optimiser steps for each token, at most.
    solver_steps : int, optional
        Steps of DDIM, each way.
    max_steps, batch_size : int, optional
        Optimiser steps of the image network, and images per step.
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
    Predicted images are not clipped, which published they are at every step: it breaks the inversion.

    References
    ----------
    R. Rasal et al., "Diffusion counterfactual generation with semantic abduction", ICML 2025,
    arXiv:2506.07883.

    Examples
    --------
    >>> from causalrep.datasets import pendulum
    >>> from causalrep.representation import SemanticDiffusion
    >>> world = pendulum(size=16)
    >>> s = world.sample(64, random_state=0)
    >>> model = SemanticDiffusion(world.graph_of_labels, solver_steps=4, max_steps=2, random_state=0)
    >>> model.fit(s["image"], s.frame).counterfactual(s["image"][:2], do={"angle": 10.0}).images.shape
    (2, 3, 16, 16)
    """

    def __init__(
        self,
        graph: Any = None,
        *,
        image_size: int | None = None,
        preset: Literal["auto", "paper"] = "auto",
        abduction: Literal["spatial", "semantic", "dynamic"] = "semantic",
        guidance: GuidanceLike = 1.5,
        nuisance_dim: int = 4,
        condition_dropout: float = 0.1,
        slot_dropout: float = 0.0,
        token_iterations: int = 10,
        solver_steps: int | None = None,
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
        self.abduction = abduction
        self.guidance = guidance
        self.nuisance_dim = nuisance_dim
        self.condition_dropout = condition_dropout
        self.slot_dropout = slot_dropout
        self.token_iterations = token_iterations
        self.solver_steps = solver_steps

    def _make_recipe(self, shape: ImageShape, n_nodes: int) -> Recipe:  # noqa: ARG002
        check_preset(self.preset)
        if self.abduction not in _KINDS:
            raise UnknownNameError(self.abduction, _KINDS, what="`abduction`")
        networks: dict[str, Any] = {"conditioning": "adagn", "nuisance_dim": 0}
        if self.abduction != "spatial":
            networks |= {"nuisance_dim": self.nuisance_dim, "nuisance_stochastic": True}
        common: dict[str, Any] = {
            "objective": "epsilon", "solver": "ddim", "condition_dropout": self.condition_dropout,
            "slot_dropout": self.slot_dropout,
            # Published as divergence against the denoising loss summed over pixels.
            "rate_weight": 1.0 / (shape.channels * shape.size**2),
        }  # fmt: skip
        if self.preset == "paper":
            architecture = Architecture(
                denoiser="unet2d", widths=(32, 128, 256), blocks=1, fold=1, **networks
            )
            recipe = Recipe(
                architecture, **common, solver_steps=1000, batch_size=32, learning_rate=1e-4,
                betas=(0.9, 0.999), schedule="constant", warmup_steps=0, ema_decay=0.9999,
            )  # fmt: skip
        else:
            small = small_network(shape.size)
            recipe = Recipe(
                Architecture(widths=small.widths, fold=small.fold, **networks), **common, solver_steps=50
            )
        self._check_guidance(Guidance.read(self.guidance), recipe)
        if self.abduction == "dynamic" and Guidance.read(self.guidance).decoupled:
            raise ValueError("dynamic abduction has one strength of guidance, got a mapping")
        return overridden(recipe, self._overrides("solver_steps"))

    def _image_mechanism(self, terms: Terms) -> Mechanism:
        arguments = (self.network_, self.graph_.nodes, self.observed_codes_)
        recipe = self.recipe_
        options: dict[str, Any] = {
            "process": recipe.make_process(), "solver": recipe.make_solver(), "terms": terms
        }  # fmt: skip
        weight = Guidance.read(self.guidance).affected
        if self.abduction != "dynamic" or weight == 1.0:
            return ImageDiffusionMechanism(*arguments, **options)
        return DynamicAbductionMechanism(
            *arguments, weight=weight, iterations=self.token_iterations, **options
        )
