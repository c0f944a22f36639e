"""How strong an arrow is, and how much a node depends on each of its direct causes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp

from causalrep.scm._arrays import take_noise, to_numpy
from causalrep.scm._attribute_noise import check_separate_noise, from_zero, numbers
from causalrep.scm._attribution import Attribution
from causalrep.scm._coalitions import Replay, Version, by_blocks
from causalrep.scm._distributions import Dirac
from causalrep.scm._evidence import Evidence
from causalrep.scm._functionals import in_groups, means
from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.scm._mechanisms import Root
from causalrep.scm._shapley import Floats, shapley
from causalrep.utils import (
    CausalRepError,
    DataError,
    RandomState,
    UnknownNameError,
    as_seed,
    keyed_generator,
    keyed_seed,
)

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = ["arrow_strength", "feature_relevance"]

_COPIES = 400  # copies of a parent behind each mixture density
_NOISE = "noise"
_AS_GIVEN = Root(Dirac(0.0))  # a node whose values are handed over as its noise


def arrow_strength(
    scm: SCM,
    target: Hashable,
    *,
    measure: str = "variance",
    n_samples: int = 10_000,
    random_state: RandomState = None,
) -> Attribution:
    """Return the strength of each arrow into a node: what changes when it is fed an independent copy.

    The arrow is cut and its open end receives draws from the parent's marginal distribution, independent of
    everything else; the other parents keep their values. Strengths do not add up to anything.

    Parameters
    ----------
    scm : SCM
        The model; interventions count.
    target : hashable
        A scalar node with at least one parent.
    measure : {"variance", "mean", "kl"}, default="variance"
        What is compared. "variance": by how much the variance given the values of the other parents grows,
        on average. "mean": by how much the mean moves, with its sign. "kl": the divergence of the
        distribution given all parents from that given the others, on average, in nats; it needs a mechanism
        with a density and also suits nodes without numbers.
    n_samples : int, default=10_000
        Draws.
    random_state : int, numpy Generator, numpy RandomState or None, default=None
        Seed.

    Returns
    -------
    Attribution
        One strength for each parent, with its standard error; `total` is None.

    Raises
    ------
    UnknownNameError
        If `target` is not a node.
    DataError
        If it has no parents, or no numbers where these are needed.
    CausalRepError
        If "kl" is asked for and the mechanism has no density, or the noise of the target is correlated
        with another.

    Notes
    -----
    For ``Y = sum_j a_j X_j + noise`` the variance measure is ``a_j**2 Var(X_j)``, whatever the correlations
    of the parents, and with Gaussian noise the divergence is ``E[KL(N(m, s2) || mixture)]``. The mixture
    density is the mean over 400 copies.

    References
    ----------
    D. Janzing, D. Balduzzi, M. Grosse-Wentrup, B. Schölkopf, "Quantifying causal influences", Annals of
    Statistics 41, 2013, doi:10.1214/13-AOS1145, definition 3.

    Examples
    --------
    >>> from causalrep.scm import SCM, arrow_strength
    >>> scm = SCM.from_equations("X = N(0, 1); Z = X + N(0, 1); Y = 2*X + Z + N(0, 1)")
    >>> strength = arrow_strength(scm, "Y", random_state=0)
    >>> all(abs(strength[v] - true) < 4 * strength[v].se for v, true in [("X", 4.0), ("Z", 2.0)])
    True
    """
    if measure not in ("variance", "mean", "kl"):
        raise DataError(f"`measure` must be 'variance', 'mean' or 'kl', got {measure!r}")
    direct = _Direct(scm, target, in_groups(n_samples), as_seed(random_state))
    if not direct.parents:
        raise DataError(f"{target!r} has no parents, so no arrow points into it")
    found = [_STRENGTHS[measure](direct, parent) for parent in direct.parents]
    replicates = np.stack([means(part) for part in found], axis=1)
    return Attribution(
        players=direct.parents,
        values=replicates.mean(axis=0),
        se=replicates.std(axis=0, ddof=1) / len(replicates) ** 0.5,
        total=None,
        start=np.zeros(()),
        measure=f"strength of the arrows into {target!r}: {measure}",
    )


class _Direct:
    """Draws of a node's parents and noise, and the values that the node takes for them."""

    def __init__(self, scm: SCM, target: Hashable, n: int, seed: int) -> None:
        if target not in scm.graph:
            raise UnknownNameError(target, scm.graph.nodes, what="`target`")
        for ancestor in scm.graph.ancestors([target]):
            if ancestor != target:
                check_separate_noise(scm, [ancestor, target])
        self.scm, self.target, self.n, self.seed = scm, target, n, seed
        self.mechanism: Mechanism = scm._mechanisms[target]
        self.parents = tuple(node for node in scm.graph.nodes if node in set(scm._parents[target]))

    def draw(self, *keys: object) -> dict[Hashable, Array]:
        """Return draws of the parents together, from the stream that `keys` address."""
        if not self.parents:
            return {}
        seed = keyed_seed(self.seed, *keys)
        sample = self.scm.sample(self.n, seed, self.parents, return_noise=True)
        return {parent: sample[parent] for parent in self.parents}

    def noise(self, *keys: object) -> Noise:
        """Return draws of the node's own noise."""
        return self.mechanism.sample_noise(self.n, keyed_generator(self.seed, *keys))

    def values(self, parents: Mapping[Hashable, Array], noise: Noise) -> Floats:
        """Return the numbers that the node takes."""
        ready = self.scm._for_rows([self.target], self.n, self.scm._template)[self.target]
        values = to_numpy(self.scm._forward(ready, self.target, parents, noise, self.n))
        if values.ndim != 1:
            raise DataError(f"{self.target!r} must be a scalar node, its values have shape {values.shape}")
        return numbers(values, self.target)


def _variance_change(direct: _Direct, parent: Hashable) -> Floats:
    # Var = E[(a - b)**2] / 2 for two draws; given the other parents, and given all parents.
    factual = direct.draw("factual")
    noises = [direct.noise("noise", i) for i in range(2)]
    copies = [direct.draw("copy", i)[parent] for i in range(2)]
    cut = [
        direct.values({**factual, parent: copied}, noise)
        for copied, noise in zip(copies, noises, strict=True)
    ]
    whole = [direct.values(factual, noise) for noise in noises]
    return np.asarray(((cut[0] - cut[1]) ** 2 - (whole[0] - whole[1]) ** 2) / 2)


def _mean_change(direct: _Direct, parent: Hashable) -> Floats:
    factual, noise = direct.draw("factual"), direct.noise("noise", 0)
    cut = direct.values({**factual, parent: direct.draw("copy", 0)[parent]}, noise)
    return np.asarray(cut - direct.values(factual, noise))


def _divergence(direct: _Direct, parent: Hashable) -> Floats:
    mechanism = direct.mechanism
    if not mechanism.has_density:
        raise CausalRepError(
            f"the divergence needs the density of {direct.target!r}, and {mechanism!r} has none in closed "
            "form; use measure='variance'"
        )
    factual = direct.draw("factual")
    ready = direct.scm._for_rows([direct.target], direct.n, direct.scm._template)[direct.target]
    value = direct.scm._forward(ready, direct.target, factual, direct.noise("noise", 0), direct.n)
    copies = direct.draw("copy", 0)[parent]
    count = min(_COPIES, direct.n)
    mixed = []
    for i in range(count):
        # every row meets other copies: a shift of the rows is as good as another draw
        moved = take_noise(copies, (np.arange(direct.n) + i * (direct.n // count)) % direct.n)
        mixed.append(to_numpy(ready.log_prob({**factual, parent: moved}, value)))
    log_densities = np.stack(mixed)
    mixture = logsumexp(log_densities, axis=0) - np.log(count)
    # the logarithm of a mean is too small by half its relative variance, to second order
    relative = np.exp(log_densities - mixture)
    mixture = mixture + relative.var(axis=0) / (2 * count)
    return np.asarray(to_numpy(ready.log_prob(factual, value)) - mixture)


_STRENGTHS = {"variance": _variance_change, "mean": _mean_change, "kl": _divergence}


def feature_relevance(
    scm: SCM,
    target: Hashable,
    rows: Any = None,
    *,
    n_samples: int = 10_000,
    tolerance: float = 0.02,
    max_permutations: int = 512,
    random_state: RandomState = None,
) -> Attribution:
    """Return how relevant the parents of a node and its own noise are to its value.

    Parameters
    ----------
    scm : SCM
        The model; interventions count.
    target : hashable
        A scalar node with numbers.
    rows : data frame, Samples or mapping of node to array, optional
        Rows whose values are explained, with the target and its parents; default: the variance of the node.
    n_samples : int, default=10_000
        Draws for each coalition.
    tolerance, max_permutations : float and int
        As in `intrinsic_causal_influence`.
    random_state : int, numpy Generator, numpy RandomState or None, default=None
        Seed.

    Returns
    -------
    Attribution
        Parents by name, and the node's noise as ``"noise"``. Without `rows` contributions add up to the
        variance of the node; with them, of shape (n_causes, n), to the values of the rows less the mean.

    Raises
    ------
    UnknownNameError, DataError, CausalRepError, NotInvertibleError
        As in `attribute_anomalies`.

    Notes
    -----
    Shapley values of ``-E[(f(x) - f(x'))**2] / 2``, where x' agrees with x in the coalition and is otherwise
    drawn, or of ``E[f(x_S, X'_rest)]`` for rows; what is drawn keeps the joint distribution of the parents.
    For a linear mechanism the variance that goes to parent j is ``Cov(a_j X_j, Y)`` with the noise's own
    variance apart, and the row's value that goes to it ``a_j (x_j - E X_j)``.

    References
    ----------
    D. Janzing, L. Minorics, P. Blöbaum, "Feature relevance quantification in explainable AI: a causal
    problem", AISTATS 2020, arXiv:1910.13413.

    Examples
    --------
    >>> from causalrep.scm import SCM, feature_relevance
    >>> scm = SCM.from_equations("X = N(0, 1); Z = N(0, 1); Y = 2*X - Z + N(0, 1)")
    >>> feature_relevance(scm, "Y", {"X": [1.0], "Z": [1.0], "Y": [2.0]}, random_state=0).values.round(1)
    array([[ 2.],
           [-1.],
           [ 1.]])
    """
    direct = _Direct(scm, target, in_groups(n_samples), as_seed(random_state))
    players = (*direct.parents, _NOISE)
    if _NOISE in direct.parents:
        raise DataError(f"a parent of {target!r} is called {_NOISE!r}, which stands for its noise here")
    off = {**direct.draw("drawn"), _NOISE: direct.noise("drawn noise")}
    if rows is None:
        on, m = {**direct.draw("known"), _NOISE: direct.noise("known noise")}, 1
    else:
        on, m = _observed(direct, rows)
    n = direct.n * m
    if m > 1:
        off = {name: take_noise(part, np.tile(np.arange(direct.n), m)) for name, part in off.items()}
    replay = _switching_parents(direct, players, off, on, n)
    if rows is None:
        known = numbers(replay(np.ones((1, len(players)), dtype=bool)), target)
        game = by_blocks(replay, lambda values: -means((numbers(values, target) - known) ** 2) / 2)
    else:
        game = by_blocks(
            replay, lambda values: means(numbers(values, target).reshape(len(values), m, direct.n))
        )
    shares = shapley(
        game, len(players), seed=direct.seed, tolerance=tolerance, max_permutations=max_permutations
    )
    if rows is None:
        return from_zero(Attribution.of(players, shares, f"variance of {target!r}"))
    return Attribution.of(players, shares, f"value of {target!r}")


def _observed(direct: _Direct, rows: Any) -> tuple[dict[Hashable, Any], int]:
    """Return parents and noise of observed rows, each row repeated for all draws."""
    evidence = Evidence.read(rows)
    for node in (*direct.parents, direct.target):
        evidence.require(node, "to explain its values")
    noise = direct.scm._abducted([direct.target], evidence, direct.scm._carried(evidence))[direct.target]
    index = np.repeat(np.arange(evidence.n), direct.n)
    parents = {parent: evidence.values[parent][index] for parent in direct.parents}
    return {**parents, _NOISE: take_noise(noise, index)}, evidence.n


def _switching_parents(
    direct: _Direct,
    players: tuple[Hashable, ...],
    off: Mapping[Hashable, Any],
    on: Mapping[Hashable, Any],
    n: int,
) -> Replay:
    """Return the replay in which each player switches the value of a parent, the last one the noise."""
    versions: dict[Hashable, dict[tuple[bool, ...], Version]] = {}
    for player in players:
        node = direct.target if player == _NOISE else player
        mechanism, parents = (direct.mechanism, direct.parents) if player == _NOISE else (_AS_GIVEN, ())
        versions[node] = {
            (False,): Version(mechanism, parents, off[player]),
            (True,): Version(mechanism, parents, on[player]),
        }
    switches = {node: (i,) for i, node in enumerate(versions)}
    return Replay(list(versions), switches, versions, n, direct.scm._template)
