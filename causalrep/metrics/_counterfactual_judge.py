"""From answers to estimates: pixels against the truth, labels read, and what else was asked for."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from causalrep.metrics import _counterfactual_parts as parts_of
from causalrep.metrics._counterfactual_exam import (
    Estimates,
    Exam,
    Images,
    Key,
    Question,
    Reading,
    Vector,
)
from causalrep.metrics._estimates import average_estimate, mean_estimate
from causalrep.metrics._frechet import Extractor, extractor_digest, features_of
from causalrep.metrics._image_errors import Region, image_errors
from causalrep.utils import columns_of

__all__ = ["Judge", "amplification", "label_estimates", "pixel_estimates"]

REGIONS: tuple[Region, ...] = ("whole", "changed", "unchanged")
RATIO_REGIONS: tuple[Region, ...] = ("whole", "changed")


class Judge:
    """Turns answers into estimates: the exam, what to score beside the basics, and with what.

    Parameters
    ----------
    exam : Exam
    parts : tuple of str
        Which of `PARTS` to score.
    oracle : object or None
        With ``read(images)``.
    extractor : callable
        Of the features of images.
    seed : int
    """

    def __init__(
        self, exam: Exam, parts: tuple[str, ...], oracle: Any, extractor: Extractor, seed: int
    ) -> None:
        self.exam, self.parts, self.oracle, self.extractor, self.seed = exam, parts, oracle, extractor, seed
        embeds = "minimality" in parts or "frechet" in parts
        self._features = self._embed(exam.images) if embeds else np.empty(0)
        self._of_truth = {
            q.node: self._embed(q.images) for q in exam.questions if embeds and q.images is not None
        }
        self.digest = extractor_digest(extractor, exam.images.shape[1:]) if embeds else ""

    def of_truth(self, question: Question) -> Estimates:
        """Return what reader, oracle and embedding say about the true images."""
        reading = None if question.reading is None else question.reading.labels
        found = label_estimates(self.exam, question, reading)
        if self.oracle is not None:
            truth, intended = question.images, question.labels
            if truth is None:
                truth, intended = self.exam.images, self.exam.labels
            found |= self._by_oracle(truth, intended)
        if "minimality" in self.parts and question.node in self._of_truth:
            found |= parts_of.minimality(self.exam, question, self._features, self._of_truth[question.node])
        return found

    def of_images(self, question: Question, prediction: Images, reading: Reading) -> Estimates:
        """Return what the predicted images alone tell, beside the labels read from them."""
        found: Estimates = {}
        if self.oracle is not None:
            found |= self._by_oracle(prediction, question.labels)
        if "recovery" in self.parts:
            found |= parts_of.recovery(self.exam, question, reading.factors)
        if len(self._features):
            answers = self._embed(prediction)
            if "minimality" in self.parts:
                found |= parts_of.minimality(self.exam, question, self._features, answers)
            if "frechet" in self.parts:
                found |= parts_of.realism(self._of_truth.get(question.node, self._features), answers)
        return found

    def of_model(self, model: Any, question: Question, prediction: Images, abducted: list[Any]) -> Estimates:
        """Return what takes more questions to the model."""
        found: Estimates = {}
        if "reversibility" in self.parts:
            found |= parts_of.reversal(self.exam, model, question, prediction)
        if "axes" in self.parts:
            found |= parts_of.axes(self.exam, model, question, abducted)
        if "latents" in self.parts:
            found |= parts_of.latents(self.exam, model, question)
        return found

    def of_code(self, model: Any) -> Estimates:
        """Return the scores of the model's code."""
        return parts_of.code_scores(self.exam, model, self.seed) if "code" in self.parts else {}

    def _by_oracle(self, images: Images, intended: dict[Hashable, Vector]) -> Estimates:
        read = columns_of(self.oracle.read(images), what="oracle.read(images)")
        errors = {v: np.abs(read[v] - value) for v, value in intended.items() if v in read}
        return _in_both_units("effectiveness (oracle)", errors, self.exam)

    def _embed(self, images: Images) -> Vector:
        return features_of(self.extractor, np.asarray(images, dtype=np.float64))


def pixel_estimates(exam: Exam, question: Question, prediction: Images) -> Estimates:
    if question.images is None:
        return {}
    errors = image_errors(prediction, question.images, exam.images, threshold=exam.threshold)
    found: Estimates = {
        Key("error", region, unit="grey levels"): mean_estimate(errors.error(region)) for region in REGIONS
    }
    for region in RATIO_REGIONS:
        found[Key("ratio to copying", region, unit="ratio")] = errors.ratio(region)
    return found


def label_estimates(exam: Exam, question: Question, reading: dict[Hashable, Vector] | None) -> Estimates:
    """Return effectiveness and the share of unreadable images.

    Without a true counterfactual image the reader itself is judged by the factual images.
    """
    intended = question.labels
    if reading is None:
        reading, intended = exam.reading.labels, exam.labels
    readable = (exam.reading if question.reading is None else question.reading).labels
    errors = {v: np.abs(read - intended[v]) for v, read in reading.items()}
    found = _in_both_units("effectiveness", errors, exam)
    for v, read in reading.items():
        lost = np.where(np.isfinite(readable[v]), np.isnan(read).astype(np.float64), np.nan)
        found[Key("unreadable", label=v, unit="share")] = mean_estimate(lost)
    return found


def amplification(
    exam: Exam, question: Question, reading: dict[Hashable, Vector], null_reading: dict[Hashable, Vector]
) -> Estimates:
    drift = {
        v: np.abs(reading[v] - exam.labels[v]) - np.abs(null_reading[v] - exam.labels[v])
        for v in question.unaffected
        if v in reading
    }
    return _in_both_units("amplification", drift, exam)


def _in_both_units(metric: str, values: dict[Hashable, Vector], exam: Exam) -> Estimates:
    """Return the means of `values` per label, in its unit and its sd, and their average over labels."""
    found: Estimates = {}
    for v, value in values.items():
        found[Key(metric, label=v, unit="label")] = mean_estimate(value)
        sd = float(exam.labels[v].std())
        found[Key(metric, label=v, unit="sd")] = mean_estimate(value / sd if sd > 0 else value * np.nan)
    if values:
        of_labels = [found[Key(metric, label=v, unit="sd")] for v in values]
        found[Key(metric, label="mean", unit="sd")] = average_estimate(of_labels)
    return found
