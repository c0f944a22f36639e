"""Effects from data: estimators in the style of scikit-learn, with honest intervals."""

from causalrep.estimators._adjusting import DoseWarning
from causalrep.estimators._aipw import AIPW
from causalrep.estimators._crossfit import CrossFitWarning
from causalrep.estimators._overlap import Overlap, OverlapWarning
from causalrep.estimators._result import EffectResult

__all__ = ["AIPW", "CrossFitWarning", "DoseWarning", "EffectResult", "Overlap", "OverlapWarning"]
