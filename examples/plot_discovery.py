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

from causalrep.datasets import pendulum
from causalrep.discovery import PC
from causalrep.metrics import shd, skeleton_scores
from causalrep.plotting import plot_graph
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
# Data decide a graph only up to its equivalence class: an arrow is what every graph of the class
# shares, a line is what the data leave open.

_, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
plot_graph(truth, ax=axes[0]).set_title("true class")
_ = plot_graph(pc.graph_, truth=truth, ax=axes[1]).set_title("found")

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

_, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
plot_graph(truth, ax=axes[0]).set_title("true class")
_ = plot_graph(pc.graph_, truth=truth, ax=axes[1]).set_title("what Fisher's z can see")

# %%
# **What can go wrong.** A missing edge is a missing *detection*: the test may be blind, the sample
# small, or two paths may cancel. An unmeasured common cause shows up as an edge. A level of
# ``alpha=0.01`` means that about one absent edge in a hundred survives by chance.
