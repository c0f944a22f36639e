"""Latent-variable and image models: counterfactual pictures from a graph.

Models are scikit-learn estimators around a structural causal model whose last node is an image.
"""

from causalrep.representation._answers import Abducted, CounterfactualResult, Draws
from causalrep.representation._baselines import ConditionalDiffusion, RegressionDecoder
from causalrep.representation._causal_diffae import CausalDiffAE
from causalrep.representation._causal_vae import CausalVAE
from causalrep.representation._deep_scm import DeepSCM
from causalrep.representation._diff_ae import DiffAE
from causalrep.representation._diff_scm import DiffSCM
from causalrep.representation._hierarchical_vae import HierarchicalVAE
from causalrep.representation._learned_graph import LearnedGraph
from causalrep.representation._load import load_model
from causalrep.representation._model import CounterfactualImageModel
from causalrep.representation._rectified_flow import RectifiedFlowCounterfactual
from causalrep.representation._registry import MODELS
from causalrep.representation._semantic_diffusion import SemanticDiffusion
from causalrep.representation._tabular import DiffusionMechanism

__all__ = [
    "MODELS",
    "Abducted",
    "CausalDiffAE",
    "CausalVAE",
    "ConditionalDiffusion",
    "CounterfactualImageModel",
    "CounterfactualResult",
    "DeepSCM",
    "DiffAE",
    "DiffSCM",
    "DiffusionMechanism",
    "Draws",
    "HierarchicalVAE",
    "LearnedGraph",
    "RectifiedFlowCounterfactual",
    "RegressionDecoder",
    "SemanticDiffusion",
    "load_model",
]
