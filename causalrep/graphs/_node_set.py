"""An immutable set that remembers an order: what a graph answers with."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Set
from typing import Any, TypeVar

__all__ = ["NodeSet", "in_order"]

T_co = TypeVar("T_co", bound=Hashable, covariant=True)
S = TypeVar("S", bound=Hashable)


class NodeSet(Set[T_co]):
    """An immutable set that iterates in a fixed order, for graphs the order of their nodes.

    It equals, and hashes like, any ``set`` or ``frozenset`` with the same members. Unions and the
    like keep the order of the left operand and append what is new; members that come from a plain
    ``set``, whose own order changes from run to run, are put in the order of their ``repr``.

    Parameters
    ----------
    members : iterable of hashable, default=()
        The members; repeats count once.

    Examples
    --------
    >>> from causalrep.graphs import NodeSet
    >>> found = NodeSet(["Z", "X"])
    >>> found, found == {"X", "Z"}, list(found)
    (NodeSet(['Z', 'X']), True, ['Z', 'X'])
    >>> found | {"Y"}
    NodeSet(['Z', 'X', 'Y'])
    """

    __slots__ = ("_members",)

    def __init__(self, members: Iterable[T_co] = ()) -> None:
        self._members = dict.fromkeys(in_order(members))

    def __contains__(self, item: object) -> bool:
        return item in self._members

    def __iter__(self) -> Iterator[T_co]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __hash__(self) -> int:
        return hash(frozenset(self._members))

    def __repr__(self) -> str:
        return f"NodeSet({list(self._members)!r})" if self._members else "NodeSet()"

    # The mixins of Set iterate over the *other* operand here, in whose order a result would come.
    def __and__(self, other: Iterable[object]) -> NodeSet[T_co]:
        if not isinstance(other, Iterable):
            return NotImplemented
        wanted = other if isinstance(other, Set) else set(other)
        return NodeSet(item for item in self if item in wanted)

    def __rand__(self, other: Iterable[object]) -> NodeSet[T_co]:
        return self & other

    def __or__(self, other: Iterable[S]) -> NodeSet[T_co | S]:
        if not isinstance(other, Iterable):
            return NotImplemented
        return NodeSet([*self, *in_order(other)])

    def __ror__(self, other: Iterable[S]) -> NodeSet[T_co | S]:
        if not isinstance(other, Iterable):
            return NotImplemented
        return NodeSet([*in_order(other), *self])

    def __rsub__(self, other: Iterable[Any]) -> NodeSet[Any]:
        if not isinstance(other, Iterable):
            return NotImplemented
        return NodeSet(item for item in in_order(other) if item not in self)


def in_order(items: Iterable[S]) -> Iterable[S]:
    """Return the items in an order that does not depend on the hash seed."""
    if isinstance(items, set | frozenset):
        return sorted(items, key=lambda item: (type(item).__name__, repr(item)))
    return items
