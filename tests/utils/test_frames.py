"""One adapter for frames: names, types and row index survive."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from causalrep.utils import DataError, columns_of, frame_like, is_frame

DATA = {"T": np.array([0, 1, 1]), "Y": np.array([0.5, np.nan, 2.0])}


def assert_columns(columns, expected):
    assert list(columns) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(columns[name], values)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, dict], ids=["pandas", "polars", "mapping"])
def test_columns_keep_names_order_values_and_kind(library):
    columns = columns_of(library(DATA))
    assert_columns(columns, DATA)
    assert columns["T"].dtype.kind == "i"
    assert columns["Y"].dtype.kind == "f"


def test_is_frame_knows_frames_from_arrays_and_mappings():
    assert is_frame(pd.DataFrame(DATA))
    assert is_frame(pl.DataFrame(DATA))
    assert not is_frame(DATA)
    assert not is_frame(np.zeros((2, 2)))


def test_pandas_labels_need_not_be_strings():
    columns = columns_of(pd.DataFrame({0: [1], ("a", 1): [2]}))
    assert list(columns) == [0, ("a", 1)]


def test_an_array_is_split_by_column_not_by_row():
    columns = columns_of(np.array([[1, 2, 3], [4, 5, 6]]))
    assert_columns(columns, {0: [1, 4], 1: [2, 5], 2: [3, 6]})


def test_names_are_given_to_the_columns_of_an_array():
    assert_columns(columns_of(np.array([[1, 2], [3, 4]]), names=["b", "a"]), {"b": [1, 3], "a": [2, 4]})


def test_a_wrong_number_of_names_is_refused():
    with pytest.raises(DataError, match="2 columns but 3 names"):
        columns_of(np.zeros((4, 2)), names="abc")


def test_an_array_must_have_two_dimensions():
    with pytest.raises(DataError, match=r"`labels` must be .* 3 dimension"):
        columns_of(np.zeros((2, 2, 2)), what="labels")


def test_duplicate_names_are_refused_by_name():
    frame = pd.DataFrame(np.zeros((2, 3)), columns=["a", "b", "b"])
    with pytest.raises(DataError, match="two columns named 'b'"):
        columns_of(frame)


def test_ragged_columns_are_refused_with_their_lengths():
    with pytest.raises(DataError, match=r"same length, got \{'a': 2, 'b': 3\}"):
        columns_of({"a": np.zeros(2), "b": np.zeros(3)})


def test_pandas_comes_back_with_its_row_index():
    frame = pd.DataFrame(DATA, index=["u", "v", "w"])
    pd.testing.assert_frame_equal(frame_like(columns_of(frame), frame), frame)


def test_polars_comes_back_as_polars():
    frame = pl.DataFrame(DATA)
    assert frame_like(columns_of(frame), frame).equals(frame, null_equal=True)


def test_pandas_is_the_default():
    frame = frame_like({"a": np.arange(2)})
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"a": [0, 1]}))


def test_arrow_comes_back_as_arrow():
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not part of the tested set")
    table = pa.table(DATA)
    back = frame_like(columns_of(table), table)
    assert isinstance(back, pa.Table)
    pd.testing.assert_frame_equal(back.to_pandas(), table.to_pandas())
