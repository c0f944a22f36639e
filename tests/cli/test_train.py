import numpy as np
import pytest

from causalrep.cli import main
from causalrep.cli._pictures import read_images, write_png
from causalrep.representation import RegressionDecoder, load_model

pytest.importorskip("PIL")

CONFIG = """
out = "model"
[data]
images = "images"
labels = "labels.csv"
[graph]
edges = "angle -> length; light -> length; angle -> position; light -> position"
[model]
kind = "RegressionDecoder"
max_steps = 2
random_state = 0
"""


@pytest.fixture
def project(tmp_path, samples):
    for i, image in enumerate(samples["image"]):
        write_png(tmp_path / "images" / f"{i:02d}.png", image)
    samples.frame.to_csv(tmp_path / "labels.csv", index=False)
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def train(project, *more):
    return main(["train", str(project / "config.toml"), "--device", "cpu", *more])


def rewrite(project, old, new):
    assert old in CONFIG
    (project / "config.toml").write_text(CONFIG.replace(old, new))


def test_the_model_is_the_one_that_fit_gives(project, samples):
    assert train(project) == 0
    found = load_model(project / "model", device="cpu")
    images = read_images(project / "images")[1]
    wanted = RegressionDecoder(
        graph="angle -> length; light -> length; angle -> position; light -> position",
        max_steps=2, device="cpu", random_state=0,
    ).fit(images, samples.frame)  # fmt: skip
    np.testing.assert_array_equal(
        found.counterfactual(images[:2], {"light": 120.0}).images,
        wanted.counterfactual(images[:2], {"light": 120.0}).images,
    )
    assert sorted(p.name for p in project.iterdir()) == ["config.toml", "images", "labels.csv", "model"]


def test_rows_are_matched_to_pictures_by_name(project, samples):
    labels = samples.frame.assign(file=[f"{i:02d}.png" for i in range(len(samples.frame))])
    assert train(project, "--out", str(project / "by-order")) == 0
    labels.iloc[::-1].to_csv(project / "labels.csv", index=False)
    assert train(project, "--out", str(project / "by-name")) == 0
    first, second = (load_model(project / name, device="cpu") for name in ("by-order", "by-name"))
    images = samples["image"][:2]
    np.testing.assert_array_equal(first.transform(images), second.transform(images))


def test_a_graph_can_stand_in_a_file(project):
    (project / "graph.dot").write_text(
        "digraph { angle -> position; light -> position; angle -> length; light }"
    )
    rewrite(project, CONFIG[CONFIG.index("edges") : CONFIG.index("[model]")], 'file = "graph.dot"\n')
    assert train(project) == 0
    graph = load_model(project / "model", device="cpu").graph_
    assert set(graph.parents("position")) == {"angle", "light"}
    assert set(graph.parents("length")) == {"angle"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("max_steps = 2", "max_step = 2", "[model] names 'max_step', which does not exist "),
        ('"RegressionDecoder"', '"RegresionDecoder"', "did you mean 'RegressionDecoder'?"),
        ("[data]", "[date]", "names 'date', which does not exist (did you mean 'data'?)"),
        ("[graph]", "[graph", "config.toml is not a TOML file"),
        ('images = "images"', "images = 3", "must say `images` as a text, got 3"),
        ('labels = "labels.csv"', 'labels = "label.csv"', "No such file or directory"),
        ("angle -> length;", "angle -> length; length -> angle;", "must not form a cycle"),
        ("angle -> length;", "angel -> length;", "no column for node 'angel'"),
        ("random_state = 0", 'device = "cpu"', "[model] names 'device'"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_clear_line(project, capsys, old, new, message):
    rewrite(project, old, new)
    assert train(project) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (project / "model").exists()


def test_pictures_without_a_row_are_named(project, samples, capsys):
    labels = samples.frame.assign(file=[f"{i:02d}.png" for i in range(len(samples.frame))])
    labels.iloc[1:].to_csv(project / "labels.csv", index=False)
    assert train(project) == 2
    assert "has no row for the file '00.png'" in capsys.readouterr().err


def test_a_model_that_is_there_is_not_overwritten(project, capsys):
    assert train(project) == 0
    assert train(project) == 2
    assert "already exists" in capsys.readouterr().err
