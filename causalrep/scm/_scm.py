"""The engine: a graph with a mechanism at each node is sampled, intervened on and imagined.

One engine serves scalars, arrays and images, because it only routes: it asks mechanisms for noise
and values in topological order and hands references on. Three rules carry everything else.

* The noise of a node comes from its own stream, addressed by seed and node. An intervention
  therefore leaves the noise of all other nodes as it was (common random numbers), and so does the
  addition of a node.
* An intervention replaces mechanisms and, with them, the arrows into the node (Pearl 2009,
  definition 3.2.1 and section 4.2). What it gives is again an `SCM`.
* A counterfactual is abduction, action, prediction (Pearl 2009, theorem 7.1.7), done for the
  descendants of the intervention alone: nothing else can change.

References
----------
J. Pearl, *Causality: Models, Reasoning, and Inference*, 2nd ed., Cambridge University Press, 2009.
E. Bareinboim, J. D. Correa, D. Ibeling, T. Icard, "On Pearl's hierarchy and the foundations of
causal inference", in *Probabilistic and Causal Inference*, ACM, 2022, doi:10.1145/3501714.3501743.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Self

import networkx as nx
import numpy as np

from causalrep.graphs import DAG
from causalrep.scm._arrays import forwarded, is_numpy
from causalrep.scm._blocks import (
    BLOCK,
    StreamMixin,
    are_blockwise,
    as_frame,
    filled,
    rows_of_blocks,
)
from causalrep.scm._build import check_agreement, collect_mechanisms, rewired, with_latent
from causalrep.scm._check import CheckMixin
from causalrep.scm._correlation import CorrelatedNoise
from causalrep.scm._effects import Effects
from causalrep.scm._equations import EquationsMixin
from causalrep.scm._fit import FitMixin
from causalrep.scm._interop import InteropMixin
from causalrep.scm._intervening import InterveningMixin
from causalrep.scm._interventions import Altered, Fixed, Look, as_intervention, as_shift, targets_of
from causalrep.scm._joint import JointNormal, joint_laws
from causalrep.scm._mechanism import Array, Mechanism, Noise, NoiseLaw
from causalrep.scm._observed import Observed
from causalrep.scm._queries import Queries
from causalrep.scm._samples import Samples
from causalrep.scm._save import SaveMixin
from causalrep.scm._torch import resolved, sampled
from causalrep.utils import (
    DataError,
    RandomState,
    UnknownNameError,
    as_seed,
    keyed_generator,
)

__all__ = ["SCM"]


class SCM(
    CheckMixin,
    CorrelatedNoise,
    EquationsMixin,
    FitMixin,
    InteropMixin,
    InterveningMixin,
    Observed,
    SaveMixin,
    StreamMixin,
    Queries,
    Effects,
):
    """A structural causal model: a DAG with a mechanism at each node.

    Parameters
    ----------
    graph : DAG or networkx.DiGraph, optional
        Arrows from parents to children; default: read from the argument names of the mechanisms.
    mechanisms : mapping of node to Mechanism, callable, str or Distribution
        How each node gets its value; a string is an `Equation`. A callable takes parents by
        argument name, as whole arrays, and the node's noise as ``noise``; it is taken as `Function`,
        about which nothing is known, so declare `AdditiveNoise`, `Linear` or `Invertible` where
        counterfactuals are wanted.
    noise : mapping of node to Distribution, optional
        Laws of noise for callables and for mechanisms that were given none; a node without parents
        needs nothing else. A mapping of laws instead of one gives structured noise; a `JointNormal`
        given as the law of several nodes, or alone, correlates their noises.
    latent : node or iterable of node, default=()
        Nodes that cannot be observed, besides those that `graph` declares: causes that are left out
        of samples and summed out of answers.

    Attributes
    ----------
    graph : DAG
        The graph; of an intervened model, the mutilated graph.
    mechanisms : dict of node to Mechanism
        The mechanisms at work.
    interventions : dict of node to Mechanism
        Those of them that interventions have put in place.

    Raises
    ------
    CycleError
        If the graph has a directed cycle.
    GraphError
        If a node has no mechanism, or a mechanism reads other nodes than its parents in the graph.
    UnknownNameError
        If a mechanism or law is given for, or reads, a node that does not exist.
    DataError
        If a callable takes ``noise`` and no law is given, or the reverse.

    See Also
    --------
    Mechanism : What a node's mechanism must answer; subclass it for renderers and learned models.
    Samples : The container of array-valued rows.

    Notes
    -----
    Models are values: `do` and `shift` return new ones. `counterfactual` assumes that the
    mechanisms are the true ones and that noises of different nodes are independent, unless a
    `JointNormal` says otherwise.

    Examples
    --------
    >>> from causalrep.scm import SCM, Linear, Normal
    >>> scm = SCM(
    ...     mechanisms={
    ...         "Z": Normal(0, 1),
    ...         "X": Linear({"Z": 0.8}, noise=Normal(0, 1)),
    ...         "Y": Linear({"X": 2.0, "Z": -1.0}, noise=Normal(0, 0.5)),
    ...     }
    ... )
    >>> df = scm.sample(1000, random_state=0)
    >>> high, low = (scm.do(X=x).sample(1000, random_state=0) for x in (1, 0))
    >>> round(float((high["Y"] - low["Y"]).mean()), 6)
    2.0
    >>> imagined = scm.counterfactual(df, do={"X": 0.0})
    >>> bool((abs(imagined["Y"] - (df["Y"] - 2 * df["X"])) < 1e-9).all())
    True
    """

    def __init__(
        self,
        graph: DAG | nx.DiGraph | None = None,
        mechanisms: Mapping[Hashable, Mechanism | Callable[..., Array] | Any] | None = None,
        *,
        noise: Mapping[Hashable, NoiseLaw | JointNormal] | JointNormal | None = None,
        latent: Hashable | Iterable[Hashable] = (),
    ) -> None:
        if isinstance(noise, JointNormal):
            noise = dict.fromkeys(noise.nodes, noise)
        self._graph, given = collect_mechanisms(
            graph, {} if mechanisms is None else mechanisms, {} if noise is None else noise
        )
        check_agreement(self._graph, given)
        self._graph = with_latent(self._graph, latent)
        self._mechanisms: dict[Hashable, Mechanism] = {node: given[node] for node in self._graph.nodes}
        self._parents = {node: tuple(self._graph.parents(node)) for node in self._graph.nodes}
        self._joints = joint_laws({} if noise is None else noise, self._mechanisms)
        self._soft: frozenset[Hashable] = frozenset()
        self._factual: SCM = self
        self._templates: dict[Hashable, Array] = {}

    def __repr__(self) -> str:
        done = f", interventions={self.interventions!r}" if self.interventions else ""
        return f"{type(self).__name__}({self._graph.to_string()!r}{done})"

    @property
    def graph(self) -> DAG:
        """The DAG; of an intervened model, the mutilated one."""
        return self._graph

    @property
    def mechanisms(self) -> dict[Hashable, Mechanism]:
        """The mechanisms at work, by node."""
        return dict(self._mechanisms)

    @property
    def interventions(self) -> dict[Hashable, Mechanism]:
        """The mechanisms that interventions have put in place, by node."""
        own = self._factual._mechanisms
        return {node: m for node, m in self._mechanisms.items() if m is not own[node]}

    def sample(
        self,
        n: int,
        random_state: RandomState = None,
        nodes: Iterable[Hashable] | None = None,
        *,
        return_noise: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> Any:
        """Draw rows, ancestors first.

        The same seed gives the same noise to every node, whatever was intervened on and whatever
        other nodes there are; contrasts between interventions are therefore paired.

        Parameters
        ----------
        n : int
            Number of rows.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed.
        nodes : iterable of node, optional
            Nodes to return; only these and their ancestors are computed. Default: all, but latent
            ones only with `return_noise`.
        return_noise : bool, default=False
            Return `Samples`, which carry the noise, also where a data frame would do.
        device : str or torch.device, optional
            Draw and compute in Torch, on ``"cpu"`` or ``"cuda"``: laws, `Linear`, `Equation`, tables, learned
            lines, splines and logistic regressions, and Python functions that take tensors. The numbers of a
            seed are others than NumPy's.
        dtype : torch.dtype or str, optional
            Type of real numbers in Torch; default: Torch's own default. Given alone, it means the CPU.

        Returns
        -------
        pandas.DataFrame or Samples
            A frame of n rows if every node is a scalar and NumPy, else `Samples`; nodes in the
            order of the graph. With `device`, `Samples` of tensors, which carry the noise only if asked for.

        Raises
        ------
        UnknownNameError
            If `nodes` names a node that does not exist.
        DataError
            If `n` is not a positive integer, or per-row interventions have another number of rows; with
            `device`, if a mechanism has no Torch backend.
        DeviceError
            If this machine does not have `device`.

        Examples
        --------
        >>> from causalrep.scm import SCM, Normal
        >>> scm = SCM(mechanisms={"X": Normal(0, 1), "Y": lambda X: 2 * X})
        >>> scm.sample(2, random_state=0).shape
        (2, 2)
        """
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise DataError(f"`n` must be a positive integer, got {n!r}")
        wanted = self._known(nodes, what="`nodes`")
        if nodes is None and not return_noise:
            wanted = [node for node in wanted if node not in self._graph.latent]
        order = self._upstream(wanted)
        mechanisms = self._for_rows(order, n, self._template)
        seed = as_seed(random_state)
        if device is not None or dtype is not None:
            place = resolved(device, dtype)
            return sampled(self, order, mechanisms, wanted, n, seed, place=place, return_noise=return_noise)
        if n > BLOCK and not return_noise and are_blockwise(mechanisms) and not self._joints:
            generators = {node: keyed_generator(seed, self._stream(node), node) for node in order}
            blocks = rows_of_blocks(order, mechanisms, self._parents, generators, n)
            return as_frame(filled(wanted, blocks, n))
        values: dict[Hashable, Array] = {}
        noise: dict[Hashable, Noise] = {}
        for node in order:
            noise[node] = self._drawn(mechanisms[node], node, n, seed)
            values[node] = self._forward(mechanisms[node], node, values, noise[node], n)
        changed = self.interventions
        own = [node for node in wanted if node not in changed]
        samples = Samples({node: values[node] for node in wanted}, {node: noise[node] for node in own})
        plain = all(is_numpy(value) and value.ndim == 1 for value in samples.values())
        return samples.frame if plain and not return_noise else samples

    def _forward(
        self, mechanism: Mechanism, node: Hashable, values: Mapping[Hashable, Array], noise: Noise, n: int
    ) -> Array:
        return forwarded(
            mechanism, node, {parent: values[parent] for parent in self._parents[node]}, noise, n
        )

    def _for_rows(self, nodes: Iterable[Hashable], n: int, like: Look) -> dict[Hashable, Mechanism]:
        """Return the mechanisms of `nodes`, given values spread over n rows and checked."""
        ready: dict[Hashable, Mechanism] = {}
        for node in nodes:
            mechanism = self._mechanisms[node]
            if isinstance(mechanism, (Altered, Fixed)):
                mechanism = mechanism.for_rows(n, like, node)
            ready[node] = mechanism
        return ready

    def _template(self, node: Hashable) -> Array:
        """Return two rows of the node by its own mechanism: what its values look like."""
        base = self._factual
        if node not in base._templates:
            base._templates[node] = base.sample(2, 0, [node], return_noise=True)[node]
        return base._templates[node]

    def _stream(self, node: Hashable) -> str:
        mechanism = self._mechanisms[node]
        while isinstance(mechanism, Altered):
            mechanism = mechanism.mechanism
        if node in self._soft:
            return "noise"
        return "noise" if mechanism is self._factual._mechanisms[node] else "do"

    def _upstream(self, nodes: list[Hashable]) -> list[Hashable]:
        needed = set(nodes).union(self._graph.ancestors(list(nodes)))
        return [node for node in self._graph.topological_order() if node in needed]

    def _known(self, nodes: Iterable[Hashable] | None, *, what: str) -> list[Hashable]:
        """Return `nodes` (default all) in the order of the graph."""
        if nodes is None:
            return list(self._graph.nodes)
        asked = [nodes] if isinstance(nodes, str) else list(nodes)
        for node in asked:
            if node not in self._mechanisms:
                raise UnknownNameError(node, self._mechanisms, what=what)
        return [node for node in self._graph.nodes if node in set(asked)]

    def do(
        self,
        interventions: Mapping[Hashable, Any] | None = None,
        /,
        *,
        edge: Any = None,
        value: Any = None,
        strict: bool = False,
        **named: Any,
    ) -> Self:
        """Return the model in which nodes no longer follow their mechanisms.

        Parameters
        ----------
        interventions : mapping of node to intervention, optional
            A number; an array, with one entry (one array, for an array-valued node) per row, or of
            the shape of one row; a `Distribution` to draw from, by a stream of its own; a policy,
            that is a function of other nodes by argument name, which may be any that are not
            descendants of the target and become its parents; or a `Mechanism`. For distinct
            nodes, the order in which interventions are made does not matter. Nodes that are called
            ``edge`` or ``strict`` are named in the mapping.
        edge : tuple of (parent, child), or list of them, optional
            Edges along which the child sees `value` instead of the parent, which is left alone:
            what is done to the first edge of a path is done along the path.
        value : number or array, optional
            What is seen along `edge`; without it, the value of a node that is called ``value``.
        strict : bool, default=False
            Raise where a target was intervened on before, instead of warning.
        **named : intervention
            The same by keyword, for nodes whose names are identifiers.

        Returns
        -------
        SCM
            A new model; its `graph` is the mutilated one.

        Raises
        ------
        UnknownNameError
            If a target, or an argument of a policy, is not a node.
        CycleError
            If a policy reads a descendant of its target.
        DataError
            If a value has NaN in it, or `edge` comes without `value`.
        GraphError
            If there is no such edge, or, under `strict`, a target was intervened on before.

        Warns
        -----
        UserWarning
            If a target was intervened on before: the last intervention counts.
        ExtrapolationWarning
            If a learned model never saw such a value.

        Examples
        --------
        >>> from causalrep.scm import SCM, Normal
        >>> scm = SCM(mechanisms={"Z": Normal(0, 1), "X": Normal(0, 1), "Y": lambda X: 2 * X})
        >>> scm.do(X=lambda Z: Z > 0).graph.to_string()
        'Z -> X; X -> Y'
        """
        if edge is None and value is not None:
            named["value"] = value
        replaced = self._actions(targets_of(interventions, named))
        new = self._intervened(replaced)
        self._report_clash(replaced, strict=strict)
        return new if edge is None else new._intervened(new._set_edges(edge, value))

    def shift(self, deltas: Mapping[Hashable, Any] | None = None, /, **named: Any) -> Self:
        """Return the model in which nodes follow their mechanisms and are then moved.

        Parameters
        ----------
        deltas, **named : node to number or array
            What is added to the value, as a number, an array of the shape of one row, or one
            entry per row. Shifts of the same node add up.

        Returns
        -------
        SCM
            A new model, with the same graph.

        Raises
        ------
        UnknownNameError
            If a target is not a node.
        DataError
            If a delta is not a number or has NaN in it.

        Examples
        --------
        >>> from causalrep.scm import SCM, Normal
        >>> scm = SCM(mechanisms={"X": Normal(0, 1), "Y": lambda X: 2 * X})
        >>> moved = scm.shift(X=0.5).sample(3, random_state=0) - scm.sample(3, random_state=0)
        >>> [round(float(y), 6) for y in moved["Y"]]
        [1.0, 1.0, 1.0]
        """
        return self._intervened(self._shifts(targets_of(deltas, named)))

    def _actions(self, chosen: Mapping[Hashable, Any]) -> dict[Hashable, Mechanism]:
        self._known(chosen, what="do")
        actions = {node: as_intervention(node, value) for node, value in chosen.items()}
        self._warn_outside(actions, stacklevel=4)
        return actions

    def _shifts(self, deltas: Mapping[Hashable, Any]) -> dict[Hashable, Mechanism]:
        self._known(deltas, what="shift")
        return {node: as_shift(node, self._mechanisms[node], delta) for node, delta in deltas.items()}

    def _intervened(self, replaced: Mapping[Hashable, Mechanism], soft: Iterable[Hashable] = ()) -> Self:
        """Return the model with mechanisms replaced; `soft` ones keep the stream of the node's own noise."""
        graph = rewired(self._graph, replaced)
        new = copy.copy(self)
        if new._factual is self:  # as it is now: `fit` changes a model, but not what was made from it
            new._factual = copy.copy(self)
            new._factual._factual = new._factual
        new._graph = graph
        new._mechanisms = {**self._mechanisms, **replaced}
        anew = [node for node, mechanism in replaced.items() if not isinstance(mechanism, Altered)]
        new._soft = self._soft.difference(anew).union(soft)
        new._parents = {node: tuple(graph.parents(node)) for node in graph.nodes}
        return new
