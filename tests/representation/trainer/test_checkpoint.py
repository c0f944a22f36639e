"""Checkpoint folders: whole at every moment, and refused when they are not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from causalrep.representation.trainer._checkpoint import CheckpointFolder, SavedState
from causalrep.utils import CheckpointError

IDENTITY = {"seed": 0, "stages": [{"batch_size": 64, "betas": [0.9, 0.999]}]}


def state(value: float) -> SavedState:
    tensors = {"w": torch.full((3,), value), "n": torch.tensor(int(value))}
    return SavedState({"stage": 0}, {"rows": [], "validations": []}, tensors)


@pytest.fixture
def folder(tmp_path):
    CheckpointFolder(tmp_path / "c").write(IDENTITY, state(1.0))
    return tmp_path / "c"


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_state_comes_back(folder):
    saved = CheckpointFolder(folder).read(IDENTITY)
    assert saved.progress == {"stage": 0}
    assert torch.equal(saved.tensors["w"], torch.ones(3))
    assert saved.tensors["n"].dtype == torch.int64


def test_no_folder_is_no_state_and_makes_none(tmp_path):
    assert CheckpointFolder(tmp_path / "c").read(IDENTITY) is None
    assert not (tmp_path / "c").exists()


def test_second_state_replaces_the_first_and_leaves_other_files(folder):
    (folder / "model.safetensors").write_bytes(b"mine")
    (folder / ".state-000009.safetensors.left").write_bytes(b"from a killed process")
    writer = CheckpointFolder(folder)
    writer.read(IDENTITY)
    writer.write(IDENTITY, state(2.0))
    assert sorted(contents(folder)) == ["model.safetensors", "state-000002.safetensors", "state.json"]
    assert CheckpointFolder(folder).read(IDENTITY).tensors["w"][0] == 2.0


def test_tensors_that_share_memory_are_written(tmp_path):
    w = torch.arange(6.0).reshape(2, 3)
    shared = SavedState({}, {}, {"w": w, "same": w, "transposed": w.T, "row": w[0]})
    CheckpointFolder(tmp_path).write(IDENTITY, shared)
    saved = CheckpointFolder(tmp_path).read(IDENTITY).tensors
    assert torch.equal(saved["transposed"], w.T)
    assert torch.equal(saved["row"], w[0])
    assert torch.equal(saved["same"], w)


@pytest.mark.parametrize("moment", range(8))
def test_death_at_any_file_operation_leaves_one_whole_state(folder, monkeypatch, moment):
    """Each rename, removal and write fails in turn, and all later ones: what a killed process leaves."""
    count = 0

    def dies(function):
        def call(*arguments, **options):
            nonlocal count
            count += 1
            if count > moment:
                raise ConnectionAbortedError
            return function(*arguments, **options)

        return call

    writer = CheckpointFolder(folder)
    writer.read(IDENTITY)
    with monkeypatch.context() as patch:
        for owner, name in ((Path, "replace"), (Path, "unlink"), (Path, "write_bytes"), (os, "fsync")):
            patch.setattr(owner, name, dies(getattr(owner, name)))
        with pytest.raises(ConnectionAbortedError):
            writer.write(IDENTITY, state(2.0))
    value = CheckpointFolder(folder).read(IDENTITY).tensors["w"][0].item()
    # The state changes hands when state.json is renamed: write, fsync, rename, unlink, fsync, rename.
    assert value == (2.0 if moment >= 6 else 1.0)
    again = CheckpointFolder(folder)
    again.read(IDENTITY)
    again.write(IDENTITY, state(3.0))
    assert len(contents(folder)) == 2


def edit(**changes):
    def apply(folder: Path) -> None:
        content = json.loads((folder / "state.json").read_text())
        (folder / "state.json").write_text(json.dumps({**content, **changes}))

    return apply


def cut(name: str, size: int):
    def apply(folder: Path) -> None:
        file = next(folder.glob(name))
        file.write_bytes(file.read_bytes()[:size])

    return apply


def flip(folder: Path) -> None:
    file = next(folder.glob("*.safetensors"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut("state.json", 40), "damaged"),
        (cut("state.json", 0), "damaged"),
        (lambda f: (f / "state.json").write_bytes(b"\xff\x00garbage"), "damaged"),
        (lambda f: (f / "state.json").write_text("[1, 2]"), "not a training state"),
        (lambda f: (f / "state.json").write_text('{"model": "bert"}'), "not a training state"),
        (edit(version=2), "format version 2"),
        (edit(tensors={}), "names no tensor file"),
        (edit(tensors={"file": "../../etc/passwd", "blake2b": ""}), "names no tensor file"),
        (edit(progress=None), "'progress' is missing"),
        (edit(generation="1"), "'generation' is missing"),
        (cut("*.safetensors", 30), "does not match"),
        (cut("*.safetensors", 0), "does not match"),
        (flip, "does not match"),
        (lambda f: next(f.glob("*.safetensors")).unlink(), "cannot be read"),
    ],
)
def test_damage_is_reported_and_nothing_written(folder, damage, message):
    damage(folder)
    before = contents(folder)
    with pytest.raises(CheckpointError, match=message):
        CheckpointFolder(folder).read(IDENTITY)
    assert contents(folder) == before


def test_tensor_file_of_another_format_is_refused(folder):
    """Also with the right hash: the file is not trusted, it is parsed."""
    import hashlib

    garbage = b"\x80\x04 a pickle, say"
    next(folder.glob("*.safetensors")).write_bytes(garbage)
    digest = hashlib.blake2b(garbage, digest_size=16).hexdigest()
    edit(tensors={"file": "state-000001.safetensors", "blake2b": digest})(folder)
    with pytest.raises(CheckpointError, match="damaged"):
        CheckpointFolder(folder).read(IDENTITY)


def test_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "c").write_text("mine")
    with pytest.raises(CheckpointError, match="must be a folder"):
        CheckpointFolder(tmp_path / "c").read(IDENTITY)


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({**IDENTITY, "seed": 1}, "seed is 0 there and 1 here"),
        (
            {**IDENTITY, "stages": [{"batch_size": 32, "betas": [0.9, 0.99]}]},
            r"stages\.0\.batch_size is 64 there and 32 here; stages\.0\.betas\.1 is 0\.999 there",
        ),
        ({**IDENTITY, "extra": 1}, r"extra is '\(absent\)' there and 1 here"),
        ({"seed": 0}, r"stages\.0\.batch_size is 64 there and '\(absent\)' here"),
    ],
)
def test_other_training_is_refused_with_the_difference(folder, identity, message):
    with pytest.raises(CheckpointError, match=message):
        CheckpointFolder(folder).read(identity)


def test_same_values_in_other_containers_are_the_same_training(folder):
    again = {"seed": 0, "stages": ({"batch_size": 64, "betas": (0.9, 0.999)},)}
    assert CheckpointFolder(folder).read(again) is not None
