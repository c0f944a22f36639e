"""What else a report asks of a model: to go back, along an axis, near the image, inside its code.

Each part takes an exam and a model and returns estimates by :class:`Key`; a part that a model or a world
cannot answer (no code, no picture of the truth) returns none.

References
----------
.. [1] M. Monteiro et al., "Measuring axiomatic soundness of counterfactual image models", ICLR 2023,
   arXiv:2303.01274: reversibility.
.. [2] P. Sanchez, S. A. Tsaftaris, "Diffusion causal models for counterfactual estimation", CLeaR 2022,
   arXiv:2202.10166: counterfactual latent divergence.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import rankdata

from causalrep.metrics._counterfactual_exam import Estimates, Exam, Images, Key, Question, Vector
from causalrep.metrics._disentanglement import dci
from causalrep.metrics._estimates import (
    average_estimate,
    explained_estimate,
    jackknife_estimates,
    mean_estimate,
    ratio_estimate,
)
from causalrep.metrics._frechet import distance_estimate
from causalrep.metrics._image_errors import GREY_LEVELS
from causalrep.metrics._leak import leak_estimates
from causalrep.utils import columns_of

__all__ = ["PARTS", "axes", "code_scores", "latents", "minimality", "realism", "recovery", "reversal"]

PARTS = ("reversibility", "axes", "minimality", "frechet", "recovery", "latents", "code")

_BINS = 10
_TREES_ROWS = 1000
_GROUPS = 5  # of the jackknife of DCI: each is a fit of trees per label


def reversal(exam: Exam, model: Any, question: Question, prediction: Images) -> Estimates:
    """Set the node back to its factual value and compare with the factual images."""
    factual = exam.labels[question.node]
    parts = [
        np.asarray(model.predict_images(model.abduct(prediction[rows]), do={question.node: factual[rows]}))
        for rows in exam.batches
    ]
    error = np.abs(np.concatenate(parts).astype(np.float64) - exam.images).mean(axis=(1, 2, 3))
    return {Key("reversibility", "whole", unit="grey levels"): mean_estimate(GREY_LEVELS * error)}


def axes(exam: Exam, model: Any, question: Question, abducted: list[Any]) -> Estimates:
    """Set the node to ascending values and read it back; it should grow, by as much as asked."""
    node, followed = question.node, exam.followed
    readings = np.full((len(exam.images), question.path.shape[1]), np.nan)
    for k in range(question.path.shape[1]):
        images = [
            np.asarray(model.predict_images(state, do={node: question.path[rows, k]}))
            for state, rows in zip(abducted, followed, strict=True)
        ]
        column = columns_of(exam.world.read(np.concatenate(images)), what="world.read(images)").get(node)
        if column is None:
            return {}
        readings[: exam.n_followed, k] = column
    asked = np.full_like(readings, np.nan)
    asked[: exam.n_followed] = question.path
    asked = np.where(np.isfinite(readings), asked, np.nan)
    ranks = np.array([_rank_correlation(a, r) for a, r in zip(asked, readings, strict=True)])
    known = np.isfinite(asked).sum(axis=1) >= 3
    centred_asked, centred_read = (_centred(values, known) for values in (asked, readings))
    return {
        Key("monotonicity", unit="rank correlation"): mean_estimate(ranks),
        Key("calibration", unit="slope"): ratio_estimate(
            np.sum(centred_asked * centred_read, axis=1), np.sum(centred_asked**2, axis=1)
        ),
    }


def minimality(exam: Exam, question: Question, features: Vector, answers: Vector) -> Estimates:
    """Return the counterfactual latent divergence: no further from the image than its new label asks.

    Parameters
    ----------
    exam, question : Exam, Question
    features, answers : array of shape (n_images, n_features)
        Of the factual images and of the predictions.
    """
    factual, target = exam.labels[question.node], question.labels[question.node]
    low, high = min(factual.min(), target.min()), max(factual.max(), target.max())
    edges = np.linspace(low, high, _BINS + 1)[1:-1]
    bin_of, bin_asked = np.digitize(factual, edges), np.digitize(target, edges)
    moved = np.linalg.norm(answers - features, axis=1)
    between = np.linalg.norm(features[:, None] - features[None], axis=2)
    values = np.full(len(features), np.nan)
    for i, distance in enumerate(moved):
        same, other = bin_of == bin_of[i], bin_of == bin_asked[i]
        same[i] = other[i] = False
        if same.any() and other.any():
            nearer = np.mean(between[i, other] <= distance)  # P(S_cf <= d)
            further = np.mean(between[i, same] >= distance)  # P(S_f >= d)
            values[i] = np.log(0.8 * np.exp(nearer) + 0.2 * np.exp(further))
    return {Key("minimality", unit="CLD"): mean_estimate(values)}


def realism(reference: Vector, answers: Vector) -> Estimates:
    """Return the Fréchet distance of predictions to the true images, or else to the factual ones."""
    if len(reference) < 20:
        return {}
    return {Key("Fréchet distance", unit="squared distance"): distance_estimate(answers, reference)}


def recovery(exam: Exam, question: Question, factors: Mapping[Hashable, Vector]) -> Estimates:
    """Return how well the unlabelled factors of the truth are there in the prediction, R2 each."""
    periods = getattr(exam.world, "periods", {})
    found: Estimates = {}
    known = {} if question.reading is None else question.reading.factors
    for name, read in factors.items():
        truth = known.get(name)
        if truth is None or not np.isfinite(truth).any() or np.nanstd(truth) < 1e-6:
            continue
        wrapped = partial(_wrapped, period=periods.get(name))
        middle = _middle(truth, periods.get(name))
        found[Key("nuisance recovery", label=name, unit="R2")] = explained_estimate(
            wrapped(read - truth), wrapped(truth - middle)
        )
    if found:
        found[Key("nuisance recovery", label="mean", unit="R2")] = average_estimate(list(found.values()))
    return found


def latents(exam: Exam, model: Any, question: Question) -> Estimates:
    """Compare the labels that the model means with the true ones, and with what it reads off the truth."""
    if question.images is None or not (hasattr(model, "counterfactual") and hasattr(model, "predict")):
        return {}
    rows = slice(0, exam.n_followed)
    meant = columns_of(
        model.counterfactual(exam.images[rows], do={question.node: question.targets[rows]}).labels,
        what="labels",
    )
    read = columns_of(model.predict(question.images[rows]), what="labels")
    missing = np.full(len(exam.images) - exam.n_followed, np.nan)
    found: Estimates = {}
    errors = []
    for v, truth in question.labels.items():
        sd = float(exam.labels[v].std())
        if v == question.node or sd == 0:
            continue
        apart = np.append(np.abs(meant[v] - read[v]) / sd, missing)
        errors.append(mean_estimate(apart))
        found[Key("latent error", label=v, unit="sd")] = errors[-1]
        around = np.append(truth[rows] - truth[rows].mean(), missing)
        found[Key("latent R2", label=v, unit="R2")] = explained_estimate(
            np.append(meant[v] - truth[rows], missing), around
        )
    if errors:
        found[Key("latent error", label="mean", unit="sd")] = average_estimate(errors)
    return found


def code_scores(exam: Exam, model: Any, seed: int) -> Estimates:
    """Score the code of a model that has one: DCI per number and per slot, labels told by the nuisance."""
    if not (hasattr(model, "transform") and hasattr(model, "get_feature_names_out")):
        return {}
    names = [str(name) for name in model.get_feature_names_out()]
    codes = np.concatenate([np.asarray(model.transform(exam.images[rows])) for rows in exam.batches])
    labels = {v: label for v, label in exam.labels.items() if np.ptp(label) > 0}
    found: Estimates = {}
    if len(codes) >= 40 and labels:
        found |= _dci(codes, labels, [name.split("[")[0] for name in names], seed)
    nuisance = codes[:, [name.startswith("nuisance[") for name in names]]
    n_terms = (nuisance.shape[1] + 1) * (nuisance.shape[1] + 2) // 2
    if nuisance.shape[1] and len(codes) >= 2 * n_terms:
        for v, estimate in leak_estimates(nuisance, labels).items():
            found[Key("leak", label=v, unit="R2")] = estimate
    return found


def _dci(codes: Vector, labels: dict[Hashable, Vector], slots: list[str], seed: int) -> Estimates:
    names = ("disentanglement", "completeness", "informativeness")

    def score(rows: Any) -> list[float]:
        part = {v: label[rows] for v, label in labels.items()}
        found = dci(codes[rows], part, slots=slots, max_rows=_TREES_ROWS, random_state=seed)
        levels = (found, found.by_slot)
        return [float(getattr(level, name)) for level in levels for name in names]

    keys = [Key("DCI", region, name, unit="score") for region in ("numbers", "slots") for name in names]
    return dict(zip(keys, jackknife_estimates(score, len(codes), groups=_GROUPS), strict=True))


def _rank_correlation(asked: Vector, read: Vector) -> float:
    known = np.isfinite(asked) & np.isfinite(read)
    if known.sum() < 3 or np.ptp(asked[known]) == 0:
        return float("nan")
    if np.ptp(read[known]) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(asked[known]), rankdata(read[known]))[0, 1])


def _centred(values: Vector, known: Vector) -> Vector:
    """Return rows less their mean over what is known; NaN for rows that do not count."""
    counts = np.maximum(np.isfinite(values).sum(axis=1, keepdims=True), 1)
    centred = np.nan_to_num(values - np.nansum(values, axis=1, keepdims=True) / counts)
    return np.where(known[:, None], centred, np.nan)


def _wrapped(difference: Vector, period: float | None) -> Vector:
    if period is None:
        return difference
    wrapped: Vector = (difference + period / 2) % period - period / 2
    return wrapped


def _middle(values: Vector, period: float | None) -> float:
    """Return the mean, on the circle if there is a period."""
    known = values[np.isfinite(values)]
    if period is None:
        return float(known.mean())
    return float(np.angle(np.exp(2j * np.pi * known / period).mean()) * period / (2 * np.pi))
