"""Laws that hold for every world, with and without nuisance of high dimension."""

import numpy as np
import pytest

from causalrep.datasets import WORLDS

NUISANCES = (True, "noise", "texture")


@pytest.mark.parametrize("nuisance", NUISANCES)
@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_setting_labels_to_what_they_are_gives_the_identical_picture(kind, nuisance):
    world = WORLDS[kind](size=16, nuisance=nuisance)
    s = world.sample(6, random_state=0)
    for node in world.graph_of_labels.nodes:
        same = world.counterfactual(s, {node: s.frame[node].to_numpy()})
        np.testing.assert_array_equal(same["image"], s["image"])


@pytest.mark.parametrize("nuisance", NUISANCES)
@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_an_intervention_changes_the_node_its_descendants_and_the_picture_only(kind, nuisance):
    world = WORLDS[kind](size=16, nuisance=nuisance)
    s = world.sample(6, random_state=0)
    graph = world.graph_of_labels
    for node in graph.nodes:
        target = world.intervention_values(s, node, random_state=1)
        after = world.counterfactual(s, {node: target})
        np.testing.assert_array_equal(after.frame[node], target)
        for other in set(graph.nodes) - {node} - set(graph.descendants(node)):
            np.testing.assert_array_equal(after.frame[other], s.frame[other])
        assert (after["image"] != s["image"]).any()


@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_the_same_seed_gives_the_same_bytes_and_interventions_share_the_noise(kind):
    world = WORLDS[kind](size=16, nuisance="texture")
    one, two = (world.sample(4, random_state=3) for _ in range(2))
    assert one["image"].tobytes() == two["image"].tobytes()
    node = world.graph_of_labels.nodes[-1]
    there = world.counterfactual(one, {node: world.intervention_values(one, node, random_state=4)})
    back = world.counterfactual(there, {node: one.frame[node].to_numpy()})
    np.testing.assert_allclose(back["image"], one["image"], atol=1e-5)
