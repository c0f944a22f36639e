"""Searches keep scikit-learn's contract for estimators."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from causalrep.discovery import CDNOD, PC, PCMCIPlus


@pytest.mark.filterwarnings("ignore::causalrep.independence.CITestWarning")  # some checks bring few values
@parametrize_with_checks(
    [PC(), PC(alpha=0.2, max_cond=1, collider_rule="standard"), PC("polynomial"), PCMCIPlus(), CDNOD()]
)
def test_estimator_passes_the_common_checks(estimator, check):
    check(estimator)
