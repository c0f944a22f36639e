"""
Discover a graph from a table
=============================

The PC algorithm removes an edge wherever it finds an independence, then directs what the
independences decide. What it can find depends on what its test can see.
"""

# %%
# Where the test fits
# -------------------
# Linear mechanisms with Gaussian noise are what Fisher's z was made for.

import matplotlib.pyplot as plt
import networkx as nx

from causalrep.datasets import pendulum
from causalrep.discovery import PC
from causalrep.metrics import shd, skeleton_scores
from causalrep.scm import SCM, Linear, Normal

noise = Normal(0, 1)
scm = SCM(
    mechanisms={
        "A": noise,
        "B": noise,
        "C": Linear({"A": 1.0, "B": 1.0}, noise=noise),
        "D": Linear({"C": 0.8}, noise=noise),
        "E": Linear({"C": 0.7}, noise=noise),
    }
)
pc = PC(test="fisherz", alpha=0.01).fit(scm.sample(2000, random_state=0))
truth = scm.graph.to_cpdag()
print("found:", pc.graph_.to_string())
print("true: ", truth.to_string())
print("distance:", shd(truth, pc.graph_), "with", pc.n_tests_, "tests")


# %%
# Data decide a graph only up to its equivalence class: arrows are what every graph of the class
# shares.


def draw(graph, ax, title, position):
    """Draw a graph with arrows for what is directed and lines for what is not."""
    style = {"node_size": 1900, "node_color": "white", "edgecolors": "0.3", "ax": ax}
    nx.draw_networkx_nodes(nx.DiGraph(), position, nodelist=list(graph.nodes), **style)
    nx.draw_networkx_labels(nx.DiGraph(), position, labels={n: n for n in graph.nodes}, font_size=9, ax=ax)
    for edges, arrow in ((graph.directed_edges, "-|>"), (graph.undirected_edges, "-")):
        nx.draw_networkx_edges(
            nx.DiGraph(list(edges)), position, arrowstyle=arrow, arrowsize=18, node_size=1900, ax=ax
        )
    ax.set_title(title)
    ax.margins(0.25)
    ax.set_axis_off()


places = {"A": (0, 2), "B": (2, 2), "C": (1, 1), "D": (0, 0), "E": (2, 0)}
_, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
draw(truth, axes[0], "true class", places)
draw(pc.graph_, axes[1], "found", places)

# %%
# Where it does not
# -----------------
# In the Pendulum world the length of the shadow depends on the angle symmetrically: it is long on
# either side, so that the two are dependent and yet hardly correlated. Fisher's z sees correlation
# only, and that edge is lost.

world = pendulum(size=16)
table = world.sample(4000, random_state=1, nodes=["angle", "light", "length", "position"])
pc = PC(test="fisherz", alpha=0.01).fit(table)
truth = world.graph_of_labels.to_cpdag()
scores = skeleton_scores(truth, pc.graph_)
print(f"precision {scores.precision:.2f}, recall {scores.recall:.2f}")
table.corr().round(2)

# %%

places = {"angle": (0, 1), "light": (2, 1), "length": (0, 0), "position": (2, 0)}
_, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
draw(truth, axes[0], "true class", places)
draw(pc.graph_, axes[1], "what Fisher's z can see", places)

# %%
# **What can go wrong.** A missing edge is a missing *detection*: the test may be blind, the sample
# small, or two paths may cancel. An unmeasured common cause shows up as an edge. A level of
# ``alpha=0.01`` means that about one absent edge in a hundred survives by chance.
