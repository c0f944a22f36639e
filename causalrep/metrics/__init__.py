"""Scores against the truth: of graphs, of counterfactual images."""

from __future__ import annotations

from causalrep.metrics._counterfactual import (
    CounterfactualModel,
    CounterfactualWorld,
    counterfactual_report,
)
from causalrep.metrics._counterfactual_report import CounterfactualExample, CounterfactualReport, Score
from causalrep.metrics._disentanglement import DCIScores, MCCScore, dci, mcc
from causalrep.metrics._distances import adjustment_distance, separation_distance, sid
from causalrep.metrics._estimates import Estimate, average_estimate, mean_estimate, ratio_estimate
from causalrep.metrics._frechet import FrechetDistance, RandomFeatures, frechet_distance
from causalrep.metrics._graphs import (
    EdgeScores,
    arrowhead_scores,
    mark_shd,
    order_divergence,
    shd,
    skeleton_scores,
)
from causalrep.metrics._image_errors import ImageErrors, image_errors
from causalrep.metrics._leak import label_leak, slot_leak
from causalrep.metrics._oracle import LabelOracle
from causalrep.metrics._sortability import r2_sortability, varsortability

__all__ = [
    "CounterfactualExample",
    "CounterfactualModel",
    "CounterfactualReport",
    "CounterfactualWorld",
    "DCIScores",
    "EdgeScores",
    "Estimate",
    "FrechetDistance",
    "ImageErrors",
    "LabelOracle",
    "MCCScore",
    "RandomFeatures",
    "Score",
    "adjustment_distance",
    "arrowhead_scores",
    "average_estimate",
    "counterfactual_report",
    "dci",
    "frechet_distance",
    "image_errors",
    "label_leak",
    "mark_shd",
    "mcc",
    "mean_estimate",
    "order_divergence",
    "r2_sortability",
    "ratio_estimate",
    "separation_distance",
    "shd",
    "sid",
    "skeleton_scores",
    "slot_leak",
    "varsortability",
]
