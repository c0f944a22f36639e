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
from typing import Any, NamedTuple

import numpy as np

from causalrep.metrics._counterfactual_exam import (
    CounterfactualModel,
    CounterfactualWorld,
    Do,
    Estimates,
    Exam,
    Images,
    Key,
    Question,
    set_exam,
)
from causalrep.metrics._counterfactual_judge import Judge, amplification, label_estimates, pixel_estimates
from causalrep.metrics._counterfactual_parts import PARTS
from causalrep.metrics._counterfactual_report import (
    COPY,
    READER,
    CounterfactualExample,
    CounterfactualReport,
    Score,
)
from causalrep.metrics._estimates import Estimate, average_estimate, mean_estimate
from causalrep.metrics._frechet import Extractor, RandomFeatures
from causalrep.metrics._image_errors import CHANGE_THRESHOLD, GREY_LEVELS, check_images
from causalrep.utils import DataError, RandomState, UnknownNameError, as_seed, keyed_seed, progress_bar

__all__ = ["CounterfactualModel", "CounterfactualWorld", "counterfactual_report"]


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
    parts: Iterable[str] = PARTS,
    oracle: Any = None,
    extractor: Extractor | None = None,
    n_followed: int = 64,
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
    parts : iterable of str, optional
        What to score beside errors, reconstruction, effectiveness and amplification; default everything:
        ``"reversibility"``, ``"axes"``, ``"minimality"``, ``"frechet"``, ``"recovery"``, ``"latents"`` and
        ``"code"``. An empty tuple takes a third of the time.
    oracle : fitted LabelOracle, optional
        A trained reader to report effectiveness by, beside the analytic reader of the world; anything
        whose ``read(images)`` returns a frame of labels.
    extractor : callable, optional
        Of the features for minimality and Fréchet distance; see :func:`frechet_distance`.
    n_followed : int, default=64
        How many of the images are also asked along each axis, and about labels meant: many questions each.
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
        ``effectiveness (oracle)``
            Effectiveness by the trained `oracle`; its own error stands in the row of the reader.
        ``reversibility``
            Error against the factual image after the node was set and set back.
        ``monotonicity``, ``calibration``
            Over nine values of the node, drawn as `intervention_values` draws them and put in order: rank
            correlation of the value asked for with the value read, image by image, and the pooled slope
            of read on asked; 1 is right for both.
        ``minimality``
            Counterfactual latent divergence [2]_ in the features of `extractor`; lower is better, and
            the row of the reader shows what the truth itself has.
        ``Fréchet distance``
            To the true counterfactual images, or to the factual ones if there are none.
        ``nuisance recovery``
            R2 of each unlabelled factor read from the prediction, against the true image.
        ``latent error``, ``latent R2``
            Labels that the model means under the intervention: their distance to what it reads off the
            true image, and R2 against the true labels.
        ``DCI``, ``leak``
            Of the code on the factual images, per number and per slot (see :func:`dci`), and R2 of each label
            predicted from the nuisance code (see :func:`label_leak`).

        Averages over roots, leaves and all nodes give every node the same weight. Intervals are at
        95 % over images, by the delta method, and know that nodes share images.

    Raises
    ------
    UnknownNameError
        For a node that is not a label, or a part that does not exist.
    DataError
        For images (of the world, or predicted) that are not finite floats of shape (n, C, H, W)
        in [0, 1], and for models that cannot be told apart.

    References
    ----------
    .. [1] M. Monteiro et al., "Measuring axiomatic soundness of counterfactual image models",
       ICLR 2023, arXiv:2303.01274.
    .. [2] P. Sanchez, S. A. Tsaftaris, "Diffusion causal models for counterfactual estimation", CLeaR
       2022, arXiv:2202.10166.

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
    4.8
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
    wanted = tuple(dict.fromkeys(parts))
    for part in wanted:
        if part not in PARTS:
            raise UnknownNameError(part, PARTS, what="`parts`")
    exam = set_exam(
        world, samples, nodes,
        seed=seed, threshold=threshold, batch_size=batch_size, n_followed=n_followed,
    )  # fmt: skip
    judge = Judge(exam, wanted, oracle, RandomFeatures() if extractor is None else extractor, seed)
    answers = {READER: {q.node: judge.of_truth(q) for q in exam.questions}}
    pictures: dict[str, _Pictures] = {}
    calls = len(named) * len(exam.batches) * (len(exam.questions) + steps[-1])
    with progress_bar(calls, description="scoring", enabled=progress, unit="batch") as bar:
        for name, model in named.items():
            answers[name], pictures[name] = _answer(model, name, judge, steps, n_examples, bar.update)
    return CounterfactualReport(
        scores=tuple(score for name, of_nodes in answers.items() for score in _scores(name, of_nodes, exam)),
        models=tuple(named),
        nodes=tuple(q.node for q in exam.questions),
        n_images=len(exam.images),
        seed=seed,
        threshold=threshold,
        extractor=judge.digest,
        examples=_examples(exam, pictures, n_examples),
    )


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


def _answer(
    model: CounterfactualModel,
    name: str,
    judge: Judge,
    steps: tuple[int, ...],
    n_examples: int,
    advance: Callable[[], object],
) -> tuple[dict[Hashable, Estimates], _Pictures]:
    """Let one model answer all questions; the key "" holds what it does without an intervention."""
    exam = judge.exam
    null: Estimates = judge.of_code(model)
    images, reconstruction, abducted = exam.images, exam.images, []
    for step in range(1, steps[-1] + 1):
        states = [model.abduct(images[rows]) for rows in exam.batches]
        images = _predict(model, name, exam, states, None, advance)
        if step == 1:
            abducted, reconstruction = states, images
        if step in steps:
            metric = "reconstruction" if step == 1 else f"reconstruction x{step}"
            error = GREY_LEVELS * np.abs(images.astype(np.float64) - exam.images).mean(axis=(1, 2, 3))
            null[Key(metric, "whole", unit="grey levels")] = mean_estimate(error)
    null_labels = exam.read(reconstruction).labels
    answers: dict[Hashable, Estimates] = {"": null}
    pictures: dict[Hashable, Images] = {}
    followed = [model.abduct(exam.images[rows]) for rows in exam.followed] if "axes" in judge.parts else []
    for question in exam.questions:
        prediction = _predict(model, name, exam, abducted, question, advance)
        reading = exam.read(prediction)
        answers[question.node] = {
            **pixel_estimates(exam, question, prediction),
            **label_estimates(exam, question, reading.labels),
            **amplification(exam, question, reading.labels, null_labels),
            **judge.of_images(question, prediction, reading),
            **judge.of_model(model, question, prediction, followed),
        }
        pictures[question.node] = prediction[:n_examples]
    return answers, _Pictures(reconstruction[:n_examples], pictures)


def _predict(
    model: CounterfactualModel,
    name: str,
    exam: Exam,
    abducted: Sequence[Any],
    question: Question | None,
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


def _scores(name: str, of_nodes: dict[Hashable, Estimates], exam: Exam) -> Iterator[Score]:
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
        found: dict[Key, list[Estimate]] = {}
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


def _examples(exam: Exam, pictures: Mapping[str, _Pictures], n: int) -> tuple[CounterfactualExample, ...]:
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
