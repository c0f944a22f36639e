"""What the three formats of Bayesian networks have in common while they are read."""

from __future__ import annotations

import gzip
import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs._tokens import Place
from causalrep.utils import ParseError

__all__ = ["Network", "check_row", "number", "text_of"]

_NUMBER = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]+)?")
_MAX_ENTRIES = 2**26  # of one table: a short text must not ask for all the memory


@dataclass
class Network:
    """States, parents and tables by variable; a table has one axis per parent, then the variable's."""

    states: dict[str, list[str]] = field(default_factory=dict)
    parents: dict[str, list[str]] = field(default_factory=dict)
    tables: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def declare(self, name: str, states: list[str], place: Place) -> None:
        """Add a variable."""
        if name in self.states:
            raise place.error(f"the variable {name!r} is declared twice")
        if len(set(states)) < len(states):
            repeated = next(state for i, state in enumerate(states) if state in states[:i])
            raise place.error(f"the variable {name!r} has the state {repeated!r} twice")
        self.states[name] = states

    def relate(self, name: str, parents: list[str], place: Place) -> None:
        """State the parents of a variable."""
        for node in (name, *parents):
            if node not in self.states:
                raise place.error(f"the variable {node!r} is not declared")
        if name in self.parents:
            raise place.error(f"the probabilities of {name!r} are stated twice")
        if len({name, *parents}) <= len(parents):
            raise place.error(f"the variables of the table of {name!r} must differ")
        self.parents[name] = parents

    def shape(self, name: str, place: Place) -> tuple[int, ...]:
        """Return the shape that the table of a variable must have."""
        shape = tuple(len(self.states[node]) for node in (*self.parents[name], name))
        if 0 in shape:
            raise place.error(f"the table of {name!r} needs variables whose states are declared")
        if math.prod(shape) > _MAX_ENTRIES:
            raise place.error(f"the table of {name!r} must have at most {_MAX_ENTRIES} entries")
        return shape

    def fill(self, name: str, values: list[float], place: Place, *, child_first: bool = False) -> None:
        """Set the table of a variable from numbers whose last axis runs fastest."""
        shape = self.shape(name, place)
        if len(values) != math.prod(shape):
            raise place.error(
                f"the table of {name!r} must have {math.prod(shape)} numbers, got {len(values)}"
            )
        if child_first:
            table = np.moveaxis(np.reshape(np.array(values), (shape[-1], *shape[:-1])), 0, -1)
        else:
            table = np.reshape(np.array(values), shape)
        for row in table.reshape(-1, shape[-1]).tolist():
            check_row(name, row, place)
        self.tables[name] = table

    def finish(self, place: Place) -> Network:
        """Return itself, complete, or say which variable has no parents stated."""
        for name in self.states:
            if name not in self.parents:
                raise place.error(f"the probabilities of {name!r} are missing")
        return self


def check_row(name: str, row: list[float], place: Place) -> None:
    """Raise unless the numbers sum to one; published tables are rounded, often to two decimals."""
    total = sum(row)
    if abs(total - 1) > 0.005 * len(row) + 1e-9:
        raise place.error(f"each row of the table of {name!r} must sum to one, got {total:.6g}")


def number(text: str, place: Place) -> float:
    """Return a probability."""
    if not _NUMBER.fullmatch(text):
        raise place.error(f"expected a number, got {text!r}")
    value = float(text)
    if not 0 <= value <= 1:
        raise place.error(f"expected a probability, got {text}")
    return value


def text_of(source: str | os.PathLike[str], brace: str) -> str:
    """Return the content of a file, or the text itself, which is told by its braces or line breaks."""
    if isinstance(source, str) and (not source or any(mark in source for mark in (brace, "\n", "\r"))):
        return source
    path = Path(source)
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = (
            content.count(b"\n", 0, error.start) + 1,
            error.start - content.rfind(b"\n", 0, error.start),
        )
        raise ParseError(f"{path.name} is not UTF-8", line=line, column=column) from error
