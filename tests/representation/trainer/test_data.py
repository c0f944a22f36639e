"""Resident data: gathers, refusals, identity."""

from __future__ import annotations

import pytest
import torch

from causalrep.representation.trainer import TensorData
from causalrep.utils import DataError


def test_batch_gathers_rows_in_order_and_keeps_types():
    images = torch.arange(24, dtype=torch.uint8).reshape(6, 2, 2)
    batch = TensorData({"image": images, "label": torch.arange(6) * 0.5}).batch(torch.tensor([4, 1, 4]))
    assert torch.equal(batch["image"], images[[4, 1, 4]])
    assert batch["image"].dtype == torch.uint8
    assert batch["label"].tolist() == [2.0, 0.5, 2.0]


def test_moving_to_the_same_device_shares_memory():
    x = torch.zeros(3, 2)
    moved = TensorData({"x": x}).to(torch.device("cpu"))
    x.fill_(1.0)
    assert moved.batch(torch.tensor([0]))["x"].tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"x": torch.zeros(0, 2)},
        {"x": torch.zeros(3), "y": torch.zeros(4)},
        {"x": torch.tensor(1.0)},
        {"x": [1]},
    ],
    ids=["none", "empty", "ragged", "scalar", "list"],
)
def test_malformed_data_are_refused(tensors):
    with pytest.raises(DataError, match="data"):
        TensorData(tensors)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.to(torch.float64),
        lambda t: t.index_fill(0, torch.tensor([0]), 9.0),
        lambda t: t.index_fill(0, torch.tensor([999]), 9.0),
        lambda t: t.flip(0),
        lambda t: t.reshape(1000, 3, 2),
        lambda t: t[:999],
    ],
    ids=["type", "first row", "last row", "order", "shape", "length"],
)
def test_description_sees_changes(change):
    x = torch.randn((1000, 2, 3), generator=torch.Generator().manual_seed(0))
    assert TensorData({"x": x}).describe() == TensorData({"x": x.clone()}).describe()
    assert TensorData({"x": x}).describe() != TensorData({"x": change(x)}).describe()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.bool, torch.int64, torch.uint8])
def test_any_type_can_be_described(dtype):
    assert TensorData({"x": torch.ones(5).to(dtype)}).describe()["x"]["form"].startswith(str(dtype)[6:])
