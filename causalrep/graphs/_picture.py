"""A small picture of a graph as SVG, for notebooks and pages; `plotting.plot_graph` draws the large ones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs._base import Graph
from causalrep.graphs._layout import layered_layout
from causalrep.graphs._store import ARROW, CIRCLE, MARKS

__all__ = ["svg"]

_FONT_SIZE = 14.0  # this and all lengths below are in pixels
_PADDING = 9.0
_MARGIN = 8.0
_HEAD = 9.0  # the length of an arrowhead
_RADIUS = 3.5  # of a circle mark
_TAKEN = {ARROW: 0.8 * _HEAD, CIRCLE: 2 * _RADIUS}  # by a mark, of the line
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Points = NDArray[np.float64]


def svg(graph: Graph) -> str:
    """Return an ``<svg>`` element in the colour of the text around; the same graph gives the same text.

    Latent nodes have a dashed frame, bidirected edges are dashed curves.
    """
    names = {node: str(node) for node in graph.nodes}
    sizes = {node: _box_size(name) for node, name in names.items()}
    layout = layered_layout(graph, sizes)
    flip = np.array([1.0, -1.0])  # in SVG, y grows downwards
    centres = {node: np.array(place) * flip for node, place in layout.positions.items()}
    routes = {edge: _smooth(route * flip) for edge, route in layout.routes.items()}
    corners = [centres[node] + sign * np.array(sizes[node]) / 2 for node in graph.nodes for sign in (-1, 1)]
    points = np.concatenate([np.zeros((1, 2)), *(corner[None] for corner in corners), *routes.values()])
    low, high = points.min(axis=0) - _MARGIN, points.max(axis=0) + _MARGIN
    lines: list[str] = []
    for (u, kind, v), route in routes.items():
        lines += _edge(route, kind, (centres[u], sizes[u]), (centres[v], sizes[v]))
    for node in graph.nodes:
        lines += _node(names[node], centres[node], sizes[node], dashed=node in graph.latent)
    width, height = high - low
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{_numbers(*low, width, height)}" '
        f'width="{_numbers(width)}" height="{_numbers(height)}" style="max-width:100%;height:auto" '
        f'role="img" aria-label="{_escaped(f"{type(graph).__name__} with {len(graph)} nodes")}" '
        f'font-size="{_numbers(_FONT_SIZE)}" font-family="sans-serif" fill="none" stroke="currentColor">'
    )
    return "\n".join([head, *lines, "</svg>"])


def _box_size(name: str) -> tuple[float, float]:
    """Return width and height of a node; no font is at hand, so the width of a letter is a guess."""
    letters = (1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.58 for letter in name)
    return _FONT_SIZE * max(sum(letters), 1.0) + 2 * _PADDING, _FONT_SIZE + 1.4 * _PADDING


def _node(name: str, centre: Points, size: tuple[float, float], *, dashed: bool) -> Iterator[str]:
    x, y = centre - np.array(size) / 2
    frame = f'x="{_numbers(x)}" y="{_numbers(y)}" width="{_numbers(size[0])}" height="{_numbers(size[1])}"'
    dash = ' stroke-dasharray="3 3"' if dashed else ""
    yield f'<rect {frame} rx="{_numbers(_corner(size))}"{dash}/>'
    place = f'x="{_numbers(centre[0])}" y="{_numbers(centre[1])}"'
    text = f'{place} text-anchor="middle" dominant-baseline="central" fill="currentColor" stroke="none"'
    yield f"<text {text}>{_escaped(name)}</text>"


def _edge(
    route: Points,
    kind: str,
    tail: tuple[Points, tuple[float, float]],
    head: tuple[Points, tuple[float, float]],
) -> Iterator[str]:
    """Yield the line between two boxes and the marks at its ends."""
    outside = _outside(_outside(route, *tail)[::-1], *head)[::-1]
    marks = MARKS[kind]
    line = _shortened(_shortened(outside, _TAKEN.get(marks[0], 0.0))[::-1], _TAKEN.get(marks[1], 0.0))[::-1]
    dash = ' stroke-dasharray="5 3"' if kind == "<->" else ""
    path = " L".join(_numbers(*point) for point in _without_idle(line))
    yield f'<path d="M{path}"{dash}/>'
    for mark, tip, base in ((marks[0], outside[0], line[0]), (marks[1], outside[-1], line[-1])):
        if mark == CIRCLE:
            centre = (tip + base) / 2
            yield f'<circle cx="{_numbers(centre[0])}" cy="{_numbers(centre[1])}" r="{_numbers(_RADIUS)}"/>'
        if mark == ARROW:
            along = (tip - base) / max(float(np.hypot(*(tip - base))), 1e-9)
            across = np.array([-along[1], along[0]]) * 0.35 * _HEAD
            back = tip - _HEAD * along
            corners = " ".join(_numbers(*corner) for corner in (tip, back + across, back - across))
            yield f'<polygon points="{corners}" fill="currentColor" stroke="none"/>'


def _smooth(route: Points, n_steps: int = 12) -> Points:
    """Return points on the Catmull-Rom curve through a route; through two points it is straight."""
    if len(route) == 2:
        t = np.linspace(0, 1, 2 * n_steps + 1)[:, None]
        line: Points = (1 - t) * route[0] + t * route[1]
        return line
    padded = np.concatenate([route[:1], route, route[-1:]])
    slopes = (padded[2:] - padded[:-2]) / 2
    t = np.arange(n_steps)[:, None] / n_steps
    parts = [
        (2 * t**3 - 3 * t**2 + 1) * a
        + (t**3 - 2 * t**2 + t) * ma
        + (3 * t**2 - 2 * t**3) * b
        + (t**3 - t**2) * mb
        for a, b, ma, mb in zip(route[:-1], route[1:], slopes[:-1], slopes[1:], strict=True)
    ]
    return np.concatenate([*parts, route[-1:]])


def _outside(points: Points, centre: Points, size: tuple[float, float]) -> Points:
    """Return the part of a line after it leaves, for good, the rounded box in which it begins."""
    half, radius = np.array(size) / 2, _corner(size)

    def is_inside(point: Points) -> bool:
        beyond = np.maximum(np.abs(point - centre) - (half - radius), 0.0)
        return float(np.hypot(*beyond)) <= radius

    inside = [i for i, point in enumerate(points) if is_inside(point)]
    last = max(inside, default=-1)
    if last < 0 or last + 1 >= len(points):
        return points
    inner, outer = points[last], points[last + 1]
    for _ in range(20):
        middle = (inner + outer) / 2
        inner, outer = (middle, outer) if is_inside(middle) else (inner, middle)
    return np.concatenate([outer[None], points[last + 1 :]])


def _shortened(points: Points, length: float) -> Points:
    """Return a line without a piece of this length at its beginning."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    passed = np.concatenate([[0.0], np.cumsum(steps)])
    if length <= 0 or passed[-1] <= length:
        return points
    first = int(np.searchsorted(passed, length, side="right"))
    share = (length - passed[first - 1]) / steps[first - 1]
    start = (1 - share) * points[first - 1] + share * points[first]
    return np.concatenate([start[None], points[first:]])


def _without_idle(points: Points) -> Points:
    """Return only the ends of a straight line."""
    along, beyond = points[-1] - points[0], points - points[0]
    off = np.abs(along[0] * beyond[:, 1] - along[1] * beyond[:, 0])
    is_straight = (off <= 0.05 * np.hypot(*along)).all()
    return points[[0, -1]] if is_straight else points


def _corner(size: tuple[float, float]) -> float:
    return 0.45 * size[1]


def _numbers(*values: float) -> str:
    return " ".join(f"{round(value, 1) + 0.0:g}" for value in values)  # adding zero makes -0 zero


def _escaped(text: str) -> str:
    for letter, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(letter, entity)
    return _FORBIDDEN.sub("\ufffd", text)
