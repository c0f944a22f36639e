"""Formulas as values: canonical order, printing, substitution without capture."""

import pickle
from itertools import permutations

import pytest

from causalrep.identification import Variable
from causalrep.identification._expression import (
    ONE,
    ZERO,
    Number,
    Product,
    difference,
    fraction,
    probability,
    product,
    total,
)

X, Y, Z, M = (Variable(name) for name in "XYZM")


def frontdoor():
    inner = total([X], product([probability([Y], [X, M]), probability([X])]))
    return total([M], product([probability([M], [X]), inner]))


def test_order_of_writing_does_not_matter():
    factors = [probability([Y], [X, Z]), probability([Z]), probability([X], [Z])]
    ways = {product(way) for way in permutations(factors)}
    assert len(ways) == 1
    assert probability([Y, X], [Z, M]) == probability([X, Y], [M, Z])
    assert str(ways.pop()) == "P(Y | X, Z) P(X | Z) P(Z)"


def test_bound_variables_are_primed_only_where_a_name_would_mean_two_things():
    assert str(frontdoor()) == "sum_{M} P(M | X) [sum_{X'} P(Y | M, X') P(X')]"
    assert str(total([X], probability([Y, X]))) == "sum_{X} P(X, Y)"


def test_latex_is_written_with_indices_primes_and_upright_words():
    dose, w1 = Variable("dose"), Variable("W1")
    formula = fraction(total([w1], probability([dose, w1], [X])), probability([w1]))
    assert formula.to_latex() == (r"\frac{\sum_{W_{1}'} P(W_{1}', \mathrm{dose} \mid X)}{P(W_{1})}")
    assert probability([Y._replace(value=1)], do=[X]).to_latex() == r"P(Y=1 \mid \mathrm{do}(X))"
    assert Variable("a_b").to_latex() == r"\mathrm{a\_b}"


def test_names_that_are_no_words_are_quoted():
    assert str(probability([Variable("a b")], [Variable("do"), Variable(3)])) == 'P("a b" | 3, "do")'


def test_free_variables_leave_out_what_is_bound_or_fixed():
    assert frontdoor().free_variables == (X, Y)
    assert probability([Y._replace(value=1)], [X]).free_variables == (X,)


def test_substitution_reaches_only_free_variables():
    fixed = frontdoor().substitute({X: X._replace(value=1)})
    assert str(fixed) == "sum_{M} P(M | X=1) [sum_{X} P(Y | M, X) P(X)]"


def test_substitution_never_captures():
    formula = total([Z], product([probability([Y], [X, Z]), probability([Z])]))
    renamed = formula.substitute({X: Z})
    assert renamed.free_variables == (Y, Z)
    assert str(renamed) == "sum_{Z'} P(Y | Z, Z') P(Z')"


def test_constants_do_what_arithmetic_says():
    term = probability([Y])
    assert product([]) == ONE
    assert product([term, ONE]) == term
    assert product([term, ZERO]) == ZERO
    assert fraction(term, ONE) == term
    assert fraction(term, term) == ONE
    assert difference(term, ZERO) == term
    assert difference(term, term) == ZERO
    assert probability([], [X]) == ONE
    assert total([], term) == term
    assert total([X], ZERO) == ZERO


def test_nested_products_and_sums_become_one():
    a, b, c = probability([X]), probability([Y]), probability([Z])
    assert product([a, product([b, c])]) == Product(a, b, c)
    assert total([X], total([Y], probability([X, Y]))) == total([X, Y], probability([X, Y]))


def test_formulas_of_different_kinds_differ():
    a, b = probability([X]), probability([Y])
    assert len({fraction(a, b), difference(a, b), product([a, b]), fraction(b, a), Number(1)}) == 5
    assert a != "P(X)"
    assert probability([Y], [X]) != probability([Y], do=[X])
    assert probability([Y], domain="a") != probability([Y])


def test_terms_are_listed_in_the_order_of_reading():
    assert [str(term) for term in frontdoor().terms()] == ["P(M | X)", "P(Y | M, X)", "P(X)"]


@pytest.mark.parametrize("formula", [frontdoor(), fraction(frontdoor(), probability([X])), ONE])
def test_formulas_survive_pickling(formula):
    assert pickle.loads(pickle.dumps(formula)) == formula
