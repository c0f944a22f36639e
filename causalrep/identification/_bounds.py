"""Sharp bounds on causal quantities of discrete models by linear programming.

Where a quantity is not identified, data still limit it. A discrete model is a distribution of hidden
response types; tables fix sums of it, the quantity is a sum (or a ratio of sums) of it, and the least
and greatest value are those of two linear programmes [1]_. They come with multipliers that prove
them and with the models that attain them.

References
----------
.. [1] A. Balke, J. Pearl, "Bounds on treatment effects from studies with imperfect compliance", JASA
   92, 1997, doi:10.1080/01621459.1997.10474074.
.. [2] M. C. Sachs, G. Jonzon, A. Sjölander, E. E. Gabriel, "A general method for deriving tight symbolic
   bounds on causal effects", Journal of Computational and Graphical Statistics 32, 2023,
   arXiv:2003.10702.
.. [3] G. Duarte et al., "An automated approach to causal inference in discrete settings", JASA 119,
   2024, arXiv:2109.13471.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import networkx as nx

from causalrep.graphs import ADMG, DAG, Graph
from causalrep.identification._bounds_interval import BoundsInterval, resampled_interval
from causalrep.identification._door import directed
from causalrep.identification._joint import States, read_joints
from causalrep.identification._problem import Problem, is_sharp
from causalrep.identification._programme import Certificate, Solution
from causalrep.identification._query import Query, as_query
from causalrep.identification._targets import NAMED, Target, contrast_of, named_target, query_target
from causalrep.utils import Columns, DataError, RandomState, UnknownNameError, columns_of

__all__ = ["Bounds", "TypeShare", "bounds"]


@dataclass(frozen=True)
class TypeShare:
    """One response type of a district in a model that attains a bound.

    Attributes
    ----------
    share : float
        Its probability.
    functions : dict
        For each variable of the district, the map from the values of its parents to its own.
    """

    share: float
    functions: dict[Hashable, dict[tuple[Hashable, ...], Hashable]]


@dataclass(frozen=True)
class Bounds:
    """The least and the greatest value of a quantity that the graph and the tables allow.

    Attributes
    ----------
    query : str
        The quantity.
    lower, upper : float
        The bounds; equal where the quantity is identified.
    sharp : bool
        Whether some model on the graph attains each of them for certain. Not so where the hidden
        causes in a district are not known to be one: then they are valid and may be wider than need be.
    certificates : tuple of (Certificate, Certificate)
        Proofs of the lower and of the upper bound that arithmetic can check.
    """

    query: str
    lower: float
    upper: float
    sharp: bool
    certificates: tuple[Certificate, Certificate] = field(repr=False, compare=False)
    _problem: Problem = field(repr=False, compare=False)
    _solutions: tuple[Solution, Solution] = field(repr=False, compare=False)

    @property
    def width(self) -> float:
        """How far apart the bounds are."""
        return self.upper - self.lower

    def models(self) -> tuple[tuple[TypeShare, ...], tuple[TypeShare, ...]]:
        """Return the response types of a model at the lower bound, and of one at the upper.

        Returns
        -------
        tuple of two tuples of TypeShare
            The types that occur, of all districts that the programme speaks of; shares add up to one
            within a district.
        """
        lower, upper = (
            tuple(
                TypeShare(float(share), self._problem.knowledge.types(i).functions(index))
                for i, shares in solution.types.items()
                for index, share in enumerate(shares)
                if share > 1e-12
            )
            for solution in self._solutions
        )
        return lower, upper

    def interval(
        self, level: float = 0.95, *, n_resamples: int = 200, random_state: RandomState = None
    ) -> BoundsInterval:
        """Return an interval that covers the quantity, whichever value within the bounds it has.

        Only for bounds from data: all tables must have been counted, not given as probabilities.

        Parameters
        ----------
        level : float in (0, 1), default=0.95
            The probability.
        n_resamples : int, default=200
            How often the data are drawn again; each takes two linear programmes.
        random_state : int, Generator, RandomState or None, default=None
            Seeds the draws.

        Returns
        -------
        BoundsInterval
            With `lower` and `upper`.

        Raises
        ------
        DataError
            If a table is not from data, or an argument is out of range.

        Notes
        -----
        Where drawn tables contradict the graph or each other, constraints are met as nearly as some model
        can. Bounds are maxima and minima of estimates, which biases them inwards and makes their
        distribution less than normal where two are near each other; the mean of the draws corrects the
        bias to first order.

        References
        ----------
        .. [1] G. W. Imbens, C. F. Manski, "Confidence intervals for partially identified parameters",
           Econometrica 72, 2004, doi:10.1111/j.1468-0262.2004.00555.x.
        .. [2] J. Stoye, "More on confidence intervals for partially identified parameters",
           Econometrica 77, 2009, doi:10.3982/ECTA7347.

        Examples
        --------
        >>> from causalrep.graphs import ADMG
        >>> from causalrep.identification import bounds
        >>> data = {"X": [0, 0, 0, 1, 1, 1] * 50, "Y": [0, 0, 1, 0, 1, 1] * 50}
        >>> b = bounds(ADMG([("X", "Y")], [("X", "Y")]), "ATE", data, treatment="X", outcome="Y")
        >>> i = b.interval(n_resamples=20, random_state=0)
        >>> i.lower < b.lower < b.upper < i.upper
        True
        """
        return resampled_interval(self._problem, (self.lower, self.upper), level, n_resamples, random_state)


def bounds(
    g: Graph | nx.DiGraph,
    query: str | Query,
    table: Any = None,
    *,
    experiments: Iterable[tuple[Mapping[Hashable, Hashable], Any]] = (),
    assumptions: Sequence[str] = (),
    treatment: Any = None,
    outcome: Any = None,
    mediators: Any = None,
    treated: Hashable = None,
    control: Hashable = None,
    states: Mapping[Hashable, Sequence[Hashable]] | None = None,
    tolerance: float = 0.0,
) -> Bounds:
    """Return the best bounds on a causal quantity from observation and experiments.

    Assumes the graph, and that all variables are discrete with the states seen; nothing about hidden
    causes. An identified quantity has equal bounds.

    Parameters
    ----------
    g : DAG, ADMG or networkx.DiGraph
        The causal graph; its latent nodes may have any number of states.
    query : str or Query
        ``"ATE"``, ``"ATT"``, ``"ATC"``, ``"CDE"``, ``"NDE"``, ``"NIE"``, ``"PN"``, ``"PS"`` or ``"PNS"``,
        with `treatment` and `outcome`; or a question such as ``"P(Y=1 | do(X=1))"`` or
        ``"P(Y[X=1]=1 | X=0, Y=0)"``, with values for all its variables.
    table : frame, mapping of columns or None
        The distribution of all observed nodes: one row per state with its probability in a column
        ``"p"``, or data, one row per unit. None if there are only experiments.
    experiments : iterable of (dict, table), default=()
        What was set to what, and a table, as above, of what was then measured: all other nodes or some.
    assumptions : sequence of str, default=()
        ``"monotone"``: no unit's outcome falls as its treatment rises; ``"monotone Z -> X"``: the same of
        two other nodes, as in "no defiers". Values rise in the order of the states.
    treatment, outcome : hashable or dict, default=None
        One node each, for a named quantity. ``outcome={"Y": 1}`` says which value is the event of PN, PS
        and PNS; by default the last.
    mediators : hashable, iterable of hashable or dict, default=None
        For NDE and NIE, by default all nodes between treatment and outcome. For CDE, their values.
    treated, control : hashable, default=None
        The values of the treatment to compare; by default the second and the first of two.
    states : dict of hashable to sequence, default=None
        The values of a node, in rising order, where the tables do not show them all.
    tolerance : float, default=0.0
        How far a probability may be from what a table says: for tables from data, which sampling error
        makes contradict the graph or each other.

    Returns
    -------
    Bounds
        With `lower` and `upper`.

    Raises
    ------
    GraphError
        If `g` is of another type.
    DataError
        If a table is no distribution, lacks an observed node, contradicts what the experiment set, or if
        no model on the graph gives the tables.
    ImpossibleEvidenceError
        If the condition has probability zero.
    PolynomialProgramError
        If unknown distributions of several districts multiply: those bounds are no linear programme.
    UnknownNameError
        If a name does not exist.

    Notes
    -----
    Two programmes with one variable per response type of the districts that matter: of a variable with
    k states and parents with m combinations of states there are k**m functions. A ratio of two unknowns
    is made linear by scaling (Charnes and Cooper). Solved by HiGHS.

    References
    ----------
    .. [1] A. Balke, J. Pearl, "Bounds on treatment effects from studies with imperfect compliance",
       JASA 92, 1997, doi:10.1080/01621459.1997.10474074.
    .. [2] J. Zhang, J. Tian, E. Bareinboim, "Partial counterfactual identification from observational and
       experimental data", ICML 2022, arXiv:2110.05690.

    Examples
    --------
    >>> from causalrep.graphs import ADMG
    >>> from causalrep.identification import bounds
    >>> g = ADMG.from_string("X -> Y; X <-> Y")
    >>> table = {"X": [0, 0, 1, 1], "Y": [0, 1, 0, 1], "p": [0.3, 0.2, 0.1, 0.4]}
    >>> b = bounds(g, "ATE", table, treatment="X", outcome="Y")
    >>> round(b.lower, 3), round(b.upper, 3)            # of width one, as always without assumptions
    (-0.3, 0.7)
    >>> b = bounds(g, "ATE", table, treatment="X", outcome="Y", assumptions=["monotone"])
    >>> round(b.lower, 3), round(b.upper, 3)
    (0.0, 0.7)
    """
    graph = directed(g, "`bounds`")
    problem = make_problem(
        graph,
        query,
        table,
        experiments=experiments,
        assumptions=assumptions,
        contrast=(treatment, outcome, mediators, treated, control),
        states=states,
        tolerance=tolerance,
    )
    lower, upper = problem.solve(1), problem.solve(-1)
    return Bounds(
        problem.target.name,
        lower.value,
        max(upper.value, lower.value),
        all(is_sharp(graph, problem.graph, problem.knowledge.districts[i]) for i in lower.types),
        (lower.certificate, upper.certificate),
        problem,
        (lower, upper),
    )


def make_problem(
    graph: DAG | ADMG,
    query: str | Query,
    table: Any,
    *,
    experiments: Iterable[tuple[Mapping[Hashable, Hashable], Any]],
    assumptions: Sequence[str],
    contrast: tuple[Any, Any, Any, Any, Any],
    states: Mapping[Hashable, Sequence[Hashable]] | None,
    tolerance: float,
) -> Problem:
    """Read the arguments of `bounds`."""
    if not 0 <= tolerance < 1:
        raise DataError(f"`tolerance` must be in [0, 1), got {tolerance}")
    observed = graph.latent_projection()
    trials = [(dict(do), trial) for do, trial in experiments]
    named = [] if table is None else [("table", table)]
    named += [(f"experiments[{k}]", trial) for k, (_, trial) in enumerate(trials)]
    if not named:
        raise TypeError("`table` or `experiments` must be given")
    sources = [(what, _relevant(graph, given, what)) for what, given in named]
    for do, _ in trials:
        for node in do:
            if node not in observed:
                raise UnknownNameError(node, observed.nodes, what="an experiment")
    joints = read_joints(
        sources, observed.nodes, states, seen=[item for do, _ in trials for item in do.items()]
    )
    known = joints[0].states
    if table is not None:
        missing = [v for v in observed.nodes if v not in joints[0].names]
        if missing:
            raise DataError(
                f"`table` has no column {missing[0]!r}; declare nodes that cannot be measured latent"
            )
    missing = [v for v in observed.nodes if v not in known]
    if missing:
        raise DataError(f"no table has a column {missing[0]!r}; list its values in `states`")
    actions: list[dict[Hashable, Hashable]] = [{}] * (table is not None) + [do for do, _ in trials]
    target, pair = _target(observed, query, contrast, known)
    return Problem(
        observed,
        known,
        target,
        tuple(zip((what for what, _ in sources), joints, actions, strict=True)),
        _monotone_pairs(observed, assumptions, pair),
        tolerance,
    )


def _relevant(graph: DAG | ADMG, table: Any, what: str) -> Columns:
    """Return the columns of a table, of data only those that are nodes."""
    columns = columns_of(table, what=what)
    for name in graph.latent:
        if name in columns:
            raise DataError(f"`{what}` has a column {name!r}, which the graph declares latent")
    if "p" in columns and "p" not in graph:
        return columns
    return {name: column for name, column in columns.items() if name in graph}


def _target(
    graph: ADMG, query: str | Query, contrast: tuple[Any, Any, Any, Any, Any], states: States
) -> tuple[Target, tuple[Hashable, Hashable] | None]:
    """Return the target, and treatment and outcome if there is one of each."""
    treatment, outcome, mediators, treated, control = contrast
    if isinstance(query, str) and query in NAMED:
        c = contrast_of(graph, query, states, treatment, outcome, mediators, (treated, control))
        return named_target(query, c, states), (c.treatment, c.outcome)
    if isinstance(query, str) and "(" not in query:
        raise UnknownNameError(query, NAMED, what="`query`")
    asked = as_query(query)
    for name in asked.names():
        if name not in graph:
            raise UnknownNameError(name, graph.nodes, what="the query")
    target = query_target(asked, states)
    causes = {node: None for _, event in target.events for potential, _ in event for node, _ in potential.do}
    x = treatment if treatment is not None else next(iter(causes)) if len(causes) == 1 else None
    y = outcome if outcome is not None else asked.outcome[0][0].variable
    return target, None if x is None else (x, y)


def _monotone_pairs(
    graph: ADMG, assumptions: Sequence[str], pair: tuple[Hashable, Hashable] | None
) -> tuple[tuple[Hashable, Hashable], ...]:
    """Return the pairs (cause, effect) of which monotonicity is assumed."""
    if isinstance(assumptions, str):
        raise TypeError(f"`assumptions` must be a sequence of str, got the str {assumptions!r}")
    found = []
    for text in assumptions:
        word, _, edge = text.partition(" ")
        if word != "monotone":
            raise UnknownNameError(text, ("monotone", "monotone X -> Y"), what="`assumptions`")
        if edge:
            ends = DAG.from_string(edge).directed_edges
            if len(ends) != 1:
                raise DataError(f"`assumptions` must name one cause and one effect, got {text!r}")
            pair_here = next(iter(ends))
        elif pair is None:
            raise DataError("'monotone' needs `treatment` and `outcome`, or write 'monotone X -> Y'")
        else:
            pair_here = pair
        for node in pair_here:
            if node not in graph:
                raise UnknownNameError(node, graph.nodes, what="`assumptions`")
        found.append(pair_here)
    return tuple(found)
