"""The parser of the equation language: text in, trees of `causalrep.scm._expressions` out.

::

    text       = {statement [";"]}                        one per line, or separated by ";"
    statement  = name "=" expression | name "~" law       "#" starts a comment
    expression = and {"or" and}          and = not {"and" not}          not = ["not"] comparison
    comparison = sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
    sum        = ["-" | "+"] product {("+" | "-") product}
    product    = power {("*" | "/" | "//" | "%") power}   power = "-" power | atom ["**" power]
    atom       = number | name | function "(" [expression {"," expression}] ")" | "(" expression ")"

A tokenizer and recursive descent, because both know line and column. Length, depth and exponents are
bounded, names with a double underscore refused, and there is nothing else a text could reach.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from causalrep.graphs._tokens import Cursor, Token
from causalrep.scm._expressions import CONSTANTS, FUNCTIONS, Apply, Expr, Law, Name, Number, Sum, constant
from causalrep.scm._laws import LAWS
from causalrep.utils import ParseError, suggestion

__all__ = ["Statement", "parse_expression", "parse_statements"]

MAX_LENGTH = 1_000_000
MAX_DEPTH = 40
MAX_CHAIN = 400
MAX_EXPONENT = 64

_PATTERN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
      | (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<word>[^\W\d]\w*)
      | (?P<quoted>`[^`\n]+`)
      | (?P<mark>\*\*|//|<=|>=|==|!=|[-+*/%<>=~()\[\],;.])
    """,
    re.VERBOSE,
)
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_KEYWORDS = ("and", "or", "not")
_WHOLE = (*_COMPARISONS, *_KEYWORDS, "*", "neg", "//", "%", "min", "max", "abs", "sign", "round")


@dataclass(frozen=True)
class Statement:
    """One equation, with the token of its target and those of the names that it reads."""

    target: Hashable
    expr: Expr
    where: Token
    reads: Mapping[Hashable, Token]


def parse_statements(text: str) -> list[Statement]:
    """Return the statements of a text.

    Raises
    ------
    ParseError
        With line and column, for anything that is not the language.
    """
    parser = _Parser(text)
    return list(parser.statements())


def parse_expression(text: str) -> Expr:
    """Return the tree of a single expression, such as ``"2*X + Z + noise"``."""
    parser = _Parser(text)
    expr = parser.expression()
    if parser.cursor.here.kind != "end":
        raise parser.unexpected("an operator or the end")
    return expr


class _Parser:
    """Recursive descent over the tokens; `depth` bounds the recursion."""

    def __init__(self, text: str) -> None:
        if isinstance(text, str) and len(text) > MAX_LENGTH:
            raise ParseError(
                f"a text of at most {MAX_LENGTH:,} characters is read, got {len(text):,}", line=1, column=1
            )
        self.cursor = Cursor(text, _PATTERN)
        self.depth = 0
        self.n_laws = 0
        self.reads: dict[Hashable, Token] = {}

    def statements(self) -> Iterator[Statement]:
        last_line = 0
        seen: dict[Hashable, Token] = {}
        while self.cursor.here.kind != "end":
            if self.cursor.take_if(";"):
                last_line = 0
                continue
            if self.cursor.here.line == last_line:
                raise self.unexpected("an operator, ';' or a new line")
            statement = self.statement()
            if statement.target in seen:
                line = seen[statement.target].line
                raise statement.where.error(f"{statement.target!r} is defined twice, first in line {line}")
            seen[statement.target] = statement.where
            yield statement
            last_line = self.cursor.last.line

    def statement(self) -> Statement:
        where = self.cursor.take()
        if where.kind not in ("word", "quoted"):
            raise where.error(f"expected the name of a node, got {where}")
        target = _checked_name(where)
        self.reads, self.n_laws = {}, 0
        if self.cursor.take_if("~"):
            start = self.cursor.here
            expr = self.expression()
            if not isinstance(expr, Law):
                raise start.error("expected a law such as N(0, 1) after '~'; write '=' for an expression")
        elif self.cursor.take_if("="):
            expr = self.expression()
        else:
            raise self.unexpected(f"'=' or '~' after {target!r}")
        return Statement(target, expr, where, self.reads)

    def unexpected(self, wanted: str) -> ParseError:
        here = self.cursor.here
        hint = "; attributes are no part of equations" if here.text == "." else ""
        return here.error(f"expected {wanted}, got {here}{hint}")

    def expression(self) -> Expr:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.cursor.here.error(f"nested deeper than {MAX_DEPTH} levels")
        expr = self.conjunction()
        for _ in self.words("or"):
            expr = self.apply(self.cursor.last, "or", expr, self.conjunction())
        self.depth -= 1
        return expr

    def words(self, *texts: str) -> Iterator[str]:
        """Yield and take operators as long as one of `texts` comes next, up to a bound."""
        for count in range(MAX_CHAIN + 1):
            here = self.cursor.here
            if here.kind not in ("word", "mark") or here.text not in texts:
                return
            if count == MAX_CHAIN:
                raise here.error(f"more than {MAX_CHAIN} operators {here} in a row")
            yield self.cursor.take().text

    def conjunction(self) -> Expr:
        expr = self.negation()
        for _ in self.words("and"):
            expr = self.apply(self.cursor.last, "and", expr, self.negation())
        return expr

    def negation(self) -> Expr:
        marks = list(self.words("not"))
        expr = self.comparison()
        for _ in marks:
            expr = self.apply(self.cursor.last, "not", expr)
        return expr

    def comparison(self) -> Expr:
        left = self.sum()
        operator = next(self.words(*_COMPARISONS), None)
        if operator is None:
            return left
        at = self.cursor.last
        expr = self.apply(at, operator, left, self.sum())
        if self.cursor.here.kind == "mark" and self.cursor.here.text in _COMPARISONS:
            raise self.cursor.here.error("comparisons do not chain; join two of them with 'and'")
        return expr

    def sum(self) -> Expr:
        first = self.cursor.here
        sign = -1 if self.cursor.take_if("-") else 1
        if sign > 0:
            self.cursor.take_if("+")
        terms = [(sign, self.product())]
        while self.cursor.here.kind == "mark" and self.cursor.here.text in ("+", "-"):
            sign = 1 if self.cursor.take().text == "+" else -1
            terms.append((sign, self.product()))
        if len(terms) == 1:
            sign, term = terms[0]
            return term if sign > 0 else self.apply(first, "neg", term)
        values = [constant(term) for _, term in terms]
        if all(value is not None for value in values):
            return self.folded(first, sum(s * (constant(term) or 0) for s, term in terms))
        return Sum(tuple(terms))

    def product(self) -> Expr:
        expr = self.power()
        for operator in self.words("*", "/", "//", "%"):
            at = self.cursor.last
            expr = self.apply(at, operator, expr, self.power())
        return expr

    def power(self) -> Expr:
        at = self.cursor.here
        n_minus = len(list(self.words("-")))
        base = self.atom()
        if self.cursor.take_if("**"):
            where = self.cursor.last
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise where.error(f"nested deeper than {MAX_DEPTH} levels")
            exponent = self.power()
            self.depth -= 1
            size = constant(exponent)
            if size is not None and abs(size) > MAX_EXPONENT:
                raise where.error(f"an exponent must be at most {MAX_EXPONENT} in size, got {size!r}")
            base = self.apply(where, "**", base, exponent)
        return self.apply(at, "neg", base) if n_minus % 2 else base

    def atom(self) -> Expr:
        token = self.cursor.here
        if token.kind == "number":
            return self.number(self.cursor.take())
        if token.kind == "quoted" or (token.kind == "word" and token.text not in _KEYWORDS):
            self.cursor.take()
            if token.kind == "word" and self.cursor.take_if("("):
                return self.call(token, self.arguments(")"))
            return self.name(token)
        if self.cursor.take_if("("):
            expr = self.expression()
            if not self.cursor.take_if(")"):
                raise self.unexpected("')'")
            return expr
        raise self.unexpected("a number, a name, a function or '('")

    def number(self, token: Token) -> Number:
        digits = token.text.isdigit() and len(token.text) <= 15  # beyond, floats are no longer exact
        return self.folded(token, int(token.text) if digits else float(token.text))

    def name(self, token: Token) -> Expr:
        if token.kind == "word" and token.text in CONSTANTS:
            return Number(CONSTANTS[token.text])
        name = _checked_name(token)
        self.reads.setdefault(name, token)
        return Name(name)

    def arguments(self, end: str) -> list[Expr]:
        args: list[Expr] = []
        while not self.cursor.take_if(end):
            if args and not self.cursor.take_if(","):
                raise self.unexpected(f"',' or {end!r}")
            args += self.arguments_in_list() if self.cursor.take_if("[") else [self.expression()]
            if len(args) > MAX_CHAIN:
                raise self.cursor.here.error(f"more than {MAX_CHAIN} arguments")
        return args

    def arguments_in_list(self) -> list[Expr]:
        """Return what stands between brackets, which only group: ``Categorical([0.2, 0.8])``."""
        args: list[Expr] = []
        while not self.cursor.take_if("]"):
            if args and not self.cursor.take_if(","):
                raise self.unexpected("',' or ']'")
            args.append(self.expression())
            if len(args) > MAX_CHAIN:
                raise self.cursor.here.error(f"more than {MAX_CHAIN} arguments")
        return args

    def call(self, token: Token, args: list[Expr]) -> Expr:
        if token.text in LAWS:
            return self.law(token, args)
        known = FUNCTIONS.get(token.text)
        if known is None or not token.text[0].isalpha():
            names = [*FUNCTIONS, *LAWS]
            raise token.error(f"there is no function or law {token.text!r}{suggestion(token.text, names)}")
        if not known.least <= len(args) <= known.most:
            wanted = str(known.least) if known.least == known.most else f"{known.least} to {known.most}"
            raise token.error(f"{token.text} takes {wanted} argument(s), got {len(args)}")
        return self.apply(token, token.text, *args)

    def law(self, token: Token, args: list[Expr]) -> Law:
        kind = LAWS[token.text]
        least = 1 if kind.variadic else len(kind.parameters) - len(kind.defaults)
        most = MAX_CHAIN if kind.variadic else len(kind.parameters)
        if not least <= len(args) <= most:
            wanted = ", ".join(kind.parameters) or "one probability per category"
            raise token.error(f"{token.text} takes {wanted}; got {len(args)} argument(s)")
        if len(args) < len(kind.parameters):
            args = [*args, *map(Number, kind.defaults[len(args) - len(kind.parameters) :])]
        values = [value for value in map(constant, args) if value is not None]
        if len(values) == len(args):
            try:
                kind.fixed(*values)
            except ValueError as error:
                raise token.error(str(error)) from error
        self.n_laws += 1
        return Law(token.text, tuple(args), f"u{self.n_laws}")

    def apply(self, at: Token, function: str, *args: Expr) -> Expr:
        """Return a call, or its value where all arguments are constants."""
        values = [value for value in map(constant, args) if value is not None]
        if len(values) < len(args):
            return Apply(function, args)
        with np.errstate(all="ignore"):  # in floats: products of large integers would wrap round
            result = float(FUNCTIONS[function].call(*map(float, values)))
        whole = function in _WHOLE and result.is_integer() and all(isinstance(v, int) for v in values)
        return self.folded(at, int(result) if whole else result)

    def folded(self, at: Token, value: float | int) -> Number:
        if not np.isfinite(value):
            raise at.error("the value of this constant is not a finite number")
        return Number(float(value) if abs(value) > 2**53 else value)


def _checked_name(token: Token) -> str:
    name = token.text.strip("`") if token.kind == "quoted" else token.text
    if "__" in name:
        raise token.error("a name must not have a double underscore in it")
    if token.kind == "word" and name in (*_KEYWORDS, *CONSTANTS):
        raise token.error(f"{name!r} is a word of the language; write `{name}` between backticks")
    return name
