"""The container of array-valued rows."""

import numpy as np
import pytest
import torch

from causalrep.scm import Samples
from causalrep.utils import DataError, UnknownNameError


def make(n=4):
    return Samples(
        {"X": np.arange(n) * 1.0, "image": np.arange(n * 6).reshape(n, 1, 2, 3)},
        noise={"X": np.arange(n) * 10.0, "image": {"hue": np.arange(n) * 0.1}},
    )


def test_it_is_a_mapping_whose_length_is_the_number_of_rows():
    s = make()
    assert len(s) == 4
    assert list(s.keys()) == ["X", "image"]
    assert "image" in s
    assert "hue" not in s
    assert dict(s)["X"] is s["X"]


def test_frame_holds_the_scalar_nodes():
    frame = make().frame
    assert list(frame.columns) == ["X"]
    assert frame["X"].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_frame_of_torch_values_leaves_the_graph_of_gradients():
    s = Samples({"X": torch.arange(3.0, requires_grad=True)})
    assert s.frame["X"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (slice(1, 3), [1, 2]),
        ([3, 0], [3, 0]),
        (np.array([False, True, False, True]), [1, 3]),
        (2, [2]),
        (np.int64(-1), [3]),
    ],
)
def test_take_picks_rows_of_values_and_noise(index, rows):
    taken = make().take(index)
    assert len(taken) == len(rows)
    np.testing.assert_array_equal(taken["X"], np.array(rows, dtype=float))
    np.testing.assert_array_equal(taken["image"], make()["image"][rows])
    np.testing.assert_array_equal(taken.noise["X"], np.array(rows) * 10.0)
    np.testing.assert_array_equal(taken.noise["image"]["hue"], np.array(rows) * 0.1)


def test_unknown_node_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'image'"):
        make()["imgae"]


@pytest.mark.parametrize(
    ("values", "noise"),
    [
        ({"X": np.zeros(3), "Y": np.zeros(4)}, {}),
        ({"X": np.zeros(3)}, {"X": np.zeros(4)}),
        ({"X": np.zeros(3)}, {"X": {"hue": np.zeros(2)}}),
        ({"X": 1.0}, {}),
        ({}, {}),
    ],
)
def test_rows_must_agree(values, noise):
    with pytest.raises(DataError, match="same number of rows"):
        Samples(values, noise)
