"""What a graph carries along: attributes of nodes and edges, through every format."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

from causalrep.graphs._attributes import Attributes, checked_attributes
from causalrep.graphs._draft import Draft, mirrored
from causalrep.graphs._exchange import Exchangeable
from causalrep.graphs._store import EdgeStore
from causalrep.utils import GraphError

__all__ = ["Attributed"]


class Attributed(Exchangeable):
    """A graph with attributes, which comes from a draft and becomes one with all that it carries."""

    #: Whether nodes may be latent.
    _hides: ClassVar[bool] = False

    _latent: tuple[int, ...]
    _attributes: Attributes | None = None

    @abstractmethod
    def _fill(
        self,
        edges: Iterable[tuple[Hashable, str, Hashable]],
        nodes: Iterable[Hashable] | None,
        latent: Hashable | Iterable[Hashable] = (),
    ) -> None:
        """Build this graph and check it."""

    @classmethod
    @abstractmethod
    def _build(cls, nodes: tuple[Hashable, ...], store: EdgeStore, latent: tuple[int, ...] = ()) -> Self:
        """Return a graph of parts that are known to be right."""

    @abstractmethod
    def _id(self, node: Hashable, argument: str) -> int:
        """Return the index of a node."""

    @classmethod
    def _from_draft(cls, draft: Draft) -> Self:
        latent = draft.latent() if cls._hides else []
        graph = cls.__new__(cls)
        graph._fill([edge[:3] for edge in draft.edges], draft.nodes, latent)
        kept = {node: {**found} for node, found in draft.nodes.items() if found}
        for node, found in kept.items() if cls._hides else ():
            hidden = found.pop("latent", False)
            if not isinstance(hidden, bool):
                raise GraphError(f"the attribute 'latent' of {node!r} must be true or false, got {hidden!r}")
        edges = {(u, kind, v): found for u, kind, v, found in draft.edges if found}
        return graph._with(kept, edges, strict=False) if any(kept.values()) or edges else graph

    def _draft(self) -> Draft:
        of_nodes, of_edges = self.attributes.nodes, self.attributes.edges
        nodes = {node: {**of_nodes.get(node, {})} for node in self._nodes}
        for i in self._latent:
            nodes[self._nodes[i]]["latent"] = True
        return Draft(nodes, [(*edge, of_edges.get(edge, {})) for edge in self._written()])

    def _written(self) -> list[tuple[Hashable, str, Hashable]]:
        return [(self._nodes[i], kind, self._nodes[j]) for i, kind, j in self._store.written()]

    @property
    def edges(self) -> tuple[tuple[Hashable, str, Hashable], ...]:
        """All edges as (left, kind, right), such as ``("X", "->", "Y")``; single arrows point right."""
        return tuple(self._written())

    @property
    def attributes(self) -> Attributes:
        """What the graph carries beside its structure, such as roles, places and weights."""
        return self._attributes or Attributes()

    def with_attributes(
        self,
        nodes: Mapping[Hashable, Mapping[str, Any]] = MappingProxyType({}),
        edges: Mapping[Any, Mapping[str, Any]] = MappingProxyType({}),
    ) -> Self:
        """Return this graph with more attributes; they change neither equality nor any answer.

        The ways into text and files keep them, as do `do` and `subgraph`; other functions return
        graphs without attributes.

        Parameters
        ----------
        nodes : mapping of node to mapping of str to value, default={}
            A value is a text, a finite number, a truth value or a tuple of such. The roles
            ``exposure``, ``outcome``, ``adjusted`` and ``selected`` are ``True`` or ``False``, and
            ``pos`` is a pair of numbers.
        edges : mapping of (u, v) or (u, kind, v) to mapping of str to value, default={}
            The kind, such as ``"<->"``, is needed where two edges join the nodes.

        Returns
        -------
        Graph
            Equal to this one. An attribute that was there already has the new value.

        Raises
        ------
        GraphError
            If there is no such edge, or a value is none of these.
        UnknownNameError
            If a node does not exist.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string("X -> Y")
        >>> g.with_attributes({"X": {"exposure": True}}, {("X", "Y"): {"weight": 0.5}}).attributes
        Attributes(nodes={'X': {'exposure': True}}, edges={('X', '->', 'Y'): {'weight': 0.5}})
        """
        for node, found in nodes.items():
            if self._hides and "latent" in found:
                raise GraphError(f"what is latent is said by the argument `latent`, got {node!r} in `nodes`")
        return self._with(nodes, edges, strict=True)

    def _with(
        self,
        nodes: Mapping[Hashable, Mapping[str, Any]],
        edges: Mapping[Any, Mapping[str, Any]],
        *,
        strict: bool,
    ) -> Self:
        old_nodes, old_edges = self.attributes.nodes, self.attributes.edges
        of_nodes = {self._nodes[self._id(node, "`nodes`")]: found for node, found in nodes.items()}
        of_edges = {edge: edges[name] for name, edge in self._as_written(edges).items()} if edges else {}
        for node, found in of_nodes.items():
            of_nodes[node] = {**old_nodes.get(node, {}), **checked_attributes(found, node, strict=strict)}
        for edge, found in of_edges.items():
            of_edges[edge] = {**old_edges.get(edge, {}), **checked_attributes(found, edge, strict=strict)}
        merged = Attributes({**old_nodes, **of_nodes}, {**old_edges, **of_edges})
        return self._build(self._nodes, self._store, self._latent)._carrying(merged)

    def _as_written(self, edges: Iterable[Any]) -> dict[Any, tuple[Hashable, str, Hashable]]:
        """Return the edges of the graph that are given by their ends and perhaps their kind."""
        named: dict[Any, list[tuple[Hashable, str, Hashable]]] = {}
        for u, kind, v in self._written():
            names = {(u, v), (u, kind, v), (v, mirrored(kind), u)} | (
                {(v, u)} if mirrored(kind) == kind else set()
            )
            for name in names:
                named.setdefault(name, []).append((u, kind, v))
        found = {}
        for edge in edges:
            n_found = len(named.get(edge, ()))
            if n_found != 1:
                raise GraphError(
                    f"`edges` must name one edge (u, v) or (u, kind, v), got {edge!r}: {n_found} edges"
                )
            found[edge] = named[edge][0]
        return found

    def _carrying(self, attributes: Attributes | None) -> Self:
        """Return itself, just built, with those of the attributes whose nodes and edges it has."""
        if attributes:
            self._attributes = attributes.among(self._nodes, self._written()) or None
        return self
