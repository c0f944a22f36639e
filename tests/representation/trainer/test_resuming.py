"""Trainings that stop, early, by signal or by a kill, and go on; checkpoints of others are refused."""

from __future__ import annotations

import json
import os
import random
import signal

import pytest
import torch
from torch import nn

from causalrep.representation.trainer import Stage, Trainer
from causalrep.utils import CheckpointError


def train(stages, data, **options):
    return Trainer(**{"device": "cpu", "log_every": 5, **options}).run(stages, data)


def weights(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def equal(first, second) -> bool:
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


def course(log):
    """The log without the clock."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in [*log.rows, *log.validations]]


class Overshoot(nn.Module):
    """Training raises the parameter for ever; on held-out rows it is best at one."""

    def __init__(self):
        super().__init__()
        self.p = nn.Parameter(torch.zeros(()))

    def forward(self, _batch, _generator):
        return {"loss": -self.p if self.training else (self.p - 1.0).square()}


def overshoot(net, **options):
    values = {"schedule": "constant", "warmup_steps": 0, "learning_rate": 0.05, "ema_decay": 0.0}
    return Stage(
        "s",
        net,
        max_steps=200,
        batch_size=4,
        patience=3,
        validate_every=2,
        weight_decay=0.0,
        **values,
        **options,
    )


def test_early_stopping_keeps_the_best_weights():
    net = Overshoot()
    log = train([overshoot(net)], {"x": torch.zeros(20)}, log_every=7)
    # Adam moves 0.05 per step while the gradient is constant: 1.0 is reached after 20 steps, and
    # three validations without a better loss end at step 26.
    assert [row["step"] for row in log.validations] == list(range(2, 27, 2))
    assert log["step"] == [7, 14, 21, 26]
    best = min(row["objective"] for row in log.validations)
    assert (net.p.item() - 1.0) ** 2 == pytest.approx(best, abs=1e-12)
    assert net.p.item() == pytest.approx(1.0, abs=1e-3)


def test_patience_survives_an_interruption(tmp_path):
    net, stopped, resumed = Overshoot(), Overshoot(), Overshoot()
    log = train([overshoot(net)], {"x": torch.zeros(20)})
    with pytest.raises(KeyboardInterrupt):
        train([overshoot(stopped)], {"x": torch.zeros(20)}, checkpoint=tmp_path, on_step=interrupt("s", 25))
    again = train([overshoot(resumed)], {"x": torch.zeros(20)}, checkpoint=tmp_path)
    assert torch.equal(net.p, resumed.p)
    assert course(log) == course(again)


def interrupt(stage, step, action=None):
    def on_step(name, done, log):
        if (name, done) == (stage, step):
            if action is None:
                raise KeyboardInterrupt
            action()

    return on_step


@pytest.fixture(scope="module")
def uninterrupted(toy):
    net = toy.make_net(dropout=0.3, batch_norm=True)
    return train(toy.make_stages(net), toy.make_data()), weights(net)


@pytest.mark.parametrize(
    "moments",
    [
        [("all", 10)],
        [("all", 1)],
        [("all", 20)],
        [("head", 1)],
        [("head", 10)],
        [("all", 7), ("all", 13), ("head", 4)],
    ],
    ids=str,
)
def test_resumed_training_ends_in_the_same_bits(toy, uninterrupted, tmp_path, moments):
    for moment in moments:
        # Only the first start matters: later ones begin from other weights, which the checkpoint replaces.
        seed = 0 if moment == moments[0] else random.randrange(10**6)
        net = toy.make_net(seed=seed, dropout=0.3, batch_norm=True)
        with pytest.raises(KeyboardInterrupt):
            train(toy.make_stages(net), toy.make_data(), checkpoint=tmp_path, on_step=interrupt(*moment))
    net = toy.make_net(seed=9, dropout=0.3, batch_norm=True)
    log = train(toy.make_stages(net), toy.make_data(), checkpoint=tmp_path)
    assert equal(weights(net), uninterrupted[1])
    assert course(log) == course(uninterrupted[0])


def test_finished_training_is_only_read(toy, uninterrupted, tmp_path):
    net = toy.make_net(dropout=0.3, batch_norm=True)
    train(toy.make_stages(net), toy.make_data(), checkpoint=tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    again = toy.make_net(seed=5, dropout=0.3, batch_norm=True)
    log = train(
        toy.make_stages(again), toy.make_data(), checkpoint=tmp_path, on_step=lambda *_: pytest.fail("it ran")
    )
    assert equal(weights(again), uninterrupted[1])
    assert course(log) == course(uninterrupted[0])
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)],
    ids=["TERM", "INT"],
)
def test_signals_save_and_stop_between_two_steps(toy, uninterrupted, tmp_path, number, error):
    net = toy.make_net(dropout=0.3, batch_norm=True)
    kill = interrupt("all", 7, lambda: os.kill(os.getpid(), number))
    with pytest.raises(error) as raised:
        train(toy.make_stages(net), toy.make_data(), checkpoint=tmp_path, on_step=kill)
    if error is SystemExit:
        assert raised.value.code == 128 + signal.SIGTERM
    assert json.loads((tmp_path / "state.json").read_text())["progress"]["run"]["step"] == 7
    net = toy.make_net(seed=5, dropout=0.3, batch_norm=True)
    train(toy.make_stages(net), toy.make_data(), checkpoint=tmp_path)
    assert equal(weights(net), uninterrupted[1])


def test_checkpoints_are_written_as_time_passes(toy, uninterrupted, tmp_path):
    """A crash saves nothing, so the training goes on from the last timed checkpoint."""

    def crash():
        raise OSError("power cut")

    net = toy.make_net(dropout=0.3, batch_norm=True)
    options = {"checkpoint": tmp_path, "checkpoint_every_minutes": 0.0}
    with pytest.raises(OSError, match="power cut"):
        train(toy.make_stages(net), toy.make_data(), on_step=interrupt("all", 8, crash), **options)
    assert json.loads((tmp_path / "state.json").read_text())["progress"]["run"]["step"] == 7
    net = toy.make_net(seed=5, dropout=0.3, batch_norm=True)
    train(toy.make_stages(net), toy.make_data(), **options)
    assert equal(weights(net), uninterrupted[1])


def test_no_checkpoint_before_its_time(toy, tmp_path):
    folder = tmp_path / "c"

    def absent(name, step, log):
        assert not folder.exists()

    stage = toy.make_stages(toy.make_net())[:1]
    train(stage, toy.make_data(), checkpoint=folder, checkpoint_every_minutes=60.0, on_step=absent)
    assert folder.exists()


@pytest.fixture(scope="module")
def stopped(toy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(KeyboardInterrupt):
        train(
            toy.make_stages(toy.make_net()), toy.make_data(), checkpoint=folder, on_step=interrupt("all", 6)
        )
    return folder


def refused(stages, data, folder, **options):
    """Run, expecting a refusal that touches neither the modules nor the folder."""
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    starts = [weights(stage.module) for stage in stages]
    try:
        configuration = options.pop("configuration", None)
        trainer = Trainer(
            device="cpu", checkpoint=folder, on_step=lambda *_: pytest.fail("it ran"), **options
        )
        trainer.run(stages, data, configuration=configuration)
    finally:
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
        assert all(equal(weights(s.module), start) for s, start in zip(stages, starts, strict=True))


def test_checkpoint_of_other_hyperparameters_is_refused(toy, stopped):
    with pytest.raises(CheckpointError, match=r"stages\.0\.max_steps is 20 there and 21 here"):
        refused(toy.make_stages(toy.make_net(), first=21), toy.make_data(), stopped)


def test_checkpoint_of_another_seed_is_refused(toy, stopped):
    with pytest.raises(CheckpointError, match="seed is 0 there and 1 here"):
        refused(toy.make_stages(toy.make_net()), toy.make_data(), stopped, seed=1)


def test_checkpoint_of_other_data_is_refused(toy, stopped):
    data = toy.make_data()
    with pytest.raises(CheckpointError, match=r"data\.y\.sample"):
        refused(toy.make_stages(toy.make_net()), {**data, "y": data["y"] + 1}, stopped)


def test_checkpoint_of_another_net_is_refused(toy, stopped):
    with pytest.raises(CheckpointError, match=r"first\.1\.running_mean"):
        refused(toy.make_stages(toy.make_net(batch_norm=True)), toy.make_data(), stopped)


def test_checkpoint_of_another_configuration_is_refused(toy, stopped):
    with pytest.raises(CheckpointError, match=r"configuration\.kl_weight is '\(absent\)' there and 0.5 here"):
        refused(toy.make_stages(toy.make_net()), toy.make_data(), stopped, configuration={"kl_weight": 0.5})


@pytest.mark.parametrize(
    "change",
    [
        {"stage": 7},
        {"stage": "all"},
        {"stage": 2},
        {"seconds": None},
        {"run": [1]},
        {"run": {}},
        {"run": {"step": 999}},
        {"run": {"window": [[1.0]]}},
        {"run": {"terms": None}},
        {"run": {"best_loss": "low"}},
    ],
    ids=str,
)
def test_edited_progress_is_refused(toy, stopped, tmp_path, change):
    for file in stopped.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    state = json.loads((tmp_path / "state.json").read_text())
    if change.get("run"):
        change = {
            "run": {**state["progress"]["run"], **change["run"]} if isinstance(change["run"], dict) else 1
        }
    state["progress"] |= change
    (tmp_path / "state.json").write_text(json.dumps(state))
    with pytest.raises(CheckpointError):
        refused(toy.make_stages(toy.make_net()), toy.make_data(), tmp_path)


@pytest.mark.parametrize("name", ["weights/0/first.0.bias", "average/first.0.bias", "best/first.0.bias"])
def test_missing_tensor_is_refused(toy, stopped, tmp_path, name):
    from causalrep.representation.trainer._checkpoint import CheckpointFolder

    for file in stopped.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    folder = CheckpointFolder(tmp_path)
    identity = json.loads((tmp_path / "state.json").read_text())["identity"]
    state = folder.read(identity)
    del state.tensors[name]
    folder.write(identity, state)
    with pytest.raises(CheckpointError, match=name):
        refused(toy.make_stages(toy.make_net()), toy.make_data(), tmp_path)
