"""The causal forest: effects given covariates, averaged over honest trees, with intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import sparse

from causalrep.estimators._adjusting import AdjustingEstimator
from causalrep.estimators._causal_forest_bags import LittleBags, effect_of
from causalrep.estimators._causal_forest_trees import Binning, Draw, GrowthOptions, Trees, grow
from causalrep.estimators._data import Sample, Treatment
from causalrep.estimators._result import EffectResult, limits
from causalrep.utils import DataError, keyed_generator

__all__ = ["CausalForest"]

Array = NDArray[np.float64]

_MAX_BINS = 64
_BLOCK = 4096  # rows that are predicted together


class CausalForest(AdjustingEstimator):
    """Estimate the effect given covariates by a forest of honest trees on cross-fitted residuals.

    For effects that change with covariates in unknown ways, and where each row's effect needs an interval.
    Outcome and treatment are residualised out of fold; trees split where the effect changes most, on one half
    of their rows, and estimate on the other (honesty); how often the trees put a row beside another is the
    weight that it has in the effect there. It assumes that the covariates block all back-door paths and that
    treatments vary at all their values. Where the effect changes a lot within a leaf, as at the edges of the
    data, the intervals are too narrow.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    reference : scalar, default=None
        The arm that the others are compared with, see `AIPW`.
    outcome_model, propensity_model : {"auto", "linear"} or estimator, default="auto"
        Nuisance models, see `AIPW`.
    n_estimators : int, default=500
        Number of trees, rounded up to whole groups.
    min_samples_leaf : int, default=2
        Rows of each arm (of a dose: on either side of its mean) that a leaf keeps in both of its halves.
    max_depth : int, default=None
        Longest path; no limit by default.
    max_features : int, default=None
        Covariates that a split chooses from, drawn anew for each; by default the root of their number and 20
        more, or all.
    max_samples : float in (0, 0.5], default=0.45
        Share of the rows, or of the clusters, that a tree is grown on.
    group_size : int, default=4
        Trees that share one half of the rows: a little bag, between which intervals see how estimates vary.
    cv : int, splitter or iterable of (train, test), default=5
        Folds of the residuals.
    n_rep : int, default=1
        Repetitions of the cross-fitting; the forest takes the mean of the residuals.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        See `AIPW`. For a dose, effects are those of one unit more.
    n_jobs : int, default=None
        Number of parallel fits; the results do not depend on it.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds, models and trees.

    Attributes
    ----------
    feature_importances_ : array of shape (n_covariates,)
        Shares of the covariates in the differences of effects that splits made.
    arms_ : array of shape (2,)
        The values of the treatment, control first; only where there are two.
    overlap_ : Overlap
        How comparable the arms are.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : array of shape (n_features,), object
        Their names, where all are strings.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for parameters out of range, and as in `AIPW`.

    Warns
    -----
    OverlapWarning
        Where rows are almost sure to be treated, or not to be.

    Notes
    -----
    Trees and local moment, with an intercept, are those of [1]_, sections 2 and 6; each split maximises
    ``n_l n_r / n**2 * (tau_l - tau_r)**2`` by gradients. Standard errors are those of its section 4, the
    bootstrap of little bags, kept positive by the mean of the normal law cut at zero. Average effects are
    doubly robust, with the effect at a row from the trees that did not draw it. Splits are those between
    64 quantiles of each covariate; growing costs O(n_estimators * n_samples * n_covariates * depth).

    References
    ----------
    .. [1] S. Athey, J. Tibshirani, S. Wager, "Generalized random forests", Annals of Statistics 47, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import CausalForest
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(2000, 3))
    >>> t = rng.integers(0, 2, 2000)
    >>> y = t * (1 + (w[:, 0] > 0)) + w[:, 1] + 0.5 * rng.normal(size=2000)
    >>> forest = CausalForest(n_estimators=100, random_state=0).fit(w, y, treatment=t)
    >>> forest.predict([[-1.0, 0, 0], [1.0, 0, 0]]).round()
    array([1., 2.])
    >>> int(forest.feature_importances_.argmax())
    0
    """

    _effect_out_of_bag: Array | None = None

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        reference: Any = None,
        outcome_model: Any = "auto",
        propensity_model: Any = "auto",
        n_estimators: int = 500,
        min_samples_leaf: int = 2,
        max_depth: int | None = None,
        max_features: int | None = None,
        max_samples: float = 0.45,
        group_size: int = 4,
        cv: Any = 5,
        n_rep: int = 1,
        min_propensity: float = 0.01,
        treatment_type: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            treatment,
            reference=reference,
            outcome_model=outcome_model,
            propensity_model=propensity_model,
            cv=cv,
            n_rep=n_rep,
            min_propensity=min_propensity,
            treatment_type=treatment_type,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        self.n_estimators = n_estimators
        self.min_samples_leaf = min_samples_leaf
        self.max_depth = max_depth
        self.max_features = max_features
        self.max_samples = max_samples
        self.group_size = group_size

    # --- fit ---------------------------------------------------------------------------------------

    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:
        self._check_parameters()
        super()._fit(sample, treatment, roles)
        W = _with_columns(sample.W)
        self._binning = Binning(W, _MAX_BINS)
        codes = self._binning.codes(W)
        options = GrowthOptions(
            self.min_samples_leaf, self._longest_path(len(W)), self._choices(codes.shape[1])
        )
        self._residuals = self._residual_pair(sample)
        n_groups = -(-self.n_estimators // self.group_size)
        grown = Parallel(n_jobs=self.n_jobs)(
            delayed(_grow_group)(
                codes,
                max(2, self._binning.n_bins),
                self._residuals,
                sample.t,
                sample.weight,
                self._draw(group),
                options,
                keyed_generator(self._seed, "splits", group),
            )
            for group in range(n_groups)
        )
        self._groups: list[Trees] = [trees for trees, _, _ in grown]
        count = np.sum([part for _, _, part in grown], axis=0)
        if (count == 0).any():
            raise DataError(
                f"`n_estimators` of {self.n_estimators} is too small: {int((count == 0).sum())} row(s) were "
                "drawn for every tree, and none is left to predict them"
            )
        total = np.sum([part for _, part, _ in grown], axis=0)
        self._effect_out_of_bag = effect_of(total / count[:, None])[0]
        self.feature_importances_ = self._importances(sample.W.shape[1])

    def _check_parameters(self) -> None:
        for name, least in (("min_samples_leaf", 1), ("group_size", 2), ("n_estimators", 1)):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < least:
                raise DataError(f"`{name}` must be an integer of at least {least}, got {value!r}")
        if self.n_estimators < 2 * self.group_size:
            raise DataError(
                f"`n_estimators` must make two groups of {self.group_size} trees, got {self.n_estimators}"
            )
        if not 0 < self.max_samples <= 0.5:
            raise DataError(f"`max_samples` must be in (0, 0.5], got {self.max_samples!r}")
        for name in ("max_depth", "max_features"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
                raise DataError(f"`{name}` must be None or an integer of at least 1, got {value!r}")

    def _longest_path(self, n: int) -> int:
        return n if self.max_depth is None else int(self.max_depth)

    def _choices(self, n_features: int) -> int:
        most = int(np.ceil(np.sqrt(n_features))) + 20 if self.max_features is None else int(self.max_features)
        return min(most, n_features)

    def _residual_pair(self, sample: Sample) -> tuple[Array, Array]:
        """Return residual treatment and outcome, by the means of the repetitions."""
        if not self._is_binary:
            ell = np.mean([rep["outcome"].values for rep in self._repetitions], axis=0)
            m = np.mean([rep["dose"].values for rep in self._repetitions], axis=0)
        else:
            m = np.mean(self._propensities, axis=0)
            ell = np.mean([self._marginal(rep) for rep in range(len(self._repetitions))], axis=0)
        return sample.t - m, sample.y - ell

    def _marginal(self, rep: int) -> Array:
        """Return the mean outcome given covariates alone."""
        mu0, mu1 = super()._outcomes(rep)
        return mu0 + self._propensities[rep] * (mu1 - mu0)

    def _draw(self, group: int) -> Draw:
        """Return the rows of a group's trees: each draws from the group's half of the units."""
        cluster, n = self._sample.cluster, len(self._sample.y)
        n_units = n if cluster is None else int(cluster.max()) + 1
        generator = keyed_generator(self._seed, "rows", group)
        half = generator.permutation(n_units)[: max(4, n_units // 2)]
        size = min(len(half), max(4, int(self.max_samples * n_units)))
        parts = []
        for tree in range(self.group_size):
            part = np.zeros(n_units, dtype=np.int8)
            units = generator.permutation(half)[:size]
            part[units[: size // 2]], part[units[size // 2 :]] = 1, 2
            part = part if cluster is None else part[cluster]
            rows = np.flatnonzero(part)
            parts.append((np.full(len(rows), tree), rows, part[rows] == 2))
        trees, rows, honest = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Draw(trees, rows, honest, self.group_size)

    def _importances(self, n_covariates: int) -> Array:
        gain = np.zeros(max(1, n_covariates))
        for trees in self._groups:
            gain += np.bincount(trees.feature, trees.gain, len(gain))
        return np.asarray(gain[:n_covariates] / max(gain.sum(), np.finfo(float).tiny))

    # --- what the base class reads -----------------------------------------------------------------

    def _outcomes(self, rep: int) -> tuple[Array, Array]:
        """Return the mean outcomes that the forest's effect implies; of several arms, those of the models."""
        if self._effect_out_of_bag is None:
            return super()._outcomes(rep)
        ell, e = self._marginal(rep), self._propensities[rep]
        return ell - e * self._effect_out_of_bag, ell + (1 - e) * self._effect_out_of_bag

    def _predict(self, W: Array) -> Array:
        return np.concatenate([effect_of(bags.moments)[0] for _, bags in self._bags(W)])

    def interval(self, X: Any, *, alpha: float = 0.05, simultaneous: bool = False) -> EffectResult:
        """Return the effect at each row, with a pointwise interval by the bootstrap of little bags.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`.
        alpha : float in (0, 1), default=0.05
            One less the level of each interval.
        simultaneous : bool, default=False
            Whether all intervals shall hold together at this level: a band, by Gaussian multipliers.

        Returns
        -------
        EffectResult
            With one effect for each row of X. The influence, of shape (n_samples, n_rows), is that of the
            locally weighted rows given the forest; the standard errors also know how the forest itself would
            vary.
        """
        if self._contrasts:
            return super().interval(X, alpha=alpha, simultaneous=simultaneous)
        W = self._covariates(X)
        if not 0 < alpha < 1:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
        effects, errors, influences = [], [], []
        for rows, bags in self._bags(W):
            effects.append(effect_of(bags.moments)[0])
            errors.append(bags.standard_error())
            influences.append(self._influence(W[rows], bags.moments))
        estimate, se = np.concatenate(effects), np.concatenate(errors)
        found = EffectResult(
            estimate,
            se,
            limits(estimate, se, alpha),
            np.concatenate(influences, axis=1),
            len(self._sample.y),
            f"{type(self).__name__}, effect at each row",
            self._messages(),
        )
        return self._banded(found, alpha, simultaneous)

    def _bags(self, W: Array) -> Iterator[tuple[slice, LittleBags]]:
        """Yield what the forest says at blocks of rows."""
        codes = self._binning.codes(_with_columns(W))
        for start in range(0, len(W), _BLOCK):
            rows = slice(start, start + _BLOCK)
            yield rows, LittleBags.at(self._groups, codes[rows])

    def _influence(self, W: Array, moments: Array) -> Array:
        """Return n times each row's weight in the forest times its gradient of the effect there."""
        sample, (t, y) = self._sample, self._residuals
        codes = self._binning.codes(_with_columns(sample.W))
        there = self._binning.codes(_with_columns(W))
        weight = np.zeros((len(t), len(W)))
        for group, trees in enumerate(self._groups):
            draw = self._draw(group)
            row, tree = draw.row[draw.honest], draw.tree[draw.honest]
            leaf = trees.leaves(codes)[row, tree]
            share = sample.weight[row] / np.bincount(leaf, sample.weight[row], len(trees.left))[leaf]
            shape = (len(t), len(trees.left))
            members = sparse.csr_array((share, (row, leaf)), shape=shape)
            found = trees.leaves(there)
            asked = np.arange(len(W)).repeat(found.shape[1])
            visits = sparse.csr_array((np.ones(found.size), (asked, found.ravel())), shape=(len(W), shape[1]))
            weight += (members @ visits.T).toarray()
        weight *= len(t) / (len(self._groups) * self.group_size)
        effect, intercept = effect_of(moments)
        mean_t, spread = moments[:, 0], moments[:, 2] - moments[:, 0] ** 2
        gradient = (t[:, None] - mean_t) * (y[:, None] - intercept - np.multiply.outer(t, effect))
        return np.asarray(weight * gradient / spread)


def _grow_group(
    codes: NDArray[np.uint8],
    n_bins: int,
    residuals: tuple[Array, Array],
    level: Array,
    weight: Array,
    draw: Draw,
    options: GrowthOptions,
    generator: np.random.Generator,
) -> tuple[Trees, Array, Array]:
    """Return the trees of one group, and over those that did not draw a row the sum of moments and number."""
    trees = grow(codes, n_bins, *residuals, level, weight, draw, options, generator)
    out = np.ones((len(codes), draw.n_trees))
    out[draw.row, draw.tree] = 0
    moments = trees.moments[trees.leaves(codes)]
    return trees, np.einsum("ij,ijk->ik", out, moments), out.sum(axis=1)


def _with_columns(W: Array) -> Array:
    """Return the covariates, or a column of ones where there are none."""
    return W if W.shape[1] else np.ones((len(W), 1))
