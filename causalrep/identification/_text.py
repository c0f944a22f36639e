"""How the names of nodes and values are written in formulas and in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Hashable

__all__ = ["latex_name", "text_name"]

_WORD = re.compile(r"[^\W\d][\w.]*")
_SPECIAL = {
    "\\": r"\backslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#",
    "$": r"\$", "^": r"\^{}", "~": r"\~{}", " ": r"\ ",
}  # fmt: skip


def text_name(name: Hashable) -> str:
    """Return a name as the query language reads it: text in quotes where it is not a plain word."""
    text = str(name)
    if not isinstance(name, str) or (_WORD.fullmatch(text) and text != "do"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def latex_name(name: Hashable) -> str:
    """Return a name for LaTeX's mathematics: ``W1`` as W with an index, words upright."""
    text = str(name)
    indexed = re.fullmatch(r"([^\W\d_])_?(\d+)", text)
    if indexed:
        return f"{indexed[1]}_{{{indexed[2]}}}"
    if re.fullmatch(r"[^\W\d_]|-?\d+(\.\d+)?", text):
        return text
    return rf"\mathrm{{{''.join(_SPECIAL.get(c, c) for c in text)}}}"
