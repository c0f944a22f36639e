import numpy as np
import pytest
import torch

from causalrep.datasets import pendulum
from causalrep.utils import DataError

COLUMNS = ["angle", "light", "length", "position", "background", "hue"]


@pytest.fixture(scope="module")
def samples():
    return pendulum(16).sample(600, random_state=0)


def truth_of(samples):
    frame = samples.frame
    for factor in ("background", "hue"):
        frame[factor] = samples.noise["image"][factor]
    return frame


def errors(world, samples, pixel_noise=0.0):
    """Absolute reading errors, NaN where nothing was read; hue on its circle."""
    images = world.render(samples, samples.noise["image"])
    if pixel_noise:
        noise = np.random.default_rng(1).standard_normal(images.shape, dtype=np.float32)
        images = (images + np.float32(pixel_noise) * noise).clip(0, 1)
    away = (world.read(images) - truth_of(samples)).abs()
    away["hue"] = np.minimum(away["hue"], 1 - away["hue"])
    return away


@pytest.mark.parametrize("size", [16, 17, 20, 22, 28, 32, 64])
def test_drawn_images_are_read_to_rounding_error(samples, size):
    away = errors(pendulum(size), samples if size <= 32 else samples.take(slice(0, 150)))
    assert list(away.columns) == COLUMNS
    # float32: coordinates up to 20 with 1e-6, an angle unit is 0.126 of these: 1e-5 with some to spare
    exact = away.drop(columns="position")
    assert exact.max().max() < 1e-4
    # a shadow of at least 1 inside one pixel can be anywhere in it
    room = max(20 / size - 1, 0) / 2
    assert away["position"].max() < room + 1e-4


@pytest.mark.parametrize("size", [16, 32])
def test_what_cannot_be_seen_is_nan_and_nothing_else(samples, size):
    world = pendulum(size)
    seen = world.read(world.render(samples, samples.noise["image"]))
    truth = samples.frame
    half = np.maximum(truth["length"], 1) / 2
    gap = np.minimum(truth["position"] - half, 20 - truth["position"] - half) / (
        20 / size
    )  # pixels to the border
    outside, clear = gap < 0, gap > (1 if size == 16 else 0.1)
    assert 0.01 < outside.mean() < 0.05
    assert seen.loc[outside, ["length", "position"]].isna().all().all()
    assert seen.loc[clear, "position"].notna().all()
    longer = truth["length"] > 1.06
    assert seen.loc[clear & longer, "length"].notna().all()
    assert seen.loc[truth["length"] < 1, "length"].isna().all()
    assert seen[["angle", "light", "background", "hue"]].notna().all().all()


@pytest.mark.parametrize(
    ("size", "bounds"),
    # twice the mean absolute errors that the docstring of `pendulum` states
    [(16, (0.16, 0.14, 0.06, 0.04)), (32, (0.06, 0.06, 0.04, 0.02)), (64, (0.02, 0.02, 0.02, 0.02))],
)
def test_pixel_noise_costs_no_more_than_is_stated(samples, size, bounds):
    away = errors(pendulum(size), samples.take(slice(0, 200)), pixel_noise=0.02)
    for label, bound in zip(COLUMNS, bounds, strict=False):
        assert away[label].mean() < bound
        assert away[label].max() < 20 * bound


def test_light_is_read_while_a_part_of_it_is_in_the_picture():
    world = pendulum(32)
    light = np.array([40.0, 43.0, 50.0, 100.0, 157.0, 160.0])  # centres at 23.8, 22.5, 20, 10, -2.5, -3.8
    rows = {"angle": np.zeros(6), "length": np.full(6, 4.0), "position": np.full(6, 10.0), "light": light}
    seen = world.read(world.render(rows))["light"]
    assert seen[1:5].to_numpy() == pytest.approx(light[1:5], abs=1e-3)
    assert seen[[0, 5]].isna().all()


@pytest.mark.parametrize("angle", [-99.0, -60.0, 0.0, 70.0, 99.0])
def test_angles_outside_the_usual_range_are_read(angle):
    world = pendulum(32)
    image = world.do(angle=angle, light=100.0).sample(3, random_state=0)["image"]
    assert world.read(image)["angle"].to_numpy() == pytest.approx(angle, abs=1e-3)


def test_reading_is_of_pixels_and_not_of_the_world_that_drew_them():
    plain = pendulum(48, nuisance=False).sample(5, random_state=0)
    seen = pendulum(16).read(plain["image"])
    assert seen["angle"].to_numpy() == pytest.approx(plain["angle"], abs=1e-4)
    assert seen["background"].to_numpy() == pytest.approx(1, abs=1e-6)
    assert np.minimum(seen["hue"], 1 - seen["hue"]).to_numpy() == pytest.approx(0, abs=1e-6)


def test_empty_scene_shows_a_background_alone():
    seen = pendulum(32).read(np.full((2, 3, 32, 32), 0.7, dtype=np.float32))
    assert seen["background"].to_numpy() == pytest.approx(0.7)
    assert seen.drop(columns="background").isna().all().all()


@pytest.mark.parametrize("erased", ["light", "angle", "length"])
def test_erased_thing_is_nan_and_the_others_are_still_read(samples, erased):
    world = pendulum(32)
    few = samples.take(slice(0, 20))
    images = world.render(few, few.noise["image"])
    rows = {"light": slice(0, 7), "angle": slice(12, 30), "length": slice(30, 32)}[erased]
    images[:, :, rows] = few.noise["image"]["background"][:, None, None, None]
    seen = world.read(images)
    assert seen[erased].isna().all()
    for label in {"light", "angle", "length"} - {erased}:
        read = seen[label].notna()
        assert read.mean() > 0.8
        assert seen.loc[read, label].to_numpy() == pytest.approx(few[label][read], abs=1e-4)


def test_rows_are_read_alone_or_together_alike(samples):
    world = pendulum(16)
    together = world.read(samples["image"])
    alone = world.read(samples["image"][3:4])
    # batched and single products may differ in the last bit of float32
    assert alone.to_numpy() == pytest.approx(together.iloc[3:4].to_numpy(), abs=1e-4, nan_ok=True)


def test_no_rows_and_torch_images_are_read(samples):
    world = pendulum(16)
    assert world.read(samples["image"][:0]).shape == (0, 6)
    as_torch = world.read(torch.from_numpy(samples["image"][:4]))
    assert as_torch.equals(world.read(samples["image"][:4]))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 3, 8, 8), np.float32), "from 16 px up, got 8"),
        (np.zeros((2, 32, 32, 3), np.float32), r"\(n, 3, size, size\), got \(2, 32, 32, 3\)"),
        (np.zeros((2, 3, 32, 24), np.float32), r"got \(2, 3, 32, 24\)"),
        (np.zeros((3, 32, 32), np.float32), r"got \(3, 32, 32\)"),
        (np.zeros((2, 3, 32, 32), np.uint8), "divide bytes by 255"),
        (np.full((2, 3, 32, 32), 255.0), r"in \[0, 1\], got values from 255"),
        (np.full((2, 3, 32, 32), -1.0), r"in \[0, 1\], got values from -1"),
        (np.full((2, 3, 32, 32), np.nan), "NaN or infinity in image 0"),
    ],
)
def test_bad_images_are_refused(images, message):
    with pytest.raises(DataError, match=message):
        pendulum(32).read(images)
