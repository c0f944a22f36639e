"""Scoring counterfactual images against the true counterfactual images.

A world that is itself a structural causal model, whose last mechanism draws the image, knows what
every image would have looked like under an intervention. Here each model is asked the same questions about
the same images, and its pictures are compared with the truth pixel by pixel; what the labels of its
pictures are is read back by the world's analytic reader.

The baseline to beat is *copying the factual image*: an edit that touches few pixels has a small error
however badly it is done, so an error means something only beside the error of doing nothing. The error on
pixels that must not change is the cheapest detector of an image noise that was not abducted.

References
----------
.. [1] M. Monteiro, F. De Sousa Ribeiro, N. Pawlowski, D. C. Castro, B. Glocker, "Measuring axiomatic
   soundness of counterfactual image models", ICLR 2023, arXiv:2303.01274: composition and effectiveness.
.. [2] T. Xia, M. Roschewitz, F. De Sousa Ribeiro, C. Jones, B. Glocker, "Mitigating attribute
   amplification in counterfactual image generation", MICCAI 2024, arXiv:2403.09422.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from causalrep.metrics._counterfactual_report import (
    COPY,
    READER,
    CounterfactualExample,
    CounterfactualReport,
    Score,
)
from causalrep.metrics._estimates import Estimate, average_estimate, mean_estimate
from causalrep.metrics._image_errors import (
    CHANGE_THRESHOLD,
    GREY_LEVELS,
    Region,
    check_images,
    image_errors,
)
from causalrep.utils import (
    DataError,
    RandomState,
    UnknownNameError,
    as_seed,
    columns_of,
    keyed_seed,
    progress_bar,
)

__all__ = ["CounterfactualModel", "CounterfactualWorld", "counterfactual_report"]

Vector: TypeAlias = NDArray[np.float64]
Images: TypeAlias = NDArray[np.floating[Any]]
Do: TypeAlias = Mapping[Hashable, Any]
REGIONS: tuple[Region, ...] = ("whole", "changed", "unchanged")
RATIO_REGIONS: tuple[Region, ...] = ("whole", "changed")


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


def counterfactual_report(
    models: CounterfactualModel | Mapping[str, CounterfactualModel],
    world: CounterfactualWorld,
    *,
    n_images: int = 256,
    nodes: Iterable[Hashable] | None = None,
    random_state: RandomState = 0,
    samples: Any = None,
    batch_size: int = 128,
    compositions: Sequence[int] = (1,),
    threshold: float = CHANGE_THRESHOLD,
    n_examples: int = 4,
    progress: bool = False,
) -> CounterfactualReport:
    """Ask every model the same counterfactual questions and score the answers against the truth.

    Every model abducts each batch of images once and then answers for every node. All models see
    the same images and the same targets, and so does the row "copy the factual image", so that
    differences between rows are paired.

    Parameters
    ----------
    models : model or mapping of str to model
        What has ``abduct(images)`` and ``predict_images(abducted, do=)``, such as a fitted
        ``CausalDiffAE``.
    world : world
        What has ``sample``, ``counterfactual``, ``intervention_values``, ``read`` and
        ``graph_of_labels``, such as ``causalrep.datasets.pendulum()``. If its counterfactuals hold no
        image, the pixel scores are left out.
    n_images : int, default=256
        Number of images, drawn from the world. They must be new to the models: use a
        `random_state` that no training set was drawn with.
    nodes : iterable of hashable, optional
        The nodes to intervene on, one at a time; default all labels.
    random_state : int, numpy Generator, numpy RandomState or None, default=0
        Of the images and of the targets.
    samples : samples of the world, optional
        Images to use instead of drawing `n_images`.
    batch_size : int, default=128
        Number of images that a model is given at once.
    compositions : sequence of int, default=(1,)
        After how many null interventions in a row to report the reconstruction error.
    threshold : float in [0, 1), default=0.025
        From which difference of [0, 1] images a pixel counts as changed; see :func:`image_errors`.
    n_examples : int, default=4
        Number of images whose pictures are kept, for every node.
    progress : bool, default=False
        Whether to show a progress bar on standard error.

    Returns
    -------
    CounterfactualReport
        Its scores, by ``metric``:

        ``error`` and ``ratio to copying``
            Mean absolute error in grey levels and as a ratio to the error of copying, per region.
        ``reconstruction``
            The same error under the null intervention (composition); "reconstruction x10" after ten.
        ``effectiveness``
            Distance of the label read from the predicted image to its true counterfactual value, for every
            label, in units of the label and of its standard deviation. The model
            ``"reader, on the true image"`` shows what of it is the reader's own error.
        ``amplification``
            For labels that the intervention must not touch: distance of the label read to the factual
            value, minus the same for the reconstruction. Zero unless the intervention leaks.
        ``unreadable``
            Share of images whose label cannot be read although it can be from the truth.

        Averages over roots, leaves and all nodes give every node the same weight. Intervals are at
        95 % over images, by the delta method, and know that nodes share images.

    Raises
    ------
    UnknownNameError
        For a node that is not a label.
    DataError
        For images (of the world, or predicted) that are not finite floats of shape (n, C, H, W)
        in [0, 1], and for models that cannot be told apart.

    References
    ----------
    .. [1] M. Monteiro et al., "Measuring axiomatic soundness of counterfactual image models",
       ICLR 2023, arXiv:2303.01274.

    Examples
    --------
    A model that brightens every image a little and ignores interventions:

    >>> import numpy as np
    >>> from causalrep.datasets import pendulum
    >>> from causalrep.metrics import counterfactual_report
    >>> class Brighter:
    ...     def abduct(self, images):
    ...         return np.minimum(images + 0.02, 1)
    ...     def predict_images(self, abducted, do):
    ...         return abducted
    >>> report = counterfactual_report({"brighter": Brighter()}, pendulum(size=16), n_images=32)
    >>> ratio = report.score("brighter", "light", "ratio to copying", region="whole")
    >>> ratio.estimate > 1, ratio.low < ratio.estimate < ratio.high
    (True, True)
    >>> round(report.score("brighter", "", "reconstruction", region="whole").estimate, 1)
    5.0
    """
    named = _named(models)
    seed = as_seed(random_state)
    steps = tuple(sorted(set(compositions)))
    if batch_size < 1 or not steps or steps[0] < 1:
        raise ValueError(
            f"`batch_size` and `compositions` must be positive, got {batch_size} and {tuple(compositions)}"
        )
    if samples is None:
        if n_images < 1:
            raise ValueError(f"`n_images` must be at least 1, got {n_images}")
        samples = world.sample(n_images, random_state=keyed_seed(seed, "images"))
    exam = _set_exam(world, samples, nodes, seed, threshold, batch_size)
    answers = {READER: {q.node: _label_estimates(exam, q, q.reading) for q in exam.questions}}
    pictures: dict[str, _Pictures] = {}
    calls = len(named) * len(exam.batches) * (len(exam.questions) + steps[-1])
    with progress_bar(calls, description="scoring", enabled=progress, unit="batch") as bar:
        for name, model in named.items():
            answers[name], pictures[name] = _answer(model, name, exam, steps, n_examples, bar.update)
    return CounterfactualReport(
        scores=tuple(score for name, of_nodes in answers.items() for score in _scores(name, of_nodes, exam)),
        models=tuple(named),
        nodes=tuple(q.node for q in exam.questions),
        n_images=len(exam.images),
        seed=seed,
        threshold=threshold,
        examples=_examples(exam, pictures, n_examples),
    )


class _Key(NamedTuple):
    """What an estimate of one model and node is about."""

    metric: str
    region: str = ""
    label: Hashable = ""
    unit: str = ""


Estimates: TypeAlias = dict[_Key, Estimate]


@dataclass(frozen=True)
class _Question:
    """An intervention on one node, with the truth about it."""

    node: Hashable
    targets: Vector
    labels: dict[Hashable, Vector]  # true counterfactual values
    images: Images | None  # true counterfactual images
    reading: dict[Hashable, Vector] | None  # the reader on the true counterfactual images
    unaffected: tuple[Hashable, ...]  # labels that are neither the node nor a descendant


@dataclass(frozen=True)
class _Exam:
    """What every model is asked."""

    world: CounterfactualWorld
    images: Images
    labels: dict[Hashable, Vector]
    reading: dict[Hashable, Vector]  # the reader on the factual images
    questions: tuple[_Question, ...]
    batches: tuple[slice, ...]
    threshold: float


class _Pictures(NamedTuple):
    reconstruction: Images
    predictions: dict[Hashable, Images]


class _Copy:
    """The baseline that does nothing."""

    def abduct(self, images: Any) -> Any:
        return images

    def predict_images(self, abducted: Any, do: Do) -> Any:  # noqa: ARG002 - the point of this model
        return abducted


def _named(models: Any) -> dict[str, CounterfactualModel]:
    """Return the models by name, and last the row that copies."""
    named = dict(models) if isinstance(models, Mapping) else {type(models).__name__: models}
    for name, model in named.items():
        if name in (COPY, READER):
            raise DataError(f"`models` must not use the name {name!r}, which is a row of every report")
        if not (hasattr(model, "abduct") and hasattr(model, "predict_images")):
            raise TypeError(
                "`models` must have the methods abduct and predict_images, "
                f"{name!r} is a {type(model).__name__}"
            )
    return {**named, COPY: _Copy()}


def _set_exam(
    world: CounterfactualWorld, samples: Any, nodes: Any, seed: int, threshold: float, batch_size: int
) -> _Exam:
    graph = world.graph_of_labels
    asked = tuple(graph.nodes) if nodes is None else tuple(dict.fromkeys(nodes))
    for node in asked:
        if node not in graph.nodes:
            raise UnknownNameError(node, graph.nodes, what="`nodes`")
    images = np.asarray(samples["image"])
    check_images(images, "`samples['image']`")
    return _Exam(
        world=world,
        images=images,
        labels=_labels(graph, samples.frame, "samples"),
        reading=_read(world, images),
        questions=tuple(_set_question(world, samples, images, node, seed) for node in asked),
        batches=tuple(slice(start, start + batch_size) for start in range(0, len(images), batch_size)),
        threshold=threshold,
    )


def _set_question(
    world: CounterfactualWorld, samples: Any, images: Images, node: Hashable, seed: int
) -> _Question:
    graph = world.graph_of_labels
    targets = world.intervention_values(samples, node, random_state=keyed_seed(seed, "targets", node))
    targets = np.asarray(targets, dtype=np.float64)
    if targets.shape != (len(images),) or not np.isfinite(targets).all():
        raise DataError(
            f"the intervention values of {node!r} must be {len(images)} finite numbers, one per image, "
            f"got an array of shape {targets.shape}"
        )
    truth = world.counterfactual(samples, do={node: targets})
    drawn = np.asarray(truth["image"]) if "image" in truth else None
    if drawn is not None:
        check_images(drawn, f"the true images under do({node})", shape=images.shape)
    return _Question(
        node=node,
        targets=targets,
        labels=_labels(graph, truth.frame, f"the counterfactual under do({node})"),
        images=drawn,
        reading=None if drawn is None else _read(world, drawn),
        unaffected=tuple(v for v in graph.nodes if v != node and v not in graph.descendants(node)),
    )


def _labels(graph: Any, frame: Any, what: str) -> dict[Hashable, Vector]:
    columns = columns_of(frame, what=what)
    for node in graph.nodes:
        if node not in columns:
            raise UnknownNameError(node, columns, what=f"the label graph, beside the columns of {what},")
    return {node: np.asarray(columns[node], dtype=np.float64) for node in graph.nodes}


def _read(world: CounterfactualWorld, images: Images) -> dict[Hashable, Vector]:
    """Return the labels that the reader of the world can read, by node."""
    columns = columns_of(world.read(images), what="world.read(images)")
    nodes = world.graph_of_labels.nodes
    return {node: np.asarray(columns[node], dtype=np.float64) for node in nodes if node in columns}


def _answer(
    model: CounterfactualModel,
    name: str,
    exam: _Exam,
    steps: tuple[int, ...],
    n_examples: int,
    advance: Callable[[], object],
) -> tuple[dict[Hashable, Estimates], _Pictures]:
    """Let one model answer all questions; the key "" holds what it does without an intervention."""
    null: Estimates = {}
    images, reconstruction, abducted = exam.images, exam.images, []
    for step in range(1, steps[-1] + 1):
        states = [model.abduct(images[rows]) for rows in exam.batches]
        images = _predict(model, name, exam, states, None, advance)
        if step == 1:
            abducted, reconstruction = states, images
        if step in steps:
            metric = "reconstruction" if step == 1 else f"reconstruction x{step}"
            error = GREY_LEVELS * np.abs(images.astype(np.float64) - exam.images).mean(axis=(1, 2, 3))
            null[_Key(metric, "whole", unit="grey levels")] = mean_estimate(error)
    null_reading = _read(exam.world, reconstruction)
    answers: dict[Hashable, Estimates] = {"": null}
    pictures: dict[Hashable, Images] = {}
    for question in exam.questions:
        prediction = _predict(model, name, exam, abducted, question, advance)
        reading = _read(exam.world, prediction)
        answers[question.node] = {
            **_pixel_estimates(exam, question, prediction),
            **_label_estimates(exam, question, reading),
            **_amplification(exam, question, reading, null_reading),
        }
        pictures[question.node] = prediction[:n_examples]
    return answers, _Pictures(reconstruction[:n_examples], pictures)


def _predict(
    model: CounterfactualModel,
    name: str,
    exam: _Exam,
    abducted: Sequence[Any],
    question: _Question | None,
    advance: Callable[[], object],
) -> Images:
    parts = []
    for state, rows in zip(abducted, exam.batches, strict=True):
        do = {} if question is None else {question.node: question.targets[rows]}
        parts.append(np.asarray(model.predict_images(state, do=do)))
        advance()
    images = np.concatenate(parts)
    asked = "no intervention" if question is None else f"do({question.node})"
    check_images(images, f"the images of {name!r} under {asked}", shape=exam.images.shape)
    return images


def _pixel_estimates(exam: _Exam, question: _Question, prediction: Images) -> Estimates:
    if question.images is None:
        return {}
    errors = image_errors(prediction, question.images, exam.images, threshold=exam.threshold)
    found: Estimates = {
        _Key("error", region, unit="grey levels"): mean_estimate(errors.error(region)) for region in REGIONS
    }
    for region in RATIO_REGIONS:
        found[_Key("ratio to copying", region, unit="ratio")] = errors.ratio(region)
    return found


def _label_estimates(exam: _Exam, question: _Question, reading: dict[Hashable, Vector] | None) -> Estimates:
    """Return effectiveness and the share of unreadable images.

    Without a true counterfactual image the reader itself is judged by the factual images.
    """
    intended = question.labels
    if reading is None:
        reading, intended = exam.reading, exam.labels
    readable = exam.reading if question.reading is None else question.reading
    errors = {v: np.abs(read - intended[v]) for v, read in reading.items()}
    found = _in_both_units("effectiveness", errors, exam)
    for v, read in reading.items():
        lost = np.where(np.isfinite(readable[v]), np.isnan(read).astype(np.float64), np.nan)
        found[_Key("unreadable", label=v, unit="share")] = mean_estimate(lost)
    return found


def _amplification(
    exam: _Exam, question: _Question, reading: dict[Hashable, Vector], null_reading: dict[Hashable, Vector]
) -> Estimates:
    drift = {
        v: np.abs(reading[v] - exam.labels[v]) - np.abs(null_reading[v] - exam.labels[v])
        for v in question.unaffected
        if v in reading
    }
    return _in_both_units("amplification", drift, exam)


def _in_both_units(metric: str, values: dict[Hashable, Vector], exam: _Exam) -> Estimates:
    """Return the means of `values` per label, in its unit and its sd, and their average over labels."""
    found: Estimates = {}
    for v, value in values.items():
        found[_Key(metric, label=v, unit="label")] = mean_estimate(value)
        sd = float(exam.labels[v].std())
        found[_Key(metric, label=v, unit="sd")] = mean_estimate(value / sd if sd > 0 else value * np.nan)
    if values:
        of_labels = [found[_Key(metric, label=v, unit="sd")] for v in values]
        found[_Key(metric, label="mean", unit="sd")] = average_estimate(of_labels)
    return found


def _scores(name: str, of_nodes: dict[Hashable, Estimates], exam: _Exam) -> Iterator[Score]:
    """Yield the scores of one model: per node, then averaged over roots, leaves and all nodes."""
    graph = exam.world.graph_of_labels
    asked = [q.node for q in exam.questions]
    groups = {
        "mean of roots": [v for v in asked if not graph.parents(v)],
        "mean of leaves": [v for v in asked if not graph.children(v)],
        "mean of all": asked,
    }
    averages: dict[Hashable, Estimates] = {}
    for group, members in groups.items():
        found: dict[_Key, list[Estimate]] = {}
        for key, estimate in ((k, e) for v in members for k, e in of_nodes[v].items()):
            if key.label in ("", "mean"):
                found.setdefault(key, []).append(estimate)
        averages[group] = {key: average_estimate(estimates) for key, estimates in found.items()}
    for node, estimates in (*of_nodes.items(), *averages.items()):
        for key, estimate in estimates.items():
            low, high = estimate.interval()
            yield Score(
                name, node, key.metric, key.region, key.label, key.unit, estimate.value, low, high, estimate.n
            )


def _examples(exam: _Exam, pictures: Mapping[str, _Pictures], n: int) -> tuple[CounterfactualExample, ...]:
    """Return the first images with every intervention, image by image."""
    return tuple(
        CounterfactualExample(
            node=q.node,
            target=float(q.targets[i]),
            factual=exam.images[i],
            truth=None if q.images is None else q.images[i],
            reconstructions={name: p.reconstruction[i] for name, p in pictures.items()},
            predictions={name: p.predictions[q.node][i] for name, p in pictures.items()},
        )
        for i in range(min(n, len(exam.images)))
        for q in exam.questions
    )
