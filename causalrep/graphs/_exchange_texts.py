"""A graph as a text: the notations for graphs and structural equations."""

from __future__ import annotations

from typing import Self

from causalrep.graphs import _dagitty, _dot, _dsl, _gml, _graphml, _json, _lavaan
from causalrep.graphs._drafted import Drafted

__all__ = ["TextForms"]


class TextForms(Drafted):
    """The notations that a graph reads and writes."""

    @classmethod
    def from_string(cls, text: str) -> Self:
        r"""Return the graph that a line of text describes.

        Statements are separated by ``;`` or line breaks and may be chains. A node is a word, an
        integer (the label is then an ``int``), or anything in quotes (backslash escapes); a node
        alone is a statement, as ``U [latent]`` where the graph type has latent nodes; braces group
        nodes; ``#`` begins a comment. Edges are ``->``, ``<-``
        and, where the graph type has them, ``--``, ``<->``, ``o->``, ``<-o``, ``o-o``, ``o--``, ``--o``.

        Parameters
        ----------
        text : str
            For example ``"Z -> X -> M -> Y; Z -> Y"``.

        Returns
        -------
        Graph
            Of this class; its nodes in the order of first appearance.

        Raises
        ------
        ParseError
            With line and column, where the text is not of this form or has an edge that this graph
            type has not.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string('{Z "blood pressure"} -> Y <- X')
        >>> g.parents("Y")
        NodeSet(['Z', 'blood pressure', 'X'])
        """
        return cls._from_draft(_dsl.parse(text, cls._kinds, cls.__name__))

    def to_string(self) -> str:
        """Return the text from which `from_string` builds this graph again, node order included.

        Attributes other than ``latent`` are left out; `to_dagitty` and others write them.

        Returns
        -------
        str
            One statement per edge, in node order.

        Raises
        ------
        GraphError
            If a label is neither a string nor an integer; `to_json` also writes tuples.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG([("X", "Y"), ("Z", "X")], nodes=["X", "Y", "Z", "a b"]).to_string()
        'X -> Y; Z -> X; "a b"'
        """
        return _dsl.write(self._draft())

    @classmethod
    def from_dot(cls, text: str) -> Self:
        """Return the graph that a text in the DOT language of Graphviz describes.

        The text is read by a small parser of our own and never evaluated. Chains, groups,
        subgraphs, comments and the edge attributes ``dir``, ``arrowhead`` (``odot`` is a circle) and
        ``arrowtail`` count; other attributes of nodes and edges are carried along. A node
        written as a bare integer gets an ``int`` label.

        Parameters
        ----------
        text : str
            A ``digraph`` or a ``graph``.

        Returns
        -------
        Graph
            Of this class; its nodes in the order of first appearance.

        Raises
        ------
        ParseError
            With line and column.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_dot('digraph { node [shape=box]; X -> Y [label="a"]; Z -> {X Y} }')
        DAG.from_string('X -> Y; Z -> X; Z -> Y')
        """
        return cls._from_draft(_dot.parse(text, cls._kinds, cls.__name__))

    def to_dot(self) -> str:
        """Return the graph in the DOT language, for Graphviz or `from_dot`.

        Returns
        -------
        str
            Several lines; nodes in order, then edges in node order, with their attributes.

        Raises
        ------
        GraphError
            If a label is neither a string nor an integer, or an attribute is a tuple other than ``pos``.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> print(DAG.from_string("X -> Y").to_dot())
        digraph {
          "X";
          "Y";
          "X" -> "Y";
        }
        """
        return _dot.write(self._draft())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the graph that `to_json` wrote.

        Parameters
        ----------
        text : str
            JSON.

        Returns
        -------
        Graph
            Of this class.

        Raises
        ------
        ParseError
            With line and column, if the text is not JSON, or not that of a graph of this class.
        GraphError
            If the edges break an invariant of this class.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG([(("X", -1), ("X", 0))])
        >>> DAG.from_json(g.to_json()) == g
        True
        """
        return cls._from_draft(_json.parse(text, cls._kinds, cls.__name__))

    def to_json(self) -> str:
        """Return the graph as JSON, exactly: labels, node order, marks, latent nodes, attributes.

        Returns
        -------
        str
            One object with ``type``, ``nodes`` and ``edges``, each edge as ``[left, kind, right]`` or
            ``[left, kind, right, attributes]``, and, where there are any, ``latent`` and ``attributes``,
            each of which is ``[node, attributes]``.

        Raises
        ------
        GraphError
            If a label is not a string, number, boolean, ``None`` or a tuple of such.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> Y").to_json()
        '{"type": "DAG", "nodes": ["X", "Y"], "edges": [["X", "->", "Y"]]}'
        """
        return _json.write(type(self).__name__, self._draft())

    @classmethod
    def from_dagitty(cls, text: str) -> Self:
        """Return the graph that a text in dagitty's language describes.

        Attributes of nodes (``exposure``, ``outcome``, ``adjusted``, ``selected``, ``pos``, ...) and of
        edges (``beta``, ...) are carried along; ``latent`` nodes become the latent nodes of the graph,
        where the type has such. All names are texts, as in dagitty, unless `to_dagitty` marked them.

        Parameters
        ----------
        text : str
            Such as ``dag { X -> Y; U [latent] -> {X Y} }``. A `DAG` or `ADMG` is a ``dag``, a `PDAG` or
            one of its kinds a ``pdag`` or ``dag``, a `MAG` a ``mag``, a `PAG` a ``pag``; ``graph`` and
            ``digraph`` go for all. Circles are written ``@``.

        Returns
        -------
        Graph
            Of this class; its nodes in the order of first appearance.

        Raises
        ------
        ParseError
            With line and column; also if the graph is of another type.

        Examples
        --------
        >>> from causalrep.graphs import ADMG, PAG
        >>> g = ADMG.from_dagitty('dag { X [exposure]  Y [outcome]  X -> M -> Y  X <-> Y }')
        >>> g, g.attributes.having("exposure")
        (ADMG.from_string('X <-> Y; X -> M; M -> Y'), ('X',))
        >>> PAG.from_dagitty("pag { X @-> Y @-@ Z }").mark("Y", "X")
        'circle'
        """
        return cls._from_draft(_dagitty.parse(text, cls._kinds, cls.__name__, cls._headers))

    def to_dagitty(self) -> str:
        """Return the graph in dagitty's language.

        Returns
        -------
        str
            Several lines; nodes in order, then edges in node order, with their attributes. A label that
            is an integer is marked by an attribute, for dagitty itself has only texts.

        Raises
        ------
        GraphError
            If a label is neither a string nor an integer, two differ only in that, or an attribute is a
            tuple other than ``pos``.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG([("X", "Y")]).with_attributes({"X": {"exposure": True, "pos": (0, 1)}})
        >>> print(g.to_dagitty())
        dag {
          X [exposure, pos="0.0,1.0"]
          Y
          X -> Y
        }
        """
        return _dagitty.write(self._draft(), self._headers[0])

    @classmethod
    def from_gml(cls, text: str) -> Self:
        """Return the graph that a text in the Graph Modelling Language describes.

        The marks of an edge are its key ``kind``, such as ``"<->"``; without one it is directed if the
        graph is, else undirected. Keys of nodes and edges with plain values are carried along as
        attributes, repeated ones as tuples; lists, such as ``graphics``, are skipped.

        Parameters
        ----------
        text : str
            GML.

        Returns
        -------
        Graph
            Of this class; a node is called by its ``label`` or else its ``id``.

        Raises
        ------
        ParseError
            With line and column.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_gml(DAG.from_string('"blood pressure" -> 1').to_gml())
        DAG.from_string('"blood pressure" -> 1')
        """
        return cls._from_draft(_gml.parse(text, cls._kinds, cls.__name__))

    def to_gml(self) -> str:
        """Return the graph in the Graph Modelling Language, in printable ASCII.

        Returns
        -------
        str
            Several lines; networkx reads the same nodes, and edges with a ``kind``. Truth values
            become 0 and 1.

        Raises
        ------
        GraphError
            If a label is neither a string nor an integer, or GML has no such attribute.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> Y").to_gml().split()[:8]
        ['graph', '[', 'directed', '1', 'node', '[', 'id', '0']
        """
        return _gml.write(self._draft(), multigraph=not self._simple)

    @classmethod
    def from_graphml(cls, text: str) -> Self:
        """Return the graph that a GraphML text describes.

        The marks of an edge are its attribute ``kind``, such as ``"<->"``; without one it is directed
        or not as GraphML says. Other attributes of nodes and edges are carried along.

        Parameters
        ----------
        text : str
            GraphML without a document type; what is inside a nested structure of another program, such
            as the shapes of yEd, is skipped.

        Returns
        -------
        Graph
            Of this class; a node is called by its ``id``.

        Raises
        ------
        ParseError
            With line and column.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_graphml(DAG.from_string("X -> Y").to_graphml())
        DAG.from_string('X -> Y')
        """
        return cls._from_draft(_graphml.parse(text, cls._kinds, cls.__name__))

    def to_graphml(self) -> str:
        """Return the graph as GraphML.

        Returns
        -------
        str
            Several lines; networkx reads the same nodes, and edges with a ``kind``.

        Raises
        ------
        GraphError
            If a label is neither a string nor an integer, an attribute is a tuple other than ``pos``,
            or a text has a character that XML cannot hold.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> Y").to_graphml().splitlines()[-3:]
        ['    <edge source="X" target="Y"/>', '  </graph>', '</graphml>']
        """
        return _graphml.write(self._draft())

    @classmethod
    def from_lavaan(cls, text: str) -> Self:
        """Return the graph of a model in lavaan's syntax, or of regression formulas as in R.

        ``y ~ x + m`` states the causes of ``y``, ``x ~~ z`` a bidirected edge, ``f =~ a + b`` a latent
        cause of ``a`` and ``b``. Coefficients become attributes: ``0.5*x`` the ``weight`` of the edge,
        ``b*x`` its ``label``; an interaction is therefore written ``x + z + x:z``, not ``x*z``. Names that
        are no names in R stand in backticks.

        Parameters
        ----------
        text : str
            Statements, separated by line breaks or ``;``. Intercepts, variances, definitions and
            constraints are skipped, comments begin with ``#`` or ``!``.

        Returns
        -------
        Graph
            Of this class; its nodes in the order of first appearance.

        Raises
        ------
        ParseError
            With line and column; also if this type has no bidirected edges and there is one.

        Examples
        --------
        >>> from causalrep.graphs import ADMG
        >>> ADMG.from_lavaan("y ~ x + m; m ~ x; x ~~ m")
        ADMG.from_string('y; x -> y; m -> y; x -> m; x <-> m')
        """
        return cls._from_draft(_lavaan.parse(text, cls._kinds, cls.__name__))

    def to_lavaan(self) -> str:
        """Return the graph as a model in lavaan's syntax.

        Returns
        -------
        str
            One statement a line. Of the attributes only ``weight`` and ``label`` are written.

        Raises
        ------
        GraphError
            If a label is no string, or an edge is neither directed nor bidirected.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> print(DAG.from_string("y <- x -> m -> y").to_lavaan())
        y ~ x + m
        m ~ x
        """
        return _lavaan.write(self._draft())
