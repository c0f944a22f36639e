"""What an `SCM` says about observed rows: their noise, what they would have been, their density."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, cast

from causalrep.scm._arrays import noise_rows
from causalrep.scm._blocks import BLOCK, are_blockwise, imagined_in_blocks
from causalrep.scm._evidence import Evidence
from causalrep.scm._interventions import Look, Shifted, targets_of
from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.scm._plan import Plan
from causalrep.scm._posterior import imagined
from causalrep.scm._torch import as_like, at_home
from causalrep.utils import (
    CausalRepError,
    DataError,
    NotInvertibleError,
    RandomState,
    as_seed,
    keyed_generator,
)

if TYPE_CHECKING:
    from causalrep.graphs import DAG
    from causalrep.scm._scm import SCM

__all__ = ["Observed"]


class Observed:
    """Questions about rows that were observed."""

    if TYPE_CHECKING:  # what it finds in the SCM
        _graph: DAG
        _mechanisms: dict[Hashable, Mechanism]
        _parents: dict[Hashable, tuple[Hashable, ...]]

        @property
        def interventions(self) -> dict[Hashable, Mechanism]: ...

        def _known(self, nodes: Iterable[Hashable] | None, *, what: str) -> list[Hashable]: ...

        def _actions(self, chosen: Mapping[Hashable, Any]) -> dict[Hashable, Mechanism]: ...

        def _shifts(self, deltas: Mapping[Hashable, Any]) -> dict[Hashable, Mechanism]: ...

        def _intervened(
            self, replaced: Mapping[Hashable, Mechanism], soft: Iterable[Hashable] = ()
        ) -> Self: ...

        def _for_rows(self, nodes: Iterable[Hashable], n: int, like: Look) -> dict[Hashable, Mechanism]: ...

        def _changes_in(self, world: SCM) -> Any: ...

        def _excess(self, mechanisms: Mapping[Hashable, Mechanism], values: Any) -> Any: ...

    def abduct(self, observed: Any, nodes: Iterable[Hashable] | None = None) -> dict[Hashable, Noise]:
        """Return the noise of observed rows.

        Parameters
        ----------
        observed : data frame, Samples or mapping of node to array
            The rows. Noise that `Samples` carry is the truth and is returned as it is.
        nodes : iterable of node, optional
            Whose noise; default: all.

        Returns
        -------
        dict of node to noise
            In the order of the graph; an empty dict for a deterministic node.

        Raises
        ------
        NotInvertibleError
            If a mechanism cannot tell its noise from its value.
        DataError
            If a needed column is missing.

        Examples
        --------
        >>> from causalrep.scm import SCM, Linear, Normal
        >>> import pandas as pd
        >>> scm = SCM(mechanisms={"X": Normal(0, 1), "Y": Linear({"X": 2.0}, noise=Normal(0, 1))})
        >>> scm.abduct(pd.DataFrame({"X": [1.0], "Y": [2.5]}))["Y"]
        array([0.5])
        """
        evidence = Evidence.read(observed)
        return self._abducted(self._known(nodes, what="`nodes`"), evidence, self._carried(evidence))

    def _carried(self, evidence: Evidence) -> dict[Hashable, Noise]:
        """Return the noise that came with the rows, for nodes that still follow their own mechanism."""
        own = set(self._mechanisms).difference(self.interventions)
        return {node: noise for node, noise in evidence.noise.items() if node in own}

    def _abducted(
        self, nodes: Sequence[Hashable], evidence: Evidence, known: Mapping[Hashable, Noise]
    ) -> dict[Hashable, Noise]:
        """Return the noise of `nodes`: the known one, or what their mechanisms tell."""
        missing = [node for node in nodes if node not in known and not self._mechanisms[node].deterministic]
        for node in missing:
            for name in (node, *self._parents[node]):
                evidence.require(
                    name,
                    f"to tell the noise of {node!r} (nodes=[...] leaves nodes out, n_draws=... draws it)",
                )
            if not self._mechanisms[node].invertible:
                raise NotInvertibleError(_untold(node, self._mechanisms[node]))
        ready = at_home(self._for_rows(missing, evidence.n, evidence.values.get), evidence.values)
        noise: dict[Hashable, Noise] = {}
        for node in nodes:
            if node in ready:
                noise[node] = self._told(ready[node], node, evidence.values)
            else:
                noise[node] = known.get(node, {})
        return noise

    def _told(self, mechanism: Mechanism, node: Hashable, values: Mapping[Hashable, Array]) -> Noise:
        try:
            return mechanism.abduct({parent: values[parent] for parent in self._parents[node]}, values[node])
        except NotInvertibleError as error:
            raise NotInvertibleError(f"the noise of {node!r}: {error}") from error

    def counterfactual(
        self,
        observed: Any,
        do: Mapping[Hashable, Any] | SCM | None = None,
        *,
        shift: Mapping[Hashable, Any] | None = None,
        nodes: Iterable[Hashable] | None = None,
        noise: Mapping[Hashable, Noise] | None = None,
        random_state: RandomState = None,
        n_draws: int | None = None,
        method: str = "importance",
    ) -> Any:
        """Return what the observed rows would have been under an intervention.

        Abduction tells the noise of the rows, action replaces mechanisms as `do` and `shift` do,
        and prediction replays the descendants of the targets with that noise. Every other node is
        returned as the very array that was given.

        Parameters
        ----------
        observed : data frame, Samples or mapping of node to array
            The rows, n of them.
        do : mapping of node to intervention, or SCM, optional
            As in `do`. A policy reads the counterfactual values of its arguments. Or a model that was
            made from this one by any interventions: ``scm.counterfactual(rows, do=scm.scale(X=2))``.
        shift : mapping of node to number or array, optional
            As in `shift`: the node takes the value that it would have taken, plus the delta.
        nodes : iterable of node, optional
            Nodes of interest: others that would change are neither computed nor returned. Default: all.
        noise : mapping of node to noise, optional
            What an earlier `abduct` of the same rows gave; nothing that is given is abducted again.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed of interventions that draw, and of `n_draws`.
        n_draws : int, optional
            Draw the noise of each row so often from its law given what was observed, instead of
            telling it. For mechanisms that are not invertible, for latent nodes and for rows with
            missing values (NaN) or columns.
        method : {"importance", "nuts", "svi"}, default="importance"
            How `n_draws` are made where noise cannot be told: by importance sampling; by Pyro's No-U-Turn
            sampler; or by a Gaussian guide that is fitted by Pyro, with importance weights. The latter two
            are for continuous nodes that were not observed, by differentiable mechanisms.

        Returns
        -------
        WeightedDraws
            With `n_draws`.
        data frame, Samples or dict
            The same kind as `observed` with the same rows in the same order; columns that are not
            nodes are kept. `Samples` carry the noise on, except that of the targets, whose values no
            longer come from it.

        Raises
        ------
        NotInvertibleError
            If a needed noise can neither be told nor was given.
        UnknownNameError
            If a target is not a node.
        DataError
            If a needed column is missing, or numbers of rows or shapes do not fit.
        ImpossibleEvidenceError
            If `n_draws` are asked for and none of a row's draws agrees with what was observed.

        Examples
        --------
        >>> import pandas as pd
        >>> from causalrep.scm import SCM, Linear, Normal
        >>> scm = SCM(mechanisms={"X": Normal(0, 1), "Y": Linear({"X": 2.0}, noise=Normal(0, 1))})
        >>> scm.counterfactual(pd.DataFrame({"X": [1.0], "Y": [2.5]}), do={"X": 3})
             X    Y
        0  3.0  6.5
        """
        from causalrep.scm._scm import SCM

        evidence = Evidence.read(observed)
        if isinstance(do, SCM):
            if shift or n_draws is not None:
                raise DataError("`do` as a model takes neither `shift` nor `n_draws`")
            return self._imagined_in(do, evidence, nodes, noise or {}, random_state)
        actions, shifts = self._actions(targets_of(do, {})), self._shifts(targets_of(shift, {}))
        known = {**self._carried(evidence), **self._checked_noise(noise or {}, evidence.n)}
        both = [node for node in actions if node in shifts]
        if both:
            raise DataError(f"{both[0]!r} is named in both `do` and `shift`; choose one")
        if n_draws is not None:
            return imagined(
                cast("SCM", self),
                evidence,
                {**actions, **shifts},
                nodes,
                known,
                n_draws,
                as_seed(random_state),
                method,
            )
        world = cast("SCM", self._intervened({**actions, **shifts}))
        plan = Plan.make(world._graph, actions, shifts, self._known(nodes, what="`nodes`"))
        return self._predicted(world, plan, evidence, known, random_state)

    def _imagined_in(
        self,
        world: SCM,
        evidence: Evidence,
        nodes: Iterable[Hashable] | None,
        noise: Mapping[Hashable, Noise],
        random_state: RandomState,
    ) -> Any:
        """Return the rows as they would have been in a model that was made from this one."""
        acted, altered = self._changes_in(world)
        known = {**self._carried(evidence), **self._checked_noise(noise, evidence.n)}
        wanted = self._known(nodes, what="`nodes`")
        plan = Plan.make(world._graph, acted, (), wanted, altered=altered)
        return self._predicted(world, plan, evidence, known, random_state)

    def _predicted(
        self,
        world: SCM,
        plan: Plan,
        evidence: Evidence,
        known: Mapping[Hashable, Noise],
        random_state: RandomState,
    ) -> Any:
        """Abduct what the plan replays, act, and predict in the world."""
        plan.check(evidence)
        mechanisms = at_home(world._for_rows(plan.order, evidence.n, evidence.values.get), evidence.values)
        if not known and self._in_blocks(plan, evidence, mechanisms):
            # what is refused, is refused below, where rows have their numbers
            with suppress(CausalRepError):
                seed = as_seed(random_state) if plan.acted else 0
                drawing = {node: keyed_generator(seed, "do", node) for node in plan.acted}
                columns = imagined_in_blocks(
                    plan,
                    self._mechanisms,
                    self._parents,
                    mechanisms,
                    world._parents,
                    evidence.values,
                    drawing,
                )
                return evidence.with_fresh(columns, plan.dropped)
        used = self._abducted(plan.replayed, evidence, known)
        if plan.acted:
            seed = as_seed(random_state)
            for node in plan.acted:
                used[node] = mechanisms[node].sample_noise(evidence.n, keyed_generator(seed, "do", node))
        values = dict(evidence.values)
        for node in plan.order:
            mechanism = mechanisms[node]
            if node in plan.moved and isinstance(mechanism, Shifted):
                values[node] = mechanism.move(values[node])
            else:
                values[node] = world._forward(mechanism, node, values, used[node], evidence.n)
        foreign = plan.targets.union(plan.dropped, self.interventions)
        kept = {node: part for node, part in {**known, **used}.items() if node not in foreign}
        return evidence.rebuild({node: values[node] for node in plan.order}, plan.dropped, kept)

    def _in_blocks(self, plan: Plan, evidence: Evidence, mechanisms: Mapping[Hashable, Mechanism]) -> bool:
        """Say whether a counterfactual of many rows of a frame can be computed block by block."""
        own = {node: self._mechanisms[node] for node in plan.replayed}
        return (
            evidence.n > BLOCK
            and evidence.is_pandas
            and not self.interventions
            and plan.order != ()
            and are_blockwise(mechanisms)
            and all(m.blockwise and m.invertible for m in own.values())
            and all(name in evidence.values for node in own for name in (node, *self._parents[node]))
        )

    def log_prob(self, observed: Any) -> Array:
        """Return the log density of observed rows: the sum over nodes, given their parents.

        Parameters
        ----------
        observed : data frame, Samples or mapping of node to array
            The rows, n of them, with all nodes.

        Returns
        -------
        array of shape (n,)
            Log density under this model, interventions included.

        Raises
        ------
        CausalRepError
            If a mechanism has no density in closed form.
        DataError
            If a column is missing.

        Examples
        --------
        >>> import pandas as pd
        >>> from causalrep.scm import SCM, Linear, Normal
        >>> scm = SCM(mechanisms={"X": Normal(0, 1), "Y": Linear({"X": 2.0}, noise=Normal(0, 1))})
        >>> scm.log_prob(pd.DataFrame({"X": [0.0, 1.0], "Y": [0.0, 3.0]})).round(4)
        array([-1.8379, -2.8379])
        """
        evidence = Evidence.read(observed)
        for node, mechanism in self._mechanisms.items():
            evidence.require(node, "to state the density")
            if not mechanism.has_density:
                raise CausalRepError(
                    f"{mechanism!r}, the mechanism of {node!r}, has no density in closed form"
                )
        mechanisms = at_home(
            self._for_rows(self._mechanisms, evidence.n, evidence.values.get), evidence.values
        )
        total: Array = 0.0
        for node, mechanism in mechanisms.items():
            parents = {parent: evidence.values[parent] for parent in self._parents[node]}
            total = total + mechanism.log_prob(parents, evidence.values[node])
        return total + as_like(total, self._excess(mechanisms, evidence.values))

    def _checked_noise(self, noise: Mapping[Hashable, Noise], n: int) -> dict[Hashable, Noise]:
        self._known(noise, what="`noise`")
        for node, part in noise.items():
            if noise_rows(part) - {n}:
                raise DataError(f"the noise of {node!r} must have {n} rows, got {sorted(noise_rows(part))}")
        return dict(noise)


def _untold(node: Hashable, mechanism: Mechanism) -> str:
    return (
        f"the noise of {node!r} cannot be told from its value by {mechanism!r}; declare the mechanism as "
        "AdditiveNoise or Invertible, or give Samples that carry their noise "
        "(sample(..., return_noise=True)), or pass noise={...}, or draw it (counterfactual(..., n_draws=...))"
    )
