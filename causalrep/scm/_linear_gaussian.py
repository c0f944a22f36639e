"""Linear Gaussian structural causal models: a matrix in, closed forms out."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from causalrep.graphs import DAG
from causalrep.graphs._base import Nodes
from causalrep.scm._couplings import Floats
from causalrep.scm._distributions import Normal
from causalrep.scm._gaussians import GaussianEngine, linear_part
from causalrep.scm._joint import JointNormal
from causalrep.scm._mechanism import Mechanism, NoiseLaw
from causalrep.scm._mechanisms import Linear
from causalrep.scm._scm import SCM
from causalrep.scm._worlds import World, unfold
from causalrep.utils import DataError

__all__ = ["LinearGaussianSCM"]


class LinearGaussianSCM(SCM):
    """The model ``V = B' V + e`` with ``e ~ N(mean, Omega)``, on an acyclic graph.

    It is an `SCM` like any other: `sample`, `do`, `shift`, `counterfactual` and the rest go through
    the same engine. Expectations, probabilities of intervals, effects and counterfactuals are in
    closed form, also when only some nodes were observed.

    Parameters
    ----------
    B : array of shape (d, d)
        ``B[i, j]`` is the coefficient of i in the equation of j: i -> j where it is not zero.
    noise_var : array of shape (d,) or (d, d)
        Variances of the noises, or their covariance matrix; correlated noises are what a bidirected
        edge stands for. A variance may be zero.
    mean : array of shape (d,), optional
        Means of the noises, the intercepts; default: zeros.
    names : iterable of hashable, optional
        The nodes, in the order of the matrix; default: 0, 1, ..., d - 1.
    latent : node or iterable of node, default=()
        Nodes that cannot be observed.

    Raises
    ------
    CycleError
        If the coefficients form a directed cycle.
    DataError
        If shapes do not fit, an entry is not finite, or `noise_var` is no covariance.

    References
    ----------
    C. Cai, M. Kuroki, "Counterfactual reasoning in linear structural equation models", UAI 2005.
    J. Pearl, *Causality*, 2nd ed., 2009, section 7.1 (abduction, action, prediction).

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.scm import LinearGaussianSCM
    >>> B = np.array([[0, 0.8, -1.0], [0, 0, 2.0], [0, 0, 0]])
    >>> scm = LinearGaussianSCM(B, [1.0, 1.0, 0.25], names=["Z", "X", "Y"])
    >>> scm.covariance().round(2)
    array([[1.  , 0.8 , 0.6 ],
           [0.8 , 1.64, 2.48],
           [0.6 , 2.48, 4.61]])
    >>> round(scm.counterfactual_expectation("Y", do={"X": 1.0}, given={"X": 0.0, "Y": 0.5}), 9)
    2.5
    """

    def __init__(
        self,
        B: ArrayLike,
        noise_var: ArrayLike,
        mean: ArrayLike | None = None,
        names: Iterable[Hashable] | None = None,
        *,
        latent: Nodes = (),
    ) -> None:
        coefficients = np.asarray(B, dtype=np.float64)
        d = len(coefficients) if coefficients.ndim else 0
        nodes: list[Hashable] = [*range(d)] if names is None else [*names]
        noise = np.asarray(noise_var, dtype=np.float64)
        intercepts = np.zeros(d) if mean is None else np.asarray(mean, dtype=np.float64)
        _check_shapes(coefficients, noise, intercepts, nodes)
        covariance = np.diag(noise) if noise.ndim == 1 else noise
        _check_variances(covariance)
        edges = [(nodes[i], nodes[j]) for i, j in np.argwhere(coefficients)]
        graph = DAG(edges, nodes=nodes, latent=latent)
        laws = _joint_laws(nodes, covariance, intercepts)
        mechanisms: dict[Hashable, Mechanism] = {}
        for j, node in enumerate(nodes):
            terms = {nodes[i]: float(coefficients[i, j]) for i in np.flatnonzero(coefficients[:, j])}
            variance = float(covariance[j, j])
            if node in laws:
                mechanisms[node] = Linear(terms)  # the joint law brings the mean
            else:
                law = Normal(0.0, variance**0.5) if variance > 0 else None
                mechanisms[node] = Linear(terms, float(intercepts[j]), law)
        super().__init__(graph, mechanisms, noise=laws)

    @classmethod
    def _of_parts(
        cls, graph: DAG, mechanisms: Mapping[Hashable, Any], noise: Mapping[Hashable, NoiseLaw]
    ) -> Self:
        general = SCM(graph, mechanisms, noise=noise)
        at = {node: i for i, node in enumerate(graph.nodes)}
        B, covariance, mean = np.zeros((len(at), len(at))), np.zeros((len(at), len(at))), np.zeros(len(at))
        for node, mechanism in general.mechanisms.items():
            part = linear_part(mechanism)
            if part is None:
                raise DataError(
                    f"the mechanism of {node!r} must be linear with Gaussian noise, got {mechanism!r}"
                )
            for parent, coefficient in part.coefficients.items():
                B[at[parent], at[node]] = coefficient
            mean[at[node]], covariance[at[node], at[node]] = part.intercept, part.loading**2 * part.variance
        for law in {id(law): law for law in general._joints.values()}.values():
            block = [at[node] for node in law.nodes]
            covariance[np.ix_(block, block)] = law.covariance
        return cls(B, covariance, mean, graph.nodes, latent=graph.latent)

    def mean(self) -> Floats:
        """Return the means of all nodes, under the interventions that were made.

        Returns
        -------
        array of shape (d,)
            In the order of the nodes.

        Examples
        --------
        >>> from causalrep.scm import LinearGaussianSCM
        >>> LinearGaussianSCM([[0, 2], [0, 0]], [1, 1], mean=[1, 0]).do({0: 3.0}).mean()
        array([3., 6.])
        """
        return self._moments()[0]

    def covariance(self) -> Floats:
        """Return the covariance matrix of all nodes, under the interventions that were made.

        Without any it is ``(I - B)^-T Omega (I - B)^-1``.

        Returns
        -------
        array of shape (d, d)
            In the order of the nodes.

        Examples
        --------
        >>> from causalrep.scm import LinearGaussianSCM
        >>> LinearGaussianSCM([[0, 2], [0, 0]], [1, 1]).covariance()
        array([[1., 2.],
               [2., 5.]])
        """
        return self._moments()[1]

    def _moments(self) -> tuple[Floats, Floats]:
        network = unfold(self, [World()])
        numbers = [network.index[0, node] for node in self._graph.nodes]
        engine = GaussianEngine.build(network, sorted(numbers), self._joints)
        if engine is None:
            raise DataError(
                f"there is no closed form under the interventions {self.interventions!r}; "
                "use expectation, which samples"
            )
        return engine.moments(numbers, {})

    def direct_effects(self) -> Floats:
        """Return the coefficients of the edges, under the interventions that were made.

        Returns
        -------
        array of shape (d, d)
            Entry (i, j): how much j changes with i when all other causes of j are held.

        Examples
        --------
        >>> from causalrep.scm import LinearGaussianSCM
        >>> LinearGaussianSCM([[0, 2], [0, 0]], [1, 1]).direct_effects()
        array([[0., 2.],
               [0., 0.]])
        """
        position = {node: i for i, node in enumerate(self._graph.nodes)}
        matrix = np.zeros((len(position), len(position)))
        for node, mechanism in self._mechanisms.items():
            part = linear_part(mechanism)
            if part is not None:
                for parent, coefficient in part.coefficients.items():
                    matrix[position[parent], position[node]] = coefficient
        return matrix

    def total_effects(self) -> Floats:
        """Return the sums over directed paths of products of coefficients, ``(I - B)^-1 - I``.

        Returns
        -------
        array of shape (d, d)
            Entry (i, j): the derivative of ``E[j | do(i)]`` (Wright 1921's method of path coefficients).

        Examples
        --------
        >>> from causalrep.scm import LinearGaussianSCM
        >>> LinearGaussianSCM([[0, 2, 1], [0, 0, 3], [0, 0, 0]], [1, 1, 1]).total_effects()[0, 2]
        np.float64(7.0)
        """
        direct = self.direct_effects()
        identity = np.eye(len(direct))
        return np.asarray(np.linalg.solve(identity - direct, identity) - identity)


def _check_shapes(B: Floats, noise: Floats, mean: Floats, nodes: list[Hashable]) -> None:
    d = len(nodes)
    wanted = (("`B`", B, ((d, d),)), ("`noise_var`", noise, ((d,), (d, d))), ("`mean`", mean, ((d,),)))
    for what, array, shapes in wanted:
        if array.shape not in shapes:
            raise DataError(f"{what} must have the shape {' or '.join(map(str, shapes))}, got {array.shape}")
        if not np.isfinite(array).all():
            raise DataError(f"{what} must be finite, got NaN or infinity")


def _check_variances(covariance: Floats) -> None:
    variances = np.diag(covariance)
    if (variances < 0).any():
        raise DataError(f"`noise_var` must not be negative, got {variances.min():g}")
    alone = variances == 0
    if covariance[alone].any() or covariance[:, alone].any():
        raise DataError("`noise_var` must have no covariance with a noise whose variance is zero")
    if not np.allclose(covariance, covariance.T, rtol=1e-12, atol=0):
        raise DataError("`noise_var` must be symmetric")


def _joint_laws(nodes: list[Any], covariance: Floats, mean: Floats) -> dict[Hashable, JointNormal]:
    """Return the joint law of each node whose noise is correlated with another's, one for each block."""
    left = [i for i in range(len(nodes)) if np.count_nonzero(covariance[i]) > (covariance[i, i] != 0)]
    laws: dict[Hashable, JointNormal] = {}
    while left:
        block, grown = [left[0]], 0
        while grown < len(block):
            block += [i for i in left if covariance[block[grown], i] != 0 and i not in block]
            grown += 1
        block.sort()
        law = JointNormal([nodes[i] for i in block], covariance[np.ix_(block, block)], mean[block])
        laws.update({nodes[i]: law for i in block})
        left = [i for i in left if i not in block]
    return laws
