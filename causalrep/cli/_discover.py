"""``causalrep discover``: a table in, a graph out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from causalrep.cli._counterfactual import refuse_to_overwrite
from causalrep.cli._tables import read_table, write_graph
from causalrep.utils import DataError

__all__ = ["METHODS", "run_discover"]

METHODS = (
    *("pc", "fci", "rfci"),
    *("ges", "grasp", "boss", "exact", "direct_lingam", "ica_lingam", "rcd", "cam_uv", "notears", "dagma"),
)
_OF_TESTS = METHODS[:3]


def run_discover(data: Path, *, method: str, test: str | None, alpha: float | None, out: Path) -> None:
    """Search for the graph of a table and write it.

    Raises
    ------
    DataError, UnknownNameError
        For a table or options that cannot be used; before anything is written.
    """
    refuse_to_overwrite(out)
    table = read_table(data)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        search = _search(method, test, alpha).fit(table)
    graph = search.graph_
    write_graph(graph, out, f"by causalrep discover --method {method} from {len(table)} rows")
    print(f"{len(table)} rows, {len(table.columns)} variables")
    print(f"{type(graph).__name__}: {graph.to_string()}")
    for text in dict.fromkeys(str(one.message) for one in said):
        print(f"  ! {text}")
    ambiguous = len(getattr(search, "ambiguous_", ()))
    conflicts = len(getattr(search, "conflicts_", ()))
    if ambiguous or conflicts:
        print(f"the tests contradict each other: {conflicts} conflicts, {ambiguous} ambiguous triples")
    print(f"wrote {out}")


def _search(method: str, test: str | None, alpha: float | None) -> Any:
    from causalrep.discovery import BOSS, DAGMA, FCI, GES, NOTEARS, PC, RFCI, CausalLearn, DirectLiNGAM

    if method in _OF_TESTS:
        kind = {"pc": PC, "fci": FCI, "rfci": RFCI}[method]
        return kind(test=test or "fisherz", alpha=0.01 if alpha is None else alpha)
    if test is not None or alpha is not None:
        raise DataError(f"`--test` and `--alpha` are for {', '.join(_OF_TESTS)}; {method} has neither")
    own = {"boss": BOSS, "ges": GES, "direct_lingam": DirectLiNGAM, "notears": NOTEARS, "dagma": DAGMA}
    return own[method]() if method in own else CausalLearn(method)
