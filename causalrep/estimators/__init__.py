"""Effects from data: estimators in the style of scikit-learn, with honest intervals."""

from causalrep.estimators._adjusting import DoseWarning
from causalrep.estimators._aipw import AIPW
from causalrep.estimators._balancing_propensity import CBPS, OverlapWeights
from causalrep.estimators._causal_effect import causal_effect
from causalrep.estimators._causal_forest import CausalForest
from causalrep.estimators._crossfit import CrossFitWarning
from causalrep.estimators._deep_iv import DeepIV
from causalrep.estimators._density import DensityTest
from causalrep.estimators._did import DifferenceInDifferences
from causalrep.estimators._dose_response import DoseResponse
from causalrep.estimators._double_ml import DoubleML
from causalrep.estimators._effect_report import EffectReport, EffectSet, JointEffectSet, PossibleEffect
from causalrep.estimators._frontdoor import FrontDoor
from causalrep.estimators._gcomputation import GComputation
from causalrep.estimators._group_time import GroupTimeDiD
from causalrep.estimators._ipw import IPW
from causalrep.estimators._iv_tests import SpecificationTest, WeakInstrumentTest
from causalrep.estimators._kernel_iv import KernelIV
from causalrep.estimators._kernel_proximal import KernelProximal
from causalrep.estimators._longitudinal import LongitudinalGComputation
from causalrep.estimators._ltmle import LTMLE
from causalrep.estimators._matching import Matching
from causalrep.estimators._matrix_completion import MatrixCompletion
from causalrep.estimators._mediation import Mediation
from causalrep.estimators._metalearners import DRLearner, RLearner, SLearner, TLearner, ULearner, XLearner
from causalrep.estimators._msm import MarginalStructuralModel
from causalrep.estimators._neural import CFRNet, DragonNet, TARNet
from causalrep.estimators._overlap import Balance, Overlap, OverlapWarning
from causalrep.estimators._plug_in import PlugIn
from causalrep.estimators._policy_tree import PolicyTree
from causalrep.estimators._policy_value import policy_value
from causalrep.estimators._proximal import ProximalTwoStage
from causalrep.estimators._rdd import RegressionDiscontinuity
from causalrep.estimators._refutation import Refutation
from causalrep.estimators._refute import refute
from causalrep.estimators._result import EffectResult
from causalrep.estimators._shared import SharedNuisances, share_nuisances
from causalrep.estimators._shift import ShiftIntervention
from causalrep.estimators._survival import SurvivalEffect
from causalrep.estimators._synthetic import PlaceboTest
from causalrep.estimators._synthetic_control import SyntheticControl
from causalrep.estimators._synthetic_did import SyntheticDiD
from causalrep.estimators._tmle import TMLE
from causalrep.estimators._transformers import PropensityScore, Residualizer
from causalrep.estimators._two_stage import GMM, LIML, KClass, TwoStageLeastSquares
from causalrep.estimators._uplift import auuc, qini_curve, qini_score, rate, toc_curve, uplift_curve
from causalrep.estimators._weighting import EntropyBalancing, StableWeights

__all__ = [
    "AIPW",
    "CBPS",
    "GMM",
    "IPW",
    "LIML",
    "LTMLE",
    "TMLE",
    "Balance",
    "CFRNet",
    "CausalForest",
    "CrossFitWarning",
    "DRLearner",
    "DeepIV",
    "DensityTest",
    "DifferenceInDifferences",
    "DoseResponse",
    "DoseWarning",
    "DoubleML",
    "DragonNet",
    "EffectReport",
    "EffectResult",
    "EffectSet",
    "EntropyBalancing",
    "FrontDoor",
    "GComputation",
    "GroupTimeDiD",
    "JointEffectSet",
    "KClass",
    "KernelIV",
    "LongitudinalGComputation",
    "MarginalStructuralModel",
    "Matching",
    "MatrixCompletion",
    "Mediation",
    "Overlap",
    "OverlapWarning",
    "OverlapWeights",
    "PlaceboTest",
    "PlugIn",
    "PolicyTree",
    "PossibleEffect",
    "PropensityScore",
    "RLearner",
    "Refutation",
    "RegressionDiscontinuity",
    "Residualizer",
    "SLearner",
    "SharedNuisances",
    "ShiftIntervention",
    "SpecificationTest",
    "StableWeights",
    "SurvivalEffect",
    "SyntheticControl",
    "SyntheticDiD",
    "TARNet",
    "TLearner",
    "TwoStageLeastSquares",
    "WeakInstrumentTest",
    "ULearner",
    "XLearner",
    "auuc",
    "causal_effect",
    "policy_value",
    "qini_curve",
    "qini_score",
    "rate",
    "refute",
    "share_nuisances",
    "toc_curve",
    "uplift_curve",
    "ProximalTwoStage",
    "KernelProximal",
]
