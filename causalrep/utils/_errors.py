"""The errors of the library: one small tree, each also the builtin it refines.

Code that already catches ``ValueError`` or ``KeyError`` keeps working; code that
wants to act on the cause reads the evidence from the attributes.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Sequence

__all__ = [
    "CausalRepError",
    "CheckpointError",
    "CycleError",
    "DataError",
    "DeviceError",
    "GraphError",
    "ImpossibleEvidenceError",
    "MissingDependencyError",
    "NotIdentifiableError",
    "NotInvertibleError",
    "ParseError",
    "PolynomialProgramError",
    "PositivityError",
    "PositivityWarning",
    "UnknownNameError",
    "suggestion",
]


class CausalRepError(Exception):
    """Base of every error that the library raises on purpose."""


class GraphError(CausalRepError, ValueError):
    """A graph breaks an invariant of its type."""


class CycleError(GraphError):
    """A graph that must be acyclic is not.

    Attributes
    ----------
    cycle : tuple of hashable
        The nodes of one directed cycle, each pointing to the next and the last to the first.
    """

    def __init__(self, cycle: Sequence[Hashable]) -> None:
        self.cycle = tuple(cycle)
        path = " -> ".join(str(node) for node in (*self.cycle, self.cycle[0]))
        super().__init__(f"the directed edges must not form a cycle, got {path}")


class ParseError(CausalRepError, ValueError):
    """A text could not be parsed.

    Attributes
    ----------
    line, column : int
        Where, counted from 1.
    """

    def __init__(self, message: str, *, line: int, column: int) -> None:
        self.line = line
        self.column = column
        super().__init__(f"line {line}, column {column}: {message}")


class UnknownNameError(CausalRepError, KeyError):
    """A node, column or option was named that does not exist.

    Attributes
    ----------
    name : hashable
        What was asked for.
    known : tuple of hashable
        What there is.
    """

    def __init__(self, name: Hashable, known: Iterable[Hashable], *, what: str) -> None:
        self.name = name
        self.known = tuple(known)
        self._message = (
            f"{what} names {name!r}, which does not exist{suggestion(name, self.known)}; "
            f"known: {', '.join(repr(item) for item in self.known[:20])}"
            f"{', ...' if len(self.known) > 20 else ''}"
        )
        super().__init__(self._message)

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return self._message


class DataError(CausalRepError, ValueError):
    """Data do not have the form or the content that was expected."""


class NotIdentifiableError(CausalRepError, ValueError):
    """A question was asked that the distributions at hand do not determine.

    Attributes
    ----------
    witness : object or None
        Why, in a form that can be checked.
    """

    def __init__(self, message: str, witness: object = None) -> None:
        self.witness = witness
        super().__init__(message)

    @property
    def hedge(self) -> object:
        """The witness, under the name of the commonest kind."""
        return self.witness


class PositivityError(DataError):
    """An estimate needs a stratum in which some value never occurs."""


class PositivityWarning(UserWarning):
    """An estimate is undefined where some value never occurs in a stratum."""


class ImpossibleEvidenceError(CausalRepError, ValueError):
    """The observed values have probability zero under the model."""


class NotInvertibleError(CausalRepError, ValueError):
    """A mechanism was asked for the noise of an observation and cannot tell it."""


class PolynomialProgramError(CausalRepError, ValueError):
    """Bounds were asked for whose programme is polynomial, not linear.

    Attributes
    ----------
    districts : tuple of tuple of hashable
        The districts whose unknown distributions multiply.
    """

    def __init__(self, query: str, districts: Iterable[Sequence[Hashable]]) -> None:
        self.districts = tuple(tuple(members) for members in districts)
        named = " and ".join("{" + ", ".join(map(str, members)) + "}" for members in self.districts)
        super().__init__(
            f"the bounds of {query} are no linear programme: the unknown distributions of the districts "
            f"{named} multiply; an experiment that fixes all of them but one makes it linear"
        )


class CheckpointError(CausalRepError, ValueError):
    """A saved model or training state is damaged, foreign, or does not fit."""


class DeviceError(CausalRepError, RuntimeError):
    """A device was asked for that this machine does not have."""


class MissingDependencyError(CausalRepError, ImportError):
    """An optional package is needed; the message names the extra that installs it."""


def suggestion(name: Hashable, known: Iterable[Hashable]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest known name, or an empty string.

    Upper and lower case are taken as the same, so that a slip of the shift key is recognised.
    """
    by_folded = {str(item).casefold(): str(item) for item in known}
    close = difflib.get_close_matches(str(name).casefold(), by_folded, n=1)
    return f" (did you mean {by_folded[close[0]]!r}?)" if close else ""
