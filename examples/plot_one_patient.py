"""
A counterfactual about one patient, with its uncertainty
========================================================

A patient got a low dose and recovered badly. What would a high dose have done *for this patient*? The
answer is a number if everything that matters was recorded, a distribution if something is missing, and
an interval if even the mechanisms are not known.
"""

# %%
# The model
# ---------
# Severity drives both the dose that is given and the recovery. A marker in the blood shows severity,
# with error. Large doses lose their effect in severe cases.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from causalrep.scm import SCM, AdditiveNoise, Interval, Linear, Normal

scm = SCM(
    mechanisms={
        "severity": Normal(0, 1),
        "marker": Linear({"severity": 1.0}, noise=Normal(0, 0.5)),
        "dose": Linear({"severity": 0.8}, intercept=3.0, noise=Normal(0, 0.6)),
        "recovery": AdditiveNoise(
            lambda dose, severity: 8 * np.tanh(dose / 4) * np.exp(-severity / 4) - 2 * severity,
            Normal(0, 1.5),
        ),
    }
)

# %%
# Everything was recorded
# -----------------------
# Then the noise of every node can be told, and the counterfactual is one number.

record = pd.DataFrame({"severity": [0.5], "marker": [0.8], "dose": [2.0], "recovery": [1.0]})
scm.counterfactual(record, do={"dose": 5.0}).round(2)

# %%
# The severity was not
# --------------------
# Severity is never measured in practice. What is left is what marker, dose and recovery tell about it:
# draws of the noise given the record, with weights. The fewer columns, the wider the answer.

records = {
    "marker, dose, recovery": record.drop(columns="severity"),
    "marker, dose": record[["marker", "dose"]],
    "dose": record[["dose"]],
}
_, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
bins = np.linspace(-2, 18, 101)
for recorded, rows in records.items():
    draws = scm.counterfactual(rows, do={"dose": 5.0}, n_draws=20_000, random_state=0)
    label = f"{recorded} (effective draws: {draws.ess[0]:.0f})"
    ax.hist(draws.samples["recovery"], bins, weights=draws.weights[0], histtype="step", lw=1.5, label=label)
ax.axvline(scm.counterfactual(record, do={"dose": 5.0})["recovery"][0], color="k", ls=":", label="all four")
ax.set(xlabel="recovery of this patient at dose 5", ylabel="probability per bin")
_ = ax.legend(title="recorded", fontsize="small", loc="upper right")

# %%
# The same draws answer any question about the patient; so do the calls below, which carry a standard
# error. Would the patient have recovered well (at least 4)?

seen = {"marker": 0.8, "dose": 2.0, "recovery": 1.0}
scm.counterfactual_probability({"recovery": Interval(low=4.0)}, do={"dose": 5.0}, given=seen, random_state=0)

# %%
# The mechanisms are not known
# ----------------------------
# From trials one knows tables, not functions: 20 % die without an operation and 30 % with it. A patient
# who was operated on died. Would they have lived without? A model of the table answers by its
# *coupling* of the rows, which no trial can check; the bounds hold every model of the table.

from causalrep.graphs import DAG
from causalrep.identification import bounds
from causalrep.scm import DiscreteSCM

trial = DiscreteSCM.from_cpts(
    {"operated": ((), [0.5, 0.5]), "dies": (["operated"], [[0.8, 0.2], [0.7, 0.3]])}
)
necessity = trial.effect("PN", "operated", "dies")
found = bounds(DAG([("operated", "dies")]), "PN", trial.table(), treatment="operated", outcome="dies")
print(f"the monotone model: {necessity:.3f}; all models: {found.lower:.3f} to {found.upper:.3f}")

# %%
# The monotone model says that the operation saves nobody, so that one death in three is its doing. If
# it saves some it kills more: as many as all of those who were operated on and died. Report the
# bounds, or the reasons for a mechanism.
