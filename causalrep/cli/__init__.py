"""The command line: ``causalrep demo``, ``causalrep train`` and ``causalrep counterfactual``."""

from causalrep.cli._main import main

__all__ = ["main"]
