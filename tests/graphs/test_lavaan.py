import pytest

from causalrep.graphs import ADMG, DAG, PDAG
from causalrep.utils import GraphError, ParseError


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("y ~ x + m; m ~ x; x ~~ z", "y; x -> y; m -> y; x -> m; x <-> z"),
        ("y ~ x +\n  m  # why\n! what\nm ~\n x", "y; x -> y; m -> y; x -> m"),
        ("y1 + y2 ~ x1 + x2", "y1; y2; x1 -> y1; x1 -> y2; x2 -> y1; x2 -> y2"),
        ("f =~ y1 + NA*y2 + start(0.8)*y3 + equal('a')*y4", None),
        ("f =~ y1 + NA*y2 + start(0.8)*y3; f ~~ 1*f", "f [latent]; f -> {y1 y2 y3}"),
        ("y ~ 1; y ~ 0 + x; y ~~ y", "x -> y"),
        ("y ~ x + z + x:z", "x -> y; z -> y"),
        ("log(y) ~ poly(x, 2) + I(`m n`^2) + sqrt(z + x)", "x -> y; 'm n' -> y; z -> y"),
        ("y ~ b1*x; m ~ a*x\nind := a*b1 - (1 + 2)/3\na == b1; a > 0", "x -> y; x -> m"),
        ("`blood pressure` ~ `a\\`b` + .x_1", "'a`b' -> 'blood pressure'; '.x_1' -> 'blood pressure'"),
        ("größe ~ 年齢", "年齢 -> größe"),
        ("", ""),
    ],
)
def test_the_syntax_means_these_edges(text, same):
    if same is None:
        with pytest.raises(ParseError):
            ADMG.from_lavaan(text)
    else:
        assert ADMG.from_lavaan(text) == ADMG.from_string(same)


def test_coefficients_become_attributes():
    g = ADMG.from_lavaan('y ~ 0.5*x + -2*z + a*b*w + label("the c")*v\nx ~~ r*z')
    assert g.attributes.edges == {
        ("x", "->", "y"): {"weight": 0.5},
        ("z", "->", "y"): {"weight": -2},
        ("w", "->", "y"): {"label": "b"},
        ("v", "->", "y"): {"label": "the c"},
        ("x", "<->", "z"): {"label": "r"},
    }


def test_what_is_written_is_short():
    g = ADMG.from_string("y; x -> y; m -> y; x -> m; x <-> z")
    assert g.to_lavaan() == "y ~ x + m\nm ~ x\nx ~~ z"
    weighted = g.with_attributes(edges={("x", "y"): {"weight": -0.5, "label": "b"}})
    assert weighted.to_lavaan().splitlines()[0] == "y ~ -0.5*b*x + m"


def test_a_latent_variable_is_measured_even_by_nothing():
    g = DAG([("f", "a")], nodes=["a", "f", "g"], latent=["f", "g"])
    assert g.to_lavaan() == "a ~~ a\nf ~~ f\ng ~~ g\nf =~ a\ng =~ 0"
    assert DAG.from_lavaan(g.to_lavaan()) == g


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("y ~ ", 1, 5, "expected a variable, got the end"),
        ("y x", 1, 3, "expected '~', '~~' or '=~', got 'x'"),
        ("y ~ x z", 1, 7, "expected '+' or the end of the statement"),
        ("y ~ x\nz ~~ y", 2, 3, "a DAG has no edge '<->'"),
        ("y ~ x ++ z", 1, 8, "expected a variable, got '+'"),
        ("y ~ start(0.5", 1, 5, "the arguments of 'start' have no end ')'"),
        ("y ~ start(0.5) x", 1, 16, "expected '*' and a name"),
        ("y ~ `x", 1, 5, "not understood"),
        ("y ~ -x", 1, 6, "expected a number after '-'"),
        ("y ~ x$z", 1, 6, "not understood"),
    ],
)
def test_a_mistake_is_located(text, line, column, message):
    with pytest.raises(ParseError) as caught:
        DAG.from_lavaan(text)
    assert message in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize("g", [PDAG.from_string("x -- y"), DAG([(1, 2)])])
def test_what_a_model_cannot_say_is_refused(g):
    with pytest.raises(GraphError, match="to_lavaan"):
        g.to_lavaan()
