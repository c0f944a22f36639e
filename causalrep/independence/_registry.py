"""Tests by name, for algorithms that take one."""

from __future__ import annotations

from collections.abc import Callable

from causalrep.independence._base import CITest
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
from causalrep.independence._polynomial import PolynomialGCM
from causalrep.independence._rcit import RCIT

__all__ = ["TESTS"]

TESTS: dict[str, Callable[[], CITest]] = {
    "chisquare": ChiSquare,
    "cmiknn": CMIKnn,
    "conditional_gaussian": ConditionalGaussian,
    "corrected_fisherz": CorrectedFisherZ,
    "degenerate_gaussian": DegenerateGaussian,
    "distance_correlation": DistanceCorrelation,
    "fisherz": FisherZ,
    "gcm": GCM,
    "gsquare": GSquare,
    "hsic": HSIC,
    "imputed_fisherz": ImputedFisherZ,
    "kci": KCI,
    "polynomial": PolynomialGCM,
    "rcit": RCIT,
}
