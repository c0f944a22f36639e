"""Nuisance of high dimension, in every world: textures behind the objects, noise on every pixel."""

import numpy as np
import pytest
import torch

from causalrep.datasets import WORLDS
from causalrep.datasets._texture import N_WAVES, draw_texture, fit_texture
from causalrep.utils import DataError

#: Mean absolute errors of reading at 32 px with a texture, about twice what was measured over 200 images.
READ = {
    "pendulum": {"angle": 0.02, "light": 0.03, "length": 0.02, "position": 0.01},
    "flow": {"hole": 0.02, "flow": 0.01, "ball": 0.01},
    "circuit": {"arm": 0.01, "blue": 0.01, "green": 0.01, "red": 0.01},
    "shapes": {"floor": 0.001, "wall": 0.003, "object": 0.001, "size": 0.003},
    "sprites": {"shape": 0.1, "scale": 0.005, "x": 0.002, "y": 0.002},
}


@pytest.fixture(scope="module", params=[name for name in WORLDS if name in READ])
def textured(request):
    world = WORLDS[request.param](size=32, nuisance="texture")
    return world, world.sample(40, random_state=0)


def test_waves_are_those_of_the_formula():
    amplitudes = torch.zeros(1, N_WAVES)
    amplitudes[0, 3 * 8 + 5 - 1] = 1.0  # cos(3 pi y) cos(5 pi x), numbered without the constant
    place = (np.arange(16) + 0.5) / 16
    wanted = 2 * np.outer(np.cos(3 * np.pi * place), np.cos(5 * np.pi * place)) / np.sqrt(N_WAVES)
    np.testing.assert_allclose(draw_texture(amplitudes, 16)[0], wanted, atol=1e-6)


def test_textures_have_variance_one_and_mean_zero_over_each_picture():
    drawn = draw_texture(torch.from_numpy(np.random.default_rng(0).standard_normal((400, N_WAVES))), 32)
    np.testing.assert_allclose(drawn.mean(dim=(1, 2)), 0, atol=1e-5)
    # the sum of 63 squares of normals over 63: sd of the mean of 400 is sqrt(2 / 63 / 400) = 0.009
    assert float(drawn.square().mean()) == pytest.approx(1, abs=0.04)


def test_a_row_does_not_depend_on_the_rows_beside_it():
    amplitudes = torch.from_numpy(np.random.default_rng(0).standard_normal((9, N_WAVES)).astype(np.float32))
    assert torch.equal(draw_texture(amplitudes, 16)[4:5], draw_texture(amplitudes[4:5], 16))


def test_the_fit_finds_the_texture_also_behind_an_object():
    amplitudes = torch.from_numpy(np.random.default_rng(0).standard_normal((3, N_WAVES)).astype(np.float32))
    shown = torch.full((3, 1, 32, 32), 0.1)
    shown[:, :, 10:16, 8:20] = 0.0
    found = fit_texture(shown * draw_texture(amplitudes, 32)[:, None], shown)
    torch.testing.assert_close(found, amplitudes, atol=2e-3, rtol=0)


def test_the_texture_lies_behind_the_objects(textured):
    """Where the plain drawing does not depend on the background, the texture does not show."""
    world, samples = textured
    renderer = world.renderer
    labels = {name: samples[name] for name in renderer.labels}
    noise = samples.noise["image"]
    drawn = [
        renderer.forward(
            labels, {**{k: v for k, v in noise.items() if k != "texture"}, renderer.backdrop: grey}
        )
        for grey in (np.zeros(40), np.ones(40))
    ]
    plain = renderer.forward(labels, {k: v for k, v in noise.items() if k != "texture"})
    hidden = np.abs(drawn[0] - drawn[1]) < 1e-6
    assert hidden.any()
    np.testing.assert_array_equal(samples["image"][hidden], plain.clip(0, 1)[hidden])
    assert np.abs(samples["image"] - plain).mean() > 0.02


def test_a_counterfactual_keeps_the_texture(textured):
    world, samples = textured
    node = world.graph_of_labels.nodes[-1]
    null = world.counterfactual(samples, do={node: samples[node]})
    np.testing.assert_array_equal(null["image"], samples["image"])
    target = world.intervention_values(samples, node, random_state=1)
    truth = world.counterfactual(samples, do={node: target})["image"]
    changed = np.abs(truth - samples["image"]).max(axis=1) > 0.01
    assert changed.any(axis=(1, 2)).mean() > 0.9
    assert changed.mean() < 0.3  # the rest is the same picture


def test_labels_are_read_through_the_texture(textured):
    world, samples = textured
    read = world.read(samples["image"])
    name = next(
        name for name, make in WORLDS.items() if type(world.renderer).__name__.lower().startswith(name)
    )
    for label, bound in READ[name].items():
        assert np.nanmean(np.abs(read[label] - samples[label])) < bound, label


def test_abduction_gives_the_picture_back():
    world = WORLDS["pendulum"](size=32, nuisance="texture")
    samples = world.sample(10, random_state=0)
    labels = {name: samples[name] for name in world.renderer.labels}
    noise = world.renderer.abduct(labels, samples["image"])
    np.testing.assert_allclose(world.renderer.forward(labels, noise), samples["image"], atol=1e-6)
    unclipped = samples.noise["image"]["background"] < 0.75  # 3 sd of the texture below white
    assert unclipped.any()
    error = np.abs(noise["texture"] - samples.noise["image"]["texture"])[unclipped]
    assert error.max() < 0.02


@pytest.mark.parametrize("name", WORLDS)
def test_noise_is_on_every_pixel_and_kept(name):
    world = WORLDS[name](size=16, nuisance="noise")
    samples = world.sample(20, random_state=0)
    assert samples.noise["image"]["pixels"].std() == pytest.approx(0.05, rel=0.05)
    node = world.graph_of_labels.nodes[0]
    null = world.counterfactual(samples, do={node: samples[node]})
    np.testing.assert_array_equal(null["image"], samples["image"])


def test_the_strength_of_the_noise_can_be_given():
    samples = WORLDS["pendulum"](size=16, nuisance="noise", pixel_noise=0.02).sample(20, random_state=0)
    assert samples.noise["image"]["pixels"].std() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("name", WORLDS)
def test_a_nuisance_that_does_not_exist(name):
    with pytest.raises(DataError, match="`nuisance` must be False, True, 'noise' or 'texture', got 'fog'"):
        WORLDS[name](size=16, nuisance="fog")
