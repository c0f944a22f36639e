"""One causal graph, from raw data to counterfactual images.

The packages are loaded when they are first used, so that ``import causalrep``
costs next to nothing and never pulls in torch:

>>> import causalrep
>>> causalrep.graphs.DAG.from_string("X -> Y").nodes
('X', 'Y')
"""

from __future__ import annotations

import importlib
from types import ModuleType

__version__ = "0.1.0"

_PACKAGES = (
    "datasets",
    "discovery",
    "estimators",
    "graphs",
    "identification",
    "independence",
    "metrics",
    "plotting",
    "representation",
    "scm",
    "utils",
)

__all__ = ["__version__", *_PACKAGES]


def __getattr__(name: str) -> ModuleType:
    if name in _PACKAGES:
        return importlib.import_module(f"causalrep.{name}")
    raise AttributeError(f"module 'causalrep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
