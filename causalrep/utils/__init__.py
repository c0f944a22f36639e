"""What every floor stands on: errors, chance, frames, files and progress."""

from causalrep.utils._errors import (
    CausalRepError,
    CheckpointError,
    CycleError,
    DataError,
    DeviceError,
    GraphError,
    ImpossibleEvidenceError,
    MissingDependencyError,
    NotIdentifiableError,
    NotInvertibleError,
    ParseError,
    PolynomialProgramError,
    PositivityError,
    PositivityWarning,
    UnknownNameError,
    suggestion,
)
from causalrep.utils._files import atomic_directory, atomic_path, write_text
from causalrep.utils._frames import Columns, columns_of, frame_like, is_frame
from causalrep.utils._optional import optional_import
from causalrep.utils._progress import progress_bar
from causalrep.utils._random import (
    RandomState,
    as_generator,
    as_seed,
    keyed_generator,
    keyed_seed,
    keyed_torch_generator,
    torch_rng,
)

__all__ = [
    "CausalRepError",
    "CheckpointError",
    "Columns",
    "CycleError",
    "DataError",
    "DeviceError",
    "GraphError",
    "ImpossibleEvidenceError",
    "MissingDependencyError",
    "NotIdentifiableError",
    "NotInvertibleError",
    "ParseError",
    "PolynomialProgramError",
    "PositivityError",
    "PositivityWarning",
    "RandomState",
    "UnknownNameError",
    "as_generator",
    "as_seed",
    "atomic_directory",
    "atomic_path",
    "columns_of",
    "frame_like",
    "is_frame",
    "keyed_generator",
    "keyed_seed",
    "keyed_torch_generator",
    "optional_import",
    "progress_bar",
    "suggestion",
    "torch_rng",
    "write_text",
]
