"""Mediation: how much of an effect goes through a mediator, and how much does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._base import EffectEstimator
from causalrep.estimators._crossfit import Nuisance, cross_fit
from causalrep.estimators._data import Sample, Treatment
from causalrep.estimators._learners import predict_model
from causalrep.estimators._mediators import fit_arm_models, read_mediators
from causalrep.estimators._overlap import Overlap, overlap_of
from causalrep.estimators._result import EffectResult
from causalrep.estimators._scores import LinearScore, Projection, pseudo_score, with_intercept
from causalrep.utils import DataError, RandomState, UnknownNameError, as_seed, keyed_seed

__all__ = ["Mediation"]

Array = NDArray[np.float64]

_METHODS = ("robust", "linear")


class Mediation(EffectEstimator):
    """Estimate natural direct and indirect effects.

    The direct effect is what the treatment does while the mediator stays as it is without treatment, the
    indirect one what the treated gain from the mediator that treatment brings. It assumes that the covariates
    block what the treatment shares with mediator and outcome, that covariates and treatment block what the
    mediator shares with the outcome, and that none of the latter is affected by the treatment. No experiment
    can check the last.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    mediator : str, int or list of them, default=None
        The same for the mediator, or several that are taken together.
    method : {"robust", "linear"}, default="robust"
        Multiply robust with cross-fitting, for two arms; or the product of coefficients of two linear
        regressions without interaction, for arms and doses.
    outcome_model : {"auto", "linear"} or estimator, default="auto"
        Regressor of the outcome, and of its mean given the mediator, in each arm; see `AIPW`.
    propensity_model : {"auto", "linear"} or classifier, default="auto"
        Model of the treatment, given covariates and given mediator and covariates.
    cv : int, splitter or iterable of (train, test), default=5
        Folds; an integer draws them with equal shares of the arms, and keeps clusters together.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1, with a warning.
    n_jobs : int, default=None
        Number of parallel fits; the results do not depend on it.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Attributes
    ----------
    arms_ : array of shape (2,)
        The values of the treatment, control first; only where there are two.
    overlap_, overlap_given_mediator_ : Overlap
        How comparable the arms are, at equal covariates and at equal mediator and covariates; ``"robust"``
        only.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for roles that are missing or given twice, for a dose with ``"robust"``.

    Warns
    -----
    OverlapWarning
        Where rows are almost sure to be treated, or not to be, the mediator known or not.

    Notes
    -----
    The efficient score of [1]_, theorem 1, right if two of three models are. Densities of the mediator are
    replaced by the ratio of propensities with and without it, by Bayes' rule, so that it may be of any kind.
    The linear effects are products of coefficients, with the delta method [2]_.

    References
    ----------
    .. [1] E. J. Tchetgen Tchetgen, I. Shpitser, "Semiparametric theory for causal mediation analysis", Annals
       of Statistics 40, 2012.
    .. [2] M. E. Sobel, "Asymptotic confidence intervals for indirect effects in structural equation models",
       Sociological Methodology 13, 1982.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.estimators import Mediation
    >>> rng = np.random.default_rng(0)
    >>> c, noise, error = rng.normal(size=(3, 2000))
    >>> t = rng.integers(2, size=2000)
    >>> m = t + c + noise
    >>> y = 0.5 * t + 2 * m + c + error
    >>> est = Mediation(treatment="t", mediator="m", random_state=0)
    >>> est = est.fit(pd.DataFrame({"t": t, "m": m, "c": c}), y)
    >>> [bool(ci[0] < truth < ci[1]) for ci, truth in ((est.nde().ci, 0.5), (est.nie().ci, 2.0))]
    [True, True]
    """

    _uses = ("treatment", "mediator", "cluster")
    _needs = ("treatment", "mediator")
    _nuisances = ("outcome_model", "propensity_model")
    _estimands = ("ate", "nde", "nie")

    def __init__(
        self,
        treatment: str | int | None = None,
        mediator: str | int | Sequence[str | int] | None = None,
        *,
        method: str = "robust",
        outcome_model: Any = "auto",
        propensity_model: Any = "auto",
        cv: Any = 5,
        min_propensity: float = 0.01,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.treatment = treatment
        self.mediator = mediator
        self.method = method
        self.outcome_model = outcome_model
        self.propensity_model = propensity_model
        self.cv = cv
        self.min_propensity = min_propensity
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _treatment_kind(self) -> str:
        return "any" if self.method == "linear" else "binary"

    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:
        if self.method not in _METHODS:
            raise UnknownNameError(self.method, _METHODS, what="`method`")
        M = read_mediators(roles["mediator"], len(sample.y))
        if self.method == "linear":
            self._levels = _linear_effects(sample, M)
            return
        if not treatment.is_binary:
            raise DataError("the treatment is a dose; method='linear' takes it")
        self._levels = self._robust_effects(sample, M)

    def _robust_effects(self, sample: Sample, M: Array) -> dict[str, LinearScore]:
        t, seed = sample.t, as_seed(self.random_state)
        models = fit_arm_models(
            sample,
            M,
            outcome=self.outcome_model,
            propensity=self.propensity_model,
            cv=self.cv,
            n_jobs=self.n_jobs,
            seed=seed,
        )
        given_m, given_w, both = models.given_m, models.given_w, models.both
        # E[E[y | t=1, m, w] | t=0, w]: the inner model of a fold has not seen the rows of the outer one
        inner, mixed = given_m["treated"], np.empty(len(t))
        for k, (train, test) in enumerate(models.folds):
            target = predict_model(inner.models[k], both)
            nested = {"treated over mediators of controls": Nuisance(models.regressor, target, t == 0)}
            fitting = models.fitting | {"seed": keyed_seed(seed, "nested", k)}
            (found,) = cross_fit(nested, sample.W, [[(train, test)]], **fitting)
            (values,) = found.values()
            mixed[test] = values.values[test]
        e, self.overlap_ = overlap_of(
            given_w["propensity"].values, t, sample.W, sample.weight, self.min_propensity
        )
        e_m, self.overlap_given_mediator_ = overlap_of(
            given_m["propensity"].values, t, both, sample.weight, self.min_propensity
        )
        mu0, mu1 = given_w["controls"].values, given_w["treated"].values
        one = mu1 + t * (sample.y - mu1) / e
        zero = mu0 + (1 - t) * (sample.y - mu0) / (1 - e)
        ratio = (1 - e_m) / (e_m * (1 - e))  # f(m | 0, w) / f(m | 1, w) / e
        cross = mixed + t * ratio * (sample.y - inner.values) + (1 - t) / (1 - e) * (inner.values - mixed)
        ones = np.ones(len(t))
        return {
            "ate": LinearScore(one - zero, ones),
            "nde": LinearScore(cross - zero, ones),
            "nie": LinearScore(one - cross, ones),
        }

    # --- effects -------------------------------------------------------------------------------------

    def nde(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the natural direct effect, ``E[Y(1, M(0)) - Y(0, M(0))]``.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The effect.
        """
        return self._result("nde", alpha)

    def nie(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the natural indirect effect, ``E[Y(1, M(1)) - Y(1, M(0))]``: `ate` less `nde`.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The effect.
        """
        return self._result("nie", alpha)

    def _scores(self, estimand: str) -> list[LinearScore]:
        return [self._levels[estimand]]

    def _messages(self) -> tuple[str, ...]:
        if self.method == "linear":
            return ()
        parts: tuple[Overlap, ...] = (self.overlap_, self.overlap_given_mediator_)
        return tuple(dict.fromkeys(text for part in parts for text in part.messages))

    def _projected_by(self, estimand: str, features: Array) -> Projection:
        if self.method == "robust":
            return super()._projected_by(estimand, features)
        theta, influence, _ = self._combined(estimand)  # one effect for all rows
        return Projection(
            np.append(theta, np.zeros(features.shape[1])),
            np.column_stack([influence, np.zeros((len(influence), features.shape[1]))]),
        )

    def _center(self, W: Array) -> tuple[Array, Array]:
        sample = self._sample
        root = np.sqrt(sample.weight)[:, None]
        pair = np.column_stack([sample.y, sample.t])
        means = np.linalg.lstsq(with_intercept(sample.W) * root, pair * root, rcond=None)[0]
        values = with_intercept(W) @ means
        return values[:, 0], values[:, 1]


def _linear_effects(sample: Sample, M: Array) -> dict[str, LinearScore]:
    """Return direct and indirect effects as coefficients of regressions, with their influence functions."""
    weight, n = sample.weight, len(sample.y)
    first = np.column_stack([sample.t, with_intercept(sample.W)])
    second = np.column_stack([sample.t, M, with_intercept(sample.W)])
    if np.linalg.matrix_rank(second) < second.shape[1] or n <= second.shape[1]:
        raise DataError("treatment, mediator and covariates must not be linear combinations of each other")
    moved, moved_influence = _coefficients(first, M, weight)
    held, held_influence = _coefficients(second, sample.y[:, None], weight)
    a, a_influence = moved[0], moved_influence[:, 0]
    b, b_influence = held[1 : 1 + M.shape[1], 0], held_influence[:, 1 : 1 + M.shape[1], 0]
    direct, direct_influence = held[0, 0], held_influence[:, 0, 0]
    indirect, indirect_influence = a @ b, a_influence @ b + b_influence @ a  # the delta method
    return {
        "ate": pseudo_score(float(direct + indirect), direct_influence + indirect_influence),
        "nde": pseudo_score(float(direct), direct_influence),
        "nie": pseudo_score(float(indirect), indirect_influence),
    }


def _coefficients(design: Array, targets: Array, weight: Array) -> tuple[Array, Array]:
    """Return least-squares coefficients and their influence functions, of shape (n, n_columns, n_targets)."""
    n, k = design.shape
    inverse = np.linalg.inv(design.T @ (design * weight[:, None]))
    coefficients = inverse @ (design.T @ (weight[:, None] * targets))
    residual = targets - design @ coefficients
    scale = n * np.sqrt((n - 1) / (n - k))  # as many degrees of freedom as there are left
    influence = scale * (design @ inverse)[:, :, None] * residual[:, None, :]
    return coefficients, influence
