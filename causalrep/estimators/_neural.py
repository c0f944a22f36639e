"""Networks for both arms at once: TARNet, CFRNet and DragonNet, with doubly robust averages on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from causalrep.estimators._adjusting import AdjustingEstimator
from causalrep.estimators._crossfit import Nuisance, Predicted, Split, cross_fit
from causalrep.estimators._data import Sample
from causalrep.estimators._learners import classifier
from causalrep.estimators._neural_heads import Head, Heads
from causalrep.estimators._neural_training import TrainingOptions
from causalrep.utils import DataError

__all__ = ["CFRNet", "DragonNet", "TARNet"]

Array = NDArray[np.float64]


class TARNet(AdjustingEstimator):
    """Learn both mean outcomes by a network with one trunk and a head for each arm.

    The arms share what they have in common, which pays where outcomes bend and effects are simpler than
    they. `predict` averages the networks of all folds; average effects are doubly robust, with the networks'
    means out of fold, so that their intervals do not rest on the network alone.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment, which must have two values.
    propensity_model : {"auto", "linear"} or classifier, default="auto"
        Model of the treatment in the average effects, see `AIPW`.
    hidden : int, default=64
        Width of the trunk, of two layers; the layer of each head is half as wide.
    learning_rate : float, default=0.005
        Of Adam.
    weight_decay : float, default=0.01
        Decoupled from the gradient.
    batch_size : int, default=128
        Rows of a step.
    max_epochs : int, default=300
        The largest number of passes over the rows.
    patience : int, default=20
        Passes without a smaller loss on the rows kept aside after which training ends; the best weights stay.
    validation : float in (0, 1), default=0.2
        Share of the rows that are kept aside, in each arm.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_rep : int, default=1
        Repetitions of the cross-fitting.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1.
    device : str, default="cpu"
        Where to train, such as ``"cuda"``.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    progress : bool, default=False
        Whether to show how training proceeds.
    n_jobs : int, default=None
        Number of parallel fits; the results do not depend on it.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds, weights and batches.

    References
    ----------
    .. [1] U. Shalit, F. D. Johansson, D. Sontag, "Estimating individual treatment effect: generalization
       bounds and algorithms", ICML 2017, section 5, with the weights of equation (3).

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import TARNet
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(1000, 1))
    >>> t = rng.integers(0, 2, 1000)
    >>> y = t * w[:, 0] + 0.1 * rng.normal(size=1000)
    >>> net = TARNet(cv=2, max_epochs=40, random_state=0).fit(w, y, treatment=t)
    >>> bool(np.abs(net.predict([[-1.0], [1.0]]) - [-1, 1]).max() < 0.2)
    True
    """

    treatment_type = "binary"
    _kind = "tarnet"
    _nuisances: tuple[str, ...] = ("propensity_model",)

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        propensity_model: Any = "auto",
        hidden: int = 64,
        learning_rate: float = 0.005,
        weight_decay: float = 0.01,
        batch_size: int = 128,
        max_epochs: int = 300,
        patience: int = 20,
        validation: float = 0.2,
        cv: Any = 5,
        n_rep: int = 1,
        min_propensity: float = 0.01,
        device: str = "cpu",
        dtype: str = "float32",
        progress: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.treatment = treatment
        self.propensity_model = propensity_model
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation = validation
        self.cv = cv
        self.n_rep = n_rep
        self.min_propensity = min_propensity
        self.device = device
        self.dtype = dtype
        self.progress = progress
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _compares_several(self) -> bool:
        return False  # there are two heads

    def _cross_fitted(self, sample: Sample, splits: Sequence[Sequence[Split]]) -> list[dict[str, Predicted]]:
        self._check_parameters()
        options: dict[str, Any] = {"weight": sample.fit_weight, "n_jobs": self.n_jobs, "seed": self._seed}
        W = sample.W if sample.W.shape[1] else np.ones((len(sample.y), 1))
        network = {"network": Nuisance(self._network(), sample.y)}
        found = cross_fit(network, np.column_stack([W, sample.t]), splits, **options)
        result = [_by_head(rep["network"]) for rep in found]
        if isinstance(self.propensity_model, str) and self.propensity_model == "network":
            return result
        propensity = classifier(self.propensity_model, sample.W)
        if not is_classifier(propensity):
            raise DataError(f"`propensity_model` must be a classifier, got {type(propensity).__name__}")
        by_model = cross_fit({"propensity": Nuisance(propensity, sample.t)}, sample.W, splits, **options)
        return [heads | rest for heads, rest in zip(result, by_model, strict=True)]

    def _network(self) -> Heads:
        options = TrainingOptions(
            float(self.learning_rate),
            float(self.weight_decay),
            int(self.batch_size),
            int(self.max_epochs),
            int(self.patience),
            float(self.validation),
            bool(self.progress),
        )
        strength, distance = self._regularisation()
        return Heads(self._kind, int(self.hidden), strength, distance, options, self.device, self.dtype)

    def _regularisation(self) -> tuple[float, str]:
        """Return the strength of what the loss has beside the squared error, and its distance."""
        return 0.0, "mmd"

    def _check_parameters(self) -> None:
        for name, least in (("hidden", 2), ("batch_size", 1), ("max_epochs", 1), ("patience", 1)):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < least:
                raise DataError(f"`{name}` must be an integer of at least {least}, got {value!r}")
        if not self.learning_rate > 0 or not self.weight_decay >= 0:
            raise DataError(
                "`learning_rate` must be above 0 and `weight_decay` at least 0, "
                f"got {self.learning_rate!r} and {self.weight_decay!r}"
            )
        if not 0 < self.validation < 1:
            raise DataError(f"`validation` must be in (0, 1), got {self.validation!r}")
        if self.dtype not in ("float32", "float64"):
            raise DataError(f"`dtype` must be 'float32' or 'float64', got {self.dtype!r}")

    def _predict(self, W: Array) -> Array:
        return self._at("outcome of treated", W) - self._at("outcome of controls", W)


class CFRNet(TARNet):
    """Learn both mean outcomes by a network whose trunk is drawn to look alike for both arms.

    As `TARNet`, with a penalty on the distance between the arms in the last layer of the trunk: where they
    differ, a head is asked about rows that it has not seen. Too strong a penalty forgets confounders.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment, which must have two values.
    distance : {"mmd", "wasserstein"}, default="mmd"
        Squared distance of the means, or the smoothed cost of moving one arm onto the other.
    balance : float, default=0.01
        Strength of the penalty, for outcomes of variance one.
    propensity_model : {"auto", "linear"} or classifier, default="auto"
        Model of the treatment in the average effects, see `AIPW`.
    hidden : int, default=64
        Width of the trunk, of two layers.
    learning_rate, weight_decay : float, default=0.005 and 0.01
        See `TARNet`, as for the parameters up to `validation`.
    batch_size, max_epochs, patience : int, default=128, 300 and 20
        Steps of the training.
    validation : float in (0, 1), default=0.2
        Share of the rows that are kept aside.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_rep : int, default=1
        Repetitions of the cross-fitting.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1.
    device : str, default="cpu"
        Where to train, such as ``"cuda"``.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    progress : bool, default=False
        Whether to show how training proceeds.
    n_jobs : int, default=None
        Number of parallel fits; the results do not depend on it.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds, weights and batches.

    References
    ----------
    .. [1] U. Shalit, F. D. Johansson, D. Sontag, "Estimating individual treatment effect: generalization
       bounds and algorithms", ICML 2017, equation (3) and algorithm 1.
    .. [2] M. Cuturi, "Sinkhorn distances: lightspeed computation of optimal transport", NeurIPS 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import CFRNet
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(1000, 1))
    >>> t = (rng.random(1000) < 1 / (1 + np.exp(-w[:, 0] / 2))).astype(int)
    >>> y = t * w[:, 0] + 0.1 * rng.normal(size=1000)
    >>> net = CFRNet(cv=2, max_epochs=40, random_state=0).fit(w, y, treatment=t)
    >>> bool(np.abs(net.predict([[-1.0], [1.0]]) - [-1, 1]).max() < 0.2)
    True
    """

    _kind = "cfrnet"

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        distance: str = "mmd",
        balance: float = 0.01,
        propensity_model: Any = "auto",
        hidden: int = 64,
        learning_rate: float = 0.005,
        weight_decay: float = 0.01,
        batch_size: int = 128,
        max_epochs: int = 300,
        patience: int = 20,
        validation: float = 0.2,
        cv: Any = 5,
        n_rep: int = 1,
        min_propensity: float = 0.01,
        device: str = "cpu",
        dtype: str = "float32",
        progress: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            treatment,
            propensity_model=propensity_model,
            hidden=hidden,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
            validation=validation,
            cv=cv,
            n_rep=n_rep,
            min_propensity=min_propensity,
            device=device,
            dtype=dtype,
            progress=progress,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        self.distance = distance
        self.balance = balance

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.distance not in ("mmd", "wasserstein"):
            raise DataError(f"`distance` must be 'mmd' or 'wasserstein', got {self.distance!r}")
        if not self.balance >= 0:
            raise DataError(f"`balance` must be at least 0, got {self.balance!r}")

    def _regularisation(self) -> tuple[float, str]:
        return float(self.balance), self.distance


class DragonNet(TARNet):
    """Learn both mean outcomes and the propensity by one network, with targeted regularisation.

    The third head makes the trunk keep what tells the arms apart, which is what confounds. Its own propensity
    may serve the average effects, but where rows are few it goes too close to 0 and 1.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment, which must have two values.
    targeting : float, default=1.0
        Strength of targeted regularisation; 0 leaves it out.
    propensity_model : {"auto", "linear", "network"} or classifier, default="auto"
        Model of the treatment in the average effects, see `AIPW`; ``"network"`` is the third head.
    hidden : int, default=64
        Width of the trunk, of two layers.
    learning_rate, weight_decay : float, default=0.005 and 0.01
        See `TARNet`, as for the parameters up to `validation`.
    batch_size, max_epochs, patience : int, default=128, 300 and 20
        Steps of the training.
    validation : float in (0, 1), default=0.2
        Share of the rows that are kept aside.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_rep : int, default=1
        Repetitions of the cross-fitting.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1.
    device : str, default="cpu"
        Where to train, such as ``"cuda"``.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    progress : bool, default=False
        Whether to show how training proceeds.
    n_jobs : int, default=None
        Number of parallel fits; the results do not depend on it.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds, weights and batches.

    References
    ----------
    .. [1] C. Shi, D. M. Blei, V. Veitch, "Adapting neural networks for the estimation of treatment effects",
       NeurIPS 2019, equations (2.2) and (3.2).

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import DragonNet
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(1000, 1))
    >>> t = (rng.random(1000) < 1 / (1 + np.exp(-w[:, 0] / 2))).astype(int)
    >>> y = t * w[:, 0] + 0.1 * rng.normal(size=1000)
    >>> net = DragonNet(cv=2, max_epochs=40, random_state=0).fit(w, y, treatment=t)
    >>> bool(np.abs(net.predict([[-1.0], [1.0]]) - [-1, 1]).max() < 0.2)
    True
    """

    _kind = "dragonnet"

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        targeting: float = 1.0,
        propensity_model: Any = "auto",
        hidden: int = 64,
        learning_rate: float = 0.005,
        weight_decay: float = 0.01,
        batch_size: int = 128,
        max_epochs: int = 300,
        patience: int = 20,
        validation: float = 0.2,
        cv: Any = 5,
        n_rep: int = 1,
        min_propensity: float = 0.01,
        device: str = "cpu",
        dtype: str = "float32",
        progress: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            treatment,
            propensity_model=propensity_model,
            hidden=hidden,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
            validation=validation,
            cv=cv,
            n_rep=n_rep,
            min_propensity=min_propensity,
            device=device,
            dtype=dtype,
            progress=progress,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        self.targeting = targeting

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not self.targeting >= 0:
            raise DataError(f"`targeting` must be at least 0, got {self.targeting!r}")

    def _regularisation(self) -> tuple[float, str]:
        return float(self.targeting), "mmd"


def _by_head(found: Predicted) -> dict[str, Predicted]:
    names = ("outcome of controls", "outcome of treated", "propensity")
    return {
        name: Predicted(found.values[:, j], tuple(Head(model, j) for model in found.models))
        for j, name in enumerate(names)
    }
