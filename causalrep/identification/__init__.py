"""From a graph and a question to an estimand: what data can tell about the effects of an action."""

from causalrep.identification._adjustment import adjustment_sets, is_valid_adjustment
from causalrep.identification._bounds import Bounds, TypeShare, bounds
from causalrep.identification._bounds_interval import BoundsInterval
from causalrep.identification._causes import tian_pearl_bounds
from causalrep.identification._check import AdjustmentCheck, check_adjustment
from causalrep.identification._closed_forms import (
    BoundsRange,
    balke_pearl_bounds,
    frechet_bounds,
    manski_bounds,
)
from causalrep.identification._counterfactual import CounterfactualIdentification
from causalrep.identification._domains import PopulationIdentification
from causalrep.identification._expression import (
    Difference,
    Expression,
    Fraction,
    Number,
    Probability,
    Product,
    Sum,
    Variable,
)
from causalrep.identification._facts import Conflict, Fact
from causalrep.identification._frontdoor import frontdoor_sets
from causalrep.identification._ida import PossibleEffects, ida, possible_parent_sets
from causalrep.identification._identify import identify
from causalrep.identification._instruments import (
    Instrument,
    InstrumentalSet,
    instrumental_sets,
    instruments,
    is_instrumental_set,
)
from causalrep.identification._lee import lee_bounds
from causalrep.identification._linear import LinearIdentification, LinearStep, identify_linear
from causalrep.identification._mediation import MediationCriteria, mediation_criteria
from causalrep.identification._optimal import OptimalAdjustment, optimal_adjustment
from causalrep.identification._paths import PathSpecificEffect, path_specific_effect
from causalrep.identification._programme import Certificate
from causalrep.identification._quantities import Quantity, QuantityIdentification, identify_quantity
from causalrep.identification._query import Query, parse_query
from causalrep.identification._result import Identification
from causalrep.identification._selection import Dependence, SelectionBarrier, recover
from causalrep.identification._sequential import sequential_adjustment
from causalrep.identification._trace import Separation, Step, Trace
from causalrep.identification._transport import Barrier, transport
from causalrep.identification._witness import Hedge, Thicket, Undecided

__all__ = [
    "AdjustmentCheck",
    "Barrier",
    "Bounds",
    "BoundsInterval",
    "BoundsRange",
    "Certificate",
    "Conflict",
    "CounterfactualIdentification",
    "Dependence",
    "Difference",
    "Expression",
    "Fact",
    "Fraction",
    "Hedge",
    "Identification",
    "Instrument",
    "InstrumentalSet",
    "LinearIdentification",
    "LinearStep",
    "MediationCriteria",
    "Number",
    "OptimalAdjustment",
    "PathSpecificEffect",
    "PopulationIdentification",
    "PossibleEffects",
    "Probability",
    "Product",
    "Quantity",
    "QuantityIdentification",
    "Query",
    "SelectionBarrier",
    "Separation",
    "Step",
    "Sum",
    "Thicket",
    "Trace",
    "TypeShare",
    "Undecided",
    "Variable",
    "adjustment_sets",
    "balke_pearl_bounds",
    "bounds",
    "check_adjustment",
    "frechet_bounds",
    "frontdoor_sets",
    "ida",
    "identify",
    "identify_linear",
    "identify_quantity",
    "instrumental_sets",
    "instruments",
    "is_instrumental_set",
    "is_valid_adjustment",
    "lee_bounds",
    "manski_bounds",
    "mediation_criteria",
    "optimal_adjustment",
    "parse_query",
    "path_specific_effect",
    "possible_parent_sets",
    "recover",
    "sequential_adjustment",
    "tian_pearl_bounds",
    "transport",
]
