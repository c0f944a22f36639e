"""
Staggered adoption: when early adopters are no controls
=======================================================

States raise a minimum wage in different years; towns get a hospital one after the other. For decades such
data went into one regression with effects of units and of years. Where the effect grows with time that
regression can have the wrong sign, because it takes units that were treated earlier for controls [1]_.
"""

# %%
# A panel with a known effect
# ---------------------------
# Seventy units adopt in year 3, seventy in year 6, and twenty never. The effect is 1 in the year of
# adoption and grows by 1 each year.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from causalrep.estimators import GroupTimeDiD
from causalrep.plotting import plot_effects

rng = np.random.default_rng(0)
start = np.repeat([3, 6, 0], [70, 70, 20])
level = rng.normal(size=len(start))
rows = [
    {"unit": i, "year": year, "start": g, "on": g > 0 and year >= g, "since": year - g if g else np.nan}
    for i, g in enumerate(start)
    for year in range(1, 13)
]
panel = pd.DataFrame(rows)
true_effect = np.where(panel["on"], panel["since"] + 1, 0.0)
outcome = level[panel["unit"]] + 0.3 * panel["year"] + true_effect + 0.5 * rng.normal(size=len(panel))
truth = true_effect[panel["on"]].mean()
print(f"average effect in treated years: {truth:.2f}")

# %%
# One regression
# --------------
# Outcomes less the means of their unit and of their year, on adoption less the same: the coefficient is
# a weighted average of effects with weights that may be negative.


def within(values):
    """Return what is left after effects of units and years in a balanced panel."""
    table = pd.Series(np.asarray(values, float)).groupby([panel["unit"], panel["year"]]).mean().unstack()
    left = table.sub(table.mean(axis=1), axis=0).sub(table.mean(axis=0), axis=1) + table.to_numpy().mean()
    return left.to_numpy().ravel()


on, y = within(panel["on"]), within(outcome)
coefficient = float(on @ y / (on @ on))
weights = on / (on @ on)
negative = float(np.mean(weights[panel["on"].to_numpy()] < 0))
print(f"coefficient {coefficient:.2f}; {negative:.0%} of the treated cells count negatively")

# %%
# Each group against those not treated
# ------------------------------------
# `GroupTimeDiD` compares the change of a group since the year before it started with the change of units that
# are not treated, year by year, and averages afterwards, with weights that are asked for [2]_.

est = GroupTimeDiD("start", "year", "unit", random_state=0).fit(panel[["start", "year", "unit"]], outcome)
simple = est.aggregate("simple")
print(simple)
print("interval covers the truth:", bool(simple.ci[0] < truth < simple.ci[1]))

# %%
# By years since adoption
# -----------------------
# Before adoption there must be nothing: that is what parallel trends mean there, and all that data can say
# of them. After it the effect grows, which the single coefficient hid.

event = est.aggregate("event")
shown = [k for k, name in enumerate(event.names) if name != "average"]
_, axes = plt.subplots(figsize=(7, 4), layout="constrained")
names = [f"{event.names[k]} years" for k in shown]
_ = plot_effects(names, event.estimate[shown], event.ci[shown], ax=axes)
_ = axes.axvline(coefficient, color="tab:orange", label="one regression")
_ = axes.legend(frameon=False)

# %%
# When not to believe it: if units adopt because of what they see coming, their paths would have parted
# anyway, and flat years before adoption do not show the opposite.
#
# .. [1] A. Goodman-Bacon, "Difference-in-differences with variation in treatment timing", Journal of
#    Econometrics 225, 2021.
# .. [2] B. Callaway, P. H. C. Sant'Anna, "Difference-in-differences with multiple time periods", Journal of
#    Econometrics 225, 2021.
