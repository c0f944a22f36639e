"""Classes of DAGs: those that agree on a maximally oriented graph, and those that are Markov equivalent."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from itertools import islice

import numpy as np

from causalrep.graphs._chordal import chordless_cycle
from causalrep.graphs._counting import OrientationTable
from causalrep.graphs._dag import DAG
from causalrep.graphs._equivalence import extensions
from causalrep.graphs._pdag import PDAG
from causalrep.graphs._store import ARROW, TAIL, EdgeStore
from causalrep.utils import GraphError, RandomState, as_generator

__all__ = ["CPDAG", "MPDAG"]


class MPDAG(PDAG):
    """A maximally oriented PDAG: it directs all that its members, at least one, agree on.

    It stands for the DAGs of a Markov equivalence class that agree with background knowledge or with
    experiments, so no further direction follows by Meek's rules R1 to R4.

    Parameters
    ----------
    directed, undirected : iterable of (hashable, hashable), default=()
        Pairs (cause, effect), and pairs of neighbours.
    nodes : iterable of hashable, default=None
        All nodes, in the order in which results list them; by default in order of first appearance.

    Raises
    ------
    GraphError
        If no DAG extends the edges, or the rules direct one that is undirected here. Also all that a
        `PDAG` raises.

    See Also
    --------
    PDAG : ``PDAG.to_mpdag`` follows the rules.

    References
    ----------
    .. [1] C. Meek, "Causal inference and causal explanation with background knowledge", UAI 1995,
       arXiv:1302.4972.

    Examples
    --------
    >>> from causalrep.graphs import MPDAG
    >>> g = MPDAG(directed=[("X", "Y")], undirected=[("Z", "X"), ("Z", "Y")])
    >>> g.size(), [dag.topological_order() for dag in g.dags()]
    (3, [('X', 'Y', 'Z'), ('X', 'Z', 'Y'), ('Z', 'X', 'Y')])
    """

    def _check(self) -> None:
        super()._check()
        self.consistent_extension()
        closed = self.meek_closure()
        undirected = closed.undirected_edges
        for u, v in self.undirected_edges:
            if (u, v) not in undirected:
                source, target = (u, v) if closed.mark(u, v) == "arrow" else (v, u)
                raise GraphError(
                    f"the edges must be closed under Meek's rules, got {u!r} -- {v!r}, "
                    f"but the rules make it {source!r} -> {target!r}"
                )

    def size(self) -> int:
        """Return the number of DAGs that this graph stands for; nothing is enumerated.

        Returns
        -------
        int
            Exact, however large.

        Notes
        -----
        The parts that undirected edges connect are directed independently of each other, and counted by
        Clique-Picking [1]_ in O(n_cliques**2 * (n_nodes + n_edges)) steps. That is all for a `CPDAG` and
        for an interventional class. Where knowledge leaves directed edges inside such a part, to count
        is #P-hard in general: the orders of single cliques are then counted among those that agree, in
        time that is exponential in the number of a clique's nodes that knowledge ties together.

        References
        ----------
        .. [1] M. Wienöbst, M. Bannach, M. Liśkiewicz, "Polynomial-time algorithms for counting and
           sampling Markov equivalent DAGs with applications", JMLR 24, 2023, arXiv:2205.02654.

        Examples
        --------
        >>> from itertools import combinations
        >>> from causalrep.graphs import CPDAG
        >>> CPDAG(undirected=combinations(range(20), 2)).size()  # 20!, an order of all nodes each
        2432902008176640000
        """
        return self._table().count

    def sample_dags(self, k: int, random_state: RandomState = None) -> tuple[DAG, ...]:
        """Return DAGs drawn independently and uniformly from those that this graph stands for.

        Parameters
        ----------
        k : int
            How many.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            The seed.

        Returns
        -------
        tuple of DAG
            Of length `k`, with the nodes in the same order; the same DAG may come twice.

        Raises
        ------
        ValueError
            If `k` is negative.

        Notes
        -----
        Exactly uniform: the table of `size` is followed from the top, with integers drawn below the
        exact counts. Cost as `size` once, then about O(n_nodes + n_edges) for each DAG.

        References
        ----------
        .. [1] M. Wienöbst, M. Bannach, M. Liśkiewicz, "Polynomial-time algorithms for counting and
           sampling Markov equivalent DAGs with applications", JMLR 24, 2023, arXiv:2205.02654
           (algorithm 3).

        Examples
        --------
        >>> from causalrep.graphs import CPDAG
        >>> g = CPDAG.from_string("X -- Y -- Z")
        >>> all(dag in set(g.dags()) for dag in g.sample_dags(5, random_state=0))
        True
        """
        if operator.index(k) < 0:
            raise ValueError(f"`k` must not be negative, got {k}")
        table, generator = self._table(), as_generator(random_state)
        return tuple(DAG._build(self._nodes, self._directed_store(table.draw(generator))) for _ in range(k))

    def dags(self, limit: int | None = None) -> Iterator[DAG]:
        """Yield the DAGs that this graph stands for, one after the other, in a fixed order.

        Parameters
        ----------
        limit : int, default=None
            How many at most; by default all, of which there may be very many: see `size`.

        Yields
        ------
        DAG
            With the nodes in the same order. Earlier DAGs direct edges from earlier to later nodes.

        Raises
        ------
        ValueError
            If `limit` is negative.

        Notes
        -----
        Directs an open edge, closes under Meek's rules, and goes on; both ways lead to a member, so
        the delay is polynomial: that of one closure with its O(n_edges * max degree**2) for each DAG.

        Examples
        --------
        >>> from causalrep.graphs import CPDAG
        >>> for dag in CPDAG.from_string("X -- Y -- Z").dags():
        ...     print(*sorted(dag.directed_edges))
        ('X', 'Y') ('Y', 'Z')
        ('Y', 'X') ('Y', 'Z')
        ('Y', 'X') ('Z', 'Y')
        """
        if limit is not None and operator.index(limit) < 0:
            raise ValueError(f"`limit` must not be negative, got {limit}")
        return (DAG._build(self._nodes, store) for store in islice(extensions(self._store), limit))

    def contains(self, dag: DAG) -> bool:
        """Return whether this graph stands for a given DAG.

        Parameters
        ----------
        dag : DAG
            On any nodes, in any order.

        Returns
        -------
        bool
            Whether it has the same nodes, adjacencies and v-structures, and all directions of this graph.

        Examples
        --------
        >>> from causalrep.graphs import CPDAG, DAG
        >>> g = CPDAG.from_string("X -- Y -- Z")
        >>> g.contains(DAG.from_string("X <- Y -> Z")), g.contains(DAG.from_string("X -> Y <- Z"))
        (True, False)
        """
        return self.directed_edges <= dag.directed_edges and self.to_cpdag() == dag.to_cpdag()

    def _table(self) -> OrientationTable:
        return self._store.derived(OrientationTable)

    def _directed_store(self, directions: list[tuple[int, int]]) -> EdgeStore:
        edges = np.array([*self._store.pairs(TAIL, ARROW), *directions], dtype=np.int32).reshape(-1, 2)
        marks = np.ones(len(edges), dtype=np.int8)
        return EdgeStore(len(self), edges[:, 0], edges[:, 1], TAIL * marks, ARROW * marks)


class CPDAG(MPDAG):
    """The graph of a Markov equivalence class of DAGs, also called essential graph.

    An edge is directed iff all members of the class direct it so. This is what a search that
    assumes no latent common causes can learn from observational data.

    Parameters
    ----------
    directed, undirected : iterable of (hashable, hashable), default=()
        Pairs (cause, effect), and pairs of neighbours.
    nodes : iterable of hashable, default=None
        All nodes, in the order in which results list them; by default in order of first appearance.

    Raises
    ------
    GraphError
        If the edges are not those of an equivalence class: no DAG extends them, or other edges than
        these are directed in all members. Also all that a `PDAG` raises.

    See Also
    --------
    PDAG : Makes no such claim; ``PDAG.to_cpdag`` returns the class it belongs to.

    References
    ----------
    .. [1] S. A. Andersson, D. Madigan, M. D. Perlman, "A characterization of Markov equivalence
       classes for acyclic digraphs", Annals of Statistics 25, 1997, doi:10.1214/aos/1031833662.

    Examples
    --------
    >>> from causalrep.graphs import CPDAG
    >>> g = CPDAG(directed=[("X", "C"), ("Y", "C")])
    >>> g.is_separated("X", "Y"), g.is_separated("X", "Y", given="C")
    (True, False)
    """

    def _check(self) -> None:
        PDAG._check(self)
        self._check_chordal()
        expected = self.consistent_extension().to_cpdag()
        if expected == self:
            return
        right = set(expected._store.written())
        wrong = next(edge for edge in self._store.written() if edge not in right)
        u, v = self._nodes[wrong[0]], self._nodes[wrong[2]]
        truth = "some members of the class have it the other way round"
        if wrong[1] == "--":
            truth = "all members of the class direct it the same way"
        raise GraphError(
            f"the edges must be those of an equivalence class, got {u!r} {wrong[1]} {v!r}, but {truth}"
        )

    def _check_chordal(self) -> None:
        near = [set(row) for row in self._store.lists(TAIL, TAIL)]
        cycle = chordless_cycle(near, range(len(self)))
        if cycle is not None:
            names = " -- ".join(repr(self._nodes[i]) for i in (*cycle, cycle[0]))
            raise GraphError(
                "the undirected edges must be chordal, or no DAG has these adjacencies and v-structures, "
                f"got the cycle {names} without a chord"
            )
