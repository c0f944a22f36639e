import dataclasses
import html
import json
import shutil
from pathlib import Path

import pytest

from causalrep.cli import _demo, main
from causalrep.cli._demo_results import Discovery, Plan, training_seconds
from causalrep.datasets import pendulum
from causalrep.graphs import DAG, PDAG
from causalrep.representation import CausalDiffAE, RegressionDecoder, load_model

pytest.importorskip("matplotlib")
pytest.importorskip("PIL")

TINY = Plan(size=16, n_train=48, steps=2, n_images=6)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(_demo, "QUICK", TINY)
    monkeypatch.setattr(_demo, "FULL", dataclasses.replace(TINY, steps=3))


def demo(out, *more):
    return main(["demo", "--quick", "--device", "cpu", "--out", str(out), *more])


@pytest.fixture(scope="module")
def prototype(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_demo, "QUICK", TINY)
        assert demo(out) == 0
    return out


@pytest.fixture
def finished(prototype, tmp_path):
    """A finished demo of one's own."""
    return Path(shutil.copytree(prototype, tmp_path / "demo"))


def test_a_demo_leaves_table_picture_page_and_models(finished, capsys):
    assert demo(finished) == 0
    text = capsys.readouterr().out
    for row in ("true  ", "PC with Fisher's z  ", "PC with the polynomial test  "):
        assert f"\n      {row}" in text
    for row in ("CausalDiffAE", "regression decoder", "copy the factual image"):
        assert row in text
    scores = json.loads((finished / "scores.json").read_text())
    assert scores["report"]["models"] == ["CausalDiffAE", "regression decoder", "copy the factual image"]
    assert scores["report"]["n_images"] == 6
    assert scores["settings"]["size"] == 16
    assert (finished / "demo.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    page = (finished / "report.html").read_text()
    assert "true graph" in page
    for test, found in scores["graph"]["discovered"].items():
        assert f"PC with {html.escape(test)}, against what observation can tell" in page
        assert (found["shd"] == 0) == (found["graph"] == scores["graph"]["true"])
    for model in ("causaldiffae", "regression-decoder"):
        assert load_model(finished / "models" / model).graph_.to_string() == scores["graph"]["models"]
    assert "losses of CausalDiffAE" in page
    assert page.count("<img") == 4 * 4 * 6  # images x nodes x panels
    assert (finished / "scores.csv").read_text().count("\n") == len(scores["report"]["scores"]) + 1


@pytest.mark.parametrize("seed", range(2))
def test_the_polynomial_test_finds_the_graph_that_fishers_z_misses(seed, capsys):
    world = pendulum(size=16)
    truth = world.graph_of_labels
    labels = world.sample(4000, random_state=seed, nodes=list(truth.nodes))
    by_line, by_curve = (
        _demo._discover(truth, labels, name=name, test=test) for name, test in _demo._TESTS.items()
    )
    assert "length" not in by_line.graph.adjacent("angle")
    assert by_line.distance > 0
    assert (by_curve.dag, by_curve.distance, by_curve.verdict) == (truth, 0, "the true graph")
    graph, choice = _demo._choose(truth, by_curve)
    assert graph == truth
    assert "discovered with the polynomial test: the true graph" in choice
    assert capsys.readouterr().out.count("PC with") == 2


def test_models_are_built_on_what_was_discovered_even_if_it_is_wrong():
    wrong = DAG.from_string("A -> B <- C; D")
    found = Discovery("a test", wrong.to_cpdag(), 1, "1 edge(s) away from the true graph", wrong)
    graph, choice = _demo._choose(DAG.from_string("A -> B <- C; D -> B"), found)
    assert graph is wrong
    assert "1 edge(s) away" in choice


def test_models_are_built_on_the_true_graph_where_discovery_leaves_directions_open():
    truth = DAG.from_string("A -> B")
    open_end = Discovery("a test", PDAG(undirected=[("A", "B")]), 0, "the true graph", None)
    graph, choice = _demo._choose(truth, open_end)
    assert graph is truth
    assert "so the models are built on the true graph" in choice


def test_an_open_direction_is_not_taken_for_a_graph():
    labels = pendulum(size=16).sample(500, random_state=0, nodes=["angle", "position"])
    found = _demo._discover(DAG.from_string("angle -> position"), labels, name="a test", test="polynomial")
    assert found.distance == 0
    assert found.dag is None


def test_models_of_another_graph_are_not_taken_over(finished, monkeypatch, capsys):
    other = DAG.from_string("angle -> light -> length -> position")
    monkeypatch.setattr(_demo, "_choose", lambda *_: (other, "as you like it"))
    assert demo(finished) == 2
    assert "holds a model of another graph" in capsys.readouterr().err


def test_what_is_done_is_not_done_again(finished, monkeypatch, capsys):
    before = json.loads((finished / "scores.json").read_text())["report"]

    def fail(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(CausalDiffAE, "fit", fail)
    monkeypatch.setattr(RegressionDecoder, "fit", fail)
    (finished / "report.html").unlink()
    capsys.readouterr()
    assert demo(finished) == 0
    assert capsys.readouterr().out.count("trained before") == 2
    assert (finished / "report.html").exists()
    assert json.loads((finished / "scores.json").read_text())["report"] == before


def test_an_interrupted_demo_goes_on_where_it_stopped(prototype, tmp_path, monkeypatch, capsys):
    broken = tmp_path / "broken"
    with monkeypatch.context() as patch:
        patch.setattr(RegressionDecoder, "fit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert demo(broken) == 130
    capsys.readouterr()
    assert demo(broken) == 0
    assert capsys.readouterr().out.count("trained before") == 1
    reports = [json.loads((out / "scores.json").read_text())["report"] for out in (prototype, broken)]
    assert reports[0] == reports[1]


@pytest.mark.slow  # the published recipe draws in 250 steps
def test_baselines_can_be_added_later(finished, capsys):
    capsys.readouterr()
    assert demo(finished, "--baselines") == 0
    text = capsys.readouterr().out
    assert text.count("scored before") == 2
    scores = json.loads((finished / "scores.json").read_text())
    assert scores["report"]["models"][2:] == [
        "published recipe", "label-conditional diffusion", "copy the factual image",
    ]  # fmt: skip


def test_a_folder_with_other_settings_is_left_alone(finished, capsys):
    before = {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()}
    assert demo(finished, "--seed", "1") == 2
    assert "seed: 0 there, 1 here" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()} == before


def test_a_folder_with_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep")
    assert demo(tmp_path) == 2
    assert "is no folder of a demo" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_the_clock_of_a_training_starts_anew_with_each_part():
    rows = [{"seconds": s} for s in (1.0, 4.0, 0.5, 2.0, 7.0)]
    assert training_seconds(rows) == 11.0
