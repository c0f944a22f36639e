"""Observed rows in any container: read into arrays, and written back into the same container."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from causalrep.scm._arrays import is_numpy, to_numpy
from causalrep.scm._mechanism import Array, Noise
from causalrep.scm._samples import Samples
from causalrep.utils import DataError, columns_of, is_frame

__all__ = ["Evidence"]


@dataclass(frozen=True)
class Evidence:
    """Observed values by node, the noise that came with them, and the container they came in."""

    container: Any
    values: Mapping[Hashable, Array]
    noise: Mapping[Hashable, Noise]
    n: int

    @classmethod
    def read(cls, observed: Any) -> Evidence:
        """Read a frame, `Samples`, or a mapping of node to array."""
        if isinstance(observed, Samples):
            return cls(observed, observed, observed.noise, len(observed))
        if is_frame(observed):
            if len(observed.columns) == 0:
                raise DataError("`observed` has no columns")
            return cls(observed, columns_of(observed, what="observed"), {}, len(observed))
        if isinstance(observed, Mapping):
            samples = Samples(observed)
            return cls(observed, samples, {}, len(samples))
        raise DataError(
            "`observed` must be a data frame, Samples or a mapping of node to array, "
            f"got {type(observed).__name__}"
        )

    def require(self, node: Hashable, purpose: str) -> None:
        """Raise ``DataError`` if there are no observed values of `node`."""
        if node not in self.values:
            raise DataError(
                f"`observed` has no column {node!r}, which is needed {purpose}; "
                f"it has: {', '.join(map(repr, self.values))}"
            )

    @property
    def is_pandas(self) -> bool:
        """Whether the rows came in a pandas frame, all of one number or label each."""
        return type(self.container).__module__.split(".")[0] == "pandas"

    def with_fresh(self, changed: Mapping[Hashable, Array], dropped: Set[Hashable]) -> Any:
        """Return the pandas frame with `changed` columns, which nobody else holds; no column is copied."""
        import pandas as pd

        columns = {name: self.container[name] for name in self.container.columns if name not in dropped}
        columns |= {
            node: pd.Series(value, index=self.container.index, copy=False) for node, value in changed.items()
        }
        frame = pd.DataFrame(columns, index=self.container.index, copy=False)
        frame.columns.name = self.container.columns.name
        frame.attrs = dict(self.container.attrs)
        return frame

    def rebuild(
        self, changed: Mapping[Hashable, Array], dropped: Set[Hashable], noise: Mapping[Hashable, Noise]
    ) -> Any:
        """Return the container with `changed` values; everything else is kept as it is."""
        if is_frame(self.container):
            return _with_columns(self.container, changed, dropped)
        values = {node: value for node, value in self.values.items() if node not in dropped}
        values.update(changed)
        return Samples(values, noise) if isinstance(self.container, Samples) else values


def _with_columns(frame: Any, changed: Mapping[Hashable, Array], dropped: Set[Hashable]) -> Any:
    """Return a frame with columns replaced, others (also their dtypes) and the index untouched."""
    for node, value in changed.items():
        if value.ndim != 1:
            raise DataError(
                f"the counterfactual of {node!r} has shape {tuple(value.shape)} and fits no column; "
                "give `observed` as Samples or as a mapping of node to array"
            )
    columns = {node: value if is_numpy(value) else to_numpy(value) for node, value in changed.items()}
    gone = [name for name in frame.columns if name in dropped]
    if type(frame).__module__.split(".")[0] == "pandas":
        new = frame.drop(columns=gone)
        for node, value in columns.items():
            new[node] = value
        return new
    import narwhals as nw

    kept = nw.from_native(frame, eager_only=True).drop(gone)
    series = [nw.new_series(str(node), value, backend=kept.implementation) for node, value in columns.items()]
    return kept.with_columns(*series).to_native()
