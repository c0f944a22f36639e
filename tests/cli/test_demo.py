import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from causalrep.cli import _demo, main
from causalrep.cli._demo_results import Plan, training_seconds
from causalrep.representation import CausalDiffAE, RegressionDecoder

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
    assert "true        " in text
    assert "discovered  " in text
    for row in ("CausalDiffAE", "regression decoder", "copy the factual image"):
        assert row in text
    scores = json.loads((finished / "scores.json").read_text())
    assert scores["report"]["models"] == ["CausalDiffAE", "regression decoder", "copy the factual image"]
    assert scores["report"]["n_images"] == 6
    assert scores["settings"]["size"] == 16
    assert (finished / "demo.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    page = (finished / "report.html").read_text()
    assert "true graph" in page
    assert "losses of CausalDiffAE" in page
    assert page.count("<img") == 4 * 4 * 6  # images x nodes x panels
    assert (finished / "scores.csv").read_text().count("\n") == len(scores["report"]["scores"]) + 1


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
