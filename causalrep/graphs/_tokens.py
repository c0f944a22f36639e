"""Cut a text into tokens that know their line and column: the floor under the graph notations."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

from causalrep.utils import GraphError, ParseError

__all__ = ["Cursor", "Place", "Token", "checked_label"]

_MAX_DIGITS = 4000
_MAX_SHOWN = 60  # characters of a token in a message


class Place(Protocol):
    """A part of a text that can be pointed at."""

    def error(self, message: str) -> ParseError:
        """Return a `ParseError` that points there."""


@dataclass(frozen=True)
class Token:
    """A piece of text; `kind` is the name of the pattern's group that matched, or "end"."""

    kind: str
    text: str
    line: int
    column: int

    def error(self, message: str) -> ParseError:
        """Return a `ParseError` that points here."""
        return ParseError(message, line=self.line, column=self.column)

    def integer(self) -> int:
        """Return the number that the token is; Python itself refuses to read very long ones."""
        if len(self.text) > _MAX_DIGITS:
            raise self.error(f"an integer must have at most {_MAX_DIGITS} digits, got {len(self.text)}")
        return int(self.text)

    def __str__(self) -> str:
        if self.kind == "end":
            return "the end of the text"
        return repr(self.text if len(self.text) <= _MAX_SHOWN else f"{self.text[:_MAX_SHOWN]}...")


class Cursor:
    """Walks over the tokens of a text, one ahead.

    The groups of `pattern` name the kinds of tokens; what the group ``skip`` matches is dropped.
    """

    def __init__(self, text: str, pattern: re.Pattern[str]) -> None:
        self._tokens = _cut(text, pattern)
        self._at = 0

    @property
    def here(self) -> Token:
        """The next token, not yet taken."""
        return self._tokens[self._at]

    @property
    def last(self) -> Token:
        """The token taken last."""
        return self._tokens[max(self._at - 1, 0)]

    def take(self) -> Token:
        """Return the next token and step over it; the end stays."""
        token = self.here
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def take_if(self, *texts: str) -> bool:
        """Step over the next token if it is one of these punctuation marks."""
        found = self.here.kind == "mark" and self.here.text in texts
        if found:
            self.take()
        return found


def _cut(text: str, pattern: re.Pattern[str]) -> list[Token]:
    if not isinstance(text, str):
        raise TypeError(f"`text` must be a str, got {type(text).__name__}")
    tokens, at, line, line_start = [], 0, 1, 0
    while at < len(text):
        match = pattern.match(text, at)
        if match is None:
            quotes = text[at] in "\"'"
            hint = (
                "a quoted name has no end" if quotes else f"{text[at]!r} is not understood; quote odd names"
            )
            raise ParseError(hint, line=line, column=at - line_start + 1)
        kind = match.lastgroup or "skip"
        if kind != "skip":
            tokens.append(Token(kind, match[0], line, at - line_start + 1))
        line += match[0].count("\n")
        if "\n" in match[0]:
            line_start = at + match[0].rindex("\n") + 1
        at = match.end()
    return [*tokens, Token("end", "", line, at - line_start + 1)]


def checked_label(label: Hashable, where: str) -> str | int:
    """Return a label that a text notation can carry exactly, or say why it cannot."""
    if isinstance(label, str) or (isinstance(label, int) and not isinstance(label, bool)):
        return label
    raise GraphError(
        f"{where} writes labels that are strings or integers, got {label!r}; "
        "to_json also writes other numbers and tuples"
    )
