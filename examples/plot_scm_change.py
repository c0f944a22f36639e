"""
Fit an SCM and explain a change
===============================

A shop's revenue fell from one quarter to the next. Prices, advertising, visitors and orders all moved; which
of them *is* the change, and which only pass it on?
"""

# %%
# Two quarters
# ------------
# The data are simulated so that we know the truth: advertising was cut, and visitors buy less readily than
# before. Nothing else changed, though visitors and revenue look different too.

import matplotlib.pyplot as plt
import numpy as np

from causalrep.graphs import DAG
from causalrep.plotting import plot_attribution, plot_graph, plot_mechanism, plot_residuals
from causalrep.scm import SCM, attribute_change, intrinsic_causal_influence, root_causes

spring = SCM.from_equations(
    "advertising = N(5, 1); price = N(10, 1)\n"
    "visitors = 20 + 12*sqrt(abs(advertising)) + N(0, 2)\n"
    "orders = 0.5*visitors - 1.5*price + N(0, 1.5)\n"
    "revenue = price*orders + N(0, 5)"
)
changed = SCM.from_equations(
    "advertising = N(3.5, 1); orders = 0.45*visitors - 1.5*price + N(0, 1.5); "
    "visitors = N(0, 1); price = N(0, 1)"
)
summer = SCM(
    spring.graph, {**spring.mechanisms, **{v: changed.mechanisms[v] for v in ("advertising", "orders")}}
)
first, second = spring.sample(1500, random_state=0), summer.sample(1500, random_state=1)
print(f"revenue {first['revenue'].mean():.1f} -> {second['revenue'].mean():.1f}")

# %%
# Fit
# ---
# From here on only the graph and the two tables are used. Each node is learned from its parents; ``choices_``
# tells what was chosen.

graph = DAG.from_string(
    "advertising -> visitors; visitors -> orders; price -> orders; price -> revenue; orders -> revenue"
)
before = SCM(graph).fit(first, random_state=0)
after = SCM(graph).fit(second, random_state=0)
chosen = before.choices_.query("chosen")
print(dict(zip(chosen["node"], chosen["mechanism"], strict=True)))
_ = plot_graph(graph)

# %%
# A mechanism is looked at as a curve with the range of its noise, and by its residuals, which must not depend
# on the parents.

_, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
plot_mechanism(before, "visitors", data=first, ax=axes[0])
_ = plot_residuals(before, "visitors", first, ax=axes[1])

# %%
# Which mechanism changed the mean?
# ---------------------------------
# Mechanisms of the first quarter are replaced by those of the second, one after the other and in every order;
# what each adds to the mean revenue, on average, is its share. Shares add up to the change, with standard
# errors. That of visitors and price is small: they changed only because advertising did, or not at all.

change = attribute_change(before, after, "revenue", random_state=0)
print(change.frame.round(2).to_string(index=False))
_ = plot_attribution(change)

# %%
# The same for the worst days: the tenth percentile instead of the mean.

worst = attribute_change(before, after, "revenue", 0.1, random_state=0)
print({node: f"{value:.1f}" for node, value in zip(worst.players, worst.values, strict=True)})

# %%
# Where does the variation come from?
# -----------------------------------
# Within a quarter, revenue varies from day to day. How much of its variance is due to what happens at each
# node itself, and not to what it receives?

_ = plot_attribution(intrinsic_causal_influence(before, "revenue", random_state=0))

# %%
# One bad day
# -----------
# On one day the shop's page was slow: few visitors, few orders. The ranking asks for each node how much less
# unusual the revenue had been, had this node's own noise been an ordinary one.

day = spring.shift(visitors=-14.0).sample(1, random_state=7)
print(root_causes(before, day, "revenue", random_state=0).round(2).to_string(index=False))

# %%
# What can go wrong
# -----------------
# Attribution knows the graph it is given. A cause that is left out is counted for its effects, and a
# mechanism that was learned badly in one of the quarters looks like a change: check both models first with
# ``before.check(first)``. Standard errors are those of the draws, not of the fit; refit to resampled rows for
# the latter.

shares = []
generator = np.random.default_rng(0)
for _ in range(5):
    refits = []
    for rows in (first, second):
        resampled = rows.iloc[generator.integers(len(rows), size=len(rows))].reset_index(drop=True)
        refits.append(SCM(graph).fit(resampled, mechanisms="linear", random_state=0))
    shares.append(attribute_change(*refits, "revenue", n_samples=2000, random_state=0).values)
print("spread over refits:", dict(zip(change.players, np.std(shares, axis=0).round(2).tolist(), strict=True)))
