"""Graphs of several worlds at once: what would be, side by side with what is.

Under an intervention a variable keeps its mechanism and its noise, so the copies of a variable in
different worlds share their noise, which is a bidirected edge between them. A copy depends only on
those interventions that a directed path leads from without meeting another: two copies with the same
such interventions are one variable, by consistency, and one node here. What merges, and no more, is what
equal causes make equal.

References
----------
.. [1] A. Balke, J. Pearl, "Probabilistic evaluation of counterfactual queries", AAAI 1994 (twin
   networks).
.. [2] I. Shpitser, J. Pearl, "What counterfactuals can be tested", UAI 2007, arXiv:1206.5294
   (parallel worlds, and the merging of copies).
.. [3] T. S. Richardson, J. M. Robins, "Single world intervention graphs (SWIGs)", CSSS working paper
   128, University of Washington, 2013.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

from causalrep.graphs._base import Nodes
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._order import topological_order
from causalrep.graphs._separation import Separable
from causalrep.graphs._store import ARROW, TAIL
from causalrep.utils import GraphError

if TYPE_CHECKING:
    from causalrep.graphs._admg import ADMG

__all__ = ["WorldGraph", "WorldMaker"]

#: Nodes set from outside, to the values that a mapping names.
Intervention = Mapping[Hashable, Hashable] | Nodes

#: A node in a world: itself and the interventions that it depends on; or a fixed node, and ``None``.
_Copy = tuple[int, tuple[int, ...] | None]


@dataclass(frozen=True)
class WorldGraph:
    """The variables of one or several worlds in one graph.

    Attributes
    ----------
    graph : ADMG
        Its nodes are called ``"Y"`` where no intervention acts on them, ``"Y[X=1]"`` where one does
        (``"Y[X]"`` where it named no value), and ``"do(X=1)"`` for the constants set from outside.
    fixed : NodeSet
        The constants among the nodes. Nothing passes through them.
    copies : tuple of mapping
        For each world, what each node of the original graph is called in it.
    """

    graph: ADMG
    fixed: NodeSet[Hashable]
    copies: tuple[Mapping[Hashable, Hashable], ...]

    def is_separated(self, x: Nodes, y: Nodes, given: Nodes = ()) -> bool:
        """Return whether `given` and the constants block every path between `x` and `y`.

        Parameters
        ----------
        x, y : hashable or iterable of hashable
            A node or several.
        given : hashable or iterable of hashable, default=()
            A node or several to condition on; constants may be left out.

        Returns
        -------
        bool
            As `ADMG.is_separated`.

        Raises
        ------
        GraphError
            If `x`, `y`, and `given` with the constants, are not disjoint.
        UnknownNameError
            If a node does not exist.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> w = DAG.from_string("Z -> X -> Y; Z -> Y").swig({"X": 1})
        >>> w.is_separated("X", "Y[X=1]"), w.is_separated("X", "Y[X=1]", given="Z")
        (False, True)
        """
        conditions = [self.graph.nodes[i] for i in self.graph._ids(given, "`given`")]
        return self.graph.is_separated(x, y, given=[*conditions, *(self.fixed - set(conditions))])


class WorldMaker(Separable):
    """A graph of causes of which there can be copies under interventions."""

    def swig(self, intervention: Intervention) -> WorldGraph:
        """Return the single-world intervention graph: each node set from outside is split in two.

        The one half keeps the edges in and is the value that the node would have had, the other keeps
        the edges out and is the value that it is given. Exchangeability such as `Y[X=1]` independent of
        `X` given `Z` can be read off.

        Parameters
        ----------
        intervention : mapping, or hashable or iterable of hashable
            The nodes set from outside and their values, or the nodes alone.

        Returns
        -------
        WorldGraph
            Of one world; ``copies[0]`` names the halves that keep the edges in.

        Raises
        ------
        GraphError
            If a node has a name that a copy needs.
        UnknownNameError
            If a node does not exist.

        References
        ----------
        .. [1] T. S. Richardson, J. M. Robins, "Single world intervention graphs (SWIGs)", CSSS working
           paper 128, University of Washington, 2013.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("Z -> X -> Y; Z -> Y").swig({"X": 1}).graph
        ADMG.from_string('Z -> X; "do(X=1)"; Z -> "Y[X=1]"; "do(X=1)" -> "Y[X=1]"')
        """
        return _Builder(self, [intervention]).build(natural=True)

    def twin_network(self, intervention: Intervention) -> WorldGraph:
        """Return the graph of the actual world and of one in which nodes are set from outside.

        Parameters
        ----------
        intervention : mapping, or hashable or iterable of hashable
            The nodes set from outside and their values, or the nodes alone.

        Returns
        -------
        WorldGraph
            World 0 is the actual one, world 1 the other.

        Raises
        ------
        GraphError
            If a node has a name that a copy needs.
        UnknownNameError
            If a node does not exist.

        References
        ----------
        .. [1] A. Balke, J. Pearl, "Probabilistic evaluation of counterfactual queries", AAAI 1994.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> w = DAG.from_string("Z -> X -> Y; Z -> Y").twin_network({"X": 1})
        >>> w.graph.parents("Y"), w.graph.parents("Y[X=1]"), w.graph.siblings("Y")
        (NodeSet(['Z', 'X']), NodeSet(['Z', 'do(X=1)']), NodeSet(['Y[X=1]']))
        """
        return self.parallel_worlds([(), intervention])

    def parallel_worlds(self, worlds: Iterable[Intervention]) -> WorldGraph:
        """Return the graph of several worlds that differ by what is set from outside.

        Copies of a node that are equal whatever the mechanisms are merged: a node on which no
        intervention acts, for one, is the same in all worlds.

        Parameters
        ----------
        worlds : iterable of (mapping, or hashable or iterable of hashable)
            For each world the nodes set from outside and their values, or the nodes alone; an empty
            one is the actual world.

        Returns
        -------
        WorldGraph
            Of all the worlds.

        Raises
        ------
        GraphError
            If a node has a name that a copy needs.
        UnknownNameError
            If a node does not exist.

        References
        ----------
        .. [1] I. Shpitser, J. Pearl, "What counterfactuals can be tested", UAI 2007, arXiv:1206.5294.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string("Z -> X -> M -> Y; Z -> Y")
        >>> w = g.parallel_worlds([{}, {"X": 1}, {"X": 1, "M": 0}])
        >>> [copies["Y"] for copies in w.copies]
        ['Y', 'Y[X=1]', 'Y[M=0]']
        """
        return _Builder(self, list(worlds)).build(natural=False)


class _Builder:
    """Names the copies of all nodes in all worlds, and draws their edges."""

    def __init__(self, graph: Separable, worlds: list[Intervention]) -> None:
        self.graph = graph
        self.parents = graph._store.lists(ARROW, TAIL)
        # Setting X to 1 in one world and in another is the same intervention: one number for both.
        self.settings: dict[tuple[int, tuple[Hashable, ...]], int] = {}
        self.worlds = [self._read(world) for world in worlds]
        self.texts = [self._text(i, value) for i, value in self.settings]

    def _read(self, world: Intervention) -> dict[int, int]:
        """Return for each node set from outside the number of its setting."""
        chosen: list[tuple[int, tuple[Hashable, ...]]]
        if isinstance(world, Mapping):
            chosen = [(self.graph._id(node, "`intervention`"), (value,)) for node, value in world.items()]
        else:
            chosen = [(i, ()) for i in self.graph._ids(world, "`intervention`")]
        return {i: self.settings.setdefault((i, value), len(self.settings)) for i, value in sorted(chosen)}

    def _text(self, i: int, value: tuple[Hashable, ...]) -> str:
        return "=".join(str(part) for part in (self.graph.nodes[i], *value))

    def build(self, *, natural: bool) -> WorldGraph:
        """Return the graph; with `natural`, also what the nodes set from outside would have been."""
        copies: list[list[_Copy]] = [self._copies(world) for world in self.worlds]
        names: dict[_Copy, Hashable] = {}
        edges: dict[tuple[Hashable, Hashable], None] = {}
        for world, here in zip(self.worlds, copies, strict=True):
            for i, copy in enumerate(here):
                if natural or i not in world:
                    names.setdefault(copy, self._name(copy))
                if i in world:
                    names.setdefault((world[i], None), f"do({self.texts[world[i]]})")
            for i, copy in enumerate(here):
                if copy in names:
                    causes = ((world[p], None) if p in world else here[p] for p in self.parents[i])
                    edges.update(dict.fromkeys((names[cause], names[copy]) for cause in causes))
        self._check_names(names)
        return self._finish(names, edges, copies, natural=natural)

    def _finish(
        self,
        names: dict[_Copy, Hashable],
        edges: dict[tuple[Hashable, Hashable], None],
        copies: list[list[_Copy]],
        *,
        natural: bool,
    ) -> WorldGraph:
        from causalrep.graphs._admg import ADMG

        nodes, hidden = self.graph.nodes, set(self.graph._latent)
        graph = ADMG(
            edges,
            self._shared_noise(names),
            nodes=names.values(),
            latent=[name for (i, depends), name in names.items() if depends is not None and i in hidden],
        )
        labels = [
            {
                nodes[i]: names[copy] if natural or i not in world else names[world[i], None]
                for i, copy in enumerate(here)
            }
            for world, here in zip(self.worlds, copies, strict=True)
        ]
        fixed = NodeSet([name for (_, depends), name in names.items() if depends is None])
        return WorldGraph(graph, fixed, tuple(labels))

    def _copies(self, world: dict[int, int]) -> list[_Copy]:
        """Return for each node the settings in this world that act on it."""
        acting: list[set[int]] = [set() for _ in self.parents]
        for i in self.graph._store.derived(topological_order):
            for parent in self.parents[i]:
                acting[i] |= {world[parent]} if parent in world else acting[parent]
        return [(i, tuple(sorted(found))) for i, found in enumerate(acting)]

    def _name(self, copy: _Copy) -> Hashable:
        i, depends = copy
        node = self.graph.nodes[i]
        return f"{node}[{', '.join(self.texts[k] for k in depends)}]" if depends else node

    def _check_names(self, names: dict[_Copy, Hashable]) -> None:
        owner: dict[Hashable, _Copy] = {}
        for copy, name in names.items():
            if owner.setdefault(name, copy) != copy:
                raise GraphError(f"the nodes of several worlds must have different names, got {name!r} twice")

    def _shared_noise(self, names: dict[_Copy, Hashable]) -> Iterator[tuple[Hashable, Hashable]]:
        """Yield the pairs of copies that have a noise in common."""
        by_node: list[list[Hashable]] = [[] for _ in self.parents]
        for (i, depends), name in names.items():
            if depends is not None:
                by_node[i].append(name)
        for group in by_node:
            yield from combinations(group, 2)
        for i, j in self.graph._store.pairs(ARROW, ARROW):
            yield from product(by_node[i], by_node[j])
