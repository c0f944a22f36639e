"""The error tree: builtins that users already catch, and evidence as attributes."""

import inspect

import pytest

import causalrep.utils as utils
from causalrep.utils import (
    CausalRepError,
    CycleError,
    ParseError,
    UnknownNameError,
    suggestion,
)

ERRORS = [
    thing
    for thing in (getattr(utils, name) for name in utils.__all__)
    if inspect.isclass(thing) and issubclass(thing, Exception) and not issubclass(thing, Warning)
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_ours_and_also_a_builtin(error):
    assert issubclass(error, CausalRepError)
    if error is not CausalRepError:
        builtin = [base for base in error.__mro__ if base.__module__ == "builtins"]
        assert builtin[0] not in (Exception, BaseException, object)


def test_cycle_error_names_the_cycle_and_closes_it():
    error = CycleError(["a", "b", "c"])
    assert error.cycle == ("a", "b", "c")
    assert "a -> b -> c -> a" in str(error)


def test_parse_error_says_where():
    error = ParseError("unexpected '>'", line=2, column=7)
    assert (error.line, error.column) == (2, 7)
    assert str(error) == "line 2, column 7: unexpected '>'"


def test_unknown_name_suggests_the_nearest_and_is_readable():
    error = UnknownNameError("lihgt", ["angle", "light", "length"], what="`do`")
    # str(KeyError("text")) would be the quoted repr of the text
    assert str(error).startswith("`do` names 'lihgt', which does not exist (did you mean 'light'?)")
    assert error.name == "lihgt"
    assert error.known == ("angle", "light", "length")


def test_unknown_name_lists_at_most_twenty():
    error = UnknownNameError("q", range(100), what="`nodes`")
    assert str(error).endswith("19, ...")


def test_suggestion_does_not_mind_upper_and_lower_case():
    assert suggestion("y", ["X", "Y"]) == " (did you mean 'Y'?)"


def test_suggestion_is_empty_when_nothing_is_near():
    assert suggestion("treatment", ["x", "y"]) == ""


def test_suggestion_understands_names_that_are_not_text():
    assert suggestion("12.5", [1, 12.4, "x"]) == " (did you mean '12.4'?)"
