from xml.etree import ElementTree as ET

import pytest

from causalrep.plotting import to_svg

matplotlib = pytest.importorskip("matplotlib")


def draw(ax):
    ax.plot([0, 1], [0, 2], color="#aa0000")
    ax.set_title("so & so")


def test_the_drawing_is_one_element_that_scales():
    root = ET.fromstring(to_svg(draw, size=(6, 3), title='a "line"'))
    assert root.tag.endswith("svg")
    assert root.get("viewBox") == "0 0 432 216"
    assert root.get("width") is None
    assert root.get("aria-label") == 'a "line"'


def test_text_and_axes_take_the_colour_of_the_page_but_data_keep_theirs():
    svg = to_svg(draw)
    assert "currentColor" in svg
    assert "#aa0000" in svg
    assert "#010203" not in svg
    assert "#ffffff" not in svg  # no white patch behind it


def test_the_same_drawing_gives_the_same_text():
    assert to_svg(draw, title="x") == to_svg(draw, title="x")


def test_global_settings_are_left_alone():
    before = dict(matplotlib.rcParams)
    to_svg(draw)
    assert dict(matplotlib.rcParams) == before
