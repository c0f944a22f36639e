"""The mechanism of a discrete node: a conditional probability table and a coupling of its rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from causalrep.scm._couplings import Coupling, Floats
from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.scm._states import States
from causalrep.utils import DataError

__all__ = ["CPT", "StateMechanism"]

_TOLERANCE = 1e-6  # of the sums of rows; BIF files print six digits and fewer


class StateMechanism(Mechanism):
    """A mechanism that gives each state a probability and couples the rows by shared noise.

    A subclass gives `rows` and sets `states` and `coupling`; see `CPT` for the couplings.
    """

    states: States
    coupling: Coupling

    @abstractmethod
    def rows(self, parents: Mapping[Hashable, Array]) -> Floats:
        """Return the probabilities of the states for each row of the parents, shape (n, k) or (1, k)."""

    @property
    def blockwise(self) -> bool:
        """Always."""
        return True

    @property
    def discrete(self) -> bool:
        """Always."""
        return True

    @property
    def monotone(self) -> bool:
        """Whether the coupling is the monotone one: a larger noise never gives an earlier state."""
        return self.coupling == "monotone"

    @property
    def invertible(self) -> bool:
        """Whether there is no noise to tell; otherwise a state tells only a range of it."""
        return self.deterministic

    @property
    def has_posterior(self) -> bool:
        """Always: the noise behind a state can be drawn exactly."""
        return True

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the states, shape (n,)."""
        rows = self.rows(parents)
        if self.deterministic:
            certain = self.states.decode(rows.argmax(axis=1))
            return certain if self.parents else certain.reshape(())  # nothing tells how many rows
        if self.coupling == "gumbel":
            with np.errstate(divide="ignore"):
                return self.states.decode((np.log(rows) + noise).argmax(axis=1))
        codes = (rows.cumsum(axis=1)[:, :-1] <= noise[:, None]).sum(axis=1)
        return self.states.decode(codes)

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw uniform numbers of shape (n,), Gumbel numbers of shape (n, k), or nothing."""
        if self.deterministic:
            return {}
        if self.coupling == "gumbel":
            return generator.gumbel(size=(n, len(self.states)))
        return generator.random(n)

    def draw_noise(
        self, parents: Mapping[Hashable, Array], value: Array, generator: np.random.Generator
    ) -> Noise:
        """Draw the noise from its law given that it gave `value`; see `Mechanism.draw_noise`."""
        if self.deterministic:
            return {}
        codes = self.states.encode(value)
        rows = np.broadcast_to(self.rows(parents), (len(codes), len(self.states)))
        if self.coupling == "gumbel":
            return _gumbels_won_by(rows, codes, generator)
        upper = rows.cumsum(axis=1)
        each = np.arange(len(codes))
        low = np.where(codes > 0, upper[each, codes - 1], 0.0)
        high = np.where(codes < len(self.states) - 1, upper[each, codes], 1.0)
        inside = low + (high - low) * generator.random(len(codes))
        return np.minimum(inside, np.nextafter(high, -np.inf))

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the log probability of each state, shape (n,); minus infinity for none."""
        codes = self.states.encode(value)
        rows = np.broadcast_to(self.rows(parents), (len(codes), len(self.states)))
        with np.errstate(divide="ignore"):
            return np.log(rows[np.arange(len(codes)), codes])


class CPT(StateMechanism):
    """A conditional probability table, ``P(node | parents)``, with a rule for its noise.

    Parameters
    ----------
    table : array of shape (k_1, ..., k_p, k)
        Probabilities: one axis for each parent, in the order of `parents`, and the states of the
        node last. Rows must sum to one (to 1e-6, then they are normalised).
    parents : sequence of hashable or mapping of node to states, default=()
        The parents; a mapping also gives the states of each, otherwise 0, 1, 2, ...
    states : iterable of hashable, optional
        The values of the node in the order of the last axis; default: 0, 1, ..., k - 1.
    coupling : {"monotone", "gumbel"}, default="monotone"
        How the rows share the noise, which decides counterfactuals and nothing else. "monotone":
        one uniform number against the cumulative probabilities, in the order of the states, so that
        a row that is stochastically larger never gives a smaller state to the same noise. "gumbel":
        ``argmax(log p + G)`` with one Gumbel number per state, which needs no order and is
        counterfactually stable (Oberst and Sontag 2019). They are two of many.

    Raises
    ------
    DataError
        If the shape, the probabilities or the sums of rows do not fit.

    References
    ----------
    M. Oberst, D. Sontag, "Counterfactual off-policy evaluation with Gumbel-max structural causal
    models", ICML 2019, arXiv:1905.05824.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.scm import CPT
    >>> rain = CPT([[0.9, 0.1], [0.2, 0.8]], {"Cloudy": ["no", "yes"]}, states=["dry", "wet"])
    >>> rain.log_prob({"Cloudy": np.array(["yes"])}, np.array(["wet"])).round(4)
    array([-0.2231])
    """

    def __init__(
        self,
        table: Any,
        parents: Sequence[Hashable] | Mapping[Hashable, Iterable[Hashable]] = (),
        states: Iterable[Hashable] | None = None,
        *,
        coupling: Coupling = "monotone",
    ) -> None:
        self.table = _checked_table(table, len(parents))
        self._parents = tuple(parents)
        self.states = States(range(self.table.shape[-1]) if states is None else states)
        self.parent_states = {
            parent: States(parents[parent] if isinstance(parents, Mapping) else range(size), parent)
            for parent, size in zip(self._parents, self.table.shape, strict=False)
        }
        if coupling not in ("monotone", "gumbel"):
            raise DataError(f"`coupling` must be 'monotone' or 'gumbel', got {coupling!r}")
        self.coupling: Coupling = coupling
        shape = (*(len(part) for part in self.parent_states.values()), len(self.states))
        if shape != self.table.shape:
            raise DataError(f"the states need a `table` of shape {shape}, got {self.table.shape}")
        self._certain = bool(((self.table == 0) | (self.table == 1)).all())

    def __repr__(self) -> str:
        return f"CPT(shape {self.table.shape}, parents={list(self._parents)!r}, coupling={self.coupling!r})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The parents, in the order of the axes."""
        return self._parents

    @property
    def deterministic(self) -> bool:
        """Whether every row is certain."""
        return self._certain

    def rows(self, parents: Mapping[Hashable, Array]) -> Floats:
        """Return the row of the table for each row of the parents, shape (n, k) or (1, k)."""
        if not self._parents:
            return np.asarray(self.table[None])
        codes = [self.parent_states[name].encode(parents[name]) for name in self._parents]
        return np.asarray(self.table[tuple(codes)])


def _checked_table(table: Any, n_parents: int) -> Floats:
    array = np.asarray(table, dtype=np.float64)
    if array.ndim != n_parents + 1 or array.size == 0:
        raise DataError(f"`table` must have {n_parents + 1} non-empty axes, got shape {array.shape}")
    sums = array.sum(axis=-1, keepdims=True)
    if not (array >= 0).all() or not (abs(sums - 1) <= _TOLERANCE).all():
        raise DataError("the rows of `table` must be non-negative and sum to 1 along the last axis")
    array = np.asarray(array / sums)
    array.flags.writeable = False
    return array


def _gumbels_won_by(rows: Floats, codes: Array, generator: np.random.Generator) -> Floats:
    """Draw Gumbels given which state won: the maximum first, the others truncated below it.

    The maximum of ``log p + G`` is a standard Gumbel whoever attains it (Maddison, Tarlow and Minka
    2014, section 3); the rest are Gumbels conditioned to stay under it.
    """
    best = generator.gumbel(size=(len(codes), 1))
    free = generator.gumbel(size=rows.shape)
    log = np.log(np.where(rows > 0, rows, 1.0))
    # -log(exp(-(free + log)) + exp(-best)) is a Gumbel at `log` truncated at `best`
    under = -np.logaddexp(-(free + log), -best)
    total = np.where(np.arange(rows.shape[1]) == np.asarray(codes)[:, None], best, under)
    return np.where(rows > 0, total - log, free)  # a state of probability zero says nothing of its number
