"""Refuters: refit on altered data whose answer is known, and see whether the analysis finds it."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import clone

from causalrep.estimators._base import EffectEstimator
from causalrep.estimators._crossfit import CrossFitWarning
from causalrep.estimators._data import ROLES, codes, of_length, read_outcome, read_table
from causalrep.estimators._overlap import OverlapWarning
from causalrep.estimators._refutation import Refutation
from causalrep.estimators._refute_graph import refute_graph
from causalrep.estimators._refuters import ALTERATIONS, Residuals, Rows, Settings, residuals_of
from causalrep.estimators._result import EffectResult
from causalrep.utils import DataError, RandomState, UnknownNameError, as_seed, keyed_generator, keyed_seed

__all__ = ["REFUTERS", "refute"]

Array = NDArray[np.float64]

_CONTROLS = ("negative_control_outcome", "negative_control_exposure")
_ZERO = ("placebo_treatment", "dummy_outcome", *_CONTROLS)
_MODELLED = ("dummy_outcome", "unobserved_common_cause")
_KEEP_SAMPLE = ("random_common_cause", "unobserved_common_cause", "dummy_outcome")
_OWN_TREATMENT = ("placebo_treatment", "negative_control_exposure", "unobserved_common_cause")
_BY_ROWS = {"time", "unit", "treatment_proxy", "outcome_proxy"}  # roles that no refuter can alter or pass on
REFUTERS = (*ALTERATIONS, *_CONTROLS, "graph")


def refute(
    estimator: EffectEstimator,
    X: Any,
    y: Any,
    *,
    treatment: Any = None,
    instrument: Any = None,
    mediator: Any = None,
    time: Any = None,
    cluster: Any = None,
    sample_weight: Any = None,
    method: str = "placebo_treatment",
    estimand: str = "ate",
    n_repetitions: int = 100,
    control: Any = None,
    share: float = 0.8,
    r2_treatment: float = 0.1,
    r2_outcome: float = 0.1,
    graph: Any = None,
    outcome: Hashable = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
) -> Refutation:
    """Refit an estimator, with all its nuisances, on altered data whose answer is known.

    A small p-value means that a problem was found. It says nothing about whether the effect differs from
    zero, and a large one proves nothing: only the faults that a refuter looks for can be found by it.

    Parameters
    ----------
    estimator : EffectEstimator
        The analysis; it is cloned, and need not be fitted.
    X, y, treatment, instrument, mediator, time, cluster, sample_weight : array or data frame
        What its `fit` takes.
    method : str, default="placebo_treatment"
        - ``"placebo_treatment"``: the treatment is shuffled; the effect must be zero.
        - ``"dummy_outcome"``: the outcome is what the covariates predict of it plus its shuffled residuals,
          which keeps the confounding; the effect must be zero.
        - ``"random_common_cause"``: noise is added to the covariates; the estimate must stay.
        - ``"data_subset"``: on a random share of the rows (or clusters) the estimate must stay.
        - ``"bootstrap"``: the same with rows that are drawn again, as random weights.
        - ``"unobserved_common_cause"``: a covariate is added that explains given shares of treatment and
          outcome, in the direction that takes the effect away; does the estimate stay?
        - ``"negative_control_outcome"``: `control` is an outcome that the treatment cannot affect, and that
          shares its confounders; the effect on it must be zero.
        - ``"negative_control_exposure"``: `control` is an exposure that cannot affect the outcome; given
          treatment and covariates its effect must be zero.
        - ``"graph"``: the data must have the conditional independences that `graph` implies.
    estimand : {"ate", "att", "atc", "ato"}, default="ate"
        Which effect.
    n_repetitions : int, default=100
        Number of refits; negative controls need one.
    control : array of shape (n_samples,), default=None
        The negative control.
    share : float in (0, 1), default=0.8
        Share of the rows of a subset.
    r2_treatment, r2_outcome : float in [0, 1), default=0.1
        Shares of the variance of the treatment given the covariates, and of the outcome given both, that
        the hidden cause explains.
    graph : graph, default=None
        Its nodes are columns of the frame X and the outcome, or latent.
    outcome : hashable, default=None
        The node of `y`; by default the name of the series.
    random_state : int, Generator, RandomState or None, default=None
        Chance in alterations, folds and models.
    n_jobs : int, default=None
        Number of parallel refits; the result does not depend on it.

    Returns
    -------
    Refutation
        The estimates of the refits, a p-value, and a line to read.

    Raises
    ------
    UnknownNameError
        If there is no such `method`.
    DataError
        If a parameter is out of range, or the refuter does not suit the estimator.

    Notes
    -----
    The mean of the refits is compared with the expected value. Where each refit is a draw of what chance
    does to the analysis, the unit is their standard deviation; where treatment and covariates stay as they
    are, and with them their chance imbalance, it is the standard error of the estimate. Negative controls
    have the p-value of their own interval [1]_. A hidden cause of given strength is built from residuals as
    in [2]_. The warnings of refits are not repeated.

    References
    ----------
    .. [1] M. Lipsitch, E. Tchetgen Tchetgen, T. Cohen, "Negative controls", Epidemiology 21, 2010.
    .. [2] C. Cinelli, C. Hazlett, "Making sense of sensitivity: extending omitted variable bias", Journal of
       the Royal Statistical Society B 82, 2020, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import EntropyBalancing, refute
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(400, 1))
    >>> t = (rng.random(400) < 1 / (1 + np.exp(-z[:, 0]))).astype(int)
    >>> y = 2 * t + z[:, 0] + rng.normal(size=400)
    >>> result = refute(EntropyBalancing(), z, y, treatment=t, n_repetitions=20, random_state=0)
    >>> len(result.null), result.pvalue > 0.05
    (20, True)
    """
    if method not in REFUTERS:
        raise UnknownNameError(method, REFUTERS, what="`method`")
    _check_settings(n_repetitions, share, r2_treatment, r2_outcome)
    seed = as_seed(random_state)
    given = {
        "treatment": treatment,
        "instrument": instrument,
        "mediator": mediator,
        "time": time,
        "cluster": cluster,
    }
    rows, bare = _read(estimator, X, y, given, sample_weight, seed)
    if "instrument" in rows.roles and method in _OWN_TREATMENT:
        raise DataError(
            f"{method!r} does not suit an instrument, which moves the treatment; use 'dummy_outcome', "
            "'negative_control_outcome', 'data_subset' or 'bootstrap'"
        )
    found: EffectResult = getattr(_fitted(bare, rows), estimand)()
    if method == "graph":
        return refute_graph(graph, X, y, outcome, float(found.estimate))
    if method in _CONTROLS:
        altered = _with_control(rows, control, method)
        result = getattr(_fitted(bare, altered), estimand)()
        null = np.array([float(result.estimate)])
        return Refutation(method, float(found.estimate), 0.0, null, float(result.pvalue))
    settings = _settings(rows, method, share, (r2_treatment, r2_outcome), float(found.estimate), seed)
    with warnings.catch_warnings():
        for category in (OverlapWarning, CrossFitWarning):
            warnings.simplefilter("ignore", category)
        estimates = Parallel(n_jobs=n_jobs)(
            delayed(_refit)(bare, rows, method, settings, estimand, keyed_seed(seed, method, k))
            for k in range(n_repetitions)
        )
    null = np.array(estimates)
    expected = 0.0 if method in _ZERO else float(found.estimate)
    spread = float(found.se) if method in _KEEP_SAMPLE else float(null.std(ddof=1))
    pvalue = _two_sided(float(null.mean()) - expected, spread)
    return Refutation(method, float(found.estimate), expected, null, pvalue)


def _check_settings(n_repetitions: int, share: float, r2_treatment: float, r2_outcome: float) -> None:
    if not isinstance(n_repetitions, (int, np.integer)) or n_repetitions < 2:
        raise DataError(f"`n_repetitions` must be an integer of at least 2, got {n_repetitions!r}")
    if not 0 < share < 1:
        raise DataError(f"`share` must be in (0, 1), got {share}")
    for name, value in (("r2_treatment", r2_treatment), ("r2_outcome", r2_outcome)):
        if not 0 <= value < 1:
            raise DataError(f"`{name}` must be in [0, 1), got {value}")


def _read(
    estimator: Any, X: Any, y: Any, given: dict[str, Any], sample_weight: Any, seed: int
) -> tuple[Rows, Any]:
    """Return the rows by role, and the estimator without columns that have one."""
    if not isinstance(estimator, EffectEstimator):
        raise DataError(f"`estimator` must be an estimator of effects, got {type(estimator).__name__}")
    if "treatment" not in estimator._uses or not _BY_ROWS.isdisjoint(estimator._needs):
        raise DataError(f"there are no refuters for {type(estimator).__name__}; they alter rows one by one")
    bare = clone(estimator)
    named = bare._named_roles(given, needs=bare._needs)
    W, _, roles = read_table(bare, X, named, reset=True, allow_nan=bare._allows_nan())
    outcome = read_outcome(bare, y, len(W))
    roles |= {role: np.asarray(values) for role, values in given.items() if values is not None}
    params = bare.get_params(deep=False)
    bare.set_params(**{role: None for role in ROLES if role in params})
    if "random_state" in params:
        own = params["random_state"]
        bare.set_params(random_state=keyed_seed(seed, "fit") % 2**31 if own is None else as_seed(own))
    W = W if W.shape[1] else np.zeros((len(W), 1))
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    return Rows(W, outcome, roles, weight), bare


def _fitted(bare: Any, rows: Rows) -> Any:
    return clone(bare).fit(rows.W, rows.y, **rows.roles, sample_weight=rows.weight)


def _refit(bare: Any, rows: Rows, method: str, settings: Settings, estimand: str, seed: int) -> float:
    altered = ALTERATIONS[method](rows, settings, keyed_generator(seed, "alter"))
    return float(getattr(_fitted(bare, altered), estimand)().estimate)


def _with_control(rows: Rows, control: Any, method: str) -> Rows:
    if control is None:
        raise DataError(f"{method!r} needs the values of the negative control, `control`")
    values = np.asarray(control)
    of_length(values, len(rows.y), "control")
    if method == "negative_control_outcome":
        return Rows(rows.W, np.asarray(values, dtype=np.float64), rows.roles, rows.weight)
    return rows.with_covariate(_coded(rows.roles["treatment"])).with_role("treatment", values)


def _settings(
    rows: Rows, method: str, share: float, r2: tuple[float, float], estimate: float, seed: int
) -> Settings:
    cluster = rows.roles.get("cluster")
    coded = None if cluster is None else codes(cluster, len(rows.y), "cluster")
    residuals = Residuals(*(np.zeros(0) for _ in range(4)))
    if method in _MODELLED:
        residuals = residuals_of(rows.W, rows.y, _coded(rows.roles["treatment"]), keyed_seed(seed, "model"))
    return Settings(share, r2[0], r2[1], float(np.sign(estimate)), coded, residuals)


def _coded(treatment: NDArray[Any]) -> Array:
    """Return the treatment as numbers; texts by their order."""
    if treatment.dtype.kind in "biuf":
        return treatment.astype(np.float64)
    return np.unique(treatment.astype(str), return_inverse=True)[1].astype(np.float64)


def _two_sided(shift: float, spread: float) -> float:
    if spread == 0:
        return 1.0 if shift == 0 else 0.0
    return float(2 * stats.norm.sf(abs(shift) / spread))
