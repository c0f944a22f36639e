"""The shapes world: its chain, exact abduction and readings, true counterfactuals."""

import numpy as np
import pytest
import torch

from causalrep.datasets import _shapes_scene as scene
from causalrep.datasets import shapes
from causalrep.graphs import DAG
from causalrep.utils import DataError

LABELS = ("floor", "wall", "object", "size", "shape", "view")


@pytest.fixture(scope="module", params=[16, 32])
def drawn(request):
    world = shapes(request.param)
    return world, world.sample(80, random_state=0)


def test_the_graph_is_a_chain_and_two_bystanders():
    world = shapes()
    assert world.graph_of_labels == DAG.from_string("floor -> wall -> size -> object; shape; view")
    assert world.graph_of_labels.nodes == LABELS


def test_the_labels_follow_their_equations():
    s = shapes().sample(300, random_state=1)
    f, e = s.frame, s.noise
    np.testing.assert_allclose(f["wall"], f["floor"] + 0.35 + e["wall"], rtol=1e-12)
    np.testing.assert_allclose(f["object"], f["size"] - 0.15 + e["object"], rtol=1e-12)
    drive = 2 * np.cos(2 * np.pi * f["wall"]) + e["size"]
    np.testing.assert_allclose(f["size"], 0.4 + 0.5 / (1 + np.exp(-drive)), rtol=1e-12)
    assert np.std(e["wall"]) == pytest.approx(0.05, rel=0.15)
    assert set(f["shape"]) == {0, 1, 2, 3}


def test_everything_is_read_exactly(drawn):
    world, s = drawn
    read = world.read(s["image"])
    for label in LABELS:
        np.testing.assert_allclose(read[label], s[label], atol=1e-3)
    for factor in ("haze", "light"):
        np.testing.assert_allclose(read[factor], s.noise["image"][factor], atol=2e-3)


def test_abduction_returns_the_noise_that_was_drawn(drawn):
    world, s = drawn
    noise = world.abduct({**s.frame.to_dict("series"), "image": s["image"]})
    for node in ("wall", "size", "object"):
        np.testing.assert_allclose(noise[node], s.noise[node], atol=1e-6)
    np.testing.assert_allclose(noise["image"]["haze"], s.noise["image"]["haze"], atol=1e-4)


def test_an_intervention_on_the_floor_travels_along_the_chain(drawn):
    world, s = drawn
    truth = world.counterfactual(s, do={"floor": s["floor"] + 0.1})
    np.testing.assert_allclose(truth["wall"], s["wall"] + 0.1)
    assert (np.abs(truth["object"] - s["object"]) > 1e-3).any()
    read = world.read(truth["image"])
    np.testing.assert_allclose(read["object"], truth["object"], atol=1e-3)
    np.testing.assert_allclose(read["view"], s["view"], atol=1e-3)


def test_setting_the_hue_of_the_shape_changes_the_shape_only(drawn):
    world, s = drawn
    truth = world.counterfactual(s, do={"object": s["object"] + 0.2})
    changed = (truth["image"] != s["image"]).any(axis=1)
    assert changed.any(axis=(1, 2)).all()
    size = s["image"].shape[-1]
    assert not changed[:, : int(0.3 * size)].any()  # above the largest shape
    null = world.counterfactual(s, do={"object": s["object"]})
    np.testing.assert_array_equal(null["image"], s["image"])


@pytest.mark.parametrize(("shape", "area"), [(0, 2.89), (1, 2.8), (2, np.pi), (3, 0.99 + np.pi * 0.3025)])
def test_shapes_cover_their_area(shape, area):
    """In squares of the radius, on black with a white, evenly lit shape replaced by its coverage."""
    grid = scene.canvas(128)
    one = torch.ones(1)
    black, white = (
        scene.paint_shape(
            grid, torch.full((1, 3, 128, 128), level), shape, 0.8 * one, 0 * one, 0 * one, torch.zeros(1, 3)
        )
        for level in (0.0, 1.0)
    )
    cover = 1 - (white - black)[0, 0]
    assert float(cover.mean()) == pytest.approx(area * 0.2**2, rel=0.02)


def test_the_light_brightens_its_own_side():
    grid, one = scene.canvas(64), torch.ones(1)
    for shape in range(4):
        lit = scene.paint_shape(
            grid, torch.zeros(1, 3, 64, 64), shape, one, 0 * one, 0.5 * one, torch.ones(1, 3)
        )[0, 0]
        assert lit[:, 32:].sum() > lit[:, :32].sum()


def test_a_row_does_not_depend_on_the_rows_beside_it(drawn):
    world, s = drawn
    noise = {name: value[7:8] for name, value in s.noise["image"].items()}
    alone = world.render({name: s[name][7:8] for name in LABELS}, noise)
    np.testing.assert_array_equal(alone, s["image"][7:8])


def test_an_empty_room_has_no_shape():
    room = scene.draw_room(scene.canvas(32), *(torch.tensor([v]) for v in (0.2, 0.6, 0.3, 0.1)))
    read = shapes(32).read(room)
    assert read[["object", "size", "shape"]].isna().all(axis=None)
    assert read["wall"][0] == pytest.approx(0.6, abs=1e-4)


def test_what_cannot_be_drawn():
    world, good = shapes(16), {name: np.array([0.5]) for name in LABELS} | {"shape": np.array([1.0])}
    for name, value, message in (
        ("shape", 0.5, r"'shape' must be 0 \(cube\)"),
        ("size", 0.0, r"'size' must be in \(0, 1.2\]"),
        ("view", 2.0, r"'view' must be in \[-1, 1\]"),
    ):
        with pytest.raises(DataError, match=message):
            world.render({**good, name: np.array([value])})
    with pytest.raises(DataError, match="`size` must be an integer of at least 8"):
        shapes(4)
