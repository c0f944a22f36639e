"""Mechanisms, laws and what they are made of, as JSON and arrays, and back: nothing is ever executed.

Every object is written as the name of its class and the arguments that make it again; the name is looked
up in a table of the library's own classes. Arrays are set aside under numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from causalrep.scm import _distributions as laws
from causalrep.scm._classifiers import Classified, Count, Softmax
from causalrep.scm._cpt import CPT
from causalrep.scm._encoding import Encoding
from causalrep.scm._equations import Equation
from causalrep.scm._expressions import Law, Name, replaced, written
from causalrep.scm._flow import Flow
from causalrep.scm._joint import JointNormal
from causalrep.scm._location_scale import LocationScale, PostNonlinear, Warp
from causalrep.scm._mechanisms import AdditiveNoise, Linear, Root
from causalrep.scm._predictors import LinePredictor, SplinePredictor
from causalrep.scm._smoothed import Smoothed
from causalrep.scm._splines import Axis, Basis
from causalrep.scm._states import States
from causalrep.utils import CausalRepError, CheckpointError

__all__ = ["Arrays", "UnsavableError", "decode", "encode", "register"]

Arrays = dict[str, NDArray[Any]]


class UnsavableError(CausalRepError, TypeError):
    """Something can only be saved as code, which is never done."""


class _Kind(NamedTuple):
    """How a class is taken apart into arguments, and made of them."""

    cls: type
    apart: Callable[[Any], dict[str, Any]]
    make: Callable[..., Any]


def _by_fields(cls: type) -> _Kind:
    fields = [field.name for field in dataclasses.fields(cls) if field.init]
    return _Kind(cls, lambda thing: {name: getattr(thing, name) for name in fields}, cls)


def _by_names(cls: type, *names: str) -> _Kind:
    return _Kind(cls, lambda thing: {name: getattr(thing, name) for name in names}, cls)


def _additive(mechanism: AdditiveNoise) -> dict[str, Any]:
    call = mechanism._call
    if not isinstance(call.function, (LinePredictor, SplinePredictor)):
        raise UnsavableError(f"{mechanism!r} is made of Python code")
    return {"function": call.function, "noise": mechanism.noise, "parents": call.parents}


def _equation(mechanism: Equation) -> dict[str, Any]:
    brought = Law("noise", (), "noise")
    text = written(replaced(mechanism.expr, brought, Name("noise")))
    return {"text": text, "noise": mechanism._laws.get("noise")}


def _table(mechanism: CPT) -> dict[str, Any]:
    return {
        "table": mechanism.table,
        "parents": {name: states.labels for name, states in mechanism.parent_states.items()},
        "states": mechanism.states.labels,
        "coupling": mechanism.coupling,
    }


_KINDS: dict[str, _Kind] = {
    kind.cls.__name__: kind
    for kind in (
        *(
            _by_fields(getattr(laws, name))
            for name in laws.__all__
            if dataclasses.is_dataclass(getattr(laws, name))
        ),
        *map(_by_fields, (Smoothed, Axis, Basis, Encoding, LinePredictor, SplinePredictor, Warp, Softmax)),
        _by_names(Root, "noise"),
        _by_names(Linear, "coefficients", "intercept", "noise"),
        _Kind(AdditiveNoise, _additive, AdditiveNoise),
        _Kind(Equation, _equation, Equation),
        _Kind(CPT, _table, CPT),
        _by_names(LocationScale, "location", "log_scale", "noise", "parents"),
        _Kind(PostNonlinear, lambda m: {"inner": m.inner, "warp": m.bend}, PostNonlinear),
        _by_names(Count, "encoding", "weights", "intercept", "dispersion"),
        _by_names(Classified, "classifier", "encoding", "states", "prior", "floor", "coupling"),
        _by_names(States, "labels", "node"),
        _by_names(JointNormal, "nodes", "covariance", "mean"),
        _Kind(Flow, Flow.taken_apart, Flow.put_together),
    )
}


def register(cls: type, apart: Callable[[Any], dict[str, Any]], make: Callable[..., Any]) -> None:
    """Let a class of a floor above be saved: the arguments that make it again, and what makes it of them."""
    _KINDS[cls.__name__] = _Kind(cls, apart, make)


def encode(thing: Any, arrays: Arrays) -> Any:
    """Return `thing` as JSON can hold it; arrays are put into `arrays`.

    Raises
    ------
    UnsavableError
        If it is, or has in it, what is not in the table: a function, an estimator of another library.
    """
    if isinstance(thing, np.generic):
        thing = thing.item()
    if thing is None or isinstance(thing, (bool, int, float, str)):
        return thing
    if isinstance(thing, np.ndarray) and thing.dtype.kind in "biuf":
        key = str(len(arrays))
        arrays[key] = np.ascontiguousarray(thing)
        return {"array": key}
    if isinstance(thing, (tuple, list)):
        return {"tuple": [encode(item, arrays) for item in thing]}
    if isinstance(thing, Mapping):
        return {"pairs": [[encode(key, arrays), encode(value, arrays)] for key, value in thing.items()]}
    kind = _KINDS.get(type(thing).__name__)
    if kind is None or type(thing) is not kind.cls:
        raise UnsavableError(f"{thing!r} is Python code or an object of another library")
    content = {name: encode(value, arrays) for name, value in kind.apart(thing).items()}
    return {"kind": type(thing).__name__, "with": content}


def decode(data: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return what `encode` wrote.

    Raises
    ------
    CheckpointError
        If it is nothing that `encode` writes.
    """
    if data is None or isinstance(data, (bool, int, float, str)):
        return data
    try:
        if "array" in data:
            return arrays[data["array"]]
        if "tuple" in data:
            return tuple(decode(item, arrays) for item in data["tuple"])
        if "pairs" in data:
            return {decode(key, arrays): decode(value, arrays) for key, value in data["pairs"]}
        content = {name: decode(value, arrays) for name, value in data["with"].items()}
        if data["kind"] not in _KINDS:
            raise ValueError(
                f"{data['kind']!r} is not known; import its package first (causalrep.representation)"
            )
        return _KINDS[data["kind"]].make(**content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"a part of the saved model cannot be read: {error}") from error
