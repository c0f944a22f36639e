"""
LaLonde: from a naive number to an honest one
=============================================

In 1976 a programme trained people who were long out of work; whom it took was drawn by lot, so that its
effect on earnings in 1978 is known: about 1,800 dollars [1]_. LaLonde [2]_ threw the control group away,
put people from a survey in its place, and asked whether anyone would have found the effect without the
lottery. It is still the best test that an analysis of observed data can take.
"""

# %%
# The data
# --------
# The tables are not part of this library. Where a copy lies in ``../shared/data/lalonde_nsw`` it is read;
# otherwise a design of the same kind is **generated**: few treated who earn little, many others who mostly
# earn well, and an effect of 1,800 dollars.

import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from causalrep.estimators import AIPW, OverlapWarning, refute
from causalrep.estimators.sensitivity import robustness_value
from causalrep.plotting import plot_effects, plot_overlap


def generated(n, trained, rng):
    """Return rows like those of the programme, or like those of the survey."""
    poor = rng.random(n) < (1.0 if trained is not None else 0.12)
    age = np.where(poor, rng.normal(25, 6, n), rng.normal(33, 10, n)).clip(17, 55)
    educ = np.where(poor, rng.normal(10.3, 1.8, n), rng.normal(12, 2.6, n)).clip(3, 18).round()
    before = np.where(
        poor, rng.exponential(1500, n) * (rng.random(n) < 0.4), rng.normal(14000, 8000, n)
    ).clip(0)
    between = (0.8 * before + rng.normal(500, 2000, n)).clip(0)
    treat = np.zeros(n, int) if trained is None else trained
    after = 2200 + 0.65 * between + 0.15 * before + 120 * (educ - 10) + rng.normal(0, 4000, n) + 1800 * treat
    return pd.DataFrame(
        {"treat": treat, "age": age, "educ": educ, "re74": before, "re75": between, "re78": after}
    )


folder = Path("../shared/data/lalonde_nsw")
if folder.exists():
    experiment = pd.read_csv(folder / "nsw_dw_experimental.csv").drop(columns="data_id")
    observed = pd.get_dummies(
        pd.read_csv(folder / "matchit_lalonde_614.csv"), columns=["race"], drop_first=True
    )
else:
    rng = np.random.default_rng(1976)
    experiment = generated(445, (np.arange(445) < 185).astype(int), rng)
    others = generated(2000, None, rng)
    observed = pd.concat([experiment[experiment["treat"] == 1], others], ignore_index=True)
experiment, observed = (
    table.select_dtypes(["number", "bool"]).astype(float) for table in (experiment, observed)
)
print(
    f"experiment: {len(experiment)} rows; observed: {len(observed)} rows,",
    int(observed["treat"].sum()),
    "treated",
)

# %%
# What the lottery says
# ---------------------
# Lots make arms comparable, and the adjustment only narrows the interval.


def effect_on_treated(table, **options):
    """Return the fitted estimator and its effect on the treated, with the warnings kept in the result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OverlapWarning)
        est = AIPW(treatment="treat", random_state=0, **options)
        est.fit(table.drop(columns="re78"), table["re78"])
    return est, est.att()


_, benchmark = effect_on_treated(experiment)
print(benchmark)

# %%
# What the naive number says
# --------------------------
# The survey earns far more than those who were trained, with or without training.

means = observed.groupby("treat")["re78"].mean()
naive = float(means[1] - means[0])
print(f"difference of means: {naive:,.0f} dollars")

# %%
# Who could be compared with whom?
# --------------------------------
# Before any estimate: does the survey contain people like the trained? Propensities say that most of it does
# not. The effect on *all* rows is not to be had from these data, and the estimator says so before it gives a
# number. That on the treated asks for less: for each of them somebody like them.

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    whole = AIPW(treatment="treat", random_state=0)
    whole.fit(observed.drop(columns="re78"), observed["re78"])
for one in said:
    print("warning:", one.message)

_, axes = plt.subplots(figsize=(7, 3), layout="constrained")
_ = plot_overlap(whole.overlap_, ax=axes)

# %%
# Trim to where there is something to compare
# -------------------------------------------
# Leaving out the rows of the survey that look like nobody in the programme changes the question by nothing,
# as it is about the treated, and takes away what only extrapolation could use.

propensity = whole.overlap_.propensity
kept = observed[(propensity > 0.02) | (observed["treat"] == 1)].reset_index(drop=True)
_, honest = effect_on_treated(kept)
_, adjusted = effect_on_treated(observed)
print(f"{len(kept)} rows are left")
print(honest)

# %%
# The numbers beside each other
# -----------------------------

results = {"lottery": benchmark, "adjusted, all rows": adjusted, "adjusted, trimmed": honest}
names = ["naive", *results]
estimates = [naive, *(result.estimate for result in results.values())]
limits = [(naive, naive), *(result.ci for result in results.values())]
_, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
_ = plot_effects(names, estimates, limits, ax=axes).set_xlabel("effect on earnings, dollars")

# %%
# What speaks against it
# ----------------------
# A placebo: with the treatment shuffled there must be no effect. That looks for faults of the analysis; it
# cannot see a confounder that nobody measured. For that there is only a calculation: how strong would one
# have to be?

checked = refute(
    AIPW(treatment="treat", random_state=0, outcome_model="linear", propensity_model="linear"),
    kept.drop(columns="re78"),
    kept["re78"],
    method="placebo_treatment",
    estimand="att",
    n_repetitions=30,
    random_state=0,
)
print(checked)
share = robustness_value(abs(honest.estimate / honest.se), dof=len(kept) - 10)
print(f"a hidden cause of {share:.1%} of what is left of both would explain the effect away")

# %%
# That is little. An honest report gives the interval, says on whom the comparison rests, and adds that a
# hidden cause of that strength, some drive to find work, say, would be enough. The lottery alone is free of
# it.
#
# .. [1] R. H. Dehejia, S. Wahba, "Causal effects in nonexperimental studies: reevaluating the evaluation of
#    training programs", Journal of the American Statistical Association 94, 1999.
# .. [2] R. J. LaLonde, "Evaluating the econometric evaluations of training programs with experimental data",
#    American Economic Review 76, 1986.
