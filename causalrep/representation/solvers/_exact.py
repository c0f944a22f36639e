r"""A denoiser in closed form, to measure solvers without training anything.

For data that are a Gaussian mixture around known images, the best possible network is a softmax. With
:math:`x_t = \alpha x_0 + \sigma \varepsilon`, components :math:`N(d_i, w^2)` and
:math:`v = \sigma^2 + \alpha^2 w^2`,

.. math:: E[\varepsilon \mid x_t = x] = \frac{\sigma}{v} (x - \alpha m), \qquad
          E[x_0 \mid x_t = x] = m + \frac{\alpha w^2}{v} (x - \alpha m), \qquad m = \sum_i p_i d_i,

where :math:`p_i` is proportional to :math:`k_i \exp(-|x - \alpha d_i|^2 / 2 v)`. The weight :math:`k_i` is
a Gaussian kernel between the labels of image i and the labels asked for, so that conditioning and changing
the condition work as they do with a trained network.
"""

from __future__ import annotations

import torch
from torch import Tensor

from causalrep.representation.solvers._processes import Process
from causalrep.representation.solvers._solvers import Denoise
from causalrep.utils import DataError

__all__ = ["ExactDenoiser"]


class ExactDenoiser:
    """The best conditional denoiser for data that lie around known images.

    Parameters
    ----------
    images : Tensor of shape (N, ...)
        The images, floating point; answers have their type and device.
    labels : Tensor of shape (N, d)
        Their labels.
    bandwidth : float or Tensor of shape (d,)
        Standard deviation of the kernel between labels, in label units.
    width : float, default=0.05
        Standard deviation of a pixel around an image.

    Raises
    ------
    DataError
        If the shapes do not agree.

    Examples
    --------
    Two images, told apart by one label; all noise, and the label decides which of them is drawn:

    >>> import torch
    >>> from causalrep.representation.solvers import DDIM, ExactDenoiser, RectifiedFlow
    >>> exact = ExactDenoiser(torch.tensor([[-1.0], [1.0]]), torch.tensor([[0.0], [1.0]]), bandwidth=0.1)
    >>> process, noise = RectifiedFlow(), torch.zeros(2, 1, 1)
    >>> denoise = exact.given(process, torch.tensor([[0.0], [1.0]]))
    >>> DDIM(steps=50).decode(process, denoise, noise).round(decimals=1)
    tensor([[-1.],
            [ 1.]])
    """

    def __init__(
        self, images: Tensor, labels: Tensor, *, bandwidth: float | Tensor, width: float = 0.05
    ) -> None:
        if labels.ndim != 2 or len(labels) != len(images):
            raise DataError(
                f"`labels` must have shape ({len(images)}, d), one row per image, got {tuple(labels.shape)}"
            )
        self.images = images
        self.labels = labels
        self.bandwidth = bandwidth
        self.width = width

    def given(self, process: Process, labels: Tensor) -> Denoise:
        """Return ``denoise(x, t)`` for one process and condition.

        Parameters
        ----------
        process : Process
            How the data are noised, and what is to be predicted.
        labels : Tensor of shape (B, d)
            The condition of each row.

        Returns
        -------
        callable
            What the best network would predict from `x` of shape (B, ...) and `t` of shape (B,); O(B N) in
            time and memory, apart from the size of an image in time.
        """
        difference = (labels[:, None] - self.labels[None]) / self.bandwidth
        log_kernel = -0.5 * difference.square().sum(2)
        flat = self.images.flatten(1)

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            alpha, sigma = process.alpha(t)[:, None], process.sigma(t)[:, None]
            variance = sigma**2 + (alpha * self.width) ** 2
            state = x.flatten(1)
            # Not by matrix products: a difference of large squares would lose the small distances.
            distance = torch.cdist(state / alpha, flat, compute_mode="donot_use_mm_for_euclid_dist")
            weight = torch.softmax(log_kernel - (alpha * distance) ** 2 / (2 * variance), dim=1)
            mean = weight @ flat
            rest = (state - alpha * mean) / variance
            clean, noise = mean + alpha * self.width**2 * rest, sigma * rest
            # The target is linear in image and noise, so that its mean is the target of the means.
            return process.target(clean.view_as(x), noise.view_as(x), t)

        return denoise
