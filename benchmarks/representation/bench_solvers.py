"""What the solvers of the probability-flow ODE cost in accuracy, with a denoiser in closed form.

Pictures are 12-pixel Pendulums with a bob of unlabelled hue and pixel noise; the intervention turns the
pendulum. The network is replaced by the best there is for a mixture around 256 known pictures: every error
is the solver's, or belongs to the way in which noise and condition are coupled; none is the training's.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from causalrep.datasets import pendulum
from causalrep.representation.solvers import (
    DDIM,
    OBELM,
    ExactDenoiser,
    Heun,
    Process,
    RectifiedFlow,
    Solver,
    VariancePreserving,
)

RESULTS = Path(__file__).resolve().parents[1] / "results" / "solvers.md"
PROCESSES: dict[str, Process] = {
    "DDPM, epsilon": VariancePreserving(),
    "flow, time": RectifiedFlow(),
    "flow, ratio": RectifiedFlow(coordinates="ratio"),
}
KINDS = (DDIM, Heun, OBELM)
KNOWN, WIDTH, BANDWIDTH = 256, 0.08, 6.0


@dataclass(frozen=True)
class Scene:
    """Pictures, their true counterfactuals, and a denoiser."""

    exact: ExactDenoiser
    images: Tensor
    truth: Tensor
    factual: Tensor
    changed: Tensor


@dataclass(frozen=True)
class Row:
    """One line of the table; errors in grey levels."""

    process: str
    solver: str
    steps: int
    calls: int
    round_trip: float
    counterfactual: float
    standard_error: float
    carried_over: float
    fresh: float
    noise_deviation: float


def make_scene(n: int, *, held_out: bool) -> Scene:
    """Draw `n` of the known pictures, or `n` others, and their true counterfactuals."""
    rng = np.random.default_rng(0)
    world, drawing = pendulum(size=12, nuisance=False), pendulum(size=12, nuisance=True)
    total = KNOWN + n if held_out else KNOWN
    samples, hue = world.sample(total, random_state=0), rng.uniform(size=total)
    rows = np.arange(KNOWN, total) if held_out else np.arange(n)
    angles = rng.uniform(-40, 44, n)
    turned = world.counterfactual(samples.take(rows), do={"angle": angles})
    pixels = WIDTH * torch.from_numpy(rng.standard_normal((n, 3, 12, 12)))

    def draw(values: Any, hues: Any) -> Tensor:
        picture = drawing.render(values, {"background": 1.0, "hue": hues})
        return 2 * torch.from_numpy(picture).double() - 1

    def labels(values: Any) -> Tensor:
        return torch.from_numpy(np.stack([values["angle"], values["light"]], axis=1))

    pictures, conditions = draw(samples, hue), labels(samples)
    return Scene(
        ExactDenoiser(pictures[:KNOWN], conditions[:KNOWN], bandwidth=BANDWIDTH, width=WIDTH),
        images=pictures[rows] + pixels,
        truth=draw(turned, hue[rows]) + pixels,
        factual=conditions[rows],
        changed=labels(turned),
    )


def measure(scene: Scene, name: str, solver: Solver) -> Row:
    process, calls = PROCESSES[name], 0
    before, after = scene.exact.given(process, scene.factual), scene.exact.given(process, scene.changed)

    def counted(x: Tensor, t: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return before(x, t)

    noise = solver.encode(process, counted, scene.images)
    back = solver.decode(process, counted, noise)
    answer = solver.decode(process, after, noise)
    draw = torch.randn(scene.images.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    last = torch.tensor(process.last_time, dtype=torch.float64)
    start = solver.start(process, after, process.add_noise(scene.images, draw, last))

    def error(picture: Tensor, truth: Tensor) -> Tensor:
        return (picture - truth).abs().flatten(1).mean(1) * 127.5

    errors = error(answer, scene.truth)
    return Row(
        process=name,
        solver=type(solver).__name__,
        steps=solver.steps,
        calls=calls,
        round_trip=float(error(back, scene.images).mean()),
        counterfactual=float(errors.mean()),
        standard_error=float(errors.std() / len(errors) ** 0.5),
        carried_over=float(error(answer + scene.images - back, scene.truth).mean()),
        fresh=float(error(solver.decode(process, after, start), scene.truth).mean()),
        noise_deviation=float(noise[:, -1].std()),
    )


def table(rows: list[Row]) -> str:
    lines = [
        "| process | solver | steps | calls | round trip | counterfactual | with carry-over | fresh noise "
        "| sd of noise |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.process} | {row.solver} | {row.steps} | {row.calls} | {row.round_trip:.2f} "
        f"| {row.counterfactual:.2f} ± {row.standard_error:.2f} | {row.carried_over:.2f} | {row.fresh:.2f} "
        f"| {row.noise_deviation:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def report(known: list[Row], others: list[Row], copy: tuple[float, float], n: int, hardware: str) -> str:
    return f"""# Solvers with a denoiser in closed form

{dt.date.today().isoformat()}, {hardware}. Made by
`python benchmarks/representation/bench_solvers.py --save`.

{__doc__.split(chr(10), 2)[2].strip()}

Mean absolute errors in grey levels (of 255) over {n} pictures, ± the standard error over pictures. *Calls* of
the network, to encode and decode once. *Round trip*: decoded under the factual condition. *Counterfactual*:
decoded under the changed one, against the true counterfactual. *With carry-over*: the same for
x + decode(changed) - decode(factual). *Fresh noise*: decoded from the noised picture instead of its abducted
noise. *Sd of noise*: 1 if the noise were what the process promises.

## Pictures that the denoiser knows

Copying the factual picture costs {copy[0]:.2f}: few pixels change, and copying keeps the pixel noise exactly.

{table(known)}

## Pictures that it does not know

This denoiser knows a width of {WIDTH} around its pictures and nothing beyond: off them the ODE is stiff, more
so than with a trained network. Copying the factual picture costs {copy[1]:.2f}.

{table(others)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/solvers.md")
    parser.add_argument("--hardware", default=f"{platform.machine()} {platform.system()}")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    n, budgets = (
        (max(64, arguments.images), (10, 20, 50, 100)) if arguments.save else (arguments.images, (20, 50))
    )
    scenes = [make_scene(n, held_out=held_out) for held_out in (False, True)]
    known = [measure(scenes[0], name, kind(s)) for name in PROCESSES for kind in KINDS for s in budgets]
    others = [measure(scenes[1], name, kind(s)) for name in PROCESSES for kind in KINDS for s in (20, 50)]
    if arguments.save:
        copy = tuple(float((s.images - s.truth).abs().mean() * 127.5) for s in scenes)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(report(known, others, (copy[0], copy[1]), n, arguments.hardware), encoding="utf-8")
    if arguments.json:
        print(
            json.dumps({"known": [asdict(r) for r in known], "others": [asdict(r) for r in others]}, indent=2)
        )
        return
    print(
        f"pictures that the denoiser knows\n{table(known)}\n\npictures that it does not know\n{table(others)}"
    )


if __name__ == "__main__":
    main()
