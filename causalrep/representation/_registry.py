"""The image models by name: what benchmarks, the command line and saved files look classes up in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from causalrep.representation._baselines import ConditionalDiffusion, RegressionDecoder
from causalrep.representation._causal_diffae import CausalDiffAE
from causalrep.representation._causal_vae import CausalVAE
from causalrep.representation._deep_scm import DeepSCM
from causalrep.representation._diff_ae import DiffAE
from causalrep.representation._diff_scm import DiffSCM
from causalrep.representation._hierarchical_vae import HierarchicalVAE
from causalrep.representation._model import CounterfactualImageModel
from causalrep.representation._rectified_flow import RectifiedFlowCounterfactual
from causalrep.representation._semantic_diffusion import SemanticDiffusion

__all__ = ["MODELS"]

_CLASSES: tuple[type[CounterfactualImageModel], ...] = (
    CausalDiffAE,
    RegressionDecoder,
    ConditionalDiffusion,
    RectifiedFlowCounterfactual,
    SemanticDiffusion,
    DiffAE,
    DiffSCM,
    CausalVAE,
    DeepSCM,
    HierarchicalVAE,
)

#: Every counterfactual image model of the library, by the name of its class.
MODELS: Mapping[str, type[CounterfactualImageModel]] = MappingProxyType(
    {cls.__name__: cls for cls in _CLASSES}
)
