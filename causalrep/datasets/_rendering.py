"""Anti-aliased drawing of simple shapes, batched, deterministic and differentiable.

A picture is a list of shapes painted one over the other. A shape is a *coverage*: for each
pixel the fraction that it fills, ``clamp(1/2 - d, 0, 1)`` where ``d`` is the signed distance
from the pixel centre to the outline, counted in pixels along the outline's normal. A pixel that
an outline crosses therefore takes a grey that tells, to first order, where the outline runs:
moving a shape by a hundredth of a pixel changes the picture, the total coverage of a shape is
its area, and the gradient of the picture with respect to position is not zero.

World coordinates may be stretched differently along x and y (the box need not be square). With
``(s_x, s_y)`` the size of a pixel in world units, a world distance ``d`` along the unit normal
``n`` is ``d / |(n_x s_x, n_y s_y)|`` pixels.

Only sums, products, quotients, square roots and comparisons are used on pixels: all correctly
rounded, so a row's picture does not depend, to the last bit, on the rows that it is drawn with.

References
----------
I. Quilez, 2D distance functions (articles on computer graphics), for the disc and the capsule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Canvas", "background", "band", "draw_rows", "hsv_to_rgb", "paint", "rgb_to_hue"]

#: Pixels (times rows) drawn at once: about 40 MB of float32 temporaries.
_PIXELS_PER_CHUNK = 1 << 20


@dataclass(frozen=True)
class Canvas:
    """A rectangle of the world, seen by a grid of pixels.

    Parameters
    ----------
    size : int
        Height and width in pixels.
    x_range, y_range : (float, float)
        The world coordinates of the left and right, and of the bottom and top border. The first
        row of pixels is the top.
    rows : (int, int), optional
        Draw only the rows from the first up to, not including, the second; default all.

    Notes
    -----
    The methods return coverages of shape ``(n, n_rows, size)``.
    """

    size: int
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    rows: tuple[int, int] | None = None

    @property
    def pixel(self) -> tuple[float, float]:
        """Width and height of a pixel in world units."""
        return (
            (self.x_range[1] - self.x_range[0]) / self.size,
            (self.y_range[1] - self.y_range[0]) / self.size,
        )

    def centres(self) -> tuple[Tensor, Tensor]:
        """Return the x of each column, shape (1, size), and the y of each row, shape (n_rows, 1)."""
        step_x, step_y = self.pixel
        index = torch.arange(self.size, dtype=torch.float64) + 0.5
        x = self.x_range[0] + step_x * index
        y = self.y_range[1] - step_y * index[slice(*(self.rows or (0, self.size)))]
        return x.float()[None, :], y.float()[:, None]

    def disc(self, x: Tensor, y: Tensor, radius: float) -> Tensor:
        """Return the coverage of discs.

        Parameters
        ----------
        x, y : Tensor of shape (n,)
            Centres, in world units.
        radius : float
            In world units; should be at least half a pixel.
        """
        dx, dy = self._offsets(x, y)
        distance = _norm(dx, dy)
        return (0.5 + (radius - distance) / self._footprint(dx, dy, distance)).clamp(0.0, 1.0)

    def spot(self, x: Tensor, y: Tensor, radius: Tensor) -> Tensor:
        """Return the coverage of discs that keep their area, pi radius^2, however small they are.

        Parameters
        ----------
        x, y, radius : Tensor of shape (n,)
            Centres and radii, in world units.

        Notes
        -----
        A ramp of one pixel round a radius r, in pixels, holds pi (r^2 + 1/12), which is put right by a
        slightly smaller r. Below 1 / sqrt 3 the ramp is a cone, whose height then fades with the area: a
        narrower one could fall between the centres of four pixels and not be seen.
        """
        pixel = math.sqrt(self.pixel[0] * self.pixel[1])
        area = (radius.float() / pixel).square()[:, None, None]
        shown = (area.clamp_min(1 / 3) - 1 / 12).sqrt() * pixel
        dx, dy = self._offsets(x, y)
        distance = _norm(dx, dy)
        cover = (0.5 + (shown - distance) / self._footprint(dx, dy, distance)).clamp(0.0, 1.0)
        return cover * (3.0 * area).clamp_max(1.0)

    def segment(
        self, start: tuple[Tensor, Tensor], end: tuple[Tensor, Tensor], width: float, *, cap: str = "butt"
    ) -> Tensor:
        """Return the coverage of straight strokes.

        Parameters
        ----------
        start, end : pair of Tensor of shape (n,)
            Both ends of the centre line as (x, y), in world units.
        width : float
            Width of the stroke in world units; may be less than a pixel.
        cap : {"butt", "round"}
            Whether the stroke stops at its ends or goes on by half a width, as a half disc.
        """
        x0, y0, x1, y1 = (value.float() for value in (*start, *end))
        length = _norm(x1 - x0, y1 - y0)
        ux, uy = (((x1 - x0) / length)[:, None, None], ((y1 - y0) / length)[:, None, None])
        dx, dy = self._offsets(x0, y0)
        along, across = dx * ux + dy * uy, dy * ux - dx * uy
        length = length[:, None, None]
        if cap == "butt":
            centred = along - length / 2
            return band(centred, length / 2, self._footprint(ux, uy)) * band(
                across, width / 2, self._footprint(-uy, ux)
            )
        if cap != "round":
            raise ValueError(f"`cap` must be 'butt' or 'round', got {cap!r}")
        nearest = torch.minimum(along.clamp_min(0.0), length)
        dx, dy = dx - nearest * ux, dy - nearest * uy
        distance = _norm(dx, dy)
        return band(distance, width / 2, self._footprint(dx, dy, distance))

    def frame(self, x: Tensor, y: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Return the coordinates of all pixel centres in frames of their own, shape (n, n_rows, size) each.

        Parameters
        ----------
        x, y : Tensor of shape (n,)
            Origins, in world units.
        angle : Tensor of shape (n,)
            By how much each frame is turned, counter-clockwise, in radians.
        """
        # In double precision the last bit of a row does not depend on the rows beside it.
        wide = angle.double()
        cosine, sine = (part.float()[:, None, None] for part in (wide.cos(), wide.sin()))
        dx, dy = self._offsets(x, y)
        return dx * cosine + dy * sine, dy * cosine - dx * sine

    def _offsets(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors from the points (x, y) to all pixel centres, shapes (n, 1, size), (n, n_rows, 1)."""
        columns, rows = self.centres()
        return (columns.to(x.device) - x.float()[:, None, None], rows.to(y.device) - y.float()[:, None, None])

    def _footprint(self, nx: Tensor, ny: Tensor, norm: Tensor | float = 1.0) -> Tensor:
        """Size of a pixel in world units, seen along the direction (nx, ny) of length `norm`.

        A vector of no length has no direction; a pixel is then as large as it is at most.
        """
        step_x, step_y = self.pixel
        return (_norm(nx * step_x, ny * step_y) / norm).clamp_max(max(step_x, step_y))


def background(grey: Tensor, size: int) -> Tensor:
    """Return pictures of one grey each, shape (n, 3, size, size), from greys of shape (n,)."""
    return grey.float()[:, None, None, None].expand(-1, 3, size, size)


def paint(image: Tensor, coverage: Tensor, colour: Tensor | Sequence[float]) -> Tensor:
    """Return `image` with a shape of one colour painted over it.

    Parameters
    ----------
    image : Tensor of shape (n, 3, size, size)
    coverage : Tensor of shape (n, size, size)
    colour : Tensor of shape (n, 3), or three floats, in [0, 1]
    """
    rgb = torch.as_tensor(colour, dtype=image.dtype, device=image.device)
    mask = coverage[:, None]
    return image * (1.0 - mask) + rgb.reshape(-1, 3, 1, 1) * mask


def hsv_to_rgb(hue: Tensor, saturation: Tensor | float = 1.0, value: Tensor | float = 1.0) -> Tensor:
    """Return RGB of shape (n, 3) for hues of shape (n,), all in [0, 1]; the hue is a circle.

    Examples
    --------
    >>> import torch
    >>> from causalrep.datasets._rendering import hsv_to_rgb
    >>> hsv_to_rgb(torch.tensor([0.0, 1 / 3]), 0.5, 1.0)
    tensor([[1.0000, 0.5000, 0.5000],
            [0.5000, 1.0000, 0.5000]])
    """
    # f(k) = v - v s max(0, min(k, 4 - k, 1)), k = (offset + 6 h) mod 6, offsets 5, 3, 1 for R, G, B
    offsets = torch.tensor([5.0, 3.0, 1.0], dtype=hue.dtype, device=hue.device)
    k = torch.remainder(offsets + 6.0 * hue[:, None], 6.0)
    dip = torch.minimum(k, 4.0 - k).clamp(0.0, 1.0)
    saturation = torch.as_tensor(saturation, dtype=hue.dtype, device=hue.device).reshape(-1, 1)
    value = torch.as_tensor(value, dtype=hue.dtype, device=hue.device).reshape(-1, 1)
    return value - value * saturation * dip


def rgb_to_hue(colour: Tensor) -> Tensor:
    """Return the hue in [0, 1), shape (n,), of RGB of shape (n, 3); zero for greys.

    Examples
    --------
    >>> import torch
    >>> from causalrep.datasets._rendering import hsv_to_rgb, rgb_to_hue
    >>> rgb_to_hue(hsv_to_rgb(torch.tensor([0.0, 0.25, 0.9]), 0.8, 0.7))
    tensor([0.0000, 0.2500, 0.9000])
    """
    chroma = (colour.amax(dim=1) - colour.amin(dim=1)).clamp_min(1e-12)
    red, green, blue = colour.unbind(dim=1)
    sextant = torch.stack([(green - blue) / chroma, 2 + (blue - red) / chroma, 4 + (red - green) / chroma])
    largest = colour.argmax(dim=1)[None]
    return torch.remainder(sextant.gather(0, largest)[0] / 6, 1.0)


def draw_rows(draw: Callable[[slice], Tensor], n: int, size: int) -> Tensor:
    """Call `draw` on slices of at most about a million pixels and concatenate the pictures.

    Memory for temporaries stays bounded however many rows there are.
    """
    step = max(1, _PIXELS_PER_CHUNK // (size * size))
    if n == 0:
        return torch.empty((0, 3, size, size))
    return torch.cat([draw(slice(first, first + step)) for first in range(0, n, step)])


def _norm(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean length; its gradient at zero is zero, not NaN."""
    return (x * x + y * y).clamp_min(1e-12).sqrt()


def band(distance: Tensor, half: Tensor | float, footprint: Tensor | float) -> Tensor:
    """Coverage of the strip |distance| <= half; keeps its area also when thinner than a pixel."""
    upper = (0.5 + (half - distance) / footprint).clamp(0.0, 1.0)
    lower = (0.5 + (-half - distance) / footprint).clamp(0.0, 1.0)
    return upper - lower
