"""Drawings as files: SVG that a page can hold, and PNG."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from causalrep.utils import optional_import

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["to_png", "to_svg"]

_INK = "#010203"  # stands for the colour of the text around; no drawing uses it by chance
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def to_svg(draw: Callable[[Axes], object], *, size: tuple[float, float] = (6.0, 3.0), title: str = "") -> str:
    """Return a drawing as an SVG element for an HTML page, transparent and in the page's text colour.

    Parameters
    ----------
    draw : callable
        Called with the Axes to draw on, such as ``lambda ax: plot_losses(log, ax=ax)``.
    size : tuple of float, default=(6.0, 3.0)
        Width and height in inches; on the page the drawing scales to the width that there is.
    title : str
        What a screen reader says.

    Returns
    -------
    str
        ``<svg ...>...</svg>``. Axes and text are drawn in ``currentColor``, so a page in dark colours
        needs no other picture. The same drawing gives the same text.

    Examples
    --------
    >>> from causalrep.plotting import to_svg
    >>> svg = to_svg(lambda ax: ax.plot([0, 1], [0, 1]), title="a line")
    >>> svg[:4], "currentColor" in svg, 'aria-label="a line"' in svg
    ('<svg', True, True)
    """
    ink = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    style = {**dict.fromkeys(ink, _INK), "svg.fonttype": "none", "svg.hashsalt": title or "causalrep"}
    drawing = _export(draw, size, style, format="svg", transparent=True, metadata=_NO_METADATA)
    text = drawing.decode("utf-8")
    element = text[text.index("<svg") :].replace(_INK, "currentColor").strip()
    # A page scales the drawing itself: the size in points would win over its style sheet.
    head, body = element.split(">", 1)
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    body = re.sub(r'<g id="[^"]*">', "<g>", body)  # two drawings on a page would share these names
    return f'{head} role="img" aria-label="{_attribute(title)}">{body}'


def to_png(
    draw: Callable[[Axes], object], *, size: tuple[float, float] = (6.0, 3.0), dpi: float = 150
) -> bytes:
    """Return a drawing as a PNG file, on white.

    Parameters
    ----------
    draw : callable
        Called with the Axes to draw on.
    size : tuple of float, default=(6.0, 3.0)
        Width and height in inches.
    dpi : float, default=150
        Pixels per inch.

    Returns
    -------
    bytes
        The content of the file.

    Examples
    --------
    >>> from causalrep.plotting import to_png
    >>> to_png(lambda ax: ax.plot([0, 1], [0, 1]))[1:4]
    b'PNG'
    """
    return _export(draw, size, {}, format="png", dpi=dpi)


def _export(
    draw: Callable[[Axes], object], size: tuple[float, float], style: dict[str, Any], **options: Any
) -> bytes:
    matplotlib = optional_import("matplotlib", extra="plot", purpose="drawing")
    figures = optional_import("matplotlib.figure", extra="plot", purpose="drawing")
    buffer = io.BytesIO()
    with matplotlib.rc_context(style):
        # Not by pyplot, which would keep the figure and might open a window.
        figure = figures.Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        if options.get("transparent"):
            axes.patch.set_visible(False)
        draw(axes)
        figure.savefig(buffer, **options)
    return buffer.getvalue()


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
