"""Pictures of structural causal models: mechanisms, residuals, contrasts of worlds, attributions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causalrep.scm import SCM, Attribution, WeightedDraws
from causalrep.utils import DataError, UnknownNameError, columns_of, is_frame, optional_import

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_attribution", "plot_counterfactual_contrast", "plot_mechanism", "plot_residuals"]

_DRAWS = 400
_UP, _DOWN, _WHOLE = "tab:red", "tab:blue", "0.4"


def plot_mechanism(
    scm: SCM,
    node: Hashable,
    parent: Hashable | None = None,
    data: Any = None,
    *,
    ax: Axes | None = None,
    n_points: int = 60,
    random_state: int = 0,
) -> Axes:
    """Draw what a mechanism makes of one parent, the others held: median, and the range of the noise.

    Parameters
    ----------
    scm : SCM
        The model.
    node : hashable
        The node with the mechanism, with numbers.
    parent : hashable, optional
        The parent on the horizontal axis, with numbers; default: the first.
    data : data frame or mapping of node to array, optional
        Rows to scatter behind, which also give the range of the parent and the medians at which the other
        parents are held; default: 400 rows of the model, which are not shown.
    ax : matplotlib Axes, optional
        Where to draw; default: a new figure.
    n_points : int, default=60
        Points of the curve.
    random_state : int, default=0
        Seed of the noise.

    Returns
    -------
    matplotlib Axes
        A line for the median and a band from the 5th to the 95th percentile.

    Raises
    ------
    UnknownNameError
        If there is no such node, or `parent` is none of its parents.
    DataError
        If the node has no parents, or there are no numbers.

    Examples
    --------
    >>> from causalrep.plotting import plot_mechanism
    >>> from causalrep.scm import SCM
    >>> ax = plot_mechanism(SCM.from_equations("X = N(0, 1); Y = sin(X) + N(0, 0.2)"), "Y")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('X', 'Y')
    """
    if node not in scm.graph:
        raise UnknownNameError(node, scm.graph.nodes, what="`node`")
    parents = list(scm.graph.parents(node))
    if not parents:
        raise DataError(f"{node!r} has no parents, so there is no curve to draw")
    parent = parents[0] if parent is None else parent
    if parent not in parents:
        raise UnknownNameError(parent, parents, what="`parent`")
    rows = _columns(scm.sample(_DRAWS, random_state, [*parents, node]) if data is None else data)
    first, last = np.quantile(_numbers(rows, parent), [0.01, 0.99])
    grid = np.linspace(first, last, n_points)
    held = {other: _typical(rows[other]) for other in parents if other != parent}
    curve = scm.do({**held, parent: np.repeat(grid, _DRAWS)})
    drawn = _columns(curve.sample(n_points * _DRAWS, random_state, [node]))
    low, middle, high = np.quantile(
        _numbers(drawn, node).reshape(n_points, _DRAWS), [0.05, 0.5, 0.95], axis=1
    )
    ax = _axes(ax)
    if data is not None:
        ax.scatter(rows[parent], rows[node], s=6, color="0.7", zorder=1)
    ax.fill_between(grid, low, high, alpha=0.25, zorder=2, label="5 % to 95 %")
    ax.plot(grid, middle, zorder=3, label="median")
    ax.set_xlabel(str(parent))
    ax.set_ylabel(str(node))
    if held:
        ax.set_title(", ".join(f"{name} = {_short(value)}" for name, value in held.items()), fontsize="small")
    return ax


def plot_residuals(
    scm: SCM, node: Hashable, data: Any, against: Hashable | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw the noise of observed rows, which must not depend on the parents if the mechanism is right.

    Parameters
    ----------
    scm : SCM
        The model.
    node : hashable
        The node; its noise must be a number that can be told from its value.
    data : data frame or mapping of node to array
        The rows, with the node and its parents.
    against : hashable, optional
        A column with numbers on the horizontal axis; default: the first parent, or the row.
    ax : matplotlib Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib Axes
        A scatter, and medians of up to twenty groups of rows as a line.

    Raises
    ------
    NotInvertibleError
        If the noise cannot be told.
    DataError
        If a column is missing, or noise or column are no numbers.
    UnknownNameError
        If there is no such node.

    Examples
    --------
    >>> from causalrep.plotting import plot_residuals
    >>> from causalrep.scm import SCM
    >>> scm = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1)")
    >>> plot_residuals(scm, "Y", scm.sample(100, random_state=0)).get_ylabel()
    'noise of Y'
    """
    rows = _columns(data)
    noise = scm.abduct(data, [node])[node]
    if isinstance(noise, Mapping) or np.ndim(noise) != 1:
        raise DataError(f"the noise of {node!r} must be one number for each row to be drawn")
    parents = scm.graph.parents(node)
    if against is None and len(parents):
        against = next(iter(parents))
    across = np.arange(len(noise)) if against is None else _numbers(rows, against)
    ax = _axes(ax)
    ax.scatter(across, noise, s=6, color="0.6", zorder=1)
    groups = np.array_split(np.argsort(across, kind="stable"), min(20, max(1, len(noise) // 10)))
    centres = [float(np.median(across[group])) for group in groups]
    ax.plot(centres, [float(np.median(noise[group])) for group in groups], zorder=3, label="median")
    ax.axhline(float(np.median(noise)), color="k", lw=0.8, ls=":", zorder=2)
    ax.set_xlabel("row" if against is None else str(against))
    ax.set_ylabel(f"noise of {node}")
    return ax


def plot_counterfactual_contrast(
    observed: Any,
    imagined: Any,
    node: Hashable,
    *,
    ax: Axes | None = None,
    labels: Sequence[str] | None = None,
) -> Axes:
    """Draw each row as it was and as it would have been, with the range of what is not sure.

    Parameters
    ----------
    observed : data frame or mapping of node to array
        The n rows.
    imagined : data frame, mapping of node to array, or WeightedDraws
        What `SCM.counterfactual` gave for them. Draws are shown by mean and 90 % interval.
    node : hashable
        Which node, with numbers; of draws it need not have been observed.
    ax : matplotlib Axes, optional
        Where to draw; default: a new figure.
    labels : sequence of n str, optional
        Names of the rows; default: their numbers.

    Returns
    -------
    matplotlib Axes
        One line for each row, the first at the top.

    Raises
    ------
    DataError
        If numbers of rows differ, or the node has no numbers.

    Examples
    --------
    >>> from causalrep.plotting import plot_counterfactual_contrast
    >>> from causalrep.scm import SCM
    >>> scm = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1)")
    >>> rows = scm.sample(4, random_state=0)
    >>> ax = plot_counterfactual_contrast(rows, scm.counterfactual(rows, do={"X": 1.0}), "Y")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['as it was', 'as it would have been']
    """
    seen = _columns(observed)
    if isinstance(imagined, WeightedDraws):
        would, low, high = _interval(imagined, node)
    else:
        would = low = high = _numbers(_columns(imagined), node)
    n = len(would)
    if any(len(column) != n for column in seen.values()) or (labels is not None and len(labels) != n):
        raise DataError(
            f"`observed`, `imagined` and `labels` must have the same number of rows, got {n} imagined"
        )
    down = np.arange(n)
    ax = _axes(ax)
    if node in seen:
        was = _numbers(seen, node)
        ax.hlines(down, np.minimum(was, would), np.maximum(was, would), color="0.8", zorder=1)
        ax.scatter(was, down, color=_WHOLE, zorder=3, label="as it was")
    ax.hlines(down, low, high, color=_UP, lw=2, alpha=0.5, zorder=2)
    ax.scatter(would, down, color=_UP, zorder=3, label="as it would have been")
    ax.set_yticks(down, [str(i) for i in down] if labels is None else list(labels))
    ax.invert_yaxis()
    ax.set_xlabel(str(node))
    ax.legend()
    return ax


def plot_attribution(
    attribution: Attribution, row: int | None = None, *, ax: Axes | None = None, n_largest: int = 12
) -> Axes:
    """Draw the contributions as a waterfall from the start to the end, with their standard errors.

    Parameters
    ----------
    attribution : Attribution
        What any of the attribution functions gave.
    row : int, optional
        Of which row, where there are rows; default: the mean over them.
    ax : matplotlib Axes, optional
        Where to draw; default: a new figure.
    n_largest : int, default=12
        So many contributions of the largest size are shown, all others as one bar.

    Returns
    -------
    matplotlib Axes
        Bars from the left, each beginning where the one above ends, and the total at the bottom. Measures
        that do not add up are drawn from zero.

    Raises
    ------
    DataError
        If `n_largest` is not positive.

    Examples
    --------
    >>> from causalrep.plotting import plot_attribution
    >>> from causalrep.scm import SCM, intrinsic_causal_influence
    >>> scm = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1)")
    >>> ax = plot_attribution(intrinsic_causal_influence(scm, "Y", random_state=0))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['X', 'Y', 'total']
    """
    if n_largest < 1:
        raise DataError(f"`n_largest` must be positive, got {n_largest}")
    values, errors = attribution.of_row(row)
    order = np.argsort(-np.abs(values), kind="stable")
    shown, rest = order[:n_largest], order[n_largest:]
    names = [str(attribution.players[i]) for i in shown]
    widths, spread = list(values[shown]), list(errors[shown])
    if len(rest):
        names.append(f"{len(rest)} others")
        widths.append(values[rest].sum())
        spread.append(float(np.hypot.reduce(errors[rest])))
    adds_up = attribution.total is not None
    start = float(
        attribution.start[row] if row is not None and attribution.start.ndim else attribution.start.mean()
    )
    left = start + np.concatenate([[0.0], np.cumsum(widths)[:-1]]) if adds_up else np.zeros(len(widths))
    colours = [_UP if width >= 0 else _DOWN for width in widths]
    if adds_up:
        names.append("total")
        left, widths = np.append(left, start), [*widths, float(np.sum(widths))]
        spread, colours = [*spread, 0.0], [*colours, _WHOLE]
    ax = _axes(ax)
    down = np.arange(len(names))
    ax.barh(down, widths, left=left, color=colours)
    ends = np.asarray(left) + np.asarray(widths)
    ax.errorbar(ends, down, xerr=spread, fmt="none", ecolor="k", capsize=2, lw=1)
    if adds_up:
        ax.vlines(ends[:-2], down[:-2] + 0.4, down[1:-1] - 0.4, color="0.5", lw=0.8)
    ax.axvline(start if adds_up else 0.0, color="0.5", lw=0.8)
    ax.set_yticks(down, names)
    ax.invert_yaxis()
    ax.set_xlabel(attribution.measure)
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    plt = optional_import("matplotlib.pyplot", extra="plot", purpose="drawing")
    made: Axes = plt.subplots(figsize=(5.5, 3.6), layout="constrained")[1]
    return made


def _columns(rows: Any) -> dict[Hashable, NDArray[Any]]:
    if is_frame(rows):
        return dict(columns_of(rows, what="rows"))
    return {node: np.asarray(value) for node, value in rows.items()}


def _numbers(rows: Mapping[Hashable, NDArray[Any]], node: Hashable) -> NDArray[np.float64]:
    if node not in rows:
        raise UnknownNameError(node, rows, what="the columns")
    if rows[node].dtype.kind not in "biuf" or rows[node].ndim != 1:
        raise DataError(f"{node!r} must have numbers to be drawn, got values of dtype {rows[node].dtype}")
    return rows[node].astype(np.float64)


def _typical(values: NDArray[Any]) -> Any:
    """Return the median of real numbers, of other values the most frequent one."""
    if values.dtype.kind == "f":
        return float(np.median(values))
    states, counts = np.unique(values, return_counts=True)
    return states[np.argmax(counts)].item() if hasattr(states[0], "item") else states[np.argmax(counts)]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _interval(
    draws: WeightedDraws, node: Hashable
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the ends of the central 90 % of weighted draws, for each row."""
    values = np.asarray(draws.samples[node], dtype=np.float64).reshape(draws.weights.shape)
    order = np.argsort(values, axis=1, kind="stable")
    ranked = np.take_along_axis(values, order, axis=1)
    share = np.take_along_axis(draws.weights, order, axis=1).cumsum(axis=1)
    ends = [
        np.take_along_axis(
            ranked, np.minimum((share < level).sum(axis=1), ranked.shape[1] - 1)[:, None], axis=1
        )
        for level in (0.05, 0.95)
    ]
    return draws.mean(node), ends[0][:, 0], ends[1][:, 0]
