"""What a training names and stops at: losses that are no numbers, malformed modules, bad arguments."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from causalrep.representation.trainer import NonFiniteLossError, Stage, Trainer
from causalrep.utils import DataError, DeviceError


def train(stages, data, **options):
    return Trainer(**{"device": "cpu", "log_every": 5, **options}).run(stages, data)


class Breaking(nn.Module):
    """Returns `value` in one of its losses from step `step` on."""

    def __init__(self, step: int, value: float) -> None:
        super().__init__()
        self.p, self.step, self.value, self.calls = nn.Parameter(torch.ones(2, 2)), step, value, 0

    def forward(self, _batch, _generator):
        self.calls += 1
        bad = self.value if self.calls >= self.step else 1.0
        return {"good": self.p.square().mean(), "bad": bad * self.p.mean()}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_loss_that_is_not_finite_is_named_and_the_checkpoint_kept(tmp_path, value):
    data, kept = {"x": torch.zeros(8)}, []

    def watch(name, step, log):
        if step == 7:
            kept.append({file.name: file.read_bytes() for file in tmp_path.iterdir()})

    options = {"checkpoint": tmp_path, "checkpoint_every_minutes": 0.0, "on_step": watch}
    with pytest.raises(NonFiniteLossError, match="'bad' became") as raised:
        train([Stage("s", Breaking(7, value), max_steps=50, batch_size=4)], data, **options)
    assert (raised.value.stage, raised.value.step, raised.value.term) == ("s", 7, "bad")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == kept[0]


def test_first_bad_step_is_found_inside_a_window():
    with pytest.raises(NonFiniteLossError) as raised:
        train(
            [Stage("s", Breaking(7, math.nan), max_steps=50, batch_size=4)],
            {"x": torch.zeros(8)},
            log_every=20,
        )
    assert raised.value.step == 7


def test_gradient_that_is_not_finite_is_named():
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = nn.Parameter(torch.zeros(1))

        def forward(self, _batch, _generator):
            return {"root": self.p.abs().sqrt().sum()}

    with pytest.raises(NonFiniteLossError, match="gradient_norm"):
        train([Stage("s", Root(), max_steps=3, batch_size=1)], {"x": torch.zeros(1)})


def returns(result):
    class Returns(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = nn.Parameter(torch.ones(2))
            self.calls = 0

        def forward(self, _batch, _generator):
            self.calls += 1
            return result(self.p, self.calls)

    return Returns()


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda p, _: {"step": p.sum()}, "'step', which the log reserves"),
        (lambda p, _: {"a": p}, "'a' is not"),
        (lambda *_: {"a": 1.0}, "'a' is not"),
        (lambda *_: {}, "at least one loss"),
        (lambda p, calls: {"a" if calls < 3 else "b": p.sum()}, r"\('a',\) first and \('b',\) later"),
    ],
)
def test_malformed_losses_are_named(result, message):
    with pytest.raises(DataError, match=message):
        train([Stage("s", returns(result), max_steps=5, batch_size=1)], {"x": torch.zeros(1)})


def test_buffer_that_is_replaced_is_named():
    class Replaces(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = nn.Parameter(torch.ones(1))
            self.register_buffer("mean", torch.zeros(1))

        def forward(self, _batch, _generator):
            self.mean = 0.9 * self.mean + 0.1 * self.p.detach()
            return {"a": self.p.sum()}

    with pytest.raises(DataError, match="replaced its buffer 'mean'"):
        train([Stage("s", Replaces(), max_steps=5, batch_size=1)], {"x": torch.zeros(1)})


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
@pytest.mark.parametrize("device", ["cuda", "cuda:3", torch.device("cuda")])
def test_missing_device_is_named_at_once(device):
    with pytest.raises(DeviceError, match="0 CUDA device"):
        Trainer(device=device)


@pytest.mark.parametrize("device", ["gpu", "xpu", "meta"])
def test_unknown_device_is_named_at_once(device):
    with pytest.raises(DeviceError, match=device):
        Trainer(device=device)


def test_half_precision_needs_an_accelerator():
    with pytest.raises(DeviceError, match="fp16"):
        Trainer(device="cpu", precision="fp16")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"precision": "fp8"}, ValueError),
        ({"seed": None}, TypeError),
        ({"seed": True}, TypeError),
        ({"seed": 1.5}, TypeError),
        ({"log_every": 0}, ValueError),
        ({"checkpoint_every_minutes": -1.0}, ValueError),
        ({"checkpoint_every_minutes": math.nan}, ValueError),
    ],
    ids=str,
)
def test_bad_arguments_are_named(options, error):
    with pytest.raises(error, match=next(iter(options))):
        Trainer(device="cpu", **options)
