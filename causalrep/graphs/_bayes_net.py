"""Discrete Bayesian networks as the files of other programs hold them: states, parents, tables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs import _bif, _net, _xmlbif
from causalrep.graphs._dag import DAG
from causalrep.graphs._network import Network, text_of
from causalrep.utils import GraphError

__all__ = ["BayesNet"]


@dataclass(frozen=True, eq=False)
class BayesNet:
    """A discrete Bayesian network: for each variable its states, its parents and its table.

    It is what BIF, XMLBIF and Hugin's .net files say, and no more: to compute with the tables, make
    a model of them.

    Parameters
    ----------
    states : mapping of str to sequence of str
        The variables, in order, and the names of their states. A variable may have none in a file
        that states only the structure.
    parents : mapping of str to sequence of str, default={}
        The parents of the variables that have any.
    tables : mapping of str to array-like, default={}
        For variable x the probabilities of shape (n_states of each parent, ..., n_states of x), so
        that the last axis sums to one.

    Attributes
    ----------
    names : tuple of str
        The variables.

    Raises
    ------
    GraphError
        If a variable is not known, the parents form a cycle (`CycleError`), or a table has another
        shape than its states ask for, a negative entry, or a row that does not sum to one within
        the rounding of two decimals.

    Examples
    --------
    >>> from causalrep.graphs import BayesNet
    >>> net = BayesNet(
    ...     states={"X": ("no", "yes"), "Y": ("low", "high")},
    ...     parents={"Y": ["X"]},
    ...     tables={"X": [0.4, 0.6], "Y": [[1, 0], [0.3, 0.7]]},
    ... )
    >>> net.to_dag()
    DAG.from_string('X -> Y')
    >>> twin = BayesNet.from_bif(net.to_bif())
    >>> twin.tables["Y"][1]  # P(Y | X = yes)
    array([0.3, 0.7])
    """

    states: Mapping[str, Sequence[str]]
    parents: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tables: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = tuple(self.states)
        for what in (self.parents, self.tables):
            unknown = [name for name in what if name not in self.states]
            if unknown:
                raise GraphError(f"`states` must name every variable, got none for {unknown[0]!r}")
        states = {name: tuple(self.states[name]) for name in names}
        parents = {name: tuple(self.parents.get(name, ())) for name in names}
        tables = {name: np.array(self.tables[name], dtype=float) for name in names if name in self.tables}
        object.__setattr__(self, "states", MappingProxyType(states))
        object.__setattr__(self, "parents", MappingProxyType(parents))
        object.__setattr__(self, "tables", MappingProxyType(tables))
        self.to_dag()
        for name, table in tables.items():
            self._check_table(name, table)
            table.flags.writeable = False

    def _check_table(self, name: str, table: NDArray[np.float64]) -> None:
        shape = tuple(len(self.states[node]) for node in (*self.parents[name], name))
        if table.shape != shape:
            raise GraphError(f"the table of {name!r} must have the shape {shape}, got {table.shape}")
        if not np.isfinite(table).all() or (table < 0).any():
            raise GraphError(f"the table of {name!r} must hold probabilities, got a negative or NaN")
        off = np.abs(table.sum(axis=-1) - 1) > 0.005 * shape[-1] + 1e-9
        if off.any():
            total = table.sum(axis=-1)[off].flat[0]
            raise GraphError(f"each row of the table of {name!r} must sum to one, got {total:.6g}")

    @property
    def names(self) -> tuple[str, ...]:
        """The variables, in order."""
        return tuple(self.states)

    def to_dag(self) -> DAG:
        """Return the structure.

        Returns
        -------
        DAG
            With the variables in order.
        """
        return DAG([(u, name) for name in self.names for u in self.parents[name]], nodes=self.names)

    @classmethod
    def from_bif(cls, source: str | os.PathLike[str]) -> BayesNet:
        """Return the network in a file or text of the Bayesian Interchange Format.

        Parameters
        ----------
        source : str or path
            The text, or the path of a file, gzipped or not; a str without a brace or line break is a path.

        Returns
        -------
        BayesNet
            With the numbers as they stand in the file.

        Raises
        ------
        ParseError
            With line and column.

        References
        ----------
        .. [1] F. G. Cozman, "The Interchange Format for Bayesian Networks", version 0.15, 1998.

        Examples
        --------
        >>> from causalrep.graphs import BayesNet
        >>> text = "network n {} variable X { type discrete [2] {a, b}; } probability (X) { table 0.4, 0.6; }"
        >>> BayesNet.from_bif(text).tables["X"]
        array([0.4, 0.6])
        """
        return cls._of(_bif.parse(text_of(source, "{")))

    def to_bif(self) -> str:
        """Return the network in the Bayesian Interchange Format.

        Returns
        -------
        str
            From which `from_bif` builds an equal network.
        """
        return _bif.write(self._network())

    @classmethod
    def from_xmlbif(cls, source: str | os.PathLike[str]) -> BayesNet:
        """Return the network in a file or text of XMLBIF 0.3.

        Parameters
        ----------
        source : str or path
            The text, or the path of a file, gzipped or not; a str without ``<`` or line break is a path.

        Returns
        -------
        BayesNet
            With the numbers as they stand in the file.

        Raises
        ------
        ParseError
            With line and column; also if the text declares an entity.
        """
        return cls._of(_xmlbif.parse(text_of(source, "<")))

    def to_xmlbif(self) -> str:
        """Return the network as XMLBIF 0.3.

        Returns
        -------
        str
            From which `from_xmlbif` builds an equal network.
        """
        return _xmlbif.write(self._network())

    @classmethod
    def from_net(cls, source: str | os.PathLike[str]) -> BayesNet:
        """Return the network in a file or text of Hugin's .net format.

        Parameters
        ----------
        source : str or path
            The text, or the path of a file, gzipped or not; a str without a brace or line break is a path.

        Returns
        -------
        BayesNet
            With the numbers as they stand in the file.

        Raises
        ------
        ParseError
            With line and column; also if a node is not discrete.
        """
        return cls._of(_net.parse(text_of(source, "{")))

    def to_net(self) -> str:
        """Return the network in Hugin's .net format.

        Returns
        -------
        str
            From which `from_net` builds an equal network.
        """
        return _net.write(self._network())

    @classmethod
    def _of(cls, network: Network) -> BayesNet:
        return cls(network.states, network.parents, network.tables)

    def _network(self) -> Network:
        return Network(
            {name: list(self.states[name]) for name in self.names},
            {name: list(self.parents[name]) for name in self.names},
            dict(self.tables),
        )
