"""Attribution to noises: what makes a node uncertain, what made a row an outlier, what changed a unit.

Every source of chance in a model is the noise of one node, so a number that depends on chance can be shared
out among nodes: a noise that is known, or fixed at what it was, against one that is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._arrays import take_noise, to_numpy
from causalrep.scm._attribution import Attribution
from causalrep.scm._coalitions import Replay, Version, by_blocks
from causalrep.scm._evidence import Evidence
from causalrep.scm._functionals import GROUPS, grouped, in_groups, means, pseudo_values
from causalrep.scm._mechanism import Noise
from causalrep.scm._shapley import Floats, shapley
from causalrep.utils import (
    CausalRepError,
    DataError,
    NotInvertibleError,
    RandomState,
    UnknownNameError,
    as_seed,
    keyed_generator,
    keyed_seed,
)

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = [
    "attribute_anomalies",
    "check_separate_noise",
    "from_zero",
    "intrinsic_causal_influence",
    "numbers",
    "upstream",
]

_INNER = 100  # draws behind each conditional entropy


def intrinsic_causal_influence(
    scm: SCM,
    target: Hashable,
    *,
    measure: str = "variance",
    n_samples: int = 10_000,
    tolerance: float = 0.02,
    max_permutations: int = 512,
    random_state: RandomState = None,
) -> Attribution:
    """Return how much of the uncertainty of a node each noise contributes: its own and its ancestors'.

    What an ancestor only passes on counts for the ancestors that it comes from; what is left is intrinsic.
    The contribution of a noise is the Shapley value of ``-E[uncertainty of the target given some noises]``.

    Parameters
    ----------
    scm : SCM
        The model; interventions count.
    target : hashable
        A scalar node.
    measure : {"variance", "entropy"}, default="variance"
        The uncertainty; entropy, in nats, is for nodes with few states.
    n_samples : int, default=10_000
        Draws for each coalition of noises.
    tolerance, max_permutations : float and int
        For more than ten causes, permutations are drawn until the standard error due to them is below this
        share of the largest contribution or below that of the draws, or there are this many.
    random_state : int, numpy Generator, numpy RandomState or None, default=None
        Seed.

    Returns
    -------
    Attribution
        Contributions, in the unit of the measure; they add up to the variance or entropy of the target.

    Raises
    ------
    UnknownNameError
        If `target` is not a node.
    DataError
        If the target has no single number (for entropy: more than 100 states), or nothing is drawn.
    CausalRepError
        If noises are correlated, so that they cannot be known one without the other.

    Notes
    -----
    The expected conditional variance is estimated as half the mean squared difference of two draws that
    share the known noises (Jansen 1999), from one pair of noise sets for all coalitions. Conditional
    entropies are those of 100 draws each, with the correction of Miller and Madow.

    References
    ----------
    D. Janzing, P. Blöbaum, A. A. Mastakouri, P. M. Faller, L. Minorics, K. Budhathoki, "Quantifying
    intrinsic causal contributions via structure preserving interventions", AISTATS 2024, arXiv:2007.00714.
    M. J. W. Jansen, "Analysis of variance designs for model output", Computer Physics Communications, 1999.

    Examples
    --------
    >>> from causalrep.scm import SCM, intrinsic_causal_influence
    >>> scm = SCM.from_equations("X = N(0, 1); M = X + N(0, 2); Y = M + N(0, 1)")
    >>> influence = intrinsic_causal_influence(scm, "Y", random_state=0)
    >>> influence.ranking()
    ['M', 'X', 'Y']
    >>> all(abs(influence[v] - true) < 4 * influence[v].se for v, true in [("X", 1), ("M", 4), ("Y", 1)])
    True
    """
    if measure not in ("variance", "entropy"):
        raise DataError(f"`measure` must be 'variance' or 'entropy', got {measure!r}")
    order, players = upstream(scm, target)
    n, seed = in_groups(n_samples), as_seed(random_state)
    known = _noises(scm, order, n, keyed_seed(seed, "known"))
    if measure == "entropy":
        n = GROUPS * _INNER * max(1, n // (GROUPS * _INNER))
        outer = np.repeat(np.arange(n // _INNER), _INNER)
        known = {
            node: take_noise(part, outer)
            for node, part in _noises(scm, order, n // _INNER, keyed_seed(seed, "known")).items()
        }
    drawn = _noises(scm, order, n, keyed_seed(seed, "drawn"))
    replay = _switching_noise(scm, order, players, drawn, known, n)
    nothing, everything = replay(np.array([[False], [True]]).repeat(len(players), axis=1))
    reduce = (
        _entropies(np.concatenate([nothing, everything]))
        if measure == "entropy"
        else _variances(numbers(everything, target))
    )
    shares = shapley(
        by_blocks(replay, reduce),
        len(players),
        seed=seed,
        tolerance=tolerance,
        max_permutations=max_permutations,
    )
    attribution = Attribution.of(players, shares, f"{measure} of {target!r}")
    return from_zero(attribution)


def attribute_anomalies(
    scm: SCM,
    target: Hashable,
    rows: Any,
    *,
    tail: str = "both",
    n_samples: int = 1000,
    tolerance: float = 0.02,
    max_permutations: int = 512,
    random_state: RandomState = None,
) -> Attribution:
    """Return how much each noise contributed to how unusual the target is in observed rows.

    The score of a row is ``-log P(tau(Y) >= tau(y))``, where `tau` says how far out a value is. It is shared
    out among the noises of the target and its ancestors: some as they were in the row, the others drawn.

    Parameters
    ----------
    scm : SCM
        The model of normal operation.
    target : hashable
        A scalar node with numbers.
    rows : data frame, Samples or mapping of node to array
        The n rows, with the target and all its ancestors.
    tail : {"both", "upper", "lower"}, default="both"
        Whether values are unusual that lie far from the median of the model, high ones, or low ones.
    n_samples : int, default=1000
        Draws for each coalition of noises. The largest score that can be seen is ``log(n_samples + 1)``.
    tolerance, max_permutations : float and int
        As in `intrinsic_causal_influence`.
    random_state : int, numpy Generator, numpy RandomState or None, default=None
        Seed.

    Returns
    -------
    Attribution
        Contributions of shape (n_causes, n), which add up to the scores of the rows. Negative ones made the
        value less unusual.

    Raises
    ------
    NotInvertibleError
        If the noise of an ancestor can neither be told from its value nor drawn given it.
    DataError
        If a column is missing or has missing values, or the target has no numbers.
    UnknownNameError, CausalRepError
        As in `intrinsic_causal_influence`.

    References
    ----------
    K. Budhathoki, L. Minorics, P. Blöbaum, D. Janzing, "Causal structure-based root cause analysis of
    outliers", ICML 2022, arXiv:1912.02724.

    Examples
    --------
    >>> import pandas as pd
    >>> from causalrep.scm import SCM, attribute_anomalies
    >>> scm = SCM.from_equations("X = N(0, 1); M = X + N(0, 1); Y = M + N(0, 1)")
    >>> outlier = pd.DataFrame({"X": [0.1], "M": [5.0], "Y": [5.2]})
    >>> attribute_anomalies(scm, "Y", outlier, random_state=0).ranking()[0]
    'M'
    """
    if tail not in ("both", "upper", "lower"):
        raise DataError(f"`tail` must be 'both', 'upper' or 'lower', got {tail!r}")
    order, players = upstream(scm, target)
    evidence = _complete(order, rows)
    n, m, seed = in_groups(n_samples), evidence.n, as_seed(random_state)
    drawn = {
        node: take_noise(part, np.tile(np.arange(n), m))
        for node, part in _noises(scm, order, n, keyed_seed(seed, "drawn")).items()
    }
    seen = _seen_noises(scm, order, evidence, np.repeat(np.arange(m), n), seed)
    replay = _switching_noise(scm, order, players, drawn, seen, n * m)
    normal = numbers(replay(np.zeros((1, len(players)), dtype=bool))[0, :n], target)
    far = _farness(normal, tail)
    least = far(numbers(to_numpy(evidence.values[target]), target))

    def log_tails(values: NDArray[Any]) -> Floats:
        beyond = far(values).reshape(len(values), m, n) >= least[:, None]
        counts = np.moveaxis(grouped(beyond).sum(axis=-2), -1, 0)
        whole = counts.sum(axis=0)
        return pseudo_values(_log_share(whole, n), _log_share(whole - counts, n - n // GROUPS))

    shares = shapley(
        by_blocks(replay, log_tails),
        len(players),
        seed=seed,
        tolerance=tolerance,
        max_permutations=max_permutations,
    )
    return from_zero(Attribution.of(players, shares, f"outlier score of {target!r}"))


def _log_share(counts: NDArray[Any], n: int) -> Floats:
    return np.asarray(np.log((counts + 1) / (n + 1)))


def _farness(normal: Floats, tail: str) -> Callable[[NDArray[Any]], Floats]:
    """Return how far out values are; equal up to rounding counts as as far out."""
    middle = float(np.median(normal))
    grain = 1e-9 * float(np.abs(normal).max() or 1.0)
    sign = -1.0 if tail == "lower" else 1.0

    def far(values: NDArray[Any]) -> Floats:
        away = np.abs(values - middle) if tail == "both" else sign * values
        return np.asarray(np.round(away / grain) * grain) if grain else away

    return far


def from_zero(attribution: Attribution) -> Attribution:
    """Return the attribution of a number that is zero where nothing contributes."""
    return replace(attribution, start=np.zeros_like(attribution.start))


def upstream(scm: SCM, target: Hashable) -> tuple[list[Hashable], tuple[Hashable, ...]]:
    """Return the target and its ancestors, causes first, and those of them that have noise."""
    if target not in scm.graph:
        raise UnknownNameError(target, scm.graph.nodes, what="`target`")
    order = scm._upstream([target])
    players = tuple(
        node for node in scm.graph.nodes if node in set(order) and not scm._mechanisms[node].deterministic
    )
    if not players:
        raise DataError(f"nothing is drawn for {target!r} or its ancestors, so there is nothing to share out")
    check_separate_noise(scm, players)
    return order, players


def check_separate_noise(scm: SCM, nodes: Sequence[Hashable]) -> None:
    """Refuse nodes whose noises are correlated."""
    for _, joined in scm._active_joints():
        both = [node for node in joined if node in nodes]
        if len(both) > 1:
            raise CausalRepError(
                f"the noises of {both[0]!r} and {both[1]!r} are correlated and cannot be told apart as "
                "causes; model what they share as a latent node"
            )


def numbers(values: NDArray[Any], node: Hashable) -> Floats:
    """Return values as floating point numbers, or refuse."""
    if values.dtype.kind not in "biuf":
        raise DataError(f"{node!r} must have numbers, got values of dtype {values.dtype}")
    return values.astype(np.float64)


def _noises(scm: SCM, order: Sequence[Hashable], n: int, seed: int) -> dict[Hashable, Noise]:
    return {
        node: scm._mechanisms[node].sample_noise(n, keyed_generator(seed, "noise", node)) for node in order
    }


def _complete(order: Sequence[Hashable], rows: Any) -> Evidence:
    """Return the rows, checked to have all values of the nodes in `order`."""
    evidence = Evidence.read(rows)
    for node in order:
        evidence.require(node, "to tell what each noise was")
        values = evidence.values[node]
        if bool((values != values).any()):
            raise DataError(f"`rows` must have no missing values, but the column {node!r} has")
    return evidence


def _seen_noises(
    scm: SCM, order: Sequence[Hashable], evidence: Evidence, index: NDArray[np.intp], seed: int
) -> dict[Hashable, Noise]:
    """Return the noises of rows, for the rows `index`: told where they can be, else drawn."""
    noises: dict[Hashable, Noise] = dict(scm._carried(evidence))
    told = [node for node in order if node not in noises and scm._mechanisms[node].invertible]
    noises.update(scm._abducted(told, evidence, {}))
    noises = {node: take_noise(noises[node], index) for node in order if node in noises}
    for node in order:
        if node in noises:
            continue
        mechanism = scm._mechanisms[node]
        if not mechanism.has_posterior:
            raise NotInvertibleError(
                f"the noise of {node!r} can neither be told from its value nor drawn given it by "
                f"{mechanism!r}"
            )
        parents = {parent: evidence.values[parent][index] for parent in scm._parents[node]}
        generator = keyed_generator(seed, "posterior", node)
        noises[node] = mechanism.draw_noise(parents, evidence.values[node][index], generator)
    return noises


def _switching_noise(
    scm: SCM,
    order: Sequence[Hashable],
    players: tuple[Hashable, ...],
    off: Mapping[Hashable, Noise],
    on: Mapping[Hashable, Noise],
    n: int,
) -> Replay:
    """Return the replay in which each player switches the noise of its node."""
    switches: dict[Hashable, tuple[int, ...]] = {}
    versions: dict[Hashable, dict[tuple[bool, ...], Version]] = {}
    for node in order:
        mechanism, parents = scm._mechanisms[node], scm._parents[node]
        if node in players:
            switches[node] = (players.index(node),)
            sources: dict[tuple[bool, ...], Noise] = {(False,): off[node], (True,): on[node]}
        else:
            switches[node], sources = (), {(): {}}
        versions[node] = {setting: Version(mechanism, parents, noise) for setting, noise in sources.items()}
    return Replay(order, switches, versions, n, scm._template)


def _variances(everything: Floats) -> Callable[[NDArray[Any]], Floats]:
    return lambda values: -means((np.asarray(values, dtype=np.float64) - everything) ** 2) / 2


def _entropies(examples: NDArray[Any]) -> Callable[[NDArray[Any]], Floats]:
    """Return what gives minus the mean entropy of successive blocks of draws."""
    states = np.unique(examples)
    if len(states) > _INNER:
        raise DataError(f"entropy is for at most {_INNER} states, got {len(states)}; use the variance")

    def reduce(values: NDArray[Any]) -> Floats:
        found = (
            states if np.isin(values, states).all() else np.unique(np.concatenate([states, values.ravel()]))
        )
        blocks = np.searchsorted(found, values).reshape(len(values), -1, _INNER)
        flat = (
            np.arange(blocks.shape[0] * blocks.shape[1]).reshape(*blocks.shape[:2], 1) * len(found) + blocks
        )
        counts = np.bincount(flat.ravel(), minlength=blocks.shape[0] * blocks.shape[1] * len(found))
        share = counts.reshape(*blocks.shape[:2], len(found)) / _INNER
        entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=-1)
        corrected = entropy + ((share > 0).sum(axis=-1) - 1) / (2 * _INNER)
        return -means(corrected)

    return reduce
