from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from causalrep.datasets import pendulum
from causalrep.representation.solvers import ExactDenoiser, RectifiedFlow, VariancePreserving

PROCESSES = {
    "epsilon": VariancePreserving(),
    "v": VariancePreserving(prediction="v"),
    "sample": VariancePreserving(prediction="sample"),
    "flow": RectifiedFlow(),
    "flow in ratio coordinates": RectifiedFlow(coordinates="ratio"),
}


@pytest.fixture(params=PROCESSES.values(), ids=PROCESSES.keys())
def process(request):
    return request.param


@pytest.fixture(params=["epsilon", "flow", "flow in ratio coordinates"])
def path(request):
    """Processes that differ in their paths, not only in what is predicted."""
    return PROCESSES[request.param]


@dataclass(frozen=True)
class Scene:
    """Pictures with their true counterfactuals, and the best denoiser for them."""

    exact: ExactDenoiser
    images: torch.Tensor
    truth: torch.Tensor
    factual: torch.Tensor
    changed: torch.Tensor
    draws: torch.Tensor
    known: dict = field(default_factory=dict)

    def to(self, dtype):
        exact = self.exact
        return Scene(
            ExactDenoiser(
                exact.images.to(dtype), exact.labels.to(dtype), bandwidth=exact.bandwidth, width=exact.width
            ),
            *(getattr(self, name).to(dtype) for name in ("images", "truth", "factual", "changed", "draws")),
        )

    def measure(self, process, solver, *, fresh=False):
        """Errors in grey levels: of the round trip, and to the truth after the condition changed."""
        key = (process, solver, fresh)
        if key not in self.known:
            self.known[key] = self._measure(process, solver, fresh)
        return self.known[key]

    def _measure(self, process, solver, fresh):
        before, after = self.exact.given(process, self.factual), self.exact.given(process, self.changed)
        if fresh:
            end = torch.tensor(process.last_time, dtype=torch.float64)
            noise = solver.start(process, after, process.add_noise(self.images, self.draws, end))
        else:
            noise = solver.encode(process, before, self.images)
        errors = {
            "round trip": solver.decode(process, before, noise) - self.images,
            "counterfactual": solver.decode(process, after, noise) - self.truth,
        }
        return SimpleNamespace(
            **{name.replace(" ", "_"): float(error.abs().mean() * 127.5) for name, error in errors.items()}
        )


@pytest.fixture(scope="session")
def scene():
    """32 Pendulum pictures of 12 pixels with a bob of unlabelled hue, do(angle), among 256 known ones."""
    rng = np.random.default_rng(0)
    world, drawing = pendulum(size=12, nuisance=False), pendulum(size=12, nuisance=True)
    samples = world.sample(256, random_state=0)
    hue = rng.uniform(size=256)
    known = drawing.render(samples, {"background": 1.0, "hue": hue})
    few = samples.take(np.arange(32))
    turned = world.counterfactual(few, do={"angle": rng.uniform(-40, 44, 32)})
    truth = drawing.render(turned, {"background": 1.0, "hue": hue[:32]})

    # Data of the mixture: a known picture plus pixel noise, which is the individual's, so also in the truth.
    width = 0.08
    pixels = width * torch.from_numpy(rng.standard_normal((32, 3, 12, 12)))

    def signed(array):
        return 2 * torch.from_numpy(array).double() - 1

    def labels(values):
        return torch.from_numpy(np.stack([values["angle"], values["light"]], axis=1))

    return Scene(
        exact=ExactDenoiser(signed(known), labels(samples), bandwidth=6.0, width=width),
        images=signed(known[:32]) + pixels,
        truth=signed(truth) + pixels,
        factual=labels(few),
        changed=labels(turned),
        draws=torch.from_numpy(rng.standard_normal((32, 3, 12, 12))),
    )
