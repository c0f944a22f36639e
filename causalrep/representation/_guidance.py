r"""How strongly an image network is held to its condition: one weight for all, or two kinds of slots.

With :math:`\epsilon_K` the prediction when only the slots in K are shown, global guidance is
:math:`\epsilon_\emptyset + w (\epsilon_{all} - \epsilon_\emptyset)`. It exaggerates every label, also
those that the intervention does not touch. Decoupled guidance weighs the slots that an intervention
affects (its targets and their descendants, A) apart from the others (I):

.. math:: \epsilon_{all} + (w_A - 1)(\epsilon_A - \epsilon_\emptyset)
          + (w_I - 1)(\epsilon_I - \epsilon_\emptyset).

Where the two groups say independent things about the image, so that
:math:`\epsilon_{all} - \epsilon_\emptyset` is the sum of the two differences, this is the decoupled
guidance of Xia et al., :math:`\epsilon_\emptyset + \sum_m w_m (\epsilon_m - \epsilon_\emptyset)`.
Unlike there, weights of 1 are the model itself for any network, so that the null intervention stays
the identity.

References
----------
J. Ho, T. Salimans, "Classifier-free diffusion guidance", 2022, arXiv:2207.12598.
T. Xia et al., "Decoupled classifier-free guidance for counterfactual diffusion models", 2025,
arXiv:2506.14399.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from causalrep.utils import UnknownNameError

__all__ = ["PLAIN", "Guidance", "GuidanceLike", "Terms"]

#: Pairs of a weight and which slots are shown; the guided prediction is the weighted sum.
Terms: TypeAlias = tuple[tuple[float, tuple[bool, ...]], ...]

#: What users may give as guidance.
GuidanceLike: TypeAlias = float | Mapping[str, float]


@dataclass(frozen=True)
class Guidance:
    """Weights of guidance.

    Parameters
    ----------
    affected, invariant : float
        Weights of the slots that an intervention affects, and of the others.
    decoupled : bool
        Whether the two groups are weighed apart; otherwise `affected` is the weight of all.
    """

    affected: float = 1.0
    invariant: float = 1.0
    decoupled: bool = False

    @classmethod
    def read(cls, value: GuidanceLike) -> Guidance:
        """Return the guidance that a number, or a mapping of "affected" and "invariant", stands for.

        Raises
        ------
        UnknownNameError
            For another key.
        TypeError, ValueError
            If a weight is not a finite number.
        """
        known = ("affected", "invariant")
        given = value if isinstance(value, Mapping) else {"affected": value}
        for name, weight in given.items():
            if name not in known:
                raise UnknownNameError(name, known, what="`guidance`")
            if isinstance(weight, bool) or not isinstance(weight, int | float):
                raise TypeError(f"`guidance` must be a number or a mapping of numbers, got {weight!r}")
            if not math.isfinite(weight):
                raise ValueError(f"`guidance` must be finite, got {weight}")
        return cls(**{name: float(w) for name, w in given.items()}, decoupled=isinstance(value, Mapping))

    @property
    def is_plain(self) -> bool:
        """Whether this is the model itself, for every intervention."""
        return self.affected == 1.0 and (self.invariant == 1.0 or not self.decoupled)

    def check_trained(self, *, slot_dropout: float, condition_dropout: float) -> None:
        """Raise where what is compared was never trained."""
        if self.is_plain:
            return
        if self.decoupled and slot_dropout == 0.0:
            raise ValueError(
                "decoupled `guidance` compares predictions from some of the labels, which are only trained "
                "with `slot_dropout` > 0; fit with slot_dropout=0.1, for example"
            )
        if not self.decoupled and condition_dropout == 0.0:
            raise ValueError(
                f"`guidance` of {self.affected:g} compares with the unconditional model, which is only "
                "trained with `condition_dropout` > 0; fit with condition_dropout=0.1, for example"
            )

    def terms(self, n_nodes: int, affected: Collection[int]) -> Terms:
        """Return the predictions to be made, with their weights, for the indices of affected slots."""
        every, none = (True,) * n_nodes, (False,) * n_nodes
        if self.decoupled:
            groups = {
                tuple(i in affected for i in range(n_nodes)): self.affected - 1.0,
                tuple(i not in affected for i in range(n_nodes)): self.invariant - 1.0,
            }
        else:
            groups = {every: self.affected - 1.0}
        weights = dict.fromkeys((every, none), 0.0)
        weights[every] = 1.0
        for shown, extra in groups.items():
            weights[shown] = weights.get(shown, 0.0) + extra
            weights[none] -= extra
        return tuple((weight, shown) for shown, weight in weights.items() if weight != 0.0)


#: The model itself.
PLAIN = Guidance()
