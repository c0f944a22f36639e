"""How strong hidden confounding would have to be to change a conclusion."""

from causalrep.estimators.sensitivity._formulas import (
    OmittedVariableBias,
    e_value,
    e_value_of_interval,
    omitted_variable_bias,
    partial_r2,
    robustness_value,
    rosenbaum_sign_test,
)
from causalrep.estimators.sensitivity._marginal import marginal_sensitivity_bounds

__all__ = [
    "OmittedVariableBias",
    "e_value",
    "e_value_of_interval",
    "marginal_sensitivity_bounds",
    "omitted_variable_bias",
    "partial_r2",
    "robustness_value",
    "rosenbaum_sign_test",
]
