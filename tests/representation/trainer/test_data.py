"""Resident data: gathers, refusals, identity."""

from __future__ import annotations

import pytest
import torch

from causalrep.representation.trainer import StreamedData, TensorData, Trainer
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


class Rows:
    """A source of rows that counts its reads, and may be slow."""

    def __init__(self, values, block=1, window=1):
        self.values, self.shape, self.block, self.window = values, tuple(values.shape), block, window
        self.reads = []

    def __len__(self):
        return len(self.values)

    def __getitem__(self, rows):
        self.reads.append(rows.tolist())
        return self.values[rows]


def test_streamed_rows_are_those_of_resident_ones():
    x, y = torch.arange(12.0).reshape(6, 2), torch.arange(6)
    streamed, resident = StreamedData("x", Rows(x), {"y": y}), TensorData({"x": x, "y": y})
    for index in ([3], [5, 0, 5], [1, 2]):
        index = torch.tensor(index)
        expected = resident.batch(index)
        assert {name: rows.tolist() for name, rows in streamed.batch(index).items()} == {
            name: rows.tolist() for name, rows in expected.items()
        }


def test_expected_rows_are_read_once_and_others_in_between():
    source = Rows(torch.arange(6))
    data = StreamedData("x", source, {"y": torch.arange(6)})
    data.expect(torch.tensor([4, 2]))
    assert data.batch(torch.tensor([1]))["x"].tolist() == [1]  # as a validation asks
    assert data.batch(torch.tensor([4, 2]))["x"].tolist() == [4, 2]
    assert sorted(source.reads) == [[1], [4, 2]]


def test_errors_of_reading_reach_the_training():
    class Broken(Rows):
        def __getitem__(self, rows):
            raise OSError("the disk is gone")

    data = StreamedData("x", Broken(torch.arange(6)), {"y": torch.arange(6)})
    data.expect(torch.tensor([1]))
    with pytest.raises(OSError, match="the disk is gone"):
        data.batch(torch.tensor([1]))


def test_streamed_data_of_another_length_are_refused():
    with pytest.raises(DataError, match="'x' must have 6 rows"):
        StreamedData("x", Rows(torch.arange(5)), {"y": torch.arange(6)})


@pytest.mark.parametrize(
    "change",
    [
        lambda x: (x + 1, 1, 1),
        lambda x: (x.double(), 1, 1),
        lambda x: (x.reshape(40, 1), 1, 1),
        lambda x: (x, 4, 1),
        lambda x: (x, 1, 2),
    ],
    ids=["values", "type", "shape", "blocks", "windows"],
)
def test_description_of_streamed_data_sees_changes(change):
    x, y = torch.arange(40), {"y": torch.zeros(40)}
    told = StreamedData("x", Rows(x), y).describe()
    assert told == StreamedData("x", Rows(x.clone()), y).describe()
    assert told != StreamedData("x", Rows(*change(x)), y).describe()
    assert told != StreamedData("x", Rows(x), {"y": torch.ones(40)}).describe()


def test_training_on_streamed_rows_is_training_on_resident_ones(toy):
    nets = toy.make_net(), toy.make_net()
    data = toy.make_data()
    for net, rows in zip(nets, (data, StreamedData("x", Rows(data["x"]), {"y": data["y"]})), strict=True):
        Trainer(device="cpu", seed=3).run(toy.make_stages(net), rows)
    for first, second in zip(*(net.parameters() for net in nets), strict=True):
        assert torch.equal(first, second)
