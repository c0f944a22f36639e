"""
A picture of each type of graph
===============================

What is assumed, what data can tell, and what hidden variables leave of it: the types of graph on one example.
"""

# %%
# A story with a hidden variable
# ------------------------------
# Treatment ``X`` acts on ``Y`` through ``M``. A hidden trait ``U`` (dashed) acts on ``X`` and ``Y``.

import matplotlib.pyplot as plt

from causalrep.graphs import DAG, MPDAG
from causalrep.plotting import plot_graph

dag = DAG.from_string("V -> Z -> X -> M -> Y; W -> M; U [latent]; U -> {X Y}")
seen = dag.subgraph(dag.observed)  # as if there were no U


def draw(graphs):
    """Draw graphs side by side under their type."""
    _, axes = plt.subplots(1, len(graphs), figsize=(3.2 * len(graphs), 3.6))
    for graph, ax in zip(graphs, axes, strict=True):
        plot_graph(graph, ax=ax)
        ax.set_title(type(graph).__name__)


# %%
# An ADMG puts a dashed curve in the place of the hidden variable. Nothing that can be asked about the
# others is lost.

draw([dag, dag.latent_projection()])

# %%
# What data can tell
# ------------------
# Were there no hidden variable, data would decide the graph up to its equivalence class: a line is
# what they leave open. That ``Z`` comes before ``X`` is knowledge, which directs one of them.

cpdag = seen.to_cpdag()
draw([cpdag, MPDAG([*cpdag.directed_edges, ("Z", "X")], [("V", "Z")], nodes=cpdag.nodes)])

# %%
# With hidden variables allowed, data decide a MAG up to its own class, a PAG. A circle is a mark that
# they leave open; the arrowheads say what is *not* a cause.

draw([dag.to_mag(), dag.to_pag()])
