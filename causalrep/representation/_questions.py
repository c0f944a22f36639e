"""The questions that every fitted image model answers: read, abduct, intervene, predict, sample."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from causalrep.representation._answers import Abducted, CounterfactualResult, Draws, as_it_is, chunks
from causalrep.representation._execution import rows_at_once
from causalrep.representation._guidance import Guidance, GuidanceLike, Terms
from causalrep.representation._images import as_images, like_input
from causalrep.representation._interventions import (
    Do,
    Intervention,
    MovedSlot,
    SlotPolicy,
    read_interventions,
)
from causalrep.representation._labels import do_values
from causalrep.scm import SCM, Mechanism
from causalrep.utils import RandomState, as_seed, frame_like, keyed_seed, keyed_torch_generator

if TYPE_CHECKING:
    import pandas as pd

    from causalrep.graphs import DAG
    from causalrep.representation._images import ImageShape
    from causalrep.representation._network import ImageNetwork
    from causalrep.representation._recipes import Recipe

__all__ = ["QuestionsMixin"]


class QuestionsMixin:
    """What is asked of a fitted image model."""

    #: Whether predictions can be guided at all.
    is_guided: ClassVar[bool] = True

    if TYPE_CHECKING:  # what it finds in the model
        graph_: DAG
        shape_: ImageShape
        recipe_: Recipe
        network_: ImageNetwork
        observed_error_: Tensor
        guidance: GuidanceLike

        @abstractmethod
        def _image_mechanism(self, terms: Terms) -> Mechanism: ...

        def _label_scm(self) -> SCM: ...

        def _scm(self) -> SCM: ...

    def abduct(self, images: Any, *, random_state: RandomState = None) -> Abducted:
        """Infer causal state and noise of images.

        Parameters
        ----------
        images : array of shape (n, channels, size, size)
            NumPy or Torch, in [0, 1] or uint8.
        random_state : int, Generator or RandomState, optional
            With one, the causal state is drawn around the one that is read, with the error that reading
            showed in training, and the nuisance code from its law where it has one; the image noise
            follows. Without, the most plausible of all is returned.

        Returns
        -------
        Abducted
            To be passed to :meth:`predict_images` with any number of interventions.

        Raises
        ------
        DataError
            If the images are not as in training.
        """
        check_is_fitted(self)
        tensor = as_images(images, expected=self.shape_)
        seed = None if random_state is None else as_seed(random_state)
        parts = [
            self._abduct_rows(tensor[rows], number, seed)
            for number, rows in enumerate(self._chunks(len(tensor)))
        ]
        return replace(Abducted.join(parts), give_back=partial(like_input, images=images))

    def intervene(
        self, abducted: Abducted, do: Do | None = None, *, shift: Mapping[Hashable, Any] | None = None
    ) -> Abducted:
        """Return abducted images as they are after an intervention that has come to an end.

        What the intervention did stays, as part of the noise, but its targets follow their mechanisms
        again: interventions that are made one after the other, where ``do`` with several nodes makes
        them at once. Nothing is drawn, and the noise of the pixels stays.

        Parameters
        ----------
        abducted : Abducted
            From :meth:`abduct`.
        do : mapping of node to value or rule, or sequence of them, optional
            As in :meth:`counterfactual`.
        shift : mapping of node to number or array of shape (n,), optional
            As in :meth:`counterfactual`.

        Returns
        -------
        Abducted
            The new state.
        """
        check_is_fitted(self)
        for step in read_interventions(do, shift, self.graph_, len(abducted)):
            abducted = self._advanced(abducted, step)
        return abducted

    def predict_images(
        self,
        abducted: Abducted,
        do: Do | None = None,
        *,
        shift: Mapping[Hashable, Any] | None = None,
        guidance: GuidanceLike | None = None,
    ) -> Any:
        """Draw what abducted images would have been under an intervention.

        Parameters
        ----------
        abducted : Abducted
            From :meth:`abduct`.
        do : mapping of node to value or rule, or sequence of them, optional
            As in :meth:`counterfactual`; none is the null intervention, which reconstructs the images.
        shift : mapping of node to number or array of shape (n,), optional
            As in :meth:`counterfactual`.
        guidance : float or mapping, optional
            As in :meth:`counterfactual`.

        Returns
        -------
        array of shape (n, channels, size, size)
            Float32 in [0, 1], in the library of the abducted images.
        """
        return self._predict(abducted, do, shift, guidance)[1]

    def counterfactual(
        self,
        images: Any,
        do: Do | None = None,
        *,
        shift: Mapping[Hashable, Any] | None = None,
        guidance: GuidanceLike | None = None,
        n_draws: int | None = None,
        random_state: RandomState = None,
    ) -> CounterfactualResult:
        """Answer what images would have been had some labels been different.

        Abduction reads labels, nuisance code and image noise off the images; the action replaces
        mechanisms; the prediction recomputes the descendants and draws.

        Parameters
        ----------
        images : array of shape (n, channels, size, size), or Abducted
            NumPy or Torch, in [0, 1] or uint8. What :meth:`abduct` returned spares the abduction where many
            interventions are asked about.
        do : mapping of node to value or rule, or sequence of them, optional
            Values of the intervened labels in user units, one number for all images or an array of shape
            (n,); or a rule, a function of other labels by argument name, ``{"length": lambda angle:
            2 + abs(angle) / 10}``, which reads their counterfactual values. All interventions of a mapping
            are made at once. Those of a sequence are made one after the other, as by :meth:`intervene`:
            each finds what the one before has left.
        shift : mapping of node to number or array of shape (n,), optional
            What is added to labels that otherwise follow their mechanisms; with a sequence, at its end.
        guidance : float or mapping, optional
            Strength of the condition, 1 is the model itself. ``{"affected": 2.0, "invariant": 1.0}``
            weighs the intervened labels and their descendants apart from the others, so that what should
            not change is not exaggerated. Default: the model's own.
        n_draws : int, optional
            So many further answers, each for another draw of what abduction leaves open (see
            :meth:`abduct`); they give ``.uncertainty``.
        random_state : int, Generator, RandomState or None
            Source of these draws.

        Returns
        -------
        CounterfactualResult
            With ``.images``, ``.labels``, ``.factual_labels``, ``.reconstruction`` and, from draws,
            ``.uncertainty``.

        Raises
        ------
        UnknownNameError
            For a node that the graph does not have.
        DataError
            For images unlike those in training, or values that are not finite numbers.
        CycleError
            If a rule reads a descendant of its node.
        """
        check_is_fitted(self)
        read_interventions(do, shift, self.graph_, len(images))  # before the long work
        if n_draws is not None and n_draws < 2:
            raise ValueError(f"`n_draws` must be at least 2, got {n_draws}")
        if n_draws is not None and isinstance(images, Abducted):
            raise TypeError("`n_draws` abducts anew for every draw and needs images, got an Abducted")
        abducted = images if isinstance(images, Abducted) else self.abduct(images)
        slots, drawn = self._predict(abducted, do, shift, guidance)
        draws = None
        if n_draws is not None:
            seed = as_seed(random_state)
            states = (
                self.abduct(images, random_state=keyed_seed(seed, "draw", draw)) for draw in range(n_draws)
            )
            answers = [self._predict(state, do, shift, guidance)[1] for state in states]
            draws = Draws(torch.stack(answers) if isinstance(drawn, Tensor) else np.stack(answers))
        return CounterfactualResult(
            drawn,
            self._label_frame(slots),
            self._label_frame(abducted.slots),
            lambda: self.predict_images(abducted, guidance=1.0),
            draws,
        )

    def predict(self, images: Any) -> pd.DataFrame:
        """Read the labels off images, in user units.

        Parameters
        ----------
        images : array of shape (n, channels, size, size)
            NumPy or Torch, in [0, 1] or uint8.

        Returns
        -------
        pandas.DataFrame of shape (n, n_nodes)
            One column per node.
        """
        return self._label_frame(self._encode_rows(images)[0])

    def transform(self, images: Any) -> Any:
        """Return the codes of images: all slots, node by node, then the nuisance code.

        Parameters
        ----------
        images : array of shape (n, channels, size, size)
            NumPy or Torch, in [0, 1] or uint8.

        Returns
        -------
        array of shape (n, n_nodes * slot_dim + nuisance_dim)
            In network units, in the library of `images`.
        """
        slots, codes = self._encode_rows(images)
        return like_input(torch.cat([slots.flatten(1), codes], dim=1), images)

    def get_feature_names_out(self, input_features: Any = None) -> Any:  # noqa: ARG002
        """Return the names of the columns of :meth:`transform`."""
        check_is_fitted(self)
        _, slot_dim = self.network_.slot_shape
        names = [
            str(node) if slot_dim == 1 else f"{node}[{k}]"
            for node in self.graph_.nodes
            for k in range(slot_dim)
        ]
        names += [f"nuisance[{k}]" for k in range(self.network_.architecture.nuisance_dim)]
        return np.array(names, dtype=object)

    def sample(
        self, n: int = 1, *, do: Mapping[Hashable, Any] | None = None, random_state: RandomState = None
    ) -> CounterfactualResult:
        """Draw new images with their labels, under an intervention if one is given.

        Label noise and nuisance codes are drawn from the training images', the image noise is
        Gaussian.

        Parameters
        ----------
        n : int, default=1
            Number of images.
        do : mapping of node to number or array of shape (n,), optional
            Values in user units.
        random_state : int, Generator, RandomState or None
            Source of the noise; the same seed with another `do` gives the same noise.

        Returns
        -------
        CounterfactualResult
            ``.images`` as NumPy and ``.labels``.
        """
        check_is_fitted(self)
        if n < 1:
            raise ValueError(f"`n` must be at least 1, got {n}")
        values = do_values(do or {}, self.graph_, n)
        slots_of = {
            node: self._filled(self._standardised(index, values[node]))
            for index, node in enumerate(self.graph_.nodes)
            if node in values
        }
        with torch.no_grad():
            drawn = self._scm().do(slots_of).sample(n, random_state=as_seed(random_state))
        slots = torch.stack([drawn[node] for node in self.graph_.nodes], dim=1)
        images = self.network_.images_of(drawn["image"]).cpu().numpy()
        frame = self._label_frame(slots)
        return CounterfactualResult(images, frame, frame, lambda: images)

    @torch.no_grad()
    def code_rate(self, images: Any) -> Any:
        """Return what the nuisance code tells of each image beyond its prior, in nats.

        A code of several nats beside a label leak (:func:`~causalrep.metrics.label_leak` of the last
        columns of :meth:`transform`) tells the labels again; ``nuisance_rate`` limits it.

        Parameters
        ----------
        images : array of shape (n, channels, size, size)
            NumPy or Torch, in [0, 1] or uint8.

        Returns
        -------
        array of shape (n,)
            Divergence of the code's law from the standard normal; for a code that is no law but a point,
            half its squared length, the divergence at unit variance.
        """
        check_is_fitted(self)
        tensor, network = as_images(images, expected=self.shape_), self.network_
        parts = [
            network.code_rate(network.standardise(tensor[rows].to(network.image_mean.device)))
            for rows in self._chunks(len(tensor))
        ]
        return like_input(torch.cat(parts), images)

    def _chunks(self, n: int) -> Iterator[slice]:
        """Yield the rows that pass through the networks together."""
        return chunks(n, rows_at_once(self.network_.image_mean.device, self.shape_.size))

    # -- abduction -----------------------------------------------------------------------------

    def _encoded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return endogenous and exogenous slots of standardised images.

        The factual slots are those that the noise gives back, rounding included, so that setting a
        node to its factual value changes not one bit.
        """
        exogenous = self.network_.layer.inverse(self.network_.slots(x))
        return self.network_.layer(exogenous), exogenous

    @torch.no_grad()
    def _abduct_rows(self, images: Tensor, number: int, seed: int | None) -> Abducted:
        """Return what is inferred about one chunk of images, drawn from the posterior with a seed."""
        network, nodes = self.network_, self.graph_.nodes
        x = network.standardise(images.to(network.image_mean.device))
        slots, exogenous = self._encoded(x)
        image = self._image_mechanism(())
        if seed is None:
            noise = image.abduct({node: slots[:, i] for i, node in enumerate(nodes)}, x)
        else:
            generator = keyed_torch_generator(seed, "abduction", number)

            def normal(*shape: int) -> Tensor:
                return torch.randn(shape, generator=generator).to(x)

            moved = slots + self.observed_error_[:, None] * normal(*slots.shape[:2], 1)
            exogenous = network.layer.inverse(moved)
            slots = network.layer(exogenous)
            parents = {node: slots[:, i] for i, node in enumerate(nodes)}
            noise = self._drawn_image_noise(image, parents, x, normal, keyed_seed(seed, "image", number))
        every: dict[Hashable, Any] = {node: exogenous[:, i] for i, node in enumerate(nodes)}
        return Abducted(slots, {**every, "image": noise}, x, as_it_is)

    def _drawn_image_noise(
        self, image: Any, parents: Mapping[Hashable, Tensor], x: Tensor, normal: Any, seed: int
    ) -> Any:
        """Return image noise with the nuisance code drawn from its law."""
        mean, variance = self.network_.code_law(x)
        code = mean if variance is None else mean + variance.sqrt() * normal(*mean.shape)
        return image.drawn(seed).abduct(parents, x, code)

    # -- action and prediction -----------------------------------------------------------------

    @torch.no_grad()
    def _moved_slots(self, abducted: Abducted, step: Intervention) -> Tensor:
        """Return the slots under an intervention: the engine's counterfactual of the labels."""
        nodes = self.graph_.nodes
        observed: dict[Hashable, Tensor] = {node: abducted.slots[:, i] for i, node in enumerate(nodes)}
        if not step.targets or len(abducted) == 0:
            return abducted.slots
        actions: dict[Hashable, Any] = {}
        for index, node in enumerate(nodes):
            write = partial(self._slot_value, index, observed[node])
            if node in step.values:
                actions[node] = write(step.values[node])
            elif node in step.rules:
                actions[node] = SlotPolicy(step.rules[node], self._read_node, write, self.graph_, node)
        noise = {node: abducted.noise[node] for node in nodes}
        scm = self._label_scm()
        for node, delta in step.deltas.items():
            actions[node] = MovedSlot(scm.mechanisms[node], noise[node], self._slot_delta(node, delta))
        answer = scm.counterfactual(observed, do=actions, noise=noise)
        return torch.stack([answer[node] for node in nodes], dim=1)

    @torch.no_grad()
    def _advanced(self, abducted: Abducted, step: Intervention) -> Abducted:
        """Return the state after an intervention, in which the noise of its targets explains their values."""
        layer, nodes = self.network_.layer, self.graph_.nodes
        slots = self._moved_slots(abducted, step)
        noise = dict(abducted.noise)
        for index, node in enumerate(nodes):
            if node in step.targets:
                noise[node] = layer.abduct(index, layer.parents_of(index, slots), slots[:, index])
        affected = step.affected(self.graph_)
        changed = tuple(node for node in nodes if node in affected or node in abducted.changed)
        return replace(abducted, slots=slots, noise=noise, changed=changed)

    @torch.no_grad()
    def _predict(
        self,
        abducted: Abducted,
        do: Do | None,
        shift: Mapping[Hashable, Any] | None,
        guidance: GuidanceLike | None,
    ) -> tuple[Tensor, Any]:
        """Return the slots, and the images in [0, 1] in the caller's library."""
        nodes = self.graph_.nodes
        *before, last = read_interventions(do, shift, self.graph_, len(abducted))
        for step in before:
            abducted = self._advanced(abducted, step)
        slots = self._moved_slots(abducted, last)
        affected = {*last.affected(self.graph_), *abducted.changed}
        weights = Guidance.read(self.guidance if guidance is None else guidance)
        if not (self.is_guided or weights.is_plain):
            raise ValueError(
                f"a {type(self).__name__} has no guidance, got `guidance` of {weights.affected:g}"
            )
        self._check_guidance(weights, self.recipe_)
        terms = self._guidance_terms(weights, [i for i, node in enumerate(nodes) if node in affected])
        mechanism = self._image_mechanism(terms)
        images = []
        for rows in self._chunks(len(abducted)):
            parents = {node: slots[rows, i] for i, node in enumerate(nodes)}
            drawn = mechanism.forward(parents, abducted[rows].noise["image"])
            images.append(self.network_.images_of(drawn))
        return slots, abducted.give_back(torch.cat(images))

    def _guidance_terms(self, guidance: Guidance, affected: list[int]) -> Terms:
        """Return the predictions that make up the guided one, for an intervention on some nodes."""
        return () if guidance.is_plain else guidance.terms(len(self.graph_.nodes), affected)

    @staticmethod
    def _check_guidance(guidance: Guidance, recipe: Recipe) -> None:
        """Raise where the model was not trained to be guided so."""
        guidance.check_trained(slot_dropout=recipe.slot_dropout, condition_dropout=recipe.condition_dropout)

    # -- between labels and slots --------------------------------------------------------------

    def _standardised(self, index: int, values: Tensor) -> Tensor:
        return self.network_.standardise_labels_of(index, values.to(self.network_.label_mean.device))

    def _filled(self, values: Tensor) -> Tensor:
        return values[:, None].expand(-1, self.network_.slot_shape[1]).to(self.network_.image_mean)

    def _read_node(self, node: Hashable, slot: Tensor) -> Tensor:
        """Return labels in user units, (n,), of the slots of one node."""
        index = self.graph_.nodes.index(node)
        network = self.network_
        return slot.double().mean(-1) * network.label_scale[index] + network.label_mean[index]

    def _slot_delta(self, node: Hashable, delta: Tensor) -> Tensor:
        """Return what is added to the slots of a node where `delta` is added to its label."""
        scale = self.network_.label_scale[self.graph_.nodes.index(node)]
        return self._filled(delta.to(scale) / scale)

    def _slot_value(self, index: int, factual: Tensor, values: Tensor) -> Tensor:
        """Return the slot that stands for label values, given the factual slot.

        "fill" writes the value into every number of the slot; "shift" moves all numbers so that
        their mean is the value, and keeps what the slot holds beside the label.
        """
        wanted = self._standardised(index, values)
        if self.recipe_.slot_mode == "fill":
            return self._filled(wanted)
        shift = wanted - factual.double().mean(-1)
        return (factual.double() + shift[:, None]).to(factual.dtype)

    @torch.no_grad()
    def _encode_rows(self, images: Any) -> tuple[Tensor, Tensor]:
        check_is_fitted(self)
        tensor = as_images(images, expected=self.shape_)
        network, slots, codes = self.network_, [], []
        for rows in self._chunks(len(tensor)):
            x = network.standardise(tensor[rows].to(network.image_mean.device))
            slots.append(self._encoded(x)[0])
            codes.append(network.code(x))
        return torch.cat(slots), torch.cat(codes)

    def _label_frame(self, slots: Tensor) -> pd.DataFrame:
        labels = self.network_.labels_of(slots).cpu().numpy()
        frame: pd.DataFrame = frame_like({node: labels[:, i] for i, node in enumerate(self.graph_.nodes)})
        return frame
