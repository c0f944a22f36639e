"""The Torch backend: rows drawn and mechanisms run as tensors, on the CPU or a CUDA device.

The engine only routes, so all it takes are mechanisms that speak Torch: each kind of mechanism has a *twin*
(`causalrep.scm._torch_mechanisms`) with the same noise, function and density, differentiable where the
mechanism is. A twin seeds a Torch generator from the stream of its node, so that everything that is said of
streams holds: an intervention, or another node, leaves the draws of a node as they were. Torch and NumPy turn
the same stream into different numbers, and so may two devices.

Nothing here imports Torch until tensors are asked for or found.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from causalrep.scm._interventions import Fixed
from causalrep.scm._mechanism import Mechanism
from causalrep.scm._samples import Samples
from causalrep.utils import DataError, DeviceError, optional_import

if TYPE_CHECKING:
    import torch

    from causalrep.scm._scm import SCM

__all__ = ["Place", "as_like", "at_home", "place_of", "resolved", "sampled"]


@dataclass(frozen=True)
class Place:
    """Where tensors are, and the type of their real numbers."""

    device: torch.device
    dtype: torch.dtype

    def put(self, value: Any) -> Any:
        """Return a number or array as a tensor here: reals in `dtype`, others as they are."""
        import torch

        array = value if isinstance(value, torch.Tensor) else np.array(value)  # Python's numbers in full
        tensor = torch.as_tensor(array, device=self.device)
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor


def resolved(device: Any, dtype: Any) -> Place:
    """Return the place that a user means.

    Raises
    ------
    DeviceError
        If this machine does not have the device.
    DataError
        If `dtype` is no real type of Torch.
    """
    torch = optional_import("torch", extra="torch", purpose="sampling as tensors")
    try:
        target = torch.device("cpu" if device is None else device)
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError, TypeError) as error:  # what Torch raises differs by build
        raise DeviceError(f"`device` is {device!r}, which this machine cannot use: {error}") from error
    kind = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    kind = torch.get_default_dtype() if dtype is None else kind
    if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
        raise DataError(f"`dtype` must be a real type of Torch, as torch.float32 or 'float32', got {dtype!r}")
    return Place(target, kind)


def place_of(values: Mapping[Hashable, Any]) -> Place | None:
    """Return where observed values are, if all of them are tensors; None otherwise."""
    from array_api_compat import is_torch_array

    columns = list(values.values())
    if not columns or not all(is_torch_array(column) for column in columns):
        return None
    import torch

    reals = [column.dtype for column in columns if column.is_floating_point()]
    return Place(columns[0].device, reals[0] if reals else torch.get_default_dtype())


def at_home(
    mechanisms: Mapping[Hashable, Mechanism], values: Mapping[Hashable, Any]
) -> Mapping[Hashable, Mechanism]:
    """Return mechanisms that speak the library of the observed values: twins where these are tensors.

    Mechanisms of your own are taken to speak it already.

    Raises
    ------
    DataError
        If a mechanism of the library has no twin.
    """
    place = place_of(values)
    if place is None:
        return mechanisms
    from causalrep.scm._torch_mechanisms import twin

    own = {node: type(part).__module__.startswith("causalrep.scm.") for node, part in mechanisms.items()}
    return {node: twin(part, node, place) if own[node] else part for node, part in mechanisms.items()}


def as_like(total: Any, excess: Any) -> Any:
    """Return a number or NumPy array in the library of `total`."""
    place = place_of({"total": total})
    return excess if place is None else place.put(excess)


def sampled(
    scm: SCM,
    order: Sequence[Hashable],
    mechanisms: Mapping[Hashable, Mechanism],
    wanted: Sequence[Hashable],
    n: int,
    seed: int,
    *,
    place: Place,
    return_noise: bool,
) -> Samples:
    """Return rows as tensors, ancestors first; see `SCM.sample`."""
    from causalrep.scm._torch_mechanisms import twin

    values: dict[Hashable, Any] = {}
    noise: dict[Hashable, Any] = {}
    changed = scm.interventions
    for node in order:
        mechanism = twin(mechanisms[node], node, place)
        drawn = {} if isinstance(mechanism, Fixed) else scm._drawn(mechanism, node, n, seed)
        if node in scm._joints:  # correlated noises are drawn together, by NumPy
            drawn = place.put(drawn)
        values[node] = scm._forward(mechanism, node, values, drawn, n)
        if return_noise and node in wanted and node not in changed:
            noise[node] = drawn
    return Samples({node: values[node] for node in wanted}, noise)
