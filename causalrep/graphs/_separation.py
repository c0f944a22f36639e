"""Separation: what the missing edges of a graph say, for one question or for many at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs._base import Nodes
from causalrep.graphs._markov import MarkovProperty
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._reachability import connected, connected_many
from causalrep.utils import GraphError

__all__ = ["Separable"]

#: Questions answered in one search: enough bits to be worth a step, few enough to fit a cache.
_N_TOGETHER = 2048


class Separable(MarkovProperty):
    """A graph whose missing edges speak: it answers separation queries on its own edges."""

    def _connected(
        self, sources: Iterable[int], given: Sequence[int], targets: Iterable[int] = ()
    ) -> bytearray:
        return connected(self._plain(), sources, given, targets)

    def is_separated(self, x: Nodes, y: Nodes, given: Nodes = ()) -> bool:
        """Return whether `given` blocks every path between `x` and `y`.

        In a DAG this is d-separation, in a graph with bidirected edges m-separation: data from any
        model on the graph then have `x` independent of `y` given `given` (Markov property); the
        converse needs faithfulness. A graph that stands for a class of graphs answers as its members
        do, which all agree.

        Parameters
        ----------
        x, y : hashable or iterable of hashable
            A node or several.
        given : hashable or iterable of hashable, default=()
            A node or several to condition on. A label that is itself a node is always that node.

        Returns
        -------
        bool
            False where an edge joins `x` and `y`; True where either is empty.

        Raises
        ------
        GraphError
            If `x`, `y` and `given` are not disjoint, or a `PDAG` has no member.
        UnknownNameError
            If a node does not exist.

        Notes
        -----
        O(n_nodes + n_edges) [2]_. A `PAG` is searched along walks of definite status [3]_ in
        O(n_edges * max degree).

        References
        ----------
        .. [1] J. Pearl, "Causality", 2nd edition, 2009, definition 1.2.3.
        .. [2] B. van der Zander, M. Liśkiewicz, J. Textor, "Separators and adjustment sets in causal
           graphs", Artificial Intelligence 270, 2019, doi:10.1016/j.artint.2018.12.006.
        .. [3] J. Zhang, "Causal reasoning with ancestral graphs", JMLR 9, 2008.

        Examples
        --------
        >>> from causalrep.graphs import CPDAG, DAG
        >>> g = DAG.from_string("X -> M -> Y; X -> C <- Y")
        >>> g.is_separated("X", "Y", given="M"), g.is_separated("X", "Y", given={"M", "C"})
        (True, False)
        >>> CPDAG.from_string("X -- M -- Y").is_separated("X", "Y", given="M")
        True
        """
        sources, targets, conditions = self._disjoint(("`x`", x), ("`y`", y), ("`given`", given))
        found = self._connected(sources, conditions, targets)
        return not any(found[target] for target in targets)

    def separated_from(self, x: Nodes, given: Nodes = ()) -> NodeSet[Hashable]:
        """Return all nodes that `given` separates from `x`, in one pass.

        Parameters
        ----------
        x : hashable or iterable of hashable
            A node or several.
        given : hashable or iterable of hashable, default=()
            A node or several to condition on.

        Returns
        -------
        NodeSet
            In node order, without `x` and `given`.

        Raises
        ------
        GraphError
            If `x` and `given` are not disjoint, or a `PDAG` has no member.
        UnknownNameError
            If a node does not exist.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> M -> Y; M <- Z").separated_from("X")
        NodeSet(['Z'])
        """
        sources, conditions = self._disjoint(("`x`", x), ("`given`", given))
        found = self._connected(sources, conditions)
        for node in (*sources, *conditions):
            found[node] = 1
        return self._labels(i for i, reached in enumerate(found) if not reached)

    def are_separated(self, queries: Iterable[Sequence[Any]]) -> NDArray[np.bool_]:
        """Return the answers of `is_separated` to many questions, found together.

        Parameters
        ----------
        queries : iterable of (x, y) or (x, y, given)
            What `is_separated` would be asked.

        Returns
        -------
        array of bool of shape (n_queries,)
            In the order of the questions.

        Raises
        ------
        GraphError
            If a question is no such tuple or its sets are not disjoint, or a `PDAG` has no member.
        UnknownNameError
            If a node does not exist.

        Notes
        -----
        The questions travel through the graph as the bits of integers, so that one step serves
        thousands of them; questions that differ only in `y` share their bit.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string("X -> M -> Y")
        >>> g.are_separated([("X", "Y"), ("X", "Y", "M"), ("X", ["M", "Y"])])
        array([False,  True, False])
        """
        ids = self._ids
        columns: dict[tuple[int, ...], int] = {}
        asked: list[int] = []
        wanted: list[tuple[int, ...]] = []
        for query in queries:
            x, y, given = _parts(query)
            sources, targets, conditions = ids(x, "`x`"), ids(y, "`y`"), ids(given, "`given`")
            if len({*sources, *targets, *conditions}) < len(sources) + len(targets) + len(conditions):
                self._disjoint(("`x`", x), ("`y`", y), ("`given`", given))  # says which overlap
            asked.append(columns.setdefault((len(sources), *sources, *conditions), len(columns)))
            wanted.append(tuple(targets))
        keys = list(columns)
        waiting: list[list[int]] = [[] for _ in range(0, len(keys), _N_TOGETHER)]
        for number, column in enumerate(asked):
            waiting[column // _N_TOGETHER].append(number)
        answers = np.ones(len(asked), dtype=bool)
        for chunk, numbers in enumerate(waiting):
            together = keys[chunk * _N_TOGETHER : (chunk + 1) * _N_TOGETHER]
            found = self._connected_many(
                [key[1 : 1 + key[0]] for key in together], [key[1 + key[0] :] for key in together]
            )
            bits = [1 << bit for bit in range(len(together))]
            answers[numbers] = [
                not any(found[target] & bits[asked[number] % _N_TOGETHER] for target in wanted[number])
                for number in numbers
            ]
        return answers

    def separation_matrix(self, given: Nodes = ()) -> NDArray[np.bool_]:
        """Return for all pairs of nodes at once whether `given` separates them.

        Parameters
        ----------
        given : hashable or iterable of hashable, default=()
            A node or several to condition on.

        Returns
        -------
        array of bool of shape (n_nodes, n_nodes)
            Symmetric, rows and columns in node order. Entries on the diagonal, and in the rows and
            columns of `given`, are False.

        Raises
        ------
        GraphError
            If a `PDAG` has no member.
        UnknownNameError
            If a node does not exist.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> M -> Y").separation_matrix(given="M").astype(int)
        array([[0, 0, 1],
               [0, 0, 0],
               [1, 0, 0]])
        """
        conditions = self._ids(given, "`given`")
        n_nodes = len(self)
        open_ = np.zeros((n_nodes, n_nodes), dtype=bool)
        for start in range(0, n_nodes, _N_TOGETHER):
            sources = [(node,) for node in range(start, min(start + _N_TOGETHER, n_nodes))]
            found = self._connected_many(sources, [tuple(conditions)] * len(sources))
            n_bytes = -(-len(sources) // 8)
            packed = b"".join(bits.to_bytes(n_bytes, "little") for bits in found)
            rows = np.frombuffer(packed, dtype=np.uint8).reshape(n_nodes, n_bytes)
            unpacked = np.unpackbits(rows, axis=1, count=len(sources), bitorder="little")
            open_[:, start : start + len(sources)] = unpacked
        fixed = [*conditions]
        open_[fixed, :] = open_[:, fixed] = True
        np.fill_diagonal(open_, True)
        return ~open_

    def _connected_many(self, sources: Sequence[Sequence[int]], given: Sequence[Sequence[int]]) -> list[int]:
        """Return for each node the questions, as bits, in which an open walk joins it to a source."""
        bits = [1 << bit for bit in range(len(sources))]
        at, conditions = ([0] * len(self) for _ in range(2))
        for masks, sets in ((at, sources), (conditions, given)):
            for bit, nodes in zip(bits, sets, strict=True):
                for node in nodes:
                    masks[node] |= bit
        return connected_many(self._plain(), at, conditions)


def _parts(query: Any) -> Sequence[Nodes]:
    if not isinstance(query, tuple | list) or len(query) not in (2, 3):
        raise GraphError(f"`queries` must be tuples (x, y) or (x, y, given), got {query!r}")
    return query if len(query) == 3 else (*query, ())
