"""One progress bar for all long work: silent unless asked, always on stderr."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["progress_bar"]


def progress_bar(total: int, *, description: str, enabled: bool, initial: int = 0, unit: str = "step") -> Any:
    """Return a tqdm bar (a context manager that closes itself, also on error).

    Parameters
    ----------
    total : int
        Number of units of work.
    description : str
        Text before the bar.
    enabled : bool
        A bar that is not enabled prints nothing and costs nothing.
    initial : int
        Units already done, for work that resumes.
    unit : str
        Name of one unit.
    """
    from tqdm import tqdm

    return tqdm(
        total=total,
        initial=initial,
        desc=description,
        unit=unit,
        disable=not enabled,
        file=sys.stderr,
        dynamic_ncols=True,
        mininterval=0.5,
    )
