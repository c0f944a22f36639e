r"""A graph on labels by continuous optimisation: a learned adjacency that is pushed to have no cycle.

Every node is predicted by a perceptron from all others. The adjacency is the root mean square slope of
these predictions, :math:`A_{ij}^2 = \operatorname{mean} (\partial f_j / \partial x_i)^2` on standardised
labels, and

.. math:: \sum_j \tfrac12 \log \hat\sigma_j^2 + \lambda \sum_{ij} A_{ij} + w (3 h + \tfrac12 h^2),
          \qquad h(A) = \operatorname{tr} (I + A \circ A / d)^d - d,

is minimised, where :math:`\hat\sigma_j^2` is the mean squared residual of node j. The acyclicity
penalty is that of CausalVAE; the likelihood with free noise variances is that of GOLEM. Weights of the
first layer, which are often taken for the adjacency, can be made as small as one likes where the later
layers are as large, so that neither penalty would bind; slopes cannot. Both penalties grow, and :math:`w`
goes on growing, a hundredfold, until no cycle is left.

References
----------
M. Yang et al., "CausalVAE: disentangled representation learning via neural structural causal models",
CVPR 2021, arXiv:2004.08697.
Y. Yu et al., "DAG-GNN: DAG structure learning with graph neural networks", ICML 2019, arXiv:1904.10098.
X. Zheng et al., "Learning sparse nonparametric DAGs", AISTATS 2020, arXiv:1909.13189.
I. Ng, A. Ghassami, K. Zhang, "On the role of sparsity and DAG constraints for learning linear DAGs",
NeurIPS 2020, arXiv:2006.10201.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from causalrep.graphs import DAG
from causalrep.representation.trainer import Stage, Trainer, steps_done
from causalrep.utils import DataError, RandomState, as_seed, columns_of, torch_rng

__all__ = ["LearnedGraph", "acyclicity"]


def acyclicity(adjacency: Tensor) -> Tensor:
    """Return ``tr((I + A * A / d) ** d) - d``: zero if and only if the weighted graph has no cycle."""
    d = len(adjacency)
    step = torch.eye(d, dtype=adjacency.dtype, device=adjacency.device) + adjacency**2 / d
    cycles: Tensor = torch.linalg.matrix_power(step, d).trace() - d
    return cycles


class _AdjacencyObjective(nn.Module):
    """Likelihood of standardised labels under perceptrons from all other labels, with the penalties."""

    off_diagonal: Tensor

    def __init__(self, n_nodes: int, hidden: int, sparsity: float, ramp: int) -> None:
        super().__init__()
        self.ramp = ramp
        self.first = nn.Parameter(0.5 * torch.randn(n_nodes, n_nodes, hidden))  # child, parent, unit
        self.offset = nn.Parameter(torch.zeros(n_nodes, hidden))
        bound = hidden**-0.5
        self.second = nn.Parameter(torch.empty(n_nodes, hidden).uniform_(-bound, bound))
        self.level = nn.Parameter(torch.zeros(n_nodes))
        self.register_buffer("off_diagonal", 1.0 - torch.eye(n_nodes))
        self.sparsity = sparsity

    def predict(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the prediction of every label from the others, and the adjacency of the rows.

        ``[i, j]`` of the adjacency is the root mean square slope of the prediction of j along i.
        """
        first = self.first * self.off_diagonal[..., None]
        units = torch.tanh(torch.einsum("bi,jih->bjh", labels, first) + self.offset)
        slopes = torch.einsum("bjh,jih->bij", (1 - units**2) * self.second, first)
        predicted = (units * self.second).sum(-1) + self.level
        return predicted, (slopes.square().mean(0) + 1e-12).sqrt() * self.off_diagonal

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Return fit, sparsity and acyclicity, weighted."""
        labels = batch["labels"]
        predicted, a = self.predict(labels)
        h = acyclicity(a)
        # Both penalties grow from nothing: the fit is to say first which way an edge explains more.
        done = ((steps_done(generator) or 0) + 1) / self.ramp
        grown = min(1.0, done)
        cycles = grown * 100.0 ** max(0.0, done - 1.0)
        return {
            "fit": 0.5 * ((labels - predicted).square().mean(0) + 1e-4).log().sum(),
            "sparsity": grown * self.sparsity * a.sum(),
            "acyclicity": cycles * (3.0 * h + 0.5 * h**2),
        }


class LearnedGraph(BaseEstimator):  # type: ignore[misc]
    """A DAG on labels, learned as a weighted adjacency under a penalty on cycles.

    For the argument ``graph`` of an image model when no graph is known, as CausalVAE has it. Directions
    come from curvature and from independences. Where all is linear and Gaussian, no method can tell the
    direction of an edge outside a collider: what is returned is then one graph of the equivalence class,
    and which one is arbitrary. That noises have equal variances would tell it, in the right units; labels
    are standardised here, because their units are arbitrary. A constraint-based search
    (:class:`~causalrep.discovery.PC`) says which directions the data leave open; this does not. The search
    is not convex: with several paths between two nodes, edges too many or turned round are common.

    Parameters
    ----------
    sparsity : float, default=0.02
        Weight of the sum of the adjacency.
    threshold : float, default=0.3
        Edges of less weight are dropped; from what cycles remain, the weakest edge.
    hidden : int, default=16
        Units of the perceptron of each node.
    max_steps : int, default=1000
        Optimiser steps on batches of up to 256 rows.
    random_state : int, Generator, RandomState or None
        Source of initial weights and batches.

    Attributes
    ----------
    graph_ : DAG
        The graph.
    adjacency_ : ndarray of shape (n_nodes, n_nodes)
        The weights before the threshold, ``[i, j]`` that of i -> j: the root mean square slope of j along i,
        in standard deviations of j per standard deviation of i.

    Examples
    --------
    >>> from causalrep.representation import LearnedGraph
    >>> from causalrep.scm import SCM
    >>> rows = SCM.from_equations("a = N(0, 1); b = a**2 + 0.3*N(0, 1)").sample(400, random_state=0)
    >>> LearnedGraph(max_steps=150, random_state=0).fit(rows).graph_.to_string()
    'a -> b'
    """

    def __init__(
        self,
        *,
        sparsity: float = 0.02,
        threshold: float = 0.3,
        hidden: int = 16,
        max_steps: int = 1000,
        random_state: RandomState = None,
    ) -> None:
        self.sparsity = sparsity
        self.threshold = threshold
        self.hidden = hidden
        self.max_steps = max_steps
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Learn the graph.

        Parameters
        ----------
        X : data frame or array of shape (n, n_nodes)
            Labels without missing values.
        y : ignored
            For pipelines.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        DataError
            If a column is constant or not finite.
        """
        columns = columns_of(X, what="X")
        matrix = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns.values()])
        if not np.isfinite(matrix).all() or (np.ptp(matrix, axis=0) == 0).any():
            raise DataError("the columns of `X` must be finite and must vary")
        standard = torch.from_numpy((matrix - matrix.mean(0)) / matrix.std(0)).float()
        seed = as_seed(self.random_state)
        with torch_rng(seed):
            module = _AdjacencyObjective(
                len(columns), self.hidden, self.sparsity, max(1, self.max_steps // 2)
            )
        stage = Stage(
            "graph", module, max_steps=self.max_steps, batch_size=min(256, len(standard)),
            learning_rate=0.02, weight_decay=0.01, warmup_steps=min(50, self.max_steps), ema_decay=0.9,
        )  # fmt: skip
        Trainer(device="cpu", seed=seed).run([stage], {"labels": standard})
        with torch.no_grad():
            self.adjacency_ = module.predict(standard)[1].double().numpy()
        self.graph_ = _acyclic(self.adjacency_, tuple(columns), self.threshold)
        return self


def _acyclic(adjacency: NDArray[np.float64], names: tuple[Hashable, ...], threshold: float) -> DAG:
    """Return the DAG of the strong edges; they are taken from the strongest on, unless they close a cycle."""
    reach = np.eye(len(names), dtype=bool)
    edges = []
    for index in np.argsort(-adjacency, axis=None, kind="stable"):
        i, j = divmod(int(index), len(names))
        if adjacency[i, j] < threshold:
            break
        if not reach[j, i]:
            edges.append((names[i], names[j]))
            reach |= np.outer(reach[:, i], reach[j])
    return DAG(edges, nodes=names)
