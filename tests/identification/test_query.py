"""The query language: what is read, what is refused and where, and that nothing is evaluated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.identification import Query, parse_query
from causalrep.identification._expression import FREE
from causalrep.identification._potential import Potential
from causalrep.identification._query import as_query
from causalrep.utils import CausalRepError, GraphError, ParseError


def test_an_interventional_question_is_read_with_and_without_values():
    query = parse_query("P(Y=1, Z | do(X=0, 'a b'), W=-2.5)")
    assert query.outcome == ((Potential("Y"), 1), (Potential("Z"), FREE))
    assert query.do == (("X", 0), ("a b", FREE))
    assert query.given == ((Potential("W"), -2.5),)
    assert not query.is_counterfactual
    assert query.names() == ("Y", "Z", "X", "a b", "W")


def test_a_counterfactual_question_is_read():
    query = parse_query("P(Y[X=1] | X=0, Y=0)")
    assert query.outcome == ((Potential("Y", (("X", 1),)), FREE),)
    assert query.given == ((Potential("X"), 0), (Potential("Y"), 0))
    assert query.is_counterfactual


def test_nesting_keeps_its_levels():
    (outcome,) = parse_query("P(Y[X=1, M[W[X=0], Z=2], V]=1)").outcome
    inner = Potential("M", (("W", Potential("W", (("X", 0),))), ("Z", 2)))
    assert outcome == (Potential("Y", (("X", 1), ("M", inner), ("V", FREE))), 1)


def nested(depth):
    return "P(" + "Y[" * depth + "X=1" + "]" * depth + ")"


def test_nesting_is_read_to_a_depth_that_nobody_needs_and_then_refused():
    query = parse_query(nested(20))
    assert query.names() == ("Y", "X")
    assert str(query) == nested(20)
    with pytest.raises(ParseError, match="nested"):
        parse_query(nested(1000))


def test_quotes_keep_words_apart_from_numbers_and_from_keywords():
    query = parse_query("""P("do"='1' | do("P"=1), "größe \\"x\\"")""")
    assert query.outcome == ((Potential("do"), "1"),)
    assert query.do == (("P", 1),)
    assert query.names() == ("do", "P", 'größe "x"')
    assert parse_query(str(query)) == query


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ("Q(Y)", 1, 1),
        ("P Y", 1, 3),
        ("P()", 1, 3),
        ("P(Y", 1, 4),
        ("P(Y | do(X)", 1, 12),
        ("P(Y | do X)", 1, 10),
        ("P(Y,\n  | X)", 2, 3),
        ("P(Y=)", 1, 5),
        ("P(Y[)", 1, 5),
        ("P(Y[X=1)", 1, 8),
        ("P(Y | do(M[X=0]))", 1, 7),
        ("P(Y) + P(X)", 1, 6),
        ("P(Y) P(X)", 1, 6),
        ('P("Y)', 1, 3),
        ("P(1.5 | X)", 1, 3),
        (f"P(Y={'9' * 5_000})", 1, 5),
    ],
)
def test_what_is_not_understood_is_refused_where_it_stands(text, line, column):
    with pytest.raises(ParseError) as caught:
        parse_query(text)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    "text",
    [
        "P(Y | Y)",
        "P(Y | do(Y))",
        "P(Y | do(X), X)",
        "P(Y, Y)",
        "P(Y | Z, Z=1)",
        "P(Y | do(X, X))",
        "P(Y[X, X])",
    ],
)
def test_a_variable_in_two_places_is_refused(text):
    with pytest.raises(GraphError, match=r"'[XYZ]'"):
        parse_query(text)


def test_a_variable_may_stand_in_two_worlds():
    assert parse_query("P(Y[X=1]=1, Y[X=0]=0 | Y=1)").names() == ("Y", "X")


def test_latex_writes_worlds_as_indices():
    query = parse_query("P(Y1[X=1, M[X=0]]=1, dose | do(W), Z=0)")
    assert query.to_latex() == (r"P({Y_{1}}_{X=1, {M}_{X=0}}=1, \mathrm{dose} \mid \mathrm{do}(W), Z=0)")


def test_names_ask_the_same_question_as_a_text():
    asked = as_query(None, {"Y": 1}, ["X", "W"], "Z")
    assert asked == parse_query("P(Y=1 | do(X, W), Z)")


def test_a_question_is_asked_in_one_way_only():
    with pytest.raises(TypeError, match="not both"):
        as_query("P(Y)", "Y")
    with pytest.raises(TypeError, match="`outcome`"):
        as_query(None)
    with pytest.raises(TypeError, match="str"):
        parse_query(7)
    with pytest.raises(GraphError, match="`outcome`"):
        as_query(None, [])


names = st.text(min_size=1, max_size=4) | st.integers(-9, 99)
values = (
    st.just(FREE)
    | st.integers(-9, 9)
    | st.text(max_size=3)
    | st.floats(allow_nan=False, allow_infinity=False)
)


@given(st.lists(st.tuples(names, values), min_size=3, max_size=6, unique_by=lambda pair: pair[0]))
def test_a_query_is_written_as_it_is_read(pairs):
    query = Query(
        ((Potential(pairs[0][0], ((pairs[1][0], pairs[1][1]),)), pairs[0][1]),),
        (),
        tuple((Potential(name), value) for name, value in pairs[2:]),
    )
    assert parse_query(str(query)) == query


@given(st.text(alphabet="P(Y|do[X=1], )\"'\\Z0.-\n", max_size=30))
def test_any_text_is_a_query_or_a_clear_error(text):
    try:
        parse_query(text)
    except CausalRepError as error:
        assert isinstance(error, (ParseError, GraphError))  # noqa: PT017  # the other outcome is a query
