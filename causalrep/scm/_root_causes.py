"""Where a fault began: nodes ranked by what they contributed to the outliers of a target."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._arrays import take_noise, to_numpy
from causalrep.scm._attribute_noise import attribute_anomalies
from causalrep.scm._evidence import Evidence
from causalrep.scm._functionals import in_groups
from causalrep.scm._shapley import Floats
from causalrep.utils import Columns, RandomState, as_seed, frame_like, keyed_generator, keyed_seed

if TYPE_CHECKING:
    import pandas as pd

    from causalrep.scm._scm import SCM

__all__ = ["root_causes"]


def root_causes(
    scm: SCM,
    rows: Any,
    target: Hashable,
    *,
    tail: str = "both",
    n_samples: int = 1000,
    tolerance: float = 0.02,
    max_permutations: int = 512,
    random_state: RandomState = None,
) -> pd.DataFrame:
    """Return the target and its ancestors, ranked as root causes of what is unusual in the rows.

    A root cause contributes to the outlier of the target, is unusual itself, and is unusual *given its
    parents*: what it passes on did not come from them. The ranking is by the contribution, which asks the
    counterfactual question: how much less unusual were the target, had this noise been an ordinary one?

    Parameters
    ----------
    scm : SCM
        The model of normal operation.
    rows : data frame, Samples or mapping of node to array
        The unusual rows, with the target and all its ancestors.
    target : hashable
        A scalar node with numbers, in which the fault was seen.
    tail : {"both", "upper", "lower"}, default="both"
        As in `attribute_anomalies`.
    n_samples : int, default=1000
        Draws, as in `attribute_anomalies`.
    tolerance, max_permutations : float and int
        As in `intrinsic_causal_influence`.
    random_state : int, numpy Generator, numpy RandomState or None, default=None
        Seed.

    Returns
    -------
    pandas.DataFrame
        One line for each node, the likeliest root cause first, with the columns ``node``; ``contribution``
        and its standard error ``se``, means over rows; and mean outlier scores ``-log(tail probability)``:
        ``score`` of the node itself, ``given_parents`` of the node given its parents, and ``parents``, the
        largest score of a parent (NaN without parents).

    Raises
    ------
    NotInvertibleError, DataError, UnknownNameError, CausalRepError
        As in `attribute_anomalies`.

    References
    ----------
    K. Budhathoki, L. Minorics, P. Blöbaum, D. Janzing, "Causal structure-based root cause analysis of
    outliers", ICML 2022, arXiv:1912.02724.

    Examples
    --------
    >>> from causalrep.scm import SCM, root_causes
    >>> scm = SCM.from_equations("X = N(0, 1); M = X + N(0, 1); Y = M + N(0, 1)")
    >>> table = root_causes(scm, {"X": [0.1], "M": [5.0], "Y": [5.2]}, "Y", random_state=0)
    >>> table["node"].tolist()[0], bool(table["given_parents"][0] > 5)
    ('M', True)
    """
    found = attribute_anomalies(
        scm,
        target,
        rows,
        tail=tail,
        n_samples=n_samples,
        tolerance=tolerance,
        max_permutations=max_permutations,
        random_state=random_state,
    )
    evidence, seed = Evidence.read(rows), as_seed(random_state)
    n = in_groups(n_samples)
    marginal = {node: _marginal(scm, node, evidence, n, seed) for node in found.players}
    order = [found.players.index(node) for node in found.ranking()]
    nodes = np.empty(len(order), dtype=object)
    nodes[:] = found.ranking()
    above = [
        max((marginal[p].mean() for p in scm.graph.parents(node) if p in marginal), default=np.nan)
        for node in nodes
    ]
    columns: Columns = {
        "node": nodes,
        "contribution": found.values.mean(axis=1)[order],
        "se": found.se.mean(axis=1)[order],
        "score": np.array([marginal[node].mean() for node in nodes]),
        "given_parents": np.array([_conditional(scm, node, evidence, n, seed).mean() for node in nodes]),
        "parents": np.array(above, dtype=np.float64),
    }
    frame: pd.DataFrame = frame_like(columns)
    return frame


def _marginal(scm: SCM, node: Hashable, evidence: Evidence, n: int, seed: int) -> Floats:
    """Return the outlier scores of observed values of a node among all its values, shape (n_rows,)."""
    drawn = to_numpy(scm.sample(n, keyed_seed(seed, "marginal"), [node], return_noise=True)[node])
    return _scores(np.broadcast_to(drawn, (evidence.n, *drawn.shape)), to_numpy(evidence.values[node]))


def _conditional(scm: SCM, node: Hashable, evidence: Evidence, n: int, seed: int) -> Floats:
    """Return the outlier scores of observed values of a node given its observed parents."""
    mechanism, m = scm._mechanisms[node], evidence.n
    noise = mechanism.sample_noise(n, keyed_generator(seed, "conditional", node))
    rows, repeated = np.tile(np.arange(n), m), np.repeat(np.arange(m), n)
    parents = {parent: evidence.values[parent][repeated] for parent in scm._parents[node]}
    ready = scm._for_rows([node], n * m, scm._template)[node]
    drawn = to_numpy(scm._forward(ready, node, parents, take_noise(noise, rows), n * m))
    return _scores(drawn.reshape(m, n, *drawn.shape[1:]), to_numpy(evidence.values[node]))


def _scores(drawn: NDArray[Any], seen: NDArray[Any]) -> Floats:
    """Return ``-log`` of the share of draws, (m, n), that are at least as far out as what was seen, (m,)."""
    if drawn.dtype.kind in "biuf":
        drawn, seen = drawn.astype(np.float64), seen.astype(np.float64)
        middle = np.median(drawn, axis=1, keepdims=True)
        grain = 1e-9 * np.abs(drawn).max(axis=1, keepdims=True)
        beyond = np.abs(drawn - middle) >= np.abs(seen[:, None] - middle) - grain
    else:  # states: those that are as rare as the one that was seen
        states, codes = np.unique(np.concatenate([drawn.ravel(), seen]), return_inverse=True)
        codes, own = codes[: drawn.size].reshape(drawn.shape), codes[drawn.size :]
        counts = np.stack([(codes == state).sum(axis=1) for state in range(len(states))], axis=1)
        often = np.take_along_axis(counts, codes, axis=1)
        beyond = often <= np.take_along_axis(counts, own[:, None], axis=1)
    return np.asarray(-np.log((beyond.sum(axis=1) + 1) / (drawn.shape[1] + 1)))
