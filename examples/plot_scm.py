"""
Define a structural causal model and query it
=============================================

A drug is given by need, and need also decides how well one recovers. The table alone makes the drug
look harmful; the model knows what the drug does.
"""

# %%
# A mechanism at each node
# ------------------------
# Parents are the arguments of a function, or the keys of :class:`~causalrep.scm.Linear`; the graph
# is read from them.

import matplotlib.pyplot as plt
import numpy as np

from causalrep.scm import SCM, AdditiveNoise, Linear, Normal, Uniform

scm = SCM(
    mechanisms={
        "need": Uniform(3, 10),
        "dose": Linear({"need": 0.9}, noise=Normal(0, 0.8)),
        "recovery": AdditiveNoise(
            lambda need, dose: 20 - 2 * need + 6 * np.tanh(dose / 6), noise=Normal(0, 1)
        ),
    }
)
scm.graph

# %%
# What is seen, and what is done
# ------------------------------
# Among those who happened to take more, recovery is lower. When the dose is set, it is higher. Both
# samples use the same random numbers, node by node, so their difference is the effect and not
# chance.

doses = np.linspace(0, 9, 10)
table = scm.sample(1500, random_state=0)
done = [scm.do(dose=float(dose)).sample(1500, random_state=0)["recovery"].mean() for dose in doses]

_, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.scatter(table["dose"], table["recovery"], s=6, alpha=0.4, label="seen: recovery against dose")
ax.plot(doses, done, "o-", color="C3", label="done: mean of recovery under do(dose)")
ax.set(xlabel="dose", ylabel="recovery")
_ = ax.legend()

# %%
# What would have been
# --------------------
# A counterfactual keeps each person: their need, and the noise that the model infers from what they
# did. Only what descends from the dose is recomputed.

patients = table.head(4)
imagined = scm.counterfactual(patients, do={"dose": 9.0})
patients.assign(recovery_at_dose_9=imagined["recovery"]).round(2)

# %%
# The effect that the model gives them is the one of its equation, for each person exactly.

gain = imagined["recovery"] - patients["recovery"]
expected = 6 * np.tanh(9 / 6) - 6 * np.tanh(patients["dose"] / 6)
print("largest deviation from the equation:", float(np.abs(gain - expected).max()))

# %%
# **What can go wrong.** The answers are those of the model: nothing here checks the equations
# against the world. A mechanism given as a plain function is a black box and has no
# counterfactuals; declare it as :class:`~causalrep.scm.AdditiveNoise`, ``Linear`` or ``Invertible``
# when it is one.
