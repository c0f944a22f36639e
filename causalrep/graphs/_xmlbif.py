"""XMLBIF 0.3, the XML form of the interchange format of Bayesian networks, read and written."""

from __future__ import annotations

from causalrep.graphs._network import Network, number
from causalrep.graphs._xml import Element, content, parse_xml

__all__ = ["parse", "write"]


def parse(text: str) -> Network:
    """Return the network of a text."""
    root = parse_xml(text.removeprefix("\ufeff"), allow_doctype=True)
    if root.tag != "BIF":
        raise root.error(f"expected the element <BIF>, got <{root.tag}>")
    found, network = Network(), root.one("NETWORK")
    for variable in network.all("VARIABLE"):
        if variable.attributes.get("TYPE", "nature") != "nature":
            raise variable.error(f"only chance nodes are read, got {variable.attributes['TYPE']!r}")
        states = [_name(outcome) for outcome in variable.all("OUTCOME")]
        found.declare(_name(variable.one("NAME")), states, variable)
    for definition in network.all("DEFINITION"):
        name = _name(definition.one("FOR"))
        found.relate(name, [_name(given) for given in definition.all("GIVEN")], definition)
        tables = definition.all("TABLE")
        if len(tables) > 1:
            raise tables[1].error(f"the table of {name!r} is stated twice")
        if tables:
            values = [number(word, tables[0]) for word in tables[0].text.split()]
            found.fill(name, values, tables[0])
    return found.finish(network)


def _name(element: Element) -> str:
    # Programs indent the text of an element; ours says where the blanks belong to a name.
    if element.attributes.get("xml:space") == "preserve":
        return element.text
    return element.text.strip()


def write(network: Network) -> str:
    """Return the text."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<BIF VERSION="0.3">',
        "<NETWORK>",
        "<NAME>unknown</NAME>",
    ]
    for name, states in network.states.items():
        outcomes = [_element("OUTCOME", state) for state in states]
        lines += ['<VARIABLE TYPE="nature">', _element("NAME", name), *outcomes, "</VARIABLE>"]
    for name, parents in network.parents.items():
        lines += ["<DEFINITION>", _element("FOR", name), *(_element("GIVEN", node) for node in parents)]
        if name in network.tables:
            numbers = " ".join(map(repr, network.tables[name].ravel().tolist()))
            lines.append(f"<TABLE>{numbers}</TABLE>")
        lines.append("</DEFINITION>")
    return "\n".join([*lines, "</NETWORK>", "</BIF>"]) + "\n"


def _element(tag: str, text: str) -> str:
    space = "" if text == text.strip() else ' xml:space="preserve"'
    return f"<{tag}{space}>{content(text, 'to_xmlbif')}</{tag}>"
