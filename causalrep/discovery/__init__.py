"""Causal graphs from data: search algorithms as scikit-learn estimators with a ``graph_``."""

from causalrep.discovery._bootstrap import Bootstrap
from causalrep.discovery._boss import BOSS
from causalrep.discovery._causallearn import CausalLearn
from causalrep.discovery._cdnod import CDNOD, ChangeDirection
from causalrep.discovery._conflicts import Conflict
from causalrep.discovery._constraint_search import ConflictWarning
from causalrep.discovery._dagma import DAGMA
from causalrep.discovery._direct_lingam import DirectLiNGAM
from causalrep.discovery._discrete_scores import BDeu, DiscreteBIC
from causalrep.discovery._fci import FCI
from causalrep.discovery._gaussian_score import GaussianBIC
from causalrep.discovery._ges import GES
from causalrep.discovery._knowledge import Knowledge
from causalrep.discovery._local_score import LocalScore
from causalrep.discovery._notears import NOTEARS
from causalrep.discovery._pc import PC
from causalrep.discovery._pcmci_plus import PCMCIPlus, TimeLink
from causalrep.discovery._rfci import RFCI
from causalrep.discovery._separating_sets import SeparatingSets
from causalrep.discovery._weighted_search import SortabilityWarning

__all__ = [
    "BOSS",
    "CDNOD",
    "DAGMA",
    "FCI",
    "GES",
    "NOTEARS",
    "PC",
    "RFCI",
    "BDeu",
    "Bootstrap",
    "CausalLearn",
    "ChangeDirection",
    "Conflict",
    "ConflictWarning",
    "DirectLiNGAM",
    "DiscreteBIC",
    "GaussianBIC",
    "Knowledge",
    "LocalScore",
    "PCMCIPlus",
    "SeparatingSets",
    "SortabilityWarning",
    "TimeLink",
]
