"""Simplification: what the laws allow, what independences allow, and what they do not."""

import pytest

from causalrep.graphs import ADMG
from causalrep.identification import Variable, identify
from causalrep.identification._expression import fraction, probability, product, total
from causalrep.identification._masks import mask_graph
from causalrep.identification._simplify import Simplifier

X, Y, Z, M, W = (Variable(name) for name in "XYZMW")


def simplified(text, formula):
    return Simplifier(mask_graph(ADMG.from_string(text)))(formula)


def test_a_chain_of_conditionals_is_a_joint():
    formula = product([probability([Y], [X, Z]), probability([X], [Z])])
    assert simplified("X -> Y; Z -> X; Z -> Y", formula) == probability([X, Y], [Z])


def test_a_summed_variable_leaves_a_joint():
    formula = total([X], product([probability([Y], [X, Z]), probability([X], [Z])]))
    assert simplified("X -> Y; Z -> X; Z -> Y", formula) == probability([Y], [Z])


def test_what_the_sum_does_not_touch_leaves_it():
    formula = total([X], product([probability([Y], [X]), probability([X]), probability([Z])]))
    assert str(simplified("X -> Y; Z", formula)) == "P(Y) P(Z)"


def test_an_independent_condition_is_dropped_and_the_reason_kept():
    simplifier = Simplifier(mask_graph(ADMG.from_string("X -> Z -> Y")))
    assert simplifier(probability([Y], [X, Z])) == probability([Y], [Z])
    assert list(simplifier.used) == [(0b100, 0b001, 0b010, 0)]  # Y, X, given Z


def test_a_dependent_condition_stays():
    formula = probability([Y], [X, Z])
    assert simplified("X -> Z <- Y", formula) == formula  # Z is a collider


def test_terms_under_an_experiment_are_judged_in_the_experiment():
    formula = probability([Y], [Z], do=[X])
    assert simplified("Z -> X -> Y; Z <-> X", formula) == probability([Y], do=[X])
    assert simplified("Z -> X -> Y; Z <-> Y", formula) == formula
    assert simplified("Z -> X -> Y; Z <-> X", probability([Y], [Z])) == probability([Y], [Z])


def test_an_experiment_closes_what_conditioning_would_open():
    # Given X the collider Z -> X <-> Y would be open; under do(X) it is not there.
    assert simplified("Z -> X <-> Y", probability([Y], [Z], do=[X])) == probability([Y], do=[X])
    assert simplified("Z -> X <-> Y", probability([Y], [X, Z])) == probability([Y], [X, Z])


def test_terms_that_do_not_form_a_joint_stay_apart():
    formula = total([M], product([probability([M], [Y]), probability([Y], [M])]))
    assert simplified("M -> Y", formula) == formula


def test_a_mediator_is_summed_out_by_an_independence():
    formula = total([M], product([probability([Y], [M]), probability([M], [X])]))
    assert simplified("X -> M -> Y", formula) == probability([Y], [X])
    assert simplified("X -> M -> Y; X <-> Y", formula) == formula


def test_equal_factors_of_a_fraction_cancel():
    a, b, c = probability([Y], [X]), probability([X]), total([Z], probability([Z, W]))
    formula = fraction(product([a, c]), product([b, c]))
    assert simplified("X; Y; Z; W; X -> Y", formula) == fraction(a, b)


def test_a_joint_over_its_marginal_is_a_conditional():
    formula = fraction(probability([X, Y], [Z]), probability([X], [Z]))
    assert simplified("Z -> X -> Y; Z -> Y", formula) == probability([Y], [X, Z])


def test_fractions_cancel_each_other():
    a, b, c = (total([W], product([probability([v], [W]), probability([W])])) for v in (X, Y, Z))
    assert simplified("W -> X; W -> Y; W -> Z", product([fraction(a, b), fraction(b, c)])) == fraction(
        probability([X]), probability([Z])
    )


def test_a_sum_is_divided_factor_by_factor():
    outcome = probability([Y], [W, X, Z])
    formula = fraction(total([Z], product([outcome, probability([X, Z])])), probability([X]))
    expected = total([Z], product([outcome, probability([Z], [X])]))
    assert simplified("X -> Y; Z -> Y; Z -> W -> Y; X <-> Z", formula) == expected
    bound = fraction(total([X], product([probability([Y], [X, Z]), probability([X, Z])])), probability([X]))
    assert simplified("X -> Y <- Z; X <-> Z; Z <-> Y", bound) == fraction(
        probability([Y, Z]), probability([X])
    )


def test_other_populations_and_primed_variables_are_left_alone():
    foreign = probability([Y], [X, Z], domain="elsewhere")
    assert simplified("X -> Z -> Y", foreign) == foreign
    twice = probability([Y], [X, X._replace(primes=1)])
    assert simplified("X; Y", twice) == twice


@pytest.mark.parametrize("form", ["estimand", "raw"])
def test_the_napkin_stays_a_ratio(form):
    result = identify(ADMG.from_string("W -> Z -> X -> Y; W <-> X; W <-> Y"), "P(Y | do(X))")
    assert str(getattr(result, form)).count("sum_{W}") == 2
    assert Z in getattr(result, form).free_variables
