"""
Who benefits: from effects for each row to a policy
===================================================

An e-mail campaign brings visitors, and each e-mail annoys somebody. The average effect says whether to
write to everybody; the question is to whom. Here a model of the effect is learned on one half of an
experiment and judged on the other: does its order say anything, and what is a rule worth that follows it?
"""

# %%
# The experiment
# --------------
# Where the e-mail test of Hillstrom lies in ``../shared/data/hillstrom``, and pyarrow can read it, a sample
# is taken: e-mails on women's clothes against none, and visits. Otherwise an experiment is **generated** in
# which one kind of customer gains by the e-mail and another loses.

from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from causalrep.estimators import (
    AIPW,
    DRLearner,
    PolicyTree,
    policy_value,
    qini_curve,
    qini_score,
    rate,
    toc_curve,
)
from causalrep.plotting import plot_cate, plot_qini

rng = np.random.default_rng(2008)
file = Path("../shared/data/hillstrom/hillstrom.parquet")
if file.exists() and find_spec("pyarrow"):
    table = pd.read_parquet(file)
    table = table[table["segment"] != "Mens E-Mail"].sample(12000, random_state=0).reset_index(drop=True)
    mail = (table["segment"] == "Womens E-Mail").astype(int)
    y = table["visit"].to_numpy(float)
    X = table[["recency", "history", "mens", "womens", "newbie"]].astype(float).assign(mail=mail)
    X["history"] = np.log(X["history"])
else:
    n = 12000
    X = pd.DataFrame({"recency": rng.integers(1, 13, n), "history": rng.normal(5, 1, n)}).astype(float)
    X["womens"] = (rng.random(n) < 0.55).astype(float)
    X["newbie"] = (rng.random(n) < 0.5).astype(float)
    X["mail"] = rng.integers(0, 2, n)
    gain = np.where(X["womens"] == 1, 0.10, -0.03) - 0.006 * (X["recency"] - 6)
    y = (rng.random(n) < 0.12 + 0.01 * (X["history"] - 5) + gain * X["mail"]).astype(float)

half = rng.random(len(X)) < 0.5
train, test, y_train, y_test = X[half], X[~half], y[half], y[~half]
cost = 0.03  # what an e-mail has to bring, in visits
print(f"{half.sum()} rows to learn from, {(~half).sum()} to judge by")

# %%
# Learn the effect of each row
# ----------------------------
# A doubly robust learner with its linear final stage: the effect as a line in the covariates, with an
# interval that is right for that line.

learner = DRLearner(treatment="mail", outcome_model="linear", propensity_model="linear", random_state=0)
learner.fit(train, y_train)
print(learner.ate())
print(learner.blp())

grid = pd.DataFrame([train.drop(columns="mail").mean()] * 12).assign(recency=np.arange(1, 13), mail=0)[
    train.columns
]
_, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
_ = plot_cate(learner.interval(grid), grid["recency"], ax=axes).set_xlabel("months since the last purchase")

# %%
# Does the order say anything?
# ----------------------------
# On the other half rows are put in the order of their predicted effect. RATE [1]_ asks how much larger the
# effect is among those who come first, from doubly robust scores of *these* rows; its interval is a test of
# whether there is anything to gain by an order. The Qini curve shows the same in visits.

judge = AIPW(treatment="mail", outcome_model="linear", propensity_model="linear", random_state=1).fit(
    test, y_test
)
priority = learner.predict(test)
print(rate(judge, priority))
print(rate(judge, priority, method="qini"))
print("Qini score:", round(qini_score(y_test, priority, test["mail"]), 4))

_, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
_ = plot_qini(*qini_curve(y_test, priority, test["mail"]), ax=axes[0], label="learned order")
shares, toc = toc_curve(judge, priority)
axes[1].plot(shares[200:], toc[200:])
axes[1].axhline(0, color="0.5", linewidth=1, linestyle="--")
_ = axes[1].set(xlabel="share treated", ylabel="effect above the average")

# %%
# A rule that fits on a card
# --------------------------
# A tree of depth two, the best of all such trees for the scores of the first half, at the cost of an e-mail
# [2]_.

tree = PolicyTree(treatment="mail", cost=cost, min_samples_leaf=200, random_state=0).fit(train, y_train)
print(tree.rules())

# %%
# What is it worth?
# -----------------
# On rows that it has not seen, against writing to nobody and to everybody. The same rule judged on its own
# rows looks better than it is; `PolicyTree.value` and a second half both avoid that.

decided = tree.predict(test) == 1
for name, policy in (("everybody", 1), ("the tree", decided), ("predicted gain above cost", priority > cost)):
    gain_over_none = policy_value(judge, policy, baseline=0, cost=cost)
    low, high = gain_over_none.ci
    print(f"{name:26s} gains {gain_over_none.estimate:+.4f} visits per row, {low:+.4f} to {high:+.4f}")
print("tree less everybody:", policy_value(judge, decided, baseline=1, cost=cost))

# %%
# .. [1] S. Yadlowsky, S. Fleming, N. Shah, E. Brunskill, S. Wager, "Evaluating treatment prioritization
#    rules via rank-weighted average treatment effects", Journal of the American Statistical Association
#    120, 2025.
# .. [2] S. Athey, S. Wager, "Policy learning with observational data", Econometrica 89, 2021.
