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
    found = _loaded(text)
    if not isinstance(found, dict) or not {"type", "nodes", "edges"} <= found.keys():
        raise GraphError("the JSON of a graph must be an object with 'type', 'nodes' and 'edges'")
    if found["type"] != what:
        raise GraphError(f"the JSON must be of a {what}, got one of type {found['type']!r}")
    for name in ("nodes", "edges", "latent", "attributes"):
        if not isinstance(found.get(name, []), list):
            raise GraphError(f"{name!r} in the JSON of a graph must be a list")
    labels = [_label(node) for node in found["nodes"]]
    draft = Draft({node: {} for node in labels}, [_edge(row, kinds, what) for row in found["edges"]])
    if len(draft.nodes) < len(labels):
        repeated = next(node for i, node in enumerate(labels) if node in labels[:i])
        raise GraphError(f"'nodes' in the JSON of a graph must not repeat a node, got {repeated!r} twice")
    for row in [[node, {"latent": True}] for node in found.get("latent", [])] + found.get("attributes", []):
        if not (isinstance(row, list) and len(row) == 2 and isinstance(row[1], dict)):
            raise GraphError(f"'attributes' in the JSON of a graph must be [node, object], got {row!r}")
        if _label(row[0]) not in draft.nodes:
            raise GraphError(f"'nodes' in the JSON of a graph lack {row[0]!r}, which is said something about")
        draft.nodes[_label(row[0])].update(row[1])
    return draft


def _loaded(text: str) -> Any:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ParseError(f"not JSON: {error.msg}", line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        raise GraphError("the JSON of a graph must not be nested so deeply") from error
    except ValueError as error:  # an integer with more digits than Python reads
        raise GraphError(f"the JSON of a graph cannot be read: {error}") from error
    level, depth = [found], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise GraphError("the JSON of a graph must not be nested so deeply")
        parts = [
            item.values() if isinstance(item, dict) else item
            for item in level
            if isinstance(item, dict | list)
        ]
        level = [item for part in parts for item in part]
    return found


def _edge(row: Any, kinds: Sequence[str], what: str) -> DraftEdge:
    if isinstance(row, list) and len(row) in (3, 4) and row[1] in kinds:
        attributes = row[3] if len(row) == 4 else {}
        if isinstance(attributes, dict):
            return _label(row[0]), row[1], _label(row[2]), attributes
    raise GraphError(f"an edge in the JSON of a {what} must be [left, kind, right], got {row!r}")


def _label(value: Any) -> Hashable:
    if isinstance(value, dict):
        raise GraphError(f"a node in the JSON of a graph must not be an object, got {value!r}")
    if isinstance(value, list):
        return tuple(_label(item) for item in value)
    label: Hashable = value
    return label
