from xml.etree import ElementTree as ET

import pytest

from causalrep.plotting import to_png, to_svg

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


def test_a_png_has_the_size_asked_for():
    picture = to_png(draw, size=(2, 1), dpi=50)
    # PNG: signature of 8 bytes, then length and name of the header, then width and height
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(picture[i : i + 4], "big") for i in (16, 20)] == [100, 50]
