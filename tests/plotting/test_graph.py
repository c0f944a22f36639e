import networkx as nx
import numpy as np
import pytest

pytest.importorskip("matplotlib")

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as MplPath

from causalrep.graphs import ADMG, DAG, MAG, PAG, PDAG
from causalrep.plotting import plot_graph, to_svg
from causalrep.plotting._graph import _circle
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


def test_the_marks_of_every_type_are_drawn_at_their_ends(draw):
    def marks(arrow):
        """Return what the style draws at the left and right end of a line from x = 0 to x = 100."""
        style = arrow.get_arrowstyle()
        line = MplPath([(0, 0), (100, 0)])
        drawn, filled = style(line, mutation_size=10, linewidth=1)
        found = ["-", "-"]
        for path, is_filled in zip(drawn, filled, strict=True):
            x = path.get_extents()
            if x.width < 50:
                found[int(x.x1 > 50)] = ">" if is_filled else "o"
        return "".join(found)

    g = PAG.from_string("A o-> B; B o-o C; C o-- D; D -- E; E -> F; F <-> A")
    _, arrows = draw(g)
    assert {edge: marks(arrow) for edge, arrow in arrows.items()} == {
        ("A", "B"): "o>",
        ("B", "C"): "oo",
        ("C", "D"): "o-",
        ("D", "E"): "--",
        ("E", "F"): "->",
        ("A", "F"): ">>",
    }


def test_a_circle_lies_between_the_line_and_the_box():
    circle = _circle(np.array([10.0, 0.0]), np.array([20.0, 0.0]), 2.5).get_extents()
    assert (circle.x0, circle.x1) == pytest.approx((5.0, 10.0))


def test_bidirected_edges_are_dashed_and_latent_nodes_have_a_dashed_frame(draw):
    g = ADMG([("X", "Y"), ("U", "X")], [("X", "Y")], latent=["U"])
    axes = plot_graph(g)
    arrows = [artist for artist in axes.get_children() if isinstance(artist, FancyArrowPatch)]
    assert sorted(arrow.get_linestyle() for arrow in arrows) == ["-", "-", "--"]
    boxes = [artist for artist in axes.get_children() if isinstance(artist, FancyBboxPatch)]
    assert [box.get_linestyle() for box in boxes] == ["-", "-", "--"]


def test_the_edges_of_a_bow_are_compared_one_by_one(draw):
    guess = ADMG.from_string("X -> Y; X <-> Z")
    axes = plot_graph(guess, truth=ADMG.from_string("X -> Y; X <-> Y; Z -> X"))
    colours = [to_hex(a.get_edgecolor()) for a in axes.get_children() if isinstance(a, FancyArrowPatch)]
    black = to_hex(mpl.rcParams["text.color"])
    assert sorted(colours) == sorted([black, "#e69f00", "#0072b2"])


def test_a_mag_with_every_kind_of_edge_is_drawn(draw):
    _, arrows = draw(MAG.from_string("A -> B <-> C; D -- E"))
    assert set(arrows) == {("A", "B"), ("B", "C"), ("D", "E")}


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
