"""XML read into a plain tree by Expat, without entities, external files or recursion."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat

from causalrep.utils import GraphError, ParseError

__all__ = ["Element", "attribute", "content", "parse_xml"]

# The characters that an XML 1.0 document may hold, escaped or not.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass
class Element:
    """An element with its attributes and children; `tag` has no namespace prefix."""

    tag: str
    attributes: dict[str, str]
    line: int
    column: int
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def error(self, message: str) -> ParseError:
        """Return a `ParseError` that points here."""
        return ParseError(message, line=self.line, column=self.column)

    def all(self, tag: str) -> list[Element]:
        """Return the children with this tag."""
        return [child for child in self.children if child.tag == tag]

    def one(self, tag: str) -> Element:
        """Return the only child with this tag."""
        found = self.all(tag)
        if len(found) != 1:
            raise self.error(f"expected one <{tag}> in <{self.tag}>, got {len(found)}")
        return found[0]

    def get(self, name: str) -> str:
        """Return the value of an attribute that must be there."""
        if name not in self.attributes:
            raise self.error(f"<{self.tag}> must have the attribute {name!r}")
        return self.attributes[name]


def parse_xml(text: str, *, allow_doctype: bool = False) -> Element:
    """Return the root of an XML text; entities may not be declared, so nothing can expand.

    A document type may be stated where `allow_doctype` says so; it is skipped, never fetched.
    """
    if not isinstance(text, str):
        raise TypeError(f"`text` must be a str, got {type(text).__name__}")
    parser = expat.ParserCreate(encoding="utf-8")  # whatever the declaration says: `text` is decoded
    parser.buffer_text = True
    tree = _Tree(parser, allow_doctype=allow_doctype)
    try:
        parser.Parse(text.encode("utf-8", errors="surrogatepass"), True)
    except expat.ExpatError as error:
        message = expat.ErrorString(error.code)
        raise ParseError(f"not XML: {message}", line=error.lineno, column=error.offset + 1) from error
    return tree.root


class _Tree:
    """Receives the events of a parser and keeps the elements that are still open."""

    root: Element

    def __init__(self, parser: expat.XMLParserType, *, allow_doctype: bool) -> None:
        self._parser = parser
        self._open: list[Element] = []
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._refuse_entity
        parser.StartDoctypeDeclHandler = None if allow_doctype else self._refuse_doctype
        # An entity that a skipped external type might declare would otherwise vanish in silence.
        parser.SkippedEntityHandler = self._refuse_entity

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        parser = self._parser
        element = Element(
            tag.rpartition(":")[2], attributes, parser.CurrentLineNumber, parser.CurrentColumnNumber + 1
        )
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, _tag: str) -> None:
        self._open.pop()

    def _characters(self, data: str) -> None:
        self._open[-1].text += data

    def _refuse(self, what: str) -> None:
        line, column = self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1
        raise ParseError(f"{what} are not read", line=line, column=column)

    def _refuse_entity(self, *_: object) -> None:
        self._refuse("entities")

    def _refuse_doctype(self, *_: object) -> None:
        self._refuse("document types")


def content(text: str, where: str) -> str:
    """Return a text as the content of an element, or say that XML cannot hold it."""
    odd = _FORBIDDEN.search(text)
    if odd:
        raise GraphError(
            f"{where} cannot write the character U+{ord(odd[0]):04X} of {text!r}, which XML forbids; "
            "to_json can"
        )
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("\r", "&#13;")


def attribute(text: str, where: str) -> str:
    """Return a text as the quoted value of an attribute; line ends stay what they are."""
    escaped = content(text, where).replace('"', "&quot;").replace("\t", "&#9;").replace("\n", "&#10;")
    return f'"{escaped}"'
