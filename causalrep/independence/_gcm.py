"""The generalised covariance measure: whether the errors of two regressions on S are uncorrelated.

Idea
----
Regress x on S and y on S, by any method. If x and y are independent given S and both regressions are good,
the products of their residuals have mean zero, and the normalised mean is close to standard normal. The
test is as good as the regressions: their errors only have to vanish as a product.

What it cannot see
------------------
Dependence whose covariance given S averages to zero, such as ``Y = S X``. The weighted form also looks at
subsets of the rows, above and below quantiles of each conditioning variable.

References
----------
.. [1] R. D. Shah and J. Peters, The hardness of conditional independence testing and the generalised
   covariance measure, Annals of Statistics 48 (2020), 1514-1538.
.. [2] C. Scheidegger, J. Hoerrmann and P. Buehlmann, The weighted generalised covariance measure, Journal of
   Machine Learning Research 23 (2022), section 3.1 (fixed weight functions).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.special
from array_api_compat import device as device_of
from numpy.typing import NDArray

from causalrep.independence._arrays import Array, index_array, namespace_of, refuse_accelerator, to_numpy
from causalrep.independence._base import Flag
from causalrep.independence._continuous import Answer, ContinuousTest, Key
from causalrep.independence._gram import centred, gaussian_factor, typical_distance
from causalrep.independence._ridge import loo_residuals, principal_axes, squared_norm
from causalrep.utils import DataError, as_seed, keyed_seed

__all__ = ["GCM"]

_SMALLEST_VARIANCE = 1e-10
_PENALTIES = tuple(10.0**e for e in np.arange(-6.0, 4.5, 0.5))
_MAX_RANK = 512


class GCM(ContinuousTest):
    r"""Generalised covariance measure: correlation of the residuals of two regressions.

    Assumes independent rows and regressions good enough that the product of their errors vanishes faster
    than one over the square root of the number of rows.

    Parameters
    ----------
    regressor : scikit-learn regressor, default=None
        What predicts each variable from the conditioning variables; cloned for every regression. By
        default kernel ridge regression, the ridge chosen by the exact error at rows left out.
    cv : int, default=None
        If given, residuals are of rows that the regression has not seen, in that many folds of
        consecutive rows. Regressors that fit their own training rows closely, as forests do, need it.
    n_weights : int, default=0
        If positive, the covariance is also looked at above and below that many quantiles of each
        conditioning variable.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default=0
        Seeds the regressors that have a ``random_state``, each by the names of its columns.

    Attributes
    ----------
    names_ : tuple of hashable
        Column names of a frame; 0, 1, 2, ... for an array.
    n_samples_ : int
        Number of rows.

    Raises
    ------
    DataError
        For parameters out of range. In `fit`: for missing, infinite or complex values, constant columns,
        text, fewer than six rows.
    TypeError
        If `regressor` cannot be cloned, or has no ``fit`` and ``predict``.
    DeviceError
        In `fit`: for data on an accelerator with a `regressor`, since those of scikit-learn compute in main
        memory. The default regression computes where the data are.

    Notes
    -----
    With products :math:`R_i` of residuals, the statistic is
    :math:`\sqrt n \bar R / \operatorname{sd}(R)`, standard normal under independence (``dof`` is infinite);
    with weights :math:`w_k(S) \in \{-1, 1\}` it is :math:`s' V^{-1} s` for :math:`s_k = \sum_i w_k R_i` and
    :math:`V = \sum_i R_i^2 w w'`, chi-square with as many degrees of freedom as there are weights (one of
    them constant). Regressions are shared by all questions with the same conditioning set.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.independence import GCM
    >>> rng = np.random.default_rng(0)
    >>> z, a, b = rng.normal(size=(3, 500))
    >>> X = np.column_stack([z**2 + a, np.sin(2 * z) + z**2 + b, z])
    >>> test = GCM().fit(X)
    >>> test.test(0, 1).pvalue < 1e-3, test.test(0, 1, [2]).pvalue > 0.05
    (True, True)
    """

    def __init__(
        self,
        regressor: Any = None,
        *,
        cv: int | None = None,
        n_weights: int = 0,
        random_state: Any = 0,
    ) -> None:
        if regressor is not None and not (hasattr(regressor, "fit") and hasattr(regressor, "predict")):
            raise TypeError(f"`regressor` must have `fit` and `predict`, got {regressor!r}")
        if cv is not None and (isinstance(cv, bool) or not isinstance(cv, int) or cv < 2):
            raise DataError(f"`cv` must be an integer of at least 2 or None, got {cv!r}")
        if isinstance(n_weights, bool) or not isinstance(n_weights, int) or n_weights < 0:
            raise DataError(f"`n_weights` must be a non-negative integer, got {n_weights!r}")
        if cv is not None and regressor is None:
            raise DataError("`cv` needs a `regressor`: the default one leaves rows out by itself")
        self.regressor, self.cv, self.n_weights, self.random_state = regressor, cv, n_weights, random_state

    def _prepare(self) -> None:
        if self.regressor is not None:
            refuse_accelerator(self._anchor, "GCM with a `regressor`", "scikit-learn regressors do")
        self._seed = as_seed(self.random_state)
        self._widths = [typical_distance(column) for column in self._columns]
        if self.cv is not None and self.cv > self.n_samples_:
            raise DataError(f"`cv` must not exceed the number of rows, {self.n_samples_}, got {self.cv}")

    def _given(self, given: Key, pairs: list[tuple[int, int]]) -> Iterator[Answer]:
        variables = sorted({v for pair in pairs for v in pair})
        residuals = dict(zip(variables, self._residuals(variables, given), strict=True))
        size = {v: squared_norm(left) / self.n_samples_ for v, left in residuals.items()}
        weights = self._weights(given)
        for x, y in pairs:
            if min(size[x], size[y]) < _SMALLEST_VARIANCE:
                yield math.nan, math.nan, math.nan, Flag.SINGULAR
            else:
                yield _answer(residuals[x] * residuals[y], weights)

    def _residuals(self, variables: list[int], given: Key) -> list[Array]:
        if not given:
            return [self._columns[v] for v in variables]
        if self.regressor is None:
            return self._kernel_residuals(variables, given)
        xp, where = namespace_of(self._anchor), device_of(self._anchor)
        Z = np.column_stack([to_numpy(self._columns[v]) for v in given])
        return [xp.asarray(self._regressor_residuals(Z, v, given), device=where) for v in variables]

    def _kernel_residuals(self, variables: list[int], given: Key) -> list[Array]:
        xp, where = namespace_of(self._anchor), device_of(self._anchor)
        spread = math.sqrt(len(given))
        U = xp.stack([self._columns[v] / (self._widths[v] * spread) for v in given], axis=1)
        # A straight line costs a Gaussian kernel much of its budget, and is what there is most often.
        G = xp.concat([centred(gaussian_factor(U, _MAX_RANK)[0]), U], axis=1)
        basis, values = principal_axes(G)
        penalties = xp.asarray(np.array(_PENALTIES), device=where)
        return [loo_residuals(self._columns[v], basis, values, penalties) for v in variables]

    def _regressor_residuals(self, Z: NDArray[Any], v: int, given: Key) -> NDArray[np.float64]:
        from sklearn.base import clone
        from sklearn.model_selection import KFold

        y = to_numpy(self._columns[v])
        model = clone(self.regressor)
        if "random_state" in model.get_params(deep=False):
            names = [self._names[k] for k in (v, *given)]
            model.set_params(random_state=keyed_seed(self._seed, "regressor", *names) % 2**32)
        if self.cv is None:
            return y - np.asarray(model.fit(Z, y).predict(Z), dtype=np.float64).reshape(-1)
        left = np.empty_like(y)
        for train, test in KFold(self.cv).split(Z):
            predicted = clone(model).fit(Z[train], y[train]).predict(Z[test])
            left[test] = y[test] - np.asarray(predicted, dtype=np.float64).reshape(-1)
        return left

    def _weights(self, given: Key) -> Array:
        """Return the weight functions of the rows, shape (n, number of functions), the first constant."""
        xp = namespace_of(self._anchor)
        columns = [xp.ones_like(self._columns[0])]
        for v in given if self.n_weights else ():
            cuts = xp.unique_values(_quantiles(self._columns[v], self.n_weights))
            for k in range(cuts.shape[0]):
                columns.append(xp.where(self._columns[v] > cuts[k], columns[0], -columns[0]))
        return xp.stack(columns, axis=1)


def _quantiles(column: Array, count: int) -> Array:
    """Return the values at which `count` equal steps cut the sorted column, interpolated linearly."""
    xp = namespace_of(column)
    places = np.arange(1, count + 1) / (count + 1) * (column.shape[0] - 1)
    below = places.astype(np.int64)
    ordered = xp.sort(column)
    low, high = (xp.take(ordered, index_array(below + step, column), axis=0) for step in (0, 1))
    return low + (high - low) * xp.asarray(places - below, device=device_of(column))


def _answer(products: Array, weights: Array) -> Answer:
    xp, n = namespace_of(products), products.shape[0]
    if weights.shape[1] == 1:
        mean = float(xp.mean(products))
        deviation = math.sqrt(squared_norm(products - mean) / n)
        if deviation <= _SMALLEST_VARIANCE:
            return math.nan, math.nan, math.nan, Flag.SINGULAR
        z = math.sqrt(n) * mean / deviation
        return z, float(scipy.special.erfc(abs(z) / math.sqrt(2.0))), math.inf, Flag.OK
    weighted = weights * products[:, None]
    total = xp.sum(weighted, axis=0)
    values, vectors = xp.linalg.eigh(xp.matmul(xp.matrix_transpose(weighted), weighted))
    kept = values > _SMALLEST_VARIANCE * values[-1]  # two quantiles may cut the rows alike
    along = xp.matmul(total, vectors) ** 2 / xp.where(kept, values, xp.ones_like(values))
    statistic, dof = float(xp.sum(xp.where(kept, along, xp.zeros_like(along)))), int(xp.count_nonzero(kept))
    return statistic, float(scipy.special.chdtrc(dof, statistic)), float(dof), Flag.OK
