"""
Learn a model from data and explain a change
============================================

A shop's revenue fell between two quarters. Fewer visitors, a worse page, or cheaper baskets? One graph is
fitted to each quarter, checked, and the change is shared out among the mechanisms.
"""

# %%
# Two quarters
# ------------
# The truth is known here. In the second quarter, two things have changed: advertising was cut a little,
# and a redesign made the page slower to load under traffic.

import matplotlib.pyplot as plt
import numpy as np

from causalrep.graphs import DAG
from causalrep.plotting import plot_graph
from causalrep.scm import SCM, attribute_change

SHOP = """
    adverts  = {adverts} + N(0, 1)
    season   = Uniform(-1, 1)
    visitors = 10 + 2*adverts + 3*season + N(0, 1)
    seconds  = 0.5 + {slope}*exp((visitors - 20)/6) + Gamma(4, 20)
    revenue  = visitors * (2 - tanh(seconds)) + N(0, 1)
"""
before, after = (
    SCM.from_equations(SHOP.format(**change)).sample(2000, random_state=seed)
    for seed, change in enumerate(({"adverts": 5.0, "slope": 0.2}, {"adverts": 4.7, "slope": 0.5}))
)
print("revenue fell by", round(float(before["revenue"].mean() - after["revenue"].mean()), 2))

graph = DAG.from_string(
    "adverts -> visitors; season -> visitors; visitors -> seconds; seconds -> revenue; visitors -> revenue"
)
_ = plot_graph(graph)

# %%
# One fit for each quarter
# ------------------------
# Each node is learned from its parents. The table says which class of mechanism was chosen, by the
# likelihood of rows that it had not seen, and how far the others are behind.

old, new = (SCM(graph).fit(rows, random_state=0) for rows in (before, after))
old.choices_[["node", "mechanism", "log_likelihood", "behind_best", "chosen"]].round(3)

# %%
# Curves were found where there are curves:

visitors = np.linspace(14, 27, 60)
_, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for model, rows, label, color in ((old, before, "before", "C0"), (new, after, "after", "C3")):
    ax.scatter(rows["visitors"], rows["seconds"], s=4, alpha=0.2, color=color)
    ax.plot(visitors, model.mechanisms["seconds"].location({"visitors": visitors}), color=color, label=label)
ax.set(xlabel="visitors", ylabel="seconds to load", ylim=(0, 4))
_ = ax.legend()

# %%
# Does the model deserve to be asked?
# -----------------------------------
# On rows that it was not fitted to: do noises have their law, are they independent of the parents, do the
# independences of the graph hold, and does a permuted graph do as well?

fresh = SCM.from_equations(SHOP.format(adverts=5.0, slope=0.2)).sample(1500, random_state=7)
report = old.check(fresh, random_state=0)
print(report)

# %%
# Who did it
# ----------
# Mechanisms of the old quarter are replaced by those of the new one, one after the other, in every order
# (Shapley values). What is due to a changed mechanism is told from what merely passes through: visitors fell,
# but only because adverts did.

shares = attribute_change(old, new, "revenue", random_state=0)
_, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.barh([str(player) for player in shares.players], shares.values, xerr=2 * shares.se, color="C0")
ax.axvline(0, color="black", linewidth=0.8)
_ = ax.set(xlabel="contribution to the change of mean revenue")
print(shares)

# %%
# What if the redesign were undone?
# ---------------------------------
# A change of one mechanism is an intervention on the new model, and with it one can ask about these very
# days: the same adverts, season and noise, on the old page.

undone = new.soft(seconds=old.mechanisms["seconds"])
gain = undone.sample(20_000, random_state=1)["revenue"] - new.sample(20_000, random_state=1)["revenue"]
print("undoing the redesign brings", round(float(gain.mean()), 2), "a day")

# %%
# **What can go wrong.** A mechanism that seems to have changed may only have been asked in another region: if
# visitors had halved, the learned curve of the old quarter would be extrapolated, and its error be read as a
# change. And a cause that is missing from the graph shows up as a change of the nodes that it acts on.
