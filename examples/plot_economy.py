"""
Define a small economy and ask it
=================================

Rain makes the harvest, the harvest and the world market make the price of bread, and the price makes
what families eat. The government wonders about a price cap.
"""

# %%
# A linear model with a hidden cause
# ----------------------------------
# All is in logarithms around its mean, so coefficients are elasticities. Fashion moves demand and, as
# bakers see it coming, the price: nobody measures it, so the noises of price and demand are correlated.

import matplotlib.pyplot as plt
import numpy as np

from causalrep.plotting import plot_graph
from causalrep.scm import Interval, LinearGaussianSCM

names = ["rain", "harvest", "market", "price", "demand"]
B = np.zeros((5, 5))
for cause, effect, elasticity in (
    ("rain", "harvest", 0.8),
    ("harvest", "price", -0.6),
    ("market", "price", 0.5),
    ("price", "demand", -0.7),
):
    B[names.index(cause), names.index(effect)] = elasticity
noise = np.diag([1.0, 0.3, 1.0, 0.2, 0.2])
noise[3, 4] = noise[4, 3] = 0.15
economy = LinearGaussianSCM(B, noise, names=names)
_ = plot_graph(economy.admg())

# %%
# Seeing and doing
# ----------------
# When the price is seen to be high, demand falls less than a high price would make it: high prices
# come with fashion. The regression slope of demand on price is no elasticity.

slope = economy.expectation("demand", given={"price": 1.0})
effect = economy.effect("ATE", "price", "demand")
print(f"seen {slope:.3f}, done {effect:.3f}")

# %%
# The chance that a family eats much less than usual, under caps of different height, is in closed form.

caps = np.linspace(-1, 1, 41)
hungry = {"demand": Interval(high=-0.8)}
_, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
ax.plot(caps, [economy.probability(hungry, do={"price": cap}) for cap in caps], label="price set by law")
ax.plot(
    caps, [economy.probability(hungry, given={"price": cap}) for cap in caps], ls="--", label="price seen"
)
ax.axhline(economy.probability(hungry), color="k", ls=":", label="as it is")
ax.set(xlabel="price", ylabel="P(demand < -0.8)")
_ = ax.legend()

# %%
# This year
# ---------
# There was little rain and demand was low; the price is not on file. What had demand been, had the
# harvest been an average one? Evidence may be partial: what is not known is inferred with the rest.

seen = {"rain": -1.5, "demand": -0.9}
mean = economy.counterfactual_expectation("demand", do={"harvest": 0.0}, given=seen)
spread = economy.counterfactual_variance("demand", do={"harvest": 0.0}, given=seen) ** 0.5
print(f"demand {mean:.2f} +- {spread:.2f} instead of -0.9")

# %%
# Which way does rain reach the table?
# ------------------------------------
# All of it goes by harvest and price here; a subsidy to farmers in dry years would be a second path.

total = economy.effect("ATE", "rain", "demand")
direct = economy.effect("NDE", "rain", "demand", mediators="price")
along = economy.effect("PSE", "rain", "demand", paths=[["rain", "harvest", "price", "demand"]])
print(f"total {total:.3f}, around the price {direct:.3f}, along harvest and price {along:.3f}")
