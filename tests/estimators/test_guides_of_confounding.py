"""The pages on weighting and on sensitivity print what they say."""

import doctest
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "user_guide"


@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
@pytest.mark.parametrize("page", ["weighting.rst", "sensitivity.rst"])
def test_the_page_prints_what_it_says(page):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testfile(str(GUIDE / page), module_relative=False, optionflags=flags)
    assert result.attempted > 20
    assert result.failed == 0
