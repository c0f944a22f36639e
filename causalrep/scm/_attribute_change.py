"""Attribution of a change: between two models, or between two observations of the same units."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from causalrep.graphs import DAG
from causalrep.scm._attribute_noise import check_separate_noise, numbers
from causalrep.scm._attribution import Attribution
from causalrep.scm._coalitions import Replay, Version, by_blocks
from causalrep.scm._evidence import Evidence
from causalrep.scm._functionals import as_functional, in_groups
from causalrep.scm._shapley import shapley
from causalrep.utils import (
    DataError,
    GraphError,
    RandomState,
    UnknownNameError,
    as_seed,
    keyed_generator,
)

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = ["attribute_change", "unit_change"]


def attribute_change(
    old: SCM,
    new: SCM,
    target: Hashable,
    functional: str | float | Callable[..., float] = "mean",
    *,
    n_samples: int = 10_000,
    tolerance: float = 0.02,
    max_permutations: int = 512,
    random_state: RandomState = None,
) -> Attribution:
    """Return how much each mechanism contributed to the change of a node's distribution.

    Mechanisms of `old` are replaced by those of `new`, one after the other, in every order.

    Parameters
    ----------
    old, new : SCM
        Two models with the same nodes, such as one graph fitted to two periods, or a model before and
        after an intervention. Mechanisms may read different parents if all arrows together have no cycle.
    target : hashable
        A scalar node.
    functional : {"mean", "variance", "median", "kl"}, float or callable, default="mean"
        What has changed: a moment, the quantile at this level, the Kullback-Leibler divergence from the
        distribution under `old`, or a function of an array of shape (n,) that returns a number.
    n_samples : int, default=10_000
        Draws for each coalition of mechanisms.
    tolerance, max_permutations : float and int
        As in `intrinsic_causal_influence`.
    random_state : int, numpy Generator, numpy RandomState or None, default=None
        Seed. Both models draw the same noise where they have the same law.

    Returns
    -------
    Attribution
        Contributions of the target and its ancestors, which add up to the functional under `new` less that
        under `old`; exactly zero for a mechanism that both models share.

    Raises
    ------
    UnknownNameError
        If `target` is no node of both.
    GraphError
        If the nodes or directions of arrows are not compatible.
    DataError
        If the functional needs numbers that the target does not have.
    CausalRepError
        If noises are correlated.

    Notes
    -----
    The divergence of a continuous node is taken on ``2 n**(1/3)`` bins of equal probability under `old`,
    which bounds it from below.

    References
    ----------
    K. Budhathoki, D. Janzing, P. Blöbaum, H. Ng, "Why did the distribution change?", AISTATS 2021,
    arXiv:2102.13384.

    Examples
    --------
    >>> from causalrep.scm import SCM, attribute_change
    >>> before = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1)")
    >>> after = SCM.from_equations("X = N(1, 1); Y = 2*X + N(0, 1)")
    >>> change = attribute_change(before, after, "Y", random_state=0)
    >>> round(change["X"], 6), abs(change["Y"]) < 1e-9
    (2.0, True)
    """
    order = _common_order(old, new, target)
    changed = tuple(node for node in order if old._mechanisms[node] is not new._mechanisms[node])
    n, seed = in_groups(n_samples), as_seed(random_state)
    for model in (old, new):
        check_separate_noise(model, order)
    versions: dict[Hashable, dict[tuple[bool, ...], Version]] = {}
    for node in order:
        before, after = (_drawn_version(model, node, n, seed) for model in (old, new))
        versions[node] = {(False,): before, (True,): after} if node in changed else {(): before}
    switches = {node: (changed.index(node),) if node in changed else () for node in order}
    replay = Replay(order, switches, versions, n, old._template)
    reference = replay(np.zeros((1, len(changed)), dtype=bool))[0]
    game = by_blocks(replay, as_functional(functional, reference))
    name = (
        functional if isinstance(functional, (str, float)) else getattr(functional, "__name__", "functional")
    )
    players = tuple(node for node in old.graph.nodes if node in set(order))
    measure = f"change of {target!r}: {name}"
    if not changed:
        start = game(np.zeros((1, 0), dtype=bool)).mean(axis=0)[0]
        nothing = np.zeros(len(players))
        return Attribution(players, nothing, nothing, np.zeros(()), np.asarray(start), measure)
    shares = shapley(game, len(changed), seed=seed, tolerance=tolerance, max_permutations=max_permutations)
    where = [players.index(node) for node in changed]
    values, se = np.zeros(len(players)), np.zeros(len(players))
    values[where], se[where] = shares.values, shares.se
    return Attribution(players, values, se, shares.total, shares.none, measure, shares.n_permutations)


def _drawn_version(model: SCM, node: Hashable, n: int, seed: int) -> Version:
    mechanism = model._mechanisms[node]
    noise = mechanism.sample_noise(n, keyed_generator(seed, "noise", node))
    return Version(mechanism, model._parents[node], noise)


def _common_order(old: SCM, new: SCM, target: Hashable) -> list[Hashable]:
    """Return the target and its ancestors in either model, causes first."""
    for model in (old, new):
        if target not in model.graph:
            raise UnknownNameError(target, model.graph.nodes, what="`target`")
    if set(old.graph.nodes) != set(new.graph.nodes):
        lost = [
            node
            for node in (*old.graph.nodes, *new.graph.nodes)
            if node not in old.graph or node not in new.graph
        ]
        raise GraphError(f"both models must have the same nodes, but {lost[0]!r} is in one of them only")
    edges = dict.fromkeys((*old.graph.directed_edges, *new.graph.directed_edges))
    union = DAG(list(edges), nodes=old.graph.nodes)
    wanted = {target, *union.ancestors([target])}
    return [node for node in union.topological_order() if node in wanted]


def unit_change(
    scm: SCM,
    before: Any,
    after: Any,
    target: Hashable,
    *,
    new: SCM | None = None,
    tolerance: float = 0.02,
    max_permutations: int = 512,
    random_state: RandomState = None,
) -> Attribution:
    """Return what changed a node in the same units, observed twice: noises and, perhaps, mechanisms.

    Parameters
    ----------
    scm : SCM
        The model at the first observation.
    before, after : data frame, Samples or mapping of node to array
        The same n units in the same order, with the target and all its ancestors.
    target : hashable
        A scalar node with numbers.
    new : SCM, optional
        The model at the second observation, with the same nodes; default: `scm`.
    tolerance, max_permutations : float and int
        As in `intrinsic_causal_influence`. Nothing else is drawn: up to ten causes the answer is exact.
    random_state : int, numpy Generator, numpy RandomState or None, default=None
        Seed of the permutations.

    Returns
    -------
    Attribution
        Contributions of shape (n_causes, n) to the difference of the target in each unit. Causes are nodes,
        for what their noise changed; with `new`, pairs ``(node, "noise")`` and ``(node, "mechanism")``.

    Raises
    ------
    NotInvertibleError
        If the noise of a node cannot be told from its value.
    DataError
        If the rows do not fit, or a column is missing.
    UnknownNameError, GraphError, CausalRepError
        As in `attribute_change`.

    References
    ----------
    K. Budhathoki, G. Michailidis, D. Janzing, "Explaining the root causes of unit-level changes",
    arXiv:2206.12986, 2022.

    Examples
    --------
    >>> from causalrep.scm import SCM, unit_change
    >>> scm = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1)")
    >>> change = unit_change(scm, {"X": [0.0], "Y": [0.5]}, {"X": [1.0], "Y": [3.5]}, "Y")
    >>> change.values.round(6).tolist()
    [[2.0], [1.0]]
    """
    later = scm if new is None else new
    order = _common_order(scm, later, target)
    for model in (scm, later):
        check_separate_noise(model, order)
    seen = [Evidence.read(rows) for rows in (before, after)]
    if seen[0].n != seen[1].n:
        raise DataError(f"`before` and `after` must be the same units, got {seen[0].n} and {seen[1].n} rows")
    noises = [
        model._abducted(order, rows, model._carried(rows))
        for model, rows in zip((scm, later), seen, strict=True)
    ]
    players: list[Hashable] = []
    switches: dict[Hashable, tuple[int, ...]] = {}
    versions: dict[Hashable, dict[tuple[bool, ...], Version]] = {}
    for node in order:
        models = (scm, later)
        kinds = _kinds(node, scm, later)
        switches[node] = tuple(range(len(players), len(players) + len(kinds)))
        players += [node if new is None else (node, kind) for kind in kinds]
        versions[node] = {}
        for setting in np.ndindex(*[2] * len(kinds)):
            bits = dict(zip(kinds, setting, strict=True))
            model = models[bits.get("mechanism", 0)]
            noise = noises[bits.get("noise", 0)][node]
            flags = tuple(bool(bit) for bit in setting)
            versions[node][flags] = Version(model._mechanisms[node], model._parents[node], noise)
    replay = Replay(order, switches, versions, seen[0].n, scm._template)
    game = by_blocks(replay, lambda values: numbers(values, target)[None])
    shares = shapley(
        game,
        len(players),
        seed=as_seed(random_state),
        tolerance=tolerance,
        max_permutations=max_permutations,
    )
    return Attribution.of(tuple(players), shares, f"change of {target!r}")


def _kinds(node: Hashable, old: SCM, new: SCM) -> list[str]:
    """Return what can differ at a node."""
    before, after = old._mechanisms[node], new._mechanisms[node]
    kinds = [] if before.deterministic and after.deterministic else ["noise"]
    return kinds if before is after else [*kinds, "mechanism"]
