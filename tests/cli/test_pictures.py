import io

import numpy as np
import pytest

from causalrep.cli._pictures import png_bytes, read_images, unique_stems, write_png
from causalrep.utils import DataError

Image = pytest.importorskip("PIL.Image")


def images(n=3, channels=3, size=5, seed=0):
    levels = np.random.default_rng(seed).integers(0, 256, (n, channels, size, size + 1))
    return (levels / 255).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_back(tmp_path, channels):
    given = images(channels=channels)
    for i, image in zip([2, 0, 1], given[[2, 0, 1]], strict=True):  # order on disk is not order of names
        write_png(tmp_path / f"{i}.png", image)
    (tmp_path / "notes.txt").write_text("not a picture")
    names, found = read_images(tmp_path)
    assert names == ["0.png", "1.png", "2.png"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, given, atol=1e-7)


def test_a_single_picture_is_a_batch_of_one(tmp_path):
    write_png(tmp_path / "one.png", images()[0])
    names, found = read_images(tmp_path / "one.png")
    assert names == ["one.png"]
    assert found.shape == (1, 3, 5, 6)


def test_the_number_of_channels_can_be_asked_for(tmp_path):
    write_png(tmp_path / "one.png", images(channels=1)[0])
    assert read_images(tmp_path)[1].shape[1] == 1
    colour = read_images(tmp_path, channels=3)[1]
    assert colour.shape[1] == 3
    np.testing.assert_array_equal(colour[:, 0], colour[:, 2])


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
def test_arrays_are_read(tmp_path, kind):
    given = images()
    stored = np.rint(given * 255).astype(np.uint8) if kind == "uint8" else given.astype(kind)
    np.save(tmp_path / "images.npy", stored)
    names, found = read_images(tmp_path / "images.npy")
    assert names == ["000000.png", "000001.png", "000002.png"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, given, atol=1e-7)


def test_values_are_rounded_to_the_nearest_level_and_clipped():
    levels = np.array([[[-0.5, 0.4 / 255, 0.6 / 255, 2.0]]])
    with Image.open(io.BytesIO(png_bytes(levels))) as picture:
        assert np.asarray(picture).tolist() == [[0, 0, 1, 255]]


def test_names_that_would_clash_are_told_apart():
    assert unique_stems(["a.png", "b.jpg"]) == ["a.png", "b.png"]
    assert unique_stems(["a.png", "a.jpg"]) == ["a_png.png", "a_jpg.png"]


def test_bad_files_are_named(tmp_path):
    with pytest.raises(DataError, match="holds no pictures"):
        read_images(tmp_path)
    write_png(tmp_path / "a.png", images()[0])
    write_png(tmp_path / "b.png", images(size=6)[0])
    with pytest.raises(DataError, match=r"a.png has \(5, 6, 3\), b.png has \(6, 7, 3\)"):
        read_images(tmp_path)
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(DataError, match=r"a\.png is not a picture"):
        read_images(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_images(tmp_path / "missing.png")


@pytest.mark.parametrize("array", [np.zeros((2, 3, 4)), np.zeros((0, 3, 4, 4)), np.zeros((1, 1, 2, 2), int)])
def test_bad_arrays_are_named(tmp_path, array):
    np.save(tmp_path / "images.npy", array)
    with pytest.raises(DataError, match=r"images.npy must hold"):
        read_images(tmp_path / "images.npy")


def test_pickled_arrays_are_not_loaded(tmp_path):
    np.save(tmp_path / "images.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"is not a \.npy file of numbers"):
        read_images(tmp_path / "images.npy")
