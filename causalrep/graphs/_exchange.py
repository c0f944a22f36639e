"""The ways of a graph into text, matrices and other libraries, and back."""

from __future__ import annotations

from causalrep.graphs._exchange_arrays import ArrayForms
from causalrep.graphs._exchange_networks import NetworkForms
from causalrep.graphs._exchange_texts import TextForms

__all__ = ["Exchangeable"]


class Exchangeable(TextForms, NetworkForms, ArrayForms):
    """The half of a graph that reads and writes; a type raises where a format cannot say its edges."""
