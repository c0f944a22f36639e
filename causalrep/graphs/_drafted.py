"""What the ways into and out of a graph need to know of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable
from typing import ClassVar, Self

from causalrep.graphs._draft import Draft
from causalrep.graphs._store import EdgeStore

__all__ = ["Drafted"]


class Drafted(ABC):
    """A graph that can be made of a draft and returned as one."""

    #: How the edges of this type may be written; see ``_store.MARKS``.
    _kinds: ClassVar[tuple[str, ...]] = ()
    #: Whether two nodes are joined by at most one edge.
    _simple: ClassVar[bool] = True
    #: What dagitty calls a graph of this type, and what else it may say that this type can hold.
    _headers: ClassVar[tuple[str, ...]] = ("dag",)

    _nodes: tuple[Hashable, ...]
    _store: EdgeStore

    @classmethod
    @abstractmethod
    def _from_edges(
        cls, edges: Iterable[tuple[Hashable, str, Hashable]], nodes: Iterable[Hashable] | None
    ) -> Self:
        """Return a checked graph of edges (left, kind, right)."""

    @classmethod
    @abstractmethod
    def _from_draft(cls, draft: Draft) -> Self:
        """Return a checked graph with the attributes of the draft."""

    @abstractmethod
    def _draft(self) -> Draft:
        """Return nodes, edges and attributes."""
