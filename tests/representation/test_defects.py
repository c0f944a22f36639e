"""Ten defects of the released implementation of causal diffusion autoencoders, none of which can happen here.

The published code, as read: an encoder for four variables only, a graph written into the network file, a
causal layer of one hop, image noise that is drawn instead of abducted, images in [0, 1] clipped to [-1, 1],
checkpoints of one process only and without the optimiser, no simulators, sizes scattered as literals, no
seed, and batch statistics. One test each, mostly on networks that have hardly been trained: these are laws.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from causalrep.datasets import WORLDS
from causalrep.representation import CausalDiffAE
from causalrep.representation.trainer import Trainer


def fitted(graph: str = "a -> b -> c -> d", size: int = 16, n: int = 6, **options: Any) -> Any:
    """A model after two steps on noise, and the images."""
    rng = np.random.default_rng(0)
    images = rng.random((n, 1, size, size), dtype=np.float32)
    names = sorted(set(graph) & set("abcdefg"))
    labels = pd.DataFrame(rng.normal(size=(n, len(names))), columns=names)
    options = {"max_steps": 2, "batch_size": 4, "solver_steps": 4, "random_state": 0, **options}
    return CausalDiffAE(graph, device="cpu", **options).fit(images, labels), images


@pytest.mark.parametrize("size", [28, 32, 64])
def test_1_the_encoder_fits_sizes_other_than_the_published(size: int) -> None:
    model, images = fitted(size=size, n=4, max_steps=1)
    assert model.predict(images).shape == (4, 4)


def test_2_the_graph_is_an_argument() -> None:
    """The same images and labels under another graph: what moves is what that graph says."""
    for graph, moves in (("a -> b; c", "b"), ("b -> a; c", ""), ("a -> c; b", "c"), ("a -> {b, c}", "bc")):
        model, images = fitted(graph)
        answer = model.counterfactual(images, {"a": 2.0})
        moved = (answer.labels != answer.factual_labels).any()
        assert {node for node in "bc" if moved[node]} == set(moves)


def test_3_an_intervention_travels_over_every_hop() -> None:
    model, images = fitted()
    answer = model.counterfactual(images, {"a": 3.0})
    assert ((answer.labels["d"] - answer.factual_labels["d"]).abs() > 1e-6).all()


def test_4_the_noise_of_the_image_is_abducted() -> None:
    """What no label tells comes back, even from networks that know nothing; fresh noise loses it."""
    model, images = fitted()
    np.testing.assert_allclose(model.counterfactual(images).images, images, atol=1e-4)
    fresh, _ = fitted(abduction="fresh")
    assert np.abs(fresh.counterfactual(images).images - images).mean() > 0.05


def test_5_the_range_of_pixels_is_one_and_the_same_throughout() -> None:
    """Black and white come back from a model whose training images were dim, bytes are what floats are."""
    rng = np.random.default_rng(1)
    dim = (0.2 * rng.random((8, 1, 16, 16))).astype(np.float32)
    labels = pd.DataFrame({"a": rng.normal(size=8)})
    model = CausalDiffAE("a", max_steps=2, batch_size=4, device="cpu", random_state=0).fit(dim, labels)
    extremes = np.stack([np.zeros((1, 16, 16)), np.ones((1, 16, 16))]).astype(np.float32)
    assert model.abduct(extremes).images.abs().max() > 10  # far outside of [-1, 1]: a clip would show
    np.testing.assert_allclose(model.counterfactual(extremes).images, extremes, atol=1e-3)
    as_bytes = model.counterfactual((255 * extremes).astype(np.uint8), {"a": 1.0}).images
    np.testing.assert_array_equal(as_bytes, model.counterfactual(extremes, {"a": 1.0}).images)
    assert as_bytes.min() >= 0
    assert as_bytes.max() <= 1


def test_6_one_process_keeps_weights_averages_and_the_optimiser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Trainer):
        def __init__(self, **options: Any) -> None:
            def stop(stage: str, step: int, log: Any) -> None:
                if (stage, step) == ("images", 2):
                    raise KeyboardInterrupt

            super().__init__(**options, on_step=stop)

    monkeypatch.setattr("causalrep.representation._training.Trainer", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted(max_steps=4, checkpoint=tmp_path)
    (state,) = (tmp_path / "image").glob("state-*.safetensors")
    kept = load_file(state)
    assert json.loads((tmp_path / "image" / "state.json").read_text(encoding="utf-8"))
    last = {name.rpartition("/")[2]: kept[name] for name in kept if name.startswith("weights/")}
    averages = {name.rpartition("/")[2]: kept[name] for name in kept if "average/" in name}
    moments = [name for name in kept if "optimizer/exp_avg_sq/" in name]
    assert min(len(last), len(averages), len(moments)) > 10
    # the average does not stand in the place of the last weights
    assert any(not torch.equal(averages[name], last[name]) for name in set(last) & set(averages))


@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_7_simulators_and_readers_are_part_of_the_library(kind: str) -> None:
    world = WORLDS[kind](size=32)
    s = world.sample(3, random_state=0)
    node = world.graph_of_labels.nodes[-1]
    target = world.intervention_values(s, node, random_state=1)
    truth = world.counterfactual(s, {node: target})
    read = world.read(truth["image"])
    assert {str(n) for n in world.graph_of_labels.nodes} <= set(read.columns)
    spread = world.sample(200, random_state=2).frame[node].std()
    assert (read[node] - target).abs().min() < 0.2 * spread


def test_8_sizes_follow_from_the_arguments() -> None:
    model, images = fitted("a -> b; c", slot_dim=3, nuisance_dim=5)
    assert model.transform(images).shape == (6, 3 * 3 + 5)
    model, images = fitted("a -> {b, c, d, e}", nuisance_dim=0, condition_dropout=0.5, slot_dropout=0.5)
    assert model.transform(images).shape == (6, 5)
    guided = model.counterfactual(images, {"a": 1.0}, guidance={"affected": 2.0})
    assert guided.images.shape == images.shape


def test_9_seeds_decide_and_the_command_line_is_there() -> None:
    (one, images), (same, _), (other, _) = fitted(), fitted(), fitted(random_state=1)
    a, b, c = (m.counterfactual(images, {"a": 1.0}).images for m in (one, same, other))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    shown = subprocess.run(
        [sys.executable, "-c", "from causalrep.cli import main; main(['--help'])"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert all(command in shown for command in ("train", "counterfactual", "benchmark"))
    assert (Path(__file__).resolve().parents[2] / "LICENSE").exists()


def test_10_no_statistics_of_a_batch() -> None:
    model, images = fitted()
    batch_norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
    assert not [m for m in model.network_.modules() if isinstance(m, batch_norms)]
    alone = np.concatenate([model.transform(images[i : i + 1]) for i in range(len(images))])
    np.testing.assert_allclose(alone, model.transform(images), atol=1e-5)
