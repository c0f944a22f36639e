"""
From a dagitty model to a verified estimand
===========================================

A model drawn in dagitty becomes a graph; the graph and a question become a formula; the formula is
checked twice, by its derivation and by a simulated world in which the truth is known.
"""

# %%
# The model
# ---------
# Shrier and Platt (2008) ask whether warming up prevents injuries. Here is their diagram as dagitty
# writes it, with what is hard to measure declared latent: genes, the coach, and team motivation.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from causalrep.graphs import DAG
from causalrep.identification import Trace, identify
from causalrep.plotting import plot_graph

MODEL = """dag {
    Coach [latent]
    Genes [latent]
    Motivation [latent]
    WarmUp [exposure]
    Injury [outcome]
    Coach -> { Fitness Motivation }
    Genes -> { Fitness Tissue Fatigue }
    Tissue -> { Fatigue Weakness }
    Fitness -> { Fatigue PreGame }
    Contact -> { InGame Previous }
    Motivation -> { WarmUp Previous }
    PreGame -> WarmUp -> InGame -> Injury
    Fatigue -> { InGame Injury }
    Weakness -> Injury
}"""

graph = DAG.from_dagitty(MODEL)
_, axes = plt.subplots(figsize=(8, 6), layout="constrained")
_ = plot_graph(graph, ax=axes)

# %%
# The question
# ------------
# Does warming up change the risk of injury? Latent nodes may not appear in the answer.

result = identify(graph, "P(Injury | do(WarmUp))")
print(result)

# %%
# Why this set
# ------------
# Each step of the derivation names its rule of do-calculus and the separation that licenses it.
# ``verify`` asks the graph for each of them again.

print(result.trace)
print("every step holds:", result.trace.verify())

# %%
# With one more edge, a hidden trait behind both warming up and injuries, the same steps do not hold,
# and there is no formula at all. What comes back is a hedge: a proof that can be checked.

confounded = DAG(
    [*graph.directed_edges, ("Trait", "WarmUp"), ("Trait", "Injury"), ("Trait", "InGame")],
    latent=[*graph.latent, "Trait"],
)
print("the old steps hold:", Trace(confounded, list(result.trace)).verify())
refused = identify(confounded, "P(Injury | do(WarmUp))")
print(refused.to_text())
print("the hedge holds:", refused.witness.verify())

# %%
# Against the truth
# -----------------
# A world on this graph with binary variables: every node is a coin whose bias depends on its parents.
# In the simulation we can really intervene, and see what a study of athletes who were not told what
# to do would have concluded.

rng = np.random.default_rng(9)
weights = {node: rng.normal(0, 2.5, len(graph.parents(node))) for node in graph}


def simulate(n_athletes, seed, do=None):
    """Draw athletes, with or without an order to warm up."""
    chance = np.random.default_rng(seed)
    values = {}
    for node in graph.topological_order():
        parents = np.array([values[parent] for parent in graph.parents(node)]).reshape(-1, n_athletes)
        bias = 1 / (1 + np.exp(-(weights[node] @ (parents - 0.5))))
        values[node] = (chance.random(n_athletes) < bias).astype(int)
        if do and node in do:
            values[node] = np.full(n_athletes, do[node])
    return pd.DataFrame(values)


n_athletes = 200_000
observed = simulate(n_athletes, seed=0).drop(columns=list(graph.latent))
rows = []
for value in (0, 1):
    told = simulate(n_athletes, seed=1 + value, do={"WarmUp": value})["Injury"].mean()
    seen = observed.loc[observed["WarmUp"] == value, "Injury"].mean()
    short = result.evaluate(observed, do={"WarmUp": value}, outcome={"Injury": 1})
    raw = result.evaluate(observed, do={"WarmUp": value}, outcome={"Injury": 1}, form="raw")
    rows.append({"truth": told, "estimand": short, "raw form": raw, "seen": seen})
comparison = pd.DataFrame(rows, index=["no warm-up", "warm-up"])
comparison.round(3)

# %%
# In this world those who warm up are injured *more* often: the tired and the fit differ in more than
# their habits. Being told to warm up prevents injuries all the same, and the estimand, simplified or
# raw, knows so from the observed athletes alone.

axes = comparison.plot.bar(rot=0, figsize=(7, 3.6), ylabel="risk of injury", ylim=(0, 0.65))
_ = axes.legend(ncols=4, frameon=False)

# %%
# **What can go wrong.** All of this rests on the diagram. A missing edge is a strong claim, and no
# data set that lacks the latent nodes can test all of them. The formula also needs every stratum that
# it names to occur among both groups: where one does not, ``evaluate`` says so.
