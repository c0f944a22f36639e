"""Beta laws of a fixed weight: the share below a value and back, in NumPy or in Torch with slopes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, betaln, xlog1py, xlogy
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["beta_quantile", "beta_share"]

#: The sum of both parameters of every law.
_WEIGHT = 5.0
_H = 1e-5


def beta_share(value: Any, mean: Any) -> Any:
    """Return the share of Beta(5 mean, 5 (1 - mean)) below `value`, in the library of the arguments.

    Parameters
    ----------
    value, mean : array or Tensor of shape (n,)
        The mean in (0, 1).
    """
    return _apply(_Share, value, mean) if _is_torch(value, mean) else _share(value, mean)


def beta_quantile(share: Any, mean: Any) -> Any:
    """Return the value below which Beta(5 mean, 5 (1 - mean)) has `share`: the inverse of `beta_share`."""
    return _apply(_Quantile, share, mean) if _is_torch(share, mean) else _quantile(share, mean)


class _Share(torch.autograd.Function):
    """The distribution function, whose slope in the value is the density."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, mean: Tensor) -> Tensor:
        ctx.save_for_backward(value, mean)
        return _in_torch(_share, value, mean)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor]:
        value, mean = ctx.saved_tensors
        return slope * _in_torch(_density, value, mean), slope * _in_torch(_shift, value, mean)


class _Quantile(torch.autograd.Function):
    """The inverse, whose slopes follow from F(quantile(share, mean), mean) = share."""

    @staticmethod
    def forward(ctx: Any, share: Tensor, mean: Tensor) -> Tensor:
        value = _in_torch(_quantile, share, mean)
        ctx.save_for_backward(value, mean)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor]:
        value, mean = ctx.saved_tensors
        along = slope / _in_torch(_density, value, mean)
        return along, -along * _in_torch(_shift, value, mean)


def _share(value: Any, mean: Any) -> NDArray[np.float64]:
    return np.asarray(betainc(_WEIGHT * mean, _WEIGHT * (1.0 - mean), value), dtype=np.float64)


def _quantile(share: Any, mean: Any) -> NDArray[np.float64]:
    return np.asarray(betaincinv(_WEIGHT * mean, _WEIGHT * (1.0 - mean), share), dtype=np.float64)


def _density(value: Any, mean: Any) -> NDArray[np.float64]:
    a, b = _WEIGHT * mean, _WEIGHT * (1.0 - mean)
    return np.asarray(np.exp(xlogy(a - 1.0, value) + xlog1py(b - 1.0, -value) - betaln(a, b)))


def _shift(value: Any, mean: Any) -> NDArray[np.float64]:
    """Return the slope of the share in the mean, by central differences."""
    return (_share(value, mean + _H) - _share(value, mean - _H)) / (2 * _H)


def _in_torch(function: Any, *arguments: Tensor) -> Tensor:
    first = arguments[0]
    result = function(*(part.detach().cpu().double().numpy() for part in arguments))
    return torch.from_numpy(np.asarray(result)).to(first.device, first.dtype)


def _apply(function: Any, first: Any, second: Any) -> Any:
    """Call with tensors of one shape, type and device."""
    like = first if isinstance(first, Tensor) else second
    both = [torch.as_tensor(part, dtype=like.dtype, device=like.device) for part in (first, second)]
    return function.apply(*torch.broadcast_tensors(*both))


def _is_torch(*values: Any) -> bool:
    return any(isinstance(value, Tensor) for value in values)
