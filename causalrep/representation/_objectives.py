"""What is minimised, one module per stage of a training.

The measured recipe trains in three stages: the label encoder by regression, the causal layer by
regression of each label on its parents, and the image network with the nuisance encoder on top of
both. The published recipe trains everything at once on equation (2) of Komanduri et al. (2024), with
weights of its own for alignment and Kullback-Leibler term.

Every module answers ``forward(batch, generator) -> {name: loss}``; a batch has "images", "labels"
(standardised, 0 where unknown) and "known" (1 where a label is given). Means over labelled entries
are written as weighted means over all rows, so that a loss is a mean over the rows of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from causalrep.representation._network import ImageNetwork, divergence
from causalrep.representation.modules import Condition
from causalrep.representation.solvers import Process
from causalrep.representation.trainer import draw_rows, steps_done

__all__ = ["Dropout", "ImageObjective", "JointObjective", "LabelObjective", "MechanismObjective"]

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Dropout:
    """How often parts of the condition are withheld in training.

    Parameters
    ----------
    slot : float
        Probability for each slot alone.
    all_slots : float
        Probability for all slots of a row together; this trains the null condition of guidance.
    code : float
        Probability for the nuisance code.
    """

    slot: float = 0.0
    all_slots: float = 0.0
    code: float = 0.0

    def apply(self, condition: Condition, generator: torch.Generator) -> Condition:
        """Return the condition with parts withheld at random."""
        n, n_nodes = condition.keep.shape

        def kept(shape: tuple[int, ...], p: float) -> Tensor:
            return draw_rows(torch.rand, shape, generator=generator, device=condition.keep.device) >= p

        keep, code_keep = condition.keep, condition.code_keep
        if self.slot > 0:
            keep = keep * kept((n, n_nodes), self.slot)
        if self.all_slots > 0:
            keep = keep * kept((n, 1), self.all_slots)
        if self.code > 0:
            code_keep = code_keep * kept((n,), self.code)
        return Condition(condition.slots, condition.code, keep, code_keep)


def _known_mean(values: Tensor, known: Tensor, rate: float) -> Tensor:
    """Return the mean over known entries, estimated without bias from any batch.

    `rate` is the share of known entries in the training data: dividing by it instead of by the count
    in this batch keeps the loss a mean over rows, whatever the batch is split into.
    """
    return (values * known).mean() / rate


class LabelObjective(nn.Module):
    """Alignment of the slots with the labels: squared error of every number of a slot.

    Parameters
    ----------
    network : ImageNetwork
        Its encoder is trained.
    known_rate : float
        Share of labelled entries in the training data.
    align_weight : float
        Weight of the term.
    """

    def __init__(self, network: ImageNetwork, *, known_rate: float, align_weight: float = 1.0) -> None:
        super().__init__()
        self.encoder = network.encoder
        self._network = (network,)  # in a tuple: only the encoder's parameters belong to this stage
        self.known_rate = known_rate
        self.align_weight = align_weight

    def forward(self, batch: Batch, generator: torch.Generator) -> Batch:  # noqa: ARG002
        """Return the alignment loss."""
        network = self._network[0]
        slots = network.slots(network.standardise(batch["images"]))
        error = ((slots - batch["labels"][..., None]) ** 2).mean(-1)
        return {"align": self.align_weight * _known_mean(error, batch["known"], self.known_rate)}


class MechanismObjective(nn.Module):
    """Regression of each node on its parents: the conditional mean, or Gaussian likelihood.

    Additive mechanisms minimise the squared residual; affine ones the negative log-likelihood of a
    Gaussian whose scale they model.

    Parameters
    ----------
    network : ImageNetwork
        Its causal layer is trained.
    """

    reads_images = False

    def __init__(self, network: ImageNetwork) -> None:
        super().__init__()
        self.layer = network.layer
        self.slot_dim = network.slot_shape[1]

    def forward(self, batch: Batch, generator: torch.Generator) -> Batch:  # noqa: ARG002
        """Return one loss per node that has parents."""
        labels, known = batch["labels"], batch["known"]
        slots = labels[..., None].expand(*labels.shape, self.slot_dim)
        losses: Batch = {}
        for node, parents in enumerate(self.layer.parents):
            if parents:
                usable = torch.stack([known[:, i] for i in (node, *parents)], dim=1).prod(dim=1)
                location, log_scale = self.layer.location_scale(node, self.layer.parents_of(node, slots))
                residual = slots[:, node] - location
                if log_scale is None:
                    loss = residual**2
                else:
                    loss = 0.5 * (residual * (-log_scale).exp()) ** 2 + log_scale
                losses[f"node{node}"] = (loss.mean(-1) * usable).mean()
        return losses


class ImageObjective(nn.Module):
    """The image network with the nuisance encoder, on slots that do not change any more.

    With a process it is trained to denoise; without one, to draw the image from the condition alone
    (the plain regression decoder).

    Parameters
    ----------
    network : ImageNetwork
        Its image network and nuisance encoder are trained.
    process : Process or None
        How images are noised.
    dropout : Dropout
        What is withheld from the condition.
    code_weight : float
        Weight of the code's mean square, which keeps its scale.
    independence_weight : float
        Weight of the mean squared correlation, over a batch, of the code with the slots and with their
        squares: what a label says, the code shall not say again.
    rate_limit, rate_weight : float
        For a Gaussian code: nats that it may tell of an image, and the weight of every nat above.
    unlabelled : {"show", "withhold"}
        Whether the network sees the slots of rows without any label.
    """

    def __init__(
        self,
        network: ImageNetwork,
        process: Process | None,
        *,
        dropout: Dropout,
        code_weight: float = 1e-4,
        independence_weight: float = 0.0,
        rate_limit: float = 0.0,
        rate_weight: float = 0.0,
        unlabelled: Literal["show", "withhold"] = "show",
    ) -> None:
        super().__init__()
        self.image = network.image
        self.nuisance = network.nuisance
        self._network = (network,)
        self.process = process
        self.dropout = dropout
        self.code_weight = code_weight
        self.independence_weight = independence_weight
        self.rate_limit, self.rate_weight = rate_limit, rate_weight
        self.unlabelled = unlabelled

    def forward(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the denoising (or drawing) loss and the code's."""
        network = self._network[0]
        x = network.standardise(batch["images"])
        law = network.code_law(x)
        code = drawn_code(law, generator)
        condition = self.dropout.apply(Condition.full(batch["slots"], code), generator)
        if self.unlabelled == "withhold":
            condition = condition.of_rows(is_labelled(batch))
        losses = denoising_loss(network, self.process, x, condition, generator)
        losses |= code_losses(law, self.code_weight, self.rate_limit, self.rate_weight)
        if code.shape[1] and self.independence_weight > 0:
            losses["leak"] = self.independence_weight * squared_correlation(code, batch["slots"])
        return losses


class JointObjective(nn.Module):
    """The published objective, all parts at once: denoising, alignment and Kullback-Leibler term.

    Parameters
    ----------
    network : ImageNetwork
        Everything in it is trained.
    process : Process
        How images are noised.
    dropout : Dropout
        What is withheld.
    known_rate, labelled_rate : float
        Share of labelled entries, and of rows with any label.
    align_weight, kl_weight : float
        Weights of the terms, each a mean over the numbers of the code.
    warmup_steps : int
        Steps over which both weights grow linearly from 0.
    slot_noise : float
        Variance of the noise on the slots, as a fraction of the encoder's variance.
    code_weight : float
        Weight of the nuisance code's mean square.
    rate_limit, rate_weight : float
        For a Gaussian nuisance code: nats that it may tell of an image, and the weight of every nat above.
    unlabelled : {"withhold", "show"}
        What becomes of rows without any label. As published ("withhold"), their slots are never shown,
        and rows whose slots are withheld, by chance too, have no part in alignment and divergence.
        With "show" the divergence and the denoising loss are those of all rows, and only the
        alignment needs labels.
    """

    def __init__(
        self,
        network: ImageNetwork,
        process: Process | None,
        *,
        dropout: Dropout,
        known_rate: float,
        labelled_rate: float = 1.0,
        align_weight: float,
        kl_weight: float,
        warmup_steps: int,
        slot_noise: float = 1e-3,
        code_weight: float = 1e-4,
        rate_limit: float = 0.0,
        rate_weight: float = 0.0,
        unlabelled: Literal["show", "withhold"] = "withhold",
    ) -> None:
        super().__init__()
        self.network = network
        self.process = process
        self.dropout = dropout
        self.align_weight, self.kl_weight = align_weight, kl_weight
        self.warmup_steps = warmup_steps
        self.slot_noise = slot_noise
        self.code_weight = code_weight
        self.rate_limit, self.rate_weight = rate_limit, rate_weight
        self.unlabelled = unlabelled
        self.known_rate = known_rate
        self.labelled_rate = labelled_rate if unlabelled == "withhold" else 1.0

    def forward(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the terms of equation (2), weighted."""
        network = self.network
        x = network.standardise(batch["images"])
        mean, variance = network.encode(x)
        exogenous = network.architecture.encodes == "exogenous"
        slots = network.layer(mean) if exogenous else mean
        noise_mean = mean if exogenous else network.layer.inverse(mean)
        shown = slots
        if variance is not None:
            draw = draw_rows(torch.randn, tuple(slots.shape), generator=generator, device=slots.device)
            shown = slots + (self.slot_noise * variance).sqrt() * draw
        law = network.code_law(x)
        condition = self.dropout.apply(Condition.full(shown, drawn_code(law, generator)), generator)
        taken = x.new_ones(len(x))
        if self.unlabelled == "withhold":
            condition = condition.of_rows(is_labelled(batch))
            taken = condition.keep.amax(dim=1)
        losses = denoising_loss(network, self.process, x, condition, generator)
        weight = self._weight_at(steps_done(generator))
        error = 0.5 * ((slots - batch["labels"][..., None]) ** 2).mean(-1)
        known = batch["known"] * taken[:, None]
        losses["align"] = weight * self.align_weight * _known_mean(error, known, self._rate(self.known_rate))
        kl = divergence(noise_mean, variance).mean(dim=(1, 2))
        losses["kl"] = weight * self.kl_weight * _known_mean(kl, taken, self._rate(self.labelled_rate))
        return losses | code_losses(law, self.code_weight, self.rate_limit, self.rate_weight)

    def _rate(self, share: float) -> float:
        """Return the share of entries that count: of those given, the share that is not withheld."""
        if self.unlabelled == "show":
            return share
        return (
            share * (1.0 - self.dropout.all_slots) * (1.0 - self.dropout.slot ** len(self.network.label_mean))
        )

    def _weight_at(self, step: int | None) -> float:
        return 1.0 if step is None or self.warmup_steps == 0 else min(1.0, step / self.warmup_steps)


def squared_correlation(code: Tensor, slots: Tensor) -> Tensor:
    """Return the mean squared correlation of a code with the slots and with their squares.

    Parameters
    ----------
    code : Tensor of shape (n, nuisance_dim)
        The code.
    slots : Tensor of shape (n, n_nodes, slot_dim)
        The slots.
    """
    values = slots.flatten(1)
    told = torch.cat([values, values**2], dim=1)

    def standardised(columns: Tensor) -> Tensor:
        centred = columns - columns.mean(0)
        return centred / (centred.square().mean(0) + 1e-6).sqrt()

    return ((standardised(code).T @ standardised(told) / len(code)) ** 2).mean()


def is_labelled(batch: Batch) -> Tensor:
    """Return 1 for rows with at least one label, else 0, as (n, 1)."""
    return (batch["known"].amax(dim=1, keepdim=True) > 0).to(batch["known"])


def drawn_code(law: tuple[Tensor, Tensor | None], generator: torch.Generator) -> Tensor:
    """Return a draw from the law of the nuisance code; the code itself where it has none."""
    mean, variance = law
    if variance is None:
        return mean
    return mean + variance.sqrt() * draw_rows(
        torch.randn, tuple(mean.shape), generator=generator, device=mean.device
    )


def code_losses(
    law: tuple[Tensor, Tensor | None], code_weight: float, rate_limit: float, rate_weight: float
) -> Batch:
    """Return what the nuisance code costs: its scale, or, for a Gaussian, the nats above the limit."""
    mean, variance = law
    if not mean.shape[1]:
        return {}
    if variance is None:
        return {"code": code_weight * (mean**2).mean()}
    rate = divergence(mean, variance).sum(dim=1).mean()
    return {"rate": rate_weight * nn.functional.relu(rate - rate_limit)}


def denoising_loss(
    network: ImageNetwork, process: Process | None, x: Tensor, condition: Condition, generator: Any
) -> Batch:
    """Return the squared error of the image network, a mean over pixels and rows."""
    if process is None:
        drawn = network.predict(torch.zeros_like(x), x.new_zeros(len(x)), condition)
        return {"reconstruction": ((drawn - x) ** 2).mean()}
    t = draw_rows(
        lambda shape, generator: process.draw_times(shape[0], generator=generator),
        (len(x),),
        generator=generator,
    )
    t = t.to(x.device)
    noise = draw_rows(torch.randn, tuple(x.shape), generator=generator, device=x.device)
    output = network.predict(process.add_noise(x, noise, t), process.network_time(t), condition)
    return {"denoising": ((output - process.target(x, noise, t)) ** 2).mean()}
