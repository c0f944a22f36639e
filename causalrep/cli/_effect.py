"""``causalrep effect``: a table and a graph in, an effect out."""

from __future__ import annotations

import warnings
from pathlib import Path

from causalrep.cli._counterfactual import refuse_to_overwrite
from causalrep.cli._tables import read_graph, read_table

__all__ = ["run_effect"]


def run_effect(
    data: Path,
    *,
    graph: Path,
    treatment: str,
    outcome: str,
    refute: bool,
    alpha: float,
    seed: int,
    out: Path | None,
) -> None:
    """Print the effect that a graph identifies from a table, and write it as a page if asked to.

    Raises
    ------
    DataError, UnknownNameError, NotIdentifiableError
        For files or names that cannot be used, for an effect that the graph does not identify.
    """
    if out is not None:
        refuse_to_overwrite(out)
    table, known = read_table(data), read_graph(graph)
    from causalrep.estimators import causal_effect

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the report says them, before its numbers
        report = causal_effect(
            table,
            treatment=treatment,
            outcome=outcome,
            graph=known,
            refute=refute,
            alpha=alpha,
            random_state=seed,
        )
    print(report)
    if out is not None:
        report.to_html(out)
        print(f"wrote {out}")
