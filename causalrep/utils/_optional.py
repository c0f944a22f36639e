"""Optional packages, imported when they are used and named when they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from causalrep.utils._errors import MissingDependencyError

__all__ = ["optional_import"]


def optional_import(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import and return `module`, or say which extra installs it.

    Raises
    ------
    MissingDependencyError
        With the command that installs the extra.

    Examples
    --------
    >>> from causalrep.utils import optional_import
    >>> optional_import("math", extra="none", purpose="arithmetic").pi > 3
    True
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        raise MissingDependencyError(
            f"{purpose} needs the package {package!r}, which is not installed; "
            f"install it with: pip install 'causalrep[{extra}]'"
        ) from error
