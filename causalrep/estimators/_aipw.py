"""Augmented inverse-propensity weighting: the doubly robust estimator."""

from __future__ import annotations

from causalrep.estimators._adjusting import AdjustingEstimator

__all__ = ["AIPW"]


class AIPW(AdjustingEstimator):
    """Estimate average effects by augmented inverse-propensity weighting with cross-fitting.

    The estimate is right where either the outcome models or the propensity model are, and its interval is
    right where the product of their errors vanishes faster than the root of the rows. It assumes that the
    covariates block all back-door paths and that both arms occur at all their values (overlap).

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment; not needed where `fit` gets an array.
    reference : scalar, default=None
        The arm that the others are compared with; by default the first category of a categorical column, else
        the smallest value.
    outcome_model : {"auto", "linear"} or estimator, default="auto"
        Regressor of the outcome, fitted in each arm; ``"auto"`` is ridge regression on the covariates and,
        where there are 40 rows for each, their squares and their products. Where splines have smaller
        leave-one-out errors, and there are 200 rows, it is a blend of that with splines, boosted trees, a
        network and a kernel that learns which covariates matter, weighted by their errors out of fold. A
        classifier serves for an outcome of 0 and 1.
    propensity_model : {"auto", "linear"} or classifier, default="auto"
        Model of the treatment; ``"auto"`` is logistic regression on the same features, or such a blend. For a
        dose, a regressor.
    cv : int, splitter or iterable of (train, test), default=5
        Folds; an integer draws them with equal shares of the arms, and keeps clusters together.
    n_rep : int, default=1
        How often cross-fitting is repeated with other folds; the estimate is the median.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1, with a warning.
    treatment_type : {"auto", "binary", "categorical", "continuous"}, default="auto"
        Two values are two arms. More are arms if they are words or a categorical column, and with
        ``"categorical"``; with ``"auto"``, numbers of more values are a dose, with a warning.
    n_jobs : int, default=None
        Number of parallel fits; the results do not depend on it.
    random_state : int, Generator, RandomState or None, default=None
        Chance in the folds and in the models that have no seed of their own.

    Attributes
    ----------
    arms_ : array of shape (n_arms,)
        The values of the treatment, the reference first; not for a dose.
    contrasts_ : tuple of str
        Each other arm against the reference, in the order of all results.
    overlap_ : Overlap
        How comparable the arms are, where there are two.
    overlaps_ : dict of str to Overlap
        The same for each of `contrasts_`, where there are more.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : array of shape (n_features,), object
        Their names, where all are strings.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for a treatment that is missing, given twice or constant, for data that are not finite,
        for parameters out of range.

    Warns
    -----
    OverlapWarning
        Where rows are almost sure to be treated, or not to be.

    Notes
    -----
    Equation (1) of [1]_ for the average effect; the efficient scores of the other estimands are those of
    [2]_. For a dose the score is the partially linear one of [3]_.

    With several arms each is compared with the reference: ATE on all rows, ATT on the rows of the arm, ATC on
    those of the reference, ATO where all arms overlap. The probabilities are those of a multinomial model,
    made of one model of each arm against the reference, and results have one effect for each contrast, with
    their `covariance`. What learns effects given covariates does so for each contrast on the rows of its two
    arms, with the probability of the arm among them.

    References
    ----------
    .. [1] J. M. Robins, A. Rotnitzky, L. P. Zhao, "Estimation of regression coefficients when some regressors
       are not always observed", Journal of the American Statistical Association 89, 1994.
    .. [2] J. Hahn, "On the role of the propensity score in efficient semiparametric estimation of average
       treatment effects", Econometrica 66, 1998.
    .. [3] V. Chernozhukov et al., "Double/debiased machine learning for treatment and structural parameters",
       Econometrics Journal 21, 2018.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.estimators import AIPW
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=2000)
    >>> t = (rng.random(2000) < 1 / (1 + np.exp(-z / 2))).astype(int)
    >>> X = pd.DataFrame({"z": z, "t": t})
    >>> y = 2 * t + z + rng.normal(size=2000)
    >>> est = AIPW(treatment="t", random_state=0).fit(X, y)
    >>> low, high = est.ate().ci
    >>> bool(low < 2 < high)
    True
    """
