"""Noise that several nodes share: a joint Gaussian law."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from causalrep.scm._couplings import Floats
from causalrep.scm._distributions import Normal
from causalrep.scm._mechanism import Mechanism
from causalrep.scm._mechanisms import AdditiveNoise, Root
from causalrep.utils import DataError, UnknownNameError, keyed_generator

__all__ = ["JointNormal", "joint_laws", "log_normal"]


class JointNormal:
    """A joint Gaussian law of the noises of several nodes: a bidirected edge with a number.

    Give it as the noise of each of its nodes, whose mechanisms must add their noise (`Linear`,
    `AdditiveNoise`, or none for a node without parents).

    Parameters
    ----------
    nodes : iterable of hashable
        The nodes, at least two.
    covariance : array of shape (d, d)
        Symmetric and positive semi-definite, with positive variances.
    mean : array of shape (d,), optional
        Means of the noises; default: zeros.

    Raises
    ------
    DataError
        If a node is named twice, or the covariance is not one.

    Examples
    --------
    >>> from causalrep.scm import SCM, JointNormal, Linear
    >>> shared = JointNormal(["X", "Y"], [[1.0, 0.5], [0.5, 1.0]])
    >>> scm = SCM(mechanisms={"X": Linear({}), "Y": Linear({"X": 2.0})}, noise={"X": shared, "Y": shared})
    >>> float(scm.expectation("Y", given={"X": 1.0})), float(scm.expectation("Y", do={"X": 1.0}))
    (2.5, 2.0)
    """

    def __init__(
        self, nodes: Iterable[Hashable], covariance: ArrayLike, mean: ArrayLike | None = None
    ) -> None:
        self.nodes = tuple(nodes)
        self.covariance: Floats = np.array(covariance, dtype=np.float64)
        d = len(self.nodes)
        self.mean: Floats = np.zeros(d) if mean is None else np.array(mean, dtype=np.float64)
        if d < 2 or len(set(self.nodes)) != d:
            raise DataError(f"`nodes` must be two or more distinct nodes, got {self.nodes}")
        if self.covariance.shape != (d, d) or self.mean.shape != (d,):
            raise DataError(
                f"`covariance` must have shape {(d, d)} and `mean` {(d,)}, "
                f"got {self.covariance.shape} and {self.mean.shape}"
            )
        self._root = _square_root(self.covariance)

    def __repr__(self) -> str:
        return f"JointNormal({list(self.nodes)!r}, {self.covariance.tolist()!r})"

    def index(self, node: Hashable) -> int:
        """Return the position of a node."""
        if node not in self.nodes:
            raise UnknownNameError(node, self.nodes, what="the noise of a JointNormal")
        return self.nodes.index(node)

    def marginal(self, node: Hashable) -> Normal:
        """Return the law of one node's noise."""
        i = self.index(node)
        return Normal(float(self.mean[i]), float(np.sqrt(self.covariance[i, i])))

    def correlated(self, nodes: Sequence[Hashable]) -> list[tuple[Hashable, Hashable]]:
        """Return the pairs among `nodes` whose noises have a covariance."""
        return [
            (u, v) for u, v in combinations(nodes, 2) if self.covariance[self.index(u), self.index(v)] != 0
        ]

    def sample(self, node: Hashable, n: int, seed: int) -> Floats:
        """Return `n` draws of one node's noise, shape (n,).

        Each node of the group has a stream of standard normals of its own, addressed by seed and
        node; the draws of different nodes mix the same streams, whichever of them are asked for.
        """
        total = np.full(n, self.mean[self.index(node)])
        for weight, source in zip(self._root[self.index(node)], self.nodes, strict=True):
            if weight != 0:
                total += weight * keyed_generator(seed, "noise", source).standard_normal(n)
        return total

    def conditional(self, node: Hashable, known: Mapping[Hashable, Floats]) -> tuple[Floats | float, float]:
        """Return mean, shape (n,), and standard deviation of a noise given those of other nodes."""
        i = self.index(node)
        given = [self.index(other) for other in known]
        if not given:
            return float(self.mean[i]), float(np.sqrt(self.covariance[i, i]))
        block = self.covariance[np.ix_(given, given)]
        weights = np.linalg.pinv(block, hermitian=True) @ self.covariance[given, i]
        residuals = np.stack([np.asarray(part) for part in known.values()], axis=-1) - self.mean[given]
        variance = self.covariance[i, i] - self.covariance[i, given] @ weights
        return self.mean[i] + residuals @ weights, float(np.sqrt(max(variance, 0.0)))

    def log_prob(self, noise: Mapping[Hashable, Floats]) -> Floats:
        """Return the joint log density of the noises of some of the nodes, shape (n,)."""
        known: dict[Hashable, Floats] = {}
        total: Any = 0.0
        for node, part in noise.items():
            mean, scale = self.conditional(node, known)
            total = total + log_normal(part, mean, scale)
            known[node] = part
        return np.asarray(total)


def log_normal(value: Floats, mean: Floats | float, scale: float) -> Floats:
    """Return the Gaussian log density; of a point mass where the scale is zero."""
    away = np.asarray(value - mean)
    if scale == 0:
        return np.where(np.isclose(away, 0, atol=1e-9), 0.0, -np.inf)
    return np.asarray(-0.5 * (away / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi))


def _square_root(covariance: Floats) -> Floats:
    """Return R with R R' equal to the covariance: its Cholesky factor, or a symmetric root if singular."""
    scale = np.sqrt(np.abs(np.diag(covariance)))
    if not np.isfinite(covariance).all() or not (np.diag(covariance) > 0).all():
        raise DataError("`covariance` must be finite with a positive diagonal")
    if not np.allclose(covariance, covariance.T, rtol=0, atol=1e-12 * scale.max() ** 2):
        raise DataError("`covariance` must be symmetric")
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    if values[0] < -1e-9:
        raise DataError(
            "`covariance` must be positive semi-definite, but the correlations have the eigenvalue "
            f"{values[0]:.3g}"
        )
    if values[0] > 1e-12:
        return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    root = scale[:, None] * (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return np.asarray(root, dtype=np.float64)


def joint_laws(
    noise: Mapping[Hashable, Any], mechanisms: Mapping[Hashable, Mechanism]
) -> dict[Hashable, JointNormal]:
    """Return the joint law of each node that has one, and check that it is that of all its nodes."""
    laws = {node: law for node, law in noise.items() if isinstance(law, JointNormal)}
    for node, law in laws.items():
        for other in law.nodes:
            if laws.get(other) is not law:
                raise DataError(
                    f"the noise of {node!r} is joint with that of {other!r}, so the same JointNormal must "
                    f"be given as the noise of {other!r}"
                )
        if not isinstance(mechanisms[node], (AdditiveNoise, Root)):
            raise DataError(
                f"a JointNormal is added to a mechanism (Linear, AdditiveNoise or none), but {node!r} "
                f"has {mechanisms[node]!r}"
            )
    return laws
