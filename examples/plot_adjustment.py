"""
Which covariates to adjust for, and what the choice costs
=========================================================

Several sets of covariates give the same effect, others give a wrong one. The graph tells them apart
before any data are seen; here we see what it knew.
"""

# %%
# A graph, and its sets
# ---------------------
# Does warming up prevent injuries? Fit players warm up more and tire less, a demanding coach wants both, and
# an earlier injury has to do with the coach and with weak tissue.

import matplotlib.pyplot as plt
import numpy as np

from causalrep.graphs import DAG
from causalrep.identification import adjustment_sets, check_adjustment, optimal_adjustment
from causalrep.plotting import plot_graph
from causalrep.scm import LinearGaussianSCM

graph = DAG.from_string(
    "coach -> {fitness warmup earlier}; fitness -> {warmup tired}; tired -> injury; "
    "warmup -> ready -> injury; tissue -> {earlier injury}"
)
_ = plot_graph(graph)

# %%
# All minimal sets, the best set of all, and the reason why the most cautious choice, everything that was
# measured before the warm-up, is a bad one unless the coach or the tissue is in it:

print("minimal:", [list(z) for z in adjustment_sets(graph, "warmup", "injury")])
print("optimal:", list(optimal_adjustment(graph, "warmup", "injury").nodes))
print(check_adjustment(graph, "warmup", "injury", ["fitness", "earlier"]).reason)

# %%
# What the choice costs
# ---------------------
# We draw 400 studies of 100 players each from a linear model in which warming up changes the risk by -1, and
# regress injury on warm-up and each set in turn.

at = {node: i for i, node in enumerate(graph.nodes)}
B = np.zeros((len(graph), len(graph)))
for cause, effect in graph.directed_edges:
    B[at[cause], at[effect]] = -1 if (cause, effect) == ("ready", "injury") else 1
model = LinearGaussianSCM(B, np.ones(len(graph)), names=graph.nodes)

choices = [[], ["fitness", "earlier"], ["fitness"], ["tired"], ["tired", "tissue"]]
players = model.sample(400 * 100, random_state=0)
estimates = []
for chosen in choices:
    columns = players[["warmup", *chosen]].to_numpy().reshape(400, 100, -1)
    injury = players["injury"].to_numpy().reshape(400, 100)
    estimates.append(
        [
            np.linalg.lstsq(x - x.mean(0), y - y.mean(), rcond=None)[0][0]
            for x, y in zip(columns, injury, strict=True)
        ]
    )

_, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
names = [", ".join(chosen) or "nothing" for chosen in choices]
valid = [check_adjustment(graph, "warmup", "injury", chosen).valid for chosen in choices]
boxes = ax.boxplot(estimates, orientation="horizontal", widths=0.6, showfliers=False, patch_artist=True)
for box, good in zip(boxes["boxes"], valid, strict=True):
    box.set_facecolor("#a6d8c3" if good else "#f2b8a8")
ax.axvline(-1, color="black", linewidth=1, linestyle="--")
ax.set_yticks(range(1, len(names) + 1), names)
_ = ax.set(xlabel="estimated effect of warming up (true: -1)", ylabel="adjusted for")

# %%
# The red sets are wrong however many players there are. The green ones are right, and the optimal one, at the
# top, needs a quarter of the players that fitness alone needs: what explains the outcome sharpens the
# estimate, what explains the treatment blurs it.

spread = dict(zip(names, np.var(estimates, axis=1), strict=True))
print(f"variance with fitness / with tired, tissue: {spread['fitness'] / spread['tired, tissue']:.1f}")
