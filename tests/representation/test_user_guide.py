import doctest
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "user_guide"


@pytest.mark.skipif(not GUIDE.exists(), reason="needs the documentation's source")
@pytest.mark.parametrize(("page", "least"), [("image_models.rst", 12), ("counterfactual_images.rst", 8)])
def test_what_the_user_guide_shows_is_what_happens(page: str, least: int) -> None:
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    failed, tried = doctest.testfile(str(GUIDE / page), module_relative=False, optionflags=flags)
    assert tried >= least
    assert failed == 0
