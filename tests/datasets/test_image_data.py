"""Your own folder of pictures: rows, names, squares, graphs, and what is wrong with them."""

import numpy as np
import pandas as pd
import pytest

from causalrep.datasets import ImageData, load_image_folder
from causalrep.graphs import DAG
from causalrep.utils import DataError

image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    """Three 6 x 8 pictures: grey k inside the middle square, white beside it."""
    (tmp_path / "scans").mkdir()
    for k in range(3):
        pixels = np.full((6, 8, 3), 255, dtype=np.uint8)
        pixels[:, 1:7] = 40 * k
        image.fromarray(pixels).save(tmp_path / "scans" / f"{k}.png")
    (tmp_path / "labels.csv").write_text("file,dose,size\n2.png,0.2,2\n0.png,0.0,\n")
    (tmp_path / "edges.csv").write_text("cause,effect\ndose,size\n")
    return tmp_path


def test_rows_follow_the_table_and_squares_are_cut_out(folder):
    data = load_image_folder(folder / "scans", folder / "labels.csv", size=3)
    assert data.images.dtype == np.uint8
    assert data.images.shape == (2, 3, 3, 3)
    assert (data.images[0] == 80).all()
    assert (data.images[1] == 0).all()
    assert data.labels["dose"].tolist() == [0.2, 0.0]
    assert np.isnan(data.labels["size"][1])
    assert data.graph is None


@pytest.mark.parametrize("edges", ["dose -> size", [("dose", "size")], DAG([("dose", "size")]), "csv"])
def test_the_graph_chooses_the_columns(folder, edges):
    edges = folder / "edges.csv" if edges == "csv" else edges
    data = load_image_folder(folder / "scans", folder / "labels.csv", edges=edges, size=4, channels=1)
    assert data.graph == DAG([("dose", "size")])
    assert list(data.labels.columns) == ["dose", "size"]
    assert data.images.shape == (2, 1, 4, 4)


def test_a_model_can_be_fitted_to_it(folder):
    from causalrep.representation import RegressionDecoder

    table = pd.DataFrame({"file": ["0.png", "1.png", "2.png"], "a": [0.0, 1, 2], "b": [1.0, 0, 2]})
    data = load_image_folder(folder / "scans", table, edges="a -> b", size=8)
    model = RegressionDecoder(graph=data.graph, max_steps=1, device="cpu", random_state=0)
    answer = model.fit(data.images, data.labels).counterfactual(data.images[:1], do={"a": 1.0})
    assert answer.images.shape == (1, 3, 8, 8)


def test_a_split_holds_every_row_once():
    labels = pd.DataFrame({"a": np.arange(10.0)})
    data = ImageData(np.arange(10, dtype=np.uint8)[:, None, None, None], labels)
    train, test = data.split(0.3, random_state=0)
    assert sorted([*train.labels["a"], *test.labels["a"]]) == list(range(10))
    assert (len(train), len(test)) == (7, 3)
    for part in (train, test):
        assert (part.images[:, 0, 0, 0] == part.labels["a"]).all()
    with pytest.raises(DataError, match="`test_size`"):
        data.split(0.0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": ["0.png"], "a": [1.0]}, "must have a column 'file'"),
        ({"file": ["0.png", "0.png"], "a": [1.0, 2]}, "'0.png' has two"),
        ({"file": ["9.png"], "a": [1.0]}, "names '9.png', which is not a picture"),
        ({"file": ["0.png"], "a": ["much"]}, "the column 'a' is not"),
    ],
)
def test_what_is_wrong_with_the_table_is_said(folder, table, message):
    with pytest.raises(DataError, match=message):
        load_image_folder(folder / "scans", pd.DataFrame(table), size=4)


def test_what_is_wrong_with_the_files_is_said(folder):
    labels = folder / "labels.csv"
    with pytest.raises(DataError, match="must be square"):
        load_image_folder(folder / "scans", labels)
    with pytest.raises(DataError, match="is not a folder"):
        load_image_folder(folder / "scan", labels)
    with pytest.raises(DataError, match="a column for the node 'age'"):
        load_image_folder(folder / "scans", labels, edges="age -> size", size=4)
    (folder / "scans" / "0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"0\.png is not a picture"):
        load_image_folder(folder / "scans", labels, size=4)
