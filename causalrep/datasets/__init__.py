"""Data whose truth is known: worlds that draw their own pictures, and files of real ones."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from causalrep.datasets._circuit import circuit
from causalrep.datasets._digits import digits
from causalrep.datasets._flow import flow
from causalrep.datasets._image_data import ImageData, load_image_folder
from causalrep.datasets._morphomnist import MorphoMNIST, load_morphomnist
from causalrep.datasets._pendulum import pendulum
from causalrep.datasets._published import (
    load_causal_circuit,
    load_celeba,
    load_dsprites,
    load_mpi3d,
    load_shapes3d,
)
from causalrep.datasets._shapes import shapes
from causalrep.datasets._sprites import sprites
from causalrep.datasets._world import Renderer, World

__all__ = [
    "WORLDS",
    "ImageData",
    "MorphoMNIST",
    "Renderer",
    "World",
    "circuit",
    "digits",
    "flow",
    "load_causal_circuit",
    "load_celeba",
    "load_dsprites",
    "load_image_folder",
    "load_morphomnist",
    "load_mpi3d",
    "load_shapes3d",
    "pendulum",
    "shapes",
    "sprites",
]

#: Every world that draws its own pictures, by name; each takes ``size``, ``nuisance`` and ``pixel_noise``.
WORLDS: Mapping[str, Callable[..., World]] = MappingProxyType(
    {make.__name__: make for make in (pendulum, flow, circuit, digits, sprites, shapes)}
)
