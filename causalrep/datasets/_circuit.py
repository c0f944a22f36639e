"""The circuit world: a robot arm, the buttons that it presses and the lamps that they light."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from causalrep.datasets import _circuit_scene as scene
from causalrep.datasets._beta import beta_quantile, beta_share
from causalrep.datasets._circuit_reading import COLUMNS, SMALLEST, Reader
from causalrep.datasets._world import IMAGE, Nuisance, Renderer, World, clutter
from causalrep.graphs import DAG
from causalrep.scm import Dirac, Distribution, Invertible, Mechanism, Root, Uniform
from causalrep.utils import DataError

__all__ = ["circuit"]

_GRAPH = DAG(
    [
        *(("arm", colour) for colour in ("blue", "green", "red")),
        ("blue", "red"),
        ("green", "red"),
        *((label, IMAGE) for label in scene.LABELS),
    ],
    nodes=[*scene.LABELS, IMAGE],
)
#: Two standard deviations of this law span the middle 95 % of U(0, 1): what interventions ask for.
_MIDDLE = 0.475 * math.sqrt(3.0) / 2


def circuit(size: int = 32, nuisance: Nuisance = True, *, pixel_noise: float | None = None) -> World:
    r"""Return the circuit world, whose true counterfactual images are known.

    A robot arm moves along an arc with three buttons. Each lights the lamp of its colour, more or less
    brightly, and the red lamp is also lit by the other two. After the CausalCircuit data set, whose pictures
    come from a physics engine; ours are drawn.

    Parameters
    ----------
    size : int, default=32
        Height and width of the images; at least 8 to draw, at least 16 to read.
    nuisance : bool, "noise" or "texture", default=True
        Whether boards have a grey in U(0.05, 0.25), lamps a radius in U(0.06, 0.09) and the camera a shift in
        U(-1/32, 1/32) along each axis, in widths of the picture: up to one pixel at 32 px; else grey 0.15,
        radius 0.075 and no shift.
        ``"noise"`` is True with pixel noise of 0.05, ``"texture"`` True with a texture of standard deviation
        0.08 on the background: nuisance of high dimension.
    pixel_noise : float, optional
        Standard deviation of Gaussian noise on each pixel and channel, before the image is clipped to [0, 1].

    Returns
    -------
    World
        An SCM with the scalar nodes ``"arm"`` (place on the arc), ``"blue"``, ``"green"``, ``"red"``
        (intensities of the lamps), all in [0, 1], and the node ``"image"``, float32 of shape
        (n, 3, size, size) in [0, 1]. ``world.read`` also gives ``"board"``, ``"shift_x"``, ``"shift_y"`` and
        ``"lamp"``.

    Raises
    ------
    DataError
        If `size` is not an integer of at least 8, or `pixel_noise` is negative. Later, if asked to draw a
        label outside [0, 1].

    Notes
    -----
    With arm ~ U(0, 1), b_X = max(0, 1 - \|arm - c_X\| / 0.13), where c is 0.2 for red, 0.5 for green and 0.8
    for blue, and clip to [0, 1],

    * blue ~ Beta(5 v, 5 (1 - v)) with v = 0.2 + 0.6 b_blue, and green likewise;
    * red ~ Beta(5 v, 5 (1 - v)) with v = 0.2 + 0.6 clip(green + blue + b_red).

    The laws say how bright a lamp is, given its causes, and not how bright it *would have been* under others.
    That takes a coupling, and it is a choice: here the noise is the quantile, e ~ U(0, 1) and lamp =
    F^-1(e; v), so that a lamp that was brighter than 70 % of its kind stays so. Of all couplings it is the
    monotone one, in which a lamp that is driven harder never gets darker; no data of this kind can tell it
    from the others.

    ``intervention_values`` asks for lamps between the quantiles 0.025 and 0.975 that their causes leave.

    Reading inverts the renderer. On images drawn by the world without pixel noise the error is below 1e-4 in
    every column at 16, 32 and 64 px. With pixel noise 0.02 the mean absolute errors of arm and lamps are
    0.002 and 0.01 at 16 px, 0.001 and 0.005 at 32 px. What is not there is NaN.

    References
    ----------
    J. Brehmer, P. de Haan, P. Lippe, T. Cohen, "Weakly supervised causal representation learning", NeurIPS
    2022: the data set that this world approximates. How far a button is pressed, the coupling, the nuisance
    and the drawing are ours.

    Examples
    --------
    >>> from causalrep.datasets import circuit
    >>> world = circuit(size=32)
    >>> samples = world.sample(4, random_state=0)
    >>> truth = world.counterfactual(samples, do={"arm": 0.5})
    >>> [round(float(x), 3) for x in world.read(truth["image"])["arm"]]
    [0.5, 0.5, 0.5, 0.5]
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 8:
        raise DataError(f"`size` must be an integer of at least 8, got {size!r}")
    seen = clutter(nuisance, pixel_noise)
    shift = Uniform(-1 / 32, 1 / 32) if seen.varies else Dirac(0.0)
    laws: dict[str, Distribution] = {
        "board": Uniform(0.05, 0.25) if seen.varies else Dirac(0.15),
        "shift_x": shift,
        "shift_y": shift,
        "lamp": Uniform(0.06, 0.09) if seen.varies else Dirac(0.075),
    }
    mechanisms: dict[Any, Mechanism] = {
        "arm": Root(Uniform(0.0, 1.0)),
        **_lamps(Uniform(0.0, 1.0)),
        IMAGE: CircuitRenderer(laws, size=size, pixel_noise=seen.pixel_noise, texture=seen.texture),
    }
    return World(_GRAPH, mechanisms, targets=_lamps(Uniform(0.5 - _MIDDLE, 0.5 + _MIDDLE)))


class CircuitRenderer(Renderer):
    """Draws the circuit and reads it back.

    Parameters
    ----------
    nuisance : mapping of str to Distribution
        Laws of ``"board"``, ``"shift_x"``, ``"shift_y"`` and ``"lamp"``.
    size : int
        Height and width.
    pixel_noise : float, default=0
        Standard deviation of noise on each pixel.
    texture : float, default=0
        Standard deviation of the texture of the background.
    """

    backdrop = "board"

    def __init__(
        self,
        nuisance: Mapping[str, Distribution],
        *,
        size: int,
        pixel_noise: float = 0.0,
        texture: float = 0.0,
    ) -> None:
        super().__init__(scene.LABELS, nuisance, size=size, pixel_noise=pixel_noise, texture=texture)

    def check(self, labels: Mapping[Any, Tensor]) -> None:
        """Refuse arms beyond the arc and lamps darker than off or brighter than on."""
        for name, value in labels.items():
            allowed = (value >= 0) & (value <= 1)
            if not allowed.all():
                row = int((~allowed).nonzero()[0])
                raise DataError(f"{name!r} must be in [0, 1], got {float(value[row])} in row {row}")

    def draw(self, labels: Tensor, nuisance: Mapping[str, Tensor]) -> Tensor:
        """Return pictures of shape (n, 3, size, size)."""
        return scene.render(labels, nuisance, self.shape[1])

    def measure(self, images: Tensor) -> dict[str, Tensor]:
        """Return labels and nuisance, shape (n,) each.

        Raises
        ------
        DataError
            For images smaller than 16 px.
        """
        size = images.shape[-1]
        if size < SMALLEST:
            raise DataError(f"images can be read from {SMALLEST} px up, got {size} px")
        return dict(zip(COLUMNS, Reader(size, images.device).read(images).unbind(dim=1), strict=True))


def _lamps(law: Distribution) -> dict[Any, Mechanism]:
    """Return the mechanisms of the three lamps, with quantiles from `law`."""
    return {
        "blue": _lamp("blue", ["arm"], law),
        "green": _lamp("green", ["arm"], law),
        "red": _lamp("red", ["arm", "blue", "green"], law),
    }


def _lamp(colour: str, parents: list[str], law: Distribution) -> Invertible:
    """Return lamp = F^-1(noise; v), with v driven by the arm and by the lamps that light this one."""

    def drive(arm: Any, others: tuple[Any, ...]) -> Any:
        total = sum(others, scene.pressed(arm, colour))
        return 0.2 + 0.6 * total.clip(0.0, 1.0)

    def forward(arm: Any, *others: Any, noise: Any) -> Any:
        return beta_quantile(noise, drive(arm, others))

    def inverse(arm: Any, *others: Any, value: Any) -> Any:
        return beta_share(value, drive(arm, others))

    return Invertible(forward, inverse, law, parents=parents)
