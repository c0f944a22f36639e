"""The .net files of Hugin, in as far as they describe discrete chance nodes, read and written."""

from __future__ import annotations

import re

from causalrep.graphs._network import Network, number
from causalrep.graphs._tokens import Cursor, Token

__all__ = ["parse", "write"]

_PATTERN = re.compile(
    r"""(?P<skip>[\s\ufeff]+|%[^\n]*)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<mark>[{}()=;,|])
      | (?P<word>[^\s{}()=;,|"%]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = "causalrep_name"  # an attribute for the names that are no identifiers


def parse(text: str) -> Network:
    """Return the network of a text."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.cursor = Cursor(text, _PATTERN)
        self.network = Network()
        self.names: dict[str, str] = {}  # of the identifiers

    def read(self) -> Network:
        if self.cursor.here.text not in ("net", "class"):
            raise self.cursor.here.error(f"expected 'net', got {self.cursor.here}")
        if self.cursor.take().text == "class":
            self._name()
        self._block()
        while self.cursor.here.kind != "end":
            token = self.cursor.take()
            if token.text == "discrete":
                token = self.cursor.take()
            if token.text == "node":
                self._node(token)
            elif token.text == "potential":
                self._potential(token)
            else:
                raise token.error(f"only discrete nodes and potentials are read, got {token}")
        return self.network.finish(self.cursor.here)

    def _node(self, place: Token) -> None:
        name = self._name()
        found = self._block()
        states = [self._unquoted(token) for token in found.get("states", []) if token.kind != "mark"]
        stated = found.get(_NAME, [])
        self.names[name] = self._unquoted(stated[0]) if stated else name
        self.network.declare(self.names[name], states, place)

    def _potential(self, place: Token) -> None:
        self._expect("(")
        name, parents = self._node_name(), []
        if self.cursor.take_if("|"):
            while self.cursor.here.kind in ("word", "quoted"):
                parents.append(self._node_name())
        self._expect(")")
        self.network.relate(name, parents, place)
        values = self._block().get("data", [])
        if values:
            # The brackets only repeat what the order says: the last parent's rows, the states in them.
            numbers = [number(token.text, token) for token in values if token.kind != "mark"]
            self.network.fill(name, numbers, values[0])

    def _block(self) -> dict[str, list[Token]]:
        """Return the tokens of each value in ``{ key = value; ... }``."""
        self._expect("{")
        found: dict[str, list[Token]] = {}
        while not self.cursor.take_if("}"):
            key = self._name()
            self._expect("=")
            value = []
            while not self.cursor.take_if(";"):
                token = self.cursor.take()
                if token.kind == "end":
                    raise token.error(f"the value of {key!r} has no end ';'")
                value.append(token)
            found[key] = value
        return found

    def _node_name(self) -> str:
        token = self.cursor.here
        name = self._name()
        if name not in self.names:
            raise token.error(f"the variable {name!r} is not declared")
        return self.names[name]

    def _name(self) -> str:
        return self._unquoted(self.cursor.take())

    @staticmethod
    def _unquoted(token: Token) -> str:
        if token.kind == "quoted":
            return re.sub(r'\\(["\\])', r"\1", token.text[1:-1])
        if token.kind == "word":
            return token.text
        raise token.error(f"expected a name, got {token}")

    def _expect(self, mark: str) -> None:
        if not self.cursor.take_if(mark):
            raise self.cursor.here.error(f"expected {mark!r}, got {self.cursor.here}")


def write(network: Network) -> str:
    """Return the text; a name that is no identifier is an attribute of a numbered node."""
    names = {name: name for name in network.states if _IDENTIFIER.fullmatch(name)}
    for i, name in enumerate(network.states):
        if name not in names:
            names[name] = _free(f"node_{i}", names)
    lines = ["net", "{", "}"]
    for name, states in network.states.items():
        lines += [f"node {names[name]}", "{"]
        if names[name] != name:
            lines.append(f"  {_NAME} = {_quoted(name)};")
        if states:
            lines.append(f"  states = ( {' '.join(map(_quoted, states))} );")
        lines.append("}")
    for name, parents in network.parents.items():
        given = f" | {' '.join(names[node] for node in parents)}" if parents else ""
        lines += [f"potential ( {names[name]}{given} )", "{", *_data(network, name), "}"]
    return "\n".join(lines) + "\n"


def _free(wish: str, taken: dict[str, str]) -> str:
    while wish in taken.values():
        wish += "_"
    return wish


def _data(network: Network, name: str) -> list[str]:
    if name not in network.tables:
        return []
    rows = str(network.tables[name].tolist()).translate(str.maketrans("[],", "() "))
    return [f"  data = {rows};"]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
