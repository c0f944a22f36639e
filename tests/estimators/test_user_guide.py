"""The pages of the user guide print what they say."""

import doctest
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "user_guide"


@pytest.mark.parametrize("page", ["effects", "policies", "doses_and_time"])
def test_the_page_prints_what_it_says(page):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testfile(str(FOLDER / f"{page}.rst"), module_relative=False, optionflags=flags)
    assert result.attempted > 15
    assert result.failed == 0
