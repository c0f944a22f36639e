"""
From a discovered graph to a set of effects
===========================================

Data alone rarely say which way every arrow points. A search returns a class of graphs that fit equally
well, and the effect may differ between its members. Here a graph is found, all effects that it allows are
estimated, and a piece of knowledge makes them one.
"""

# %%
# A table, and the model behind it
# --------------------------------
# Exercise lowers weight, both act on blood pressure, and age on all of them. The effect of exercise on
# pressure, through weight and directly, is -0.8 * 0.5 - 0.3 = -0.7.

import matplotlib.pyplot as plt

from causalrep.discovery import PC, Knowledge
from causalrep.estimators import causal_effect
from causalrep.plotting import plot_graph
from causalrep.scm import SCM

scm = SCM.from_equations(
    """
    age = N(0, 1)
    exercise = -0.7*age + N(0, 1)
    weight = -0.8*exercise + 0.4*age + N(0, 1)
    pressure = 0.5*weight - 0.3*exercise + 0.6*age + N(0, 1)
    """
)
data = scm.sample(3000, random_state=0)

# %%
# What a search can tell
# ----------------------
# Each variable depends on each other here, so no independence orients an arrow: every order of the four would
# fit the data as well.

found = PC(alpha=0.01).fit(data).graph_
print(type(found).__name__, "with", found.size(), "members")

# %%
# All effects that it allows
# --------------------------
# The members disagree about which of its neighbours cause exercise, and so about what to adjust for.
# `causal_effect` gives the effect under each possibility; whichever is true, the last interval holds.

possible = causal_effect(data, treatment="exercise", outcome="pressure", graph=found, random_state=0)
print(possible)

_, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
_ = possible.plot(ax=axes)

# %%
# One of them is near the truth, -0.7, and the data cannot say which. It would be wrong to pick the graph that
# an algorithm happens to draw.
#
# What everybody knows
# --------------------
# Nothing makes a person younger, and pressure was measured last. That is knowledge, not data, and it is
# enough.

knowledge = Knowledge(tiers=[["age"], ["exercise", "weight"], ["pressure"]])
oriented = PC(alpha=0.01, knowledge=knowledge).fit(data).graph_
known = causal_effect(data, treatment="exercise", outcome="pressure", graph=oriented, random_state=0)
print(known)

# %%
# Two possibilities are left: whether exercise changes weight or weight exercise. A person who can rule out
# the second has one effect.

decided = oriented.to_mpdag(required=[("exercise", "weight")])
answer = causal_effect(
    data,
    treatment="exercise",
    outcome="pressure",
    graph=decided,
    refute="random_common_cause",
    random_state=0,
)
print(answer)
_, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for graph, ax, title in ((found, axes[0], "from data"), (decided, axes[1], "with knowledge")):
    _ = plot_graph(graph, ax=ax)
    _ = ax.set_title(title)

# %%
# When not to believe it: the intervals take the class as given. If the search missed an edge, none of its
# members need be true; and a hidden common cause is in none of them. `FCI` allows for those, and
# `causal_effect` takes its graph too, which often says that the effect is not identified at all.
