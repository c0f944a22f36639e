"""Structural causal models: sample, intervene, and imagine what would have been.

A model is a graph with a mechanism at each node, and a mechanism can be anything: a linear
equation, a Python function, a renderer that draws an image, a network that inverts one.

>>> from causalrep.scm import SCM, Linear, Normal
>>> scm = SCM(mechanisms={"X": Normal(0, 1), "Y": Linear({"X": 2.0}, noise=Normal(0, 1))})
>>> scm.graph.to_string()
'X -> Y'
"""

from causalrep.scm._attribute_arrows import arrow_strength, feature_relevance
from causalrep.scm._attribute_change import attribute_change, unit_change
from causalrep.scm._attribute_mean import attribute_mean_change
from causalrep.scm._attribute_noise import attribute_anomalies, intrinsic_causal_influence
from causalrep.scm._attribution import Attribution
from causalrep.scm._builder import Builder
from causalrep.scm._check import CheckReport
from causalrep.scm._classifiers import Classification, CountRegression, Table
from causalrep.scm._conditions import Interval
from causalrep.scm._cpt import CPT
from causalrep.scm._discrete import DiscreteSCM
from causalrep.scm._distributions import (
    Bernoulli,
    Categorical,
    Dirac,
    Distribution,
    Empirical,
    Exponential,
    Gamma,
    Laplace,
    LogNormal,
    Normal,
    Poisson,
    StudentT,
    Uniform,
)
from causalrep.scm._equations import Equation
from causalrep.scm._estimate import Estimate
from causalrep.scm._flow import FlowRegression
from causalrep.scm._joint import JointNormal
from causalrep.scm._learner import Learner
from causalrep.scm._learners import (
    Heteroscedastic,
    LineRegression,
    Regression,
    SplineRegression,
    WarpedRegression,
)
from causalrep.scm._linear_gaussian import LinearGaussianSCM
from causalrep.scm._location_scale import LocationScale
from causalrep.scm._mechanism import Mechanism
from causalrep.scm._mechanisms import AdditiveNoise, Function, Invertible, Linear, Root
from causalrep.scm._posterior import WeightedDraws
from causalrep.scm._root_causes import root_causes
from causalrep.scm._samples import Samples
from causalrep.scm._scm import SCM
from causalrep.scm._smoothed import Smoothed
from causalrep.scm._warnings import ExtrapolationWarning

__all__ = [
    "CPT",
    "SCM",
    "AdditiveNoise",
    "Attribution",
    "Bernoulli",
    "Builder",
    "Categorical",
    "CheckReport",
    "Classification",
    "CountRegression",
    "Dirac",
    "DiscreteSCM",
    "Distribution",
    "Empirical",
    "Equation",
    "Estimate",
    "Exponential",
    "ExtrapolationWarning",
    "FlowRegression",
    "Function",
    "Gamma",
    "Heteroscedastic",
    "Interval",
    "Invertible",
    "JointNormal",
    "Laplace",
    "Learner",
    "LineRegression",
    "Linear",
    "LinearGaussianSCM",
    "LocationScale",
    "LogNormal",
    "Mechanism",
    "Normal",
    "Poisson",
    "Regression",
    "Root",
    "Samples",
    "Smoothed",
    "SplineRegression",
    "StudentT",
    "Table",
    "Uniform",
    "WarpedRegression",
    "WeightedDraws",
    "arrow_strength",
    "attribute_anomalies",
    "attribute_change",
    "attribute_mean_change",
    "feature_relevance",
    "intrinsic_causal_influence",
    "root_causes",
    "unit_change",
]
