"""Choose a mechanism for each node: by likelihood out of fold, the simpler class where it is as good.

Candidates come in order of complexity. The best mean score wins; then the first candidate within one
standard error of it (of the paired differences) is taken (Breiman et al. 1984, section 3.4.3). Among additive
ones within that band, the first whose residuals show no scale that depends on the parents is preferred: an
additive noise that depends on the causes is no noise of its own.

References
----------
L. Breiman, J. H. Friedman, R. A. Olshen, C. J. Stone, *Classification and Regression Trees*, 1984.
R. Koenker, "A note on studentizing a test for heteroscedasticity", Journal of Econometrics 17, 1981,
doi:10.1016/0304-4076(81)90062-2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from causalrep.scm._candidates import boosting, kind_of, pool
from causalrep.scm._learner import CrossFit, Folds, Learner, Rows
from causalrep.scm._learners import Heteroscedastic
from causalrep.scm._mechanism import Mechanism
from causalrep.utils import keyed_generator, keyed_seed

__all__ = ["Choice", "choose", "make_folds", "residual_independence"]

Floats = NDArray[np.float64]

_DEPENDENT = 1e-3


@dataclass(frozen=True)
class Choice:
    """What was chosen for a node, and the line of each candidate in the table."""

    mechanism: Mechanism
    lines: tuple[dict[str, Any], ...]


def make_folds(rows: Rows, cv: int, seed: int) -> list[NDArray[np.intp]]:
    """Return random folds, stratified for a node with few values."""
    order = keyed_generator(seed, "folds").permutation(len(rows))
    if kind_of(rows.value) == "categorical":
        _, codes = np.unique(rows.value[order], return_inverse=True)
        order = order[np.argsort(codes, kind="stable")]
        return [np.sort(order[k::cv]) for k in range(cv)]
    return [np.sort(part) for part in np.array_split(order, cv)]


def choose(rows: Rows, learners: Sequence[Learner] | None, cv: int, seed: int) -> Choice:
    """Return the choice among given learners, or (None) among those that suit the node."""
    folds = make_folds(rows, cv, seed)
    own = keyed_seed(seed, "fit", rows.node)
    if learners is None:
        fits = _automatic(rows, folds, own)
    else:
        fits = [learner.cross_fit(rows, folds, own) for learner in learners]
    means = [float(fit.scores.mean()) for fit in fits]
    best = fits[int(np.argmax(means))]
    errors = [_standard_error(best.scores - fit.scores) for fit in fits]
    band = [i for i, error in enumerate(errors) if fits[i] is best or best.scores.mean() - means[i] <= error]
    independence = [residual_independence(rows, fit) for fit in fits]
    clean = [i for i in band if not independence[i] < _DEPENDENT]
    chosen = (clean or band)[0]
    lines = [
        {
            "node": rows.node,
            "mechanism": fit.learner,
            "log_likelihood": means[i],
            "behind_best": float(best.scores.mean()) - means[i],
            "standard_error": errors[i],
            "independence": independence[i],
            "chosen": i == chosen,
        }
        for i, fit in enumerate(fits)
    ]
    return Choice(fits[chosen].finish(), tuple(lines))


def _automatic(rows: Rows, folds: Folds, seed: int) -> list[CrossFit]:
    """Return the fits of the default candidates; costly ones only where something is left to explain."""
    kind = kind_of(rows.value)
    fits = [learner.cross_fit(rows, folds, seed) for learner in pool(kind, rows)]
    if kind != "continuous" or not rows.parents:
        return fits
    spline = fits[-1]
    if spline.residuals is None:
        return fits
    if residual_independence(rows, spline) < _DEPENDENT:
        fits.append(Heteroscedastic().cross_fit(rows, folds, seed))
    if _trees_find_something(rows.matrix, spline.residuals, folds[0], seed):
        fits.append(boosting("continuous").cross_fit(rows, folds, seed))
    return fits


def _trees_find_something(X: Floats, residuals: Floats, held: NDArray[np.intp], seed: int) -> bool:
    """Say whether a few small trees predict residuals that they have not seen."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    kept = np.ones(len(X), dtype=bool)
    kept[held] = False
    trees = HistGradientBoostingRegressor(
        max_iter=25, max_leaf_nodes=8, early_stopping=False, random_state=seed % 2**32
    ).fit(X[kept], residuals[kept])
    gain = residuals[held] ** 2 - (residuals[held] - trees.predict(X[held])) ** 2
    return bool(gain.mean() > _standard_error(gain))


def _standard_error(differences: Floats) -> float:
    finite = np.clip(differences, -1e6, 1e6)
    return float(finite.std() / math.sqrt(len(finite)))


def residual_independence(rows: Rows, fit: CrossFit) -> float:
    """Return the p-value of "the size of residuals does not depend on the parents", NaN if there are none.

    Koenker's version of the Breusch-Pagan test on the parents and their squares, with the absolute
    residuals' ranks in the place of squares, so that heavy tails do no harm.
    """
    if fit.residuals is None or not rows.parents:
        return math.nan
    X = rows.matrix
    spread = X.std(axis=0)
    Z = (X - X.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    Z = np.clip(Z, -4, 4)
    terms = np.concatenate([Z, Z * Z], axis=1)
    terms = terms - terms.mean(axis=0)
    size = stats.rankdata(np.abs(fit.residuals)) / len(X)
    size = size - size.mean()
    solution, _, rank, _ = np.linalg.lstsq(terms, size, rcond=1e-8)
    explained = float(np.sum((terms @ solution) ** 2) / np.sum(size**2))
    return float(stats.chi2.sf(len(X) * explained, rank)) if rank else math.nan
