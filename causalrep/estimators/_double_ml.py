"""Double machine learning: the partially linear and the interactive model, with and without instruments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.dummy import DummyRegressor

from causalrep.estimators._adjusting import AdjustingEstimator
from causalrep.estimators._contrast import Contrast
from causalrep.estimators._crossfit import Nuisance, cross_fit
from causalrep.estimators._data import Sample, Treatment, read_treatment
from causalrep.estimators._learners import classifier, regressor
from causalrep.estimators._overlap import overlap_of
from causalrep.estimators._scores import LinearScore, aipw_score, late_score, partial_score
from causalrep.utils import DataError, UnknownNameError, as_seed

__all__ = ["DoubleML"]

Array = NDArray[np.float64]

_MODELS = ("plr", "irm", "pliv", "iivm")


class DoubleML(AdjustingEstimator):
    """Estimate an effect by double machine learning: Neyman-orthogonal scores with cross-fitted nuisances.

    Four models. ``"plr"``: the treatment adds its effect to any function of the covariates. ``"irm"``: the
    treatment has two values and its effect may vary in any way; the scores are those of `AIPW`. ``"pliv"``:
    as the first, with an instrument in place of the treatment. ``"iivm"``: treatment and instrument have two
    values, and the effect is that on the compliers. The first two assume that the covariates block all
    back-door paths, the others that they do so for the instrument, which acts through the treatment alone,
    and for ``"iivm"`` moves nobody away from it.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    instrument : str or int, default=None
        The same for the instrument, of the models that have one.
    model : {"plr", "irm", "pliv", "iivm"}, default="plr"
        The model.
    reference : scalar, default=None
        Of ``"irm"``, the arm that the others are compared with, see `AIPW`; there may be more than two.
    outcome_model : {"auto", "linear"} or estimator, default="auto"
        Model of the outcome given covariates (and, for ``"irm"`` and ``"iivm"``, each arm).
    treatment_model : {"auto", "linear"} or estimator, default="auto"
        Model of the treatment given covariates (and, for ``"iivm"``, each value of the instrument).
    propensity_model : {"auto", "linear"} or classifier, default="auto"
        Of ``"irm"`` the model of the treatment, of ``"iivm"`` that of the instrument. For ``"irm"`` and
        ``"plr"`` this and `treatment_model` are two names of one thing.
    instrument_model : {"auto", "linear"} or estimator, default="auto"
        Of ``"pliv"`` the model of the instrument given covariates.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_rep : int, default=1
        Repetitions of the cross-fitting; the estimate is the median.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1, with a warning.
    n_jobs : int, default=None
        Number of parallel fits.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Attributes
    ----------
    first_stage_f_ : float
        Of ``"pliv"`` and ``"iivm"``: squared t-statistic of the instrument's effect on the treatment. Below
        10 or so the interval cannot be trusted, and the `warnings` of the result say so.

    Notes
    -----
    The scores are equations (4.4), (5.3), (4.8) and that of section 5.2 of [1]_. `predict` gives the best
    linear projection of the effect, which for ``"plr"`` is the R-learner with a linear final stage.

    References
    ----------
    .. [1] V. Chernozhukov et al., "Double/debiased machine learning for treatment and structural parameters",
       Econometrics Journal 21, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import DoubleML
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(1000, 2))
    >>> dose = w[:, 0] ** 2 + rng.normal(size=1000)
    >>> y = 0.5 * dose + w[:, 0] ** 2 + rng.normal(size=1000)
    >>> low, high = DoubleML(random_state=0).fit(w, y, treatment=dose).ate().ci
    >>> bool(low < 0.5 < high)
    True
    """

    _uses = ("treatment", "instrument", "time", "cluster")
    _probe: Array | None = None
    _nuisances = ("outcome_model", "treatment_model", "propensity_model", "instrument_model")

    def __init__(
        self,
        treatment: str | int | None = None,
        instrument: str | int | None = None,
        *,
        model: str = "plr",
        reference: Any = None,
        outcome_model: Any = "auto",
        treatment_model: Any = "auto",
        propensity_model: Any = "auto",
        instrument_model: Any = "auto",
        cv: Any = 5,
        n_rep: int = 1,
        min_propensity: float = 0.01,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.treatment = treatment
        self.instrument = instrument
        self.model = model
        self.reference = reference
        self.outcome_model = outcome_model
        self.treatment_model = treatment_model
        self.propensity_model = propensity_model
        self.instrument_model = instrument_model
        self.cv = cv
        self.n_rep = n_rep
        self.min_propensity = min_propensity
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _treatment_kind(self) -> str:
        return {"irm": "categorical", "iivm": "binary"}.get(self.model, "any")

    def _compares_several(self) -> bool:
        return bool(self.model == "irm")

    def _treatment_option(self) -> Any:
        options = [self.treatment_model, self.propensity_model]
        given = [option for option in options if not (isinstance(option, str) and option == "auto")]
        if len(given) == 2:
            raise DataError("`treatment_model` and `propensity_model` are one model here; give one of them")
        return given[0] if given else "auto"

    def _check_model(self, roles: dict[str, NDArray[Any]]) -> None:
        if self.model not in _MODELS:
            raise UnknownNameError(self.model, _MODELS, what="`model`")
        if self.model in ("plr", "irm") and "instrument" in roles:
            raise DataError(f"the model {self.model!r} has no use for `instrument`; 'pliv' and 'iivm' have")
        if self.model in ("pliv", "iivm") and "instrument" not in roles:
            raise DataError(f"`instrument` is missing: the model {self.model!r} needs one")

    def _fit_several(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:
        self._check_model(roles)
        self._probe = None
        super()._fit_several(sample, treatment, roles)

    def _propensity(self, sample: Sample) -> Any:
        option = self._treatment_option() if self.model == "irm" else self.propensity_model
        found = classifier(option, sample.W)
        if not is_classifier(found):
            raise DataError(f"`propensity_model` must be a classifier, got {type(found).__name__}")
        return found

    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:
        self._check_model(roles)
        self._seed = as_seed(self.random_state)
        self._is_binary = self.model == "irm"
        self._probe = None
        strata = sample.t.astype(np.intp) if treatment.is_binary else None
        if "instrument" in roles:
            kind = "binary" if self.model == "iivm" else "any"
            probe = read_treatment(roles["instrument"], len(sample.y), sample.y, kind, by_keyword=False)
            self._probe = probe.values
            if probe.is_binary:
                strata = probe.values.astype(np.intp) + (0 if strata is None else 2 * strata)
        self._splits = self._drawn_splits(sample, strata)
        self._repetitions = cross_fit(
            self._nuisances_of(sample),
            sample.W,
            self._splits,
            weight=sample.fit_weight,
            n_jobs=self.n_jobs,
            seed=self._seed,
        )
        if self.model == "irm":
            self._read_overlap(sample)
        elif self.model == "iivm":
            self._read_instrument_overlap(sample)
        if self._probe is not None:
            self.first_stage_f_ = self._first_stage()

    def _nuisances_of(self, sample: Sample) -> dict[str, Nuisance]:
        W, z = sample.W, self._probe
        outcome = regressor(self.outcome_model, W)
        if self.model == "irm" or (z is not None and self.model == "iivm"):
            arms = sample.t if z is None else z
            propensity = self._propensity(sample)
            found = {
                "outcome of controls": Nuisance(outcome, sample.y, arms == 0),
                "outcome of treated": Nuisance(outcome, sample.y, arms == 1),
                "propensity": Nuisance(propensity, arms),
            }
            if z is not None:
                for arm, name in enumerate(("dose without instrument", "dose with instrument")):
                    rows = arms == arm
                    one_sided = (
                        np.ptp(sample.t[rows]) == 0
                    )  # nobody, or everybody, complies: nothing to learn
                    taken = DummyRegressor() if one_sided else regressor(self.treatment_model, W)
                    found[name] = Nuisance(taken, sample.t, rows)
            return found
        option = self._treatment_option() if z is None else self.treatment_model
        found = {
            "outcome": Nuisance(outcome, sample.y),
            "dose": Nuisance(regressor(option, W), sample.t),
        }
        if z is not None:
            found["instrument"] = Nuisance(regressor(self.instrument_model, W), z)
        return found

    def _read_instrument_overlap(self, sample: Sample) -> None:
        z = np.asarray(self._probe)
        parts = [
            overlap_of(
                rep["propensity"].values, z, sample.W, sample.weight, self.min_propensity, sample.names
            )
            for rep in self._repetitions
        ]
        self._propensities = [e for e, _ in parts]
        self.overlap_ = parts[0][1]

    def _first_stage(self) -> float:
        """Return the squared t-statistic of the denominator, or of the slope of the residuals."""
        sample, statistics = self._sample, []
        for k, score in enumerate(self._scores("ate")):
            if self.model == "iivm":
                first = LinearScore(score.denominator, np.ones_like(sample.y))
            else:
                residual = np.asarray(self._probe) - self._repetitions[k]["instrument"].values
                first = LinearScore(score.denominator, residual**2)
            theta, influence = first.solve(sample.weight)
            statistics.append(theta**2 / np.mean(influence**2) * len(influence))
        return float(np.median(statistics))

    def _available(self) -> tuple[str, ...]:
        return self._estimands if self.model == "irm" else ("ate",)

    def _messages(self) -> tuple[str, ...]:
        found = self.overlap_.messages if self.model in ("irm", "iivm") else ()
        if self._probe is not None and self.first_stage_f_ < 10:
            found = (
                *found,
                f"the instrument is weak: F = {self.first_stage_f_:.1f}; the interval may be far off",
            )
        return found

    def _scores(self, estimand: str) -> list[LinearScore]:
        sample, z = self._sample, self._probe
        if z is None:
            return super()._scores(estimand)
        if self.model == "pliv":
            return [
                partial_score(
                    sample.y,
                    sample.t,
                    rep["outcome"].values,
                    rep["dose"].values,
                    z - rep["instrument"].values,
                )
                for rep in self._repetitions
            ]
        result = []
        for rep, e in zip(self._repetitions, self._propensities, strict=True):
            y_nuisances = rep["outcome of controls"].values, rep["outcome of treated"].values
            t_nuisances = rep["dose without instrument"].values, rep["dose with instrument"].values
            moved = Contrast.of_two(z, e)
            on_outcome = aipw_score("ate", sample.y, moved, *y_nuisances)
            result.append(late_score(on_outcome, aipw_score("ate", sample.t, moved, *t_nuisances)))
        return result

    def _center(self, W: Array) -> tuple[Array, Array]:
        if self.model != "iivm":
            return super()._center(W)
        e = self._at("propensity", W)
        ell = (1 - e) * self._at("outcome of controls", W) + e * self._at("outcome of treated", W)
        m = (1 - e) * self._at("dose without instrument", W) + e * self._at("dose with instrument", W)
        return ell, m
