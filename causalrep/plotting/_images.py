"""Pictures of counterfactual images and of trainings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causalrep.utils import DataError, UnknownNameError, optional_import

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from causalrep.metrics import CounterfactualExample

__all__ = ["counterfactual_panels", "plot_counterfactual_grid", "plot_losses"]


def counterfactual_panels(
    example: CounterfactualExample, models: Sequence[str] | None = None, *, gain: float = 4.0
) -> dict[str, NDArray[np.float64]]:
    """Return the pictures that tell the story of one intervention, by their titles.

    Parameters
    ----------
    example : CounterfactualExample
        One of ``counterfactual_report(...).examples``.
    models : sequence of str, optional
        Whose predictions to show; reconstruction and difference are those of the first. Default the
        first model of the example.
    gain : float, default=4.0
        By how much the difference is amplified: at 4, an error of a quarter of the range is black.

    Returns
    -------
    dict of str to ndarray of shape (n_channels, height, width)
        Images in [0, 1]: ``factual``, ``reconstruction``, one per model, and, where the truth is known,
        ``truth`` and ``difference``, white where prediction and truth agree.

    Raises
    ------
    UnknownNameError
        For a model that the example does not have.
    """
    names = list(example.predictions)[:1] if models is None else list(models)
    for name in names:
        if name not in example.predictions:
            raise UnknownNameError(name, example.predictions, what="`models`")
    panels = {"factual": example.factual}
    if names:
        panels["reconstruction"] = example.reconstructions[names[0]]
    panels |= {name: example.predictions[name] for name in names}
    if example.truth is not None:
        panels["truth"] = example.truth
        if names:
            error = np.abs(np.asarray(example.predictions[names[0]], dtype=np.float64) - example.truth)
            shade = 1.0 - np.clip(gain * error.mean(axis=0, keepdims=True), 0.0, 1.0)
            panels["difference"] = np.repeat(shade, len(example.factual), axis=0)
    return {title: np.clip(np.asarray(image, dtype=np.float64), 0.0, 1.0) for title, image in panels.items()}


def plot_counterfactual_grid(
    examples: Iterable[CounterfactualExample],
    models: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
    gain: float = 4.0,
) -> Axes:
    """Draw factual image, reconstruction, predictions, truth and difference, a row per intervention.

    Parameters
    ----------
    examples : iterable of CounterfactualExample
        The rows, such as ``counterfactual_report(...).examples``.
    models : sequence of str, optional
        Whose predictions to show; see :func:`counterfactual_panels`.
    ax : matplotlib Axes, optional
        Where to draw; default a new figure of fitting size.
    gain : float, default=4.0
        By how much the difference is amplified.

    Returns
    -------
    matplotlib Axes
        All pictures are one image on it, so it can stand inside any figure.

    Raises
    ------
    DataError
        If there is no example.
    UnknownNameError
        For a model that an example does not have.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.metrics import CounterfactualExample
    >>> from causalrep.plotting import plot_counterfactual_grid
    >>> grey = np.full((3, 8, 8), 0.5)
    >>> example = CounterfactualExample("light", 120.0, grey, grey, {"ours": grey}, {"ours": grey})
    >>> ax = plot_counterfactual_grid([example])
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['factual', 'reconstruction', 'ours', 'truth', 'difference × 4']
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['do(light = 120)']
    """
    shown = list(examples)
    if not shown:
        raise DataError("`examples` must hold at least one example, got none")
    rows = [counterfactual_panels(example, models, gain=gain) for example in shown]
    mosaic, across, down = _mosaic([list(row.values()) for row in rows])
    titles = [f"difference × {gain:g}" if title == "difference" else title for title in rows[0]]
    if ax is None:
        plt = _pyplot()
        _, ax = plt.subplots(figsize=(1.1 * len(titles) + 1.2, 1.1 * len(rows) + 0.4), layout="constrained")
    ax.imshow(mosaic, interpolation="nearest")
    ax.set_xticks(across, titles)
    ax.set_yticks(down, [f"do({example.node} = {example.target:.3g})" for example in shown])
    ax.tick_params(length=0, labeltop=True, labelbottom=False, labelsize="small")
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def plot_losses(log: Any, *, column: str = "objective", ax: Axes | None = None) -> Axes:
    """Draw the course of a training, a line per stage, on a logarithmic scale.

    Parameters
    ----------
    log : training log
        What a fitted model has as ``training_log_``: its ``rows`` are mappings with the keys ``"stage"``,
        ``"step"`` and losses.
    column : str, default="objective"
        The loss to draw; the default is their sum.
    ax : matplotlib Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib Axes
        With the steps of each stage on the horizontal axis.

    Raises
    ------
    UnknownNameError
        For a loss that no row has.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from causalrep.plotting import plot_losses
    >>> log = SimpleNamespace(rows=[{"stage": "fit", "step": s, "objective": 1 / s} for s in (1, 2, 3)])
    >>> ax = plot_losses(log)
    >>> ax.get_yscale(), [text.get_text() for text in ax.get_legend().get_texts()]
    ('log', ['fit'])
    """
    stages: dict[str, list[tuple[float, float]]] = {}
    for row in log.rows:
        if row.get(column) is not None:
            stages.setdefault(row["stage"], []).append((row["step"], row[column]))
    if not stages:
        raise UnknownNameError(
            column, dict.fromkeys(name for row in log.rows for name in row), what="`column`"
        )
    if ax is None:
        plt = _pyplot()
        _, ax = plt.subplots(figsize=(6, 3), layout="constrained")
    for stage, points in stages.items():
        steps, losses = np.asarray(points, dtype=np.float64).T
        ax.plot(steps, losses, label=stage, marker="" if len(points) > 1 else "o")
    ax.set_yscale("log" if all(loss > 0 for points in stages.values() for _, loss in points) else "linear")
    ax.set_xlabel("step")
    ax.set_ylabel(column)
    ax.legend(frameon=False)
    return ax


def _pyplot() -> Any:
    return optional_import("matplotlib.pyplot", extra="plot", purpose="drawing")


def _mosaic(
    rows: Sequence[Sequence[NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return one RGBA image of all panels, and the centres of its columns and rows."""
    _, height, width = rows[0][0].shape
    gap = max(1, width // 16)
    step_down, step_across = height + gap, width + gap
    mosaic = np.zeros((len(rows) * step_down - gap, len(rows[0]) * step_across - gap, 4))
    for i, row in enumerate(rows):
        for j, panel in enumerate(row):
            place = mosaic[i * step_down :, j * step_across :][:height, :width]
            colours = panel[:3] if len(panel) >= 3 else panel[:1]  # one channel is spread over three
            place[..., :3] = colours.transpose(1, 2, 0)
            place[..., 3] = 1.0  # the gaps stay transparent
    across = np.arange(len(rows[0])) * step_across + (width - 1) / 2
    down = np.arange(len(rows)) * step_down + (height - 1) / 2
    return mosaic, across, down
