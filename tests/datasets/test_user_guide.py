import doctest
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "user_guide" / "worlds.rst"


@pytest.mark.skipif(not PAGE.exists(), reason="needs the documentation's source")
def test_what_the_user_guide_shows_is_what_happens():
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, optionflags=flags)
    assert tried > 10
    assert failed == 0
