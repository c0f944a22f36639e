"""The flow world: its law, exact abduction, true counterfactuals, reading by inversion."""

import numpy as np
import pytest
import torch

from causalrep.datasets import _flow_scene as scene
from causalrep.datasets import flow
from causalrep.graphs import DAG
from causalrep.utils import DataError, NotInvertibleError

LABELS = ("ball", "water", "hole", "flow")


@pytest.fixture(scope="module")
def world():
    return flow(32)


@pytest.fixture(scope="module")
def samples(world):
    return world.sample(60, random_state=0)


def test_the_graph_is_the_published_one(world):
    assert world.graph_of_labels == DAG.from_string("ball -> water -> flow <- hole")
    assert world.graph_of_labels.nodes == LABELS
    assert set(world.graph.parents("image")) == set(LABELS)


def test_the_labels_follow_their_equations(world):
    s = world.sample(500, random_state=1)
    f, e = s.frame, s.noise
    np.testing.assert_allclose(f["water"], f["ball"] ** 3 + e["water"], rtol=1e-12)
    falls = np.sqrt(2 * 0.98 * f["water"] * (f["hole"] - 0.5))
    np.testing.assert_allclose(f["flow"], falls + e["flow"], rtol=1e-12)
    # the standard error of the deviation of 500 draws is 0.5 / sqrt 1000 = 0.016
    assert e["flow"].std() == pytest.approx(0.5, abs=0.06)
    assert f["ball"].between(5 / 30, 34 / 30).all()
    assert f["hole"].between(6 / 3, 14 / 3).all()
    assert e["water"].min() >= 1.0
    assert e["water"].max() <= 3.9


def test_without_nuisance_flow_is_exact_and_pictures_show_labels_only():
    world = flow(16, nuisance=False)
    s = world.sample(50, random_state=1)
    np.testing.assert_allclose(s["flow"], np.sqrt(1.96 * s["water"] * (s["hole"] - 0.5)), rtol=1e-12)
    assert (s["image"][:, :, 0, -1] == 1.0).all()
    seen = world.read(s["image"])
    np.testing.assert_allclose(np.mod(seen["hue"] + 0.5, 1.0), 0.5, atol=1e-4)
    asked = world.intervention_values(s, "flow", random_state=0)
    assert 0.1 < np.abs(asked - s["flow"]).max() <= 1.0


def test_abduction_returns_the_noise_that_was_drawn(world, samples):
    noise = world.abduct({**samples.frame.to_dict("series"), "image": samples["image"]})
    for node in ("water", "flow"):
        np.testing.assert_allclose(noise[node], samples.noise[node], atol=1e-6)
    for factor in ("background", "hue"):
        np.testing.assert_allclose(noise["image"][factor], samples.noise["image"][factor], atol=1e-5)


def test_a_ball_lifts_the_water_and_the_water_drives_the_jet(world, samples):
    changed = world.counterfactual(samples, do={"ball": 1.0})
    water = 1.0 + samples.noise["water"]
    expected = np.sqrt(1.96 * water * (samples["hole"] - 0.5)) + samples.noise["flow"]
    np.testing.assert_allclose(changed["flow"], expected, rtol=1e-9)
    assert changed["hole"] is samples["hole"]
    seen = world.read(changed["image"])
    for name, value in (("ball", 1.0), ("water", water), ("flow", expected)):
        np.testing.assert_allclose(seen[name], value, atol=1e-4, err_msg=name)


def test_a_null_intervention_is_the_identical_picture(world, samples):
    assert world.counterfactual(samples, do={})["image"].tobytes() == samples["image"].tobytes()
    same = world.counterfactual(samples, do={"water": samples["water"]})
    assert same["image"].tobytes() == samples["image"].tobytes()


def test_a_leaf_changes_its_own_pixels_only(world, samples):
    moved = world.counterfactual(samples, do={"flow": 4.0})
    for node in ("ball", "water", "hole"):
        assert moved[node] is samples[node]
    changed = (moved["image"] != samples["image"]).any(axis=(0, 1))
    x, y = (part.numpy() for part in scene.canvas(32).centres())
    # the jet lies right of the wall's middle, below the highest hole, within a pixel of 14 / 32
    allowed = (x > 8.0 - 0.44) & (y < 14 / 3 + 0.2 + 0.44) & (y > 0.5 - 0.44)
    assert changed.any()
    assert not (changed & ~allowed).any()


def test_setting_the_water_leaves_the_ball(world, samples):
    moved = world.counterfactual(samples, do={"water": 2.0})
    seen = world.read(moved["image"])
    np.testing.assert_allclose(seen["water"], 2.0, atol=1e-4)
    np.testing.assert_allclose(seen["ball"], samples["ball"], atol=1e-4)
    expected = np.sqrt(1.96 * 2.0 * (samples["hole"] - 0.5)) + samples.noise["flow"]
    np.testing.assert_allclose(seen["flow"], expected, atol=1e-4)


@pytest.mark.parametrize(("size", "n"), [(16, 150), (32, 60), (64, 15)])
def test_reading_inverts_drawing(size, n):
    world = flow(size)
    s = world.sample(n, random_state=2)
    seen = world.read(s["image"])
    for name in LABELS:
        np.testing.assert_allclose(seen[name], s[name], atol=1e-4, err_msg=name)
    np.testing.assert_allclose(seen["background"], s.noise["image"]["background"], atol=1e-5)
    apart = np.mod(seen["hue"] - s.noise["image"]["hue"] + 0.5, 1.0)
    np.testing.assert_allclose(apart, 0.5, atol=1e-4)


def test_reading_through_pixel_noise():
    s = flow(32, pixel_noise=0.02).sample(60, random_state=3)
    seen = flow(32).read(s["image"])
    # a noise of 0.02 on the edge pixels of a thing, whose contrast is at least 0.2
    for name, limit in (("ball", 0.01), ("water", 0.1), ("hole", 0.02), ("flow", 0.03)):
        assert np.abs(seen[name] - s[name]).mean() < limit, name


def test_what_cannot_be_seen_is_not_read(world):
    good = {name: np.full(3, value) for name, value in zip(LABELS, (0.8, 3.0, 3.0, 3.0), strict=True)}
    seen = world.read(world.render({**good, "flow": np.array([0.2, 3.0, 9.0])}))
    assert list(seen["flow"].isna()) == [True, False, True]
    np.testing.assert_allclose(seen["hole"][:2], 3.0, atol=1e-3)
    blank = np.full((1, 3, 32, 32), 0.8, dtype=np.float32)
    assert world.read(blank)[["water", "hole", "flow"]].isna().all().all()


def test_a_cup_without_a_ball_has_no_hue(world):
    labels = {name: np.full(2, value) for name, value in zip(LABELS, (0.8, 3.0, 3.0, 3.0), strict=True)}
    picture = world.render(labels)
    x, y = (part.numpy() for part in scene.canvas(32).centres())
    cup = (x > 3.5) & (x < 7.5) & (y > 0.45) & (y < 5.0)
    picture[0][:, cup] = np.array(scene.WATER)[:, None]
    seen = world.read(picture)
    assert list(seen["ball"].isna()) == [True, False]
    with pytest.raises(NotInvertibleError, match="hue of image 0"):
        world.renderer.abduct(labels, picture)


def test_pictures_have_slopes_and_do_not_depend_on_their_neighbours(world, samples):
    labels = {name: torch.tensor(np.asarray(samples[name])[:8], requires_grad=True) for name in LABELS}
    image = world.render(labels)
    for name in LABELS:
        (slope,) = torch.autograd.grad(image.square().sum(), labels[name], retain_graph=True)
        assert torch.isfinite(slope).all()
        assert (slope.abs() > 0).all(), name
    whole = world.render(samples, samples.noise["image"])
    part = world.render(
        {n: samples[n][40:43] for n in LABELS}, {k: v[40:43] for k, v in samples.noise["image"].items()}
    )
    assert part.tobytes() == whole[40:43].tobytes()


def test_the_jet_passes_through_its_ends():
    grid = scene.canvas(256)
    cover = scene.draw_jet(grid, torch.tensor([4.0]), torch.tensor([5.0]))[0]
    x, y = grid.centres()
    for px, py in ((8.1, 4.0), (8 + 5 * np.sqrt(0.5), 4.0 - 3.5 * 0.5), (12.9, 0.65)):
        near = ((x - px) ** 2 + (y - py) ** 2).argmin()
        assert cover.flatten()[near] > 0.99
    assert cover[:, x[0] < 7.9].sum() == 0


def test_torch_labels_give_the_same_water(world):
    water, hole = torch.tensor([2.0], requires_grad=True), torch.tensor([3.0])
    reach = world.mechanisms["flow"].forward({"water": water, "hole": hole}, torch.zeros(1))
    assert float(reach.detach()) == pytest.approx(np.sqrt(1.96 * 2.0 * 2.5))
    (slope,) = torch.autograd.grad(reach.sum(), water)
    assert float(slope) == pytest.approx(float(reach.detach()) / 4.0)


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ({"ball": 0.0}, r"'ball' must be in \(0, 1.7\].* got 0.0 in row 0"),
        ({"water": 9.0}, r"'water' must be in \(0, 8.5\]"),
        ({"hole": 0.5}, r"'hole' must be in \(0.5, 5\]"),
        ({"flow": np.nan}, "'flow' must be finite"),
    ],
)
def test_labels_that_cannot_be_drawn(world, labels, match):
    good = dict.fromkeys(LABELS, 1.0)
    with pytest.raises(DataError, match=match):
        world.render({name: np.array([value]) for name, value in {**good, **labels}.items()})


def test_a_dry_hole_is_refused_before_a_root_is_taken(world, samples):
    with pytest.raises(DataError, match="'hole' must be in"):
        world.counterfactual(samples, do={"hole": 0.2})


@pytest.mark.parametrize("size", [7, 32.0, True])
def test_bad_size(size):
    with pytest.raises(DataError, match="`size`"):
        flow(size)


def test_too_small_to_read():
    world = flow(12)
    with pytest.raises(DataError, match="from 16 px up"):
        world.read(world.sample(1, random_state=0)["image"])
