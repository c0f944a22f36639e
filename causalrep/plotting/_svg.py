"""Drawings as text that a page can hold."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from causalrep.utils import optional_import

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["to_svg"]

_INK = "#010203"  # stands for the colour of the text around; no drawing uses it by chance


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
    matplotlib = optional_import("matplotlib", extra="plot", purpose="drawing")
    figures = optional_import("matplotlib.figure", extra="plot", purpose="drawing")
    ink = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    style = {**dict.fromkeys(ink, _INK), "svg.fonttype": "none", "svg.hashsalt": title or "causalrep"}
    buffer = io.StringIO()
    with matplotlib.rc_context(style):
        figure = figures.Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        draw(axes)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    element = text[text.index("<svg") :].replace(_INK, "currentColor").strip()
    # A page scales the drawing itself: the size in points would win over its style sheet.
    head, body = element.split(">", 1)
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    return f'{head} role="img" aria-label="{_attribute(title)}">{body}'


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
