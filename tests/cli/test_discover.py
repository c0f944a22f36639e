"""A table in, a graph out; a table and a graph in, an effect out."""

import pandas as pd
import pytest

from causalrep.cli import main
from causalrep.cli._tables import read_graph, read_table, write_graph
from causalrep.discovery import BOSS, DAGMA, FCI, GES, NOTEARS, PC, DirectLiNGAM
from causalrep.estimators import causal_effect
from causalrep.graphs import ADMG, CPDAG, DAG, MPDAG, PAG
from causalrep.scm import SCM
from causalrep.utils import DataError

MODEL = SCM.from_equations(
    "z = N(0, 1); w = N(0, 1); t ~ Bernoulli(sigmoid(z/2)); y = 2*t + z + w + N(0, 1); s = y + N(0, 1)"
)

LINEAR = SCM.from_equations(
    "z = N(0, 1); w = N(0, 1); t = z + N(0, 1); y = 2*t + w + N(0, 1); s = y + N(0, 1)"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    MODEL.sample(1000, random_state=0).astype({"t": int}).to_csv(folder / "data.csv", index=False)
    LINEAR.sample(1000, random_state=0).to_csv(folder / "linear.csv", index=False)
    write_graph(MODEL.graph, folder / "graph.dot", "by hand")
    return folder


@pytest.mark.parametrize("name", ["graph.dot", "graph.json"])
@pytest.mark.parametrize("kind", [PC, FCI])
def test_the_graph_is_that_of_the_search(files, tmp_path, capsys, kind, name):
    out = tmp_path / name
    method = ["--method", kind.__name__.lower(), "--alpha", "0.05"]
    assert main(["discover", str(files / "linear.csv"), *method, "--out", str(out)]) == 0
    found = kind(alpha=0.05).fit(pd.read_csv(files / "linear.csv")).graph_
    assert read_graph(out) == found
    printed = capsys.readouterr().out
    assert "1000 rows, 5 variables" in printed
    assert found.to_string() in printed


_OWN = {"boss": BOSS, "ges": GES, "direct_lingam": DirectLiNGAM, "notears": NOTEARS, "dagma": DAGMA}


@pytest.mark.filterwarnings("ignore::causalrep.discovery.SortabilityWarning")
@pytest.mark.parametrize(
    ("method", "kind"), [("ges", GES), ("direct_lingam", DirectLiNGAM), ("notears", NOTEARS)]
)
def test_searches_without_tests(files, tmp_path, method, kind):
    out = tmp_path / "graph.json"
    assert main(["discover", str(files / "linear.csv"), "--method", method, "--out", str(out)]) == 0
    assert read_graph(out) == kind().fit(pd.read_csv(files / "linear.csv")).graph_


def test_warnings_of_a_search_are_lines(files, tmp_path, capsys):
    assert main(["discover", str(files / "data.csv"), "--out", str(tmp_path / "g.dot")]) == 0
    assert "  ! column 't' is integer" in capsys.readouterr().out


@pytest.mark.parametrize(
    "graph",
    [
        DAG.from_string("a -> b"),
        CPDAG.from_string("a -- b"),
        MPDAG.from_string("a -> b; b -> c"),
        ADMG.from_string("a -> b; a <-> b"),
        PAG.from_string("a -> b; b -> c"),  # without circles it must not come back as a DAG
    ],
    ids=lambda graph: type(graph).__name__,
)
def test_files_keep_the_type_of_a_graph(tmp_path, graph):
    write_graph(graph, tmp_path / "g.dot", "by hand")
    found = read_graph(tmp_path / "g.dot")
    assert type(found) is type(graph)
    assert found == graph


def test_a_file_of_somebody_else_is_read_as_the_narrowest_type(tmp_path):
    for text, kind in (("digraph {a -> b}", DAG), ("digraph {a -> b [dir=none]}", CPDAG)):
        (tmp_path / "g.dot").write_text(text)
        assert type(read_graph(tmp_path / "g.dot")) is kind


def test_the_effect_is_that_of_the_library(files, tmp_path, capsys):
    out = tmp_path / "report.html"
    arguments = ["effect", str(files / "data.csv"), "--graph", str(files / "graph.dot"), "--treatment", "t"]
    assert main([*arguments, "--outcome", "y", "--seed", "3", "--out", str(out)]) == 0
    report = causal_effect(
        pd.read_csv(files / "data.csv"), treatment="t", outcome="y", graph=MODEL.graph, random_state=3
    )
    assert str(report) in capsys.readouterr().out
    assert f"{report.estimate:.4g}" in out.read_text(encoding="utf-8")


def test_from_a_table_to_possible_effects(files, tmp_path, capsys):
    table, graph = str(files / "linear.csv"), str(tmp_path / "found.dot")
    assert main(["discover", table, "--out", graph]) == 0
    assert main(["effect", table, "--graph", graph, "--treatment", "t", "--outcome", "y"]) == 0
    printed = capsys.readouterr().out
    assert "CPDAG" in printed
    assert "ffect" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["effect", "{}/data.csv", "--graph", "{}/graph.dot", "--treatment", "T", "--outcome", "y"],
            "did you mean 't'",
        ),
        (
            ["effect", "{}/data.csv", "--graph", "{}/graph.txt", "--treatment", "t", "--outcome", "y"],
            "must end in",
        ),
        (
            ["effect", "{}/none.csv", "--graph", "{}/graph.dot", "--treatment", "t", "--outcome", "y"],
            "No such file",
        ),
        (
            ["effect", "{}/data.csv", "--graph", "{}/bad.dot", "--treatment", "t", "--outcome", "y"],
            "holds no graph",
        ),
        (["discover", "{}/empty.csv", "--out", "{}/new.dot"], "no CSV table"),
        (["discover", "{}/texts.csv", "--out", "{}/new.dot"], "number"),
        (["discover", "{}/data.csv", "--out", "{}/graph.dot"], "already exists"),
        (
            ["discover", "{}/data.csv", "--method", "ges", "--alpha", "0.1", "--out", "{}/new.dot"],
            "ges has neither",
        ),
        (["discover", "{}/data.csv", "--test", "fisher", "--out", "{}/new.dot"], "fisherz"),
        (["discover", "{}/data.csv", "--alpha", "2", "--out", "{}/new.dot"], "alpha"),
    ],
)
def test_what_is_wrong_is_one_line(files, capsys, arguments, said):
    (files / "bad.dot").write_text("digraph {a -> }")
    (files / "empty.csv").write_text("")
    (files / "texts.csv").write_text("a,b\nx,1\ny,2\n")
    assert main([part.format(files) for part in arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (files / "new.dot").exists()


def test_no_overlap_is_said_before_the_number(files, tmp_path, capsys):
    table = pd.read_csv(files / "data.csv")
    table["t"] = (table["z"] > 0).astype(int)
    table.to_csv(tmp_path / "sure.csv", index=False)
    arguments = ["--graph", str(files / "graph.dot"), "--treatment", "t", "--outcome", "y"]
    assert main(["effect", str(tmp_path / "sure.csv"), *arguments]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("  ! ")


def test_tables_must_be_tables(tmp_path):
    (tmp_path / "data.csv").write_bytes(b"\xff\xfe\x00,\x00")
    with pytest.raises(DataError, match="no CSV"):
        read_table(tmp_path / "data.csv")
