"""Data whose truth is known: worlds that draw their own pictures, and files of real ones."""

from causalrep.datasets._circuit import circuit
from causalrep.datasets._flow import flow
from causalrep.datasets._morphomnist import MorphoMNIST, load_morphomnist
from causalrep.datasets._pendulum import pendulum
from causalrep.datasets._sprites import sprites
from causalrep.datasets._world import Renderer, World

__all__ = ["MorphoMNIST", "Renderer", "World", "circuit", "flow", "load_morphomnist", "pendulum", "sprites"]
