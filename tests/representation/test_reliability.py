"""Killed, resumed, split over processes, saved and loaded elsewhere: always the same model."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from causalrep.representation import CausalDiffAE, load_model
from causalrep.utils import CheckpointError

SCRIPT = Path(__file__).with_name("reliable.py")
_spec = importlib.util.spec_from_file_location("reliable", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
reliable = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reliable)


def start(*arguments: Any) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def weights(model: CausalDiffAE) -> dict[str, torch.Tensor]:
    return model.network_.state_dict()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def uninterrupted() -> CausalDiffAE:
    return reliable.make_model().fit(*reliable.make_data())  # type: ignore[no-any-return]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_fit_killed_at_twenty_random_moments_ends_in_the_same_bits(tmp_path: Path) -> None:
    steps = 800
    expected = reliable.make_model(max_steps=steps).fit(*reliable.make_data())
    chance, killed, trainings = random.Random(0), 0, 0

    def arguments() -> tuple[Any, ...]:
        folder = tmp_path / str(trainings)
        return ("--checkpoint", folder / "c", "--out", folder / "m", "--max-steps", steps)

    def states() -> dict[Path, int]:
        return {state: state.stat().st_mtime_ns for state in tmp_path.glob("*/c/*/state.json")}

    def check(process: subprocess.Popen[str]) -> None:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
        found = load_model(tmp_path / str(trainings) / "m", device="cpu")
        for name, tensor in weights(expected).items():
            assert torch.equal(found.network_.state_dict()[name], tensor), name

    while killed < 20:
        before = states()
        process = start(*arguments())
        # Wait until it writes, so that every life gets on a little; then any moment will do.
        while process.poll() is None and states() == before:
            time.sleep(0.02)
        time.sleep(chance.uniform(0.0, 0.3))
        if process.poll() is not None:  # done before the next kill: on to another training
            check(process)
            trainings += 1
            continue
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        killed += 1
    check(start(*arguments()))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_processes_of_accelerate_launch_equal_one(uninterrupted: CausalDiffAE, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2",
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
        str(SCRIPT), "--out", str(tmp_path / "m"),
    ]  # fmt: skip
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = load_model(tmp_path / "m", device="cpu")
    for name, tensor in weights(uninterrupted).items():
        torch.testing.assert_close(found.network_.state_dict()[name], tensor, rtol=0, atol=1e-5, msg=name)


def test_accumulated_gradients_equal_the_whole_batch(uninterrupted: CausalDiffAE) -> None:
    parts = reliable.make_model(gradient_accumulation=3).fit(*reliable.make_data())
    assert parts.recipe_.gradient_accumulation == 3
    for name, tensor in weights(uninterrupted).items():
        torch.testing.assert_close(weights(parts)[name], tensor, rtol=0, atol=1e-5, msg=name)


def test_the_layout_of_channels_changes_nothing_but_rounding(uninterrupted: CausalDiffAE) -> None:
    other = reliable.make_model(channels_last=True).fit(*reliable.make_data())
    for name, tensor in weights(uninterrupted).items():
        torch.testing.assert_close(weights(other)[name], tensor, rtol=0, atol=1e-4, msg=name)
    convolutions = [p for p in other.network_.parameters() if p.ndim == 4]
    assert all(p.is_contiguous() for p in convolutions)  # as a loaded model's are


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's compiler looks at it, and ignores it too
def test_compiled_training_is_the_same(uninterrupted: CausalDiffAE) -> None:
    compiled = reliable.make_model(compile=True).fit(*reliable.make_data())
    for name, tensor in weights(uninterrupted).items():
        torch.testing.assert_close(weights(compiled)[name], tensor, rtol=0, atol=1e-4, msg=name)


def test_a_new_process_answers_as_this_one(uninterrupted: CausalDiffAE, tmp_path: Path) -> None:
    uninterrupted.save(tmp_path / "m")
    images, _ = reliable.make_data()
    np.save(tmp_path / "images.npy", images[:3])
    program = (
        "import sys, numpy as np\n"
        "from causalrep.representation import load_model\n"
        "model = load_model(sys.argv[1], device='cpu')\n"
        "answer = model.counterfactual(np.load(sys.argv[2]), do={'a': 1.0}).images\n"
        "np.save(sys.argv[3], answer)\n"
        "assert 'pickle' not in str(model.__dict__)\n"
    )
    paths = [str(tmp_path / name) for name in ("m", "images.npy", "answer.npy")]
    subprocess.run([sys.executable, "-c", program, *paths], check=True)
    expected = uninterrupted.counterfactual(images[:3], do={"a": 1.0}).images
    np.testing.assert_array_equal(np.load(tmp_path / "answer.npy"), expected)


def test_no_file_of_a_model_is_a_pickle(uninterrupted: CausalDiffAE, tmp_path: Path) -> None:
    import pickletools

    uninterrupted.save(tmp_path / "m")
    for file in (tmp_path / "m").iterdir():
        with pytest.raises(ValueError, match=r"opcode|exhausted|strange|not enough|no newline|expected"):
            list(pickletools.genops(file.read_bytes()))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_file_cut_anywhere_is_refused(
    uninterrupted: CausalDiffAE, tmp_path: Path, name: str, share: float
) -> None:
    uninterrupted.save(tmp_path / "m")
    file = tmp_path / "m" / name
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError):
        load_model(tmp_path / "m", device="cpu")


def test_a_flipped_bit_is_refused(uninterrupted: CausalDiffAE, tmp_path: Path) -> None:
    uninterrupted.save(tmp_path / "m")
    file = tmp_path / "m" / "model.safetensors"
    content = bytearray(file.read_bytes())
    for position in (8, len(content) // 2, len(content) - 1):
        flipped = bytes(content[:position]) + bytes([content[position] ^ 1]) + bytes(content[position + 1 :])
        file.write_bytes(flipped)
        with pytest.raises(CheckpointError, match="checksum"):
            load_model(tmp_path / "m", device="cpu")
