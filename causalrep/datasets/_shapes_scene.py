"""A room with a shape in it, and the drawing of them; Torch in, Torch out, differentiable.

The picture is the unit square, y upwards. Below y = 0.45 lies the floor; above stand two walls of one hue,
the right one brighter, that meet at x = 0.5 + 0.3 view. The shape stands on the floor in the middle; its
radius is a quarter of its size. Round shapes are shaded by Lambert's law; a cube shows two faces, of which
the one on the side of the light is brighter.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from causalrep.datasets._rendering import Canvas, draw_rows, hsv_to_rgb, paint

__all__ = [
    "CORNER",
    "FACTORS",
    "FLOOR_VALUE",
    "LABELS",
    "canvas",
    "draw_room",
    "object_colour",
    "paint_shape",
    "render",
]

LABELS = ("floor", "wall", "object", "size", "shape", "view")
FACTORS = ("haze", "light")
HORIZON, CORNER, BASE, RADIUS = 0.45, 0.3, 0.2, 0.25
SATURATION, FLOOR_VALUE, WALL_VALUES = 0.6, 0.7, (0.6, 0.75)
_OBJECT_SATURATION, _OBJECT_VALUE = 0.8, 0.9
_CUBE, _CYLINDER, _CAPSULE = 0.85, 0.7, 0.55
_AMBIENT = 0.45
#: Brightness of the faces of a cube under a light from the front, and how a light from a side changes it.
_FACE, _FACE_CONTRAST = 0.75, 0.3


def canvas(size: int) -> Canvas:
    """Return the grid of pixels that sees the unit square."""
    return Canvas(size, (0.0, 1.0), (0.0, 1.0))


def draw_room(grid: Canvas, floor: Tensor, wall: Tensor, view: Tensor, haze: Tensor) -> Tensor:
    """Return the empty room, (n, 3, size, size), from hues, view and the grey that is added, (n,) each."""
    columns, rows = (part.to(floor.device) for part in grid.centres())
    pixel = grid.pixel[0]
    right = (0.5 + (columns - (0.5 + CORNER * view.float()[:, None, None])) / pixel).clamp(0.0, 1.0)
    below = (0.5 + (HORIZON - rows) / pixel).clamp(0.0, 1.0)
    sides = [hsv_to_rgb(wall.float() % 1.0, SATURATION, value) for value in WALL_VALUES]
    image = sides[0][:, :, None, None].expand(-1, -1, grid.size, grid.size)
    image = paint(image, right.expand(-1, grid.size, -1), sides[1])
    image = paint(
        image,
        below.expand(len(floor), -1, grid.size),
        hsv_to_rgb(floor.float() % 1.0, SATURATION, FLOOR_VALUE),
    )
    return image + haze.float()[:, None, None, None]


def object_colour(hue: Tensor) -> Tensor:
    """Return the colour of a fully lit shape, (n, 3)."""
    return hsv_to_rgb(hue.float() % 1.0, _OBJECT_SATURATION, _OBJECT_VALUE)


def paint_shape(
    grid: Canvas, image: Tensor, shape: int, size: Tensor, view: Tensor, light: Tensor, colour: Tensor
) -> Tensor:
    """Paint one kind of shape.

    Parameters
    ----------
    grid : Canvas
    image : Tensor of shape (n, 3, size, size)
        What to paint over.
    shape : {0, 1, 2, 3}
        Cube, cylinder, sphere or capsule.
    size, view, light : Tensor of shape (n,)
        The light comes from the left at -1 and from the right at 1.
    colour : Tensor of shape (n, 3)
        Of a fully lit surface.
    """
    columns, rows = (part.to(size.device) for part in grid.centres())
    radius = RADIUS * size.float()[:, None, None]
    across, up = (columns - 0.5) / radius, (rows - BASE - radius) / radius
    pixel = grid.pixel[0]
    if shape == 0:
        cover = _strip(across, _CUBE, radius, pixel) * _strip(up, _CUBE, radius, pixel)
        edge = 0.5 * view.float()[:, None, None]
        right = (0.5 + (across - edge) * radius / pixel).clamp(0.0, 1.0)
        shade = _FACE + _FACE_CONTRAST * light.float()[:, None, None] * (2.0 * right - 1.0)
    elif shape == 1:
        cover = _strip(across, _CYLINDER, radius, pixel) * _strip(up, 1.0, radius, pixel)
        shade = _lambert(across / _CYLINDER, light)
    elif shape == 2:
        cover = (0.5 + (1.0 - _norm(across, up)) * radius / pixel).clamp(0.0, 1.0)
        shade = _lambert(across, light)
    else:
        beyond = (up.abs() - (1.0 - _CAPSULE)).clamp_min(0.0)
        cover = (0.5 + (_CAPSULE - _norm(across, beyond)) * radius / pixel).clamp(0.0, 1.0)
        shade = _lambert(across / _CAPSULE, light)
    shaded = colour[:, :, None, None] * shade.expand(-1, grid.size, grid.size)[:, None]
    return image * (1.0 - cover[:, None]) + shaded * cover[:, None]


def render(labels: Tensor, nuisance: Mapping[str, Tensor], size: int) -> Tensor:
    """Draw pictures.

    Parameters
    ----------
    labels : Tensor of shape (n, 6)
        In the order of `LABELS`; hues are taken modulo 1.
    nuisance : mapping
        ``"haze"`` and ``"light"``, shape (n,) each.
    size : int
        Height and width.

    Returns
    -------
    Tensor of shape (n, 3, size, size), float32
    """
    grid = canvas(size)

    def draw(rows: slice) -> Tensor:
        floor, wall, hue, extent, shape, view = labels[rows].unbind(dim=1)
        haze, light = (nuisance[name][rows] for name in FACTORS)
        room, colour = draw_room(grid, floor, wall, view, haze), object_colour(hue)
        kinds = [
            paint_shape(grid, room, k, extent, view, light, colour)
            * (shape == k).float()[:, None, None, None]
            for k in range(4)
        ]
        return kinds[0] + kinds[1] + kinds[2] + kinds[3]

    return draw_rows(draw, len(labels), size)


def _strip(place: Tensor, half: float, radius: Tensor, pixel: float) -> Tensor:
    return (0.5 + (half - place.abs()) * radius / pixel).clamp(0.0, 1.0)


def _lambert(across: Tensor, light: Tensor) -> Tensor:
    """Return the brightness of an upright cylinder, lit from the front and from one side."""
    normal = across.clamp(-1.0, 1.0)
    side = light.float()[:, None, None]
    facing = normal * side + ((1.0 - normal * normal).clamp_min(1e-6) * (1.0 - side * side)).sqrt()
    return _AMBIENT + (1.0 - _AMBIENT) * facing.clamp_min(0.0)


def _norm(x: Tensor, y: Tensor) -> Tensor:
    return (x * x + y * y).clamp_min(1e-12).sqrt()
