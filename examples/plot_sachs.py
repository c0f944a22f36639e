"""
From a table to a graph with stabilities: the Sachs network
===========================================================

Eleven proteins and lipids of a signalling network were measured in single cells [1]_. Which causes which is
known from biochemistry to a good part, so the network has become what searches are tried on. Here a search
goes from the table to an equivalence class, and says which of its edges to lean on.
"""

# %%
# The network and the table
# -------------------------
# The consensus of the literature has twenty edges. The measured table is not part of this library: where
# a copy lies in ``../shared/data/sachs`` it is read, with logarithms of the values, and otherwise a table
# of the same size is **generated**, by a linear Gaussian model on the consensus graph. The second is the
# kinder case, since all that the search assumes is true.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from causalrep.discovery import PC, Bootstrap
from causalrep.graphs import DAG
from causalrep.metrics import shd, skeleton_scores
from causalrep.plotting import plot_graph
from causalrep.scm import LinearGaussianSCM

consensus = DAG.from_string(
    "pkc -> {raf mek pka jnk p38}; pka -> {raf mek erk akt jnk p38}; raf -> mek; mek -> erk; erk -> akt; "
    "plc -> {pip2 pkc}; pip2 -> pkc; pip3 -> {pip2 plc akt}"
)
measured = Path("../shared/data/sachs/sachs_observational_853.csv")
if measured.exists():
    table = np.log(pd.read_csv(measured))
else:
    weights = np.random.default_rng(5).uniform(0.4, 0.9, size=(11, 11)) * consensus.to_adjacency()
    table = LinearGaussianSCM(weights, np.ones(11), names=consensus.nodes).sample(853, random_state=5)
print("measured" if measured.exists() else "generated", "table of", table.shape)

# %%
# One search
# ----------

pc = PC(alpha=0.01).fit(table)
truth = consensus.to_cpdag()
found = skeleton_scores(truth, pc.graph_)
print(f"{len(pc.graph_.edges)} edges, precision {found.precision:.2f}, recall {found.recall:.2f}")
print("distance to the true class:", shd(truth, pc.graph_))
print("triples that the tests leave open:", pc.ambiguous_)

# %%
# Three nodes in a row are a common effect, or they are not. Where the tests are evenly split, nothing is
# concluded and the graph, a `PDAG`, stands for both possibilities. To have one class at any rate, let the
# test with the largest p-value decide:

decided = PC(alpha=0.01, collider_rule="max_p").fit(table)
print("by default a", type(pc.graph_).__name__, "and by the largest p-value a", type(decided.graph_).__name__)
print("distance to the true class:", shd(truth, decided.graph_), "with conflicts:", len(decided.conflicts_))

# %%
# A hundred searches
# ------------------
# How much of this hangs on these 853 cells? The same search on a hundred bootstrap samples gives each
# edge, and each way to write it, a frequency.

stable = Bootstrap(pc, n_replicates=100, random_state=0).fit(table)
edges = stable.edges_.assign(present=lambda t: 1 - t["none"])
edges["true"] = [v in consensus.adjacent(u) for u, v in zip(edges["u"], edges["v"], strict=True)]
edges = edges.sort_values("present", ascending=False, ignore_index=True)
edges[["u", "v", "present", "->", "<-", "--", "true"]].head(25).round(2)

# %%
# An edge that is always there is not always true, but the ones that come and go are false more often. (The
# frequency is about the sample: a false edge that a hidden cause or a wrong test makes, it makes in each.)

_, axes = plt.subplots(figsize=(8, 3), layout="constrained")
colours = ["tab:blue" if true else "tab:orange" for true in edges["true"]]
axes.bar(range(len(edges)), edges["present"], color=colours)
axes.set(xlabel="pairs of variables", ylabel="share of the samples with the edge")
_ = axes.set_title("edges of the consensus (blue) and others (orange)")

# %%
# The consensus of the samples keeps what at least half of them have, edges as well as arrows, and never
# closes a cycle.

print("distance of the consensus:", shd(truth, stable.graph_))
_, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
plot_graph(truth, ax=axes[0]).set_title("true class")
_ = plot_graph(stable.graph_, truth=truth, ax=axes[1]).set_title("half of the samples agree")

# %%
# **What can go wrong.** On the measured table this search finds less than half of the known edges, all of
# them true: some relations are not linear, a cell has feedback, and most cells of the full study were
# *intervened* on, which makes more known than independences tell.
#
# .. [1] K. Sachs et al., "Causal protein-signaling networks derived from multiparameter single-cell
#    data", Science 308, 2005, doi:10.1126/science.1105809.
