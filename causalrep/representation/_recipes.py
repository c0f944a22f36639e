"""Recipes: complete settings of an image model, by preset and resolution.

"auto" is the recipe that was measured to work (rectified flow on standardised pixels, slots drawn
as spatial maps, a small nuisance code, exact inversion). "paper" is the configuration published with
CausalDiffAE; "paper-small" the same method with the network, batch size and number of steps of "auto",
for comparisons at an equal budget.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import torch

from causalrep.representation._execution import Execution, execution_on
from causalrep.representation._network import Architecture
from causalrep.representation.solvers import Process, RectifiedFlow, Solver, VariancePreserving, get_solver
from causalrep.utils import UnknownNameError

__all__ = ["PRESETS", "Recipe", "check_preset", "make_recipe", "overridden", "small_network"]

PRESETS = ("auto", "paper", "paper-small")

OBJECTIVES = ("flow", "epsilon", "v", "sample")


@dataclass(frozen=True)
class Recipe:
    """All settings of one model; plain values, so that a JSON file can hold them.

    Parameters
    ----------
    architecture : Architecture
        Sizes and kinds of the networks.
    objective : {"flow", "epsilon", "v", "sample"}
        What the image network predicts.
    n_noise_levels : int
        Levels of the discrete diffusion; not used by "flow".
    training : {"staged", "joint"}
        Encoder, mechanisms and image network one after the other, or all at once.
    solver : {"obelm", "ddim", "heun"}
        Solver of the probability-flow ODE.
    solver_steps : int
        Its steps, each way.
    abduction : {"invert", "fresh"}
        Whether the image noise is abducted by inverting the ODE or drawn anew, as published.
    slot_mode : {"shift", "fill"}
        Whether an intervention moves all numbers of a slot by the same amount, or sets them.
    max_steps, batch_size, learning_rate, betas, warmup_steps, final_fraction, ema_decay, schedule
        Optimisation of the image network.
    weight_decay, clip_norm : float
        Of the same.
    encoder_steps, encoder_rate : int, float
        Optimisation of label encoder and causal layer, where they are stages of their own.
    align_weight, kl_weight, weight_warmup : float, float, int
        Weights of alignment and Kullback-Leibler term, and the steps over which they grow.
    independence_weight : float
        Weight that keeps the nuisance code uncorrelated with the slots and their squares.
    rate_limit, rate_weight : float
        For a Gaussian nuisance code: nats that it may tell of an image, and the weight of a nat above.
    unlabelled : {"show", "withhold"}
        Whether the image network sees the slots of rows without any label; as published it does not.
    gradient_accumulation : int
        Parts in which a batch is computed, one after the other.
    compile, channels_last, cuda_graphs : bool or None
        Ways of running the networks (:class:`~causalrep.representation._execution.Execution`); None
        takes what was measured to be best on the class of the device.
    slot_dropout, condition_dropout, code_dropout : float
        Share of slots, of whole conditions and of codes withheld in training.
    """

    architecture: Architecture
    objective: Literal["flow", "epsilon", "v", "sample"] = "flow"
    n_noise_levels: int = 1000
    training: Literal["staged", "joint"] = "staged"
    solver: str = "obelm"
    solver_steps: int = 20
    abduction: Literal["invert", "fresh"] = "invert"
    slot_mode: Literal["shift", "fill"] = "shift"
    max_steps: int = 6000
    batch_size: int = 64
    learning_rate: float = 3e-3
    betas: tuple[float, float] = (0.9, 0.99)
    warmup_steps: int = 50
    schedule: Literal["cosine", "constant"] = "cosine"
    weight_decay: float = 1e-4
    clip_norm: float | None = 1.0
    final_fraction: float = 0.02
    ema_decay: float = 0.995
    encoder_steps: int = 1500
    encoder_rate: float = 2e-3
    align_weight: float = 1.0
    kl_weight: float = 1e-3
    weight_warmup: int = 0
    independence_weight: float = 0.0
    rate_limit: float = 0.0
    rate_weight: float = 0.1
    unlabelled: Literal["show", "withhold"] = "show"
    gradient_accumulation: int = 1
    compile: bool | None = None
    channels_last: bool | None = None
    cuda_graphs: bool | None = None
    slot_dropout: float = 0.0
    condition_dropout: float = 0.0
    code_dropout: float = 0.0

    def make_process(self) -> Process:
        """Return the noise process that the objective belongs to."""
        if self.objective == "flow":
            # In the coordinates of time O-BELM is the leapfrog scheme, whose counterfactuals were
            # measured to be worse (benchmarks/results/solvers.md); the others do better there.
            return RectifiedFlow(coordinates="ratio" if self.solver == "obelm" else "time")
        return VariancePreserving(n_steps=self.n_noise_levels, prediction=self.objective)

    def make_solver(self) -> Solver:
        """Return the solver."""
        return get_solver(self.solver, steps=self.solver_steps)

    def execution(self, device: torch.device | str) -> Execution:
        """Return how the networks run on a device."""
        return execution_on(
            device, compile=self.compile, channels_last=self.channels_last, cuda_graphs=self.cuda_graphs
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Return the recipe that :meth:`to_dict` described."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise UnknownNameError(unknown[0], sorted(known), what="the recipe")
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        plain["architecture"] = Architecture.from_dict(values["architecture"])
        return cls(**plain)


def make_recipe(preset: str, *, size: int, n_nodes: int, overrides: dict[str, Any]) -> Recipe:
    """Return the recipe of a preset at one resolution, with some settings overridden.

    Parameters
    ----------
    preset : {"auto", "paper", "paper-small"}
        Which recipe.
    size : int
        Side length of the images.
    n_nodes : int
        Number of labelled nodes; the published sizes depend on it.
    overrides : dict
        Settings of :class:`Recipe` or :class:`Architecture` by name, and "nuisance_rate", which makes the
        code a Gaussian of limited rate; ``None`` keeps the preset's.

    Raises
    ------
    UnknownNameError
        For a preset, objective or solver that does not exist.
    """
    check_preset(preset, PRESETS)
    recipe = {"auto": _measured, "paper": _published, "paper-small": _published_small}[preset](size, n_nodes)
    return overridden(recipe, overrides)


def check_preset(preset: str, known: Collection[str] = ("auto", "paper")) -> None:
    """Raise an UnknownNameError unless there is such a preset."""
    if preset not in known:
        raise UnknownNameError(preset, known, what="`preset`")


def overridden(recipe: Recipe, overrides: dict[str, Any]) -> Recipe:
    """Return a recipe with settings by name, those that are None left as they are; see `make_recipe`."""
    given = {name: value for name, value in overrides.items() if value is not None}
    if "objective" in given and given["objective"] not in OBJECTIVES:
        raise UnknownNameError(given["objective"], OBJECTIVES, what="`objective`")
    of_network = {field.name for field in fields(Architecture)}
    architecture = replace(recipe.architecture, **{k: v for k, v in given.items() if k in of_network})
    if architecture.denoiser == "unet2d" and recipe.architecture.denoiser == "spatial":
        architecture = replace(architecture, blocks=1)
    if "nuisance_rate" in given:
        architecture = replace(architecture, nuisance_stochastic=True)
        given["rate_limit"] = given.pop("nuisance_rate")
    given = {k: v for k, v in given.items() if k not in of_network}
    recipe = replace(recipe, architecture=architecture, **given)
    recipe.make_solver()  # an unknown name is an error now, not after the training
    return recipe


def small_network(size: int) -> Architecture:
    """Return the sizes of the small networks at one resolution."""
    if size <= 32:
        return Architecture(widths=(32, 64), fold=2 if size % 4 == 0 else 1)
    if size <= 64:
        return Architecture(widths=(48, 96, 128), fold=2)
    return Architecture(widths=(64, 128, 128, 192), fold=2 if size % 16 == 0 else 1)


def _measured(size: int, n_nodes: int) -> Recipe:  # noqa: ARG001
    return Recipe(architecture=small_network(size))


def _published(size: int, n_nodes: int) -> Recipe:
    widths = {28: (128, 256, 256), 32: (128, 256, 256, 256), 64: (128, 256, 384, 512)}.get(
        size, (128, 256, 384, 512) if size <= 96 else (128, 128, 256, 256, 512, 512)
    )
    architecture = Architecture(
        denoiser="unet2d",
        conditioning="adagn",
        widths=widths,
        blocks=3,
        # Published as image resolutions to divide by, which puts attention on the finest grid at
        # 28 px and on none at 96; the two coarsest grids are what was meant.
        attention=(len(widths) - 2, len(widths) - 1),
        fold=1,
        slot_dim=256 if n_nodes == 2 else 16,
        nuisance_dim=0,
        encodes="exogenous",
        stochastic=True,
        encoder_width=16,
    )
    return Recipe(
        architecture=architecture,
        objective="epsilon",
        training="joint",
        unlabelled="withhold",
        solver="ddim",
        solver_steps=250,
        abduction="fresh",
        slot_mode="fill",
        max_steps=14_000 if n_nodes == 2 else 35_000,
        batch_size=128 if n_nodes == 2 else 32,
        learning_rate=1e-4,
        betas=(0.9, 0.999),
        warmup_steps=0,
        schedule="constant",
        ema_decay=0.9999,
        align_weight=float(256 if n_nodes == 2 else 16) * n_nodes,
        kl_weight=float(256 if n_nodes == 2 else 16) * n_nodes,
        weight_warmup=50_000,
    )


def _published_small(size: int, n_nodes: int) -> Recipe:
    published, small = _published(size, n_nodes), _measured(size, n_nodes)
    architecture = replace(
        small.architecture,
        conditioning="adagn", slot_dim=16, nuisance_dim=0, encodes="exogenous", stochastic=True,
    )  # fmt: skip
    return replace(
        small,
        architecture=architecture,
        objective="epsilon",
        training="joint",
        unlabelled="withhold",
        solver="ddim",
        solver_steps=50,
        abduction="fresh",
        slot_mode="fill",
        align_weight=16.0 * n_nodes,
        kl_weight=16.0 * n_nodes,
        # The published weights grow over 50 000 of 35 000 steps; the same slope on this length.
        weight_warmup=int(small.max_steps * 50_000 / published.max_steps),
    )
