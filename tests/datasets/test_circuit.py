"""The circuit world: its law, exact abduction, true counterfactuals, reading by inversion."""

import numpy as np
import pytest
import torch
from scipy import stats

from causalrep.datasets import _circuit_scene as scene
from causalrep.datasets import circuit
from causalrep.graphs import DAG
from causalrep.utils import DataError, NotInvertibleError

LABELS = ("arm", "blue", "green", "red")
NUISANCE = ("board", "shift_x", "shift_y", "lamp")


@pytest.fixture(scope="module")
def world():
    return circuit(32)


@pytest.fixture(scope="module")
def samples(world):
    return world.sample(44, random_state=0)


def press(arm, centre):
    return np.clip(1 - np.abs(arm - centre) / 0.13, 0, 1)


def beta(drive):
    v = 0.2 + 0.6 * np.clip(drive, 0, 1)
    return stats.beta(5 * v, 5 * (1 - v))


def test_the_graph(world):
    expected = DAG.from_string("arm -> blue; arm -> green; arm -> red; blue -> red; green -> red")
    assert world.graph_of_labels == expected
    assert world.graph_of_labels.nodes == LABELS
    assert set(world.graph.parents("image")) == set(LABELS)


def test_the_labels_follow_their_equations(world):
    s = world.sample(400, random_state=1)
    f, e = s.frame, s.noise
    arm = f["arm"].to_numpy()
    np.testing.assert_allclose(f["blue"], beta(press(arm, 0.8)).ppf(e["blue"]), atol=1e-9)
    np.testing.assert_allclose(f["green"], beta(press(arm, 0.5)).ppf(e["green"]), atol=1e-9)
    drive = (f["green"] + f["blue"]).to_numpy() + press(arm, 0.2)
    np.testing.assert_allclose(f["red"], beta(drive).ppf(e["red"]), atol=1e-9)
    assert stats.kstest(arm, "uniform").pvalue > 1e-4
    assert stats.kstest(e["red"], "uniform").pvalue > 1e-4


def test_abduction_returns_the_noise_that_was_drawn(world, samples):
    noise = world.abduct({**samples.frame.to_dict("series"), "image": samples["image"]})
    for node in ("blue", "green", "red"):
        np.testing.assert_allclose(noise[node], samples.noise[node], atol=1e-6)
    for factor in NUISANCE:
        np.testing.assert_allclose(noise["image"][factor], samples.noise["image"][factor], atol=1e-5)


def test_moving_the_arm_keeps_every_quantile(world, samples):
    changed = world.counterfactual(samples, do={"arm": 0.5})
    blue = beta(0.0).ppf(samples.noise["blue"])
    green = beta(1.0).ppf(samples.noise["green"])
    red = beta(blue + green).ppf(samples.noise["red"])
    for name, value in (("blue", blue), ("green", green), ("red", red)):
        np.testing.assert_allclose(changed[name], value, atol=1e-9, err_msg=name)
        np.testing.assert_allclose(world.read(changed["image"])[name], value, atol=1e-4, err_msg=name)


def test_a_null_intervention_is_the_identical_picture(world, samples):
    assert world.counterfactual(samples, do={})["image"].tobytes() == samples["image"].tobytes()
    same = world.counterfactual(samples, do={"green": samples["green"]})
    assert same["image"].tobytes() == samples["image"].tobytes()


def test_a_leaf_changes_its_own_pixels_only(world, samples):
    moved = world.counterfactual(samples, do={"red": 0.9})
    for node in ("arm", "blue", "green"):
        assert moved[node] is samples[node]
    changed = (moved["image"] != samples["image"]).any(axis=0)
    assert changed[0].any()
    assert not changed[1:].any()  # red shines in the red channel
    x, y = (part.numpy() for part in scene.canvas(32).centres())
    # the lamp at (0.8, 0.83), its glow of 0.15 and a shift of at most 1/32 along each axis
    far = np.hypot(x - 0.8, y - 0.83) > 0.15 + np.sqrt(2) / 32
    assert not changed[0][far].any()


def test_a_lamp_lights_red_and_does_not_move_the_arm(world, samples):
    moved = world.counterfactual(samples, do={"green": 1.0})
    expected = beta(1.0).ppf(samples.noise["red"])
    seen = world.read(moved["image"])
    np.testing.assert_allclose(seen["red"], expected, atol=1e-4)
    np.testing.assert_allclose(seen["arm"], samples["arm"], atol=1e-4)
    np.testing.assert_allclose(seen["blue"], samples["blue"], atol=1e-4)


@pytest.mark.parametrize(("size", "n"), [(16, 100), (32, 40), (64, 8)])
def test_reading_inverts_drawing(size, n):
    world = circuit(size)
    s = world.sample(n, random_state=2)
    seen = world.read(s["image"])
    for name in LABELS:
        np.testing.assert_allclose(seen[name], s[name], atol=1e-4, err_msg=name)
    for name in NUISANCE:
        np.testing.assert_allclose(seen[name], s.noise["image"][name], atol=1e-5, err_msg=name)


def test_reading_through_pixel_noise():
    s = circuit(32, pixel_noise=0.02).sample(50, random_state=3)
    seen = circuit(32).read(s["image"])
    # a lamp has some 20 pixels in its channel: 0.02 / sqrt 20 = 0.005 each, a tenth of that for the arm
    for name, limit in (("arm", 0.003), ("blue", 0.015), ("green", 0.015), ("red", 0.015)):
        assert np.abs(seen[name] - s[name]).mean() < limit, name


def test_interventions_ask_for_the_middle_quantiles(world, samples):
    asked = world.intervention_values(samples, "blue", random_state=0)
    share = beta(press(np.asarray(samples["arm"]), 0.8)).cdf(asked)
    assert share.min() >= 0.025 - 1e-9
    assert share.max() <= 0.975 + 1e-9
    assert np.ptp(share) > 0.8


def test_what_is_not_there_is_not_read(world):
    blank = np.full((2, 3, 32, 32), 0.2, dtype=np.float32)
    seen = world.read(blank)
    assert seen[list(LABELS)].isna().all().all()
    with pytest.raises(NotInvertibleError, match="shift_x of image 0"):
        world.renderer.abduct({name: np.full(2, 0.5) for name in LABELS}, blank)


def test_without_nuisance_the_board_stands_still():
    s = circuit(16, nuisance=False).sample(10, random_state=0)["image"]
    assert np.unique(s[:, :, -1, 0]).tolist() == [np.float32(0.15)]


def test_the_arm_reaches_the_arc_with_segments_of_fixed_length():
    arm = torch.linspace(0.0, 1.0, 21, dtype=torch.float64)
    base = (torch.full_like(arm, 0.5), torch.full_like(arm, 0.1))
    tip = scene._on_arc(arm)
    elbow = scene._elbow(base, tip)
    for (start, end), length in (((base, elbow), 0.26), ((elbow, tip), 0.22)):
        reach = torch.hypot(end[0] - start[0], end[1] - start[1])
        torch.testing.assert_close(reach, torch.full_like(arm, length))
    cross = (tip[0] - base[0]) * (elbow[1] - base[1]) - (tip[1] - base[1]) * (elbow[0] - base[0])
    assert (cross > 0).all()  # one and the same elbow
    torch.testing.assert_close(tip[0][10], torch.tensor(0.5, dtype=torch.float64))


def test_a_pressed_button_is_smaller(world):
    labels = {name: np.full(2, 0.0) for name in LABELS} | {"arm": np.array([0.8, 0.6])}
    blue = world.render(labels)[:, 2] - world.render(labels)[:, 0]
    assert blue[0].sum() < 0.8 * blue[1].sum()


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


def test_torch_labels_have_the_slopes_of_the_law(world):
    red = world.mechanisms["red"]
    inputs = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([0.1], [0.2], [0.3], [0.6])]

    def lamp(arm, blue, green, noise):
        return red.forward({"arm": arm, "blue": blue, "green": green}, noise)

    def share(arm, blue, green, value):
        return red.abduct({"arm": arm, "blue": blue, "green": green}, value)

    # the sum that drives red, 0.2 + 0.3 + 0.23, is below 1, where it would be clipped and have no slopes
    plain = [part.detach().numpy() for part in inputs]
    np.testing.assert_allclose(lamp(*inputs).detach().numpy(), lamp(*plain), rtol=1e-12)
    assert torch.autograd.gradcheck(lamp, inputs, atol=1e-6, rtol=1e-4)
    assert torch.autograd.gradcheck(share, inputs, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ({"arm": -0.1}, r"'arm' must be in \[0, 1\], got -0.1 in row 0"),
        ({"red": 1.5}, r"'red' must be in \[0, 1\], got 1.5 in row 0"),
        ({"blue": np.nan}, "'blue' must be finite"),
    ],
)
def test_labels_that_cannot_be_drawn(world, labels, match):
    good = dict.fromkeys(LABELS, 0.5)
    with pytest.raises(DataError, match=match):
        world.render({name: np.array([value]) for name, value in {**good, **labels}.items()})


@pytest.mark.parametrize("size", [7, 32.0, True])
def test_bad_size(size):
    with pytest.raises(DataError, match="`size`"):
        circuit(size)


def test_too_small_to_read():
    world = circuit(12)
    with pytest.raises(DataError, match="from 16 px up"):
        world.read(world.sample(1, random_state=0)["image"])
