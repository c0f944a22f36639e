"""The digits world: strokes whose thickness causes their brightness, drawn and not taken from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from causalrep.datasets import _digits_scene as scene
from causalrep.datasets._digits_reading import COLUMNS, SMALLEST, Reader
from causalrep.datasets._morphomnist import thickness_and_intensity
from causalrep.datasets._world import IMAGE, Nuisance, Renderer, World, clutter
from causalrep.graphs import DAG
from causalrep.scm import Categorical, Dirac, Distribution, Normal, Uniform
from causalrep.utils import DataError

__all__ = ["digits"]

_GRAPH = DAG(
    [("thickness", "intensity"), *((label, IMAGE) for label in scene.LABELS)], nodes=[*scene.LABELS, IMAGE]
)


def digits(size: int = 28, nuisance: Nuisance = True, *, pixel_noise: float | None = None) -> World:
    r"""Return the digits world, whose true counterfactual images are known.

    Digits are drawn with strokes of some thickness, which causes how bright they are, as in Morpho-MNIST (see
    :func:`load_morphomnist`). There the picture under another thickness is not known; here it is drawn.

    Parameters
    ----------
    size : int, default=28
        Height and width of the images; at least 8 to draw, at least 16 to read.
    nuisance : bool, "noise" or "texture", default=True
        Whether digits vary, 0 to 9 alike, with a rotation of standard deviation 5 degrees, a slant of 0.1, a
        scale in U(0.85, 1.1), shifts of up to 1/28 of the picture and a background grey in U(0, 0.2), none of
        which any label tells; else every picture is an upright 3 on black.
        ``"noise"`` is True with pixel noise of 0.05, ``"texture"`` True with a texture of standard deviation
        0.08 on the background: nuisance of high dimension.
    pixel_noise : float, optional
        Standard deviation of Gaussian noise on each pixel, before the image is clipped to [0, 1].

    Returns
    -------
    World
        An SCM with the scalar nodes ``"thickness"`` (pixels of a picture of 28) and ``"intensity"`` (out of
        255) and the node ``"image"``, float32 of shape (n, 1, size, size) in [0, 1]. ``world.read`` also
        gives ``"digit"``, ``"rotation"``, ``"slant"``, ``"scale"``, ``"shift_x"``, ``"shift_y"`` and
        ``"background"``.

    Raises
    ------
    DataError
        If `size` is not an integer of at least 8, or `pixel_noise` is negative. Later, if asked to draw a
        thickness that is not positive or an intensity outside [0, 255].

    Notes
    -----
    With e ~ N(0, 1) and sigma the logistic function,

    * thickness = 0.5 + G, G ~ Gamma(10, rate 5);
    * intensity = 64 + 191 sigma(2 thickness - 5 + e / 2).

    A pixel has the share max(0, min(1, t / 2 - D + 1 / 2)) of the stroke, D its distance to the middle line:
    thickness is exact, not measured.

    Reading inverts the renderer. On images drawn by the world without noise or texture the error is below
    1e-3 px and 0.1 of 255, but for one picture in 200 at 16 px, where a stroke is no wider than a pixel and
    the fit ends in thicker and darker ink. With pixel noise 0.05 the mean absolute errors are 0.10 px and 5
    at 16 px, 0.03 px and 1.5 at 28 px; with a texture 0.18 px and 2.6, and 0.07 px and 1.3 (medians a quarter
    of that: what is wrong by much is a thin stroke on a strong wave).

    References
    ----------
    N. Pawlowski, D. C. Castro, B. Glocker, "Deep structural causal models for tractable counterfactual
    inference", NeurIPS 2020: the causal model. Strokes, style and drawing are ours.

    Examples
    --------
    >>> from causalrep.datasets import digits
    >>> world = digits(size=28)
    >>> samples = world.sample(4, random_state=0)
    >>> truth = world.counterfactual(samples, do={"thickness": 3.0})
    >>> [round(float(x), 2) for x in world.read(truth["image"])["thickness"]]
    [3.0, 3.0, 3.0, 3.0]
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 8:
        raise DataError(f"`size` must be an integer of at least 8, got {size!r}")
    seen = clutter(nuisance, pixel_noise)
    varying: dict[str, Distribution] = {
        "digit": Categorical((0.1,) * 10),
        "rotation": Normal(0.0, 0.087),
        "slant": Normal(0.0, 0.1),
        "scale": Uniform(0.85, 1.1),
        "shift_x": Uniform(-1 / 28, 1 / 28),
        "shift_y": Uniform(-1 / 28, 1 / 28),
        "background": Uniform(0.0, 0.2),
    }
    plain = {"digit": 3.0, "scale": 1.0}
    fixed: dict[str, Distribution] = {name: Dirac(plain.get(name, 0.0)) for name in varying}
    renderer = DigitsRenderer(
        varying if seen.varies else fixed, size=size, pixel_noise=seen.pixel_noise, texture=seen.texture
    )
    return World(_GRAPH, {**thickness_and_intensity(), IMAGE: renderer})


class DigitsRenderer(Renderer):
    """Draws digits and reads them back.

    Parameters
    ----------
    nuisance : mapping of str to Distribution
        Laws of the digit, its style and the background.
    size : int
        Height and width.
    pixel_noise : float, default=0
        Standard deviation of noise on each pixel.
    texture : float, default=0
        Standard deviation of the texture of the background.
    """

    def __init__(
        self,
        nuisance: Mapping[str, Distribution],
        *,
        size: int,
        pixel_noise: float = 0.0,
        texture: float = 0.0,
    ) -> None:
        super().__init__(
            scene.LABELS, nuisance, size=size, channels=1, pixel_noise=pixel_noise, texture=texture
        )

    def check(self, labels: Mapping[Any, Tensor]) -> None:
        """Refuse strokes without a width and ink that is darker than black or brighter than white."""
        thickness, intensity = labels["thickness"], labels["intensity"]
        for name, value, allowed, limits in (
            ("thickness", thickness, thickness > 0, "positive"),
            ("intensity", intensity, (intensity >= 0) & (intensity <= 255), "in [0, 255]"),
        ):
            if not allowed.all():
                row = int((~allowed).nonzero()[0])
                raise DataError(f"{name!r} must be {limits}, got {float(value[row])} in row {row}")

    def draw(self, labels: Tensor, nuisance: Mapping[str, Tensor]) -> Tensor:
        """Return pictures of shape (n, 1, size, size)."""
        return scene.render(labels, nuisance, self.shape[1])

    def measure(self, images: Tensor) -> dict[str, Tensor]:
        """Return labels, digit, style and background, shape (n,) each.

        Raises
        ------
        DataError
            For images smaller than 16 px.
        """
        size = images.shape[-1]
        if size < SMALLEST:
            raise DataError(f"images can be read from {SMALLEST} px up, got {size} px")
        return dict(zip(COLUMNS, Reader(size).read(images).unbind(dim=1), strict=True))
