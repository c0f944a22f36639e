"""The digits world: strokes as thick as they say, exact readings, true counterfactuals."""

import numpy as np
import pytest
import torch

from causalrep.datasets import _digits_scene as scene
from causalrep.datasets import digits
from causalrep.utils import DataError


@pytest.fixture(scope="module", params=[16, 28])
def drawn(request):
    world = digits(request.param)
    return world, world.sample(60, random_state=0)


def plain(n=1):
    return torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]]).expand(n, -1)


def test_the_labels_follow_their_equations():
    s = digits().sample(300, random_state=1)
    expected = 64 + 191 / (1 + np.exp(-(2 * s["thickness"] - 5 + s.noise["intensity"] / 2)))
    np.testing.assert_allclose(s["intensity"], expected, rtol=1e-12)
    assert s["thickness"].min() > 0.5


@pytest.mark.parametrize("digit", range(10))
@pytest.mark.parametrize("thickness", [1.0, 2.0])
def test_a_stroke_covers_its_length_times_its_thickness(digit, thickness):
    """But for round ends and places where strokes meet, which are a few pixels of about a hundred."""
    grid = scene.canvas(112)
    cover = scene.cover(grid, torch.tensor([digit]), plain(), torch.tensor([thickness]))
    area = float(cover.sum()) / 16  # pixels of a picture of 28
    assert area == pytest.approx(float(scene.lengths()[digit]) * thickness, rel=0.08, abs=1.0)


def test_style_turns_slants_and_shifts_the_way_it_says():
    grid = scene.canvas(56)
    columns, rows = (part.flatten() for part in grid.centres())

    def middle(**style):
        values = torch.tensor([[style.get("rotation", 0.0), style.get("slant", 0.0), 1.0,
                                style.get("x", 0.0), style.get("y", 0.0)]])  # fmt: skip
        cover = scene.cover(grid, torch.tensor([1]), values, torch.tensor([2.0]))[0]
        top = cover * (rows > 0.6)[:, None]
        return float((top * columns).sum() / top.sum()), float((cover.sum(1) * rows).sum() / cover.sum())

    x, y = middle()
    assert middle(x=0.1)[0] == pytest.approx(x + 0.1, abs=0.01)
    assert middle(y=0.1)[1] == pytest.approx(y + 0.1, abs=0.01)
    assert middle(rotation=0.3)[0] < x - 0.03  # counter-clockwise: the top goes left
    assert middle(slant=0.3)[0] > x + 0.03


def test_everything_is_read_exactly(drawn):
    """At 16 px a few pictures in a thousand end in another minimum: strokes are no wider than a pixel."""
    world, s = drawn
    read = world.read(s["image"])
    noise = s.noise["image"]
    assert (read["digit"] == noise["digit"]).all()
    bounds = {"thickness": 1e-3, "intensity": 0.1}
    bounds |= dict.fromkeys(("rotation", "slant", "scale", "shift_x", "shift_y", "background"), 1e-3)
    truth = {**s.frame.to_dict("series"), **noise}
    right = np.all([np.abs(read[name] - truth[name]) < bound for name, bound in bounds.items()], axis=0)
    assert right.mean() >= (1 if world.renderer.shape[1] == 28 else 0.96)


def test_a_counterfactual_keeps_digit_and_style(drawn):
    world, s = drawn
    truth = world.counterfactual(s, do={"thickness": 3.0})
    read = world.read(truth["image"])
    assert (np.abs(read["thickness"] - 3.0) < 2e-3).mean() >= 0.96
    assert (np.abs(read["intensity"] - truth["intensity"]) < 0.2).mean() >= 0.96
    assert np.corrcoef(read["rotation"], s.noise["image"]["rotation"])[0, 1] > 0.999
    null = world.counterfactual(s, do={"intensity": s["intensity"]})
    np.testing.assert_array_equal(null["image"], s["image"])


def test_abduction_returns_the_noise_that_was_drawn(drawn):
    world, s = drawn
    noise = world.abduct({**s.frame.to_dict("series"), "image": s["image"]})
    np.testing.assert_allclose(noise["intensity"], s.noise["intensity"], atol=1e-6)
    assert (noise["image"]["digit"] == s.noise["image"]["digit"]).all()


def test_the_picture_is_differentiable_in_both_labels():
    labels = torch.tensor([[2.0, 200.0]], requires_grad=True)
    noise = {name: torch.zeros(1) for name in scene.FACTORS} | {"scale": torch.ones(1)}
    scene.render(labels, noise, 16).sum().backward()
    assert (labels.grad > 0).all()


def test_a_row_does_not_depend_on_the_rows_beside_it(drawn):
    world, s = drawn
    noise = {name: value[7:8] for name, value in s.noise["image"].items()}
    alone = world.render({name: s[name][7:8] for name in ("thickness", "intensity")}, noise)
    np.testing.assert_array_equal(alone, s["image"][7:8])


def test_an_empty_picture_has_no_digit():
    assert digits(16).read(np.full((2, 1, 16, 16), 0.1, dtype=np.float32)).isna().all(axis=None)


def test_what_cannot_be_drawn():
    with pytest.raises(DataError, match=r"'thickness' must be positive, got -1\.0 in row 1"):
        digits(16).render({"thickness": np.array([1.0, -1.0]), "intensity": np.array([200.0, 200.0])})
    with pytest.raises(DataError, match=r"'intensity' must be in \[0, 255\]"):
        digits(16).render({"thickness": np.array([1.0]), "intensity": np.array([300.0])})
    with pytest.raises(DataError, match="`size` must be an integer of at least 8"):
        digits(7)
