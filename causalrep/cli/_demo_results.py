"""What a demo leaves behind: tables, a picture, and one page."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from causalrep.cli._report import Figure, Page, render_page
from causalrep.utils import atomic_path, write_text

if TYPE_CHECKING:
    from causalrep.graphs import DAG, PAG, PDAG
    from causalrep.metrics import CounterfactualReport

__all__ = ["OURS", "DemoResults", "Discovery", "Plan"]

OURS = "CausalDiffAE"


@dataclass(frozen=True)
class Plan:
    """Sizes of a demo; all models get the same number of steps."""

    size: int
    n_train: int
    steps: int
    n_images: int
    seed: int = 0


@dataclass(frozen=True)
class Discovery:
    """What PC discovered with one test.

    Attributes
    ----------
    test : str
        What the test is called.
    graph : PDAG or PAG
        What was found.
    distance : int
        Structural Hamming distance from what observation can tell of the true graph.
    verdict : str
        The same in words.
    dag : DAG or None
        The graph, where no direction is left open and no evidence contradicts it.
    """

    test: str
    graph: PDAG | PAG
    distance: int
    verdict: str
    dag: DAG | None


@dataclass(frozen=True)
class DemoResults:
    """All results of a demo, ready to be written. The models are built on `graph`."""

    plan: Plan
    truth: DAG
    discoveries: Sequence[Discovery]
    graph: DAG
    graph_note: str
    models: dict[str, Any]
    report: CounterfactualReport
    leak: dict[str, dict[str, float]]
    seconds: float

    def write(self, out: Path) -> str:
        """Write ``scores.json``, ``scores.csv``, ``demo.png`` and ``report.html``; return what was done."""
        from causalrep.plotting import plot_counterfactual_grid, to_png

        write_text(out / "scores.json", json.dumps(self._scores(), indent=1, allow_nan=False))
        write_text(out / "scores.csv", self.report.table().to_csv(index=False))
        n = len(self.report.nodes)
        # examples come image by image: the first node of the first image, the second of the second, ...
        rows = [self.report.examples[i * n + i] for i in range(min(n, len(self.report.examples) // n))]
        picture = to_png(
            lambda ax: plot_counterfactual_grid(rows, [OURS], ax=ax), size=(6.8, 1.15 * len(rows) + 0.3)
        )
        with atomic_path(out / "demo.png") as temporary:
            temporary.write_bytes(picture)
        write_text(out / "report.html", render_page(self._page()))
        return f"      {out / 'report.html'}, demo.png, scores.csv, scores.json\n      {self._resources()}"

    def _scores(self) -> dict[str, Any]:
        return {
            **self._facts(),
            "settings": asdict(self.plan),
            "graph": {
                "true": self.truth.to_string(),
                "discovered": {
                    found.test: {"graph": found.graph.to_string(), "shd": found.distance}
                    for found in self.discoveries
                },
                "models": self.graph.to_string(),
            },
            "leak": self.leak,
            "report": self.report.to_dict(),
        }

    def _page(self) -> Page:
        from causalrep.plotting import plot_graph, plot_losses, to_svg

        truth = self.truth.to_cpdag()
        graphs: dict[str, Any] = {"true graph": self.truth}
        for found in self.discoveries:
            graphs[f"PC with {found.test}, against what observation can tell of the true graph"] = found.graph

        def drawn(title: str) -> Figure:
            against = None if graphs[title] is self.truth else truth
            svg = to_svg(
                lambda ax: plot_graph(graphs[title], truth=against, ax=ax), title=title, size=(4.5, 2.8)
            )
            return Figure(svg, title)

        def losses(name: str) -> Figure:
            log = self.models[name].training_log_
            return Figure(to_svg(lambda ax: plot_losses(log, ax=ax), title=f"losses of {name}"), name)

        return Page(
            title="Counterfactual images of the Pendulum",
            lead="What would this picture have looked like, had the light stood elsewhere? The world that "
            "drew the pictures knows the answer, so the answers of the models can be scored.",
            report=self.report,
            shown=list(self.models),
            highlights=self._highlights(),
            graphs=[drawn(title) for title in graphs],
            graph_note=self.graph_note,
            losses=[losses(name) for name in self.models],
            facts=self._facts(),
            notes=_NOTES,
        )

    def _highlights(self) -> dict[str, str]:
        wanted = (
            ("mean of roots", "ratio to copying", "whole", "of the error of copying, angle or light set"),
            ("mean of leaves", "ratio to copying", "changed", "of it in the changed region, a shadow set"),
            ("mean of all", "error", "unchanged", "grey levels of drift where nothing should change"),
            ("", "reconstruction", "whole", "grey levels of error without an intervention"),
        )
        return {
            label: f"{self.report.score(OURS, node, metric, region=region).estimate:.2f}"
            for node, metric, region, label in wanted
        }

    def _facts(self) -> dict[str, str]:
        import torch

        import causalrep

        training = {
            f"training of {name}": f"{training_seconds(model.training_log_.rows):.0f} s, "
            f"{sum(p.numel() for p in model.network_.parameters()):,} parameters"
            for name, model in self.models.items()
        }
        leaks = {
            f"labels in the nuisance code of {name} (R2)": ", ".join(f"{k} {v:.2f}" for k, v in leak.items())
            for name, leak in self.leak.items()
        }
        plan = self.plan
        return {
            "made": datetime.now().astimezone().isoformat(timespec="minutes"),
            "software": f"causalrep {causalrep.__version__}, torch {torch.__version__}, "
            f"Python {platform.python_version()}",
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
            f"device {self.models[OURS].network_.image_mean.device.type}",
            "data": f"{plan.n_train} images for training, {plan.size} x {plan.size} pixels, seed {plan.seed}",
            **training,
            **leaks,
        }

    def _resources(self) -> str:
        minutes, seconds = divmod(round(self.seconds), 60)
        memory = peak_memory()
        return f"{minutes} min {seconds:02d} s" + ("" if memory is None else f", peak memory {memory:.1f} GB")


_NOTES = (
    "Copying the factual image is the answer of a model that does nothing: a ratio of 1 is worthless, 0 is "
    "perfect. Angle and light are causes: setting one moves the shadow too. Length and position are effects: "
    "setting one moves nothing else and changes few pixels, so over the whole image copying is hard to beat, "
    "and the changed region together with the absolute error elsewhere tells more.",
    "The regression decoder draws the image from labels and nuisance code in one pass, without diffusion. In "
    "this world everything that no label tells fits into a few numbers, so it is a strong baseline.",
    "Labels are read from the pictures by inverting the renderer, not by a trained network. In some pictures "
    "a part of the shadow is out of the frame; there length and position cannot be read, by anyone.",
)


def training_seconds(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the time of a training from its log, whose clock starts anew with each part of it."""
    times = [float(row["seconds"]) for row in rows]
    ends = [now for now, later in zip(times, [*times[1:], 0.0], strict=True) if later < now]
    return sum(ends)


def peak_memory() -> float | None:
    """Return the largest memory of this process in GB, where the system tells."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if platform.system() == "Darwin" else 1e6)
