"""Every wrong input is refused by name, before any work and without touching a file."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from causalrep.representation import CausalDiffAE, ConditionalDiffusion, RegressionDecoder
from causalrep.utils import (
    CausalRepError,
    CheckpointError,
    CycleError,
    DataError,
    DeviceError,
    UnknownNameError,
)

GRAPH = "angle -> length; light -> length"


def images(n: int = 12, channels: int = 3, size: int = 16) -> np.ndarray:
    return np.random.default_rng(0).random((n, channels, size, size), dtype=np.float32)


def labels(n: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame({name: rng.normal(size=n) for name in ("angle", "light", "length")})


def fit(**changes: Any) -> CausalDiffAE:
    arguments = {"graph": GRAPH, "images": images(), "labels": labels(), **changes}
    x, y = arguments.pop("images"), arguments.pop("labels")
    return CausalDiffAE(max_steps=1, random_state=0, **arguments).fit(x, y)


@pytest.fixture(autouse=True)
def _no_training(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "trains" not in request.keywords:

        def refuse(*_: Any, **__: Any) -> None:
            pytest.fail("work began before the input was checked")

        monkeypatch.setattr("causalrep.representation._model.train", refuse)


def test_a_cycle_is_named() -> None:
    with pytest.raises(CycleError, match=r"angle -> light -> angle|light -> angle -> light"):
        fit(graph="angle -> light; light -> angle; light -> length")


def test_a_graph_cannot_be_found_without_labelled_rows() -> None:
    holes = labels()
    holes.loc[1:, "angle"] = np.nan
    with pytest.raises(DataError, match="completely labelled rows, got 1 of 12"):
        fit(graph=None, labels=holes)


def test_a_label_called_image_is_refused() -> None:
    with pytest.raises(DataError, match="'image'"):
        fit(graph="angle -> image", labels=labels().rename(columns={"light": "image"})[["angle", "image"]])


def test_a_graph_that_is_no_dag() -> None:
    with pytest.raises(CausalRepError, match="--"):
        fit(graph="angle -- light; light -> length")


def test_columns_that_do_not_match_the_graph_are_listed() -> None:
    with pytest.raises(DataError, match=r"node 'length' \(did you mean 'lenght'\?\).*column 'lenght'"):
        fit(labels=labels().rename(columns={"length": "lenght"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x * 255, r"\[0, 1\].*divide by 255"),
        (lambda x: x * 2 - 1, r"\[0, 1\].*rescale"),
        (lambda x: x[:, 0], r"shape \(n, channels, size, size\)"),
        (lambda x: np.moveaxis(x, 1, -1), r"shape \(n, channels, size, size\)"),
        (lambda x: x[:, :, :8], "shape"),
        (lambda x: np.repeat(x, 3, axis=1), "1 to 4 channels"),
        (lambda x: np.where(np.arange(12)[:, None, None, None] == 5, np.nan, x), "the first is 5"),
        (lambda x: (x * 255).astype(np.int64), "floating point .* or uint8"),
        (lambda x: x[:0], "at least one image"),
        (lambda x: x[:-1], "one row per image"),
    ],
)
def test_images_that_are_not_images(change: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit(images=change(images()))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (np.ones(12), "must vary"),
        (np.full(12, np.nan), "must vary"),
        (np.array(["a"] * 12), "must be numbers"),
        (np.r_[np.inf, np.arange(11.0)], "infinity"),
    ],
)
def test_labels_that_are_not_labels(column: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit(labels=labels().assign(light=column))


def test_declared_size_must_be_the_images() -> None:
    with pytest.raises(DataError, match="`image_size` is 32, but the images have side 16"):
        fit(image_size=32)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(DeviceError, match="cuda"):
        fit(device="cuda")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"preset": "papper"}, "paper"), ({"objective": "flo"}, "flow"), ({"solver": "dim"}, "ddim")],
)
def test_a_misspelt_option_suggests_the_right_one(arguments: dict[str, str], name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean '{name}'"):
        fit(**arguments)


def test_guidance_without_dropout_is_refused() -> None:
    with pytest.raises(ValueError, match="condition_dropout"):
        fit(guidance=2.0)


def test_a_folder_with_other_files_is_never_overwritten(trained: Any, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match="not a saved model"):
        trained.model.save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


# -- questions to a fitted model


def test_unknown_node_in_do_suggests_the_nearest(trained: Any) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'light'"):
        trained.model.counterfactual(trained.held_out["image"][:2], do={"ligth": 120.0})


@pytest.mark.parametrize("value", [np.nan, [1.0, 2.0, 3.0], "high", [[1.0], [2.0]], np.inf])
def test_values_that_cannot_be_set(trained: Any, value: Any) -> None:
    with pytest.raises(DataError, match="`do` of 'light'"):
        trained.model.counterfactual(trained.held_out["image"][:2], do={"light": value})


@pytest.mark.parametrize("shape", [(2, 1, 16, 16), (2, 3, 32, 32), (2, 16, 16, 3), (3, 16, 16)])
def test_images_unlike_those_in_training(trained: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"\(n, 3, 16, 16\)"):
        trained.model.counterfactual(np.zeros(shape, np.float32), do={"light": 120.0})


def test_an_unfitted_model_says_so() -> None:
    from sklearn.exceptions import NotFittedError

    for model in (CausalDiffAE(GRAPH), RegressionDecoder(GRAPH), ConditionalDiffusion(GRAPH)):
        with pytest.raises(NotFittedError):
            model.counterfactual(images(), do={"light": 1.0})


# -- saved models


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.json", b"{}", "not a saved model of this library"),
        ("model.json", b"{", "damaged"),
        ("model.json", b"\xff\xfe", "damaged"),
        ("model.safetensors", b"", "checksum"),
        ("model.safetensors", b"\x80\x04K\x01.", "checksum"),
    ],
)
def test_a_damaged_or_foreign_model_is_refused(
    trained: Any, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    trained.model.save(tmp_path / "m")
    (tmp_path / "m" / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        CausalDiffAE.load(tmp_path / "m")


def test_truncated_weights_are_refused(trained: Any, tmp_path: Path) -> None:
    trained.model.save(tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        CausalDiffAE.load(tmp_path / "m")


def test_a_missing_file_or_folder_is_named(trained: Any, tmp_path: Path) -> None:
    trained.model.save(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing"):
        CausalDiffAE.load(tmp_path / "m")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        CausalDiffAE.load(tmp_path / "nowhere")


def test_a_model_of_another_class_is_refused(trained: Any, tmp_path: Path) -> None:
    trained.model.save(tmp_path / "m")
    with pytest.raises(CheckpointError, match="holds a CausalDiffAE, not a RegressionDecoder"):
        RegressionDecoder.load(tmp_path / "m")


def test_a_recipe_that_does_not_fit_the_weights_is_refused(trained: Any, tmp_path: Path) -> None:
    import json

    trained.model.save(tmp_path / "m")
    file = tmp_path / "m" / "model.json"
    description = json.loads(file.read_text())
    description["recipe"]["architecture"]["widths"] = [8, 16]
    file.write_text(json.dumps(description))
    with pytest.raises(CheckpointError, match="does not fit together"):
        CausalDiffAE.load(tmp_path / "m")
