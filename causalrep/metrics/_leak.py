"""How much of the labels a nuisance code gives away, and a slot of the labels of other nodes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causalrep.graphs import DAG
from causalrep.metrics._estimates import Estimate, explained_estimate
from causalrep.utils import DataError, UnknownNameError, columns_of

__all__ = ["label_leak", "leak_estimates", "slot_leak"]


def label_leak(codes: ArrayLike, labels: Any) -> dict[Hashable, float]:
    """Return, for each label, the share of its variance that a quadratic function of the codes predicts.

    A nuisance code that carries labels smuggles the factual value of a node past an intervention
    on it. Zero (or a little below) is right; a counterfactual error should not be quoted without it.

    Parameters
    ----------
    codes : array of shape (n_images, n_codes)
        The nuisance codes of images.
    labels : data frame or mapping
        The labels of the same images, one column each; rows where a label is NaN are left out for it.

    Returns
    -------
    dict of hashable to float
        R2 of each label, out of sample; 1 is total, negative is worse than the mean of the label.

    Raises
    ------
    DataError
        For codes that are not finite or not a matrix, labels of another length or constant, and for fewer
        than twice as many images as the quadratic function has coefficients.

    Notes
    -----
    Least squares on all products of up to two codes. Every residual is that of the fit without its own
    image, e_i / (1 - h_i) with h the diagonal of the hat matrix (Allen [1]_), so no split has to be drawn.
    The cost is O(n_images * n_codes**4).

    References
    ----------
    .. [1] D. M. Allen, "The relationship between variable selection and data augmentation and a
       method for prediction", Technometrics 16, 1974, doi:10.1080/00401706.1974.10489157.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.metrics import label_leak
    >>> codes = np.random.default_rng(0).normal(size=(200, 2))
    >>> leak = label_leak(codes, {"told": codes[:, 0] ** 2, "kept": np.sin(np.arange(200.0))})
    >>> round(leak["told"], 3), leak["kept"] < 0.05
    (1.0, True)
    """
    return {name: estimate.value for name, estimate in leak_estimates(codes, labels).items()}


def leak_estimates(codes: ArrayLike, labels: Any) -> dict[Hashable, Estimate]:
    """Return what :func:`label_leak` does, with the spread over images."""
    code = np.asarray(codes, dtype=np.float64)
    if code.ndim != 2 or not np.isfinite(code).all():
        raise DataError(
            f"`codes` must be a finite array of shape (n_images, n_codes), got shape {code.shape}"
        )
    terms = _quadratic(code)
    leaks: dict[Hashable, Estimate] = {}
    for name, column in columns_of(labels, what="labels").items():
        label = np.asarray(column, dtype=np.float64)
        if label.shape != code.shape[:1]:
            raise DataError(
                f"`labels` must have one row per image, got {len(label)} of {name!r} for {len(code)} images"
            )
        known = np.isfinite(label)
        if known.sum() < 2 * terms.shape[1]:
            raise DataError(
                f"`labels` must hold at least {2 * terms.shape[1]} values of {name!r} for codes of "
                f"{code.shape[1]} dimensions, got {int(known.sum())}"
            )
        if np.ptp(label[known]) == 0:
            raise DataError(f"`labels` must vary, got a constant {name!r}")
        leaks[name] = press_estimate(terms[known], label[known])
    return leaks


def slot_leak(
    codes: ArrayLike, labels: Any, graph: DAG, *, slots: Sequence[Hashable]
) -> dict[tuple[Hashable, Hashable], float]:
    """Return what the slot of each node tells of the label of each other node that it should not know.

    A slot may say its own label, and with it whatever that label says of others. Beyond that, and beyond
    what a node's parents say of it, it should be silent: a slot that repeats the label of another node
    carries the factual value of that node past an intervention on it.

    Parameters
    ----------
    codes : array of shape (n_images, n_codes)
        The slots of images, for example of ``model.transform``.
    labels : data frame or mapping
        The true labels of the same images, one column per node; rows with a NaN are left out.
    graph : DAG
        The graph on the labels.
    slots : sequence of hashable of length n_codes
        The node whose slot each column is; columns of no node, such as those of a nuisance code, are ignored.

    Returns
    -------
    dict of (node, other) to float
        The share of the variance of the other's label, left over by a quadratic function of its parents and
        of the node's label, that the node's slot explains, out of sample. 1 is total, 0 (or a little below)
        is right.

    Raises
    ------
    DataError
        For codes that are not finite or not a matrix, labels of another length, and for fewer than twice as
        many complete rows as a quadratic function has coefficients.
    UnknownNameError
        If a node of the graph has no label.

    Notes
    -----
    A partial R2 of two fits as in :func:`label_leak`: of the other's label on its parents and the node's
    label, and on these and the slot, with squares and products.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.graphs import DAG
    >>> from causalrep.metrics import slot_leak
    >>> a, b, noise = np.random.default_rng(0).normal(size=(3, 300))
    >>> codes = np.column_stack([a + 0.3 * b + 0.1 * noise, b])
    >>> leak = slot_leak(codes, {"a": a, "b": b}, DAG([("a", "b")]), slots=["a", "b"])
    >>> leak["a", "b"] > 0.8, leak["b", "a"] < 0.05
    (True, True)
    """
    code = np.asarray(codes, dtype=np.float64)
    if code.ndim != 2 or code.shape[1] != len(slots) or not np.isfinite(code).all():
        raise DataError(
            f"`codes` must be a finite array of shape (n_images, {len(slots)}), as `slots` names its "
            f"columns, got shape {code.shape}"
        )
    columns = {name: np.asarray(c, dtype=np.float64) for name, c in columns_of(labels, what="labels").items()}
    for node in graph.nodes:
        if node not in columns:
            raise UnknownNameError(node, columns, what="`labels`")
    told = np.column_stack([columns[node] for node in graph.nodes])
    if len(told) != len(code):
        raise DataError(f"`labels` must have one row per image, got {len(told)} for {len(code)} images")
    known = np.isfinite(told).all(axis=1)
    values = dict(zip(graph.nodes, told[known].T, strict=True))
    of = {node: code[known][:, [name == node for name in slots]] for node in graph.nodes}
    return {
        (node, other): _partial(values, of[node], node, other, graph)
        for node in graph.nodes
        for other in graph.nodes
        if node != other and of[node].shape[1]
    }


def _partial(
    values: dict[Hashable, NDArray[np.float64]],
    slot: NDArray[np.float64],
    node: Hashable,
    other: Hashable,
    graph: DAG,
) -> float:
    """Return the partial R2 of a slot for the label of another node, out of sample."""
    given = np.column_stack([values[name] for name in dict.fromkeys([*graph.parents(other), node])])
    with_slot = _quadratic(np.column_stack([given, slot]))
    if len(slot) < 2 * with_slot.shape[1]:
        raise DataError(
            f"`labels` must hold at least {2 * with_slot.shape[1]} complete rows to tell what the slot of "
            f"{node!r} says of {other!r}, got {len(slot)}"
        )
    left = 1.0 - press_estimate(_quadratic(given), values[other]).value
    return 1.0 - (1.0 - press_estimate(with_slot, values[other]).value) / max(left, 1e-12)


def _quadratic(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1, all standardised codes and all their pairwise products as columns."""
    scale = code.std(axis=0)
    standard = (code - code.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    first, second = np.triu_indices(code.shape[1])
    return np.column_stack([np.ones(len(code)), standard, standard[:, first] * standard[:, second]])


def press_estimate(terms: NDArray[np.float64], label: NDArray[np.float64]) -> Estimate:
    """Return 1 - PRESS / total sum of squares, both leaving out the image that they predict."""
    left, singular, _ = np.linalg.svd(terms, full_matrices=False)
    basis = left[:, singular > singular[0] * 1e-10]
    residual = label - basis @ (basis.T @ label)
    leverage = np.minimum(np.sum(basis**2, axis=1), 1 - 1e-12)
    n = len(label)
    around_mean = (label - label.mean()) * n / (n - 1)
    return explained_estimate(residual / (1 - leverage), around_mean)
