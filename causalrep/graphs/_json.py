"""Graphs as JSON: labels as they are, tuples as lists, edges as [left, kind, right]."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Sequence
from typing import Any

from causalrep.graphs._draft import Draft, DraftEdge
from causalrep.utils import GraphError, ParseError

__all__ = ["parse", "write"]

_MAX_DEPTH = 100


def write(what: str, draft: Draft) -> str:
    """Return the JSON text of a graph; what no node has is not mentioned."""
    labels = {node: _plain(node) for node in draft.nodes}
    edges = [
        [labels[u], kind, labels[v], *([dict(found)] if found else [])] for u, kind, v, found in draft.edges
    ]
    content: dict[str, Any] = {"type": what, "nodes": list(labels.values()), "edges": edges}
    latent = [labels[node] for node in draft.latent()]
    rest = {node: {**found} for node, found in draft.nodes.items()}
    for found in rest.values():
        found.pop("latent", None)
    if latent:
        content["latent"] = latent
    if any(rest.values()):
        content["attributes"] = [[labels[node], found] for node, found in rest.items() if found]
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


def _plain(label: Any) -> Any:
    if isinstance(label, tuple):
        return [_plain(item) for item in label]
    if label is None or isinstance(label, str | bool | int):
        return label
    if isinstance(label, float) and math.isfinite(label):
        return label
    if hasattr(label, "dtype") and hasattr(label, "item"):  # a NumPy scalar equals the Python one
        return _plain(label.item())
    raise GraphError(f"to_json writes labels that are strings, finite numbers or tuples, got {label!r}")


def parse(text: str, kinds: Sequence[str], what: str) -> Draft:
    """Return the graph in a JSON text."""
    if isinstance(text, str) and text.startswith("\ufeff"):
        text = f" {text[1:]}"  # as long, so that errors point at the same place
    found = _loaded(text)
    if not isinstance(found, dict) or not {"type", "nodes", "edges"} <= found.keys():
        raise _error(text, "the JSON of a graph must be an object with 'type', 'nodes' and 'edges'")
    if found["type"] != what:
        raise _error(text, f"the JSON must be of a {what}, got one of type {found['type']!r}", "type")
    for name in ("nodes", "edges", "latent", "attributes"):
        if not isinstance(found.get(name, []), list):
            raise _error(text, f"{name!r} in the JSON of a graph must be a list", name)
    draft = Draft()
    for i, node in enumerate(found["nodes"]):
        label = _label(node, text, "nodes", i)
        if label in draft.nodes:
            raise _error(text, f"'nodes' must not repeat a node, got {label!r} twice", "nodes", i)
        draft.add([label])
    for i, row in enumerate(found["edges"]):
        left, kind, right, about = _edge(row, kinds, what, text, i)
        for label in (left, right):
            if label not in draft.nodes:
                raise _error(text, f"'nodes' lack {label!r}, which an edge joins", "edges", i)
        draft.edges.append((left, kind, right, about))
    latent = [[node, {"latent": True}] for node in found.get("latent", [])]
    for name, rows in (("latent", latent), ("attributes", found.get("attributes", []))):
        for i, row in enumerate(rows):
            if not (isinstance(row, list) and len(row) == 2 and isinstance(row[1], dict)):
                raise _error(text, f"{name!r} must hold [node, object], got {row!r}", name, i)
            label = _label(row[0], text, name, i)
            if label not in draft.nodes:
                raise _error(text, f"'nodes' lack {label!r}, which is said something about", name, i)
            draft.nodes[label].update(row[1])
    return draft


def _error(text: str, message: str, name: str | None = None, item: int | None = None) -> ParseError:
    """Return an error that points at a member of the outermost object, or at an item of that member."""
    before = text[: _place(text, name, item)]
    line = before.count("\n") + 1
    return ParseError(message, line=line, column=len(before) - (before.rfind("\n") + 1) + 1)


def _place(text: str, name: str | None, item: int | None) -> int:
    """Return where the value of a member, or an item of it, begins in a text that is JSON."""
    decode = json.JSONDecoder().raw_decode

    def skipped(at: int) -> int:
        while text[at] in " \t\n\r,:":
            at += 1
        return at

    start = at = skipped(0)
    found = start
    if name is None:
        return start
    at = skipped(start + 1)
    while text[at] != "}":  # the last of several members of one name is the one that counts
        key, at = decode(text, at)
        at = skipped(at)
        if key == name:
            found = at
        _, at = decode(text, at)
        at = skipped(at)
    if item is not None:
        found = skipped(found + 1)
        for _ in range(item):
            _, found = decode(text, found)
            found = skipped(found)
    return found


def _loaded(text: str) -> Any:
    deep = "the JSON of a graph must not be nested so deeply"
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ParseError(f"not JSON: {error.msg}", line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        raise ParseError(deep, line=1, column=1) from error
    except ValueError as error:  # an integer with more digits than Python reads
        raise ParseError(f"the JSON of a graph cannot be read: {error}", line=1, column=1) from error
    level, depth = [found], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise ParseError(deep, line=1, column=1)
        parts = [
            item.values() if isinstance(item, dict) else item
            for item in level
            if isinstance(item, dict | list)
        ]
        level = [item for part in parts for item in part]
    return found


def _edge(row: Any, kinds: Sequence[str], what: str, text: str, i: int) -> DraftEdge:
    if isinstance(row, list) and len(row) in (3, 4) and row[1] in kinds:
        attributes = row[3] if len(row) == 4 else {}
        if isinstance(attributes, dict):
            left, right = (_label(end, text, "edges", i) for end in (row[0], row[2]))
            return left, row[1], right, attributes
    message = f"an edge in the JSON of a {what} must be [left, kind, right], got {row!r}"
    raise _error(text, message, "edges", i)


def _label(value: Any, text: str, name: str, i: int) -> Hashable:
    if isinstance(value, dict):
        raise _error(text, f"a node in the JSON of a graph must not be an object, got {value!r}", name, i)
    if isinstance(value, list):
        return tuple(_label(item, text, name, i) for item in value)
    label: Hashable = value
    return label
