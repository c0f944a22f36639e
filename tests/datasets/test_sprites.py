"""The sprites world: its law and its chain, exact abduction, true counterfactuals, reading by inversion."""

import math

import numpy as np
import pytest
import torch

from causalrep.datasets import _sprites_scene as scene
from causalrep.datasets import sprites
from causalrep.graphs import DAG
from causalrep.utils import DataError, NotInvertibleError

LABELS = ("shape", "scale", "orientation", "x", "y")


@pytest.fixture(scope="module")
def world():
    return sprites(32)


@pytest.fixture(scope="module")
def samples(world):
    return world.sample(150, random_state=0)


def sigma(v):
    return 1 / (1 + np.exp(-v))


def turned_by(a, b, shape):
    """Return the smallest turn between two orientations of sprites of these shapes."""
    period = np.array(scene.PERIODS)[np.asarray(shape).astype(int)]
    return np.abs(np.mod(np.asarray(a) - np.asarray(b) + period / 2, period) - period / 2)


def test_the_graph_is_a_chain_and_a_bystander(world):
    assert world.graph_of_labels == DAG.from_string("shape -> scale -> x -> y; orientation")
    assert world.graph_of_labels.nodes == LABELS
    assert set(world.graph.parents("image")) == set(LABELS)


def test_the_labels_follow_their_equations(world):
    s = world.sample(500, random_state=1)
    f, e = s.frame, s.noise
    np.testing.assert_allclose(f["scale"], 0.5 + 0.5 * sigma(e["scale"] + f["shape"] - 1), rtol=1e-12)
    np.testing.assert_allclose(f["x"], 0.2 + 0.6 * sigma(6 * (f["scale"] - 0.75) + 0.5 * e["x"]), rtol=1e-12)
    np.testing.assert_allclose(f["y"], 0.2 + 0.6 * sigma(4 * (f["x"] - 0.5) + 0.5 * e["y"]), rtol=1e-12)
    assert set(f["shape"]) == {0, 1, 2}
    assert f["orientation"].between(0, math.pi / 2).all()


def test_abduction_returns_the_noise_that_was_drawn(world, samples):
    noise = world.abduct({**samples.frame.to_dict("series"), "image": samples["image"]})
    for node in ("scale", "x", "y"):
        np.testing.assert_allclose(noise[node], samples.noise[node], atol=1e-6)
    for factor in ("background", "hue"):
        np.testing.assert_allclose(noise["image"][factor], samples.noise["image"][factor], atol=1e-5)


def test_an_intervention_travels_down_the_whole_chain(world, samples):
    changed = world.counterfactual(samples, do={"shape": 2.0})
    expected_scale = 0.5 + 0.5 * sigma(samples.noise["scale"] + 1)
    expected_x = 0.2 + 0.6 * sigma(6 * (expected_scale - 0.75) + 0.5 * samples.noise["x"])
    expected_y = 0.2 + 0.6 * sigma(4 * (expected_x - 0.5) + 0.5 * samples.noise["y"])
    np.testing.assert_allclose(changed["y"], expected_y, rtol=1e-9)
    moved = (samples.frame["shape"] != 2).to_numpy()
    assert (np.abs(changed["y"] - samples["y"])[moved] > 1e-4).all()
    seen = world.read(changed["image"])
    np.testing.assert_allclose(seen["y"], expected_y, atol=1e-4)
    assert (seen["shape"] == 2).all()


def test_a_null_intervention_is_the_identical_picture_and_a_leaf_moves_alone(world, samples):
    same = world.counterfactual(samples, do={})
    assert same["image"].tobytes() == samples["image"].tobytes()
    moved = world.counterfactual(samples, do={"y": 0.5})
    for node in ("shape", "scale", "orientation", "x"):
        assert moved[node] is samples[node]
    seen = world.read(moved["image"])
    np.testing.assert_allclose(seen["x"], samples["x"], atol=1e-4)
    np.testing.assert_allclose(seen["y"], 0.5, atol=1e-4)


@pytest.mark.parametrize("size", [16, 32, 64])
def test_reading_inverts_drawing(size):
    world = sprites(size)
    s = world.sample(60, random_state=2)
    seen = world.read(s["image"])
    assert (seen["shape"].to_numpy() == s["shape"]).all()
    for name in ("scale", "x", "y"):
        np.testing.assert_allclose(seen[name], s[name], atol=1e-4, err_msg=name)
    assert turned_by(seen["orientation"], s["orientation"], s["shape"]).max() < 1e-3
    for name in ("background", "hue"):
        np.testing.assert_allclose(seen[name], s.noise["image"][name], atol=1e-5, err_msg=name)


def test_reading_through_pixel_noise():
    world = sprites(32, pixel_noise=0.02)
    s = world.sample(60, random_state=3)
    seen = world.read(s["image"])
    assert (seen["shape"].to_numpy() == s["shape"]).mean() > 0.9
    right = seen["shape"].to_numpy() == s["shape"]
    # A noise of 0.02 on some hundred edge pixels of contrast near 1 leaves a few thousandths of a width.
    assert np.abs(seen["x"] - s["x"])[right].max() < 0.02


def test_areas_and_centres_of_gravity_of_the_shapes():
    grid = scene.canvas(256)
    centre, one = torch.tensor([0.5]), torch.tensor([1.0])
    columns, rows = grid.centres()
    for k, (area, lift) in enumerate(zip(scene.AREAS, scene.LIFTS, strict=True)):
        share = scene.cover(grid, k, one, torch.zeros(1), centre, centre)[0]
        pixels = float(share.sum()) * grid.pixel[0] ** 2
        # The ellipse's distance is of first order only.
        assert pixels == pytest.approx(area * scene.RADIUS**2, rel=0.02)
        height = float((share * rows).sum() / share.sum())
        assert height == pytest.approx(0.5 + lift * scene.RADIUS, abs=1e-3)
        assert float((share * columns).sum() / share.sum()) == pytest.approx(0.5, abs=1e-4)
        reach = torch.sqrt((columns - 0.5) ** 2 + (rows - 0.5) ** 2)[share > 0.5].max()
        assert float(reach) == pytest.approx(scene.RADIUS, abs=1.5 * grid.pixel[0])


def test_pictures_have_slopes_and_do_not_depend_on_their_neighbours(world, samples):
    labels = {
        name: torch.tensor(np.asarray(samples[name])[:6], requires_grad=name != "shape") for name in LABELS
    }
    image = world.render(labels)
    for name in LABELS[1:]:
        (slope,) = torch.autograd.grad(image.square().sum(), labels[name], retain_graph=True)
        assert torch.isfinite(slope).all()
        if name != "orientation":
            assert (slope.abs() > 0).all(), name
    whole = world.render(samples, samples.noise["image"])
    part = world.render(
        {n: samples[n][40:43] for n in LABELS}, {k: v[40:43] for k, v in samples.noise["image"].items()}
    )
    assert part.tobytes() == whole[40:43].tobytes()


def test_without_nuisance_sprites_are_white_on_black():
    s = sprites(16, nuisance=False).sample(20, random_state=0)["image"]
    assert s.min() == 0.0
    assert s.max() == 1.0
    assert (s == s[:, :1]).all()


def test_what_is_not_there_is_not_read(world):
    blank = np.full((2, 3, 32, 32), 0.3, dtype=np.float32)
    seen = world.read(blank)
    assert seen[list(LABELS)].isna().all().all()
    with pytest.raises(NotInvertibleError, match="hue of image 0"):
        world.renderer.abduct({name: np.full(2, 1.0) for name in LABELS}, blank)


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ({"shape": 1.5}, "'shape' must be 0 .* got 1.5 in row 0"),
        ({"scale": 0.0}, r"'scale' must be in \(0, 2\]"),
    ],
)
def test_labels_that_cannot_be_drawn(world, labels, match):
    good = dict.fromkeys(LABELS, 1.0)
    with pytest.raises(DataError, match=match):
        world.render({name: np.array([value]) for name, value in {**good, **labels}.items()})


@pytest.mark.parametrize("size", [7, 32.0, True])
def test_bad_size(size):
    with pytest.raises(DataError, match="`size`"):
        sprites(size)


def test_too_small_to_read():
    world = sprites(12)
    with pytest.raises(DataError, match="from 16 px up"):
        world.read(world.sample(1, random_state=0)["image"])
