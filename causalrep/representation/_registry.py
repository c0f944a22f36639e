"""The image models by name: what benchmarks, the command line and saved files look classes up in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from causalrep.representation._baselines import ConditionalDiffusion, RegressionDecoder
from causalrep.representation._causal_diffae import CausalDiffAE
from causalrep.representation._model import CounterfactualImageModel

__all__ = ["MODELS"]

#: Every counterfactual image model of the library, by the name of its class.
MODELS: Mapping[str, type[CounterfactualImageModel]] = MappingProxyType(
    {cls.__name__: cls for cls in (CausalDiffAE, ConditionalDiffusion, RegressionDecoder)}
)
