"""The parts that image models are composed of: encoders, causal layer, conditioning, denoisers."""

from causalrep.representation.modules._blocks import ResidualBlock, TimeEmbedding
from causalrep.representation.modules._causal_layer import CausalLayer
from causalrep.representation.modules._conditioning import Condition, SlotMaps, slot_features
from causalrep.representation.modules._denoisers import Denoiser, Prepared, SpatialUNet, UNet2DDenoiser
from causalrep.representation.modules._encoders import ImageEncoder
from causalrep.representation.modules._ladder import Inferred, LadderVAE
from causalrep.representation.modules._slot_decoders import SlotDecoders

__all__ = [
    "CausalLayer",
    "Condition",
    "Denoiser",
    "ImageEncoder",
    "Inferred",
    "LadderVAE",
    "Prepared",
    "ResidualBlock",
    "SlotDecoders",
    "SlotMaps",
    "SpatialUNet",
    "TimeEmbedding",
    "UNet2DDenoiser",
    "slot_features",
]
