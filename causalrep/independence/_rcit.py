"""The randomised conditional independence test: the kernel test on a few random features.

Idea
----
A Gaussian kernel is the mean over random frequencies of products of cosines. A handful of cosines of x and
of y, and a hundred of the conditioning variables, stand in for the kernels: what is left of the former
after regression on the latter is tested for covariance. The cost is linear in the number of rows.

What it cannot see
------------------
What the drawn frequencies happen to miss. Another seed gives another p-value; here the frequencies depend on
the seed and on the names of the variables alone, so that one seed gives one answer in any search.

References
----------
.. [1] E. V. Strobl, K. Zhang and S. Visweswaran, Approximate kernel-based conditional independence tests for
   fast non-parametric causal discovery, Journal of Causal Inference 7 (2019), arXiv:1702.03877.
.. [2] A. Rahimi and B. Recht, Random features for large-scale kernel machines, NIPS 2007.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from array_api_compat import device as device_of

from causalrep.independence._arrays import Array, namespace_of, to_numpy
from causalrep.independence._base import Flag
from causalrep.independence._continuous import Answer, ContinuousTest, Key, cauchy_combination
from causalrep.independence._gram import typical_distance
from causalrep.independence._ridge import RidgeResiduals, squared_norm
from causalrep.independence._weighted_chi_square import TAILS
from causalrep.utils import DataError, UnknownNameError, as_seed, keyed_generator

__all__ = ["RCIT"]

_PENALTY = 1e-8  # of the rows; features of one smooth variable are nearly collinear
_SMALLEST_SHARE = 1e-8


class RCIT(ContinuousTest):
    r"""Randomised conditional independence test, for any kind of dependence and many rows.

    Assumes independent rows. For fewer than about 2000 rows and up to three conditioning variables `KCI` is
    as quick, and its answer does not depend on a seed.

    Parameters
    ----------
    n_features : int, default=5
        Random features of each of the two variables.
    n_given_features : int, default=100
        Random features of the conditioning set, at most a third of the rows.
    joined : bool, default=True
        Whether the conditioning variables join the first variable, as in the kernel test (RCIT), or not
        (RCoT), which is somewhat less general and better calibrated for many conditioning variables.
    null : {"saddlepoint", "hbe", "gamma"}, default="saddlepoint"
        How the tail of the weighted sum of chi-squares is computed: by Lugannani and Rice's formula, or by
        matching three or two moments.
    n_repeats : int, default=1
        Draws of the features; their p-values are combined by Cauchy's method.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default=0
        Of the features, which depend on it and on the names of the columns alone.

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
    UnknownNameError
        If `null` is not one of the choices.

    Notes
    -----
    With residual features :math:`\phi_i, \psi_i` of row i, the statistic is
    :math:`n |\sum_i \phi_i \psi_i' / n|_F^2`, under independence a sum of chi-squares weighted by the
    eigenvalues of the covariance of :math:`\phi_i \otimes \psi_i`. These are multiplied by the factor that
    rows of one regression need (as in `KCI`). O(n n_given_features^2) for a conditioning set, O(n
    n_features^4) for a pair. ``dof`` is the effective number of equal weights.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.independence import RCIT
    >>> rng = np.random.default_rng(0)
    >>> z, a, b = rng.normal(size=(3, 2000))
    >>> X = np.column_stack([z**2 + 0.5 * a, np.cos(z) + 0.5 * b, z])
    >>> test = RCIT().fit(X)
    >>> test.test(0, 1).pvalue < 1e-6, test.test(0, 1, [2]).pvalue > 0.05
    (True, True)
    """

    def __init__(
        self,
        *,
        n_features: int = 5,
        n_given_features: int = 100,
        joined: bool = True,
        null: str = "saddlepoint",
        n_repeats: int = 1,
        random_state: Any = 0,
    ) -> None:
        counts = {"n_features": n_features, "n_given_features": n_given_features, "n_repeats": n_repeats}
        for what, value in counts.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise DataError(f"`{what}` must be a positive integer, got {value!r}")
        if null not in TAILS:
            raise UnknownNameError(null, tuple(TAILS), what="`null`")
        self.n_features, self.n_given_features, self.n_repeats = n_features, n_given_features, n_repeats
        self.joined, self.null, self.random_state = bool(joined), null, random_state

    def _prepare(self) -> None:
        self._seed = as_seed(self.random_state)
        self._widths = [typical_distance(column) for column in self._columns]

    def _given(self, given: Key, pairs: list[tuple[int, int]]) -> Iterator[Answer]:
        answers = [list(self._once(given, pairs, repeat)) for repeat in range(self.n_repeats)]
        for found in zip(*answers, strict=True):
            if found[0][3] != Flag.OK or self.n_repeats == 1:
                yield found[0]
            else:
                statistic, _, dof, flag = found[0]
                yield statistic, cauchy_combination([p for _, p, _, _ in found]), dof, flag

    def _once(self, given: Key, pairs: list[tuple[int, int]], repeat: int) -> Iterator[Answer]:
        residual = None
        if given:
            n_features = max(1, min(self.n_given_features, self.n_samples_ // 3))
            Z = self._features(given, n_features, "given", repeat)
            residual = RidgeResiduals(Z, _PENALTY * self.n_samples_)
        for x, y in pairs:
            first = (x, *given) if self.joined else (x,)
            A, B = (self._features(v, self.n_features, "ends", repeat) for v in (first, (y,)))
            if residual is None:
                yield self._answer(A, B, 1.0)
                continue
            left = [residual(G) for G in (A, B)]
            lost = [
                squared_norm(r) <= _SMALLEST_SHARE * squared_norm(G)
                for r, G in zip(left, (A, B), strict=True)
            ]
            if any(lost):
                yield math.nan, math.nan, math.nan, Flag.SINGULAR
            else:
                yield self._answer(left[0], left[1], residual.inflation)

    def _features(self, variables: Key, n_features: int, purpose: str, repeat: int) -> Array:
        """Return centred random cosines of some columns, each of variance one."""
        xp, where = namespace_of(self._anchor), device_of(self._anchor)
        names = [self._names[v] for v in variables]
        rng = keyed_generator(self._seed, "features", purpose, repeat, *names)
        frequencies = rng.normal(size=(len(variables), n_features)) / math.sqrt(len(variables))
        frequencies /= np.array([self._widths[v] for v in variables])[:, None]
        phases = rng.uniform(0.0, 2.0 * math.pi, n_features)
        U = xp.stack([self._columns[v] for v in variables], axis=1)
        F = xp.cos(xp.matmul(U, xp.asarray(frequencies, device=where)) + xp.asarray(phases, device=where))
        F = F - xp.mean(F, axis=0, keepdims=True)
        return F / xp.sqrt(xp.maximum(xp.mean(F * F, axis=0, keepdims=True), xp.full_like(F[:1, :], 1e-12)))

    def _answer(self, A: Array, B: Array, inflation: float) -> Answer:
        xp = namespace_of(A)
        n = self.n_samples_
        products = xp.reshape(A[:, :, None] * B[:, None, :], (n, -1))
        mean = xp.mean(products, axis=0)
        statistic = n * squared_norm(mean)
        products = products - mean[None, :]
        covariance = to_numpy(xp.matmul(xp.matrix_transpose(products), products)) / n
        weights = np.linalg.eigvalsh(covariance) * inflation
        weights = weights[weights > 1e-10 * weights[-1]]
        p = TAILS[self.null](statistic / weights[-1], weights / weights[-1])
        return statistic, p, float(weights.sum() ** 2 / (weights**2).sum()), Flag.OK
