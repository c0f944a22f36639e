"""Graphs as JSON: labels as they are, tuples as lists, edges as [left, kind, right]."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Sequence
from typing import Any

from causalrep.utils import GraphError, ParseError

__all__ = ["parse", "write"]


def write(what: str, nodes: Sequence[Hashable], edges: Sequence[tuple[int, str, int]]) -> str:
    """Return the JSON text of a graph."""
    labels = [_plain(node) for node in nodes]
    rows = [[labels[i], kind, labels[j]] for i, kind, j in edges]
    return json.dumps({"type": what, "nodes": labels, "edges": rows}, ensure_ascii=False, allow_nan=False)


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


def parse(text: str, kinds: Sequence[str], what: str) -> tuple[list[tuple[Any, str, Any]], list[Any]]:
    """Return the edges and nodes of the graph in a JSON text."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ParseError(f"not JSON: {error.msg}", line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        raise GraphError("the JSON of a graph must not be nested so deeply") from error
    if not isinstance(found, dict) or not {"type", "nodes", "edges"} <= found.keys():
        raise GraphError("the JSON of a graph must be an object with 'type', 'nodes' and 'edges'")
    if found["type"] != what:
        raise GraphError(f"the JSON must be of a {what}, got one of type {found['type']!r}")
    if not isinstance(found["nodes"], list) or not isinstance(found["edges"], list):
        raise GraphError("'nodes' and 'edges' in the JSON of a graph must be lists")
    edges = []
    for row in found["edges"]:
        if not (isinstance(row, list) and len(row) == 3 and row[1] in kinds):
            raise GraphError(f"an edge in the JSON of a {what} must be [left, kind, right], got {row!r}")
        edges.append((_label(row[0]), row[1], _label(row[2])))
    return edges, [_label(node) for node in found["nodes"]]


def _label(value: Any) -> Hashable:
    if isinstance(value, dict):
        raise GraphError(f"a node in the JSON of a graph must not be an object, got {value!r}")
    if isinstance(value, list):
        return tuple(_label(item) for item in value)
    label: Hashable = value
    return label
