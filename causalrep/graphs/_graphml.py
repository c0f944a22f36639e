"""GraphML, read from Expat's events and written.

References
----------
.. [1] U. Brandes, M. Eiglsperger, I. Herman, M. Himsolt, M. S. Marshall, "GraphML progress report:
   structural layer proposal", Graph Drawing 2001, doi:10.1007/3-540-45848-4_59.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Hashable, Mapping, Sequence

from causalrep.graphs._attributes import Value
from causalrep.graphs._draft import Draft, DraftEdge, check_kind, flat
from causalrep.graphs._store import MARKS
from causalrep.graphs._tokens import checked_label
from causalrep.graphs._xml import Element, attribute, content, parse_xml

__all__ = ["parse", "write"]

_NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
_LABEL = "integer_label"
_REAL = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]+)?")
_MAX_DIGITS = 4000  # Python itself refuses to read longer integers


def parse(text: str, kinds: Sequence[str], what: str) -> Draft:
    """Return the nodes in order and the edges."""
    root = parse_xml(text.removeprefix("\ufeff") if isinstance(text, str) else text)
    if root.tag != "graphml":
        raise root.error(f"expected the element <graphml>, got <{root.tag}>")
    keys = {key.get("id"): key for key in root.all("key")}
    graph = root.one("graph")
    for element in graph.children:
        if element.tag == "hyperedge" or element.all("graph"):
            raise element.error("hyperedges and nested graphs are not read")
    labels: dict[str, str | int] = {}
    draft = Draft()
    for node in graph.all("node"):
        identity, found = node.get("id"), _data(node, keys)
        label = found.pop(_LABEL, identity)
        if isinstance(label, float | bool | tuple):
            raise node.error(f"the label of a node must be a text or an integer, got {label!r}")
        if identity in labels or label in draft.nodes:
            raise node.error(f"the node {label!r} is stated twice")
        labels[identity] = label
        draft.nodes[label] = found
    draft.edges = [_edge(edge, graph, labels, keys, kinds, what) for edge in graph.all("edge")]
    return draft


def _edge(
    edge: Element,
    graph: Element,
    labels: Mapping[str, str | int],
    keys: Mapping[str, Element],
    kinds: Sequence[str],
    what: str,
) -> DraftEdge:
    ends = edge.get("source"), edge.get("target")
    for end in ends:
        if end not in labels:
            raise edge.error(f"there is no node with the id {end!r}")
    default = graph.attributes.get("edgedefault", "undirected") == "directed"
    directed = edge.attributes.get("directed", str(default).lower()) in ("true", "1")
    found = _data(edge, keys)
    kind = found.pop("kind", "->" if directed else "--")
    if kind not in MARKS:
        raise edge.error(f"expected the kind of an edge, such as '->', got {kind!r}")
    return labels[ends[0]], check_kind(str(kind), kinds, what, edge), labels[ends[1]], found


def _data(element: Element, keys: Mapping[str, Element]) -> dict[str, Value]:
    """Return the attributes of a node or edge, those with a default too."""
    stated = {data.get("key"): data for data in element.all("data")}
    unknown = [key for key in stated if key not in keys]
    if unknown:
        raise stated[unknown[0]].error(f"there is no <key> with the id {unknown[0]!r}")
    found = {}
    for identity, key in keys.items():
        if key.attributes.get("for", "all") not in (element.tag, "all"):
            continue
        source = stated.get(identity) or next(iter(key.all("default")), None)
        if source is not None and not source.children:
            name = key.attributes.get("attr.name", identity)
            found[name] = _value(source, key.attributes.get("attr.type", "string"))
    return found


def _value(data: Element, kind: str) -> Value:
    text = data.text.strip()
    if kind == "boolean" and text.lower() in ("true", "false", "1", "0"):
        return text.lower() in ("true", "1")
    if kind in ("int", "long") and re.fullmatch(rf"[+-]?[0-9]{{1,{_MAX_DIGITS}}}", text):
        return int(text)
    if kind in ("float", "double") and _REAL.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    if kind == "string":
        return data.text
    raise data.error(f"expected a value of the type {kind!r}, got {text!r}")


def write(draft: Draft) -> str:
    """Return the text; the kind of an edge is stated where it is not directed."""
    labels = {node: checked_label(node, "to_graphml") for node in draft.nodes}
    ids = _ids(labels.values())
    keys = _Keys()
    body = []
    for node, found in draft.nodes.items():
        data: dict[str, str | bool | int | float] = {_LABEL: labels[node]} if isinstance(node, int) else {}
        data |= flat(found, "to_graphml", reserved=(_LABEL,))
        body += keys.element("node", {"id": ids[node]}, data)
    for u, kind, v, carried in draft.edges:
        data = {"kind": kind} if kind != "->" else {}
        data |= flat(carried, "to_graphml", reserved=("kind",))
        body += keys.element("edge", {"source": ids[u], "target": ids[v]}, data)
    head = ['<?xml version="1.0" encoding="UTF-8"?>', f'<graphml xmlns="{_NAMESPACE}">', *keys.declared()]
    return "\n".join([*head, '  <graph edgedefault="directed">', *body, "  </graph>", "</graphml>"])


def _ids(labels: Collection[str | int]) -> dict[Hashable, str]:
    """Return an id for each node: a text is its own, an integer needs one that no other node has."""
    ids: dict[Hashable, str] = {label: label for label in labels if isinstance(label, str)}
    taken = set(ids.values())
    for label in labels:
        if isinstance(label, int):
            ids[label] = str(label)
            while ids[label] in taken:
                ids[label] += "_"
            taken.add(ids[label])
    return ids


class _Keys:
    """Numbers the attributes by element, name and type, as they are used."""

    _types: tuple[tuple[type, str], ...] = (
        (bool, "boolean"),
        (int, "long"),
        (float, "double"),
        (str, "string"),
    )

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str, str], str] = {}

    def element(self, tag: str, attributes: dict[str, str], data: Mapping[str, Value]) -> list[str]:
        """Return the lines of a node or edge."""
        listed = "".join(f" {name}={_attribute(value)}" for name, value in attributes.items())
        if not data:
            return [f"    <{tag}{listed}/>"]
        lines = []
        for name, value in data.items():
            kind = next(kind for cls, kind in self._types if isinstance(value, cls))
            key = self._ids.setdefault((tag, name, kind), f"d{len(self._ids)}")
            text = str(value).lower() if isinstance(value, bool) else str(value)
            lines.append(f'      <data key="{key}">{content(text, "to_graphml")}</data>')
        return [f"    <{tag}{listed}>", *lines, f"    </{tag}>"]

    def declared(self) -> list[str]:
        """Return the lines that declare the attributes."""
        return [
            f'  <key id="{key}" for="{tag}" attr.name={_attribute(name)} attr.type="{kind}"/>'
            for (tag, name, kind), key in self._ids.items()
        ]


def _attribute(text: str) -> str:
    return attribute(text, "to_graphml")
