"""Conditional-independence tests, asked in batches, on NumPy, Torch or CuPy.

A test is fitted once and then answers arrays of questions (`CITest.test_batch`) or one question by name
(`CITest.test`). Search algorithms take any such test, among them `Oracle`, which knows the graph.
"""

from causalrep.independence._base import CITest, CITestBatch, CITestResult, CITestWarning, Flag
from causalrep.independence._cmi_knn import CMIKnn
from causalrep.independence._conditional_gaussian import ConditionalGaussian
from causalrep.independence._corrected_fisherz import CorrectedFisherZ
from causalrep.independence._degenerate_gaussian import DegenerateGaussian
from causalrep.independence._discrete import ChiSquare, GSquare
from causalrep.independence._distance_correlation import DistanceCorrelation
from causalrep.independence._fisherz import FisherZ
from causalrep.independence._gcm import GCM
from causalrep.independence._imputed_fisherz import ImputedFisherZ
from causalrep.independence._kci import HSIC, KCI
from causalrep.independence._oracle import Oracle
from causalrep.independence._polynomial import PolynomialGCM
from causalrep.independence._pooled import Pooled
from causalrep.independence._rcit import RCIT

__all__ = [
    "CITest",
    "CITestBatch",
    "CITestResult",
    "CITestWarning",
    "CMIKnn",
    "ChiSquare",
    "ConditionalGaussian",
    "CorrectedFisherZ",
    "DegenerateGaussian",
    "DistanceCorrelation",
    "FisherZ",
    "Flag",
    "GSquare",
    "GCM",
    "HSIC",
    "ImputedFisherZ",
    "KCI",
    "RCIT",
    "Oracle",
    "PolynomialGCM",
    "Pooled",
]
