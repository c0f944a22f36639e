"""From a graph and a question to an estimand: what data can tell about the effects of an action."""

from causalrep.identification._adjustment import adjustment_sets, is_valid_adjustment
from causalrep.identification._bounds import Bounds, TypeShare, bounds
from causalrep.identification._optimal import OptimalAdjustment, optimal_adjustment

__all__ = [
    "Bounds",
    "OptimalAdjustment",
    "TypeShare",
    "adjustment_sets",
    "bounds",
    "is_valid_adjustment",
    "optimal_adjustment",
]
