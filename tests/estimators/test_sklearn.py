"""The estimators keep scikit-learn's contract."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from causalrep.estimators import AIPW

INSTANCES = [AIPW(treatment=0, cv=2)]


# Most checks bring a first column of many values and a handful of rows; both are said aloud.
@pytest.mark.filterwarnings("ignore::causalrep.estimators.DoseWarning")
@pytest.mark.filterwarnings("ignore::causalrep.estimators.CrossFitWarning")
@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
@parametrize_with_checks(INSTANCES)
def test_estimator_passes_the_common_checks(estimator, check):
    check(estimator)
