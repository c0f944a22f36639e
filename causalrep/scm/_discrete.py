"""Discrete structural causal models: tables in, exact answers out."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from causalrep.graphs import DAG, BayesNet
from causalrep.graphs._base import Nodes
from causalrep.scm._answers import joint_law
from causalrep.scm._arrays import as_array
from causalrep.scm._couplings import Coupling
from causalrep.scm._cpt import CPT
from causalrep.scm._interop import PgmpyMixin
from causalrep.scm._interventions import Fixed, targets_of
from causalrep.scm._mechanism import Mechanism, NoiseLaw
from causalrep.scm._queries import Asker
from causalrep.scm._scm import SCM
from causalrep.scm._states import States
from causalrep.scm._worlds import World
from causalrep.utils import DataError, GraphError, UnknownNameError, frame_like

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DiscreteSCM"]


class DiscreteSCM(PgmpyMixin, SCM):
    """A structural causal model whose nodes have finitely many states, each given by a table.

    It is an `SCM` like any other: `sample`, `do`, `counterfactual` and the rest go through the same
    engine. `expectation`, `probability`, `counterfactual_probability` and `effect` are exact, by
    variable elimination, with latent nodes summed out.

    Parameters
    ----------
    graph : DAG
        Arrows from parents to children, latent nodes declared in it.
    mechanisms : mapping of node to CPT
        One table for each node.

    Raises
    ------
    GraphError
        If a table reads other nodes than the node's parents, or a node has none.
    DataError
        If a mechanism is no `CPT`, or a table names other states of a parent than the parent has.

    See Also
    --------
    CPT : The mechanism of one node, and what its coupling means for counterfactuals.

    Notes
    -----
    Probabilities under an intervention follow from the tables alone. Counterfactuals do not: tables
    that agree row by row come from many structural models. `from_cpts` chooses one by `coupling`;
    `from_response_functions` states the structural model itself, and then nothing is left to choose.

    Examples
    --------
    >>> from causalrep.scm import DiscreteSCM
    >>> scm = DiscreteSCM.from_cpts(
    ...     {
    ...         "Z": ((), [0.5, 0.5]),
    ...         "X": (("Z",), [[0.8, 0.2], [0.3, 0.7]]),
    ...         "Y": (("X", "Z"), [[[0.9, 0.1], [0.6, 0.4]], [[0.7, 0.3], [0.2, 0.8]]]),
    ...     }
    ... )
    >>> scm.probability({"Y": 1}, given={"X": 1})
    0.6888888888888889
    >>> scm.probability({"Y": 1}, do={"X": 1})
    0.55
    """

    def __init__(self, graph: DAG, mechanisms: Mapping[Hashable, CPT]) -> None:
        for node, mechanism in mechanisms.items():
            if not isinstance(mechanism, CPT):
                raise DataError(f"the mechanism of {node!r} must be a CPT, got {type(mechanism).__name__}")
        super().__init__(graph, mechanisms)
        for node, cpt in mechanisms.items():
            for parent, states in cpt.parent_states.items():
                if states != mechanisms[parent].states:
                    raise DataError(
                        f"the table of {node!r} is over the states {states.labels} of {parent!r}, "
                        f"which has the states {mechanisms[parent].states.labels}"
                    )

    @classmethod
    def _of_parts(
        cls, graph: DAG, mechanisms: Mapping[Hashable, Any], noise: Mapping[Hashable, NoiseLaw]
    ) -> Self:
        if noise:
            raise DataError(f"`noise` must be empty, since tables bring their own; got laws for {[*noise]}")
        return cls(graph, mechanisms)

    @classmethod
    def from_cpts(
        cls,
        cpts: Mapping[Hashable, tuple[Sequence[Hashable], ArrayLike]],
        states: Mapping[Hashable, Iterable[Hashable]] | None = None,
        *,
        latent: Nodes = (),
        coupling: Coupling = "monotone",
    ) -> Self:
        """Return the model with the given conditional probability tables.

        Parameters
        ----------
        cpts : mapping of node to (parents, table)
            For node x a table of shape (k_1, ..., k_p, k), indexed by the states of the parents in
            the given order and by the state of x last.
        states : mapping of node to iterable of hashable, optional
            The states in the order of the axes; default: 0, 1, ..., k - 1.
        latent : node or iterable of node, default=()
            Nodes that cannot be observed.
        coupling : {"monotone", "gumbel"}, default="monotone"
            How rows of a table share their noise; see `CPT`. It matters for counterfactuals only.

        Returns
        -------
        DiscreteSCM
            With the nodes in the order of `cpts`.

        Raises
        ------
        UnknownNameError
            If a parent, a latent node or a node of `states` has no table.
        CycleError
            If the parents form a cycle.
        DataError
            If a table has another shape than the states of its parents ask for.

        Examples
        --------
        >>> from causalrep.scm import DiscreteSCM
        >>> scm = DiscreteSCM.from_cpts(
        ...     {"Rain": ((), [0.8, 0.2]), "Grass": (["Rain"], [[0.9, 0.1], [0.0, 1.0]])},
        ...     states={"Rain": ["no", "yes"], "Grass": ["dry", "wet"]},
        ... )
        >>> round(scm.probability({"Rain": "yes"}, given={"Grass": "wet"}), 4)
        0.7143
        """
        named = {} if states is None else dict(states)
        cpts = {node: (_listed(parents), table) for node, (parents, table) in cpts.items()}
        _only_known(named, cpts, "`states`")
        tables = {node: np.asarray(table, dtype=np.float64) for node, (_, table) in cpts.items()}
        labels: dict[Hashable, States] = {}
        for node, table in tables.items():
            size = table.shape[-1] if table.ndim else 0
            labels[node] = States(named.get(node, range(size)), node)
        mechanisms = {}
        for node, (parents, _) in cpts.items():
            _only_known(parents, cpts, f"the parents of {node!r}")
            mechanisms[node] = _cpt(node, tables[node], parents, labels, coupling)
        edges = [(parent, node) for node, (parents, _) in cpts.items() for parent in parents]
        return cls(DAG(edges, nodes=list(cpts), latent=latent), mechanisms)

    @classmethod
    def from_response_functions(
        cls,
        exogenous: Mapping[Hashable, ArrayLike],
        functions: Mapping[Hashable, tuple[Sequence[Hashable], ArrayLike]],
        states: Mapping[Hashable, Iterable[Hashable]] | None = None,
    ) -> Self:
        """Return the model in which every node is a function of its parents and of exogenous noise.

        Nothing is left to choose about counterfactuals: each is a sum over exogenous states. An
        exogenous variable that several functions read is a hidden common cause.

        Parameters
        ----------
        exogenous : mapping of node to array of shape (k,)
            The law of each exogenous variable over its states 0, ..., k - 1. They are latent nodes.
        functions : mapping of node to (arguments, table)
            For node x its arguments (parents and exogenous variables), and an integer table of shape
            (k_1, ..., k_p) with the code of the state of x for each combination of their states.
        states : mapping of node to iterable of hashable, optional
            The states in the order of their codes; default: 0, 1, and as many more as the tables
            use, as codes or along the axis of the node.

        Returns
        -------
        DiscreteSCM
            With the functions' nodes first and the exogenous variables after them.

        Raises
        ------
        UnknownNameError
            If an argument or a node of `states` is neither a function nor exogenous.
        GraphError
            If a name is both.
        CycleError
            If the functions read each other in a circle.
        DataError
            If a table holds anything but codes of states.

        References
        ----------
        A. Balke, J. Pearl, "Probabilistic evaluation of counterfactual queries", AAAI 1994.

        Examples
        --------
        >>> from causalrep.scm import DiscreteSCM
        >>> scm = DiscreteSCM.from_response_functions(
        ...     exogenous={"U": [0.7, 0.3], "V": [0.5, 0.5]},
        ...     functions={"X": (["V"], [0, 1]), "Y": (["X", "U"], [[0, 1], [1, 0]])},
        ... )
        >>> scm.counterfactual_probability({"Y": 1}, do={"X": 1}, given={"X": 0, "Y": 0})
        1.0
        """
        both = [node for node in functions if node in exogenous]
        if both:
            raise GraphError(f"{both[0]!r} is both a function and exogenous; choose one")
        named = {} if states is None else dict(states)
        functions = {node: (_listed(arguments), table) for node, (arguments, table) in functions.items()}
        names = [*functions, *exogenous]
        _only_known(named, names, "`states`")
        codes = {node: _codes(node, table) for node, (_, table) in functions.items()}
        laws = {node: np.asarray(law, dtype=np.float64) for node, law in exogenous.items()}
        sizes = _sizes(functions, codes)
        sizes.update({node: law.size for node, law in laws.items()})
        labels = {node: States(named.get(node, range(sizes[node])), node) for node in names}
        mechanisms = {}
        for node, (arguments, _) in functions.items():
            _only_known(arguments, names, f"the arguments of {node!r}")
            if codes[node].max() >= len(labels[node]):
                raise DataError(f"{node!r} has {len(labels[node])} states, got the code {codes[node].max()}")
            table = np.eye(len(labels[node]))[codes[node]]
            mechanisms[node] = _cpt(node, table, arguments, labels, "monotone")
        for node, law in laws.items():
            mechanisms[node] = _cpt(node, law, (), labels, "monotone")
        edges = [(argument, node) for node, (arguments, _) in functions.items() for argument in arguments]
        return cls(DAG(edges, nodes=names, latent=list(exogenous)), mechanisms)

    def table(
        self,
        nodes: Iterable[Hashable] | None = None,
        do: Mapping[Hashable, Any] | None = None,
        given: Mapping[Hashable, Any] | None = None,
    ) -> pd.DataFrame:
        """Return the joint distribution of some nodes as a table of their states.

        Parameters
        ----------
        nodes : iterable of node, optional
            Which nodes, a few; default: all that are observed. The table has one row for each
            combination of their states.
        do, given : mapping, optional
            Intervention and conditions, as in `expectation`.

        Returns
        -------
        pandas.DataFrame
            A column of states for each node, and their probability in the column ``"p"``: what
            `causalrep.identification` takes as a table.

        Raises
        ------
        DataError
            If the table would have more than ten million rows.
        CausalRepError
            If the intervention is not a table itself.
        UnknownNameError, ImpossibleEvidenceError
            As in `expectation`.

        Examples
        --------
        >>> from causalrep.scm import DiscreteSCM
        >>> scm = DiscreteSCM.from_cpts({"X": ((), [0.4, 0.6]), "Y": (["X"], [[0.9, 0.1], [0.5, 0.5]])})
        >>> scm.table().round(2)
           X  Y     p
        0  0  0  0.36
        1  0  1  0.04
        2  1  0  0.30
        3  1  1  0.30
        """
        wanted = list(self._graph.observed) if nodes is None else self._known(nodes, what="`nodes`")
        seen = Asker(self, 1, None).event(given, "given", 0)
        states, law = joint_law(self, World(targets_of(do, {})), wanted, seen)
        grid = np.indices(law.shape).reshape(len(wanted), -1)
        columns = {node: part.decode(codes) for node, part, codes in zip(wanted, states, grid, strict=True)}
        found: pd.DataFrame = frame_like({**columns, "p": law.ravel()})
        return found

    @classmethod
    def from_bif(cls, source: str | os.PathLike[str], *, coupling: Coupling = "monotone") -> Self:
        """Return the model in a file or text of the Bayesian Interchange Format.

        Parameters
        ----------
        source : str or path
            The path of a file, or the text.
        coupling : {"monotone", "gumbel"}, default="monotone"
            As in `from_cpts`.

        Returns
        -------
        DiscreteSCM
            With the names of variables and states as in the file; rows that the file has rounded
            are normalised.

        Raises
        ------
        ParseError
            With line and column.
        DataError
            If a variable has no table.

        Examples
        --------
        >>> from causalrep.scm import DiscreteSCM
        >>> text = "network n {} variable X {type discrete [2] {no, yes};} probability (X) {table 0.4 0.6;}"
        >>> DiscreteSCM.from_bif(text).probability({"X": "yes"})
        0.6
        """
        return cls.from_bayes_net(BayesNet.from_bif(source), coupling=coupling)

    @classmethod
    def from_bayes_net(cls, net: BayesNet, *, coupling: Coupling = "monotone") -> Self:
        """Return the model with the structure and the tables of a Bayesian network.

        Parameters
        ----------
        net : BayesNet
            With a table for every variable.
        coupling : {"monotone", "gumbel"}, default="monotone"
            As in `from_cpts`.

        Returns
        -------
        DiscreteSCM
            As in `from_bif`.

        Raises
        ------
        DataError
            If a variable has no table.

        Examples
        --------
        >>> from causalrep.graphs import BayesNet
        >>> from causalrep.scm import DiscreteSCM
        >>> net = BayesNet(states={"X": ("no", "yes")}, tables={"X": [0.4, 0.6]})
        >>> DiscreteSCM.from_bayes_net(net).probability({"X": "no"})
        0.4
        """
        bare = [name for name in net.names if name not in net.tables]
        if bare:
            raise DataError(f"every variable needs a table, got none for {bare[0]!r}")
        cpts: dict[Hashable, tuple[Sequence[Hashable], ArrayLike]] = {}
        for name in net.names:
            table = net.tables[name]
            cpts[name] = (net.parents[name], table / table.sum(axis=-1, keepdims=True))
        return cls.from_cpts(cpts, {name: net.states[name] for name in net.names}, coupling=coupling)

    def to_bayes_net(self) -> BayesNet:
        """Return structure and tables as a Bayesian network, for BIF, XMLBIF and .net files.

        Returns
        -------
        BayesNet
            Names and states as text. Couplings and which nodes are latent have no place in it.

        Raises
        ------
        GraphError
            If an intervention has put something else than a table in place.

        Examples
        --------
        >>> from causalrep.scm import DiscreteSCM
        >>> DiscreteSCM.from_cpts({"X": ((), [0.4, 0.6])}).to_bayes_net().states["X"]
        ('0', '1')
        """
        tables = self._tables_of_nodes("a Bayesian network")
        return BayesNet(
            {str(node): [str(label) for label in cpt.states.labels] for node, cpt in tables.items()},
            {str(node): [str(parent) for parent in cpt.parents] for node, cpt in tables.items()},
            {str(node): cpt.table for node, cpt in tables.items()},
        )

    def to_bif(self) -> str:
        """Return structure and tables in the Bayesian Interchange Format.

        Returns
        -------
        str
            From which `from_bif` builds the same model, its states being text.

        Raises
        ------
        GraphError
            As in `to_bayes_net`.

        Examples
        --------
        >>> from causalrep.scm import DiscreteSCM
        >>> scm = DiscreteSCM.from_cpts({"X": ((), [0.4, 0.6])}, states={"X": ["no", "yes"]})
        >>> DiscreteSCM.from_bif(scm.to_bif()).probability({"X": "yes"})
        0.6
        """
        return self.to_bayes_net().to_bif()

    @property
    def states(self) -> dict[Hashable, tuple[Hashable, ...]]:
        """The states of each node, in the order of its table."""
        return {node: cpt.states.labels for node, cpt in self._own_tables().items()}

    def _own_tables(self) -> dict[Hashable, CPT]:
        own = self._factual._mechanisms
        return {node: cpt for node, cpt in own.items() if isinstance(cpt, CPT)}

    def _tables_of_nodes(self, purpose: str) -> dict[Hashable, CPT]:
        found: dict[Hashable, CPT] = {}
        for node, mechanism in self._mechanisms.items():
            if not isinstance(mechanism, CPT):
                raise GraphError(
                    f"{purpose} needs a CPT at every node, but an intervention has put {mechanism!r} "
                    f"at {node!r}"
                )
            found[node] = mechanism
        return found

    def _actions(self, chosen: Mapping[Hashable, Any]) -> dict[Hashable, Mechanism]:
        """Check that the states that nodes are set to exist."""
        actions = super()._actions(chosen)
        own = self._own_tables()
        for node, action in actions.items():
            if isinstance(action, Fixed):
                own[node].states.encode(np.atleast_1d(as_array(action.value)), what="`do`")
        return actions


def _listed(parents: Sequence[Hashable]) -> list[Hashable]:
    """Return the parents as a list; a name alone is one parent."""
    return [parents] if isinstance(parents, str) else list(parents)


def _only_known(names: Iterable[Hashable], known: Iterable[Hashable], what: str) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            raise UnknownNameError(name, known, what=what)


def _codes(node: Hashable, table: ArrayLike) -> np.ndarray[Any, Any]:
    codes = np.asarray(table)
    if codes.dtype.kind == "b" or (codes.dtype.kind == "f" and (codes == np.floor(codes)).all()):
        codes = codes.astype(np.intp)
    if codes.dtype.kind not in "iu" or not codes.size or codes.min() < 0:
        raise DataError(f"the table of {node!r} must hold codes of states, 0, 1, ..., got {table!r}")
    return codes


def _sizes(
    functions: Mapping[Hashable, tuple[Sequence[Hashable], ArrayLike]],
    codes: Mapping[Hashable, np.ndarray[Any, Any]],
) -> dict[Hashable, int]:
    """Return how many states each function's node must have: by its codes and as an argument."""
    sizes = {node: max(2, int(table.max()) + 1) for node, table in codes.items()}
    for node, (arguments, _) in functions.items():
        for argument, size in zip(arguments, codes[node].shape, strict=False):
            if argument in sizes:
                sizes[argument] = max(sizes[argument], size)
    return sizes


def _cpt(
    node: Hashable,
    table: np.ndarray[Any, Any],
    parents: Sequence[Hashable],
    labels: Mapping[Hashable, States],
    coupling: Coupling,
) -> CPT:
    try:
        over = {parent: labels[parent].labels for parent in parents}
        cpt = CPT(table, over, labels[node].labels, coupling=coupling)
    except DataError as error:
        raise DataError(f"the table of {node!r}: {error}") from error
    cpt.states.node = node
    return cpt
