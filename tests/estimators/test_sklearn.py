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
    XLearner,
)

KINDS = (AIPW, IPW, TMLE, GComputation, DoubleML, SLearner, TLearner, XLearner, RLearner, DRLearner)
QUICK = (AIPW, DoubleML)


# Most checks bring a first column of many values and a handful of rows; both are said aloud.
@pytest.mark.filterwarnings("ignore::causalrep.estimators.DoseWarning")
@pytest.mark.filterwarnings("ignore::causalrep.estimators.CrossFitWarning")
@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
@parametrize_with_checks([kind(treatment=0, cv=2) for kind in QUICK])
def test_estimator_passes_the_common_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::causalrep.estimators.DoseWarning")
@pytest.mark.filterwarnings("ignore::causalrep.estimators.CrossFitWarning")
@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
@parametrize_with_checks([kind(treatment=0) for kind in KINDS])
def test_every_estimator_passes_the_common_checks(estimator, check):
    check(estimator)
