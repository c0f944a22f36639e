"""Explicit chance: seeds in, generators out, the global state untouched."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = [
    "RandomState",
    "as_generator",
    "as_seed",
    "keyed_generator",
    "keyed_seed",
    "keyed_torch_generator",
    "torch_rng",
]

RandomState: TypeAlias = int | np.random.Generator | np.random.RandomState | None

_GLOBAL_STATE = threading.RLock()


def as_generator(random_state: RandomState) -> np.random.Generator:
    """Return a NumPy generator for anything that users pass as ``random_state``.

    Parameters
    ----------
    random_state : int, numpy Generator, numpy RandomState or None
        A generator is returned as it is; a ``RandomState`` is advanced by one draw.

    Examples
    --------
    >>> from causalrep.utils import as_generator
    >>> bool(as_generator(0).random() == as_generator(0).random())
    True
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    return np.random.default_rng(None if random_state is None else as_seed(random_state))


def as_seed(random_state: RandomState) -> int:
    """Return one integer seed in [0, 2**63); ``None`` draws a fresh one."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> 1)
    if isinstance(random_state, bool) or not isinstance(
        random_state, (int, np.integer, np.random.Generator, np.random.RandomState)
    ):
        raise TypeError(
            "random_state must be an int, a numpy Generator, a numpy RandomState or None, "
            f"got {type(random_state).__name__}"
        )
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63, dtype=np.int64, endpoint=False))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if not 0 <= int(random_state) < 2**63:
        raise ValueError(f"random_state must be in [0, 2**63), got {random_state}")
    return int(random_state)


def keyed_seed(seed: int, *keys: object) -> int:
    """Return a seed in [0, 2**63) that depends on `seed` and on the text of `keys` alone.

    Streams are addressed by what they are for, never by when they are drawn, so that adding
    a node or a test does not change the draws of another. A NumPy scalar counts as the Python
    value it holds: a name read from an array is the same name.
    """
    keys = tuple(key.item() if isinstance(key, np.generic) else key for key in keys)
    text = "\x1f".join([str(seed), *(f"{type(key).__name__}:{key}" for key in keys)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def keyed_generator(seed: int, *keys: object) -> np.random.Generator:
    """Return the NumPy generator of the stream that `keys` address."""
    return np.random.Generator(np.random.SFC64(keyed_seed(seed, *keys)))


def keyed_torch_generator(seed: int, *keys: object, device: str | torch.device = "cpu") -> torch.Generator:
    """Return the Torch generator of the stream that `keys` address."""
    import torch

    return torch.Generator(device=device).manual_seed(keyed_seed(seed, *keys))


@contextmanager
def torch_rng(seed: int) -> Iterator[None]:
    """Seed Torch inside the block and restore its global state afterwards.

    For code that takes no generator: parameter initialisation, ``torch.distributions``, Pyro. Threads wait
    for each other here, as they have that state in common.
    """
    import torch

    with _GLOBAL_STATE, torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
