"""The pages of the user guide print what they say."""

import doctest
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "user_guide"


@pytest.mark.parametrize("page", ["scm.rst", "scm_equations.rst", "learn_scm.rst", "queries.rst"])
def test_the_page_prints_what_it_says(page):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testfile(str(PAGES / page), module_relative=False, optionflags=flags)
    assert result.attempted > 15
    assert result.failed == 0
