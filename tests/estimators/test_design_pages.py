"""The pages of the user guide on designs print what they say."""

import doctest
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "user_guide"


@pytest.mark.parametrize(
    "page", ["learners", "panels", "estimate_instruments", "estimate_identified", "discontinuity"]
)
def test_the_page_prints_what_it_says(page):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testfile(str(GUIDE / f"{page}.rst"), module_relative=False, optionflags=flags)
    assert result.attempted > 5
    assert result.failed == 0
