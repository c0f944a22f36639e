import math
from pathlib import Path

import numpy as np
import pytest
import torch

from causalrep.datasets import _rendering, pendulum
from causalrep.graphs import DAG
from causalrep.utils import DataError, NotInvertibleError, UnknownNameError

LABELS = ("angle", "light", "length", "position")


@pytest.fixture(scope="module")
def world():
    return pendulum(32)


@pytest.fixture(scope="module")
def samples(world):
    return world.sample(200, random_state=0)


def cast(angle, light):
    """Length and position of the shadow, point by point, as the published generator projects it."""
    theta, phi = math.pi * angle / 200, math.pi * light / 200

    def project(x, y):
        return (-0.5 - (y - x * math.tan(phi))) / math.tan(phi)

    p0 = project(10, 10.5)
    p1 = project(10 + 9.5 * math.sin(theta), 10.5 - 9.5 * math.cos(theta))
    return max(3, abs(p0 - p1)), (p0 + p1) / 2


def shadows(frame):
    return np.array([cast(a, p) for a, p in zip(frame["angle"], frame["light"], strict=True)]).T


# ---------------------------------------------------------------- the labels


def test_graph_is_the_published_one(world):
    assert world.graph_of_labels == DAG.from_string(
        "angle -> length; angle -> position; light -> length; light -> position"
    )
    assert world.graph_of_labels.nodes == LABELS
    assert set(world.graph.parents("image")) == set(LABELS)


def test_laws_of_the_labels(world):
    frame = world.sample(4000, random_state=1, nodes=LABELS)
    assert frame["angle"].between(-40, 44).all()
    left = frame["light"].between(60, 98)
    assert (left | frame["light"].between(102, 148)).all()
    # binomial(4000, 1/2): five standard deviations are 5 * 0.0079
    assert left.mean() == pytest.approx(0.5, abs=0.04)
    for label, geometric in zip(("length", "position"), shadows(frame), strict=True):
        noise = frame[label] - geometric
        # five standard errors of a mean and of a standard deviation of 4000 standard normals
        assert noise.mean() == pytest.approx(0, abs=5 / math.sqrt(4000))
        assert noise.std() == pytest.approx(1, abs=5 / math.sqrt(8000))


def test_shadow_by_hand():
    plain = pendulum(32, nuisance=False)
    # light at the zenith: the shadow is the pendulum's own extent, 9.5 sin(pi/4)
    zenith = plain.do(angle=50.0, light=100.0).sample(1, random_state=0, nodes=LABELS)
    extent = 9.5 * math.sin(math.pi / 4)
    assert zenith["length"][0] == pytest.approx(extent, abs=1e-9)
    assert zenith["position"][0] == pytest.approx(10 + extent / 2, abs=1e-9)
    # light at 45 degrees from the right, pendulum at rest: from 10 - 11 to 10 - 1.5
    slanted = plain.do(angle=0.0, light=50.0).sample(1, random_state=0, nodes=LABELS)
    assert slanted["length"][0] == pytest.approx(9.5, abs=1e-9)
    assert slanted["position"][0] == pytest.approx((-1 + 8.5) / 2, abs=1e-9)


def test_deterministic_world_has_exact_shadows():
    frame = pendulum(32, nuisance=False).sample(100, random_state=2, nodes=LABELS)
    length, position = shadows(frame)
    assert frame["length"].to_numpy() == pytest.approx(length, abs=1e-9)
    assert frame["position"].to_numpy() == pytest.approx(position, abs=1e-9)


def test_light_has_the_density_of_two_intervals(world):
    law = world.mechanisms["light"].noise
    grid = np.linspace(55, 155, 200_001)
    assert np.trapezoid(np.exp(law.log_prob(grid)), grid) == pytest.approx(1, abs=1e-4)
    assert law.log_prob([100.0])[0] == -np.inf


# ---------------------------------------------------------------- abduction, action, prediction


def test_abduction_from_labels_and_pixels_gives_the_drawn_noise(world, samples):
    bare = dict(samples)  # the values without the noise that came with them
    noise = world.abduct(bare)
    for node in LABELS:
        assert noise[node] == pytest.approx(samples.noise[node], abs=1e-6)
    for factor in ("background", "hue"):
        away = np.abs(noise["image"][factor] - samples.noise["image"][factor])
        assert np.minimum(away, 1 - away).max() < 1e-6
    assert np.abs(noise["image"]["pixels"]).max() < 1e-5  # nothing is left over


def test_abduction_refuses_a_picture_without_a_bob(world, samples):
    blank = {**samples, "image": np.full_like(samples["image"], 0.8)}
    with pytest.raises(NotInvertibleError, match="hue of image 0"):
        world.counterfactual(blank, do={"light": 70.0})


@pytest.mark.parametrize("pixel_noise", [0.0, 0.02])
@pytest.mark.parametrize("node", LABELS)
def test_counterfactual_under_the_factual_value_is_the_same_bytes(node, pixel_noise):
    world = pendulum(24, pixel_noise=pixel_noise)
    factual = world.sample(16, random_state=3)
    same = world.counterfactual(factual, do={node: factual[node]})
    assert same["image"].tobytes() == factual["image"].tobytes()
    for label in LABELS:
        assert same[label] == pytest.approx(factual[label], abs=1e-12)


@pytest.mark.parametrize("node", ["length", "position"])
def test_intervening_on_a_shadow_changes_shadow_pixels_alone(world, samples, node):
    target = world.intervention_values(samples, node, random_state=4)
    imagined = world.counterfactual(samples, do={node: target})
    for label in LABELS:
        if label != node:
            assert imagined[label] is samples[label]
    changed = (imagined["image"] != samples["image"]).any(axis=1)
    assert changed.any(axis=(1, 2)).mean() > 0.9
    # the shadow is drawn from y = -0.96 to -0.04, a pixel is 22/32 high: the two lowest rows, which
    # begin at 0.375
    assert not changed[:, :-2].any()
    columns = (np.arange(32) + 0.5) * 20 / 32
    near = np.zeros((len(samples), 32), dtype=bool)
    for rows in (samples, imagined):
        half = np.maximum(rows["length"], 1) / 2 + 20 / 32
        near |= np.abs(columns - rows["position"][:, None]) <= half[:, None]
    assert not (changed.any(axis=1) & ~near).any()


@pytest.mark.parametrize("node", ["angle", "light"])
def test_intervening_on_a_cause_moves_both_shadows_with_their_own_noise(world, samples, node):
    target = world.intervention_values(samples, node, random_state=5)
    imagined = world.counterfactual(samples, do={node: target})
    assert imagined[node] == pytest.approx(target)
    for label, before, after in zip(
        ("length", "position"), shadows(samples.frame), shadows(imagined.frame), strict=True
    ):
        assert imagined[label] - after == pytest.approx(samples[label] - before, abs=1e-9)
    seen = world.read(imagined["image"])
    for factor in ("background", "hue"):
        assert seen[factor].to_numpy() == pytest.approx(world.read(samples["image"])[factor], abs=1e-5)


def test_shadow_of_the_deterministic_world_can_be_set_alone():
    world = pendulum(32, nuisance=False)
    factual = world.sample(20, random_state=6)
    imagined = world.counterfactual(factual, do={"length": 7.0})
    assert imagined["position"] is factual["position"]
    assert (imagined["length"] == 7.0).all()
    moved = world.counterfactual(factual, do={"angle": 10.0})
    assert moved["length"] == pytest.approx(shadows(moved.frame)[0], abs=1e-9)


def test_pixel_noise_is_kept_in_the_counterfactual():
    noisy, clean = pendulum(32, pixel_noise=0.02), pendulum(32)
    factual, plain = noisy.sample(32, random_state=7), clean.sample(32, random_state=7)
    assert factual["length"].tobytes() == plain["length"].tobytes()  # labels have streams of their own
    # drawn before clipping: where the plain picture is away from 0 and 1, the difference is the noise
    inner = (plain["image"] > 0.2) & (plain["image"] < 0.8)
    assert np.std((factual["image"] - plain["image"])[inner]) == pytest.approx(0.02, rel=0.05)
    imagined = noisy.counterfactual(factual, do={"length": 9.0})
    assert imagined["image"][:, :, :-2].tobytes() == factual["image"][:, :, :-2].tobytes()


def test_pixel_noise_is_abducted_from_the_picture_alone():
    world = pendulum(32, pixel_noise=0.02)
    factual = world.sample(16, random_state=9)
    assert factual["image"].min() >= 0
    assert factual["image"].max() <= 1
    same = world.counterfactual(dict(factual), do={"angle": factual["angle"]})
    # the picture less its own drawing is added to a drawing that is the same up to rounding
    assert same["image"] == pytest.approx(factual["image"], abs=1e-5)


def test_seeds_decide_every_byte(world):
    one, two, other = (world.sample(8, random_state=seed) for seed in (0, 0, 1))
    assert all(one[node].tobytes() == two[node].tobytes() for node in one)
    assert all(one[node].tobytes() != other[node].tobytes() for node in one)


def test_rows_do_not_depend_on_the_rows_they_are_imagined_with(world, samples, monkeypatch):
    target = world.intervention_values(samples, "angle", random_state=8)
    together = world.counterfactual(samples, do={"angle": target})["image"]
    some = slice(13, 58)
    apart = world.counterfactual(samples.take(some), do={"angle": target[some]})["image"]
    assert apart.tobytes() == together[some].tobytes()
    monkeypatch.setattr(_rendering, "_PIXELS_PER_CHUNK", 7 * 32 * 32)
    assert world.counterfactual(samples, do={"angle": target})["image"].tobytes() == together.tobytes()


# ---------------------------------------------------------------- the drawing


def test_images_have_the_promised_form(samples):
    image = samples["image"]
    assert isinstance(image, np.ndarray)
    assert image.dtype == np.float32
    assert image.shape == (200, 3, 32, 32)
    assert image.min() >= 0
    assert image.max() <= 1


def test_deterministic_world_is_white_with_a_firebrick_bob():
    image = pendulum(96, nuisance=False).do(angle=20.0).sample(1, random_state=0)["image"][0]
    assert (image[:, 40, 5] == 1).all()
    theta = math.pi * 20 / 200
    column, row = (10 + 8 * math.sin(theta)) / 20 * 96, (21 - 10.5 + 8 * math.cos(theta)) / 22 * 96
    bob = image[:, int(row), int(column)] * 255
    assert bob == pytest.approx((178, 34, 34), abs=1e-3)


def test_things_are_drawn_where_the_equations_say():
    angle, light = np.array([-38.0, -11.0, 0.0, 23.0, 43.0]), np.array([75.0, 90.0, 100.0, 115.0, 130.0])
    rows = {"angle": angle, "light": light, "length": np.full(5, 4.4), "position": np.full(5, 8.7)}
    images = pendulum(96, nuisance=False).render(rows)
    x, y = (np.arange(96) + 0.5) * 20 / 96, 21 - (np.arange(96) + 0.5) * 22 / 96
    area = (20 / 96) * (22 / 96)
    red, green, blue = images.transpose(1, 0, 2, 3)
    theta, phi = np.pi * angle / 200, np.pi * light / 200
    # firebrick less its darkest channel is the bob alone, red less blue above it the light alone
    bob = (red - green)[:, 40:] / (144 / 255)
    bob_x, bob_y = centroid(bob, x, y[40:])
    assert bob_x == pytest.approx(10 + 8 * np.sin(theta), abs=0.01)
    assert bob_y == pytest.approx(10.5 - 8 * np.cos(theta), abs=0.01)
    assert bob.sum(axis=(1, 2)) * area == pytest.approx(math.pi * 1.5**2, rel=0.01)
    sun = (1 - blue)[:, :20]
    sun_x, sun_y = centroid(sun, x, y[:20])
    assert sun_x == pytest.approx(10 + 10 / np.tan(phi), abs=0.01)
    # what is left below y = 21 of a disc of radius 3 around 20.5: half of it and a strip 0.5 high
    part = math.pi * 4.5 + 0.5 * math.sqrt(9 - 0.25) + 9 * math.asin(0.5 / 3)
    assert sun.sum(axis=(1, 2)) * area == pytest.approx(part, rel=0.01)
    assert (sun_y < 20.5).all()
    ground = 1 - red[:, 88:]
    assert centroid(ground, x, y[88:]) == pytest.approx(np.array([[8.7] * 5, [-0.5] * 5]), abs=0.03)
    assert ground.sum(axis=(1, 2)) * area == pytest.approx(4.4 * 22 * 3 / 72, rel=1e-3)
    # the rod: black from the pivot down to the bob's outline, its end cut straight
    rod = (1 - red)[:, 40:88] - (1 - 178 / 255) * bob[:, :48]
    assert rod.sum(axis=(1, 2)) * area == pytest.approx(6.5 * 22 * 3 / 72, rel=0.03)


def centroid(weight, x, y):
    total = weight.sum(axis=(1, 2))
    return weight.sum(axis=1) @ x / total, weight.sum(axis=2) @ y / total


def test_bigger_pictures_average_to_smaller_ones(samples):
    frame, factors = samples.frame, samples.noise["image"]
    small = pendulum(32).render(frame, factors)
    big = pendulum(64).render(frame, factors)
    folded = big.reshape(200, 3, 32, 2, 32, 2).mean(axis=(3, 5))
    # coverage from a distance is exact for straight outlines; corners and curves err by a few
    # hundredths of a pixel's contrast, on the few pixels that they cross
    assert np.abs(folded - small).mean() < 1.5e-3
    assert np.abs(folded - small).max() < 0.2


@pytest.mark.parametrize("label", LABELS)
def test_gradient_is_that_of_finite_differences_and_only_where_things_move(label):
    world = pendulum(32)
    values = {"angle": 17.3, "light": 81.2, "length": 5.1, "position": 9.7}
    labels = {name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()}
    labels[label].requires_grad_()
    weights = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad((world.render(labels) * weights).sum(), labels[label])
    pictures = []
    for step in (-0.001, 0.001):
        moved = {name: np.array([value + step * (name == label)]) for name, value in values.items()}
        pictures.append(torch.from_numpy(world.render(moved)))
    slope = (pictures[1] - pictures[0]) / 0.002
    # float32 rounding: 6e-8 / 0.002 = 3e-5 per pixel, on some hundred pixels
    scale = float((slope * weights).norm())
    assert float(gradient) == pytest.approx(float((slope * weights).sum()), abs=0.02 * scale)
    assert abs(float(gradient)) > 0.05 * scale
    rows = slope[0].abs().sum(dim=(0, 2)).nonzero()[:, 0]
    expected = {"angle": (12, 30), "light": (0, 6), "length": (30, 32), "position": (30, 32)}[label]
    assert expected[0] <= int(rows.min())
    assert int(rows.max()) < expected[1]


def test_torch_labels_give_torch_pictures_equal_to_numpy_ones(world, samples):
    frame, factors = samples.frame, samples.noise["image"]
    labels = {label: torch.tensor(frame[label].to_numpy()) for label in LABELS}
    picture = world.render(labels, factors)
    assert isinstance(picture, torch.Tensor)
    assert picture.numpy().tobytes() == samples["image"].tobytes()


def test_render_without_nuisance_takes_the_mean_of_each_law(world, samples):
    drawn = world.read(world.render(samples.frame.iloc[:3]))
    assert drawn["background"].to_numpy() == pytest.approx(0.8, abs=1e-6)
    assert drawn["hue"].to_numpy() == pytest.approx(0.5, abs=1e-6)


# ---------------------------------------------------------------- values to intervene with


def test_intervention_values_stay_on_the_support(world, samples):
    angle = world.intervention_values(samples, "angle", random_state=0)
    assert angle.min() >= -40
    assert angle.max() <= 44
    assert not np.array_equal(angle, samples["angle"])
    for label, geometric in zip(("length", "position"), shadows(samples.frame), strict=True):
        away = world.intervention_values(samples, label, random_state=0) - geometric
        # 200 uniform draws from (-2, 2): the chance that none passes 1.8 in one direction is 0.95**200
        assert 1.8 < away.max() <= 2
        assert -2 <= away.min() < -1.8


def test_intervention_values_of_the_deterministic_world_are_those_of_the_noisy_one(samples):
    noisy, exact = pendulum(32), pendulum(32, nuisance=False)
    for label in LABELS:
        assert np.array_equal(
            noisy.intervention_values(samples, label, 1), exact.intervention_values(samples.frame, label, 1)
        )


def test_intervention_values_of_something_else_are_refused(world, samples):
    with pytest.raises(UnknownNameError, match="did you mean 'angle'"):
        world.intervention_values(samples, "angel")
    with pytest.raises(UnknownNameError):
        world.intervention_values(samples, "image")


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("size", [7, 0, -32, 32.0, True, "32"])
def test_bad_size_is_refused(size):
    with pytest.raises(DataError, match="`size` must be an integer of at least 8"):
        pendulum(size)


@pytest.mark.parametrize("pixel_noise", [-0.1, math.nan, math.inf])
def test_bad_pixel_noise_is_refused(pixel_noise):
    with pytest.raises(DataError, match="`pixel_noise`"):
        pendulum(pixel_noise=pixel_noise)


@pytest.mark.parametrize(
    ("do", "message"),
    [
        ({"angle": 101.0}, r"'angle'.*\[-100, 100\].*101"),
        ({"light": 0.0}, r"'light'.*\(0, 200\)"),
        ({"light": 250.0}, r"'light'.*250"),
        ({"length": math.inf}, r"'length' must be finite"),
        ({"position": -math.inf}, r"'position' must be finite"),
    ],
)
def test_absurd_interventions_are_refused(world, samples, do, message):
    with pytest.raises(DataError, match=message):
        world.counterfactual(samples, do=do)


def test_render_names_what_is_missing_or_unknown(world, samples):
    frame = samples.frame
    with pytest.raises(UnknownNameError, match="light"):
        world.render(frame.drop(columns="light"))
    with pytest.raises(UnknownNameError, match="did you mean 'hue'"):
        world.render(frame, {"hues": 0.5})
    with pytest.raises(DataError, match=r"'angle' must have the shape \(n,\)"):
        world.render(dict.fromkeys(LABELS, 3.0))


# ---------------------------------------------------------------- the published drawings

PUBLISHED = Path(__file__).parents[3] / "shared/data/causalvae_pendulum/pendulum.npz"


@pytest.fixture(scope="module")
def published():
    if not PUBLISHED.exists():
        pytest.skip("needs ../shared/data/causalvae_pendulum")
    with np.load(PUBLISHED) as data:
        return data["images"][::8].astype(np.float32) / 255, data["labels"][::8]


def test_published_labels_follow_our_equations(published):
    _, labels = published
    ours = np.array([cast(angle, light) for angle, light in labels[:, :2]])
    assert labels[:, 2:] == pytest.approx(ours, abs=1e-9)
    world = pendulum(32, nuisance=False)
    shadow = world.do(angle=labels[:, 0], light=labels[:, 1]).sample(len(labels), 0, LABELS)
    assert shadow[["length", "position"]].to_numpy() == pytest.approx(labels[:, 2:], abs=1e-9)


def test_published_things_stand_where_ours_do(published):
    images, labels = published
    # the 96 px canvas has plot margins 0.125, 0.1 (left, right) and 0.11, 0.12 (bottom, top); the box
    # between them shows x in [0, 20], y in [-1, 21]
    x = (np.arange(96) + 0.5 - 12) / 74.4 * 20
    y = 21 - (np.arange(96) + 0.5 - 11.52) / 73.92 * 22
    red, green, blue = np.moveaxis(images, 3, 0)
    bob = np.where(np.abs(green - blue) < 0.08, red - green, 0)[:, 46:]
    light = (red - blue)[:, :46]
    dark = 1 - images[:, 83].mean(axis=2)
    theta, phi = np.pi * labels[:, 0] / 200, np.pi * labels[:, 1] / 200
    whole = np.abs(10 / np.tan(phi)) < 6.8  # no part of the light is cut off at the sides
    inside = np.abs(labels[:, 3] - 10) + labels[:, 2] / 2 < 10
    bob_x, bob_y = centroid(bob, x, y[46:])
    assert bob_x == pytest.approx(10 + 8 * np.sin(theta), abs=0.01)  # measured: 0.002
    assert bob_y == pytest.approx(10.5 - 8 * np.cos(theta), abs=0.01)
    light_x, _ = centroid(light, x, y[:46])
    assert light_x[whole] == pytest.approx((10 + 10 / np.tan(phi))[whole], abs=0.03)
    # the published ends of the shadow are snapped to whole pixels of 0.27
    assert dark.sum(axis=1)[inside] * 20 / 74.4 == pytest.approx(labels[inside, 2], abs=0.27)
    assert (dark @ x / dark.sum(axis=1))[inside] == pytest.approx(labels[inside, 3], abs=0.14)
