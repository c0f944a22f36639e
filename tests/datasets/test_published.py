"""Loaders of published data sets, on small files in exactly their formats."""

import io

import numpy as np
import pytest

from causalrep.datasets import load_causal_circuit, load_celeba, load_dsprites, load_mpi3d, load_shapes3d
from causalrep.datasets._image_files import resized
from causalrep.utils import DataError

generator = np.random.default_rng(0)


def test_dsprites(tmp_path):
    path = tmp_path / "dsprites.npz"
    images = generator.integers(0, 2, (5, 64, 64), dtype=np.uint8)
    values = generator.uniform(size=(5, 6))
    np.savez(path, imgs=images, latents_values=values, metadata=np.array({"pickled": 1}, dtype=object))
    data = load_dsprites(path, rows=[3, 1])
    np.testing.assert_array_equal(data.images[:, 0], images[[3, 1]] * 255)
    assert list(data.labels.columns) == ["shape", "scale", "orientation", "x", "y"]
    np.testing.assert_array_equal(data.labels["orientation"], values[[3, 1], 3])


def test_shapes3d(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    path = tmp_path / "3dshapes.h5"
    images, labels = (
        generator.integers(0, 256, (6, 64, 64, 3), dtype=np.uint8),
        generator.uniform(size=(6, 6)),
    )
    with h5py.File(path, "w") as file:
        file["images"], file["labels"] = images, labels
    data = load_shapes3d(path, rows=[4, 2])
    np.testing.assert_array_equal(data.images, images[[2, 4]].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(data.labels["shape"], labels[[2, 4], 4])
    assert load_shapes3d(path, rows=slice(0, 3), size=16).images.shape == (3, 3, 16, 16)
    path.write_bytes(b"no file")
    with pytest.raises(DataError, match="is not an HDF5 file"):
        load_shapes3d(path)


def test_mpi3d(tmp_path):
    path = tmp_path / "mpi3d.npz"
    n = 6 * 6 * 2 * 3 * 3 * 40 * 40
    images = (np.arange(n * 3) % 251).astype(np.uint8).reshape(n, 1, 1, 3)
    np.savez(path, images=images)
    row = 5 * (n // 6) + 3 * 40 + 7  # the last colour, the fourth horizontal and the eighth vertical position
    data = load_mpi3d(path, rows=[row])
    np.testing.assert_array_equal(data.images[0, :, 0, 0], images[row, 0, 0])
    found = data.labels.iloc[0]
    assert (found["object_color"], found["horizontal_axis"], found["vertical_axis"]) == (5, 3, 7)
    assert found[["object_shape", "object_size", "camera_height", "background_color"]].tolist() == [0] * 4
    np.savez(path, images=images[:10])
    with pytest.raises(DataError, match="must hold 1036800 images"):
        load_mpi3d(path)


def test_celeba(tmp_path):
    picture = pytest.importorskip("PIL.Image")
    (tmp_path / "img_align_celeba").mkdir()
    for k in range(3):
        pixels = np.full((218, 178, 3), 60 * k, dtype=np.uint8)
        picture.fromarray(pixels).save(tmp_path / "img_align_celeba" / f"00000{k + 1}.jpg")
    table = "3\nSmiling Young Gray_Hair\n000001.jpg  1 -1 -1\n000002.jpg -1  1 -1\n000003.jpg  1  1  1\n"
    (tmp_path / "list_attr_celeba.txt").write_text(table)
    data = load_celeba(tmp_path, edges="Young -> Gray_Hair", size=32, rows=[2, 0])
    assert data.images.shape == (2, 3, 32, 32)
    assert abs(int(data.images[0].mean()) - 120) <= 2  # JPEG
    assert data.labels.to_dict("list") == {"Young": [1.0, 0.0], "Gray_Hair": [1.0, 0.0]}
    assert list(load_celeba(tmp_path, size=8).labels.columns) == ["Smiling", "Young", "Gray_Hair"]
    with pytest.raises(DataError, match="no attribute 'Old'"):
        load_celeba(tmp_path, attributes=["Old"])
    (tmp_path / "img_align_celeba" / "000002.jpg").unlink()
    with pytest.raises(DataError, match=r"000002\.jpg is not there"):
        load_celeba(tmp_path, size=8)
    (tmp_path / "list_attr_celeba.txt").write_text(table.replace("3\n", "4\n", 1))
    with pytest.raises(DataError, match="must have 4 rows of 3 attributes"):
        load_celeba(tmp_path)


def test_causal_circuit(tmp_path):
    path = tmp_path / "train-0.npz"
    images, latents = (
        generator.integers(0, 256, (4, 2, 8, 8, 3), dtype=np.uint8),
        generator.uniform(size=(4, 2, 4)),
    )
    np.savez(path, imgs=images, original_latents=latents)
    data = load_causal_circuit(path, rows=slice(1, 3))
    np.testing.assert_array_equal(data.images, images[1:3, 0].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(data.labels["arm"], latents[1:3, 0, 3])
    assert set(data.graph.parents("red")) == {"arm", "green", "blue"}


def test_causal_circuit_with_encoded_pictures(tmp_path):
    picture = pytest.importorskip("PIL.Image")
    path = tmp_path / "train-0.npz"
    images, encoded = generator.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8), []
    for pixels in images:
        buffer = io.BytesIO()
        picture.fromarray(pixels).save(buffer, format="PNG")
        encoded.append(buffer.getvalue())
    np.savez(path, imgs=np.array(encoded), original_latents=generator.uniform(size=(3, 4)))
    np.testing.assert_array_equal(load_causal_circuit(path).images, images.transpose(0, 3, 1, 2))


def test_pickled_objects_are_refused(tmp_path):
    path = tmp_path / "bad.npz"
    np.savez(path, imgs=np.array([{"a": 1}], dtype=object), original_latents=np.zeros((1, 4)))
    with pytest.raises(DataError, match=r"not an \.npz file of plain arrays"):
        load_causal_circuit(path)


@pytest.mark.parametrize("load", [load_dsprites, load_mpi3d, load_causal_circuit])
def test_files_that_are_missing_damaged_or_foreign(load, tmp_path):
    path = tmp_path / "file.npz"
    with pytest.raises(DataError, match=r"is not an \.npz file"):
        load(path)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(DataError, match="must hold"):
        load(path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=r"is not an \.npz file"):
        load(path)


def test_pictures_are_made_smaller_by_the_mean_over_each_new_pixel():
    images = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4) * 4
    np.testing.assert_array_equal(resized(images, 2)[0, 0], [[10, 18], [42, 50]])
