"""The front door: an effect from what the treatment does to a mediator, and the mediator to the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._base import EffectEstimator
from causalrep.estimators._crossfit import Nuisance, cross_fit, make_splits
from causalrep.estimators._data import Sample, Treatment
from causalrep.estimators._learners import regressor
from causalrep.estimators._mediators import ArmModels, fit_arm_models, read_mediators
from causalrep.estimators._overlap import Overlap, overlap_of
from causalrep.estimators._result import EffectResult
from causalrep.estimators._scores import LinearScore, with_intercept
from causalrep.utils import RandomState, as_seed, keyed_seed

__all__ = ["FrontDoor"]

Array = NDArray[np.float64]


class FrontDoor(EffectEstimator):
    """Estimate the effect of a confounded treatment by way of a mediator that is not.

    It assumes that the whole effect goes through the mediators, that the covariates block what treatment
    and mediators share, and that treatment and covariates block what mediators and outcome share; treatment
    and outcome may share hidden causes. See `causalrep.identification.frontdoor_sets`.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment, of two arms.
    mediator : str, int or list of them, default=None
        The same for the mediator, or several that are taken together.
    outcome_model : {"auto", "linear"} or estimator, default="auto"
        Regressor of the outcome given mediators and covariates, and of its means, in each arm; see `AIPW`.
    propensity_model : {"auto", "linear"} or classifier, default="auto"
        Model of the treatment, given covariates and given mediators and covariates.
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
        The values of the treatment, control first.
    overlap_, overlap_given_mediator_ : Overlap
        How comparable the arms are, at equal covariates and at equal mediators and covariates.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.

    Raises
    ------
    DataError
        In `fit`: for roles that are missing or given twice, for a treatment that has not two values.

    Warns
    -----
    OverlapWarning
        Where rows are almost sure to be treated, or not to be, the mediators known or not.

    Notes
    -----
    The one-step estimator from the efficient influence function, theorem 1 of [1]_, right if either the
    model of the mediators or those of treatment and outcome are. Densities of the mediators are replaced by
    ratios of propensities with and without them, so that they may be of any kind.

    References
    ----------
    .. [1] I. R. Fulcher, I. Shpitser, S. Marealle, E. J. Tchetgen Tchetgen, "Robust inference on population
       indirect causal effects: the generalized front door criterion", Journal of the Royal Statistical
       Society B 82, 2020.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.estimators import FrontDoor
    >>> rng = np.random.default_rng(0)
    >>> hidden, noise, error = rng.normal(size=(3, 1500))
    >>> t = (rng.random(1500) < 1 / (1 + np.exp(-hidden))).astype(int)
    >>> m = t + noise
    >>> y = 2 * m - 3 * hidden + error
    >>> X = pd.DataFrame({"t": t, "m": m})
    >>> low, high = FrontDoor(treatment="t", mediator="m", random_state=0).fit(X, y).ate().ci
    >>> bool(low < 2 < high), bool(y[t == 1].mean() - y[t == 0].mean() < 0)
    (True, True)
    """

    _uses = ("treatment", "mediator", "cluster")
    _needs = ("treatment", "mediator")
    _nuisances = ("outcome_model", "propensity_model")
    _estimands = ("ate",)

    def __init__(
        self,
        treatment: str | int | None = None,
        mediator: str | int | Sequence[str | int] | None = None,
        *,
        outcome_model: Any = "auto",
        propensity_model: Any = "auto",
        cv: Any = 5,
        min_propensity: float = 0.01,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.treatment = treatment
        self.mediator = mediator
        self.outcome_model = outcome_model
        self.propensity_model = propensity_model
        self.cv = cv
        self.min_propensity = min_propensity
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _treatment_kind(self) -> str:
        return "binary"

    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:  # noqa: ARG002
        M = read_mediators(roles["mediator"], len(sample.y))
        seed, t = as_seed(self.random_state), sample.t
        models = fit_arm_models(
            sample,
            M,
            outcome=self.outcome_model,
            propensity=self.propensity_model,
            cv=self.cv,
            n_jobs=self.n_jobs,
            seed=seed,
        )
        e, self.overlap_ = overlap_of(
            models.given_w["propensity"].values, t, sample.W, sample.weight, self.min_propensity
        )
        e_m, self.overlap_given_mediator_ = overlap_of(
            models.given_m["propensity"].values, t, models.both, sample.weight, self.min_propensity
        )
        moved = self._moved(models, sample, seed)
        mu = models.given_m["controls"].values, models.given_m["treated"].values
        chance, chance_m = (1 - e, e), (1 - e_m, e_m)
        own, own_m = np.where(t == 1, e, 1 - e), np.where(t == 1, e_m, 1 - e_m)
        residual = sample.y - np.where(t == 1, mu[1], mu[0])
        over_arms = mu[0] * (1 - e) + mu[1] * e
        self._levels = []
        for arm in (0, 1):
            ratio = chance_m[arm] / own_m * own / chance[arm]  # f(m | arm, w) / f(m | t, w)
            center = moved[arm][0] * (1 - e) + moved[arm][1] * e
            here = np.where(t == 1, moved[arm][1], moved[arm][0])
            self._levels.append(ratio * residual + (t == arm) / chance[arm] * (over_arms - center) + here)

    def _moved(self, models: ArmModels, sample: Sample, seed: int) -> list[list[Array]]:
        """Return ``E[E[y | arm', m, w] | arm, w]`` out of fold, by arm and arm'.

        Within the rows that a fold learns from, the inner mean of each row is predicted by a model that has
        not seen it: the residuals that a flexible model leaves on its own rows are too small.
        """
        t = sample.t
        moved = [[np.empty(len(t)) for _ in (0, 1)] for _ in (0, 1)]
        inner = regressor(self.outcome_model, models.both)
        for k, (train, test) in enumerate(models.folds):
            groups = (
                None if sample.cluster is None else np.unique(sample.cluster[train], return_inverse=True)[1]
            )
            strata = t[train].astype(np.intp)
            key = keyed_seed(seed, "inner folds", k)
            (halves,) = make_splits(2, len(train), strata=strata, groups=groups, n_rep=1, seed=key)
            split = [(train[learn], train[rest]) for learn, rest in halves]
            arms = {f"arm {a}": Nuisance(inner, sample.y, t == a) for a in (0, 1)}
            fitting = models.fitting | {"seed": keyed_seed(seed, "inner", k)}
            (means,) = cross_fit(arms, models.both, [split], **fitting)
            seen = np.isin(np.arange(len(t)), train)
            nested = {
                f"arm {of} over mediators of arm {arm}": Nuisance(
                    models.regressor, np.where(seen, means[f"arm {of}"].values, 0.0), seen & (t == arm)
                )
                for arm in (0, 1)
                for of in (0, 1)
            }
            fitting = models.fitting | {"seed": keyed_seed(seed, "outer", k)}
            (found,) = cross_fit(nested, sample.W, [[(train, test)]], **fitting)
            for arm in (0, 1):
                for of in (0, 1):
                    values = found[f"arm {of} over mediators of arm {arm}"].values
                    moved[arm][of][test] = values[test]
        return moved

    def _scores(self, estimand: str) -> list[LinearScore]:  # noqa: ARG002
        return [LinearScore(self._levels[1] - self._levels[0], np.ones(len(self._levels[0])))]

    def means(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the mean outcomes if all rows were in one arm, or in the other.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the intervals.

        Returns
        -------
        EffectResult
            With one mean for each arm, named by it.
        """
        self._result("ate", alpha)
        one = np.ones(len(self._levels[0]))
        solved = [LinearScore(level, one).solve(self._sample.weight) for level in self._levels]
        return self._pack(
            np.array([theta for theta, _ in solved]),
            np.column_stack([influence for _, influence in solved]),
            alpha,
            "mean outcome by arm",
            names=tuple(str(arm) for arm in self.arms_),
        )

    def _messages(self) -> tuple[str, ...]:
        parts: tuple[Overlap, ...] = (self.overlap_, self.overlap_given_mediator_)
        return tuple(dict.fromkeys(text for part in parts for text in part.messages))

    def _center(self, W: Array) -> tuple[Array, Array]:
        sample = self._sample
        root = np.sqrt(sample.weight)[:, None]
        pair = np.column_stack([sample.y, sample.t])
        means = np.linalg.lstsq(with_intercept(sample.W) * root, pair * root, rcond=None)[0]
        values = with_intercept(W) @ means
        return values[:, 0], values[:, 1]
