"""What experiments tell beside observation: interventional essential graphs, on integers.

An experiment that sets the nodes of a target from outside cuts the edges into them. Two DAGs are
interventionally equivalent iff they are Markov equivalent and remain so under every target's cut,
which is to say: iff they also agree on each edge of which just one end is in some target [1]_.

References
----------
.. [1] A. Hauser, P. Bühlmann, "Characterization and greedy learning of interventional Markov
   equivalence classes of directed acyclic graphs", JMLR 13, 2012, arXiv:1104.2808 (theorem 10).
"""

from __future__ import annotations

from collections.abc import Sequence

from causalrep.graphs._equivalence import PartialOrientation
from causalrep.graphs._store import ARROW, TAIL, EdgeStore

__all__ = ["interventional_store"]


def interventional_store(dag: EdgeStore, cpdag: EdgeStore, targets: Sequence[set[int]]) -> EdgeStore:
    """Return the essential graph of the DAGs that agree with `dag` under all targets."""
    graph = PartialOrientation.of(cpdag)
    for a, b in dag.pairs(TAIL, ARROW):
        if b in graph.undecided[a] and any((a in target) != (b in target) for target in targets):
            graph.orient_and_close(a, b)
    return graph.store()
