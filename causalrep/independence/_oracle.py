"""The oracle: independence read off a graph instead of estimated from data.

With it a search algorithm can be shown to be right, since the graph it must return is known, and it can be
learned from, since every answer has a reason that can be drawn.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from causalrep.graphs import DAG, NodeSet
from causalrep.independence._arrays import Array, named_matrix
from causalrep.independence._base import CITest, CITestBatch
from causalrep.utils import DataError, UnknownNameError

__all__ = ["Oracle"]


class Oracle(CITest):
    """Tests that know the graph: two variables are independent given S iff S d-separates them.

    It has no data and is never wrong, which assumes faithfulness: every connection of the graph
    makes a dependence.

    Parameters
    ----------
    dag : DAG
        The true graph.
    latent : iterable of hashable, default=()
        Nodes that are not observed: no test names them.
    selection : iterable of hashable, default=()
        Nodes on whose value the sample was selected: not observed, and always conditioned on.

    Attributes
    ----------
    names_ : tuple of hashable
        The observed nodes, in the order of the graph.

    Raises
    ------
    TypeError
        If `dag` is not a `DAG`.
    UnknownNameError
        If `latent` or `selection` names something that is not a node.
    DataError
        If a node is in both.

    Notes
    -----
    The p-value is 1 for independence and 0 for dependence, the statistic 0 or infinite. One walk over
    the graph answers for all nodes at once, given one node and one set, and is remembered.

    Examples
    --------
    >>> from causalrep.graphs import DAG, NodeSet
    >>> from causalrep.independence import Oracle
    >>> oracle = Oracle(DAG.from_string("X -> C <- Y; C -> S"))
    >>> oracle.test("X", "Y").pvalue, oracle.test("X", "Y", ["S"]).pvalue
    (1.0, 0.0)
    """

    def __init__(self, dag: DAG, latent: Iterable[Hashable] = (), selection: Iterable[Hashable] = ()) -> None:
        if not isinstance(dag, DAG):
            raise TypeError(f"`dag` must be a DAG, got {type(dag).__name__}")
        self.dag = dag
        self.latent, self.selection = tuple(latent), tuple(selection)
        for what, nodes in (("latent", self.latent), ("selection", self.selection)):
            for node in nodes:
                if node not in dag:
                    raise UnknownNameError(node, dag.nodes, what=f"`{what}`")
        both = set(self.latent) & set(self.selection)
        if both:
            raise DataError(f"`latent` and `selection` must not share a node, got {both.pop()!r} in both")
        hidden = {*self.latent, *self.selection}
        self.names_ = tuple(node for node in dag.nodes if node not in hidden)
        self._anchor = np.empty(0)
        self._known: dict[tuple[int, ...], NodeSet[Hashable]] = {}

    def fit(self, X: Any = None) -> Oracle:
        """Return the oracle as it is: it needs no data, and of those given only the columns are compared.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features), default=None
            Must have the observed nodes as columns, an array as many.

        Raises
        ------
        DataError
            If it has others.
        """
        if X is not None:
            names = named_matrix(X)[1]
            positions = tuple(range(len(self.names_)))
            if names != positions and set(names) != set(self.names_):
                raise DataError(
                    f"the columns of `X` must be the observed nodes {list(self.names_)}, got {list(names)}"
                )
        return self

    @property
    def max_cond(self) -> int:
        """The largest size of a conditioning set: all observed nodes but two."""
        return max(0, len(self.names_) - 2)

    def _evaluate(self, i: Array, j: Array, S: tuple[Array, ...]) -> CITestBatch:
        questions = np.stack([np.minimum(i, j), np.maximum(i, j), *S], axis=1)
        questions[:, 2:].sort(axis=1)
        separated = np.array([self._separated(*row) for row in questions.tolist()], dtype=bool)
        return CITestBatch(
            statistic=np.where(separated, 0.0, math.inf),
            pvalue=separated.astype(np.float64),
            dof=np.zeros(len(separated)),
            flag=np.zeros(len(separated), dtype=np.int8),
        )

    def _separated(self, x: int, y: int, *given: int) -> bool:
        if (x, *given) not in self._known:
            conditions = [*(self.names_[k] for k in given), *self.selection]
            self._known[x, *given] = self.dag.separated_from([self.names_[x]], conditions)
        return self.names_[y] in self._known[x, *given]
