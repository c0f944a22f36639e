"""Answers whose formulas speak of several populations: names for their distributions, and evaluation."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from causalrep.identification._masks import MaskGraph
from causalrep.identification._query import parse_query
from causalrep.identification._result import Identification
from causalrep.utils import GraphError

__all__ = ["PopulationIdentification", "parse_population", "read_distribution"]

_NAME = r"(?:(\*)|\^\s*(?:\{([^{}]*)\}|(\w+|\*)))"
_POPULATION = re.compile(rf"\s*P\s*{_NAME}?\s*(?=\()")
_WHOLE = re.compile(rf"\s*P\s*{_NAME}\s*")  # all that was seen there, nothing acted on


def parse_population(text: str) -> tuple[str, str]:
    """Split ``"P^{a}(Y | do(X))"`` into the population ``"a"`` and ``"P(Y | do(X))"``.

    ``"P*(Z)"`` is about the population ``"*"``, ``"P(Z)"`` about the one without a name.
    """
    found = _POPULATION.match(text)
    return ("", text) if found is None else (_name(found), f"P{text[found.end() :]}")


def _name(found: re.Match[str]) -> str:
    return (found[1] or found[2] or found[3] or "").strip()


def read_distribution(masks: MaskGraph, text: str) -> tuple[str, int, int]:
    """Return population, nodes measured and nodes acted on of a joint distribution in text."""
    domain, plain = parse_population(text)
    query = parse_query(plain)
    if query.given or query.is_counterfactual:
        raise GraphError(f"distributions at hand are joint ones, as 'P(X, Y | do(Z))', got {text!r}")
    measured = masks.mask((potential.variable for potential, _ in query.outcome), "a distribution")
    return domain, measured, masks.mask((name for name, _ in query.do), "a distribution")


class PopulationIdentification(Identification):
    """The answer to a question about one population from data on others.

    Its `evaluate` takes a mapping from distributions to tables, such as ``{"P(Z, Y | do(X))": ...,
    "P*(Z)": ...}``; ``P*`` is the target population, ``P^{a}`` one called "a". A name without nodes, as
    ``"P^{S=1}"``, is all that was seen there.
    """

    def evaluate(self, table: Any, *arguments: Any, **options: Any) -> Any:
        """Return the value of the estimand, as `Identification.evaluate`.

        Parameters
        ----------
        table : mapping of distribution to data frame or mapping of columns
            One for each distribution in the estimand.
        *arguments, **options : object
            As there.

        Returns
        -------
        float or data frame
            As there.
        """
        if isinstance(table, Mapping) and table and all(map(_is_distribution, table)):
            # The name itself keeps apart two tables of one distribution, which measure different nodes.
            table = {(*_key(name), name): part for name, part in table.items()}
        return super().evaluate(table, *arguments, **options)


def _is_distribution(name: Hashable) -> bool:
    if not isinstance(name, str):
        return isinstance(name, tuple)
    return _POPULATION.match(name) is not None or _WHOLE.fullmatch(name) is not None


def _key(name: Any) -> tuple[Iterable[Hashable], str]:
    if isinstance(name, tuple):
        return name[0], name[1]
    whole = _WHOLE.fullmatch(name)
    if whole is not None:
        return (), _name(whole)
    domain, plain = parse_population(name)
    return tuple(node for node, _ in parse_query(plain).do), domain
