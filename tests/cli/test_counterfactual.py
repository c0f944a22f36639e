import numpy as np
import pandas as pd
import pytest

from causalrep.cli import main
from causalrep.cli._counterfactual import parse_do
from causalrep.cli._pictures import read_images, write_png
from causalrep.representation import load_model
from causalrep.utils import DataError

pytest.importorskip("PIL")


@pytest.fixture
def pictures(tmp_path, samples):
    folder = tmp_path / "pictures"
    for i in range(3):
        write_png(folder / f"{i}.png", samples["image"][i])
    return folder


def run(model, images, out, *do):
    actions = [part for text in do for part in ("--do", text)]
    return main(["counterfactual", str(model), str(images), *actions, "--out", str(out), "--device", "cpu"])


def test_the_answers_are_those_of_the_model(tmp_path, model_folder, pictures):
    assert run(model_folder, pictures, tmp_path / "out", "light=120", "angle=-5.5") == 0
    names, found = read_images(tmp_path / "out")
    assert names == ["0.png", "1.png", "2.png"]
    model = load_model(model_folder, device="cpu")
    wanted = model.counterfactual(read_images(pictures)[1], do={"light": 120.0, "angle": -5.5})
    np.testing.assert_allclose(found, wanted.images, atol=0.5 / 255 + 1e-6)  # written in 256 levels
    table = pd.read_csv(tmp_path / "out" / "labels.csv")
    assert table["file"].tolist() == names
    np.testing.assert_allclose(table["light"], 120.0, rtol=1e-5)
    np.testing.assert_allclose(table["length"], wanted.labels["length"], rtol=1e-5)
    np.testing.assert_allclose(table["length (factual)"], wanted.factual_labels["length"], rtol=1e-5)


def test_arrays_are_taken_too(tmp_path, model_folder, samples):
    np.save(tmp_path / "images.npy", samples["image"][:2])
    assert run(model_folder, tmp_path / "images.npy", tmp_path / "out", "light=120") == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["000000.png", "000001.png", "labels.csv"]


@pytest.mark.parametrize(
    ("do", "message"),
    [
        ("lihgt=120", "did you mean 'light'?"),
        ("light", "must be NODE=NUMBER, such as light=120, got 'light'"),
        ("light=bright", "must be NODE=NUMBER"),
        ("light=nan", "must be NODE=NUMBER"),
    ],
)
def test_a_bad_intervention_is_one_line_and_writes_nothing(
    tmp_path, model_folder, pictures, capsys, do, message
):
    assert run(model_folder, pictures, tmp_path / "out", do) == 2
    error = capsys.readouterr().err
    assert error.startswith("causalrep counterfactual: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_pictures_of_another_size_are_refused(tmp_path, model_folder, capsys):
    write_png(tmp_path / "small.png", np.zeros((3, 8, 8)))
    assert run(model_folder, tmp_path / "small.png", tmp_path / "out", "light=120") == 2
    assert "must have shape (n, 3, 16, 16)" in capsys.readouterr().err


def test_nothing_is_overwritten(tmp_path, model_folder, pictures, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    assert run(model_folder, pictures, tmp_path / "out", "light=120") == 2
    assert "already exists" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_folder_that_is_no_model_is_named(tmp_path, pictures, capsys):
    assert run(tmp_path / "missing", pictures, tmp_path / "out", "light=120") == 2
    assert "missing" in capsys.readouterr().err
    assert run(pictures, pictures, tmp_path / "out", "light=120") == 2
    assert "is not a saved model" in capsys.readouterr().err


def test_interventions_are_parsed():
    assert parse_do(["light=120", "angle = -5.5", "x=1e-3"]) == {"light": 120.0, "angle": -5.5, "x": 0.001}
    with pytest.raises(DataError, match="sets 'light' twice"):
        parse_do(["light=120", "light=110"])
