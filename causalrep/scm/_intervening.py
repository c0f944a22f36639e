"""The interventions of an `SCM` beyond `do` and `shift`, as methods."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from causalrep.scm._alterations import EdgeSet, Scaled, Tilted, Truncated
from causalrep.scm._build import as_mechanism
from causalrep.scm._interventions import Altered, Fixed, targets_of
from causalrep.scm._mechanism import Mechanism
from causalrep.scm._warnings import ExtrapolationWarning
from causalrep.utils import CausalRepError, DataError, GraphError

if TYPE_CHECKING:
    from causalrep.graphs import DAG
    from causalrep.scm._scm import SCM

__all__ = ["InterveningMixin"]


class InterveningMixin:
    """What can be done to an `SCM` beyond setting a node."""

    if TYPE_CHECKING:  # what it finds in the SCM
        _graph: DAG
        _mechanisms: dict[Hashable, Mechanism]
        _factual: SCM
        _support: Mapping[Hashable, tuple[float, float]]

        @property
        def interventions(self) -> dict[Hashable, Mechanism]: ...

        def _known(self, nodes: Iterable[Hashable] | None, *, what: str) -> list[Hashable]: ...

        def _intervened(
            self, replaced: Mapping[Hashable, Mechanism], soft: Iterable[Hashable] = ()
        ) -> Self: ...

    def scale(self, factors: Mapping[Hashable, Any] | None = None, /, **named: Any) -> Self:
        """Return the model in which nodes follow their mechanisms and are then multiplied.

        Parameters
        ----------
        factors, **named : node to number or array
            What the value is multiplied by, not zero.

        Returns
        -------
        SCM
            A new model, with the same graph.

        Raises
        ------
        UnknownNameError
            If a target is not a node.
        DataError
            If a factor is zero, no number, or has NaN in it.

        Examples
        --------
        >>> from causalrep.scm import SCM, Normal
        >>> scm = SCM(mechanisms={"X": Normal(0, 1), "Y": lambda X: X + 1})
        >>> pair = scm.sample(2, random_state=0), scm.scale(X=3).sample(2, random_state=0)
        >>> bool(np.allclose(pair[1]["Y"], 3 * pair[0]["X"] + 1))
        True
        """
        return self._altered("scale", targets_of(factors, named), Scaled)

    def truncate(self, node: Hashable, *, low: float = -math.inf, high: float = math.inf) -> Self:
        """Return the model in which a node follows its law given that it lies between bounds.

        Each unit keeps its rank: who was at the median of the law is at the median of the truncated one.

        Parameters
        ----------
        node : hashable
            A node whose mechanism can be inverted and whose noise has one continuous law.
        low, high : float, default=-inf, inf
            The bounds.

        Returns
        -------
        SCM
            A new model, with the same graph.

        Raises
        ------
        UnknownNameError
            If there is no such node.
        CausalRepError
            If its mechanism has no quantiles.
        DataError
            If the bounds are not in order; in sampling, if they have no probability in some row.

        Examples
        --------
        >>> from causalrep.scm import SCM
        >>> scm = SCM.from_equations("X = N(0, 1); Y = X + N(0, 1)")
        >>> float(scm.truncate("X", low=0).sample(1000, random_state=0)["X"].min()) > 0
        True
        """
        return self._altered("truncate", {node: None}, lambda own, _: Truncated(own, low, high))

    def incremental(self, node: Hashable, *, odds: float) -> Self:
        """Return the model in which the odds of the second state of a node are multiplied.

        An intervention that needs no positivity: who was certain to be treated remains so (Kennedy 2019).

        Parameters
        ----------
        node : hashable
            A node of two states, given by a table, a learned classifier, or a Bernoulli law or equation.
        odds : float
            What the odds are multiplied by, positive.

        Returns
        -------
        SCM
            A new model, with the same graph.

        Raises
        ------
        UnknownNameError
            If there is no such node.
        CausalRepError
            If it has not two states with known probabilities.
        DataError
            If `odds` is not positive.

        References
        ----------
        E. H. Kennedy, "Nonparametric causal effects based on incremental propensity score interventions",
        Journal of the American Statistical Association 114, 2019, doi:10.1080/01621459.2017.1422737.

        Examples
        --------
        >>> from causalrep.scm import SCM
        >>> scm = SCM.from_equations("X = N(0, 1); T ~ Bernoulli(sigmoid(X))").incremental("T", odds=3.0)
        >>> scm.mechanisms["T"].probability({"X": np.array([0.0])})
        array([0.75])
        """
        return self._altered("incremental", {node: odds}, Tilted)

    def soft(self, mechanisms: Mapping[Hashable, Any] | None = None, /, **named: Any) -> Self:
        """Return the model in which nodes follow other mechanisms, with the random numbers of their own.

        Parameters
        ----------
        mechanisms, **named : node to Mechanism, str, callable or Distribution
            The new mechanism; it may read any nodes that are not descendants. A string is an `Equation`.

        Returns
        -------
        SCM
            A new model; its graph has the parents that the new mechanisms read. `do` with a `Mechanism` is
            the same, but draws by a stream of its own: with `soft`, a new mechanism that takes the same noise
            gives paired contrasts.

        Raises
        ------
        UnknownNameError
            If a target, or what a mechanism reads, is not a node.
        CycleError
            If a mechanism reads a descendant of its target.

        Examples
        --------
        >>> from causalrep.scm import SCM
        >>> scm = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1)")
        >>> other = scm.soft(Y="3*X + N(0, 1)").sample(3, random_state=0) - scm.sample(3, random_state=0)
        >>> bool(np.allclose(other["Y"], scm.sample(3, random_state=0)["X"]))
        True
        """
        chosen = targets_of(mechanisms, named)
        self._known(chosen, what="soft")
        replaced = {node: as_mechanism(node, spec, None) for node, spec in chosen.items()}
        return self._intervened(replaced, soft=replaced)

    def _altered(
        self, what: str, chosen: Mapping[Hashable, Any], make: Callable[[Mechanism, Any], Mechanism]
    ) -> Self:
        self._known(chosen, what=what)
        replaced: dict[Hashable, Mechanism] = {}
        for node, value in chosen.items():
            try:
                replaced[node] = make(self._mechanisms[node], value)
            except CausalRepError as error:
                error.add_note(f"raised by the {what} of {node!r}")
                raise
        return self._intervened(replaced)

    def _set_edges(self, edges: Any, value: Any) -> dict[Hashable, Mechanism]:
        """Return the mechanisms of the children that see `value` on edges."""
        if value is None:
            raise DataError("`edge` needs a `value`")
        pairs = [edges] if isinstance(edges, tuple) else list(edges)
        seen: dict[Hashable, dict[Hashable, Any]] = {}
        for pair in pairs:
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise DataError(f"`edge` must be a pair (parent, child) or a list of pairs, got {pair!r}")
            parent, child = pair
            self._known([parent, child], what="`edge`")
            if parent not in self._graph.parents(child):
                raise GraphError(f"there is no edge from {parent!r} to {child!r} that could be set")
            if callable(value) or isinstance(value, Mechanism):
                raise DataError("the value of an edge must be a number or an array")
            seen.setdefault(child, {})[parent] = Fixed(value).value
        return {
            child: EdgeSet(self._mechanisms[child], values, tuple(self._graph.parents(child)))
            for child, values in seen.items()
        }

    def _changes_in(self, world: SCM) -> tuple[list[Hashable], list[Hashable]]:
        """Return the nodes that have a new mechanism in `world`, and those whose own is altered there."""
        if world._factual._mechanisms is not self._factual._mechanisms:
            raise DataError("`do` must be a model that was made from this one by interventions")
        acted: list[Hashable] = []
        altered: list[Hashable] = []
        for node, own in self._mechanisms.items():
            mechanism = here = world._mechanisms[node]
            if mechanism is own:
                continue
            while isinstance(here, Altered) and here is not own:
                here = here.mechanism
            if isinstance(mechanism, Altered) and here is own:
                altered.append(node)
            else:
                acted.append(node)
        return acted, altered

    def _report_clash(self, replaced: Iterable[Hashable], *, strict: bool) -> None:
        for node in self.interventions:
            if node in replaced:
                if strict:
                    raise GraphError(f"{node!r} was intervened on before, and `strict` allows that once")
                warnings.warn(f"{node!r} was intervened on before; the last do counts", stacklevel=3)

    def _warn_outside(self, actions: Mapping[Hashable, Mechanism], stacklevel: int) -> None:
        """Warn where a learned model is asked about values that it has never seen."""
        for node, action in actions.items():
            if node not in self._support or not isinstance(action, Fixed) or isinstance(action.value, str):
                continue
            values = np.asarray(action.value)
            low, high = self._support[node]
            if values.dtype.kind in "biuf" and bool(((values < low) | (values > high)).any()):
                warnings.warn(
                    f"the model was learned from values of {node!r} between {low:.6g} and {high:.6g}; "
                    "what lies outside is extrapolated",
                    ExtrapolationWarning,
                    stacklevel=stacklevel,
                )
