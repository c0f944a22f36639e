"""``causalrep report``: a trained model against a world whose truth is known, on one HTML page."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from causalrep.cli._report import Figure, Page, render_page
from causalrep.utils import DataError, write_text

__all__ = ["NUISANCES", "run_report"]

NUISANCES: dict[str, Any] = {"none": False, "vary": True, "noise": "noise", "texture": "texture"}

_NOTES = (
    "Copying the factual image is the answer of a model that does nothing: a ratio of 1 is worthless, 0 is "
    "perfect. For a node whose change moves few pixels the ratio over the whole image is hard to lower; the "
    "changed region, and the error in grey levels on the unchanged one, tell more.",
    "Labels are read from the pictures by inverting the renderer, not by a trained network. The row of the "
    "reader is what the truth itself scores.",
    "An interval is over images, for this one training. Another training of the same model would give other "
    "numbers; only several of them say how much.",
)


def run_report(
    folder: Path, world: str, *, nuisance: str, n_images: int, seed: int, out: Path, device: str
) -> None:
    """Score a saved model and write the page.

    Parameters
    ----------
    folder : Path
        The model.
    world : str
        Name in ``causalrep.datasets.WORLDS``.
    nuisance : {"none", "vary", "noise", "texture"}
        Which variant of it.
    n_images : int
        How many images are asked.
    seed : int
        Of images and targets; not one that the training images were drawn with.
    out : Path
        The page.
    device : str
        Where the model is put.

    Raises
    ------
    DataError
        If the model is not one of this world: other labels, or images of another shape.
    """
    from causalrep.datasets import WORLDS
    from causalrep.metrics import counterfactual_report
    from causalrep.representation import load_model

    model = load_model(folder, device=device)
    made = WORLDS[world](size=model.shape_.size, nuisance=NUISANCES[nuisance])
    asked, known = (sorted(map(str, graph.nodes)) for graph in (made.graph_of_labels, model.graph_))
    if asked != known:
        raise DataError(f"{folder} is about {known}, the world {world!r} about {asked}")
    if made.renderer.shape[0] != model.shape_.channels:
        raise DataError(
            f"{folder} takes images of {model.shape_.channels} channel(s), the world {world!r} draws "
            f"{made.renderer.shape[0]}"
        )
    name = type(model).__name__
    report = counterfactual_report(
        {name: model}, made, n_images=n_images, random_state=seed, compositions=(1, 10), progress=True
    )
    print(report)
    write_text(out, render_page(_page(model, name, world, nuisance, made, report)))
    print(out)


def _page(model: Any, name: str, world: str, nuisance: str, made: Any, report: Any) -> Page:
    import torch

    import causalrep
    from causalrep.plotting import plot_graph, plot_losses, to_svg

    truth = made.graph_of_labels

    def drawn(title: str, graph: Any) -> Figure:
        svg = to_svg(lambda ax: plot_graph(graph, truth=truth, ax=ax), title=title, size=(4.5, 2.8))
        return Figure(svg, title)

    same = model.graph_ == truth
    wanted = (
        ("mean of roots", "ratio to copying", "whole", "of the error of copying, a root set"),
        ("mean of leaves", "ratio to copying", "changed", "of it in the changed region, a leaf set"),
        ("mean of all", "error", "unchanged", "grey levels of drift where nothing should change"),
        ("", "reconstruction x10", "whole", "grey levels after ten null interventions"),
    )
    losses = to_svg(lambda ax: plot_losses(model.training_log_, ax=ax), title=f"losses of {name}")
    return Page(
        title=f"{name} on the world {world}",
        lead="What the model answers to interventions on every label, beside what would have been true.",
        report=report,
        shown=[name],
        highlights={
            text: f"{report.score(name, node, metric, region=region).estimate:.2f}"
            for node, metric, region, text in wanted
        },
        graphs=[drawn("the graph of the model", model.graph_)],
        graph_note="It is the causal graph of the world."
        if same
        else "It is not the causal graph of the world.",
        losses=[Figure(losses, "objective of each stage of the training")],
        facts={
            "world": f"{world}, nuisance {nuisance}, {made.renderer.shape[1]} px",
            "images asked": f"{report.n_images}, seed {report.seed}",
            "parameters": f"{sum(p.numel() for p in model.network_.parameters()):,}",
            "feature extractor": report.extractor,
            "software": f"causalrep {causalrep.__version__}, torch {torch.__version__}, "
            f"Python {platform.python_version()}",
        },
        notes=_NOTES,
    )
