"""The model as users call it: the laws of counterfactuals, and what its weights have learned."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from causalrep.datasets import pendulum
from causalrep.metrics import counterfactual_report
from causalrep.representation import CausalDiffAE, RegressionDecoder, load_model


def grey(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).mean() * 255)


# -- laws


def test_null_intervention_reconstructs(trained: Any) -> None:
    images = trained.held_out["image"]
    model = trained.model
    result = model.counterfactual(images, do={})
    assert grey(result.images, images) <= 0.1  # the exact solver: rounding only
    ddim = clone_with(model, solver="ddim", solver_steps=50)
    assert grey(ddim.counterfactual(images, do={}).images, images) <= 2.5
    np.testing.assert_array_equal(result.images, result.reconstruction)


def clone_with(model: CausalDiffAE, **recipe: Any) -> CausalDiffAE:
    """The same weights under another solver."""
    import copy
    from dataclasses import replace

    other = copy.copy(model)
    other.recipe_ = replace(model.recipe_, **recipe)
    return other


@pytest.mark.parametrize("node", ["angle", "light", "length", "position"])
def test_setting_a_node_to_its_factual_value_is_the_null_intervention(trained: Any, node: str) -> None:
    abducted = trained.model.abduct(trained.held_out["image"][:8])
    null = trained.model.counterfactual(trained.held_out["image"][:8], do={})
    same = trained.model.predict_images(abducted, do={node: null.factual_labels[node].to_numpy()})
    np.testing.assert_array_equal(same, null.images)


def test_non_descendants_keep_their_labels_and_descendants_move(trained: Any) -> None:
    result = trained.model.counterfactual(trained.held_out["image"][:8], do={"light": 130.0})
    before, after = result.factual_labels, result.labels
    assert (after["angle"] == before["angle"]).all()
    np.testing.assert_allclose(after["light"], 130.0, atol=1e-4)
    assert ((after["position"] - before["position"]).abs() > 1e-3).all()
    leaf = trained.model.counterfactual(trained.held_out["image"][:8], do={"length": 6.0})
    others = ["angle", "light", "position"]
    pd.testing.assert_frame_equal(leaf.labels[others], leaf.factual_labels[others], check_exact=True)


def test_order_of_the_interventions_does_not_matter(trained: Any) -> None:
    abducted = trained.model.abduct(trained.held_out["image"][:4])
    one = trained.model.predict_images(abducted, do={"angle": 10.0, "length": 6.0})
    other = trained.model.predict_images(abducted, do={"length": 6.0, "angle": 10.0})
    np.testing.assert_array_equal(one, other)


def test_going_back_gives_the_factual_image(trained: Any) -> None:
    # Reversibility up to the encoder's error: it reads the labels again, off the counterfactual.
    images = trained.held_out["image"][:32]
    there = trained.model.counterfactual(images, do={"light": 120.0})
    back = trained.model.counterfactual(there.images, do={"light": there.factual_labels["light"].to_numpy()})
    assert grey(back.images, images) < 0.5 * grey(there.images, images)


def test_an_image_alone_gives_what_it_gives_in_a_batch(trained: Any) -> None:
    images = trained.held_out["image"][:9]
    together = trained.model.counterfactual(images, do={"light": 120.0})
    alone = trained.model.counterfactual(images[4:5], do={"light": 120.0})
    # 1e-5 for each network call; the exact solver amplifies rounding of its first state.
    np.testing.assert_allclose(alone.images, together.images[4:5], atol=1e-3)
    np.testing.assert_allclose(alone.labels, together.labels.iloc[4:5], rtol=1e-5)


def test_large_inputs_are_cut_into_chunks_without_a_seam(
    trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = trained.held_out["image"][:10]
    whole = trained.model.counterfactual(images, do={"angle": -10.0}).labels
    monkeypatch.setattr("causalrep.representation._execution._CPU_ROWS", 3)
    chunked = trained.model.counterfactual(images, do={"angle": -10.0}).labels
    np.testing.assert_allclose(chunked, whole, rtol=1e-5)


def test_one_value_per_image(trained: Any) -> None:
    values = np.linspace(-20, 20, 6)
    result = trained.model.counterfactual(trained.held_out["image"][:6], do={"angle": values})
    np.testing.assert_allclose(result.labels["angle"], values, atol=1e-4)


def test_arrays_come_back_in_the_library_they_came_in(trained: Any) -> None:
    images = trained.held_out["image"][:2]
    from_numpy = trained.model.counterfactual(images, do={"angle": 5.0}).images
    from_torch = trained.model.counterfactual(torch.from_numpy(images), do={"angle": 5.0}).images
    assert isinstance(from_numpy, np.ndarray)
    assert isinstance(from_torch, torch.Tensor)
    np.testing.assert_array_equal(from_numpy, from_torch.numpy())
    assert from_numpy.dtype == np.float32
    assert from_numpy.min() >= 0
    assert from_numpy.max() <= 1


# -- what it has learned


def test_counterfactuals_beat_copying(trained: Any) -> None:
    report = counterfactual_report({"ours": trained.model}, trained.world, n_images=48, random_state=3)
    for node in ("angle", "light"):
        # Below 1 with all of the interval: better than copying, after a few CPU-seconds of training.
        assert report.score("ours", node, "ratio to copying", region="whole").high < 1


def test_the_image_noise_is_abducted(trained: Any) -> None:
    # Two images with the same labels and another background must not give the same counterfactual.
    world, rows = trained.world, trained.held_out.take(slice(0, 8))
    fresh = clone_with(trained.model, abduction="fresh", solver="ddim")
    images = rows["image"]
    kept = trained.model.counterfactual(images, do={"angle": 0.0}).images
    lost = fresh.counterfactual(images, do={"angle": 0.0}).images
    truth = world.counterfactual(rows, do={"angle": 0.0})["image"]
    assert grey(kept, truth) < grey(lost, truth)


def test_loss_falls_by_half(trained: Any) -> None:
    log = trained.model.training_log_
    for stage, term in (("labels", "align"), ("images", "denoising")):
        values = log.stage(stage)[term]
        assert values[-1] < 0.5 * values[0]


def test_predict_reads_labels(trained: Any) -> None:
    read = trained.model.predict(trained.held_out["image"])
    truth = trained.held_out.frame
    for node in ("angle", "light", "length", "position"):
        assert np.corrcoef(read[node], truth[node])[0, 1] > 0.8


def test_sampling_follows_the_intervention(trained: Any) -> None:
    one = trained.model.sample(64, do={"light": 70.0}, random_state=0)
    other = trained.model.sample(64, do={"light": 140.0}, random_state=0)
    np.testing.assert_allclose(one.labels["light"], 70.0, atol=1e-4)
    np.testing.assert_allclose(one.labels["angle"], other.labels["angle"])  # common random numbers
    again = trained.model.sample(64, do={"light": 70.0}, random_state=0)
    np.testing.assert_array_equal(one.images, again.images)
    # The light is drawn where the reader finds it: at 70 left of the middle... on the other side of 140.
    seen = [trained.model.predict(r.images)["light"].mean() for r in (one, other)]
    assert seen[1] - seen[0] > 35  # half of the difference that was asked for


def test_transform_has_one_column_per_code(trained: Any) -> None:
    codes = trained.model.transform(trained.held_out["image"][:3])
    names = trained.model.get_feature_names_out()
    assert codes.shape == (3, len(names)) == (3, 8)
    assert list(names[:2]) == ["angle", "light"]


# -- estimator and files


def test_same_seed_same_model() -> None:
    world = pendulum(size=16)
    s = world.sample(64, random_state=0)
    kwargs = {"graph": world.graph_of_labels, "max_steps": 3, "random_state": 5}
    one, two = (CausalDiffAE(**kwargs).fit(s["image"], s.frame) for _ in range(2))
    for a, b in zip(one.network_.parameters(), two.network_.parameters(), strict=True):
        assert torch.equal(a, b)
    other = CausalDiffAE(**{**kwargs, "random_state": 6}).fit(s["image"], s.frame)
    assert not torch.equal(next(one.network_.parameters()), next(other.network_.parameters()))


def test_fitting_leaves_the_global_generators_alone() -> None:
    world = pendulum(size=16)
    s = world.sample(32, random_state=0)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    CausalDiffAE(world.graph_of_labels, max_steps=2, random_state=1).fit(s["image"], s.frame)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_clone_and_parameters() -> None:
    model = CausalDiffAE("a -> b", max_steps=7, slot_dim=2)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert copy.set_params(max_steps=9).max_steps == 9


def test_saved_model_answers_the_same(trained: Any, tmp_path: Path) -> None:
    images = trained.held_out["image"][:3]
    expected = trained.model.counterfactual(images, do={"light": 120.0})
    trained.model.save(tmp_path / "m")
    trained.model.save(tmp_path / "m")  # a model may replace a model
    for loaded in (CausalDiffAE.load(tmp_path / "m"), load_model(tmp_path / "m", device="cpu")):
        answer = loaded.counterfactual(images, do={"light": 120.0})
        np.testing.assert_array_equal(answer.images, expected.images)
        pd.testing.assert_frame_equal(answer.labels, expected.labels)
        one, two = (m.sample(2, random_state=0).images for m in (loaded, trained.model))
        np.testing.assert_array_equal(one, two)
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "README.md",
        "model.json",
        "model.safetensors",
    ]


def test_an_interrupted_fit_resumes_to_the_same_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from causalrep.representation.trainer import Trainer

    world = pendulum(size=16)
    s = world.sample(64, random_state=0)
    kwargs = {"graph": world.graph_of_labels, "max_steps": 20, "batch_size": 8, "random_state": 0}
    whole = CausalDiffAE(**kwargs).fit(s["image"], s.frame)

    class Interrupted(Trainer):
        def __init__(self, **options: Any) -> None:
            def stop(stage: str, step: int, log: Any) -> None:
                if stage == "images" and step == 11:
                    raise KeyboardInterrupt

            super().__init__(**options, on_step=stop)

    with monkeypatch.context() as patch:
        patch.setattr("causalrep.representation._training.Trainer", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            CausalDiffAE(**kwargs, checkpoint=tmp_path / "c").fit(s["image"], s.frame)
    resumed = CausalDiffAE(**kwargs, checkpoint=tmp_path / "c").fit(s["image"], s.frame)
    for a, b in zip(whole.network_.parameters(), resumed.network_.parameters(), strict=True):
        assert torch.equal(a, b)


# -- any graph, any size


@pytest.mark.parametrize(
    ("size", "channels"), [(16, 1), (16, 3), (16, 4), (28, 1), (32, 3), (64, 1), (64, 4), (96, 3), (128, 3)]
)
def test_any_size_trains_and_answers(size: int, channels: int) -> None:
    rng = np.random.default_rng(0)
    images = rng.random((6, channels, size, size), dtype=np.float32)
    labels = pd.DataFrame(rng.normal(size=(6, 2)), columns=["a", "b"])
    model = CausalDiffAE("a -> b", max_steps=1, batch_size=4, solver_steps=2, random_state=0)
    answer = model.fit(images, labels).counterfactual(images, do={"a": 1.0})
    assert answer.images.shape == images.shape
    assert np.isfinite(answer.images).all()


@pytest.mark.parametrize("n_nodes", [1, 2, 3, 4, 7, 12])
@pytest.mark.parametrize("preset", ["auto", "paper-small"])
def test_any_number_of_nodes_trains_and_answers(n_nodes: int, preset: str) -> None:
    rng = np.random.default_rng(0)
    images = rng.random((6, 1, 16, 16), dtype=np.float32)
    labels = pd.DataFrame(rng.normal(size=(6, n_nodes)), columns=[f"v{i}" for i in range(n_nodes)])
    graph = "; ".join(f"v{(i - 1) // 2} -> v{i}" for i in range(1, n_nodes)) or "v0"
    model = CausalDiffAE(graph, preset=preset, max_steps=2, batch_size=4, solver_steps=2, random_state=0)
    answer = model.fit(images, labels).counterfactual(images, do={"v0": 3.0})
    moved = answer.labels - answer.factual_labels
    assert (moved.abs().max() > 1e-6).all()  # every node of the tree descends from the first


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "epsilon", "solver": "ddim"},
        {"objective": "v", "solver": "heun"},
        {"objective": "sample", "solver": "obelm"},
        {"conditioning": "adagn", "mechanism": "affine", "slot_dim": 3, "nuisance_dim": 0},
        {"denoiser": "unet2d", "conditioning": "maps", "slot_mode": "fill"},
        {"slot_dropout": 0.2, "condition_dropout": 0.2, "guidance": 2.0},
    ],
)
def test_every_option_trains_and_answers(options: dict[str, Any]) -> None:
    if options.get("denoiser") == "unet2d":
        pytest.importorskip("diffusers")
    world = pendulum(size=16)
    s = world.sample(24, random_state=0)
    model = CausalDiffAE(
        world.graph_of_labels, max_steps=3, batch_size=8, solver_steps=3, random_state=0, **options
    ).fit(s["image"], s.frame)
    result = model.counterfactual(s["image"][:2], do={"light": 120.0})
    np.testing.assert_allclose(result.labels["light"], 120.0, atol=1e-4)
    assert np.isfinite(result.images).all()


def test_published_preset_builds_the_published_sizes() -> None:
    pytest.importorskip("diffusers")
    from causalrep.representation._images import ImageShape
    from causalrep.representation._network import ImageNetwork, Topology
    from causalrep.representation._recipes import make_recipe

    recipe = make_recipe("paper", size=28, n_nodes=2, overrides={})
    assert (recipe.solver_steps, recipe.max_steps, recipe.batch_size) == (250, 14_000, 128)
    assert recipe.architecture.slot_dim * 2 == 512
    with torch.device("meta"):
        network = ImageNetwork(ImageShape(1, 28), Topology(((), (0,)), (0, 1)), recipe.architecture)
    millions = sum(p.numel() for p in network.image.parameters()) / 1e6  # type: ignore[attr-defined]
    # Published 36.6 M with its own U-Net; diffusers' of the same widths and blocks has 38.4 M.
    assert 35 < millions < 41


# -- weak supervision, guidance, baselines


def test_rows_without_labels_are_used(trained: Any) -> None:
    # 90 % of the rows unlabelled: the encoder must still have learned from the rest.
    world = trained.world
    s = world.sample(600, random_state=4)
    frame = s.frame.copy()
    frame.loc[np.arange(600) % 10 != 0] = np.nan
    frame.loc[0, "length"] = np.nan  # and single values may be missing
    model = CausalDiffAE(world.graph_of_labels, max_steps=150, batch_size=32, random_state=0)
    model.fit(s["image"], frame)
    read = model.predict(s["image"])
    assert np.corrcoef(read["angle"], s.frame["angle"])[0, 1] > 0.5


def test_unlabelled_rows_do_not_pull_the_encoder() -> None:
    # Same labelled rows and batches; the value that stands in for a missing label must not matter.
    from causalrep.representation._images import ImageShape
    from causalrep.representation._network import Architecture, ImageNetwork, Topology
    from causalrep.representation._objectives import LabelObjective

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ImageNetwork(ImageShape(1, 16), Topology(((), (0,)), (0, 1)), Architecture())
    objective = LabelObjective(network, known_rate=0.5)
    generator = torch.Generator().manual_seed(0)
    batch = {
        "images": torch.rand(4, 1, 16, 16, generator=generator),
        "labels": torch.randn(4, 2, generator=generator),
        "known": torch.tensor([[1.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
    }
    one = objective(batch, generator)["align"]
    other = {**batch, "labels": batch["labels"] + 100.0 * (1 - batch["known"])}
    assert torch.equal(one, objective(other, generator)["align"])
    expected = (((network.slots(batch["images"])[..., 0] - batch["labels"]) ** 2)[batch["known"] > 0]).mean()
    torch.testing.assert_close(one, expected)


def test_guidance_scales_the_effect_of_the_condition(trained: Any) -> None:
    world = trained.world
    s = world.sample(400, random_state=0)
    model = CausalDiffAE(
        world.graph_of_labels, max_steps=150, condition_dropout=0.2, solver="ddim", random_state=0
    ).fit(s["image"], s.frame)
    abducted = model.abduct(trained.held_out["image"][:16])
    null = model.predict_images(abducted, guidance=0.0)
    effects = [
        grey(model.predict_images(abducted, do={"light": 120.0}, guidance=w), null)
        for w in (0.0, 0.5, 1.0, 2.0)
    ]
    assert effects[0] == 0.0
    assert effects == sorted(effects)


def test_decoder_with_carry_over_reconstructs_exactly() -> None:
    world = pendulum(size=16)
    s = world.sample(64, random_state=0)
    plain = RegressionDecoder(world.graph_of_labels, max_steps=5, random_state=0).fit(s["image"], s.frame)
    carry = RegressionDecoder(world.graph_of_labels, max_steps=5, carry_over=True, random_state=0).fit(
        s["image"], s.frame
    )
    images = s["image"][:8]
    assert grey(plain.counterfactual(images, do={}).images, images) > 1
    assert grey(carry.counterfactual(images, do={}).images, images) < 1e-3
