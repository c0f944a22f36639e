"""One small trained model, shared by the tests that need weights which mean something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from causalrep.datasets import pendulum
from causalrep.representation import CausalDiffAE
from causalrep.scm import Samples


@dataclass(frozen=True)
class Trained:
    """A world, a model of it after some 15 CPU-seconds, and images it has not seen."""

    world: Any
    model: CausalDiffAE
    held_out: Samples


@pytest.fixture(scope="session")
def trained() -> Trained:
    world = pendulum(size=16)
    seen = world.sample(2000, random_state=0)
    model = CausalDiffAE(graph=world.graph_of_labels, max_steps=300, random_state=0)
    return Trained(world, model.fit(seen["image"], seen.frame), world.sample(64, random_state=1))
