"""The moving average against its definition."""

from __future__ import annotations

import pytest
import torch

from causalrep.representation.trainer import MovingAverage


def test_average_is_the_recursion_with_a_ramp():
    live = {"w": torch.randn((3, 2), dtype=torch.float64, generator=torch.Generator().manual_seed(0))}
    average, expected = MovingAverage(live, 0.9), live["w"].clone()
    for step in range(200):
        live["w"].mul_(0.99).add_(0.1)
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * live["w"]
    # The recursion contracts rounding errors of 2**-53 by 0.9 per step: ten of them at most.
    torch.testing.assert_close(average.tensors["w"], expected, rtol=0, atol=1e-14)
    assert average.decay_at(0) == 0.1
    assert average.decay_at(10_000) == 0.9


def test_zero_decay_keeps_the_last_values():
    live = {"w": torch.tensor([1.0])}
    average = MovingAverage(live, 0.0)
    live["w"].fill_(7.3)
    average.update(0)
    assert torch.equal(average.tensors["w"], live["w"])


def test_counters_and_masks_are_copied():
    live = {"count": torch.tensor(0), "mask": torch.tensor([0.0, -torch.inf])}
    average = MovingAverage(live, 0.99)
    live["count"].add_(5)
    average.update(0)
    assert average.tensors["count"] == 5
    assert torch.equal(average.tensors["mask"], torch.tensor([0.0, -torch.inf]))


def test_constant_tensors_stay_bit_for_bit():
    live = {"w": torch.rand(1000, generator=torch.Generator().manual_seed(0))}
    average = MovingAverage(live, 0.999)
    for step in range(50):
        average.update(step)
    assert torch.equal(average.tensors["w"], live["w"])


def test_average_is_in_place_only_inside_the_block():
    live = {"w": torch.tensor([1.0])}
    average = MovingAverage(live, 0.5)
    live["w"].fill_(3.0)

    def look():
        with average.in_place():
            assert live["w"].item() == 1.0
            raise RuntimeError

    with pytest.raises(RuntimeError):
        look()
    assert live["w"].item() == 3.0
