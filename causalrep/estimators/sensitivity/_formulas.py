"""Closed forms: E-values, partial R², the bias of an omitted variable, Rosenbaum's bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from causalrep.utils import DataError

__all__ = [
    "OmittedVariableBias",
    "e_value",
    "e_value_of_interval",
    "omitted_variable_bias",
    "partial_r2",
    "robustness_value",
    "rosenbaum_sign_test",
]


def e_value(rr: float) -> float:
    """Return the E-value of a risk ratio.

    It is the least risk ratio that a hidden confounder must have with both treatment and outcome, given the
    covariates, to explain the association away. For a difference of means divided by the standard deviation,
    d, take ``rr = exp(0.91 * d)``, an approximation.

    Parameters
    ----------
    rr : float above 0
        Risk ratio.

    Returns
    -------
    float
        At least 1.

    Raises
    ------
    DataError
        If `rr` is not above zero.

    References
    ----------
    .. [1] T. J. VanderWeele, P. Ding, "Sensitivity analysis in observational research: introducing the
       E-value", Annals of Internal Medicine 167, 2017.

    Examples
    --------
    >>> from causalrep.estimators.sensitivity import e_value
    >>> round(e_value(3.9), 2)
    7.26
    """
    if not (np.isfinite(rr) and rr > 0):
        raise DataError(f"`rr` must be a finite number above 0, got {rr}")
    larger = max(rr, 1 / rr)
    return float(larger + np.sqrt(larger * (larger - 1)))


def e_value_of_interval(low: float, high: float) -> float:
    """Return the E-value of the limit of an interval that is nearer to 1, or 1 where it contains 1.

    Parameters
    ----------
    low, high : float above 0
        Limits of the interval of a risk ratio.

    Returns
    -------
    float
        What a hidden confounder must have to move the interval to 1.

    Raises
    ------
    DataError
        If the limits are not above zero or not in order.

    Examples
    --------
    >>> from causalrep.estimators.sensitivity import e_value_of_interval
    >>> round(e_value_of_interval(1.8, 8.7), 1), e_value_of_interval(0.9, 2.0)
    (3.0, 1.0)
    """
    if low > high:
        raise DataError(f"`low` must not be above `high`, got {low} and {high}")
    values = e_value(low), e_value(high)
    return 1.0 if low <= 1 <= high else min(values)


def partial_r2(t: float, dof: float) -> float:
    """Return the share of the residual variance of the outcome that the treatment explains.

    Parameters
    ----------
    t : float
        The t statistic of the treatment in a linear regression.
    dof : float above 0
        The degrees of freedom of the residuals.

    Returns
    -------
    float
        Partial R², in [0, 1).

    Raises
    ------
    DataError
        If `dof` is not above zero.

    References
    ----------
    .. [1] C. Cinelli, C. Hazlett, "Making sense of sensitivity: extending omitted variable bias", Journal of
       the Royal Statistical Society B 82, 2020.

    Examples
    --------
    >>> from causalrep.estimators.sensitivity import partial_r2
    >>> round(partial_r2(4.18, 783), 4)
    0.0218
    """
    _above_zero(dof, "dof")
    return float(t * t / (t * t + dof))


def robustness_value(t: float, dof: float, q: float = 1) -> float:
    """Return the robustness value of a regression coefficient.

    A hidden confounder that explains this share of the residual variance of both treatment and outcome would
    take away the share `q` of the estimate.

    Parameters
    ----------
    t : float
        The t statistic of the treatment.
    dof : float above 0
        The degrees of freedom of the residuals.
    q : float above 0, default=1
        Share of the estimate; 1 is all of it.

    Returns
    -------
    float
        A share, in [0, 1].

    Raises
    ------
    DataError
        If `dof` or `q` is not above zero.

    References
    ----------
    .. [1] C. Cinelli, C. Hazlett, "Making sense of sensitivity: extending omitted variable bias", Journal of
       the Royal Statistical Society B 82, 2020, section 4.2.

    Examples
    --------
    >>> from causalrep.estimators.sensitivity import robustness_value
    >>> round(robustness_value(4.18, 783), 3)
    0.139
    """
    _above_zero(dof, "dof")
    _above_zero(q, "q")
    f2 = (q * t) ** 2 / dof
    return float((np.sqrt(f2 * f2 + 4 * f2) - f2) / 2)


@dataclass(frozen=True)
class OmittedVariableBias:
    """What an omitted variable would do to a regression coefficient.

    Parameters
    ----------
    bias : float
        Size of the bias, without sign.
    adjusted_estimate : float
        The estimate if the bias is away from zero.
    adjusted_se : float
        Its standard error.
    """

    bias: float
    adjusted_estimate: float
    adjusted_se: float

    @property
    def adjusted_t(self) -> float:
        """The t statistic of the adjusted estimate."""
        return self.adjusted_estimate / self.adjusted_se


def omitted_variable_bias(
    estimate: float, se: float, dof: float, *, r2_outcome: float, r2_treatment: float
) -> OmittedVariableBias:
    """Return the bias that an omitted variable of given strength causes.

    Parameters
    ----------
    estimate, se : float
        Coefficient of the treatment in a linear regression, and its standard error.
    dof : float above 1
        The degrees of freedom of the residuals.
    r2_outcome, r2_treatment : float in [0, 1)
        Shares of the residual variance of outcome and treatment that the variable explains; that of the
        outcome given the treatment too, and it may be 1.

    Returns
    -------
    OmittedVariableBias
        With `bias`, `adjusted_estimate`, `adjusted_se` and `adjusted_t`.

    Raises
    ------
    DataError
        If a parameter is out of range.

    References
    ----------
    .. [1] C. Cinelli, C. Hazlett, "Making sense of sensitivity: extending omitted variable bias", Journal of
       the Royal Statistical Society B 82, 2020, equations (7) and (8).

    Examples
    --------
    >>> from causalrep.estimators.sensitivity import omitted_variable_bias
    >>> round(omitted_variable_bias(0.097, 0.023, 783, r2_outcome=0.1, r2_treatment=0.1).bias, 4)
    0.0678
    """
    _above_zero(se, "se")
    if dof <= 1:
        raise DataError(f"`dof` must be above 1, got {dof}")
    if not 0 <= r2_outcome <= 1 or not 0 <= r2_treatment < 1:
        raise DataError(
            "`r2_outcome` and `r2_treatment` must be shares, the latter below 1, "
            f"got {r2_outcome} and {r2_treatment}"
        )
    bias = float(se * np.sqrt(dof) * np.sqrt(r2_outcome * r2_treatment / (1 - r2_treatment)))
    adjusted = float(se * np.sqrt((1 - r2_outcome) / (1 - r2_treatment) * dof / (dof - 1)))
    return OmittedVariableBias(bias, float(np.sign(estimate) * (abs(estimate) - bias)), adjusted)


def rosenbaum_sign_test(n_pairs: int, n_positive: int, gamma: float = 1.0) -> float:
    """Return the largest p-value of the sign test that hidden bias of a given size allows.

    In matched pairs that differ in a hidden variable, one unit may have up to `gamma` times the odds of
    treatment of the other.

    Parameters
    ----------
    n_pairs : int
        Number of pairs whose outcomes differ.
    n_positive : int
        Number of them in which the treated unit has the larger outcome.
    gamma : float of at least 1, default=1.0
        Size of the hidden bias; 1 is none, a randomised experiment in pairs.

    Returns
    -------
    float
        One-sided p-value of no effect, against a positive one.

    Raises
    ------
    DataError
        If a parameter is out of range.

    References
    ----------
    .. [1] P. R. Rosenbaum, "Observational Studies", 2nd ed., Springer, 2002, section 4.3.

    Examples
    --------
    >>> from causalrep.estimators.sensitivity import rosenbaum_sign_test
    >>> [round(rosenbaum_sign_test(30, 24, gamma), 4) for gamma in (1, 2)]
    [0.0007, 0.0838]
    """
    if not 0 <= n_positive <= n_pairs:
        raise DataError(f"`n_positive` must be between 0 and {n_pairs}, got {n_positive}")
    if gamma < 1:
        raise DataError(f"`gamma` must be at least 1, got {gamma}")
    return float(stats.binom.sf(n_positive - 1, n_pairs, gamma / (1 + gamma)))


def _above_zero(value: float, what: str) -> None:
    if not value > 0:
        raise DataError(f"`{what}` must be above 0, got {value}")
