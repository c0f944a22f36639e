"""Two-stage least squares, the estimators of the k-class, and two-step GMM, with one treatment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from causalrep.estimators._iv_tests import Partialled, moment_covariance
from causalrep.estimators._linear_iv import LinearIV
from causalrep.utils import DataError

__all__ = ["GMM", "LIML", "KClass", "TwoStageLeastSquares"]

Array = NDArray[np.float64]


class TwoStageLeastSquares(LinearIV):
    """Estimate a linear effect by two-stage least squares.

    It assumes that the instruments act on the outcome through the treatment alone, that the covariates block
    whatever they share with it, that they move the treatment, and that the effect is linear; where effects
    differ it is an average over those that the instruments move. The treatment is the only endogenous
    variable.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    instrument : str, int or list of them, default=None
        The same for the instruments; `fit` takes an array of shape (n_samples,) or (n_samples,
        n_instruments).
    covariance : {"HC1", "HC0", "HC2", "HC3", "nonrobust"}, default="HC1"
        Standard errors, robust to unequal variances or not. Clusters given to `fit` come first.

    Attributes
    ----------
    first_stage_f_ : float
        F statistic of the instruments in the first stage, with the covariance asked for.
    effective_f_ : float
        The effective F statistic [2]_, equal to the robust one if there is one instrument. Below 10 the
        interval of `ate` cannot be trusted, and its `warnings` say so; `anderson_rubin` can.
    arms_ : array of shape (2,)
        The values of the treatment, where there are two.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates, which serve as their own instruments.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for roles that are missing or given twice, for instruments that do not move the treatment.

    Notes
    -----
    Covariates are partialled out first (Frisch–Waugh–Lovell); `score` uses the residuals.

    References
    ----------
    .. [1] J. M. Wooldridge, "Econometric Analysis of Cross Section and Panel Data", 2nd ed., MIT Press, 2010,
       chapter 5.
    .. [2] J. Montiel Olea, C. Pflueger, "A robust test for weak instruments", Journal of Business & Economic
       Statistics 31, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import TwoStageLeastSquares
    >>> rng = np.random.default_rng(0)
    >>> hidden, z = rng.normal(size=(2, 1000))
    >>> dose = z + hidden
    >>> y = 2 * dose - 3 * hidden + rng.normal(size=1000)
    >>> X = np.column_stack([dose, z])
    >>> low, high = TwoStageLeastSquares(treatment=0, instrument=1).fit(X, y).ate().ci
    >>> bool(low < 2 < high)
    True
    """

    def _make_probe(self, data: Partialled, fitted: Array) -> Array:  # noqa: ARG002
        return fitted


class KClass(LinearIV):
    """Estimate a linear effect by an estimator of the k-class.

    Between least squares (``k=0``) and two-stage least squares (``k=1``) and beyond; it assumes what
    `TwoStageLeastSquares` does.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    instrument : str, int or list of them, default=None
        The same for the instruments; `fit` takes an array of shape (n_samples,) or (n_samples,
        n_instruments).
    k : float, default=1.0
        How much of what the instruments do not explain of the treatment is taken out of it.
    covariance : {"HC1", "HC0", "HC2", "HC3", "nonrobust"}, default="HC1"
        Standard errors, robust to unequal variances or not. Clusters given to `fit` come first.

    Attributes
    ----------
    k_ : float
        The k that was used.
    first_stage_f_, effective_f_ : float
        See `TwoStageLeastSquares`.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for roles that are missing or given twice, for instruments that do not move the treatment.

    References
    ----------
    .. [1] R. Davidson, J. G. MacKinnon, "Econometric Theory and Methods", Oxford University Press, 2004,
       section 12.5.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import KClass, TwoStageLeastSquares
    >>> rng = np.random.default_rng(0)
    >>> hidden, z = rng.normal(size=(2, 1000))
    >>> dose = z + hidden
    >>> y = 2 * dose - 3 * hidden + rng.normal(size=1000)
    >>> X = np.column_stack([dose, z])
    >>> first, second = (kind(0, 1).fit(X, y).ate().estimate for kind in (KClass, TwoStageLeastSquares))
    >>> bool(np.isclose(first, second))
    True
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        instrument: str | int | Sequence[str | int] | None = None,
        *,
        k: float = 1.0,
        covariance: str = "HC1",
    ) -> None:
        super().__init__(treatment, instrument, covariance=covariance)
        self.k = k

    def _choose_k(self, data: Partialled) -> float:  # noqa: ARG002
        if not np.isfinite(self.k):
            raise DataError(f"`k` must be a number, got {self.k}")
        return float(self.k)

    def _make_probe(self, data: Partialled, fitted: Array) -> Array:
        self.k_ = self._choose_k(data)
        return (1 - self.k_) * data.t + self.k_ * fitted

    def _bread(self) -> float:
        return float(np.sum(self._sample.weight * self._probe * self._t))


class LIML(KClass):
    """Estimate a linear effect by limited-information maximum likelihood, or Fuller's variant of it.

    With many or weak instruments its median is nearer to the truth than that of two-stage least squares; it
    has no mean, which Fuller's correction mends. It assumes what `TwoStageLeastSquares` does, and equal
    variances where instruments are many.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    instrument : str, int or list of them, default=None
        The same for the instruments; `fit` takes an array of shape (n_samples,) or (n_samples,
        n_instruments).
    fuller : float, default=0.0
        Fuller's constant: 1 makes the estimate nearly unbiased, 4 its mean squared error small, 0 leaves
        maximum likelihood.
    covariance : {"HC1", "HC0", "HC2", "HC3", "nonrobust"}, default="HC1"
        Standard errors, robust to unequal variances or not. Clusters given to `fit` come first.

    Attributes
    ----------
    k_ : float
        The k of the k-class, one or more with ``fuller=0``.
    first_stage_f_, effective_f_ : float
        See `TwoStageLeastSquares`.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for roles that are missing or given twice, for instruments that do not move the treatment.

    Notes
    -----
    With one instrument it is two-stage least squares.

    References
    ----------
    .. [1] T. W. Anderson, H. Rubin, "Estimation of the parameters of a single equation in a complete system
       of stochastic equations", Annals of Mathematical Statistics 20, 1949.
    .. [2] W. A. Fuller, "Some properties of a modification of the limited information estimator",
       Econometrica 45, 1977.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import LIML
    >>> rng = np.random.default_rng(0)
    >>> hidden, z = rng.normal(size=1000), rng.normal(size=(1000, 5))
    >>> dose = z[:, 0] + hidden
    >>> y = 2 * dose - 3 * hidden + rng.normal(size=1000)
    >>> low, high = LIML().fit(np.ones((1000, 1)), y, treatment=dose, instrument=z).ate().ci
    >>> bool(low < 2 < high)
    True
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        instrument: str | int | Sequence[str | int] | None = None,
        *,
        fuller: float = 0.0,
        covariance: str = "HC1",
    ) -> None:
        LinearIV.__init__(self, treatment, instrument, covariance=covariance)
        self.fuller = fuller

    def _choose_k(self, data: Partialled) -> float:
        if not self.fuller >= 0:
            raise DataError(f"`fuller` must be at least 0, got {self.fuller}")
        pair = np.column_stack([data.y, data.t])
        unexplained = pair - data.z @ (np.linalg.pinv(data.z) @ pair)
        if np.linalg.matrix_rank(unexplained) < 2:  # the outcome is a line in the treatment: any k finds it
            return 1.0
        ratio = linalg.eigh(pair.T @ pair, unexplained.T @ unexplained, eigvals_only=True)[0]
        return float(ratio) - self.fuller / data.dof


class GMM(LinearIV):
    """Estimate a linear effect by the generalised method of moments in two steps.

    With several instruments and unequal variances, or clusters, it weights the instruments as well as can
    be; with one it is two-stage least squares. It assumes what `TwoStageLeastSquares` does.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    instrument : str, int or list of them, default=None
        The same for the instruments; `fit` takes an array of shape (n_samples,) or (n_samples,
        n_instruments).
    covariance : {"HC1", "HC0", "HC2", "HC3", "nonrobust"}, default="HC1"
        Standard errors; the weights allow for unequal variances unless it is ``"nonrobust"``. Clusters given
        to `fit` come first, in the weights too.

    Attributes
    ----------
    first_stage_f_, effective_f_ : float
        See `TwoStageLeastSquares`.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for roles that are missing or given twice, for instruments that do not move the treatment.

    Notes
    -----
    `overidentification` is its J statistic.

    References
    ----------
    .. [1] L. P. Hansen, "Large sample properties of generalized method of moments estimators", Econometrica
       50, 1982.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import GMM
    >>> rng = np.random.default_rng(0)
    >>> hidden, z = rng.normal(size=1000), rng.normal(size=(1000, 2))
    >>> dose = z[:, 0] + hidden
    >>> y = 2 * dose - 3 * hidden + rng.normal(size=1000) * (1 + z[:, 1] ** 2)
    >>> low, high = GMM().fit(np.ones((1000, 1)), y, treatment=dose, instrument=z).ate().ci
    >>> bool(low < 2 < high)
    True
    """

    def _make_probe(self, data: Partialled, fitted: Array) -> Array:
        first = data.y - data.t * float(fitted @ data.y / (fitted @ data.t))
        weights = np.linalg.pinv(moment_covariance(data, first))
        return np.asarray(data.z @ (weights @ (data.z.T @ data.t)))
