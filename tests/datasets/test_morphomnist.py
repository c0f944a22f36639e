import gzip
import math
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from causalrep.datasets import load_morphomnist
from causalrep.graphs import DAG
from causalrep.metrics import counterfactual_report
from causalrep.utils import DataError, ImpossibleEvidenceError

N = 12


@pytest.fixture
def folder(tmp_path):
    """Write a small set as it is published: gzipped IDX files and a CSV."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (N, 28, 28), dtype=np.uint8)
    digits = np.arange(N, dtype=np.uint8) % 10
    thickness = 0.5 + generator.gamma(10, 1 / 5, N)
    intensity = 64 + 191 / (1 + np.exp(-(0.5 * generator.standard_normal(N) + 2 * thickness - 5)))
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", images)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", digits)
    table = pd.DataFrame({"index": range(N), "thickness": thickness, "intensity": intensity})
    table.to_csv(tmp_path / "t10k-morpho.csv", index=False)
    return tmp_path


def write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))


# ---------------------------------------------------------------- the files


def test_files_are_read_as_written(folder):
    data = load_morphomnist(folder)
    table = pd.read_csv(folder / "t10k-morpho.csv")
    raw = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    assert data.images.dtype == np.float32
    assert data.images.shape == (N, 1, 28, 28)
    assert np.array_equal(np.rint(data.images * 255).astype(np.uint8).tobytes(), raw[16:])
    assert data.digits.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    pd.testing.assert_frame_equal(data.labels, table[["thickness", "intensity"]])
    assert data.graph_of_labels == DAG.from_string("thickness -> intensity")


def test_training_files_and_unzipped_files_are_found(folder):
    for path in list(folder.iterdir()):
        name = path.name.replace("t10k", "train")
        if path.suffix == ".gz":
            (folder / name[:-3]).write_bytes(gzip.decompress(path.read_bytes()))
        else:
            (folder / name).write_bytes(path.read_bytes())
        path.unlink()
    assert len(load_morphomnist(folder, split="train")) == N
    with pytest.raises(DataError, match=r"must have the file t10k-images-idx3-ubyte\.gz"):
        load_morphomnist(folder)


def without_last_line(raw):
    return raw.rsplit(b"\n", 2)[0] + b"\n"


@pytest.mark.parametrize(
    ("kind", "damage", "message"),
    [
        ("images-idx3-ubyte.gz", lambda raw: raw[:-20], "images.*truncated gzip"),
        ("images-idx3-ubyte.gz", lambda raw: b"<html>" + raw, "images.*not an IDX file"),
        ("labels-idx1-ubyte.gz", lambda raw: gzip.compress(gzip.decompress(raw)[:-1]), "labels.*12 bytes"),
        ("morpho.csv", lambda raw: raw.replace(b"thickness", b"weight"), "morpho.*'weight'"),
        ("morpho.csv", lambda raw: raw[:0], "morpho.*cannot be read as a table"),
        ("morpho.csv", without_last_line, "12 images, 12 digit labels and 11 rows"),
        ("morpho.csv", lambda raw: without_last_line(raw) + b"11,2.5,300\n", r"300(\.0)? in row 11"),
        ("morpho.csv", lambda raw: without_last_line(raw) + b"11,thick,99\n", "thick and .* in row 11"),
    ],
)
def test_damage_is_named(folder, kind, damage, message):
    path = folder / f"t10k-{kind}"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        load_morphomnist(folder)


def test_arrays_of_another_shape_are_refused(folder):
    write_idx(folder / "t10k-images-idx3-ubyte.gz", np.zeros((N, 32, 32), np.uint8))
    with pytest.raises(DataError, match=r"bytes of shape \(n, 28, 28\), got uint8 of shape \(12, 32, 32\)"):
        load_morphomnist(folder)


def test_bad_folder_and_split_are_refused(folder):
    with pytest.raises(DataError, match="is not a folder"):
        load_morphomnist(folder / "nowhere")
    with pytest.raises(DataError, match="'test' or 'train', got 'validation'"):
        load_morphomnist(folder, split="validation")


# ---------------------------------------------------------------- parts of the set


def test_split_is_a_seeded_partition(folder):
    data = load_morphomnist(folder)
    train, test = data.split(test_size=0.25, random_state=5)
    again = data.split(test_size=0.25, random_state=5)[1]
    other = data.split(test_size=0.25, random_state=6)[1]
    assert (len(train), len(test)) == (9, 3)
    both = pd.concat([train.labels, test.labels])["thickness"]
    assert sorted(both) == sorted(data.labels["thickness"])
    assert test.labels.equals(again.labels)
    assert not test.labels.equals(other.labels)
    with pytest.raises(DataError, match="at least one of 12 digits, got 0"):
        data.split(test_size=0.0)


def test_rows_of_a_part_belong_together(folder):
    data = load_morphomnist(folder)
    part = data.take([7, 2])
    assert part.digits.tolist() == [7, 2]
    assert np.array_equal(part.images, data.images[[7, 2]])
    assert part.labels["intensity"].tolist() == data.labels["intensity"].iloc[[7, 2]].tolist()
    assert part.labels.index.tolist() == [0, 1]


# ---------------------------------------------------------------- the known causes


def test_laws_of_the_labels(folder):
    drawn = load_morphomnist(folder).world.sample(20_000, random_state=0)
    thickness = drawn["thickness"] - 0.5
    # Gamma(10, rate 5): mean 2, variance 0.4; five standard errors of 20 000 draws
    assert thickness.mean() == pytest.approx(2, abs=5 * math.sqrt(0.4 / 20_000))
    assert thickness.var() == pytest.approx(0.4, abs=5 * 0.4 * math.sqrt((2 + 6 / 10) / 20_000))
    share = (drawn["intensity"] - 64) / 191
    noise = 2 * (np.log(share / (1 - share)) - 2 * drawn["thickness"] + 5)
    assert noise.mean() == pytest.approx(0, abs=5 / math.sqrt(20_000))
    assert noise.std() == pytest.approx(1, abs=5 / math.sqrt(40_000))


def test_counterfactual_labels_by_hand(folder):
    world = load_morphomnist(folder).world
    # half of the range at thickness 2.5 means noise 0; then sigmoid(2 * 3 - 5) at thickness 3
    observed = pd.DataFrame({"thickness": [2.5], "intensity": [64 + 191 / 2]})
    imagined = world.counterfactual(observed, do={"thickness": 3.0})
    assert imagined["intensity"][0] == pytest.approx(64 + 191 / (1 + math.exp(-1)), abs=1e-9)
    # noise 1 adds a half inside the sigmoid
    assert world.do(thickness=2.5).mechanisms["intensity"].forward(
        {"thickness": np.array([2.5])}, np.array([1.0])
    ) == pytest.approx(64 + 191 / (1 + math.exp(-0.5)))


def test_counterfactual_laws_on_the_labels(folder):
    data = load_morphomnist(folder)
    same = data.counterfactual_labels({"thickness": data.labels["thickness"].to_numpy()})
    assert same.to_numpy() == pytest.approx(data.labels.to_numpy(), abs=1e-9)
    there = data.counterfactual_labels({"thickness": 3.1})
    back = data.world.counterfactual(there, do={"thickness": data.labels["thickness"].to_numpy()})
    assert back.to_numpy() == pytest.approx(data.labels.to_numpy(), abs=1e-6)
    assert data.counterfactual_labels({"intensity": 99.0})["thickness"].equals(data.labels["thickness"])


def test_counterfactual_of_pictures_holds_no_picture(folder):
    data = load_morphomnist(folder)
    rows = data.samples
    assert rows["image"] is data.images
    imagined = data.world.counterfactual(rows, do={"thickness": 3.0})
    assert list(imagined) == ["thickness", "intensity"]
    expected = data.counterfactual_labels({"thickness": 3.0})["intensity"]
    assert imagined["intensity"] == pytest.approx(expected.to_numpy())
    with pytest.raises(DataError, match="does not draw pictures"):
        data.world.render(data.labels)


def test_impossible_intensity_is_refused(folder):
    world = load_morphomnist(folder).world
    observed = pd.DataFrame({"thickness": [2.0, 2.0], "intensity": [100.0, 255.0]})
    with pytest.raises(ImpossibleEvidenceError, match=r"between 64 and 255, got 255\.0 in row 1"):
        world.counterfactual(observed, do={"thickness": 3.0})


def test_intervention_values_are_of_the_world(folder):
    data = load_morphomnist(folder)
    rows = data.take(np.zeros(400, dtype=int)).samples
    thickness = data.world.intervention_values(rows, "thickness", random_state=0)
    assert thickness.mean() == pytest.approx(2.5, abs=5 * math.sqrt(0.4 / 400))
    intensity = data.world.intervention_values(rows, "intensity", random_state=0)
    noise = data.world.abduct({"thickness": rows["thickness"], "intensity": intensity})["intensity"]
    assert np.abs(noise).max() <= 2 + 1e-6
    assert noise.max() > 1.8  # missed by 400 uniform draws with probability 0.95**400
    assert noise.min() < -1.8


# ---------------------------------------------------------------- the real digits

REAL = Path(__file__).parents[3] / "shared/data/morphomnist_thickness_intensity"


@pytest.fixture(scope="module")
def real():
    if not REAL.exists():
        pytest.skip("needs ../shared/data/morphomnist_thickness_intensity")
    return load_morphomnist(REAL)


def test_real_labels_follow_the_known_causes(real):
    assert len(real) == 10_000
    assert real.labels.corr().to_numpy()[0, 1] == pytest.approx(0.908, abs=0.005)
    noise = real.world.abduct(real.labels)
    assert noise["thickness"].mean() == pytest.approx(2, abs=5 * math.sqrt(0.4 / 10_000))
    assert noise["intensity"].mean() == pytest.approx(0, abs=5 / math.sqrt(10_000))
    assert noise["intensity"].std() == pytest.approx(1, abs=5 / math.sqrt(20_000))
    # the arrow's direction: the noise of the effect does not depend on the cause
    assert np.corrcoef(noise["intensity"], noise["thickness"])[0, 1] == pytest.approx(0, abs=0.05)


def test_real_pictures_show_what_the_labels_say(real):
    part = real.split(test_size=0.02, random_state=0)[1]
    away = (part.read() - part.labels).abs()
    # stated in `MorphoMNIST.read`: 0.089 and 0.51; 200 digits have a standard error of about 0.007
    assert away["thickness"].mean() < 0.11
    assert away["intensity"].mean() < 0.7
    assert away.notna().all().all()


def test_a_model_can_be_scored_without_true_pictures(folder):
    """Copying misses the thickness that was asked for; what takes the truth is left out."""
    data = load_morphomnist(folder)

    class Copy:
        def abduct(self, images):
            return images

        def predict_images(self, abducted, do):  # noqa: ARG002
            return abducted

    report = counterfactual_report({"same": Copy()}, data.world, samples=data.samples, nodes=["thickness"])
    assert report.score("same", "", "reconstruction", region="whole").estimate == 0
    assert report.score("same", "thickness", "reversibility", region="whole").estimate == 0
    assert not {"error", "nuisance recovery", "latent error"} & set(report.table()["metric"])
