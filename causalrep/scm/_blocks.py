"""Sample in blocks of rows that fit the cache: the same rows, without arrays of n rows in between.

Mechanisms say whether they are `blockwise`: each row of their value depends on the same row of parents and
noise alone, and a noise drawn in parts is the noise drawn at once. Laws draw number after number from one
stream, so both hold for the library's own mechanisms; of a Python function nobody knows.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._arrays import forwarded
from causalrep.scm._interventions import Fixed, Shifted
from causalrep.scm._mechanism import Array, Mechanism
from causalrep.scm._plan import Plan
from causalrep.utils import DataError, RandomState, as_seed, keyed_generator

if TYPE_CHECKING:
    import pandas as pd

    from causalrep.graphs import DAG

__all__ = [
    "BLOCK",
    "StreamMixin",
    "are_blockwise",
    "as_frame",
    "filled",
    "imagined_in_blocks",
    "rows_of_blocks",
]

BLOCK = 16_384  # 128 kB a column of doubles


def are_blockwise(mechanisms: Mapping[Hashable, Mechanism]) -> bool:
    """Say whether all of these can be sampled in blocks and give one NumPy number per row."""
    return all(
        mechanism.blockwise or (isinstance(mechanism, Fixed) and np.ndim(mechanism.value) == 1)
        for mechanism in mechanisms.values()
    )


def rows_of_blocks(
    order: Sequence[Hashable],
    mechanisms: Mapping[Hashable, Mechanism],
    parents: Mapping[Hashable, Sequence[Hashable]],
    generators: Mapping[Hashable, np.random.Generator],
    n: int,
    size: int = BLOCK,
) -> Iterator[tuple[slice, dict[Hashable, Array]]]:
    """Yield the values of all nodes, block by block; `Fixed` mechanisms hold n values."""
    for start in range(0, n, size):
        rows = slice(start, min(start + size, n))
        m = rows.stop - start
        values: dict[Hashable, Array] = {}
        for node in order:
            mechanism = mechanisms[node]
            if isinstance(mechanism, Fixed):
                values[node] = np.asarray(mechanism.value)[rows]
                continue
            noise = mechanism.sample_noise(m, generators[node])
            seen = {parent: values[parent] for parent in parents[node]}
            values[node] = forwarded(mechanism, node, seen, noise, m)
        yield rows, values


def imagined_in_blocks(
    plan: Plan,
    own: Mapping[Hashable, Mechanism],
    own_parents: Mapping[Hashable, Sequence[Hashable]],
    world: Mapping[Hashable, Mechanism],
    world_parents: Mapping[Hashable, Sequence[Hashable]],
    values: Mapping[Hashable, Array],
    generators: Mapping[Hashable, np.random.Generator],
) -> dict[Hashable, NDArray[Any]]:
    """Return the columns that a plan computes: abduction, action, prediction, block after block."""

    def blocks() -> Iterator[tuple[slice, dict[Hashable, Array]]]:
        n = len(next(iter(values.values())))
        for start in range(0, n, BLOCK):
            rows = slice(start, min(start + BLOCK, n))
            seen = {name: column[rows] for name, column in values.items()}
            yield rows, _imagined(plan, own, own_parents, world, world_parents, seen, generators, rows)

    return filled(plan.order, blocks(), len(next(iter(values.values()))))


def _imagined(
    plan: Plan,
    own: Mapping[Hashable, Mechanism],
    own_parents: Mapping[Hashable, Sequence[Hashable]],
    world: Mapping[Hashable, Mechanism],
    world_parents: Mapping[Hashable, Sequence[Hashable]],
    seen: Mapping[Hashable, Array],
    generators: Mapping[Hashable, np.random.Generator],
    rows: slice,
) -> dict[Hashable, Array]:
    size = rows.stop - rows.start
    new, moves = dict(seen), _Moves(seen)
    for node in plan.order:
        mechanism = world[node]
        if node in plan.replayed and mechanism is own[node] and not mechanism.deterministic:
            move = mechanism.moved_by(moves.of(new, own_parents[node]))
            if move is not None:  # the noise need not be known
                new[node] = seen[node] + move
                moves.known[node] = move
                continue
        if isinstance(mechanism, Fixed):
            new[node] = np.asarray(mechanism.value)[rows]
        elif node in plan.moved and isinstance(mechanism, Shifted):
            new[node] = mechanism.move(seen[node])
        else:
            if node in generators:
                noise = mechanism.sample_noise(size, generators[node])
            elif own[node].deterministic:
                noise = {}
            else:
                noise = own[node].abduct({name: seen[name] for name in own_parents[node]}, seen[node])
            there = {name: new[name] for name in world_parents[node]}
            new[node] = forwarded(mechanism, node, there, noise, size)
    return new


class _Moves:
    """How far nodes have moved in the imagined world, found when somebody asks."""

    def __init__(self, seen: Mapping[Hashable, Array]) -> None:
        self.seen = seen
        self.known: dict[Hashable, Array] = {}

    def of(self, new: Mapping[Hashable, Array], nodes: Iterable[Hashable]) -> dict[Hashable, Array]:
        """Return the moves of those nodes that are not what they were."""
        changed = [node for node in nodes if new[node] is not self.seen[node]]
        for node in changed:
            if node not in self.known:
                self.known[node] = new[node] - self.seen[node]
        return {node: self.known[node] for node in changed}


def as_frame(columns: Mapping[Hashable, NDArray[Any]]) -> pd.DataFrame:
    """Return columns that nobody else holds as a frame, without a copy."""
    import pandas as pd

    return pd.DataFrame(dict(columns), copy=False)


def filled(
    nodes: Sequence[Hashable], blocks: Iterator[tuple[slice, dict[Hashable, Array]]], n: int
) -> dict[Hashable, NDArray[Any]]:
    """Return whole columns of the wanted nodes."""
    columns: dict[Hashable, NDArray[Any]] = {}
    for rows, values in blocks:
        if not columns:
            columns = {node: np.empty(n, dtype=values[node].dtype) for node in nodes}
        for node in nodes:
            part = values[node]
            if part.dtype != columns[node].dtype:
                columns[node] = columns[node].astype(np.result_type(columns[node], part))
            columns[node][rows] = part
    return columns


class StreamMixin:
    """How an `SCM` gives more rows than memory holds."""

    if TYPE_CHECKING:  # what it finds in the SCM
        _graph: DAG
        _joints: dict[Hashable, Any]
        _parents: dict[Hashable, tuple[Hashable, ...]]

        def _known(self, nodes: Iterable[Hashable] | None, *, what: str) -> list[Hashable]: ...

        def _upstream(self, nodes: list[Hashable]) -> list[Hashable]: ...

        def _for_rows(self, nodes: Iterable[Hashable], n: int, like: Any) -> dict[Hashable, Mechanism]: ...

        def _template(self, node: Hashable) -> Array: ...

        def _stream(self, node: Hashable) -> str: ...

    def stream(
        self,
        n: int,
        *,
        chunk: int = 1_000_000,
        random_state: RandomState = None,
        nodes: Iterable[Hashable] | None = None,
    ) -> Iterator[pd.DataFrame]:
        """Yield frames of `chunk` rows, `n` rows in all, of which one is in memory at a time.

        Parameters
        ----------
        n : int
            Number of rows.
        chunk : int, default=1_000_000
            Number of rows in a frame; the last may have fewer.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed; together the rows are those of `sample` with this seed.
        nodes : iterable of node, optional
            Nodes to return. Default: all that are not latent.

        Yields
        ------
        pandas.DataFrame
            The next rows.

        Raises
        ------
        DataError
            If `n` or `chunk` is not a positive integer; or if a mechanism is a Python function or another of
            which it is not known that it works row by row, or noise is shared between nodes: for these
            the rows would not be those of one sample.

        Examples
        --------
        >>> from causalrep.scm import SCM
        >>> scm = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1)")
        >>> sum(len(part) for part in scm.stream(2500, chunk=1000, random_state=0))
        2500
        """
        for name, number in (("n", n), ("chunk", chunk)):
            if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
                raise DataError(f"`{name}` must be a positive integer, got {number!r}")
        wanted = self._known(nodes, what="`nodes`")
        if nodes is None:
            wanted = [node for node in wanted if node not in self._graph.latent]
        order = self._upstream(wanted)
        mechanisms = self._for_rows(order, n, self._template)
        if self._joints or not are_blockwise(mechanisms):
            raise DataError(
                "rows can be streamed only where every mechanism is known to work row by row (laws, Linear, "
                "Equation, tables, learned lines and splines) and noises are not shared; draw samples of "
                "their own seeds instead"
            )
        seed = as_seed(random_state)
        generators = {node: keyed_generator(seed, self._stream(node), node) for node in order}
        blocks = rows_of_blocks(order, mechanisms, self._parents, generators, n, chunk)
        return (_frame_of(rows, values, wanted) for rows, values in blocks)


def _frame_of(rows: slice, values: Mapping[Hashable, Array], wanted: Sequence[Hashable]) -> pd.DataFrame:
    frame = as_frame({node: np.array(values[node]) for node in wanted})
    return frame.set_index(np.arange(rows.start, rows.stop))
