"""Images that are read row by row: the same rows, the same model, and no more of them in memory than said."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from causalrep.datasets import pendulum
from causalrep.representation import CausalDiffAE, DiffAE, HierarchicalVAE
from causalrep.representation._sources import ArrayImages, DatasetImages, as_training_images, image_parts
from causalrep.utils import DataError

WORLD = pendulum(size=16)
SAMPLE = WORLD.sample(60, random_state=0)
BYTES = (SAMPLE["image"] * 255).round().astype(np.uint8)
NODES = WORLD.graph_of_labels.nodes


class Chunked:
    """An array in chunks that counts what is read."""

    dtype = np.dtype(np.uint8)

    def __init__(self, values: Any, rows: int) -> None:
        self.values, self.shape = values, values.shape
        self.chunks = (rows, *values.shape[1:])
        self.reads: Counter[int] = Counter()

    def __getitem__(self, rows: slice) -> Any:
        self.reads.update(range(rows.start, rows.stop))
        return self.values[rows]


class Pairs(Dataset[Any]):
    """Images with labels by name, or in order."""

    def __init__(self, named: bool) -> None:
        self.named = named

    def __len__(self) -> int:
        return len(BYTES)

    def __getitem__(self, i: int) -> Any:
        values = SAMPLE.frame.iloc[i]
        return BYTES[i], dict(values) if self.named else torch.from_numpy(
            values[list(NODES)].to_numpy().copy()
        )


def fit(images: Any, labels: Any = None, cls: Any = CausalDiffAE, **options: Any) -> Any:
    options = {"max_steps": 6, "batch_size": 16, "device": "cpu", "random_state": 0, **options}
    return cls(WORLD.graph_of_labels, **options).fit(images, labels)


def weights(model: Any) -> torch.Tensor:
    return torch.cat([tensor.double().flatten() for tensor in model.network_.state_dict().values()])


@given(
    st.integers(1, 7),
    st.lists(st.integers(0, 18), min_size=1, max_size=30),
    st.integers(0, 18),
    st.integers(0, 25),
)
@settings(max_examples=60, deadline=None)
def test_rows_are_those_that_are_asked_for(chunk: int, rows: list[int], start: int, stop: int) -> None:
    values = np.arange(19 * 4, dtype=np.uint8).reshape(19, 1, 2, 2)
    for source in (
        ArrayImages(Chunked(values, chunk)),
        DatasetImages(TensorDataset(torch.from_numpy(values))),
    ):
        assert torch.equal(source[torch.tensor(rows)], torch.from_numpy(values[rows]))
        assert torch.equal(source[start:stop], torch.from_numpy(values[start:stop]))
        assert torch.equal(torch.cat(list(image_parts(source, 5))), torch.from_numpy(values))


def test_a_block_is_read_once_an_epoch_and_few_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    from causalrep.representation.trainer import StreamedData
    from causalrep.representation.trainer._chance import RowOrder

    monkeypatch.setattr("causalrep.representation._sources._WINDOW", 20)
    array = Chunked(np.zeros((200, 1, 2, 2), dtype=np.uint8), 5)
    source = ArrayImages(array)
    data = StreamedData("images", source, {"row": torch.arange(200)})
    array.reads.clear()
    order = RowOrder(torch.arange(200), 7, 0, "epochs", blocks=data.blocks)
    for step in range(200 // 7):
        assert data.batch(order.batch(step))["images"].shape == (7, 1, 2, 2)
        assert len(source._held) <= 2 * source.window == 8
    assert set(array.reads.values()) == {1}


def test_a_memory_map_trains_the_very_model_of_memory(tmp_path: Any) -> None:
    np.save(tmp_path / "images.npy", BYTES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert isinstance(as_training_images(mapped), ArrayImages)
    assert torch.equal(weights(fit(BYTES, SAMPLE.frame)), weights(fit(mapped, SAMPLE.frame)))


@pytest.mark.parametrize("named", [True, False])
def test_labels_come_from_the_data_set(named: bool) -> None:
    assert torch.equal(weights(fit(BYTES, SAMPLE.frame)), weights(fit(Pairs(named))))


@pytest.mark.parametrize("cls", [DiffAE, HierarchicalVAE])
def test_models_with_stages_of_their_own_read_rows_too(cls: Any) -> None:
    images = TensorDataset(torch.from_numpy(BYTES))
    assert torch.equal(
        weights(fit(BYTES, SAMPLE.frame, cls, max_steps=2)),
        weights(fit(images, SAMPLE.frame, cls, max_steps=2)),
    )


def test_floating_point_rows_are_kept_as_bytes() -> None:
    source = as_training_images(Chunked(SAMPLE["image"].astype(np.float32), 8))
    assert torch.equal(source[torch.arange(60)], torch.from_numpy(BYTES))


def stored(kind: str, path: Any, chunk: int) -> Any:
    if kind == "zarr":
        zarr = pytest.importorskip("zarr")
        array = zarr.open(
            str(path / "images.zarr"),
            mode="w",
            shape=BYTES.shape,
            chunks=(chunk, *BYTES.shape[1:]),
            dtype="u1",
        )
        array[:] = BYTES
        return zarr.open(str(path / "images.zarr"), mode="r")
    h5py = pytest.importorskip("h5py")
    with h5py.File(path / "images.h5", "w") as file:
        file.create_dataset("images", data=BYTES, chunks=(chunk, *BYTES.shape[1:]))
    return h5py.File(path / "images.h5", "r")["images"]


@pytest.mark.parametrize("kind", ["zarr", "h5"])
def test_chunked_arrays_train_and_resume_exactly(
    kind: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from causalrep.representation.trainer import Trainer

    monkeypatch.setattr("causalrep.representation._sources._WINDOW", 16)  # several windows in 60 rows
    images = stored(kind, tmp_path, 4)
    whole = fit(images, SAMPLE.frame, max_steps=9)
    assert not torch.equal(weights(whole), weights(fit(BYTES, SAMPLE.frame, max_steps=9)))  # another order
    run, calls = Trainer.run, []

    def interrupted(self: Any, *arguments: Any, **options: Any) -> Any:
        def stop(_name: str, step: int, _log: Any) -> None:
            calls.append(step)
            if len(calls) == 16:  # inside the third stage
                raise KeyboardInterrupt

        self.on_step = stop
        return run(self, *arguments, **options)

    monkeypatch.setattr(Trainer, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(images, SAMPLE.frame, max_steps=9, checkpoint=tmp_path / "state")
    monkeypatch.setattr(Trainer, "run", run)
    resumed = fit(images, SAMPLE.frame, max_steps=9, checkpoint=tmp_path / "state")
    assert torch.equal(weights(whole), weights(resumed))


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter([BYTES[0]])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (Stream(), "by number"),
        (TensorDataset(torch.zeros(0, 1, 4, 4)), "at least one image"),
        (Chunked(np.zeros((0, 1, 4, 4), dtype=np.uint8), 1), "at least one image"),
        (Chunked(np.zeros((3, 4, 4), dtype=np.uint8), 1), r"\(n, channels, size, size\)"),
        (Chunked(np.zeros((3, 1, 4, 5), dtype=np.uint8), 1), r"\(n, channels, size, size\)"),
        (TensorDataset(torch.zeros(3, 4, 4)), r"images\[0:1\]"),
    ],
)
def test_what_cannot_be_read_is_refused_before_any_work(images: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit(images, SAMPLE.frame)


def test_bad_rows_are_named() -> None:
    values = np.zeros((9, 1, 4, 4), dtype=np.float32)
    values[7] = 2.0
    source = as_training_images(Chunked(values, 3))
    with pytest.raises(DataError, match=r"images\[6:9\]"):
        source[torch.tensor([8])]


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (BYTES, TypeError, "`labels` can only be left out"),
        (TensorDataset(torch.from_numpy(BYTES)), DataError, "pairs of an image and its labels"),
        (
            TensorDataset(torch.from_numpy(BYTES), torch.zeros(len(BYTES), 3)),
            DataError,
            "3 label.* without names for 4 nodes",
        ),
    ],
)
def test_labels_that_are_nowhere_are_missed(images: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        fit(images)


def test_a_graph_is_searched_in_the_labels_of_a_data_set() -> None:
    from causalrep.discovery import PC

    model = CausalDiffAE(PC(alpha=1e-6), max_steps=2, batch_size=8, device="cpu", random_state=0)
    with pytest.warns(UserWarning, match="direction"):
        model.fit(Pairs(named=True))
    assert set(model.graph_.nodes) == set(NODES)
