"""Pictures of graphs, and of what a discovered graph got right."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs import DAG, Graph, Layout, layered_layout
from causalrep.utils import GraphError, optional_import

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_graph"]

Edge = tuple[Hashable, str, Hashable]

_SAME, _OTHER, _EXTRA, _MISSED = "as in the truth", "in another direction", "not in the truth", "missed"
# Okabe and Ito's colours, which colour-blind readers can tell apart; None is the colour of the text.
_COLOURS = {_SAME: None, _OTHER: "#E69F00", _EXTRA: "#D55E00", _MISSED: "#0072B2"}
_FONT_SIZE = 11.0  # this and all lengths below are in points
_PADDING = 7.0
_HEAD = 11.0
_RADIUS = 2.5  # of a circle mark
_MARGIN = 6.0
_LEGEND_LINE = 17.0
_LEGEND_WIDTH = 150.0


def plot_graph(graph: Graph | Any, *, ax: Axes | None = None, truth: Graph | Any | None = None) -> Axes:
    """Draw a graph with causes above effects; the same graph gives the same picture.

    Parameters
    ----------
    graph : Graph or networkx.DiGraph
        A graph of any type. An end of an edge is drawn as its mark: nothing for a tail, an arrowhead,
        a circle. Bidirected edges are dashed curves; latent nodes have a dashed frame.
    ax : matplotlib Axes, default=None
        Where to draw; by default a new figure of fitting size. In a small one the labels shrink.
    truth : Graph or networkx.DiGraph, default=None
        A graph on the same nodes to compare with. The edges of `graph` then have a colour that says
        whether the truth has them too, with other marks, or not; the missed ones are dashed.

    Returns
    -------
    matplotlib Axes
        Without frame and ticks; with a legend if there is a `truth`.

    Raises
    ------
    GraphError
        If `truth` has other nodes than `graph`.
    MissingDependencyError
        If matplotlib is not installed.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.plotting import plot_graph
    >>> ax = plot_graph(DAG.from_string("Z -> X -> Y; Z -> Y"))
    >>> [text.get_text() for text in ax.texts]
    ['Z', 'X', 'Y']
    """
    plt = optional_import("matplotlib.pyplot", extra="plot", purpose="plot_graph")
    graph = graph if isinstance(graph, Graph) else DAG.from_networkx(graph)
    reference = graph if truth is None else truth if isinstance(truth, Graph) else DAG.from_networkx(truth)
    roles = _compared(graph, reference)
    figure, axes = plt.subplots() if ax is None else (None, ax)
    axes.set_axis_off()
    ink = plt.rcParams["text.color"]
    style = {"ha": "center", "va": "center", "size": _FONT_SIZE, "color": ink, "parse_math": False}
    texts = {node: axes.text(0, 0, str(node), zorder=3, **style) for node in graph.nodes}
    sizes = {node: _box_size(text) for node, text in texts.items()}
    missed = [edge for edge, role in roles.items() if role == _MISSED]
    hidden = graph.latent
    layout = layered_layout(graph, sizes, more_edges=missed)
    legend = sorted(set(roles.values()), key=list(_COLOURS).index) if truth is not None else []
    scale = _fit(axes, layout, sizes, n_legend_lines=len(legend), new_figure=figure)

    boxes = {}
    for node, text in texts.items():
        text.set(position=layout.positions[node], size=scale * _FONT_SIZE)
        look = {"edgecolor": ink, "linestyle": "--" if node in hidden else "-"}
        boxes[node] = _add_box(axes, layout.positions[node], [scale * side for side in sizes[node]], **look)
    for edge, role in roles.items():
        look = {
            "color": _COLOURS[role] or ink,
            "linestyle": "--" if "<->" in edge or role == _MISSED else "-",
        }
        ends = boxes[edge[0]], boxes[edge[2]]
        _add_edge(axes, layout.routes[edge], *ends, kind=edge[1], scale=scale, **look)
    if legend:
        _add_legend(axes, legend, ink)
    return axes


def _compared(graph: Graph, truth: Graph) -> dict[Edge, str]:
    """Return the role of every edge of `graph`, and of those of `truth` that it misses."""
    odd = [node for node in (*graph.nodes, *truth.nodes) if (node in graph) != (node in truth)]
    if odd:
        raise GraphError(f"`graph` and `truth` must have the same nodes, got {odd[0]!r} in only one of them")
    edges, true_edges = ({_ends(edge): edge for edge in each.edges} for each in (graph, truth))
    roles: dict[Edge, str] = {}
    replaced = set()  # pairs of nodes whose edge has other marks in the truth
    for ends, edge in edges.items():
        pair = frozenset((edge[0], edge[2]))
        roles[edge] = _SAME if ends in true_edges else _OTHER if truth.mark(edge[0], edge[2]) else _EXTRA
        if roles[edge] == _OTHER:
            replaced.add(pair)
    for ends, edge in true_edges.items():
        if ends not in edges and frozenset((edge[0], edge[2])) not in replaced:
            roles[edge] = _MISSED
    return roles


def _ends(edge: Edge) -> frozenset[tuple[Hashable, str]]:
    """Return the two nodes with the marks at them, from whichever end the edge is written."""
    u, kind, v = edge
    return frozenset([(u, kind[0].replace("<", ">")), (v, kind[-1])])


def _box_size(text: Any) -> tuple[float, float]:
    """Return width and height of the box around a text."""
    extent = text.get_window_extent()
    points = 72 / text.figure.dpi
    return extent.width * points + 2 * _PADDING, extent.height * points + 1.4 * _PADDING


def _fit(
    axes: Axes,
    layout: Layout,
    sizes: dict[Hashable, tuple[float, float]],
    *,
    n_legend_lines: int,
    new_figure: Any,
) -> float:
    """Set the limits; fit a new figure to the picture, or return how much the picture must shrink."""
    centres = np.array(list(layout.positions.values())).reshape(-1, 2)
    halves = np.array([sizes[node] for node in layout.positions]).reshape(-1, 2) / 2
    points = np.concatenate([np.zeros((1, 2)), centres - halves, centres + halves, *layout.routes.values()])
    low, high = points.min(axis=0) - _MARGIN, points.max(axis=0) + _MARGIN
    if n_legend_lines:
        low[1] -= n_legend_lines * _LEGEND_LINE
        high[0] = max(high[0], low[0] + _LEGEND_WIDTH)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    room = high - low
    if new_figure is not None:
        new_figure.set_size_inches(*(room / 72))
        axes.set_position((0, 0, 1, 1))
        return 1.0
    extent = axes.get_window_extent()
    there = np.array([extent.width, extent.height]) * 72 / axes.figure.dpi
    return float(np.clip((there / room).min(), 0.4, 1.0))


def _add_box(axes: Axes, centre: tuple[float, float], size: list[float], **look: str) -> Any:
    """Add a rounded box of a size in points around a place in the units of the axes."""
    patches = optional_import("matplotlib.patches", extra="plot", purpose="plot_graph")
    transforms = optional_import("matplotlib.transforms", extra="plot", purpose="plot_graph")
    width, height = size
    in_points = transforms.Affine2D().scale(1 / 72) + axes.figure.dpi_scale_trans
    return axes.add_artist(
        patches.FancyBboxPatch(
            (-width / 2, -height / 2),
            width,
            height,
            boxstyle=f"round,pad=0,rounding_size={0.45 * height}",
            transform=in_points + transforms.ScaledTranslation(*centre, axes.transData),
            facecolor="none",
            linewidth=1.0,
            clip_on=False,
            zorder=2,
            **look,
        )
    )


def _add_edge(
    axes: Axes,
    route: NDArray[np.float64],
    tail_box: Any,
    head_box: Any,
    *,
    kind: str,
    scale: float,
    **look: str,
) -> None:
    """Draw the line of an edge between two boxes with the marks at its ends."""
    patches = optional_import("matplotlib.patches", extra="plot", purpose="plot_graph")

    # The style clips at the boxes; the way it takes is ours, on the screen, whatever the scales.
    style = patches.ConnectionStyle("arc3")
    style.connect = lambda *_: _smooth_path(axes.transData.transform(route))
    axes.add_artist(
        patches.FancyArrowPatch(
            route[0],
            route[-1],
            connectionstyle=style,
            arrowstyle=_arrow_style(kind),
            patchA=tail_box,
            patchB=head_box,
            shrinkA=2 * _RADIUS * scale if kind[0] == "o" else 0,
            shrinkB=2 * _RADIUS * scale if kind[-1] == "o" else 0,
            mutation_scale=_HEAD * scale,
            linewidth=1.3 * scale,
            clip_on=False,
            zorder=1,
            **look,
        )
    )


def _arrow_style(kind: str) -> Any:
    """Return the style that draws arrowheads, and circles in the room that the line leaves for them."""
    patches = optional_import("matplotlib.patches", extra="plot", purpose="plot_graph")
    heads = {"->": "-|>", "o->": "-|>", "<->": "<|-|>"}
    style = patches.ArrowStyle(heads.get(kind, "-"))
    line = style.transmute

    def transmute(path: Any, mutation_size: float, linewidth: float) -> tuple[list[Any], list[bool]]:
        drawn, is_filled = line(path, mutation_size, linewidth)
        radius = mutation_size * _RADIUS / _HEAD
        for mark, end, inner in ((kind[0], 0, 1), (kind[-1], -1, -2)):
            if mark == "o":
                drawn.append(_circle(path.vertices[end], path.vertices[inner], radius))
                is_filled.append(False)
        return drawn, is_filled

    style.transmute = transmute
    return style


def _circle(end: NDArray[np.float64], inner: NDArray[np.float64], radius: float) -> Any:
    """Return a circle that continues a line beyond its end."""
    paths = optional_import("matplotlib.path", extra="plot", purpose="plot_graph")
    along = (end - inner) / max(float(np.hypot(*(end - inner))), 1e-9)
    return paths.Path.circle(end + radius * along, radius)


def _smooth_path(points: NDArray[np.float64]) -> Any:
    """Return a Catmull-Rom curve through the points; through two it is straight."""
    paths = optional_import("matplotlib.path", extra="plot", purpose="plot_graph")
    padded = np.concatenate([points[:1], points, points[-1:]])
    slopes = (padded[2:] - padded[:-2]) / 6
    after, before = points[:-1] + slopes[:-1], points[1:] - slopes[1:]
    curve = np.stack([after, before, points[1:]], axis=1).reshape(-1, 2)
    codes = [paths.Path.MOVETO] + [paths.Path.CURVE4] * len(curve)
    return paths.Path(np.concatenate([points[:1], curve]), codes)


def _add_legend(axes: Axes, roles: list[str], ink: str) -> None:
    lines = optional_import("matplotlib.lines", extra="plot", purpose="plot_graph")
    handles = [
        lines.Line2D(
            [], [], color=_COLOURS[role] or ink, linestyle="--" if role == _MISSED else "-", label=role
        )
        for role in roles
    ]
    axes.legend(handles=handles, loc="lower left", frameon=False, borderaxespad=0.2, fontsize="small")
