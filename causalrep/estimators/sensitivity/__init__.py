"""How strong hidden confounding would have to be to change a conclusion."""

from causalrep.estimators.sensitivity._benchmarks import Benchmark, omitted_variable_benchmarks
from causalrep.estimators.sensitivity._debiased import DebiasedSensitivity, debiased_sensitivity
from causalrep.estimators.sensitivity._formulas import (
    OmittedVariableBias,
    e_value,
    e_value_of_interval,
    omitted_variable_bias,
    partial_r2,
    robustness_value,
    rosenbaum_sign_test,
)
from causalrep.estimators.sensitivity._honest_did import HonestDiD, HonestInterval
from causalrep.estimators.sensitivity._marginal import marginal_sensitivity_bounds
from causalrep.estimators.sensitivity._rosenbaum import rosenbaum_hodges_lehmann, rosenbaum_signed_rank
from causalrep.estimators.sensitivity._sharp import MarginalSensitivity, marginal_sensitivity

__all__ = [
    "Benchmark",
    "DebiasedSensitivity",
    "HonestDiD",
    "HonestInterval",
    "MarginalSensitivity",
    "OmittedVariableBias",
    "debiased_sensitivity",
    "e_value",
    "e_value_of_interval",
    "marginal_sensitivity",
    "marginal_sensitivity_bounds",
    "omitted_variable_benchmarks",
    "omitted_variable_bias",
    "partial_r2",
    "robustness_value",
    "rosenbaum_hodges_lehmann",
    "rosenbaum_sign_test",
    "rosenbaum_signed_rank",
]
