"""What a mechanism is: how a node gets its value from its parents and its own noise."""

# ruff: noqa: ARG002 - a mechanism is handed parents and noise whether or not it reads them

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any, TypeAlias

import numpy as np

from causalrep.scm._distributions import Distribution
from causalrep.utils import CausalRepError, DataError, NotInvertibleError

__all__ = ["Array", "Mechanism", "Noise", "NoiseLaw", "draw"]

Array: TypeAlias = Any
"""An array of any library (NumPy, Torch, ...) whose axis 0 is the row."""

Noise: TypeAlias = Any
"""The noise of one node: an array, or a dict of named arrays (empty for a deterministic node)."""

NoiseLaw: TypeAlias = Distribution | Mapping[str, Distribution] | None
"""The law of a node's noise: one law, named laws for structured noise, or none."""


class Mechanism(ABC):
    """How one node gets its value, ``value = forward(parents, noise)``, batched over rows.

    This is the one extension point of `SCM`: a regression, a table, a flow, a renderer that draws
    an image and a diffusion decoder that inverts one are all subclasses. A subclass gives
    `forward` and `sample_noise`; it gives `abduct` where the noise can be told from the value, and
    `log_prob` where there is a density. What it gives can be read from the flags `invertible`,
    `deterministic` and `has_density`.

    Values are arrays of any library whose axis 0 is the row. The engine never converts them, it
    hands a mechanism what other mechanisms returned.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.scm import Mechanism
    >>> class Circle(Mechanism):
    ...     '''A 2-vector on the circle of radius R, at a random angle.'''
    ...     def forward(self, parents, noise):
    ...         return parents["R"][:, None] * np.stack([np.cos(noise), np.sin(noise)], axis=1)
    ...     def abduct(self, parents, value):
    ...         return np.arctan2(value[:, 1], value[:, 0])
    ...     def sample_noise(self, n, generator):
    ...         return generator.uniform(-np.pi, np.pi, n)
    >>> Circle().invertible
    True
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @property
    def parents(self) -> tuple[Hashable, ...] | None:
        """Names of the parents that `forward` reads; None: whatever the graph says."""
        return None

    @property
    def invertible(self) -> bool:
        """Whether `abduct` can tell the noise from the value."""
        return self.deterministic or type(self).abduct is not Mechanism.abduct

    @property
    def deterministic(self) -> bool:
        """Whether there is no noise, so that nothing need be abducted."""
        return False

    @property
    def has_density(self) -> bool:
        """Whether `log_prob` is available."""
        return type(self).log_prob is not Mechanism.log_prob

    @property
    def has_posterior(self) -> bool:
        """Whether `draw_noise` can draw the noise behind a value."""
        return self.invertible or type(self).draw_noise is not Mechanism.draw_noise

    @property
    def monotone(self) -> bool:
        """Whether the value of a scalar node rises with its noise, or falls with it, whatever the parents."""
        return False

    @property
    def discrete(self) -> bool:
        """Whether the values are labels or counts."""
        return False

    @property
    def differentiable(self) -> bool:
        """Whether the value has a derivative in parents and noise, but at the ends of learned splines."""
        return False

    @property
    def capabilities(self) -> frozenset[str]:
        """What can be asked of the mechanism, as names of those of its flags that are true."""
        flags = (
            "invertible",
            "monotone",
            "has_density",
            "has_posterior",
            "differentiable",
            "discrete",
            "deterministic",
            "blockwise",
        )
        return frozenset(flag for flag in flags if getattr(self, flag))

    @property
    def blockwise(self) -> bool:
        """Whether rows and their noise may be made in blocks, with the result of all at once.

        True only where each row depends on its own parents and noise alone, and `sample_noise` goes
        through its stream row by row.
        """
        return False

    @abstractmethod
    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the values of the node.

        Parameters
        ----------
        parents : mapping of node to array of shape (n, ...)
            Values of the parents.
        noise : array of shape (n, ...), or dict of such arrays
            Noise of this node, as `sample_noise` or `abduct` gives it.

        Returns
        -------
        array of shape (n, ...)
            One value per row.
        """

    @abstractmethod
    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Return the noise of `n` new rows.

        Parameters
        ----------
        n : int
            Number of rows.
        generator : numpy.random.Generator
            The stream of this node.

        Returns
        -------
        array of shape (n, ...), or dict of such arrays
            Empty dict for a deterministic mechanism.
        """

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Return the noise with which `forward` gives `value` (abduction).

        Parameters
        ----------
        parents : mapping of node to array of shape (n, ...)
            Observed values of the parents.
        value : array of shape (n, ...)
            Observed values of the node.

        Returns
        -------
        array of shape (n, ...), or dict of such arrays
            The noise; an empty dict for a deterministic mechanism.

        Raises
        ------
        NotInvertibleError
            Where the noise cannot be told.
        """
        if self.deterministic:
            return {}
        raise NotInvertibleError(f"a {type(self).__name__} cannot tell its noise from its value")

    def moved_by(self, moves: Mapping[Hashable, Array]) -> Array | None:
        """Return how far the value moves with some of its parents if its noise stays.

        Parameters
        ----------
        moves : mapping of parent to array of shape (n,)
            How far the parents moved, of those that did.

        Returns
        -------
        array of shape (n,) or None
            None, the default, where that depends on where they were.
        """
        return None

    def draw_noise(
        self, parents: Mapping[Hashable, Array], value: Array, generator: np.random.Generator
    ) -> Noise:
        """Return a draw of the noise from its law given that `forward` gave `value`.

        Parameters
        ----------
        parents : mapping of node to array of shape (n, ...)
            Values of the parents.
        value : array of shape (n, ...)
            Values of the node.
        generator : numpy.random.Generator
            Where the chance comes from; unused by a mechanism that can tell the noise.

        Returns
        -------
        array of shape (n, ...), or dict of such arrays
            One draw for each row: what `abduct` tells, where it can.

        Raises
        ------
        NotInvertibleError
            Where the noise can neither be told nor drawn.
        """
        return self.abduct(parents, value)

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the log density of each row of `value` given the parents.

        Parameters
        ----------
        parents : mapping of node to array of shape (n, ...)
            Values of the parents.
        value : array of shape (n, ...)
            Values of the node.

        Returns
        -------
        array of shape (n,)
            Log density.

        Raises
        ------
        CausalRepError
            Where there is no density in closed form.
        """
        raise CausalRepError(f"a {type(self).__name__} has no density in closed form")

    def with_noise(self, law: NoiseLaw) -> Mechanism:
        """Return this mechanism with the given law of noise.

        Parameters
        ----------
        law : Distribution or mapping of str to Distribution
            The law.

        Returns
        -------
        Mechanism
            A new mechanism.

        Raises
        ------
        DataError
            Where the mechanism brings a law of its own.
        """
        raise DataError(f"a {type(self).__name__} has its own noise and takes no law, got {law!r}")


def draw(law: NoiseLaw, n: int, generator: np.random.Generator) -> Noise:
    """Draw `n` rows of noise: an array, a dict of arrays, or an empty dict for no law."""
    if law is None:
        return {}
    if isinstance(law, Mapping):
        return {name: part.sample(n, generator) for name, part in law.items()}
    return law.sample(n, generator)
