"""The estimators keep scikit-learn's contract."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from causalrep.estimators import (
    AIPW,
    IPW,
    TMLE,
    DoubleML,
    DRLearner,
    GComputation,
    RLearner,
    SLearner,
    TLearner,
    TwoStageLeastSquares,
    XLearner,
)

KINDS = (AIPW, IPW, TMLE, GComputation, DoubleML, SLearner, TLearner, XLearner, RLearner, DRLearner)
QUICK = (AIPW, DoubleML)

# The instrument of these data is independent of the treatment, or a combination of the covariates: no effect
# is identified, and the estimator says so.
UNIDENTIFIED = dict.fromkeys(
    (
        "check_sample_weights_pandas_series",
        "check_sample_weights_not_an_array",
        "check_sample_weight_equivalence_on_dense_data",
    ),
    "no instrument moves the treatment",
)


# Most checks bring a first column of many values and a handful of rows; both are said aloud.
@pytest.mark.filterwarnings("ignore::causalrep.estimators.DoseWarning")
@pytest.mark.filterwarnings("ignore::causalrep.estimators.CrossFitWarning")
@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
@parametrize_with_checks(
    [*(kind(treatment=0, cv=2) for kind in QUICK), TwoStageLeastSquares(0, 1)],
    expected_failed_checks=lambda estimator: (
        UNIDENTIFIED if isinstance(estimator, TwoStageLeastSquares) else {}
    ),
)
def test_estimator_passes_the_common_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::causalrep.estimators.DoseWarning")
@pytest.mark.filterwarnings("ignore::causalrep.estimators.CrossFitWarning")
@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
@parametrize_with_checks([kind(treatment=0) for kind in KINDS])
def test_every_estimator_passes_the_common_checks(estimator, check):
    check(estimator)
