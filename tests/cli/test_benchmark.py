import json

import pandas as pd
import pytest
import torch

from causalrep.cli import _benchmark, _benchmark_budget, main
from causalrep.cli._benchmark_plan import read_plan
from causalrep.metrics import CounterfactualReport
from causalrep.utils import DataError

pytest.importorskip("PIL")
pytest.importorskip("matplotlib")

CONFIG = """
out = "runs"
seeds = [0, 1]
[budget]
steps = 2
[data]
size = 16
images = 40
[scores]
images = 8
compositions = [1]
parts = []
[[models]]
kind = "RegressionDecoder"
[[models]]
name = "carry over"
kind = "RegressionDecoder"
carry_over = true
[[worlds]]
name = "pendulum, textured"
kind = "pendulum"
nuisance = "texture"
"""
FOLDER = "pendulum-textured"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "benchmark.toml"
    path.write_text(CONFIG)
    return path


def run(config):
    return main(["benchmark", str(config), "--device", "cpu"])


def rewrite(config, old, new):
    assert old in CONFIG
    config.write_text(CONFIG.replace(old, new))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    config = tmp_path_factory.mktemp("benchmark") / "benchmark.toml"
    config.write_text(CONFIG)
    assert run(config) == 0
    return config


def test_every_row_is_trained_with_the_same_budget_and_scored(finished):
    runs = finished.parent / "runs"
    for model in ("regressiondecoder", "carry-over"):
        for seed in ("0", "1"):
            state = json.loads((runs / FOLDER / model / seed / "run.json").read_text())
            assert (state["steps"], state["attempts"]) == (2, 1)
            assert state["cpu_seconds"] > 0
    table = pd.read_csv(runs / "results.csv")
    assert set(table["world"]) == {"pendulum, textured"}
    assert set(table["seed"]) == {0, 1}
    assert {"RegressionDecoder", "carry over", "copy the factual image"} <= set(table["model"])


def test_tables_pool_the_seeds(finished):
    runs = finished.parent / "runs"
    reports = [CounterfactualReport.load(runs / FOLDER / "carry-over" / seed / "scores") for seed in "01"]
    pooled = CounterfactualReport.over_seeds(reports).score(
        "carry over", "mean of all", "error", region="whole"
    )
    text = (runs / "results.md").read_text()
    assert f"{pooled.estimate:.2f} ± {(pooled.high - pooled.low) / 2:.2f}" in text
    assert "budget of every training: 2 steps; 4 of 4 trainings done" in text
    assert (runs / "results.png").read_bytes().startswith(b"\x89PNG")


def test_the_exam_is_the_same_for_every_model_and_seed(finished):
    table = pd.read_csv(finished.parent / "runs" / "results.csv")
    copying = table[(table["model"] == "copy the factual image") & (table["metric"] == "error")]
    assert copying.groupby(["node", "region"])["estimate"].nunique().max() == 1


def test_what_is_done_is_not_done_again(finished, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("trained again")

    before = (finished.parent / "runs" / "results.csv").read_text()
    monkeypatch.setattr(_benchmark, "_trained", never)
    assert run(finished) == 0
    assert (finished.parent / "runs" / "results.csv").read_text() == before


def test_the_tables_of_what_is_done_can_be_had_alone(finished, monkeypatch):
    runs = finished.parent / "runs"
    before = (runs / "results.csv").read_text()
    monkeypatch.setattr(_benchmark, "_results", None)  # nothing is trained, not even tried
    (runs / "results.csv").unlink()
    assert main(["benchmark", str(finished), "--device", "cpu", "--tables-only"]) == 0
    assert (runs / "results.csv").read_text() == before


def test_an_interrupted_benchmark_goes_on(config, monkeypatch, capsys):
    score = _benchmark._score

    def interrupted(plan, row, *arguments):
        if row.model.name == "carry over":
            raise KeyboardInterrupt
        score(plan, row, *arguments)

    rewrite(config, "seeds = [0, 1]", "seeds = [0]")
    monkeypatch.setattr(_benchmark, "_score", interrupted)
    assert run(config) == 130
    runs = config.parent / "runs"
    text = (runs / "results.md").read_text()
    assert "1 of 2 trainings done" in text
    assert "| world | RegressionDecoder | copy the factual image |" in text  # no column for what is not done
    assert (runs / "results.png").read_bytes().startswith(b"\x89PNG")
    trained = (runs / FOLDER / "carry-over" / "0" / "model" / "model.safetensors").stat().st_mtime_ns
    monkeypatch.setattr(_benchmark, "_score", score)
    assert run(config) == 0
    assert "2 of 2 trainings done" in (runs / "results.md").read_text()
    again = (runs / FOLDER / "carry-over" / "0" / "model" / "model.safetensors").stat().st_mtime_ns
    assert again == trained


def test_results_of_other_settings_are_not_mixed(finished, capsys, tmp_path):
    other = finished.with_name("other.toml")
    other.write_text(CONFIG.replace("steps = 2", "steps = 3"))
    assert run(other) == 2
    assert "was made with budget '2 steps', the file says '3 steps'" in capsys.readouterr().err


def steps_of(config):
    plan = read_plan(config)
    rows = list(plan.rows())
    _benchmark_budget.plan_steps(plan, rows, "cpu", {model.name: 64 for model in plan.models})
    return [json.loads((plan.folder(row) / "run.json").read_text())["steps"] for row in rows]


def test_images_become_steps_by_the_size_of_a_batch(config):
    rewrite(config, "steps = 2", "images = 200")
    assert str(read_plan(config).budget) == "200 images shown"
    assert set(steps_of(config)) == {3}


@pytest.mark.parametrize("kind", ["cpu_seconds", "device_seconds"])
def test_seconds_become_steps_once_for_all_seeds(config, kind, monkeypatch):
    """60 probe steps cost 6 s, shared 1 : 2 by an encoder with at most 30 steps and the images."""

    class Model:
        class training_log_:  # noqa: N801 - stands in for an attribute
            rows = ({"stage": "labels", "seconds": 10.0}, {"stage": "images", "seconds": 20.0})

        class recipe_:  # noqa: N801
            encoder_steps = 30

    asked = []

    def probe(plan, row, device, steps):
        asked.append((row.model.name, steps))
        return Model, 6.0

    monkeypatch.setattr(_benchmark_budget, "_probe", probe)
    rewrite(config, "steps = 2", f"{kind} = 9.0")
    assert set(steps_of(config)) <= {119, 120}  # 30 (1/30) + 120 (2/30) seconds, rounded down
    assert [steps for name, steps in asked if name == "carry over"] == [2, 60]
    assert steps_of(config) == steps_of(config)  # what is known is not asked again
    assert len(asked) == 4
    rewrite(config, "steps = 2", f"{kind} = 0.2")
    for path in (config.parent / "runs").rglob("*.json"):
        path.unlink()
    assert set(steps_of(config)) <= {1, 2}  # 2 (1/30 + 2/30)


def test_seconds_of_the_cpu_are_priced_when_a_training_is_due(config, monkeypatch):
    rewrite(config, "steps = 2", "cpu_seconds = 0.001")
    monkeypatch.setattr(_benchmark_budget, "_PROBE_STEPS", 2)
    monkeypatch.setattr(_benchmark, "_results", lambda *_: iter(()))  # nothing is due
    assert run(config) == 0
    assert not list((config.parent / "runs").rglob("steps.json"))
    plan = read_plan(config)
    _benchmark._trained(plan, next(plan.rows()), "cpu", progress=False)
    assert len(list((config.parent / "runs").rglob("steps.json"))) == 1


def test_a_probe_takes_the_seconds_of_the_clock_that_is_named(config, monkeypatch):
    rewrite(config, "steps = 2", "device_seconds = 0.001")
    monkeypatch.setattr(_benchmark_budget, "_PROBE_STEPS", 2)
    assert steps_of(config) == [1, 1, 1, 1]
    plan = read_plan(config)
    _, wall = _benchmark_budget._probe(plan, next(plan.rows()), "cpu", steps=1)
    assert wall > 0


def test_results_do_not_depend_on_how_many_run_side_by_side(config, finished):
    assert main(["benchmark", str(config), "--device", "cpu", "--workers", "2"]) == 0
    one, two = finished.parent / "runs", config.parent / "runs"
    assert (one / "results.csv").read_text() == (two / "results.csv").read_text()


def test_a_training_that_fails_does_not_stop_the_others(config, monkeypatch, capsys):
    score = _benchmark._score

    def fails(plan, row, *arguments):
        if row.model.name == "RegressionDecoder":
            raise DataError("the loss is not finite")
        score(plan, row, *arguments)

    rewrite(config, "seeds = [0, 1]", "seeds = [0]")
    monkeypatch.setattr(_benchmark, "_score", fails)
    assert run(config) == 2
    assert "1 of 2 trainings failed: pendulum, textured: RegressionDecoder, seed 0" in capsys.readouterr().err
    assert "1 of 2 trainings done" in (config.parent / "runs" / "results.md").read_text()


def test_a_training_uses_one_thread(config, monkeypatch):
    threads = []
    monkeypatch.setattr(_benchmark, "_result", lambda *_: threads.append(torch.get_num_threads()) or "")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        plan = read_plan(config)
        _benchmark._attempt(plan, 0, next(plan.rows()), "cpu", progress=False)
        assert (threads, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def test_a_device_that_is_not_there_is_an_error_before_any_work(config, capsys):
    rewrite(config, 'out = "runs"', 'out = "runs"\ndevice = "cuda:77"')
    assert main(["benchmark", str(config)]) == 2
    assert "`device` is 'cuda:77', but this machine has" in capsys.readouterr().err
    assert not (config.parent / "runs").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('out = "runs"', 'out = "runs"\nmodel = 1', "names 'model', which does not exist (did you mean"),
        ('kind = "pendulum"', 'kind = "pendulums"', "names 'pendulums', which does not exist (did you mean"),
        ('nuisance = "texture"', 'nuisance = "fog"', "`nuisance` must be"),
        ("carry_over = true", "carry_on = true", "names 'carry_on', which does not exist"),
        ("carry_over = true", "max_steps = 7", "names 'max_steps', which does not exist"),
        ('name = "carry over"\n', "", "must have a `name` of its own"),
        ("steps = 2", "steps = 2\ncpu_seconds = 3", "must have one of `steps`, `images`, `cpu_seconds`,"),
        ("steps = 2", "cpu_seconds = -3", "as a positive number, got -3"),
        ("steps = 2", "device_seconds = inf", "as a positive number, got inf"),
        ("steps = 2", "images = 0", "as a whole number of at least 1, got 0"),
        ("seeds = [0, 1]", "workers = 0", "must say `workers` as a whole number of at least 1"),
        ("seeds = [0, 1]", "device = 3", "must say `device` as a text"),
        ("seeds = [0, 1]", "seeds = []", "must say `seeds` as a list"),
        ("seeds = [0, 1]", "seeds = [-1]", "must say `seeds` as a whole number of at least 0"),
        ("images = 40", 'images = "many"', "must say `images` as a whole number"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_file_is_said_before_any_work(config, capsys, old, new, message):
    rewrite(config, old, new)
    assert run(config) == 2
    assert message in capsys.readouterr().err
    assert not (config.parent / "runs").exists()
