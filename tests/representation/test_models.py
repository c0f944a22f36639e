"""Every model of the registry: the laws that all share, and what each adds against its formula."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import Ridge

from causalrep.datasets import pendulum
from causalrep.graphs import DAG
from causalrep.representation import (
    MODELS,
    CausalVAE,
    ConditionalDiffusion,
    CounterfactualImageModel,
    DeepSCM,
    DiffAE,
    DiffSCM,
    HierarchicalVAE,
    LearnedGraph,
    RectifiedFlowCounterfactual,
    SemanticDiffusion,
    load_model,
)
from causalrep.representation._hierarchical_vae import CounterfactualTuning, LadderObjective
from causalrep.representation._images import ImageShape
from causalrep.representation._learned_graph import _acyclic, acyclicity
from causalrep.representation.modules import Condition, LadderVAE, SlotDecoders
from causalrep.scm import SCM
from causalrep.utils import DataError, UnknownNameError

WORLD = pendulum(size=16)
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in MODELS},
    "spatial": ("SemanticDiffusion", {"abduction": "spatial"}),
    "dynamic": ("SemanticDiffusion", {"abduction": "dynamic", "token_iterations": 3}),
    "classifier": ("DiffSCM", {"guide": "classifier"}),
    "hard": ("HierarchicalVAE", {"tuning": "hard"}),
}


def rows() -> Any:
    return WORLD.sample(48, random_state=0)


@cache
def fitted(variant: str) -> CounterfactualImageModel:
    name, options = VARIANTS[variant]
    cls: Any = MODELS[name]
    steps = {"solver_steps": 3} if "solver_steps" in cls(None).get_params() else {}
    model = cls(WORLD.graph_of_labels, max_steps=3, batch_size=16, random_state=0, **steps, **options)
    s = rows()
    return model.fit(s["image"], s.frame)  # type: ignore[no-any-return]


every_model = pytest.mark.parametrize("variant", VARIANTS)


@every_model
def test_interventions_are_as_asked_and_reach_descendants_only(variant: str) -> None:
    model, images = fitted(variant), rows()["image"][:3]
    answer = model.counterfactual(images, do={"light": 120.0})
    assert answer.images.shape == images.shape
    assert np.isfinite(answer.images).all()
    np.testing.assert_allclose(answer.labels["light"], 120.0, atol=1e-3)
    assert (answer.labels["angle"] == answer.factual_labels["angle"]).all()
    follows = (answer.labels["position"] != answer.factual_labels["position"]).all()
    assert follows == (variant != "DiffAE")  # which has no mechanisms


@every_model
def test_setting_what_is_so_is_the_null_intervention(variant: str) -> None:
    model, images = fitted(variant), rows()["image"][:3]
    state = model.abduct(images)
    value = model.predict(images)["light"].to_numpy()
    guidance = {} if model.guidance == 1.0 else {"guidance": 1.0}
    if isinstance(model, DiffSCM):
        guidance = {"guidance": 0.0}  # it encodes unconditionally: that is its null
    null = model.predict_images(state, **guidance)
    same = model.predict_images(state, do={"light": value}, **guidance)
    if model.recipe_.slot_mode == "shift":  # "fill" overwrites what a slot holds beside its label
        np.testing.assert_allclose(same, null, atol=1e-6)


@every_model
def test_an_image_alone_is_answered_as_in_a_batch(variant: str) -> None:
    model, images = fitted(variant), rows()["image"][:4]
    together = model.counterfactual(images, do={"angle": 10.0}).images
    alone = model.counterfactual(images[2:3], do={"angle": 10.0}).images
    np.testing.assert_allclose(alone, together[2:3], atol=1e-3)


@every_model
def test_saved_models_answer_the_same_by_name(variant: str, tmp_path: Any) -> None:
    model, images = fitted(variant), rows()["image"][:2]
    model.save(tmp_path / "m")
    loaded = load_model(tmp_path / "m", device="cpu")
    assert type(loaded) is type(model)
    do = {"angle": 10.0}
    np.testing.assert_array_equal(
        loaded.counterfactual(images, do=do).images, model.counterfactual(images, do=do).images
    )
    np.testing.assert_array_equal(
        loaded.sample(2, do=do, random_state=1).images, model.sample(2, do=do, random_state=1).images
    )
    card = (tmp_path / "m" / "README.md").read_text()
    assert type(model).__name__ in card
    assert "| light | 10" in card  # the mean of the label, as it was given


@every_model
def test_draws_differ_and_are_seeded(variant: str) -> None:
    model, images = fitted(variant), rows()["image"][:2]
    one, two = (model.abduct(images, random_state=0) for _ in range(2))
    other = model.abduct(images, random_state=1)
    assert torch.equal(one.slots, two.slots)
    assert not torch.equal(one.slots, other.slots)


@pytest.mark.parametrize("name", MODELS)
def test_models_are_estimators(name: str) -> None:
    model = MODELS[name]("a -> b", max_steps=7, random_state=1)  # type: ignore[call-arg]
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert copy.set_params(max_steps=9).max_steps == 9


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (DiffSCM, {"guide": "clasifier"}),
        (SemanticDiffusion, {"abduction": "semantics"}),
        (HierarchicalVAE, {"tuning": "softer"}),
        (DiffAE, {"preset": "papper"}),
        (CausalVAE, {"preset": "papper"}),
    ],
)
def test_unknown_options_are_named_before_any_work(cls: Any, options: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(cls, "_train", lambda *_, **__: pytest.fail("work began"))
    s = rows()
    with pytest.raises(UnknownNameError, match="did you mean"):
        cls(WORLD.graph_of_labels, **options).fit(s["image"], s.frame)


@pytest.mark.parametrize(
    ("cls", "bar"),
    [
        (SemanticDiffusion, {"widths": (32, 128, 256), "solver_steps": 1000, "batch_size": 32}),
        (DiffSCM, {"widths": (32, 64, 64), "solver_steps": 100, "max_steps": 30_000, "batch_size": 256}),
        (DiffAE, {"nuisance_dim": 512, "max_steps": 2_250_000, "batch_size": 32}),
        (HierarchicalVAE, {"widths": (16, 32, 64, 128, 256), "latent_dim": 16, "clip_norm": 350.0}),
        (CausalVAE, {"slot_dim": 4, "learning_rate": 1e-3, "batch_size": 64}),
        (DeepSCM, {"nuisance_dim": 16, "batch_size": 256, "learning_rate": 1e-4, "encoder_rate": 5e-3}),
        (
            ConditionalDiffusion,
            {
                "slot_dim": 1,
                "nuisance_dim": 0,
                "max_steps": 6_000,
                "batch_size": 128,
                "solver_steps": 250,
                "objective": "epsilon",
                "training": "staged",
                "abduction": "invert",
                "conditioning": "adagn",
            },
        ),
        (
            RectifiedFlowCounterfactual,
            {
                "widths": (128, 256, 256, 256),
                "attention": (1,),
                "blocks": 4,
                "objective": "flow",
                "ema_decay": 0.999999,
                "learning_rate": 2e-4,
                "nuisance_dim": 0,
            },
        ),
    ],
)
def test_published_configurations(cls: Any, bar: dict[str, Any]) -> None:
    recipe = cls("a -> b", preset="paper")._make_recipe(ImageShape(1, 32), 2)
    values = {**recipe.to_dict(), **recipe.architecture.to_dict()}
    assert {name: values[name] for name in bar} == bar


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"RegressionDecoder"}))  # nobody has published that
@pytest.mark.parametrize("size", [28, 32])
def test_published_networks_can_be_built(name: str, size: int) -> None:
    pytest.importorskip("diffusers")
    if name == "HierarchicalVAE" and size == 28:
        pytest.skip("published for 32 px, with five resolutions")
    shape, graph = ImageShape(1, size), DAG([("a", "b")])
    model: Any = MODELS[name](graph, preset="paper")  # type: ignore[call-arg]
    with torch.device("meta"):
        network = model._make_network(shape, graph, model._make_recipe(shape, 2))
        condition = Condition.full(
            torch.zeros(2, *network.slot_shape), torch.zeros(2, network.architecture.nuisance_dim)
        )
        x = torch.zeros(2, 1, size, size)
        if not isinstance(network.image, LadderVAE):
            assert network.predict(x, torch.zeros(2), condition).shape == x.shape


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (
            ConditionalDiffusion,
            {"solver": "ddim", "solver_steps": 50, "conditioning": "adagn", "denoiser": "spatial"},
        ),
        (RectifiedFlowCounterfactual, {"solver": "heun", "solver_steps": 20, "conditioning": "maps"}),
        (DeepSCM, {"batch_size": 64, "learning_rate": 3e-3, "use_time": False}),
    ],
)
def test_what_is_not_asked_for_stays_ours(cls: Any, expected: dict[str, Any]) -> None:
    recipe = cls("a -> b")._make_recipe(ImageShape(1, 32), 2)
    values = {**recipe.to_dict(), **recipe.architecture.to_dict()}
    assert {name: values[name] for name in expected} == expected
    changed = cls("a -> b", preset="paper", max_steps=7, batch_size=3)._make_recipe(ImageShape(1, 32), 2)
    assert (changed.max_steps, changed.batch_size) == (7, 3)


# -- CausalVAE


def test_slot_decoders_add_up_and_do_not_interact() -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SlotDecoders(1, 8, n_nodes=2, slot_dim=3, hidden=16)
    a, b = torch.randn(2, 1, 2, 3, generator=generator)

    def draw(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        slots = torch.cat([first[:, :1], second[:, 1:]], dim=1)
        return network(torch.zeros(1, 1, 8, 8), torch.zeros(1), Condition.full(slots, slots[:, 0, :0]))

    torch.testing.assert_close(draw(a, a) - draw(b, a), draw(a, b) - draw(b, b))
    assert not torch.allclose(draw(a, a), draw(b, a))


def test_causal_vae_without_a_graph_learns_an_adjacency(monkeypatch: Any) -> None:
    frame = SCM.from_equations("a = N(0, 1); b = a**2 + 0.3*N(0, 1)").sample(300, random_state=0)
    images = np.random.default_rng(0).random((300, 1, 8, 8), dtype=np.float32)
    monkeypatch.setattr(
        LearnedGraph.__init__, "__kwdefaults__", {**LearnedGraph.__init__.__kwdefaults__, "max_steps": 150}
    )
    model = CausalVAE(max_steps=2, random_state=0).fit(images, frame)
    assert model.graph_.to_string() == "a -> b"


# -- learned graphs


def test_acyclicity_counts_weighted_closed_walks() -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(4, 4, generator=generator, dtype=torch.float64).triu(1)
    assert float(acyclicity(a)) == pytest.approx(0.0, abs=1e-12)
    order = torch.tensor([2, 0, 3, 1])
    assert float(acyclicity(a[order][:, order])) == pytest.approx(0.0, abs=1e-12)
    a[3, 0] = 0.5  # closes cycles
    eigenvalues = torch.linalg.eigvals(torch.eye(4) + a**2 / 4)
    assert float(acyclicity(a)) == pytest.approx(float((eigenvalues**4).sum().real) - 4, rel=1e-9)
    assert float(acyclicity(a)) > 0


def test_the_weakest_edge_of_a_cycle_is_dropped() -> None:
    adjacency = np.array([[0.0, 0.9, 0.0], [0.0, 0.0, 0.8], [0.4, 0.1, 0.0]])
    graph = _acyclic(adjacency, ("a", "b", "c"), 0.3)
    assert graph.to_string() == "a -> b; b -> c"


@pytest.mark.parametrize(
    ("equations", "true"),
    [
        ("a = N(0, 1); b = 0.8*a + 0.6*N(0, 1); c = 0.8*b + 0.6*N(0, 1)", "a -> b; b -> c"),
        ("b = N(0, 1); a = 0.8*b + 0.6*N(0, 1); c = 0.8*b + 0.6*N(0, 1)", "b -> a; b -> c"),
        ("a = N(0, 1); b = N(0, 1); c = 0.7*a + 0.7*b + 0.4*N(0, 1)", "a -> c; b -> c"),
        ("a = N(0, 1); b = N(0, 1); c = N(0, 1)", "a; b; c"),
    ],
)
def test_linear_labels_give_a_graph_of_the_true_class(equations: str, true: str) -> None:
    # Linear and Gaussian, so that nothing but the equivalence class can be found.
    rows = SCM.from_equations(equations).sample(1500, random_state=0)
    found = LearnedGraph(random_state=0).fit(rows).graph_
    assert found.to_cpdag() == DAG.from_string(true).to_cpdag()


def test_weights_are_slopes_whatever_the_units() -> None:
    rows = SCM.from_equations("a = N(0, 1); b = 0.8*a + 0.6*N(0, 1)").sample(1500, random_state=0)
    scaled = rows.assign(b=1e3 * rows["b"])
    one, other = (LearnedGraph(max_steps=300, random_state=0).fit(frame) for frame in (rows, scaled))
    np.testing.assert_allclose(one.adjacency_, other.adjacency_, atol=1e-3)
    # The standardised coefficient, 0.8, up to its sampling error and the pull of sparsity.
    assert one.adjacency_.max() == pytest.approx(0.8, abs=0.05)


@pytest.mark.slow
def test_curved_mechanisms_are_found_with_their_directions() -> None:
    equations = "a = N(0, 1); b = sin(2*a) + 0.3*N(0, 1); c = b**2 + 0.3*N(0, 1)"
    found = []
    for seed in range(5):
        frame = SCM.from_equations(equations).sample(600, random_state=seed)
        found.append(set(LearnedGraph(random_state=seed).fit(frame[["c", "a", "b"]]).graph_.directed_edges))
    # The search is not convex; measured: four of five, and one with the second edge turned round.
    assert found.count({("a", "b"), ("b", "c")}) >= 4


def test_bad_labels_for_a_learned_graph() -> None:
    with pytest.raises(DataError, match="must vary"):
        LearnedGraph().fit(pd.DataFrame({"a": [1.0, 1.0], "b": [0.0, 1.0]}))


# -- DeepSCM


def test_the_code_of_a_deep_scm_costs_what_the_evidence_bound_says() -> None:
    model = DeepSCM("a -> b", pixel_sd=0.2)
    from causalrep.representation._images import ImageShape

    recipe = model._make_recipe(ImageShape(3, 16), 2)
    # -log N(x; mu, s^2) + KL, times 2 s^2 / D, is the mean squared error plus this weight times KL.
    assert recipe.rate_weight == pytest.approx(2 * 0.2**2 / (3 * 16 * 16))
    assert (recipe.rate_limit, recipe.architecture.nuisance_dim) == (0.0, 16)
    with pytest.raises(ValueError, match="pixel_sd"):
        DeepSCM("a -> b", pixel_sd=0.0)._make_recipe(ImageShape(3, 16), 2)


# -- DiffAE


def test_labels_are_read_off_the_code_by_ridge_regression() -> None:
    network: Any = fitted("DiffAE").network_
    generator = np.random.default_rng(0)
    codes, labels = generator.normal(size=(200, 64)), generator.normal(size=(200, 4))
    known = np.ones((200, 4), bool)
    known[:50, 1] = False
    other = type(network)(fitted("DiffAE").shape_, _Empty(4), network.architecture)
    other.read_labels(torch.tensor(codes), torch.tensor(labels), torch.tensor(known))
    for node in range(4):
        x, y = codes[known[:, node]], labels[known[:, node], node]
        scale = x.std(0) + 1e-6
        ridge = Ridge(alpha=1e-3 * len(x)).fit((x - x.mean(0)) / scale, y)
        np.testing.assert_allclose(other.encoder.weight[node].detach(), ridge.coef_ / scale, atol=1e-5)


class _Empty:
    """A graph without edges, by index."""

    def __init__(self, n: int) -> None:
        self.parents, self.order = ((),) * n, tuple(range(n))

    def __len__(self) -> int:
        return len(self.parents)


def test_an_edit_moves_the_code_along_one_direction_by_what_was_asked() -> None:
    model: Any = fitted("DiffAE")
    network = model.network_
    code = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        read = network.encoder(code)
        parents = {node: read[:, i, None].clone() for i, node in enumerate(model.graph_.nodes)}
        mechanism = model._image_mechanism(())
        torch.testing.assert_close(mechanism._condition(parents, code).code, code)
        parents["light"] += 0.7
        moved = mechanism._condition(parents, code).code
    direction = network.encoder.weight[1]
    expected = code + 0.7 * direction / direction.square().sum()
    torch.testing.assert_close(moved, expected.detach())
    torch.testing.assert_close(network.encoder(moved)[:, 1], read[:, 1] + 0.7)


# -- Diff-SCM


def test_the_reader_guides_along_the_gradient_of_its_log_density() -> None:
    model: Any = fitted("classifier")
    network, process = model.network_, model.recipe_.make_process()
    generator = torch.Generator().manual_seed(0)
    x, t = torch.randn(2, 3, 16, 16, generator=generator), torch.full((2,), 500.0)
    labels = torch.randn(2, 4, generator=generator)
    mechanism = model._image_mechanism(((2.0, (False, True, False, True)),))
    guided = mechanism._towards(labels, lambda x, _: torch.zeros_like(x))(x, t)
    step = 1e-2 * guided / guided.norm()

    def density(at: torch.Tensor) -> float:
        with torch.no_grad():
            return float(network.reader.log_prob(at, process.sigma(t), labels)[:, [1, 3]].sum())

    # Central differences along the answer: minus 2 sigma times the length of the gradient squared.
    slope = (density(x + step) - density(x - step)) / (2 * float(step.norm()))
    length = float(guided.norm()) / (2.0 * float(process.sigma(t)[0]))
    assert slope == pytest.approx(-length, rel=0.02)


def test_new_images_are_guided_towards_their_labels() -> None:
    model: Any = fitted("classifier")
    one, other = (model.sample(2, do={"angle": a}, random_state=0).images for a in (-30.0, 30.0))
    assert not np.array_equal(one, other)  # the noise is the same, the labels are not


def test_diff_scm_encodes_without_the_labels() -> None:
    model: Any = fitted("DiffSCM")
    images = model.network_.standardise(torch.from_numpy(rows()["image"][:2]))
    mechanism = model._image_mechanism(())
    nodes = model.graph_.nodes
    with torch.no_grad():
        for p in model.network_.image.parameters():
            p.add_(0.0)
        one = mechanism.abduct({node: torch.zeros(2, 1) for node in nodes}, images)["state"]
        other = mechanism.abduct({node: torch.ones(2, 1) for node in nodes}, images)["state"]
    assert torch.equal(one, other)
    assert model._guidance_terms(_guidance(2.0), [1]) == ((2.0, (True,) * 4), (-1.0, (False,) * 4))
    assert model._guidance_terms(_guidance(2.0), []) == ((1.0, (False,) * 4),)


def _guidance(value: float) -> Any:
    from causalrep.representation._guidance import Guidance

    return Guidance.read(value)


# -- dynamic abduction


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_tokens_make_the_guided_decode_undo_the_encode() -> None:
    s = WORLD.sample(400, random_state=2)
    model = SemanticDiffusion(
        WORLD.graph_of_labels, abduction="dynamic", guidance=3.0, token_iterations=50, solver_steps=10,
        max_steps=300, random_state=0,
    ).fit(s["image"], s.frame)  # fmt: skip
    images = s["image"][:4]
    state = model.abduct(images)
    without = {key: value for key, value in state.noise["image"].items() if key != "tokens"}
    bare = replace(state, noise={**state.noise, "image": without})
    kept, lost = (np.abs(model.predict_images(x) - images).mean() for x in (state, bare))
    plain = np.abs(model.predict_images(bare, guidance=1.0) - images).mean()
    # Guidance spoils the reconstruction (measured: 9.0 grey levels become 16.9), the tokens mend it (9.3).
    assert lost > 1.3 * plain
    assert kept - plain < 0.3 * (lost - plain)


# -- hierarchical VAE


def ladder(**options: Any) -> LadderVAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = LadderVAE(1, 16, n_nodes=2, slot_dim=1, widths=(8, 16), fold=2, latent_dim=3, **options)
        with torch.no_grad():
            for p in network.parameters():
                p.add_(0.05 * torch.randn(p.shape))
    return network


@pytest.mark.parametrize("blocks", [1, 2])
def test_the_rate_of_a_ladder_is_the_sum_of_divergences(blocks: int, monkeypatch: Any) -> None:
    network = ladder(blocks=blocks)
    laws: list[tuple[torch.Tensor, torch.Tensor]] = []
    from causalrep.representation.modules import _ladder

    def spy(out: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        laws.append(law(out))
        return laws[-1]

    law = _ladder._law
    monkeypatch.setattr(_ladder, "_law", spy)
    x = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        inferred = network.infer(x)
    total = torch.zeros(3)
    for posterior, prior in zip(laws[::2], laws[1::2], strict=True):
        normals = (torch.distributions.Normal(mean, sd.exp()) for mean, sd in (posterior, prior))
        total += torch.distributions.kl_divergence(*normals).flatten(1).sum(1)
    assert len(laws) == 4 * blocks
    torch.testing.assert_close(inferred.rate, total)
    assert [tuple(z.shape[1:]) for z in inferred.latents] == [(3, 4, 4)] * blocks + [(3, 8, 8)] * blocks


def test_every_latent_and_every_slot_reaches_the_drawing() -> None:
    network = ladder()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        latents = network.sample(2, lambda shape: torch.randn(shape, generator=generator))
        slots = torch.randn(2, 2, 1, generator=generator)
        base = network.draw(latents, Condition.full(slots, slots[:, 0, :0]))
        for i in range(len(latents)):
            moved = [z + (j == i) for j, z in enumerate(latents)]
            assert not torch.allclose(network.draw(moved, Condition.full(slots, slots[:, 0, :0])), base)
        for i in range(2):
            other = slots.clone()
            other[:, i] += 1
            assert not torch.allclose(network.draw(latents, Condition.full(other, slots[:, 0, :0])), base)


def test_tuning_intervenes_along_the_graph() -> None:
    model: Any = fitted("HierarchicalVAE")
    tuning = CounterfactualTuning(model.network_, soft=True)
    with torch.no_grad():
        slots = torch.randn(200, 4, 1, generator=torch.Generator().manual_seed(0))
        after, touched = tuning.intervened(slots, torch.Generator().manual_seed(1))
        noise, again = model.network_.layer.inverse(slots), model.network_.layer.inverse(after)
    descendants = {frozenset({0, 2, 3}), frozenset({1, 2, 3}), frozenset({2}), frozenset({3})}
    assert {frozenset(np.flatnonzero(row).tolist()) for row in touched.numpy()} == descendants
    assert torch.equal(after[touched == 0], slots[touched == 0])  # bit for bit
    # All but the target keep their noise: for rows that set a root, both leaves follow.
    of_root = touched[:, 0] > 0
    torch.testing.assert_close(again[of_root][:, 1:], noise[of_root][:, 1:], rtol=1e-4, atol=1e-5)


def test_the_multiplier_grows_while_the_bound_is_violated() -> None:
    model: Any = fitted("HierarchicalVAE")
    tuning = CounterfactualTuning(model.network_, soft=True)
    generator = torch.Generator().manual_seed(0)
    batch = {
        "images": torch.rand(4, 3, 16, 16, generator=generator),
        "slots": torch.randn(4, 4, 1, generator=generator),
        "labels": torch.randn(4, 4, generator=generator),
        "known": torch.ones(4, 4),
    }
    for limit, sign in ((-100.0, -1.0), (100.0, 1.0)):  # violated, and not
        tuning.limit.fill_(limit)
        tuning.multiplier.grad = None
        sum(tuning(batch, torch.Generator().manual_seed(0)).values()).backward()
        assert tuning.multiplier.grad is not None
        assert float(tuning.multiplier.grad.sign()) == sign  # descent moves the other way


def test_soft_targets_ask_for_nothing_where_the_encoder_errs() -> None:
    """Where an intervention does not reach: the encoder's own reading, or the label that it misses."""
    model: Any = fitted("HierarchicalVAE")
    network = model.network_
    images = torch.from_numpy(rows()["image"][:8])
    with torch.no_grad():
        read = network.slots(network.standardise(images))
    labels = read[..., 0] + 3.0  # labels that the encoder reads wrongly
    batch = {"images": images, "slots": read, "labels": labels, "known": torch.ones(8, 4)}
    with torch.no_grad():
        soft, hard = (
            float(
                CounterfactualTuning(network, soft=s)(batch, torch.Generator().manual_seed(0))[
                    "effectiveness"
                ]
            )
            for s in (True, False)
        )
    assert hard > soft + 1.0


def test_the_evidence_bound_is_that_of_gaussians() -> None:
    model: Any = fitted("HierarchicalVAE")
    network = model.network_
    batch = {
        "images": torch.from_numpy(rows()["image"][:5]),
        "slots": torch.randn(5, 4, 1, generator=torch.Generator().manual_seed(0)),
    }
    with torch.no_grad():
        terms, latents, residual = LadderObjective(network).bound(batch, torch.Generator().manual_seed(0))
        scale = network.image.scale().expand_as(residual)
        density = torch.distributions.Normal(0.0, scale).log_prob(residual)
    expected = -density.mean() - 0.5 * np.log(2 * np.pi)
    torch.testing.assert_close(terms["reconstruction"], expected)
    assert len(latents) == 2
