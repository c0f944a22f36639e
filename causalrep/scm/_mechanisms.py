"""The mechanisms that come with the library: roots, Python functions, additive noise, inverses."""

# ruff: noqa: ARG002 - a mechanism is handed parents and noise whether or not it reads them

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from causalrep.scm._distributions import Bernoulli, Categorical, Distribution, Poisson
from causalrep.scm._mechanism import Array, Mechanism, Noise, NoiseLaw, draw
from causalrep.utils import CausalRepError, DataError, GraphError, NotInvertibleError

__all__ = ["AdditiveNoise", "Function", "Invertible", "Linear", "Root"]


class _Call:
    """A Python function together with the nodes that its arguments stand for.

    Without `parents` the argument names are the nodes (arguments with a default are left alone),
    and reserved names (`noise`, `value`) are passed when the function asks for them. With
    `parents` these are passed by position, which also serves nodes whose names are not
    identifiers and functions whose signature cannot be read.
    """

    def __init__(
        self, function: Callable[..., Array], parents: Sequence[Hashable] | None, extra: str
    ) -> None:
        self.function = function
        self.by_row = False  # found out at the first call
        self.by_name = parents is None
        if parents is not None:
            self.parents = tuple(parents)
            self.takes_extra = True
        else:
            names = argument_names(function)
            self.parents = tuple(name for name in names if name != extra)
            self.takes_extra = extra in names

    def __call__(self, parents: Mapping[Hashable, Array], **extra: Array) -> Array:
        columns = {name: parents[name] for name in self.parents}
        if self.by_row:
            return self._row_by_row(columns, extra)
        try:
            return self._once(columns, extra)
        except CausalRepError:  # on purpose, about the values: one row at a time says no other
            raise
        except (TypeError, ValueError):
            if not self._takes_single_rows(columns, extra):
                raise
        warnings.warn(
            f"{_name(self.function)} takes one row at a time, which is slow; write it for whole arrays "
            "(numpy.where in the place of if, numpy in the place of math)",
            stacklevel=2,
        )
        self.by_row = True
        return self._row_by_row(columns, extra)

    def _once(self, columns: Mapping[Hashable, Any], extra: Mapping[str, Any]) -> Any:
        if self.by_name:
            return self.function(**{str(name): column for name, column in columns.items()}, **extra)
        return self.function(*columns.values(), **extra)

    def _takes_single_rows(self, columns: Mapping[Hashable, Array], extra: Mapping[str, Array]) -> bool:
        """Say whether two rows, one after the other, give numbers where whole arrays raised an error."""
        parts = [*columns.values(), *extra.values()]
        if not parts or not all(isinstance(part, np.ndarray) and part.ndim == 1 for part in parts):
            return False
        try:
            values = [self._row(columns, extra, row) for row in range(min(2, len(parts[0])))]
        except (TypeError, ValueError):
            return False
        return all(np.ndim(value) == 0 for value in values)

    def _row(self, columns: Mapping[Hashable, Array], extra: Mapping[str, Array], row: int) -> Any:
        single = {name: column[row] for name, column in columns.items()}
        return self._once(single, {name: part[row] for name, part in extra.items()})

    def _row_by_row(self, columns: Mapping[Hashable, Array], extra: Mapping[str, Array]) -> Array:
        n = len(next(iter([*columns.values(), *extra.values()])))
        return np.array([self._row(columns, extra, row) for row in range(n)])


def argument_names(function: Callable[..., Array]) -> list[str]:
    try:
        signature = inspect.signature(function)
    except ValueError as error:
        raise GraphError(
            f"the arguments of {_name(function)} cannot be read; name its parents with parents=[...]"
        ) from error
    names = []
    for parameter in signature.parameters.values():
        if parameter.default is not parameter.empty or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise GraphError(
                f"{_name(function)} has the unnamed argument {parameter}, so its parents cannot be read "
                "from its signature; name them with parents=[...]"
            )
        names.append(parameter.name)
    return names


def _name(function: Callable[..., Array]) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


def is_plain(law: Distribution) -> bool:
    """Say whether a law is one of the library's and of single numbers, drawn one after the other."""
    return type(law).__module__.startswith("causalrep.") and getattr(law, "shape", ()) == ()


class Root(Mechanism):
    """A node that is its own noise: ``value = noise``, for nodes without parents.

    Parameters
    ----------
    noise : Distribution
        The law of the node.
    """

    def __init__(self, noise: Distribution) -> None:
        if not isinstance(noise, Distribution):
            raise TypeError(f"`noise` of Root must be a Distribution, got {type(noise).__name__}")
        self.noise = noise

    def __repr__(self) -> str:
        return f"Root({self.noise!r})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """No parents."""
        return ()

    @property
    def blockwise(self) -> bool:
        """Whether the law is one of the library's, of single numbers."""
        return is_plain(self.noise)

    @property
    def monotone(self) -> bool:
        """Always: the value is the noise."""
        return True

    @property
    def discrete(self) -> bool:
        """Whether the law is."""
        return isinstance(self.noise, (Bernoulli, Categorical, Poisson))

    @property
    def differentiable(self) -> bool:
        """Unless the law is discrete."""
        return not self.discrete

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the noise itself."""
        return noise

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Return the value itself."""
        return value

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the log density of the law, shape (n,)."""
        return self.noise.log_prob(value)

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw from the law."""
        return self.noise.sample(n, generator)


class Function(Mechanism):
    """A Python function of the parents, by argument name, and of the noise if it takes ``noise``.

    Nothing is known about the function, so a noise that it takes cannot be told from the value:
    counterfactuals that need it ask for `AdditiveNoise`, `Invertible`, or the noise itself.

    Parameters
    ----------
    function : callable
        Called with whole arrays, ``function(X=..., Z=..., noise=...)``.
    noise : Distribution or mapping of str to Distribution, optional
        Law of the noise; required exactly when the function takes ``noise``. With named laws,
        ``noise`` is a dict of arrays.
    parents : sequence of hashable, optional
        Nodes to pass by position (``noise`` by keyword), instead of reading the argument names.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.scm import Function, Normal
    >>> m = Function(lambda X, noise: np.maximum(X + noise, 0), Normal(0, 1))
    >>> m.parents, m.invertible
    (('X',), False)
    """

    def __init__(
        self,
        function: Callable[..., Array],
        noise: NoiseLaw = None,
        *,
        parents: Sequence[Hashable] | None = None,
    ) -> None:
        self._call = _Call(function, parents, "noise")
        self.noise = noise
        if noise is None and self._call.by_name and self._call.takes_extra:
            raise DataError(f"{_name(function)} takes `noise` but no law of it is given, e.g. Normal(0, 1)")
        if noise is not None and not self._call.takes_extra:
            raise DataError(
                f"{_name(function)} does not take `noise`, but the law {noise!r} is given for it; "
                "add the argument, or use AdditiveNoise(function, law)"
            )

    def __repr__(self) -> str:
        return f"Function({_name(self._call.function)}, noise={self.noise!r})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The nodes that the arguments stand for."""
        return self._call.parents

    @property
    def deterministic(self) -> bool:
        """Whether no noise is given."""
        return self.noise is None

    @property
    def invertible(self) -> bool:
        """Whether there is nothing to tell."""
        return self.deterministic

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Call the function."""
        return self._call(parents) if self.noise is None else self._call(parents, noise=noise)

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Return an empty noise if the function takes none, else refuse."""
        if self.deterministic:
            return {}
        raise NotInvertibleError(
            f"{_name(self._call.function)} is not declared additive or invertible, so its noise cannot be "
            "told from its value; use AdditiveNoise(function, law) or Invertible(forward, inverse, law)"
        )

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw from the law, or nothing."""
        return draw(self.noise, n, generator)


class AdditiveNoise(Mechanism):
    """``value = function(parents) + noise``, exactly invertible: ``noise = value - function(parents)``.

    Parameters
    ----------
    function : callable or number
        Function of the parents alone, by argument name; a number for a node without parents.
    noise : Distribution, optional
        Law of the noise; None makes the node deterministic.
    parents : sequence of hashable, optional
        Nodes to pass by position, instead of reading the argument names.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.scm import AdditiveNoise, Normal
    >>> m = AdditiveNoise(lambda X: X**2, Normal(0, 1))
    >>> m.abduct({"X": np.array([3.0])}, np.array([9.5]))
    array([0.5])
    """

    def __init__(
        self,
        function: Callable[..., Array] | float,
        noise: Distribution | None = None,
        *,
        parents: Sequence[Hashable] | None = None,
    ) -> None:
        if noise is not None and not isinstance(noise, Distribution):
            raise TypeError(f"additive noise must have one law, a Distribution, got {type(noise).__name__}")
        self.noise = noise
        if callable(function):
            self._call = _Call(function, parents, "noise")
        else:
            self._call = _Call(lambda: function, (), "noise")
        if self._call.by_name and self._call.takes_extra:
            raise DataError("the function of AdditiveNoise must not take `noise`: it is added to its result")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_name(self._call.function)}, noise={self.noise!r})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The nodes that the arguments stand for."""
        return self._call.parents

    @property
    def deterministic(self) -> bool:
        """Whether no noise is added."""
        return self.noise is None

    @property
    def has_density(self) -> bool:
        """Whether noise is added."""
        return self.noise is not None

    @property
    def monotone(self) -> bool:
        """Whether noise is added."""
        return self.noise is not None

    @property
    def differentiable(self) -> bool:
        """Whether the function says so of itself."""
        return bool(getattr(self._call.function, "differentiable", False))

    @property
    def blockwise(self) -> bool:
        """Whether the function says so of itself and the law is one of the library's."""
        known = getattr(self._call.function, "blockwise", False)
        return known and (self.noise is None or is_plain(self.noise))

    def location(self, parents: Mapping[Hashable, Array]) -> Array:
        """Return the value at zero noise, shape (n, ...)."""
        return self._call(parents)

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the location plus the noise."""
        location = self.location(parents)
        return location if self.noise is None else location + noise

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Return the value minus the location."""
        return {} if self.noise is None else value - self.location(parents)

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the log density of the noise that explains the value, shape (n,)."""
        if self.noise is None:
            return super().log_prob(parents, value)
        return self.noise.log_prob(value - self.location(parents))

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw from the law, or nothing."""
        return draw(self.noise, n, generator)

    def with_noise(self, law: NoiseLaw) -> Self:
        """Return a copy with this law, where none was given yet."""
        if self.noise is not None or not isinstance(law, Distribution):
            raise DataError(f"{self!r} takes one Distribution as its noise and only once, got also {law!r}")
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__, noise=law)
        return new


class Linear(AdditiveNoise):
    """``value = intercept + sum of coefficient * parent + noise``.

    Parameters
    ----------
    coefficients : mapping of node to float
        One coefficient for each parent.
    intercept : float, default=0
        Value at zero parents and noise.
    noise : Distribution, optional
        Law of the noise; None makes the node deterministic.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.scm import Linear
    >>> Linear({"X": 2.0}, intercept=1.0).forward({"X": np.array([0.0, 3.0])}, {})
    array([1., 7.])
    """

    def __init__(
        self,
        coefficients: Mapping[Hashable, float],
        intercept: float = 0.0,
        noise: Distribution | None = None,
    ) -> None:
        self.coefficients = dict(coefficients)
        self.intercept = intercept
        super().__init__(self._line, noise, parents=tuple(self.coefficients))

    def moved_by(self, moves: Mapping[Hashable, Array]) -> Array:
        """Return the sum of coefficient times move, shape (n,)."""
        return self._sum(None, [(self.coefficients[node], move) for node, move in moves.items()])

    def _line(self, *values: Array) -> Array:
        start = None if self.intercept == 0 and values else self.intercept
        return self._sum(start, zip(self.coefficients.values(), values, strict=True))

    @staticmethod
    def _sum(total: Any, terms: Iterable[tuple[float, Array]]) -> Any:
        for coefficient, value in terms:
            term = coefficient * value
            if total is None:
                total = term
            elif isinstance(term, np.ndarray) and np.result_type(total, term) == term.dtype:
                total = np.add(total, term, out=term)  # one array less to fetch and to fill
            else:
                total = total + term
        return total

    @property
    def blockwise(self) -> bool:
        """Whether the law is one of the library's, of single numbers."""
        return self.noise is None or is_plain(self.noise)

    @property
    def differentiable(self) -> bool:
        """Always."""
        return True

    def __repr__(self) -> str:
        return f"Linear({self.coefficients!r}, intercept={self.intercept!r}, noise={self.noise!r})"


class Invertible(Mechanism):
    """A function whose inverse in the noise is known.

    Parameters
    ----------
    forward : callable
        ``forward(X, Z, noise) -> value``, parents by argument name.
    inverse : callable
        ``inverse(X, Z, value) -> noise`` with the same parents.
    noise : Distribution or mapping of str to Distribution
        Law of the noise.
    parents : sequence of hashable, optional
        Nodes to pass by position (``noise`` and ``value`` by keyword), instead of reading the
        argument names.

    Raises
    ------
    GraphError
        If the two functions do not name the same parents.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.scm import Invertible, Normal
    >>> m = Invertible(lambda X, noise: X * np.exp(noise), lambda X, value: np.log(value / X), Normal(0, 1))
    >>> m.abduct({"X": np.array([2.0])}, np.array([2.0]))
    array([0.])
    """

    def __init__(
        self,
        forward: Callable[..., Array],
        inverse: Callable[..., Noise],
        noise: NoiseLaw = None,
        *,
        parents: Sequence[Hashable] | None = None,
    ) -> None:
        self._forward = _Call(forward, parents, "noise")
        self._inverse = _Call(inverse, parents, "value")
        self.noise = noise
        if set(self._forward.parents) != set(self._inverse.parents):
            raise GraphError(
                "`forward` and `inverse` must name the same parents, got "
                f"{self._forward.parents} and {self._inverse.parents}"
            )
        if not (self._forward.takes_extra and self._inverse.takes_extra):
            raise DataError("`forward` must take the argument `noise` and `inverse` the argument `value`")

    def __repr__(self) -> str:
        names = f"{_name(self._forward.function)}, {_name(self._inverse.function)}"
        return f"Invertible({names}, noise={self.noise!r})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The nodes that the arguments stand for."""
        return self._forward.parents

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Call the forward function."""
        return self._forward(parents, noise=noise)

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Call the inverse function."""
        return self._inverse(parents, value=value)

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw from the law."""
        return draw(self.noise, n, generator)
