"""Models from decorated functions, for those who would rather write ``def`` than a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from causalrep.scm._joint import JointNormal
from causalrep.scm._mechanism import NoiseLaw
from causalrep.scm._mechanisms import AdditiveNoise, Function, Invertible
from causalrep.scm._scm import SCM
from causalrep.utils import DataError

if TYPE_CHECKING:
    from causalrep.graphs import DAG

__all__ = ["Builder"]

_F = TypeVar("_F", bound=Callable[..., Any])


class Builder:
    """Collects mechanisms, most of them decorated functions; `build` gives the immutable model.

    Parameters
    ----------
    graph : DAG, optional
        As in `SCM`; default: read from the functions' arguments.
    noise : mapping of node to Distribution, optional
        As in `SCM`: laws of nodes without parents, and joint laws.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.scm import Builder, Normal
    >>> model = Builder(noise={"Z": Normal(0, 1)})
    >>> @model.mechanism("X", noise=Normal(0, 1), additive=True)
    ... def dose(Z):
    ...     return np.tanh(Z)
    >>> @model.mechanism("Y", parents=["X", "Z"], noise=Normal(0, 1))
    ... def outcome(x, z, noise):
    ...     return x * z + np.exp(noise)
    >>> model.build().graph.to_string()
    'X -> Y; Z -> X; Z -> Y'
    """

    def __init__(
        self, graph: DAG | None = None, *, noise: Mapping[Hashable, NoiseLaw | JointNormal] | None = None
    ) -> None:
        self._graph = graph
        self._noise = dict(noise or {})
        self._mechanisms: dict[Hashable, Any] = {}

    def __repr__(self) -> str:
        return f"Builder({list({**self._noise, **self._mechanisms})!r})"

    def mechanism(
        self,
        node: Hashable,
        *,
        parents: Sequence[Hashable] | None = None,
        noise: NoiseLaw = None,
        additive: bool = False,
        inverse: Callable[..., Any] | None = None,
    ) -> Callable[[_F], _F]:
        """Return a decorator that makes a function the mechanism of a node; the function is left as it is.

        Parameters
        ----------
        node : hashable
            The node.
        parents : sequence of hashable, optional
            Nodes to pass by position (``noise`` by keyword); default: the argument names.
        noise : Distribution or mapping of str to Distribution, optional
            Law of the noise.
        additive : bool, default=False
            The noise is added to what the function returns (`AdditiveNoise`); else the function takes it as
            ``noise`` (`Function`).
        inverse : callable, optional
            Gives the noise from parents and ``value`` (`Invertible`).

        Returns
        -------
        callable
            The decorator.

        Raises
        ------
        DataError
            If the node has a mechanism already, or both `additive` and `inverse` are given.
        """
        if node in self._mechanisms:
            raise DataError(f"{node!r} has a mechanism already")
        if additive and inverse is not None:
            raise DataError("give `additive` or `inverse`: additive noise needs no inverse of yours")

        def decorate(function: _F) -> _F:
            if inverse is not None:
                self._mechanisms[node] = Invertible(function, inverse, noise, parents=parents)
            elif additive:
                self._mechanisms[node] = AdditiveNoise(function, parents=parents).with_noise(noise)
            else:
                self._mechanisms[node] = Function(function, noise, parents=parents)
            return function

        return decorate

    def build(self) -> SCM:
        """Return the model of what was collected so far; see `SCM` for the errors."""
        return SCM(self._graph, self._mechanisms, noise=self._noise)
