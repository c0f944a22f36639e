"""The structure of a Bayesian network's file as a graph; its tables are for `BayesNet`."""

from __future__ import annotations

import os
from typing import Self

from causalrep.graphs import _bif, _net, _xmlbif
from causalrep.graphs._draft import Draft, DraftEdge
from causalrep.graphs._drafted import Drafted
from causalrep.graphs._network import Network, text_of
from causalrep.utils import GraphError

__all__ = ["NetworkForms"]


class NetworkForms(Drafted):
    """The formats of Bayesian networks, in as far as they state edges."""

    @classmethod
    def from_bif(cls, source: str | os.PathLike[str]) -> Self:
        """Return the structure of a Bayesian network in the Bayesian Interchange Format.

        Parameters
        ----------
        source : str or path
            The text, or the path of a file; a str without a brace or line break is a path.

        Returns
        -------
        Graph
            Of this class, with the variables in the order of the file.

        Raises
        ------
        ParseError
            With line and column.

        See Also
        --------
        BayesNet.from_bif : Reads the tables too.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_bif(DAG.from_string("X -> Y").to_bif())
        DAG.from_string('X -> Y')
        """
        return cls._from_draft(_draft_of(_bif.parse(text_of(source, "{"))))

    def to_bif(self) -> str:
        """Return the structure in the Bayesian Interchange Format, without states and tables.

        Returns
        -------
        str
            Several lines.

        Raises
        ------
        GraphError
            If a label is no string or an edge is not directed.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> len(DAG.from_string("X -> Y").to_bif().splitlines()) > 2
        True
        """
        return _bif.write(_network_of(self._draft(), "to_bif"))

    @classmethod
    def from_xmlbif(cls, source: str | os.PathLike[str]) -> Self:
        """Return the structure of a Bayesian network in the XMLBIF 0.3 format.

        Parameters
        ----------
        source : str or path
            The text, or the path of a file; a str without ``<`` or line break is a path.

        Returns
        -------
        Graph
            Of this class, with the variables in the order of the file.

        Raises
        ------
        ParseError
            With line and column.

        See Also
        --------
        BayesNet.from_xmlbif : Reads the tables too.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_xmlbif(DAG.from_string("X -> Y").to_xmlbif())
        DAG.from_string('X -> Y')
        """
        return cls._from_draft(_draft_of(_xmlbif.parse(text_of(source, "<"))))

    def to_xmlbif(self) -> str:
        """Return the structure in the XMLBIF 0.3 format, without states and tables.

        Returns
        -------
        str
            Several lines.

        Raises
        ------
        GraphError
            If a label is no string or an edge is not directed.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> len(DAG.from_string("X -> Y").to_xmlbif().splitlines()) > 2
        True
        """
        return _xmlbif.write(_network_of(self._draft(), "to_xmlbif"))

    @classmethod
    def from_net(cls, source: str | os.PathLike[str]) -> Self:
        """Return the structure of a Bayesian network in the .net format of Hugin.

        Parameters
        ----------
        source : str or path
            The text, or the path of a file; a str without a brace or line break is a path.

        Returns
        -------
        Graph
            Of this class, with the variables in the order of the file.

        Raises
        ------
        ParseError
            With line and column.

        See Also
        --------
        BayesNet.from_net : Reads the tables too.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_net(DAG.from_string("X -> Y").to_net())
        DAG.from_string('X -> Y')
        """
        return cls._from_draft(_draft_of(_net.parse(text_of(source, "{"))))

    def to_net(self) -> str:
        """Return the structure in the .net format of Hugin, without states and tables.

        Returns
        -------
        str
            Several lines.

        Raises
        ------
        GraphError
            If a label is no string or an edge is not directed.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> len(DAG.from_string("X -> Y").to_net().splitlines()) > 2
        True
        """
        return _net.write(_network_of(self._draft(), "to_net"))


def _draft_of(network: Network) -> Draft:
    edges: list[DraftEdge] = [(u, "->", name, {}) for name in network.states for u in network.parents[name]]
    return Draft({name: {} for name in network.states}, edges)


def _network_of(draft: Draft, where: str) -> Network:
    odd = [node for node in draft.nodes if not isinstance(node, str)]
    if odd:
        raise GraphError(f"{where} writes labels that are strings, got {odd[0]!r}; to_json writes all")
    network = Network({str(node): [] for node in draft.nodes}, {str(node): [] for node in draft.nodes})
    for u, kind, v, _ in draft.edges:
        if kind != "->":
            raise GraphError(f"{where} writes directed edges, got {u!r} {kind} {v!r}")
        network.parents[str(v)].append(str(u))
    return network
