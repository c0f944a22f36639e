"""What a model warns about."""

from __future__ import annotations

__all__ = ["ExtrapolationWarning"]


class ExtrapolationWarning(UserWarning):
    """A learned mechanism is asked about values outside those that it was learned from."""
