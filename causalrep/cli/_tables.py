"""Tables and graphs as files: what `discover` writes, `effect` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from causalrep.graphs import ADMG, CPDAG, DAG, MAG, MPDAG, PAG, PDAG, Graph
from causalrep.utils import DataError, GraphError, ParseError

__all__ = ["read_graph", "read_table", "write_graph"]

_KINDS: dict[str, type[Graph]] = {kind.__name__: kind for kind in (DAG, CPDAG, MPDAG, PDAG, ADMG, MAG, PAG)}
_SUFFIXES = (".dot", ".gv", ".json", ".dagitty", ".gml", ".graphml")


def read_table(path: Path) -> Any:
    """Return the data frame of a CSV file with a line of names.

    Raises
    ------
    DataError
        If the file holds no such table.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no CSV table: {error}") from error
    if not len(table) or not len(table.columns):
        raise DataError(f"{path} must have a line of names and at least one row")
    return table


def write_graph(graph: Graph, path: Path, origin: str) -> None:
    """Write a graph in the notation that the suffix names; DOT says its type in a comment.

    Raises
    ------
    DataError
        If the suffix names no notation.
    """
    notation = _notation(path)
    text = getattr(graph, f"to_{notation}")()
    if notation == "dot":
        text = f"// {type(graph).__name__}, {origin}\n{text}"
    path.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")


def read_graph(path: Path) -> Graph:
    """Return the graph of a file, of the type that its first line names, or else the narrowest that fits.

    Raises
    ------
    DataError
        If the suffix names no notation, or the file holds no graph.
    """
    notation, text = _notation(path), path.read_text(encoding="utf-8")
    named = text.partition("\n")[0].removeprefix("//").partition(",")[0].strip()
    kinds = [_KINDS[named]] if named in _KINDS else list(_KINDS.values())
    said = None
    for kind in kinds:
        try:
            graph: Graph = getattr(kind, f"from_{notation}")(text)
        except (ParseError, GraphError) as error:
            said = said or error
        else:
            return graph
    raise DataError(f"{path} holds no graph: {said}")


def _notation(path: Path) -> str:
    if path.suffix not in _SUFFIXES:
        raise DataError(f"the name of a graph's file must end in {', '.join(_SUFFIXES)}, got {path.name!r}")
    return "dot" if path.suffix == ".gv" else path.suffix[1:]
