"""Latent-variable and image models: counterfactual pictures from a graph.

Models are scikit-learn estimators around a structural causal model whose last node is an image.
"""

from causalrep.representation._baselines import ConditionalDiffusion, RegressionDecoder
from causalrep.representation._causal_diffae import CausalDiffAE
from causalrep.representation._load import load_model
from causalrep.representation._model import Abducted, CounterfactualImageModel, CounterfactualResult
from causalrep.representation._registry import MODELS
from causalrep.representation._tabular import DiffusionMechanism

__all__ = [
    "MODELS",
    "Abducted",
    "CausalDiffAE",
    "ConditionalDiffusion",
    "CounterfactualImageModel",
    "CounterfactualResult",
    "DiffusionMechanism",
    "RegressionDecoder",
    "load_model",
]
