"""PC keeps scikit-learn's contract for estimators."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from causalrep.discovery import GES, PC


@pytest.mark.filterwarnings("ignore::causalrep.independence.CITestWarning")  # some checks bring few values
@parametrize_with_checks([GES(), PC(), PC(alpha=0.2, max_cond=1, collider_rule="standard"), PC("polynomial")])
def test_estimator_passes_the_common_checks(estimator, check):
    check(estimator)
