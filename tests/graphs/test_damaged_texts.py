"""Damaged and random texts: every reader reads or refuses them, and says where; none crashes or hangs."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import ADMG, DAG, PAG, PDAG
from causalrep.utils import CausalRepError, ParseError

GRAPHS = (DAG, PDAG, ADMG, PAG)
SAMPLES = {
    "string": 'A -> B <-> "c d"; U [latent]; {A, U} -> 3; C o-o D -- E',
    "json": '{"type": "PAG", "nodes": ["A", ["B", 1]], "edges": [["A", "o->", ["B", 1], {"w": 0.5}]], '
    '"latent": ["A"], "attributes": [["A", {"pos": [0, 1]}]]}',
    "dot": 'strict digraph "G" { node [shape=box]; A -> {B; 3} [dir=both, arrowtail=odot];\n'
    ' subgraph s { C:n } /* x */ A [pos="0,1", latent=true]\n U -> A [weight=-.5, "a b"=<b>]; }',
    "dagitty": 'pag { bb="0,0,1,1" A [exposure, pos="0.5,-1e3"]\n'
    ' A @-> B @-@ "c d" <-> {E F} # x\n A -- G [beta=.5] }',
    "gml": 'graph [ directed 1 multigraph 1 node [ id 0 label "A&#228;" graphics [ x 1.5E1 ] pos 1 pos 2 ]\n'
    ' node [ id 1 ] edge [ source 0 target 1 kind "o-&gt;" w -.5 ] ] # end',
    "graphml": '<?xml version="1.0"?>\n<graphml xmlns="x"><key id="k" for="edge" attr.name="kind" '
    'attr.type="string"/><key id="w" for="all" attr.name="w" attr.type="double"><default>1</default></key>'
    '<graph edgedefault="directed"><node id="A&amp;"/><node id="B"><data key="w">0.5</data></node>'
    '<edge source="A&amp;" target="B"><data key="k">&lt;-></data></edge></graph></graphml>',
    "lavaan": "# a model\ny ~ 1 + a*x + 0.5*`m n` + x:z\n"
    "f =~ NA*y1 + start(0.5)*y2; x ~~ z\nt := a*2\ny ~~ y",
    "bif": 'network n { property "x"; }\nvariable A { type discrete [ 2 ] { a, "b c" }; }\n'
    "variable B { type discrete[2]{x, y}; }\nprobability ( A ) { table 0.4, 0.6; }\n"
    "probability ( B | A ) { (a) 1.0, 0.0; default 0.5, 5e-1; }",
    "xmlbif": '<?xml version="1.0"?>\n<!DOCTYPE BIF [ <!ELEMENT BIF (NETWORK)*> ]>\n'
    '<BIF VERSION="0.3"><NETWORK>'
    "<VARIABLE><NAME>A</NAME><OUTCOME>a</OUTCOME><OUTCOME>b</OUTCOME></VARIABLE><VARIABLE><NAME>B</NAME>"
    "<OUTCOME>a</OUTCOME></VARIABLE><DEFINITION><FOR>A</FOR><TABLE>0.4 0.6</TABLE></DEFINITION>"
    "<DEFINITION><FOR>B</FOR><GIVEN>A</GIVEN><TABLE>1 1</TABLE></DEFINITION></NETWORK></BIF>",
    "net": 'net { x = (1 2); }\nnode A { states = ("a" "b"); % c\n label = "l"; }\n'
    'node B { states = ("x" "y"); }\n'
    "potential ( A ) { data = (0.4 0.6); }\npotential ( B | A ) { data = ((1 0) (0.5 .5)); }",
}

XML = ("graphml", "xmlbif")
#: What tells a text from a path.
BRACES = {"bif": "{", "xmlbif": "<", "net": "{"}


def pieces(text):
    return re.findall(r"\w+|\s+|.", text, flags=re.DOTALL)


def damaged(text, rng):
    """Return the text with a few random pieces dropped, doubled, swapped, replaced, or cut off."""
    parts = pieces(text)
    for _ in range(rng.randint(1, 4)):
        if not parts:
            break
        i = rng.randrange(len(parts))
        match rng.randrange(6):
            case 0:
                del parts[i]
            case 1:
                parts.insert(i, parts[i] * (rng.choice([1, 2, 5_000]) if len(parts[i]) < 20 else 1))
            case 2:
                j = rng.randrange(len(parts))
                parts[i], parts[j] = parts[j], parts[i]
            case 3:
                parts[i] = rng.choice(pieces(rng.choice(list(SAMPLES.values()))))
            case 4:
                parts[i] = rng.choice(
                    [
                        "\0",
                        "\ud800",
                        "\u2028",
                        "9" * 5_000,
                        "1e999",
                        "&#x110000;",
                        "'",
                        '"',
                        "\\",
                        "[" * 2_000,
                    ]
                )
            case 5:
                del parts[i:]
    return "".join(parts)


def survives(read, text):
    """Return whether the text is read; it must be, or be refused in the library's own words."""
    name = read.__name__.removeprefix("from_")
    if BRACES.get(name, "") not in text:
        text += BRACES[name]
    try:
        read(text)
    except CausalRepError as error:
        if isinstance(error, ParseError):
            check_place(error, text, lines="\r\n|\r|\n" if name in XML else "\n")
        return False
    return True


def check_place(error, text, lines):
    lines = re.split(lines, text)
    assert 1 <= error.line <= len(lines)
    assert 1 <= error.column <= len(lines[error.line - 1]) + 1


def read_damaged(name, n_texts):
    rng = random.Random(name)
    readers = [getattr(cls, f"from_{name}") for cls in GRAPHS]
    good = [read for read in readers if survives(read, SAMPLES[name])]
    assert good, "the sample itself must be readable"
    return sum(survives(rng.choice(good), damaged(SAMPLES[name], rng)) for _ in range(n_texts))


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_texts_are_read_or_refused(name):
    assert 0 < read_damaged(name, 300) < 300


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_ten_thousand_damaged_texts_are_read_or_refused(name):
    assert 0 < read_damaged(name, 10_000) < 10_000


@pytest.mark.parametrize("name", SAMPLES)
@given(text=st.text())
def test_any_text_is_read_or_refused(name, text):
    survives(getattr(ADMG, f"from_{name}"), text)


@pytest.mark.parametrize("name", SAMPLES)
def test_only_text_is_read(name):
    with pytest.raises(TypeError):
        getattr(DAG, f"from_{name}")(3)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("letter", ["9", ".5", "-", " ", "("])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_long_run_does_not_hang(name, letter):
    # A pattern that tries every beginning of the run takes hours here, and a linear one a second.
    run = letter * 300_000
    before, _, after = SAMPLES[name].rpartition("1" if "1" in SAMPLES[name] else " ")
    survives(getattr(DAG, f"from_{name}"), f"{before}{run}x{after}")
