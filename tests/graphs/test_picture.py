import re
import subprocess
import sys
from collections import Counter
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalrep.graphs import ADMG, DAG, PAG, PDAG
from tests.strategies import admgs, pags, pdags

SPACE = "{http://www.w3.org/2000/svg}"


def elements(graph, tag):
    return ET.fromstring(graph._repr_html_()).findall(f"{SPACE}{tag}")


def numbers(text):
    return np.array([float(number) for number in re.findall(r"-?[0-9.]+", text)]).reshape(-1, 2)


def centres(graph):
    return {
        text.text: np.array([float(text.get("x")), float(text.get("y"))]) for text in elements(graph, "text")
    }


@pytest.mark.parametrize("graphs", [admgs(latent=True), pdags(), pags()], ids=["ADMG", "PDAG", "PAG"])
@settings(max_examples=20)
@given(data=st.data())
def test_every_edge_mark_and_node_is_drawn_once(graphs, data):
    g = data.draw(graphs)
    kinds = "".join(kind for _, kind, _ in g.edges)
    drawn = Counter(
        (element.tag.removeprefix(SPACE), "stroke-dasharray" in element.attrib)
        for element in ET.fromstring(g._repr_html_())
    )
    assert drawn == {
        key: number
        for key, number in {
            ("path", True): len(g.bidirected_edges),
            ("path", False): len(g.edges) - len(g.bidirected_edges),
            ("polygon", False): kinds.count("<") + kinds.count(">"),
            ("circle", False): kinds.count("o"),
            ("rect", True): len(g.latent),
            ("rect", False): len(g.observed),
            ("text", False): len(g),
        }.items()
        if number
    }


def test_an_arrowhead_touches_the_box_of_the_effect_and_points_at_it():
    g = DAG.from_string("X -> Y")
    places = centres(g)
    tip, *back = numbers(elements(g, "polygon")[0].get("points"))
    boxes = {text.text: rect for text, rect in zip(elements(g, "text"), elements(g, "rect"), strict=True)}
    top = float(boxes["Y"].get("y"))
    assert tip[1] == pytest.approx(top, abs=0.11)  # numbers are rounded to tenths
    assert all(corner[1] < tip[1] for corner in back)
    assert abs(tip - places["Y"]).sum() < abs(tip - places["X"]).sum()


def test_a_circle_lies_at_the_end_that_has_it():
    g = PAG.from_string("X o-> Y")
    circle = elements(g, "circle")[0]
    at = np.array([float(circle.get("cx")), float(circle.get("cy"))])
    places = centres(g)
    assert abs(at - places["X"]).sum() < abs(at - places["Y"]).sum()


def test_a_bow_is_a_straight_and_a_curved_line():
    straight, curved = sorted(
        (numbers(path.get("d")) for path in elements(ADMG.from_string("X -> Y; X <-> Y"), "path")), key=len
    )
    assert len(straight) == 2
    assert np.ptp(straight[:, 0]) < 0.2
    assert np.ptp(curved[:, 0]) > 5


def test_names_are_text_and_not_markup():
    name = '<b>"a" & b</b>\0'
    texts = [text.text for text in elements(DAG(nodes=[name, ("X", 0)]), "text")]
    assert texts == [name.replace("\0", "\ufffd"), "('X', 0)"]


def test_a_wide_name_has_a_wide_box():
    narrow, wide, ideographs = (
        float(rect.get("width")) for rect in elements(DAG(nodes=["x", "xxxx", "年齢年齢"]), "rect")
    )
    assert narrow < wide < ideographs


def test_the_colours_are_those_of_the_page():
    assert "currentColor" in DAG.from_string("X -> Y")._repr_html_()
    assert not re.search("#[0-9a-f]{3}|black|white", PDAG.from_string("X -- Y")._repr_html_())


def test_a_large_graph_is_shown_as_text():
    assert DAG([(i, i + 1) for i in range(99)])._repr_html_() is not None
    assert DAG([(i, i + 1) for i in range(100)])._repr_html_() is None


def test_a_picture_needs_no_matplotlib():
    code = "from causalrep.graphs import DAG; DAG.from_string('X -> Y')._repr_html_(); import sys; "
    code += "assert not {'matplotlib', 'pandas', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
