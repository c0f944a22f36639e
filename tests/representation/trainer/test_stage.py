"""Stages: the learning rate, what is trained, and what is refused."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from causalrep.representation.trainer import Stage
from causalrep.utils import UnknownNameError


def rates(**options):
    stage = Stage("s", nn.Linear(1, 1), **options)
    return [stage.learning_rate_at(step) for step in range(stage.max_steps)]


def test_rate_warms_up_in_equal_steps_to_the_peak():
    got = rates(max_steps=20, warmup_steps=4, learning_rate=0.8, schedule="constant")
    assert got[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])


@given(
    steps=st.integers(3, 200),
    warmup=st.integers(0, 50),
    fraction=st.floats(0, 1),
)
def test_cosine_rate_falls_from_the_peak_to_its_final_fraction(steps, warmup, fraction):
    got = rates(max_steps=steps + warmup, warmup_steps=warmup, final_fraction=fraction, learning_rate=2.0)
    tail = got[warmup:]
    assert tail[0] == pytest.approx(2.0)
    assert tail[-1] == pytest.approx(2.0 * fraction)
    assert all(after <= before + 1e-12 for before, after in itertools.pairwise(tail))


def test_cosine_rate_is_the_mean_of_both_ends_in_the_middle():
    assert rates(max_steps=101, warmup_steps=0, final_fraction=0.5, learning_rate=1.0)[50] == pytest.approx(
        0.75
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_steps", 0),
        ("batch_size", 0),
        ("warmup_steps", -1),
        ("gradient_accumulation", 0),
        ("validate_every", 0),
        ("patience", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("clip_norm", -1.0),
        ("weight_decay", -0.1),
        ("betas", (0.9, 1.0)),
        ("schedule", "linear"),
        ("final_fraction", 1.5),
        ("ema_decay", 1.0),
        ("validation_fraction", 0.0),
        ("name", ""),
    ],
)
def test_values_out_of_range_are_named(option, value):
    with pytest.raises(ValueError, match=option):
        Stage(**{"name": "s", "module": nn.Linear(1, 1), "max_steps": 1, option: value})


def test_steps_must_be_whole_numbers():
    with pytest.raises(TypeError):
        Stage("s", nn.Linear(1, 1), max_steps=10.5)


def test_frozen_leaves_out_a_submodule_and_not_its_namesakes():
    module = nn.ModuleDict({"net": nn.Linear(1, 1), "net2": nn.Linear(1, 1)})
    assert list(Stage("s", module, max_steps=1, frozen=("net",)).trainable()) == ["net2.weight", "net2.bias"]
    assert list(Stage("s", module, max_steps=1, frozen=("net", "net2.bias")).trainable()) == ["net2.weight"]


def test_frozen_must_name_something():
    with pytest.raises(UnknownNameError, match="did you mean 'encoder'"):
        Stage("s", nn.ModuleDict({"encoder": nn.Linear(1, 1)}), max_steps=1, frozen=("encodr",))


def test_something_must_be_left_to_train():
    with pytest.raises(ValueError, match="no parameter to train"):
        Stage("s", nn.Linear(1, 1).requires_grad_(False), max_steps=1)


def test_description_is_json_and_tells_shapes_and_freezing():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    described = json.loads(json.dumps(Stage("s", net, max_steps=4, frozen=("1",)).describe()))
    assert described["max_steps"] == 4
    assert described["parameters"]["0.weight"] == "float32[3, 2]"
    assert described["parameters"]["1.bias"] == "float32[3] frozen"
    assert described["buffers"]["1.num_batches_tracked"] == "int64[]"
