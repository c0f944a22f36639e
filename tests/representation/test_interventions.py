"""Interventions that set, move, follow rules and follow one another; guidance; draws of the abduction."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from causalrep.datasets import pendulum
from causalrep.representation import CausalDiffAE
from causalrep.representation._guidance import Guidance
from causalrep.scm import SCM
from causalrep.utils import CycleError, DataError, UnknownNameError

NODES = ["angle", "light", "length", "position"]


def test_an_abduction_serves_many_interventions(trained: Any) -> None:
    images = trained.held_out["image"][:4]
    state = trained.model.abduct(images)
    for do in ({}, {"light": 120.0}, {"angle": 10.0, "length": 4.0}):
        once, anew = trained.model.counterfactual(state, do), trained.model.counterfactual(images, do)
        np.testing.assert_array_equal(once.images, anew.images)
        pd.testing.assert_frame_equal(once.labels, anew.labels, check_exact=True)
        pd.testing.assert_frame_equal(once.factual_labels, anew.factual_labels, check_exact=True)
    with pytest.raises(TypeError, match="`n_draws` abducts anew"):
        trained.model.counterfactual(state, n_draws=2)


# -- soft, joint, sequential


def test_a_shift_moves_the_node_and_reaches_its_descendants(trained: Any) -> None:
    images = trained.held_out["image"][:4]
    moved = trained.model.counterfactual(images, shift={"light": 5.0})
    factual = moved.factual_labels
    np.testing.assert_allclose(moved.labels["light"], factual["light"] + 5.0, atol=1e-3)
    same = trained.model.counterfactual(images, do={"light": factual["light"].to_numpy() + 5.0})
    pd.testing.assert_frame_equal(moved.labels, same.labels, atol=1e-3)
    np.testing.assert_allclose(moved.images, same.images, atol=2e-3)


def test_a_shifted_child_follows_its_parents_and_is_then_moved(trained: Any) -> None:
    # Not the same as adding to the factual value: the parent moves it too.
    images = trained.held_out["image"][:4]
    one = trained.model.counterfactual(images, do={"light": 120.0}).labels
    both = trained.model.counterfactual(images, do={"light": 120.0}, shift={"length": 2.0}).labels
    np.testing.assert_allclose(both["length"], one["length"] + 2.0, atol=1e-3)
    np.testing.assert_allclose(both["position"], one["position"], atol=1e-4)


def test_a_rule_reads_counterfactual_values(trained: Any) -> None:
    images = trained.held_out["image"][:4]
    rules = {"angle": 20.0, "length": lambda angle: 3.0 + angle / 10.0}
    answer = trained.model.counterfactual(images, do=rules).labels
    np.testing.assert_allclose(answer["length"], 5.0, atol=1e-3)


def test_a_rule_that_returns_the_factual_value_is_the_null_intervention_for_its_node(trained: Any) -> None:
    images = trained.held_out["image"][:4]
    kept = trained.model.predict(images)["length"].to_numpy()
    answer = trained.model.counterfactual(images, do={"length": lambda angle: kept + 0 * angle})
    np.testing.assert_allclose(answer.labels["length"], kept, rtol=1e-6)


@pytest.mark.parametrize(
    ("do", "error", "says"),
    [
        ({"angle": lambda length: length}, CycleError, "angle -> length"),
        ({"angle": lambda angle: angle}, CycleError, "angle"),
        ({"length": lambda lamp: lamp}, UnknownNameError, "rule in `do`"),
        ({"length": lambda: 3.0}, DataError, "at least one node"),
        ({"size": lambda angle: angle}, UnknownNameError, "`do`"),
        ("light=3", TypeError, "sequence of such mappings"),
    ],
)
def test_bad_rules_are_refused_before_the_work(
    trained: Any, monkeypatch: pytest.MonkeyPatch, do: Any, error: type[Exception], says: str
) -> None:
    monkeypatch.setattr(CausalDiffAE, "abduct", lambda *_: pytest.fail("work began"))
    with pytest.raises(error, match=says):
        trained.model.counterfactual(trained.held_out["image"][:2], do=do)


def test_a_node_is_not_set_and_shifted_at_once(trained: Any) -> None:
    with pytest.raises(DataError, match="both in `do` and in `shift`"):
        trained.model.counterfactual(trained.held_out["image"][:2], do={"light": 100.0}, shift={"light": 1.0})
    with pytest.raises(UnknownNameError, match="`shift`"):
        trained.model.counterfactual(trained.held_out["image"][:2], shift={"lamp": 1.0})


def test_several_nodes_at_once_are_all_set_and_mechanisms_cut(trained: Any) -> None:
    answer = trained.model.counterfactual(trained.held_out["image"][:4], do={"light": 120.0, "length": 6.0})
    np.testing.assert_allclose(answer.labels["length"], 6.0, atol=1e-4)
    alone = trained.model.counterfactual(trained.held_out["image"][:4], do={"light": 120.0})
    np.testing.assert_allclose(answer.labels["position"], alone.labels["position"], rtol=1e-6)


def test_what_is_done_in_turn_is_found_by_what_follows(trained: Any) -> None:
    """The model of the labels, asked by hand: abduct again after each step, keep the noise of the rest."""
    model, images = trained.model, trained.held_out["image"][:5]
    steps = [{"length": 6.0}, {"angle": 20.0}]
    turn = model.counterfactual(images, do=steps).labels
    once = model.counterfactual(images, do={"length": 6.0, "angle": 20.0}).labels
    np.testing.assert_allclose(once["length"], 6.0, atol=1e-4)  # at once: length stays where it is set
    slots = model.abduct(images).slots.clone()
    names = list(model.graph_.nodes)
    network, layer = model.network_, model.network_.layer
    slots[:, names.index("length")] = network.standardise_labels_of(
        names.index("length"), torch.full((5, 1), 6.0)
    ).float()
    noise = layer.inverse(slots)
    noise[:, names.index("angle")] = network.standardise_labels_of(
        names.index("angle"), torch.full((5, 1), 20.0)
    ).float()
    expected = network.labels_of(layer(noise)).detach().numpy()
    np.testing.assert_allclose(turn[names], expected, rtol=1e-4, atol=1e-3)
    assert (np.abs(turn["length"] - 6.0) > 1e-3).all()  # in turn: the new angle moves it on


def test_intervene_is_one_step_of_a_sequence(trained: Any) -> None:
    model, images = trained.model, trained.held_out["image"][:4]
    state = model.intervene(model.abduct(images), do={"length": 6.0})
    by_hand = model.predict_images(state, do={"angle": 20.0})
    np.testing.assert_array_equal(
        by_hand, model.counterfactual(images, [{"length": 6.0}, {"angle": 20.0}]).images
    )
    # nothing further: the picture of the first step
    np.testing.assert_array_equal(
        model.predict_images(state), model.counterfactual(images, do={"length": 6.0}).images
    )


def test_repeating_an_intervention_changes_nothing(trained: Any) -> None:
    images = trained.held_out["image"][:4]
    once = trained.model.counterfactual(images, do={"light": 120.0})
    twice = trained.model.counterfactual(images, do=[{"light": 120.0}, {"light": 120.0}])
    np.testing.assert_allclose(twice.labels, once.labels, rtol=1e-5)


# -- guidance


@pytest.mark.parametrize(
    ("value", "affected", "terms"),
    [
        (1.0, {0}, {(True, True, True): 1.0}),
        (2.0, {0}, {(True, True, True): 2.0, (False, False, False): -1.0}),
        (0.0, {0}, {(False, False, False): 1.0}),
        (
            {"affected": 2.0},
            {0},
            {(True, True, True): 1.0, (True, False, False): 1.0, (False, False, False): -1.0},
        ),
        ({"affected": 2.0}, set(), {(True, True, True): 1.0}),
        ({"affected": 3.0}, {0, 1, 2}, {(True, True, True): 3.0, (False, False, False): -2.0}),
        ({"affected": 2.0, "invariant": 2.0}, set(), {(True, True, True): 2.0, (False, False, False): -1.0}),
    ],
)
def test_terms_of_guidance(value: Any, affected: set[int], terms: dict[tuple[bool, ...], float]) -> None:
    found = {shown: weight for weight, shown in Guidance.read(value).terms(3, affected)}
    assert found == terms
    assert sum(found.values()) == pytest.approx(1.0)  # a prediction is never scaled as a whole


def test_decoupled_guidance_is_the_published_one_where_groups_add_up() -> None:
    null, effects = 0.7, np.array([0.3, -1.1, 0.4])

    def network(shown: tuple[bool, ...]) -> float:
        return null + float(effects[list(shown)].sum())

    weights = Guidance.read({"affected": 2.5, "invariant": 1.2})
    ours = sum(w * network(shown) for w, shown in weights.terms(3, {1}))
    assert ours == pytest.approx(null + 2.5 * effects[1] + 1.2 * (effects[0] + effects[2]))


@pytest.mark.parametrize(
    ("value", "error"), [({"effected": 2.0}, UnknownNameError), ("much", TypeError), (np.inf, ValueError)]
)
def test_bad_guidance_is_refused(trained: Any, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="guidance"):
        trained.model.counterfactual(trained.held_out["image"][:2], do={"light": 120.0}, guidance=value)
    with pytest.raises(ValueError, match="slot_dropout"):
        trained.model.counterfactual(trained.held_out["image"][:2], guidance={"affected": 2.0})


@pytest.fixture(scope="module")
def guided() -> Any:
    world = pendulum(size=16)
    s = world.sample(400, random_state=0)
    return CausalDiffAE(
        world.graph_of_labels, max_steps=60, condition_dropout=0.1, slot_dropout=0.2, random_state=0
    ).fit(s["image"], s.frame)


def test_decoupled_guidance_leaves_the_null_intervention_alone(guided: Any, trained: Any) -> None:
    images = trained.held_out["image"][:4]
    null = guided.counterfactual(images, do={}).images
    np.testing.assert_array_equal(guided.counterfactual(images, guidance={"affected": 3.0}).images, null)
    global_null = guided.counterfactual(images, guidance=3.0).images
    assert np.abs(global_null - null).max() > 0.01  # the global one exaggerates what nobody touched


def test_decoupled_guidance_is_a_sum_of_network_calls(guided: Any) -> None:
    """The fused batch against one call after the other, with the condition not prepared."""
    from causalrep.representation.modules import Condition

    generator = torch.Generator().manual_seed(0)
    slots, code = torch.randn(3, 4, 1, generator=generator), torch.randn(3, 4, generator=generator)
    x, t = torch.randn(3, 3, 16, 16, generator=generator), torch.full((3,), 0.4)
    terms = Guidance.read({"affected": 2.0, "invariant": 0.5}).terms(4, {1, 3})
    mechanism = guided._image_mechanism(terms)
    condition = Condition.full(slots, code)
    network, process = guided.network_, guided.recipe_.make_process()
    with torch.no_grad():
        fused = mechanism._denoise(condition, terms)(x, t)
        single = sum(
            w * network.predict(x, process.network_time(t), condition.showing(shown)) for w, shown in terms
        )
    torch.testing.assert_close(fused, single, rtol=1e-4, atol=1e-5)


# -- uncertainty


def test_draws_spread_where_the_intervention_acts(trained: Any) -> None:
    images = trained.held_out["image"][:3]
    answer = trained.model.counterfactual(images, do={"light": 120.0}, n_draws=4, random_state=0)
    assert answer.draws.images.shape == (4, 3, 3, 16, 16)
    by_hand = np.sqrt(np.var(answer.draws.images, axis=0, ddof=1).mean(axis=1))
    np.testing.assert_allclose(answer.uncertainty, by_hand, rtol=1e-4, atol=1e-6)
    assert answer.uncertainty.mean() > 0
    again = trained.model.counterfactual(images, do={"light": 120.0}, n_draws=4, random_state=0)
    np.testing.assert_array_equal(again.uncertainty, answer.uncertainty)
    # Under the null intervention every draw explains the image that was given: no uncertainty is left.
    null = trained.model.counterfactual(images, n_draws=2, random_state=0)
    assert null.uncertainty.max() < 1e-2 * answer.uncertainty.max() + 1e-4
    with pytest.raises(ValueError, match="n_draws"):
        trained.model.counterfactual(images, n_draws=1)


def test_drawn_states_have_the_reading_error(trained: Any) -> None:
    images = np.repeat(trained.held_out["image"][:1], 300, axis=0)
    state = trained.model.abduct(images, random_state=0)
    read = trained.model.abduct(images[:1]).slots
    spread = (state.slots - read).square().mean(dim=(0, 2)).sqrt()
    # 300 draws: the relative standard error of a standard deviation is 1 / sqrt(600), 0.04
    torch.testing.assert_close(spread, trained.model.observed_error_, rtol=0.16, atol=0)
    error = trained.model.predict(trained.held_out["image"]) - trained.held_out.frame[NODES]
    scale = trained.model.network_.label_scale.numpy()
    told = trained.model.observed_error_.numpy() * scale
    assert (np.sqrt((error[NODES] ** 2).mean()) < 3 * told).all()


# -- graphs that are found


def test_without_a_graph_the_labels_are_searched() -> None:
    scm = SCM.from_equations("a = N(0, 1); b = N(0, 1); c = a + b + 0.5*N(0, 1)")
    frame = scm.sample(500, random_state=0)
    images = np.random.default_rng(0).random((500, 1, 8, 8), dtype=np.float32)
    model = CausalDiffAE(max_steps=1, batch_size=4, solver_steps=2, random_state=0).fit(images, frame)
    assert set(model.graph_.directed_edges) == {("a", "c"), ("b", "c")}


def test_directions_that_the_labels_leave_open_are_named() -> None:
    frame = SCM.from_equations("a = N(0, 1); b = a + N(0, 1)").sample(500, random_state=0)
    images = np.random.default_rng(0).random((500, 1, 8, 8), dtype=np.float32)
    with pytest.warns(UserWarning, match="do not tell the direction of a -- b; taken as a -> b|b -> a"):
        model = CausalDiffAE(max_steps=1, batch_size=4, solver_steps=2, random_state=0).fit(images, frame)
    assert len(model.graph_.directed_edges) == 1


def test_an_algorithm_for_latent_causes_gives_no_graph() -> None:
    from causalrep.discovery import FCI

    frame = SCM.from_equations("a = N(0, 1); b = a + N(0, 1)").sample(200, random_state=0)
    images = np.random.default_rng(0).random((200, 1, 8, 8), dtype=np.float32)
    with pytest.raises(DataError, match="PAG"):
        CausalDiffAE(FCI(), max_steps=1).fit(images, frame)
