"""Causal graphs: the one currency of the library.

Every learner returns a graph, every question is asked of a graph, every model is built on a graph.
Graphs are immutable values with hashable labels; all types share one store of edges that carry a
mark at each end.

>>> from causalrep.graphs import DAG
>>> g = DAG.from_string("Z -> X -> M -> Y; Z -> Y")
>>> g.parents("Y"), g.is_separated("X", "Y", given={"Z", "M"})
(NodeSet(['Z', 'M']), True)
"""

from causalrep.graphs._admg import ADMG
from causalrep.graphs._attributes import Attributes
from causalrep.graphs._base import Graph
from causalrep.graphs._bayes_net import BayesNet
from causalrep.graphs._dag import DAG
from causalrep.graphs._layout import Layout, layered_layout
from causalrep.graphs._mag import MAG
from causalrep.graphs._markov import MarkovStatement
from causalrep.graphs._mpdag import CPDAG, MPDAG
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._pag import PAG
from causalrep.graphs._pdag import PDAG
from causalrep.graphs._worlds import WorldGraph

__all__ = [
    "ADMG",
    "CPDAG",
    "DAG",
    "MAG",
    "MPDAG",
    "PAG",
    "PDAG",
    "Attributes",
    "BayesNet",
    "Graph",
    "MarkovStatement",
    "Layout",
    "NodeSet",
    "WorldGraph",
    "layered_layout",
]
