"""The pages of the user guide print what they say."""

import doctest
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "user_guide"


@pytest.mark.parametrize("page", ["discovery", "scores"])
def test_the_page_prints_what_it_says(page):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testfile(str(PAGES / f"{page}.rst"), module_relative=False, optionflags=flags)
    assert result.attempted > 20
    assert result.failed == 0
