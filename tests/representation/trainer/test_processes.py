"""Trainings in processes of their own: killed ones resume, several agree with one."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from causalrep.representation.trainer import Trainer

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("toy.py")


def start(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(SCRIPT), *map(str, arguments)],
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "Warning" not in errors


def trained(toy, first):
    net = toy.make_net()
    Trainer(device="cpu", log_every=3).run(toy.make_stages(net, first), toy.make_data())
    return net.state_dict()


def test_training_killed_at_random_moments_ends_in_the_same_bits(toy, tmp_path):
    folder, weights, first = tmp_path / "c", tmp_path / "w.safetensors", 400
    for _ in range(2):
        process = start("--checkpoint", folder, "--first", first, "--pause", 0.01)
        before = (folder / "state.json").read_bytes() if folder.exists() else None
        while not (folder / "state.json").exists() or (folder / "state.json").read_bytes() == before:
            time.sleep(0.05)
            assert process.poll() is None, process.stderr.read()
        time.sleep(random.uniform(0, 0.5))
        process.kill()
        process.wait()
        process.stderr.close()
        assert process.returncode == -signal.SIGKILL
        assert 0 < json.loads((folder / "state.json").read_text())["progress"]["run"]["step"] < first
    finish(start("--checkpoint", folder, "--first", first, "--weights", weights))
    expected = trained(toy, first)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in load_file(weights).items())


def several(count, *arguments):
    """Run the script as `count` processes of one training, as a launcher would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(count):
        surroundings = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        processes.append(
            start(*arguments, "--rank", rank, **surroundings, MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        )
    for process in processes:
        finish(process)


def test_two_processes_agree_with_one_and_can_resume_its_checkpoint(toy, tmp_path):
    folder, weights = tmp_path / "c", tmp_path / "w.safetensors"
    several(2, "--checkpoint", folder, "--weights", weights)
    expected = trained(toy, 20)
    for name, tensor in load_file(weights).items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-5)
    again = toy.make_net(seed=3)
    log = Trainer(device="cpu", log_every=3, checkpoint=folder).run(toy.make_stages(again), toy.make_data())
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in load_file(weights).items())
    own = Trainer(device="cpu", log_every=3).run(toy.make_stages(toy.make_net()), toy.make_data())
    assert log["squared"] == pytest.approx(own["squared"], rel=1e-5)
    assert log["gradient_norm"] == pytest.approx(own["gradient_norm"], rel=1e-4)


def test_two_processes_continue_what_one_began(toy, tmp_path):
    folder, weights = tmp_path / "c", tmp_path / "w.safetensors"

    def stop(name, step, log):
        if step == 7:
            raise KeyboardInterrupt

    net = toy.make_net()
    with pytest.raises(KeyboardInterrupt):
        Trainer(device="cpu", log_every=3, checkpoint=folder, on_step=stop).run(
            toy.make_stages(net), toy.make_data()
        )
    several(2, "--checkpoint", folder, "--weights", weights)
    expected = trained(toy, 20)
    for name, tensor in load_file(weights).items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-5)
