"""Targeted maximum likelihood: outcome models moved until they solve the efficient score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

from causalrep.estimators._adjusting import AdjustingEstimator
from causalrep.estimators._contrast import Contrast
from causalrep.estimators._scores import LinearScore, aipw_score

__all__ = ["TMLE"]

Array = NDArray[np.float64]

_EDGE = 1e-6
_FARTHEST = 30.0


class TMLE(AdjustingEstimator):
    """Estimate average effects by cross-validated targeted maximum likelihood.

    The cross-fitted outcome models are moved, on the scale of log-odds between the smallest and the largest
    outcome, until the weighted residuals of each arm sum to zero; the estimate is the plug-in with these. It
    is doubly robust as `AIPW` is, and can leave the range of the outcomes no more than the outcomes do. The
    parameters, the assumptions and the fitted attributes are those of `AIPW`.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    reference : scalar, default=None
        The arm that the others are compared with, see `AIPW`.
    outcome_model, propensity_model : {"auto", "linear"} or estimator, default="auto"
        Nuisance models, see `AIPW`.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_rep : int, default=1
        Repetitions of the cross-fitting.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        See `AIPW`.
    n_jobs : int, default=None
        Number of parallel fits.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Notes
    -----
    One fluctuation for each arm, weighted by the inverse propensity that the estimand asks for [1]_; with
    nuisances that are predicted out of their folds this is CV-TMLE [2]_.

    References
    ----------
    .. [1] S. Gruber, M. J. van der Laan, "A targeted maximum likelihood estimator of a causal effect on a
       bounded continuous outcome", International Journal of Biostatistics 6, 2010.
    .. [2] W. Zheng, M. J. van der Laan, "Cross-validated targeted minimum-loss-based estimation", in:
       Targeted Learning, Springer, 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import TMLE
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(1000, 1))
    >>> t = (rng.random(1000) < 0.5).astype(int)
    >>> y = (rng.random(1000) < 0.3 + 0.2 * t).astype(int)
    >>> low, high = TMLE(random_state=0).fit(z, y, treatment=t).ate().ci
    >>> bool(low < 0.2 < high)
    True
    """

    def _arm_score(self, estimand: str, mu0: Array, mu1: Array, contrast: Contrast) -> LinearScore:
        sample = self._sample
        w0, w1 = contrast.weights(estimand)
        mu0 = fluctuate(mu0, sample.y, sample.weight * w0 * contrast.in0)
        mu1 = fluctuate(mu1, sample.y, sample.weight * w1 * contrast.in1)
        return aipw_score(estimand, sample.y, contrast, mu0, mu1)


def fluctuate(mu: Array, y: Array, weight: Array) -> Array:
    """Return predictions moved along the log-odds until the weighted residuals sum to zero."""
    low, span = float(y.min()), float(np.ptp(y))
    if span == 0:
        return np.full_like(mu, low)
    offset = logit(np.clip((mu - low) / span, _EDGE, 1 - _EDGE))
    target = float(np.sum(weight * (y - low) / span))

    def excess(shift: float) -> float:
        return float(np.sum(weight * expit(offset + shift))) - target

    if excess(-_FARTHEST) >= 0:  # all outcomes of the arm are at an end of the range
        shift = -_FARTHEST
    elif excess(_FARTHEST) <= 0:
        shift = _FARTHEST
    else:
        shift = float(brentq(excess, -_FARTHEST, _FARTHEST, xtol=1e-14, rtol=1e-14))
    return np.asarray(low + span * expit(offset + shift))
