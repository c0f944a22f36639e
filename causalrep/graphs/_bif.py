"""The Bayesian Interchange Format of Bayesian networks, read by a small parser of our own and written."""

from __future__ import annotations

import math
import re

import numpy as np

from causalrep.graphs._network import Network, check_row, number
from causalrep.graphs._tokens import Cursor, Token

__all__ = ["parse", "write"]

_PATTERN = re.compile(
    r"""(?P<skip>[\s\ufeff]+|//[^\n]*|/\*.*?\*/)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<mark>[{}()\[\];,|])
      | (?P<word>[^\s{}()\[\];,|"]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(r"(?!property\b|table\b|default\b)[^\W\d][\w-]*")


def parse(text: str) -> Network:
    """Return the network of a text."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.cursor = Cursor(text, _PATTERN)
        self.network = Network()

    def read(self) -> Network:
        if not self._keyword("network"):
            raise self.cursor.here.error(f"expected 'network', got {self.cursor.here}")
        if not self.cursor.take_if("{"):
            self._name()
            self._expect("{")
        while not self.cursor.take_if("}"):
            self._property()
        while self.cursor.here.kind != "end":
            if self._keyword("variable"):
                self._variable()
            elif self._keyword("probability"):
                self._probability()
            else:
                raise self.cursor.here.error(f"expected 'variable' or 'probability', got {self.cursor.here}")
        return self.network.finish(self.cursor.here)

    def _variable(self) -> None:
        place = self.cursor.here
        name, states = self._name(), []
        self._expect("{")
        while not self.cursor.take_if("}"):
            if self._keyword("type"):
                states = self._states()
            else:
                self._property()
        self.network.declare(name, states, place)

    def _states(self) -> list[str]:
        if not self._keyword("discrete"):
            raise self.cursor.here.error(f"a variable must be discrete, got {self.cursor.here}")
        self._expect("[")
        place = self.cursor.take()
        self._expect("]")
        self._expect("{")
        states = self._names("}")
        self._expect(";")
        if place.text != str(len(states)):
            raise place.error(f"{place.text} states are announced, but {len(states)} listed")
        return states

    def _probability(self) -> None:
        place = self.cursor.here
        self._expect("(")
        name = self._name()
        parents = []
        if self.cursor.take_if("|"):
            parents = self._names(")")
        else:
            self._expect(")")
        self.network.relate(name, parents, place)
        self._expect("{")
        rows: dict[tuple[int, ...], list[float]] = {}
        default: list[float] = []
        while not self.cursor.take_if("}"):
            here = self.cursor.here
            if self._keyword("table"):
                # Here the variable itself runs slowest, its last parent fastest.
                self.network.fill(name, self._numbers(), here, child_first=True)
            elif self._keyword("default"):
                default = self._row(name, here)
            elif self.cursor.take_if("("):
                key = self._configuration(parents, here)
                if key in rows:
                    raise here.error("the states are listed twice")
                rows[key] = self._row(name, here)
            else:
                self._property()
        if (rows or default) and name in self.network.tables:
            raise place.error(f"the table of {name!r} must be stated once, as a whole or in rows")
        if rows or default:
            self._fill(name, rows, default, place)

    def _configuration(self, parents: list[str], place: Token) -> tuple[int, ...]:
        states = self._names(")")
        if len(states) != len(parents):
            raise place.error(f"expected a state of each of {len(parents)} parents, got {len(states)}")
        key = []
        for node, state in zip(parents, states, strict=True):
            if state not in self.network.states[node]:
                raise place.error(f"{state!r} is no state of {node!r}")
            key.append(self.network.states[node].index(state))
        return tuple(key)

    def _row(self, name: str, place: Token) -> list[float]:
        row, n_states = self._numbers(), len(self.network.states[name])
        if len(row) != n_states:
            raise place.error(
                f"expected a number for each of the {n_states} states of {name!r}, got {len(row)}"
            )
        check_row(name, row, place)
        return row

    def _fill(
        self, name: str, rows: dict[tuple[int, ...], list[float]], default: list[float], place: Token
    ) -> None:
        shape = self.network.shape(name, place)
        n_rows = math.prod(shape[:-1])
        if not default and len(rows) < n_rows:
            raise place.error(f"the table of {name!r} must have {n_rows} rows, got {len(rows)}")
        table = np.empty(shape)
        table[...] = default or 0.0
        for key, row in rows.items():
            table[key] = row
        self.network.tables[name] = table

    def _numbers(self) -> list[float]:
        found = []
        while not self.cursor.take_if(";"):
            token = self.cursor.take()
            found.append(number(token.text, token))
            self.cursor.take_if(",")
        return found

    def _names(self, end: str) -> list[str]:
        found = []
        while not self.cursor.take_if(end):
            found.append(self._name())
            self.cursor.take_if(",")
        return found

    def _name(self) -> str:
        token = self.cursor.take()
        if token.kind == "quoted":
            return re.sub(r'\\(["\\])', r"\1", token.text[1:-1])
        if token.kind == "word":
            return token.text
        raise token.error(f"expected a name, got {token}")

    def _property(self) -> None:
        """Step over a property, whose text is free but ends with a semicolon."""
        if not self._keyword("property"):
            raise self.cursor.here.error(f"{self.cursor.here} is not understood here")
        while not self.cursor.take_if(";"):
            if self.cursor.take().kind == "end":
                raise self.cursor.here.error("a property has no end ';'")

    def _keyword(self, word: str) -> bool:
        found = self.cursor.here.kind == "word" and self.cursor.here.text == word
        if found:
            self.cursor.take()
        return found

    def _expect(self, mark: str) -> None:
        if not self.cursor.take_if(mark):
            raise self.cursor.here.error(f"expected {mark!r}, got {self.cursor.here}")


def write(network: Network) -> str:
    """Return the text, one row of a table a line."""
    lines = ["network unknown {", "}"]
    for name, states in network.states.items():
        listed = ", ".join(map(_quoted, states))
        types = [f"  type discrete [ {len(states)} ] {{ {listed} }};"] if states else []
        lines += [f"variable {_quoted(name)} {{", *types, "}"]
    for name, parents in network.parents.items():
        given = f" | {', '.join(map(_quoted, parents))}" if parents else ""
        lines += [f"probability ( {_quoted(name)}{given} ) {{", *_rows(network, name), "}"]
    return "\n".join(lines) + "\n"


def _rows(network: Network, name: str) -> list[str]:
    if name not in network.tables:
        return []
    table, parents = network.tables[name], network.parents[name]
    if not parents:
        return [f"  table {', '.join(map(repr, table.tolist()))};"]
    rows = []
    for key in np.ndindex(table.shape[:-1]):
        states = [_quoted(network.states[node][k]) for node, k in zip(parents, key, strict=True)]
        rows.append(f"  ({', '.join(states)}) {', '.join(map(repr, table[key].tolist()))};")
    return rows


def _quoted(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
