"""What every model is asked: images, interventions and the truth about them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from causalrep.metrics._estimates import Estimate
from causalrep.metrics._image_errors import check_images
from causalrep.utils import DataError, UnknownNameError, columns_of, keyed_seed

__all__ = [
    "CounterfactualModel",
    "CounterfactualWorld",
    "Do",
    "Estimates",
    "Exam",
    "Images",
    "Key",
    "Question",
    "Reading",
    "Vector",
    "set_exam",
]

Vector: TypeAlias = NDArray[np.float64]
Images: TypeAlias = NDArray[np.floating[Any]]
Do: TypeAlias = Mapping[Hashable, Any]

#: On how many values of a node its axis is looked at.
PATH_LENGTH = 9


class CounterfactualModel(Protocol):
    """What is asked of a model: one abduction serves many interventions."""

    def abduct(self, images: Any) -> Any:
        """Return what `predict_images` needs to know about images of shape (n, C, H, W)."""
        ...

    def predict_images(self, abducted: Any, do: Do) -> Any:
        """Return the images in [0, 1] under `do`: node to number or array of shape (n,)."""
        ...


class CounterfactualWorld(Protocol):
    """What is asked of a world: it draws samples, knows counterfactuals and reads images."""

    @property
    def graph_of_labels(self) -> Any:
        """The causal graph of the labels."""
        ...

    def sample(self, n: int, random_state: Any = None) -> Any:
        """Return a mapping with an ``"image"`` and an attribute ``frame`` of the labels."""
        ...

    def counterfactual(self, observed: Any, do: Any) -> Any:
        """Return the same rows under `do`; without an ``"image"`` if it cannot draw one."""
        ...

    def intervention_values(self, samples: Any, node: Any, random_state: Any = None) -> Any:
        """Return one value per row to set `node` to."""
        ...

    def read(self, images: Any) -> Any:
        """Return a frame of the labels read from pixels, NaN where they cannot be read."""
        ...


class Key(NamedTuple):
    """What an estimate of one model and node is about."""

    metric: str
    region: str = ""
    label: Hashable = ""
    unit: str = ""


Estimates: TypeAlias = dict[Key, Estimate]


class Reading(NamedTuple):
    """What the reader of a world reads from images: labels, and factors that are not labelled."""

    labels: dict[Hashable, Vector]
    factors: dict[Hashable, Vector]


@dataclass(frozen=True)
class Question:
    """An intervention on one node, with the truth about it."""

    node: Hashable
    targets: Vector
    labels: dict[Hashable, Vector]  # true counterfactual values
    images: Images | None  # true counterfactual images
    reading: Reading | None  # of the true counterfactual images
    unaffected: tuple[Hashable, ...]  # labels that are neither the node nor a descendant
    path: Vector  # of shape (n_followed, PATH_LENGTH): values to set the node to, in ascending order


@dataclass(frozen=True)
class Exam:
    """What every model is asked."""

    world: CounterfactualWorld
    images: Images
    labels: dict[Hashable, Vector]
    reading: Reading  # of the factual images
    questions: tuple[Question, ...]
    batches: tuple[slice, ...]
    threshold: float
    n_followed: int  # the first so many images answer the questions that take many predictions

    def read(self, images: Images) -> Reading:
        """Return what the reader reads; what it read off the factual images is not asked again."""
        return self.reading if np.array_equal(images, self.images) else _read(self.world, images)

    @property
    def followed(self) -> tuple[slice, ...]:
        """The batches cut to the images that are followed along axes."""
        return tuple(
            slice(rows.start, min(rows.stop, self.n_followed))
            for rows in self.batches
            if rows.start < self.n_followed
        )


def set_exam(
    world: CounterfactualWorld,
    samples: Any,
    nodes: Any,
    *,
    seed: int,
    threshold: float,
    batch_size: int,
    n_followed: int,
) -> Exam:
    """Return the questions about `samples`, with the truth about them, after checking it."""
    graph = world.graph_of_labels
    asked = tuple(graph.nodes) if nodes is None else tuple(dict.fromkeys(nodes))
    for node in asked:
        if node not in graph.nodes:
            raise UnknownNameError(node, graph.nodes, what="`nodes`")
    images = np.asarray(samples["image"])
    check_images(images, "`samples['image']`")
    return Exam(
        world=world,
        images=images,
        labels=_labels(graph, samples.frame, "samples"),
        reading=_read(world, images),
        questions=tuple(_set_question(world, samples, images, node, seed, n_followed) for node in asked),
        batches=tuple(slice(start, start + batch_size) for start in range(0, len(images), batch_size)),
        threshold=threshold,
        n_followed=min(n_followed, len(images)),
    )


def _set_question(
    world: CounterfactualWorld, samples: Any, images: Images, node: Hashable, seed: int, n_followed: int
) -> Question:
    graph = world.graph_of_labels

    def draw(*keys: object) -> Vector:
        drawn = world.intervention_values(samples, node, random_state=keyed_seed(seed, *keys, node))
        return np.asarray(drawn, dtype=np.float64)

    targets = draw("targets")
    if targets.shape != (len(images),) or not np.isfinite(targets).all():
        raise DataError(
            f"the intervention values of {node!r} must be {len(images)} finite numbers, one per image, "
            f"got an array of shape {targets.shape}"
        )
    truth = world.counterfactual(samples, do={node: targets})
    drawn = np.asarray(truth["image"]) if "image" in truth else None
    if drawn is not None:
        check_images(drawn, f"the true images under do({node})", shape=images.shape)
    return Question(
        node=node,
        targets=targets,
        labels=_labels(graph, truth.frame, f"the counterfactual under do({node})"),
        images=drawn,
        reading=None if drawn is None else _read(world, drawn),
        unaffected=tuple(v for v in graph.nodes if v != node and v not in graph.descendants(node)),
        path=np.sort([draw("path", k)[:n_followed] for k in range(PATH_LENGTH)], axis=0).T,
    )


def _labels(graph: Any, frame: Any, what: str) -> dict[Hashable, Vector]:
    columns = columns_of(frame, what=what)
    for node in graph.nodes:
        if node not in columns:
            raise UnknownNameError(node, columns, what=f"the label graph, beside the columns of {what},")
    return {node: np.asarray(columns[node], dtype=np.float64) for node in graph.nodes}


def _read(world: CounterfactualWorld, images: Images) -> Reading:
    columns = columns_of(world.read(images), what="world.read(images)")
    nodes = world.graph_of_labels.nodes
    found = {name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}
    return Reading(
        {node: found[node] for node in nodes if node in found},
        {name: values for name, values in found.items() if name not in nodes},
    )
