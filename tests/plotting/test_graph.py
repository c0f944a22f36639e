import networkx as nx
import numpy as np
import pytest

pytest.importorskip("matplotlib")

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from causalrep.graphs import DAG, PDAG
from causalrep.plotting import plot_graph, to_svg
from causalrep.utils import GraphError

TRUTH = DAG.from_string("A -> B -> C; A -> C; C -> D")
GUESS = PDAG.from_string("A -> B; C -> B; A -- C; B -> D")


@pytest.fixture
def draw():
    """Return a function that plots and gives the picture's edges: (tail, head) -> arrow."""

    def edges(graph, **options):
        axes = plot_graph(graph, **options)
        axes.figure.canvas.draw()
        names = {text.get_position(): text.get_text() for text in axes.texts}
        arrows = [artist for artist in axes.get_children() if isinstance(artist, FancyArrowPatch)]
        return axes, {
            tuple(names[tuple(map(float, end))] for end in arrow._posA_posB): arrow for arrow in arrows
        }

    yield edges
    plt.close("all")


def has_head(arrow):
    return arrow.get_arrowstyle().arrow == "-|>"


def test_every_edge_is_drawn_once_with_its_head(draw):
    _, arrows = draw(PDAG.from_string("Z -> X -- Y; Z -> Y"))
    assert {edge: has_head(arrow) for edge, arrow in arrows.items()} == {
        ("Z", "X"): True,
        ("Z", "Y"): True,
        ("X", "Y"): False,
    }


def test_arrows_end_at_the_boxes_and_not_inside(draw):
    axes, arrows = draw(DAG.from_string("Zebra -> X -> 'a longer name'; Zebra -> 'a longer name'"))
    boxes = [
        artist.get_window_extent() for artist in axes.get_children() if isinstance(artist, FancyBboxPatch)
    ]
    for arrow in arrows.values():
        points = axes.transData.transform(arrow.get_path().vertices)
        # A rounded corner of 10 pixels leaves (1 - 1 / sqrt(2)) * 10 = 3 pixels of its square free.
        inside = [(box.min + 4 < points) & (points < box.max - 4) for box in boxes]
        assert not np.any([both.all(axis=1) for both in inside])
        gaps = [
            np.linalg.norm(np.maximum(0, np.maximum(box.min - points, points - box.max)), axis=1)
            for box in boxes
        ]
        # Its ends touch two boxes: the line's width is less than 4 pixels.
        assert sum(gap.min() < 4 for gap in gaps) == 2


def test_edges_have_the_colour_of_what_the_truth_says(draw):
    axes, arrows = draw(GUESS, truth=TRUTH)
    colours = {edge: to_hex(arrow.get_edgecolor()) for edge, arrow in arrows.items()}
    black, orange, vermilion, blue = to_hex(mpl.rcParams["text.color"]), "#e69f00", "#d55e00", "#0072b2"
    assert colours == {
        ("A", "B"): black,
        ("C", "B"): orange,
        ("A", "C"): orange,
        ("B", "D"): vermilion,
        ("C", "D"): blue,
    }
    assert [edge for edge, arrow in arrows.items() if arrow.get_linestyle() == "--"] == [("C", "D")]
    assert has_head(arrows["C", "D"])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "as in the truth",
        "in another direction",
        "not in the truth",
        "missed",
    ]


def test_the_legend_says_only_what_is_there(draw):
    axes, _ = draw(TRUTH, truth=TRUTH)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["as in the truth"]
    assert draw(TRUTH)[0].get_legend() is None


def test_a_new_figure_fits_the_picture(draw):
    small, large = (draw(DAG([(i, i + 1) for i in range(n)]))[0].figure for n in (1, 6))
    assert large.get_figheight() > small.get_figheight()
    axes = draw(DAG.from_string("'a rather long name' -> Y"))[0]
    for box in (artist for artist in axes.get_children() if isinstance(artist, FancyBboxPatch)):
        extent = box.get_window_extent()
        assert extent.x0 >= 0
        assert extent.x1 <= axes.figure.bbox.width


def test_labels_shrink_in_a_small_axes(draw):
    long_chain = DAG([(i, i + 1) for i in range(6)])
    small, large = (Figure(figsize=(side, side)).add_subplot() for side in (2, 9))
    sizes = [{text.get_size() for text in draw(long_chain, ax=axes)[0].texts} for axes in (small, large)]
    assert max(sizes[0]) < 11
    assert sizes[1] == {11}


def test_an_axes_that_is_given_is_the_one_returned_and_no_figure_is_opened(draw):
    axes = Figure().add_subplot()
    assert draw(TRUTH, ax=axes)[0] is axes
    assert not plt.get_fignums()


def test_the_same_graph_gives_the_same_picture():
    pictures = {to_svg(lambda ax: plot_graph(GUESS, ax=ax, truth=TRUTH)) for _ in range(2)}
    assert len(pictures) == 1
    assert "currentColor" in pictures.pop()


def test_plotting_leaves_global_settings_alone(draw):
    before = mpl.rcParams.copy()
    draw(TRUTH)
    assert mpl.rcParams == before


@pytest.mark.parametrize("graph", [DAG(), DAG([], nodes=["alone"])])
def test_graphs_without_edges_are_drawn(draw, graph):
    axes, arrows = draw(graph)
    assert not arrows
    assert [text.get_text() for text in axes.texts] == list(graph.nodes)


def test_labels_are_no_formulas(draw):
    axes, _ = draw(DAG([("$price_{", "cost$")]))
    assert [text.get_text() for text in axes.texts] == ["$price_{", "cost$"]


def test_networkx_graphs_are_accepted(draw):
    _, arrows = draw(nx.DiGraph([("X", "Y")]), truth=nx.DiGraph([("Y", "X")]))
    assert list(arrows) == [("X", "Y")]
    assert to_hex(arrows["X", "Y"].get_edgecolor()) == "#e69f00"


def test_a_truth_on_other_nodes_is_refused():
    with pytest.raises(GraphError, match="got 'W' in only one"):
        plot_graph(TRUTH, truth=DAG.from_string("A; B; C; D; W"))
