import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from causalrep.cli._report import Figure, Page, render_page
from causalrep.metrics import CounterfactualExample, CounterfactualReport, Score

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("matplotlib")

VOID = {"meta", "img", "br", "link"}


class Reader(HTMLParser):
    """Collects texts by tag, pictures and references, and holds that every tag is closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.cells, self.images, self.references = [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in VOID:
            self.open.append((tag, attributes))
        if tag == "img":
            self.images.append(attributes)
        self.references += [v for k, v in attributes.items() if k in ("src", "href", "xlink:href")]

    def handle_startendtag(self, _tag, attributes):
        self.references += [v for k, v in attributes if k in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open and self.open[-1][0] in ("td", "th"):
            self.cells.append((self.open[-1][1].get("class", ""), data))


def score(model, node, estimate, metric="ratio to copying", region="changed", unit="ratio"):
    return Score(model, node, metric, region, "", unit, estimate, estimate - 0.01, estimate + 0.01, 8)


def example(node):
    grey = np.full((3, 4, 4), 0.5)
    red = np.zeros((3, 4, 4))
    red[0] = 1.0
    return CounterfactualExample(node, 120.0, red, grey, {"a<b": grey, "c": grey}, {"a<b": grey, "c": red})


def page(**options):
    report = CounterfactualReport(
        scores=(
            score("a<b", "light", 0.3), score("a<b", "angle", 0.2),
            score("c", "light", 0.1), score("c", "angle", 0.4),
            score("copy the factual image", "light", 0.05), score("copy the factual image", "angle", 1.0),
        ),
        models=("a<b", "c", "copy the factual image"),
        nodes=("light", "angle"),
        n_images=8,
        seed=0,
        threshold=0.025,
        examples=(example("light"), example("angle")),
    )  # fmt: skip
    return Page(
        **{
            "title": "Images & <graphs>",
            "lead": "lead",
            "report": report,
            "shown": ["a<b", "c"],
            "graphs": [Figure('<svg viewBox="0 0 1 1"><g></g></svg>', "true & found")],
            "facts": {"seed": "0"},
            **options,
        }
    )


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere():
    text = render_page(page())
    read = Reader(text)
    assert all(reference.startswith(("data:", "#")) for reference in read.references)
    assert not re.search(r"@import|url\(", text)


def test_text_is_escaped():
    text = render_page(page())
    assert "Images &amp; &lt;graphs&gt;" in text
    assert "true &amp; found" in text
    assert "a<b" not in text


def test_there_is_a_picture_for_every_panel_of_every_example():
    images = Reader(render_page(page())).images
    assert [image["alt"] for image in images[:6]] == [
        f"{title}, do(light = 120)"
        for title in ("factual", "reconstruction", "a<b", "c", "truth", "difference")
    ]
    assert len(images) == 12


def test_the_pictures_are_those_of_the_example():
    images = Reader(render_page(page())).images
    with Image.open(io.BytesIO(base64.b64decode(images[0]["src"].split(",")[1]))) as picture:
        assert picture.size == (4, 4)
        assert picture.getpixel((0, 0)) == (255, 0, 0)


def test_the_best_model_of_a_column_is_marked_and_copying_does_not_compete():
    cells = Reader(render_page(page())).cells
    best = [text for kind, text in cells if kind == "best"]
    assert best == ["0.200 ± 0.010", "0.100 ± 0.010"]  # row by row: a<b on angle, c on light


def test_undefined_scores_are_dashes_and_never_best():
    undefined = (score("a<b", "light", float("nan")), score("c", "light", 0.5))
    report = CounterfactualReport(undefined, ("a<b", "c", "copy the factual image"), ("light",), 8, 0, 0.025)
    cells = Reader(render_page(page(report=report))).cells
    assert ("", "–") in cells
    assert [kind for kind, _ in cells if kind == "best"] == []


def test_sections_without_content_are_left_out():
    text = render_page(page(graphs=(), facts={}))
    assert "The graph" not in text
    assert "How it was made" not in text
    assert "Scores" in text
