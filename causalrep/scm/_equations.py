"""Models written as equations: ``X = 0.8*Z + N(0, 1)`` becomes a mechanism, and is written back.

A linear equation becomes `Linear`, a bare law `Root`, anything else `Equation`, which is solved for its
noise where every function on the way to it can be undone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from causalrep.scm._arrays import check_rows
from causalrep.scm._distributions import Bernoulli, Categorical, Distribution, Poisson
from causalrep.scm._expressions import (
    Apply,
    Evaluator,
    Expr,
    Law,
    Name,
    Number,
    Sum,
    compiled,
    constant,
    laws_in,
    names_in,
    quoted,
    replaced,
    walk,
    written,
)
from causalrep.scm._inverse import divides, is_constant, undone, way_to_the_draw
from causalrep.scm._laws import LAWS, law_text
from causalrep.scm._mechanism import Array, Mechanism, Noise, NoiseLaw
from causalrep.scm._mechanisms import Linear, Root
from causalrep.scm._parse import Statement, parse_expression, parse_statements
from causalrep.utils import (
    CausalRepError,
    DataError,
    ImpossibleEvidenceError,
    NotInvertibleError,
    suggestion,
)

if TYPE_CHECKING:
    from causalrep.graphs import DAG

__all__ = ["EquationsMixin", "Equation", "as_linear", "equation_text", "mechanisms_from_text"]

_BROUGHT = "noise"
_KINKED = ("abs", "sign", "floor", "ceil", "round", "relu", "min", "max", "where", "clip", "//", "%")
_ROUGH = frozenset((*_KINKED, "not", "and", "or", "<", "<=", ">", ">=", "==", "!="))


class Equation(Mechanism):
    """A node given by an equation string, ``"2 * X + exp(Z) * N(0, 1)"``.

    The string is read by a parser of its own, never by Python's: numbers, parents, the functions of the
    equation language and laws are all there is. A law with constant parameters is a noise; so is
    ``noise``, whose law is then given. With one law, the noise is told from the value exactly if every
    function between them can be undone.

    Parameters
    ----------
    text : str
        The right-hand side. Functions are ``exp expm1 log log1p log2 log10 sqrt cbrt sin cos tan arcsin
        arccos arctan sinh cosh tanh arcsinh arctanh sigmoid logit softplus erf relu abs sign square floor
        ceil round min max where clip``; operators those of Python, without attributes, indices and calls of
        anything else; laws ``N`` (or ``Normal``) ``Laplace Uniform LogNormal Exponential StudentT Gamma
        Poisson Bernoulli Categorical Dirac``, with the parameters of the classes of these names.
    noise : Distribution, optional
        The law of the name ``noise``.

    Raises
    ------
    ParseError
        With line and column, for anything that is not the language.
    DataError
        If ``noise`` is read and no law is given, or the reverse.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.scm import Equation
    >>> m = Equation("exp(0.5 * X + N(0, 1))")
    >>> m.parents, m.invertible
    (('X',), True)
    >>> m.abduct({"X": np.array([2.0])}, np.array([np.e]))
    array([0.])
    """

    def __init__(self, text: str, noise: Distribution | None = None) -> None:
        expr = parse_expression(text)
        if (_BROUGHT in names_in(expr)) != (noise is not None):
            told = "reads `noise` but no law of it is given" if noise is None else "does not read `noise`"
            raise DataError(f"the equation {text!r} {told}; the law given is {noise!r}")
        self._set(replaced(expr, Name(_BROUGHT), Law(_BROUGHT, (), _BROUGHT)), noise)

    def _set(self, expr: Expr, noise: Distribution | None) -> None:
        self.expr = expr
        self._parents = names_in(expr)
        self._laws: dict[str, Distribution] = {}
        for law in laws_in(expr):
            self._laws[law.key] = noise if noise and law.name == _BROUGHT else _noise_law(law)
        self._evaluate = compiled(expr, _draw)
        self._way = way_to_the_draw(expr, _draw)

    @classmethod
    def of(cls, expr: Expr) -> Self:
        """Return the mechanism of a tree."""
        new = object.__new__(cls)
        new._set(expr, None)
        return new

    def __repr__(self) -> str:
        return f"Equation({written(self.expr)!r})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The nodes that the equation reads, in order of appearance."""
        return self._parents

    @property
    def noise(self) -> NoiseLaw:
        """The law of the noise: one, a mapping of several, or None."""
        if len(self._laws) > 1:
            return dict(self._laws)
        return next(iter(self._laws.values()), None)

    @property
    def deterministic(self) -> bool:
        """Whether nothing is drawn."""
        return not self._laws

    @property
    def invertible(self) -> bool:
        """Whether the noise can be told from the value."""
        return self.deterministic or (self._way is not None and _undraw(self._way[1]) is not None)

    @property
    def has_density(self) -> bool:
        """Whether one noise is drawn and every function round it can be undone."""
        return self._way is not None

    @property
    def n_states(self) -> int | None:
        """Number of states 0, 1, ... of an equation that is one Bernoulli or Categorical draw, else None."""
        if self._way is None or self._way[0]:
            return None
        law = self._way[1]
        if law.name == "Bernoulli":
            return 2
        return len(law.args) if law.name == "Categorical" else None

    @property
    def monotone(self) -> bool:
        """Whether there is one draw, and every function round it can be undone and has no jump."""
        return self._way is not None and not divides(self._way[0])

    @property
    def discrete(self) -> bool:
        """Whether the equation is a draw from a discrete law."""
        return isinstance(self.expr, Law) and self.expr.name in ("Bernoulli", "Categorical", "Poisson")

    @property
    def differentiable(self) -> bool:
        """Whether no function has kinks or jumps, and no law is discrete."""
        rough = [node for node in walk(self.expr) if isinstance(node, Apply) and node.function in _ROUGH]
        laws = {law.name for law in laws_in(self.expr)}
        return not rough and laws.isdisjoint(("Bernoulli", "Categorical", "Poisson"))

    @property
    def blockwise(self) -> bool:
        """Whether there is one draw at most: functions of the language all work row by row."""
        return len(self._laws) < 2

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Evaluate the equation."""
        if len(self._laws) == 1:
            noise = {next(iter(self._laws)): noise}
        return self._evaluate(parents, noise)

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Solve the equation for its noise."""
        if self.deterministic:
            return {}
        told = _undraw(self._way[1]) if self._way is not None else None
        if self._way is None or told is None:
            raise NotInvertibleError(
                f"{written(self.expr)!r} cannot be solved for its noise: it draws more than once, or a "
                "function or discrete law on the way to the draw has no inverse"
            )
        inner, _ = undone(self._way[0], parents, value)
        with np.errstate(all="ignore"):
            noise = np.asarray(told(inner, parents), dtype=np.float64)
        _check_told(noise, self)
        return noise if noise.shape else np.full(len(value), noise)

    @property
    def has_posterior(self) -> bool:
        """Whether the noise can be told, or drawn from what a discrete law leaves of it."""
        return self.invertible or self._interval is not None

    @property
    def _interval(self) -> Callable[..., tuple[Array, Array]] | None:
        if self._way is None or is_constant(self._way[1]):
            return None
        return LAWS[self._way[1].name].interval

    def draw_noise(
        self, parents: Mapping[Hashable, Array], value: Array, generator: np.random.Generator
    ) -> Noise:
        """Draw the noise given the value: uniform on the interval that a discrete law leaves."""
        if self.invertible or self._way is None or self._interval is None:
            return self.abduct(parents, value)
        inner, _ = undone(self._way[0], parents, value)
        low, high = self._interval(inner, *_parameters(self._way[1], parents))
        low, high = (check_rows(end, len(value), "an end of the interval") for end in (low, high))
        _check_told(np.where(high > low, 0.0, np.inf), self)
        drawn: Array = low + (high - low) * generator.random(len(value))
        return np.minimum(drawn, np.nextafter(high, -np.inf))

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the log density by the change of variables, shape (n,)."""
        if self._way is None:
            raise CausalRepError(f"{written(self.expr)!r} has no density in closed form")
        steps, law = self._way
        inner, slope = undone(steps, parents, value)
        with np.errstate(all="ignore"):
            if is_constant(law):
                density = self._laws[law.key].log_prob(inner)
            else:
                density = LAWS[law.name].log_prob(inner, *_parameters(law, parents))
            total = np.where(np.isfinite(density) & np.isfinite(slope), density + slope, -np.inf)
        return check_rows(total, len(value), "the log density")

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw every noise of the equation."""
        draws = {key: law.sample(n, generator) for key, law in self._laws.items()}
        return next(iter(draws.values())) if len(draws) == 1 else draws


def _check_told(noise: Array, equation: Equation) -> None:
    untold, impossible = np.isnan(noise), np.isinf(noise)
    if untold.any():
        raise NotInvertibleError(
            f"the value of {written(equation.expr)!r} does not depend on the noise, or is NaN, "
            f"in {int(untold.sum())} row(s), the first of them {int(np.argmax(untold))}"
        )
    if impossible.any():
        raise ImpossibleEvidenceError(
            f"{written(equation.expr)!r} cannot take the value observed in {int(impossible.sum())} row(s), "
            f"the first of them {int(np.argmax(impossible))}"
        )


def _noise_law(law: Law) -> Distribution:
    """Return the law of the noise that a draw is made of."""
    kind = LAWS[law.name]
    return kind.fixed(*_constants(law)) if is_constant(law) else kind.standard


def _constants(law: Law) -> list[float]:
    return [value for value in map(constant, law.args) if value is not None]


def _parameters(law: Law, values: Mapping[Hashable, Array]) -> list[Array]:
    return [compiled(arg, _draw)(values, {}) for arg in law.args]


def _draw(law: Law) -> Evaluator:
    """Return the evaluator of a draw, given its noise."""
    key = law.key
    if is_constant(law):
        return lambda values, noise: noise[key]  # noqa: ARG005
    forward, parts = LAWS[law.name].forward, [compiled(arg, _draw) for arg in law.args]
    return lambda values, noise: forward(noise[key], *(part(values, noise) for part in parts))


def _undraw(law: Law) -> Callable[[Array, Mapping[Hashable, Array]], Array] | None:
    """Return what tells the noise of a draw from what was drawn, or None if nothing can."""
    if is_constant(law):
        return lambda value, values: value  # noqa: ARG005
    backward = LAWS[law.name].backward
    if backward is None or any(laws_in(arg) for arg in law.args):
        return None
    return lambda value, values: backward(value, *_parameters(law, values))


def mechanisms_from_text(text: str) -> dict[Hashable, Mechanism]:
    """Return the mechanisms that the statements of a text define, in their order.

    Raises
    ------
    ParseError
        If the text is not the language, or reads a name that it does not define.
    """
    statements = parse_statements(text)
    known = [statement.target for statement in statements]
    for statement in statements:
        for name, token in statement.reads.items():
            if name == statement.target:
                raise token.error(f"{name!r} is defined by itself")
            if name not in known:
                raise token.error(f"{name!r} is not defined in the text{suggestion(name, known)}")
    return {statement.target: _mechanism(statement) for statement in statements}


def _mechanism(statement: Statement) -> Mechanism:
    expr = statement.expr
    if isinstance(expr, Law) and is_constant(expr):
        return Root(_noise_law(expr))
    linear = as_linear(expr)
    return Equation.of(expr) if linear is None else linear


def as_linear(expr: Expr) -> Linear | None:
    """Return a linear equation with continuous noise as `Linear`, and None for any other."""
    line = linear_terms(expr)
    if line is None:
        return None
    coefficients, intercept, law = line
    noise = None if law is None else _noise_law(law)
    continuous = noise is not None and not isinstance(noise, (Bernoulli, Categorical, Poisson))
    return Linear(coefficients, intercept, noise) if coefficients and continuous else None


def linear_terms(expr: Expr) -> tuple[dict[Hashable, float], float, Law | None] | None:
    """Return coefficients, intercept and the added constant law of a linear expression, else None."""
    terms = expr.terms if isinstance(expr, Sum) else ((1, expr),)
    coefficients: dict[Hashable, float] = {}
    intercept, law = 0.0, None
    for sign, term in terms:
        weighted = _weighted(term)
        if weighted is not None:
            name, weight = weighted
            coefficients[name] = coefficients.get(name, 0.0) + sign * weight
        elif isinstance(term, Number):
            intercept += sign * term.value
        elif isinstance(term, Law) and is_constant(term) and sign > 0 and law is None:
            law = term
        else:
            return None
    return coefficients, intercept, law


def _weighted(term: Expr) -> tuple[Hashable, float] | None:
    """Return name and coefficient of ``2*X``, ``X*2``, ``X/2``, ``-X`` or ``X``."""
    if isinstance(term, Name):
        return term.name, 1.0
    if not isinstance(term, Apply) or term.function not in ("*", "/", "neg"):
        return None
    if term.function == "neg":
        inner = _weighted(term.args[0])
        return None if inner is None else (inner[0], -inner[1])
    left, right = term.args
    if isinstance(right, Name) and isinstance(left, Number) and term.function == "*":
        return right.name, float(left.value)
    if isinstance(left, Name) and isinstance(right, Number) and right.value != 0:
        return left.name, float(right.value if term.function == "*" else 1 / right.value)
    return None


def equation_text(node: Hashable, mechanism: Mechanism) -> str:
    """Return the statement that defines a mechanism.

    Raises
    ------
    CausalRepError
        If it is none of those that equations can write.
    """
    side = _right_side(mechanism)
    if side is None or not isinstance(node, str) or not _writable([node, *(mechanism.parents or ())]):
        raise CausalRepError(
            f"the mechanism of {node!r}, {mechanism!r}, cannot be written as an equation; equations are "
            "written for laws, Linear and Equation, on nodes whose names are strings without backticks"
        )
    return f"{quoted(node)} = {side}"


def _writable(names: Iterable[Hashable]) -> bool:
    return all(
        isinstance(name, str) and name and not {"`", "\n"} & set(name) and "__" not in name for name in names
    )


def _right_side(mechanism: Mechanism) -> str | None:
    if isinstance(mechanism, Root):
        return law_text(mechanism.noise)
    if isinstance(mechanism, Linear):
        law = "" if mechanism.noise is None else law_text(mechanism.noise)
        return None if law is None else _line_text(mechanism) + (f" + {law}" if law else "")
    if isinstance(mechanism, Equation):
        brought = mechanism._laws.get(_BROUGHT)
        if brought is None:
            return written(mechanism.expr)
        text = law_text(brought)
        whole = replaced(mechanism.expr, Law(_BROUGHT, (), _BROUGHT), Name(_BROUGHT))
        return None if text is None else written(replaced(whole, Name(_BROUGHT), parse_expression(text)))
    return None


def _line_text(line: Linear) -> str:
    """Return the weighted sum of a line: ``2.0 * X - Z + 0.5``."""
    terms: list[tuple[int, Expr]] = []
    for name, weight in line.coefficients.items():
        size = abs(float(weight))
        term = Name(name) if size == 1 else Apply("*", (Number(size), Name(name)))
        terms.append((-1 if weight < 0 else 1, term))
    if line.intercept or not terms:
        terms.append((-1 if line.intercept < 0 else 1, Number(abs(float(line.intercept)))))
    return written(Sum(tuple(terms)))


class EquationsMixin:
    """What an `SCM` says in equations."""

    if TYPE_CHECKING:  # what it finds in the SCM
        _graph: DAG
        _mechanisms: dict[Hashable, Mechanism]

        def __init__(
            self,
            graph: DAG | None = None,
            mechanisms: Mapping[Hashable, Any] | None = None,
            *,
            noise: Mapping[Hashable, NoiseLaw] | None = None,
        ) -> None: ...

    @classmethod
    def from_equations(cls, text: str, *, noise: Mapping[Hashable, NoiseLaw] | None = None) -> Self:
        """Return the model that a text of equations defines.

        Parameters
        ----------
        text : str
            One equation per line, or several separated by ``;``, in any order: ``X = 0.8*Z + N(0, 1)``, or
            ``Y ~ Bernoulli(sigmoid(X))``. ``#`` starts a comment, odd names stand between backticks. See
            `Equation` for the functions and laws. The text is never evaluated by Python.
        noise : mapping of node to Distribution, optional
            Laws of further nodes without parents, as in `SCM`.

        Returns
        -------
        SCM
            Its graph is read from the equations. Linear equations are `Linear`, laws roots, others
            `Equation`.

        Raises
        ------
        ParseError
            With line and column, for anything that is not the language, and for names that no equation
            defines.
        CycleError
            If the equations define each other.

        Examples
        --------
        >>> from causalrep.scm import SCM
        >>> scm = SCM.from_equations("Z = N(0, 1); X = 0.8*Z + N(0, 1); Y ~ Bernoulli(sigmoid(X - Z))")
        >>> scm.graph.to_string()
        'Z -> X; Z -> Y; X -> Y'
        >>> scm.sample(3, random_state=0)["Y"].tolist()
        [0, 0, 0]
        """
        return cls(mechanisms=mechanisms_from_text(text), noise=noise)

    def to_equations(self) -> str:
        """Return the model as equations, one per line; `from_equations` reads them back.

        Returns
        -------
        str
            The equations, in the order of the graph. Functions of your own cannot be written.

        Raises
        ------
        CausalRepError
            If a mechanism is none of those that equations can write.

        Examples
        --------
        >>> from causalrep.scm import SCM
        >>> print(SCM.from_equations("Y = exp(X) + N(0, 1); X = 2 + N(0, 1)").to_equations())
        Y = exp(X) + N(0, 1)
        X = 2 + N(0, 1)
        """
        return "\n".join(equation_text(node, self._mechanisms[node]) for node in self._graph.nodes)
