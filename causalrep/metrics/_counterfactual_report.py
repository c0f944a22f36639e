"""The scores of counterfactual image models, as a table, as text and as JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from causalrep.utils import CheckpointError, DataError, atomic_directory

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COPY", "READER", "CounterfactualExample", "CounterfactualReport", "Score"]

COPY = "copy the factual image"
READER = "reader, on the true image"

_REPORT, _EXAMPLES = "report.json", "examples.npz"


@dataclass(frozen=True)
class Score:
    """One number of a report.

    Attributes
    ----------
    model : str
        Name of the model.
    node : hashable
        The node that was intervened on, ``"mean of roots"``, ``"mean of leaves"`` or
        ``"mean of all"``; empty for the null intervention.
    metric : str
        One of those that :func:`counterfactual_report` lists, such as ``"ratio to copying"``;
        "reconstruction x10" is after ten null interventions.
    region : str
        ``"whole"``, ``"changed"`` or ``"unchanged"`` of an image, ``"numbers"`` or ``"slots"`` of a code;
        else empty.
    label : hashable
        The label that was read from the image, or ``"mean"`` over labels; empty for a metric of pixels.
    unit : str
        ``"grey levels"``, ``"ratio"``, ``"label"``, ``"sd"``, ``"share"``, ``"R2"``, ...
    estimate, low, high : float
        The estimate and its 95 % interval over images.
    n : int
        Number of images that count; of groups left out in turn, where that gave the interval.
    """

    model: str
    node: Hashable
    metric: str
    region: str
    label: Hashable
    unit: str
    estimate: float
    low: float
    high: float
    n: int


class CounterfactualExample(NamedTuple):
    """One intervention on one image, for pictures; images are (n_channels, height, width).

    Attributes
    ----------
    node : hashable
        The node that was intervened on.
    target : float
        The value it was set to.
    factual : ndarray
        The image that was given.
    truth : ndarray or None
        The true counterfactual image, if the world can draw it.
    reconstructions, predictions : mapping of str to ndarray
        For each model, its image under no intervention and under this one.
    """

    node: Hashable
    target: float
    factual: NDArray[np.floating[Any]]
    truth: NDArray[np.floating[Any]] | None
    reconstructions: Mapping[str, NDArray[np.floating[Any]]]
    predictions: Mapping[str, NDArray[np.floating[Any]]]


class _Block(NamedTuple):
    """One block of the printed summary: the scores it shows and its heading."""

    metric: str
    region: str
    label: str
    unit: str
    title: str


_BLOCKS = (
    _Block("ratio to copying", "whole", "", "ratio", "error / error of copying, whole image"),
    _Block("ratio to copying", "changed", "", "ratio", "error / error of copying, changed region"),
    _Block("error", "whole", "", "grey levels", "error, whole image (grey levels)"),
    _Block("error", "changed", "", "grey levels", "error, changed region (grey levels)"),
    _Block("error", "unchanged", "", "grey levels", "error, unchanged region (grey levels)"),
    _Block("effectiveness", "", "mean", "sd", "labels read from the image, mean error (sd of the label)"),
    _Block("effectiveness (oracle)", "", "mean", "sd", "labels read by the trained oracle, mean error (sd)"),
    _Block("amplification", "", "mean", "sd", "drift of labels that must not change (sd of the label)"),
    _Block("reversibility", "whole", "", "grey levels", "set and set back, whole image (grey levels)"),
    _Block("monotonicity", "", "", "rank correlation", "value read against value set, rank correlation"),
    _Block("calibration", "", "", "slope", "value read against value set, slope"),
    _Block("minimality", "", "", "CLD", "counterfactual latent divergence (lower is nearer)"),
    _Block("Fréchet distance", "", "", "squared distance", "Fréchet distance to the true images"),
    _Block("nuisance recovery", "", "mean", "R2", "unlabelled factors read from the image (R2)"),
    _Block("latent error", "", "mean", "sd", "labels meant, against those read off the true image (sd)"),
)
_NULL_TITLE, _CODE_TITLE, _LEAK_TITLE = (
    "no intervention",
    "the code (DCI)",
    "labels in the nuisance code (R2)",
)
_OTHERS = {"DCI": (_CODE_TITLE, "{label} of {region}"), "leak": (_LEAK_TITLE, "{label}")}


@dataclass(frozen=True)
class CounterfactualReport:
    """How near the counterfactual images of several models come to the truth.

    Made by :func:`counterfactual_report`. ``str(report)`` is a readable text,
    :meth:`table` the tidy frame behind it.

    Attributes
    ----------
    scores : tuple of Score
        All numbers.
    models : tuple of str
        Names of the models, in the order given, and last the row that copies the factual image.
    nodes : tuple of hashable
        The nodes intervened on.
    n_images : int
        Number of images, the same for all models and nodes.
    seed : int
        Of the images and targets.
    threshold : float
        From which difference of [0, 1] images a pixel counts as changed.
    extractor : str
        Hash of the feature extractor: Fréchet distances and minimality compare only with those of the same.
    examples : tuple of CounterfactualExample
        A few images for pictures; they are not part of :meth:`to_dict`.
    """

    scores: tuple[Score, ...]
    models: tuple[str, ...]
    nodes: tuple[Hashable, ...]
    n_images: int
    seed: int
    threshold: float
    extractor: str = ""
    examples: tuple[CounterfactualExample, ...] = field(default=(), repr=False, compare=False)

    def table(self) -> pd.DataFrame:
        """Return one row per score, with the attributes of :class:`Score` as columns."""
        import pandas as pd

        columns = list(Score.__dataclass_fields__)
        return pd.DataFrame(
            [[getattr(score, name) for name in columns] for score in self.scores], columns=columns
        )

    def score(
        self,
        model: str,
        node: Hashable,
        metric: str,
        *,
        region: str = "",
        label: Hashable = "",
        unit: str = "",
    ) -> Score:
        """Return the one score that these names address.

        Raises
        ------
        KeyError
            If no score, or more than one, has these names; an empty `unit` matches any.
        """
        wanted = (model, node, metric, region, label)
        found = [
            s
            for s in self.scores
            if (s.model, s.node, s.metric, s.region, s.label) == wanted and unit in ("", s.unit)
        ]
        if len(found) != 1:
            raise KeyError(f"{len(found)} scores are addressed by {wanted} and unit {unit!r}, expected one")
        return found[0]

    def summary(self) -> pd.DataFrame:
        """Return cells "estimate ± half width", a row per quantity and model, a column per node."""
        import pandas as pd

        rows: dict[tuple[str, str], dict[str, str]] = {}
        for title, block in self._blocks().items():
            for model, cells in block.items():
                if title in (_NULL_TITLE, _CODE_TITLE, _LEAK_TITLE):
                    rows.update({(column, model): {title: cell} for column, cell in cells.items()})
                else:
                    rows[title, model] = cells
        index = pd.MultiIndex.from_tuples(list(rows), names=["quantity", "model"])
        return pd.DataFrame(list(rows.values()), index=index).fillna("")

    def to_markdown(self) -> str:
        """Return the summary as tables of GitHub-flavoured Markdown, one per quantity."""
        return "\n\n".join(
            f"**{title}**\n\n" + _markdown(["model", *_columns(block)], _cells(block))
            for title, block in self._blocks().items()
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the example images as plain JSON types; NaN becomes None."""
        return {
            "models": list(self.models),
            "nodes": [_plain(node) for node in self.nodes],
            "n_images": self.n_images,
            "seed": self.seed,
            "threshold": self.threshold,
            "extractor": self.extractor,
            "scores": [{name: _plain(value) for name, value in asdict(s).items()} for s in self.scores],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CounterfactualReport:
        """Return the report that :meth:`to_dict` wrote, without its examples."""
        undefined = {"estimate": math.nan, "low": math.nan, "high": math.nan}
        rows: list[dict[str, Any]] = [
            {name: undefined.get(name) if value is None else value for name, value in row.items()}
            for row in content["scores"]
        ]
        return cls(
            scores=tuple(Score(**row) for row in rows),
            models=tuple(content["models"]),
            nodes=tuple(content["nodes"]),
            n_images=content["n_images"],
            seed=content["seed"],
            threshold=content["threshold"],
            extractor=content.get("extractor", ""),
        )

    @classmethod
    def combine(cls, reports: Iterable[CounterfactualReport]) -> CounterfactualReport:
        """Return one report of models that were scored one by one.

        As the questions depend on the seed alone, it equals the report of all models at once.

        Raises
        ------
        DataError
            If the reports are not about the same questions, or there is none.
        """
        parts = list(reports)
        if not parts:
            raise DataError("`reports` must hold at least one report, got none")
        first = parts[0]
        for part in parts:
            if part._questions != first._questions:
                raise DataError(
                    "`reports` must ask the same questions (images, seed, nodes, threshold, examples), "
                    f"got {first._questions} and {part._questions}"
                )
        names = dict.fromkeys(name for part in parts for name in part.models if name != COPY)
        by_model = {
            s.model: [t for t in part.scores if t.model == s.model] for part in parts for s in part.scores
        }
        order = (READER, *names, COPY)
        examples = [
            group[0]._replace(
                reconstructions=_merged([example.reconstructions for example in group]),
                predictions=_merged([example.predictions for example in group]),
            )
            for group in zip(*(part.examples for part in parts), strict=True)
        ]
        return replace(
            first,
            scores=tuple(score for name in order for score in by_model.get(name, [])),
            models=(*names, COPY),
            examples=tuple(examples),
        )

    @classmethod
    def over_seeds(cls, reports: Sequence[CounterfactualReport]) -> CounterfactualReport:
        """Return one report of the same models trained with several seeds, without examples.

        Parameters
        ----------
        reports : sequence of CounterfactualReport
            One per seed of the training, about the same questions and models of the same names.

        Returns
        -------
        CounterfactualReport
            Means over the seeds. An interval holds both sources of chance: with s the standard deviation
            over S seeds and h the mean half width over images, its half width is the root of
            (t s)^2 / S + h^2, with t of S - 1 degrees of freedom. The images are the same for every seed,
            so h does not shrink with their number.

        Raises
        ------
        DataError
            If the reports are not about the same questions and models, or there is none.
        """
        parts = list(reports)
        if not parts or any(
            part._questions != parts[0]._questions or part.models != parts[0].models for part in parts
        ):
            raise DataError("`reports` must be at least one, about the same questions and models")
        rows: dict[tuple[Any, ...], list[Score]] = {}
        for score in (score for part in parts for score in part.scores):
            key = (score.model, score.node, score.metric, score.region, score.label, score.unit)
            rows.setdefault(key, []).append(score)
        return replace(parts[0], scores=tuple(_pooled(scores) for scores in rows.values()), examples=())

    @property
    def _questions(self) -> tuple[Any, ...]:
        asked = tuple((example.node, example.target) for example in self.examples)
        return self.n_images, self.seed, self.nodes, self.threshold, asked

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the report to a folder, atomically: ``report.json`` and the examples as ``examples.npz``."""
        with atomic_directory(folder) as target:
            text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
            (target / _REPORT).write_text(text, encoding="utf-8")
            arrays: dict[str, Any] = {}
            for i, example in enumerate(self.examples):
                arrays |= {f"{i}/target": np.asarray(example.target), f"{i}/factual": example.factual}
                arrays |= {} if example.truth is None else {f"{i}/truth": example.truth}
                for j, name in enumerate(self.models):
                    arrays[f"{i}/reconstruction/{j}"] = example.reconstructions[name]
                    arrays[f"{i}/prediction/{j}"] = example.predictions[name]
            np.savez_compressed(target / _EXAMPLES, **arrays)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> CounterfactualReport:
        """Read a report that :meth:`save` wrote; nodes that were no texts or numbers are texts now.

        Raises
        ------
        CheckpointError
            If the folder does not hold a report.
        """
        source = Path(folder)
        try:
            report = cls.from_dict(json.loads((source / _REPORT).read_text(encoding="utf-8")))
            with np.load(source / _EXAMPLES, allow_pickle=False) as stored:
                arrays = dict(stored)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{str(source)!r} does not hold a report: {error}") from error
        examples = [
            CounterfactualExample(
                node=report.nodes[i % len(report.nodes)],
                target=float(arrays[f"{i}/target"]),
                factual=arrays[f"{i}/factual"],
                truth=arrays.get(f"{i}/truth"),
                reconstructions={m: arrays[f"{i}/reconstruction/{j}"] for j, m in enumerate(report.models)},
                predictions={m: arrays[f"{i}/prediction/{j}"] for j, m in enumerate(report.models)},
            )
            for i in range(sum(name.endswith("/target") for name in arrays))
        ]
        return replace(report, examples=tuple(examples))

    def __str__(self) -> str:
        head = (
            f"Counterfactual images against the truth: {self.n_images} images (seed {self.seed}), "
            "estimate ± half a 95 % interval over images"
            + (f", features of extractor {self.extractor}" if self.extractor else "")
        )
        parts = [
            f"{title}\n{_text(['', *_columns(block)], _cells(block))}"
            for title, block in self._blocks().items()
        ]
        return "\n\n".join([head, *parts])

    def _blocks(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return heading -> model -> column -> cell, leaving out quantities that nobody has."""
        blocks = {block.title: self._block(block) for block in _BLOCKS}
        for s in self.scores:
            if s.metric in _OTHERS or s.metric.startswith("reconstruction"):
                title, column = _OTHERS.get(s.metric, (_NULL_TITLE, "{metric} (grey levels)"))
                cells = blocks.setdefault(title, {}).setdefault(s.model, {})
                cells[column.format(metric=s.metric, label=s.label, region=s.region)] = format_score(s)
        return {title: block for title, block in blocks.items() if block}

    def _block(self, wanted: _Block) -> dict[str, dict[str, str]]:
        block: dict[str, dict[str, str]] = {}
        for s in self.scores:
            if (s.metric, s.region, s.label, s.unit) == wanted[:4]:
                block.setdefault(s.model, {})[str(s.node)] = format_score(s)
        return block


def _pooled(scores: Sequence[Score]) -> Score:
    """Return the mean of one score over seeds of the training."""
    values = np.array([score.estimate for score in scores])
    half = float(np.mean([(score.high - score.low) / 2 for score in scores]))
    if len(scores) > 1:
        between = float(values.std(ddof=1)) / math.sqrt(len(scores))
        half = math.hypot(half, float(stdtrit(len(scores) - 1, 0.975)) * between)
    mean = float(values.mean())
    return replace(scores[0], estimate=mean, low=mean - half, high=mean + half)


def format_score(score: Score) -> str:
    """Return ``"estimate ± half width"``, or a dash where the score is undefined."""
    if math.isnan(score.estimate):
        return "–"
    digits = 2 if score.unit in ("grey levels", "label", "share") else 3
    text = f"{score.estimate:.{digits}f}"
    return text if math.isnan(score.low) else f"{text} ± {(score.high - score.low) / 2:.{digits}f}"


def _columns(block: Mapping[str, Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(column for cells in block.values() for column in cells))


def _cells(block: Mapping[str, Mapping[str, str]]) -> list[list[str]]:
    columns = _columns(block)
    return [[model, *(cells.get(column, "") for column in columns)] for model, cells in block.items()]


def _text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[j]) for row in (head, *rows)) for j in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (head, rule, *rows)
    )


def _merged(mappings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one mapping with the copying row last, as in ``models``."""
    merged = {name: image for mapping in mappings for name, image in mapping.items()}
    return {name: merged[name] for name in (*(n for n in merged if n != COPY), COPY)}


def _plain(value: Any) -> Any:
    """Return `value` as JSON has it; a node of another type becomes its text."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if isinstance(value, (str, int)) else str(value)
