import colorsys
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from causalrep.datasets import _rendering
from causalrep.datasets._rendering import Canvas, background, draw_rows, hsv_to_rgb, paint, rgb_to_hue

# Pixels are taller than wide, so that a mix-up of the axes shows.
CANVAS = Canvas(50, (0.0, 20.0), (-1.0, 29.0))
PIXEL_AREA = 0.4 * 0.6


def one(value):
    return torch.tensor([float(value)])


def moments(coverage):
    """Area, x and y of the centroid, in world units."""
    x, y = CANVAS.centres()
    total = coverage.sum()
    return float(total) * PIXEL_AREA, float((coverage * x).sum() / total), float((coverage * y).sum() / total)


@pytest.mark.parametrize(("x", "y"), [(8.0, 12.0), (8.13, 11.87), (9.2, 12.3)])
def test_disc_has_the_area_and_the_centre_of_a_disc(x, y):
    # coverage is exact to first order in pixel / radius; what is left is of second order,
    # (0.5 / 4)**2 = 1.6 %, of either sign along the outline
    area, cx, cy = moments(CANVAS.disc(one(x), one(y), 4.0))
    assert area == pytest.approx(math.pi * 16, rel=5e-3)
    assert (cx, cy) == pytest.approx((x, y), abs=0.01)


@pytest.mark.parametrize("width", [0.1, 0.55, 2.0])
def test_level_butt_stroke_has_exactly_its_area_however_thin(width):
    coverage = CANVAS.segment((one(3.17), one(10.03)), (one(12.46), one(10.03)), width)
    area, cx, cy = moments(coverage)
    assert area == pytest.approx(9.29 * width, rel=1e-4)
    assert cx == pytest.approx((3.17 + 12.46) / 2, abs=0.02)
    assert cy == pytest.approx(10.03, abs=0.15)  # inside one row of height 0.6 nothing tells where


@pytest.mark.parametrize("width", [0.3, 2.0])
@pytest.mark.parametrize("angle", [0.2, 1.1, 2.5])
def test_slanted_stroke_has_the_area_of_a_rectangle(width, angle):
    offset = torch.from_numpy(np.random.default_rng(0).uniform(-0.3, 0.3, (2, 200)))
    start = (10.0 + offset[0], 14.0 + offset[1])
    end = (start[0] + 8 * math.cos(angle), start[1] + 8 * math.sin(angle))
    areas = CANVAS.segment(start, end, width).sum(dim=(1, 2)) * PIXEL_AREA
    # the profile across the outline is a ramp where that of a square pixel is a trapezoid: no bias on
    # average over places (200 of them: a tenth of the deviation of one), up to 8 % for one thin stroke
    assert float(areas.mean()) == pytest.approx(8 * width, rel=0.01)
    assert areas.numpy() == pytest.approx(8 * width, rel=0.08)


def test_round_caps_add_two_half_discs():
    ends = (one(5), one(5)), (one(12), one(18))
    butt, _, _ = moments(CANVAS.segment(*ends, 3.0))
    rounded, _, _ = moments(CANVAS.segment(*ends, 3.0, cap="round"))
    assert rounded - butt == pytest.approx(math.pi * 1.5**2, rel=0.02)


def test_unknown_cap_is_refused():
    with pytest.raises(ValueError, match="'square'"):
        CANVAS.segment((one(0), one(0)), (one(1), one(1)), 1.0, cap="square")


def test_first_row_is_the_top_and_first_column_the_left():
    coverage = CANVAS.disc(one(2.0), one(26.0), 1.5)[0]
    rows, columns = (coverage > 0).nonzero().unbind(dim=1)
    assert rows.max() < 10
    assert columns.max() < 10


def test_mirrored_world_gives_mirrored_picture():
    left = CANVAS.segment((one(3.3), one(8)), (one(9.1), one(16)), 1.2)
    right = CANVAS.segment((one(16.7), one(8)), (one(10.9), one(16)), 1.2)
    assert torch.allclose(left.flip(2), right, atol=1e-5)  # float32 rounding of positions up to 20


@pytest.mark.parametrize("cap", ["butt", "round"])
def test_some_rows_are_the_rows_of_the_whole(cap):
    part = Canvas(50, CANVAS.x_range, CANVAS.y_range, rows=(7, 31))
    ends = (one(5), one(5)), (one(12), one(18))
    assert torch.equal(part.segment(*ends, 3.0, cap=cap), CANVAS.segment(*ends, 3.0, cap=cap)[:, 7:31])
    assert torch.equal(part.disc(one(8), one(15), 3.0), CANVAS.disc(one(8), one(15), 3.0)[:, 7:31])


def test_centre_on_a_pixel_centre_has_a_finite_gradient():
    x = one(CANVAS.centres()[0][0, 20]).requires_grad_()
    CANVAS.disc(x, one(CANVAS.centres()[1][20, 0]), 3.0).square().sum().backward()
    assert torch.isfinite(x.grad).all()


def test_last_painted_lies_on_top_and_bare_pixels_keep_their_bits():
    picture = background(one(0.7), 50)
    red = CANVAS.disc(one(8), one(12), 3.0)
    blue = CANVAS.disc(one(9), one(12), 3.0)
    both = paint(paint(picture, red, (1, 0, 0)), blue, (0, 0, 1))
    assert torch.equal(
        both[0, :, blue[0] == 1], torch.tensor([[0.0], [0.0], [1.0]]).expand(3, (blue == 1).sum())
    )
    assert torch.equal(both[0, :, (red[0] == 0) & (blue[0] == 0)].unique(), one(0.7))


@given(st.floats(0, 1, exclude_max=True), st.floats(0.05, 1), st.floats(0.05, 1))
def test_hsv_agrees_with_the_standard_library_and_hue_comes_back(hue, saturation, value):
    double = torch.tensor([hue], dtype=torch.float64)
    rgb = hsv_to_rgb(double, saturation, value)
    assert rgb[0].numpy() == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, value), abs=1e-12)
    away = abs(float(rgb_to_hue(rgb)[0]) - hue)
    assert min(away, 1 - away) < 1e-9


def test_rows_do_not_depend_on_the_chunks_they_are_drawn_in(monkeypatch):
    generator = np.random.default_rng(0)
    x, y = torch.from_numpy(generator.uniform(3, 17, (2, 37)))

    def draw(rows):
        return paint(
            background(torch.full_like(x[rows], 0.5), 50), CANVAS.disc(x[rows], y[rows], 2.0), (1, 0, 0)
        )

    whole = draw_rows(draw, 37, 50)
    monkeypatch.setattr(_rendering, "_PIXELS_PER_CHUNK", 5 * 50 * 50)
    assert torch.equal(draw_rows(draw, 37, 50), whole)
    assert draw_rows(draw, 0, 50).shape == (0, 3, 50, 50)


@pytest.mark.parametrize("radius", [0.1, 0.25, 0.3, 0.6, 4.0])
def test_spot_keeps_its_area_however_small(radius):
    canvas = Canvas(50, (0.0, 25.0), (0.0, 25.0))
    offset = torch.from_numpy(np.random.default_rng(0).uniform(-0.25, 0.25, (2, 400)))
    cover = canvas.spot(12.0 + offset[0], 13.0 + offset[1], torch.full((400,), radius))
    areas = cover.sum(dim=(1, 2)) * 0.25
    # the mean over places is the integral of the profile, to 1 / sqrt 400 of the spread of at most 30 %
    assert float(areas.mean()) == pytest.approx(math.pi * radius**2, rel=0.02)
    assert float(areas.min()) > 0.5 * math.pi * radius**2


def test_the_middle_of_a_shape_is_covered_wholly():
    canvas = Canvas(25, (0.0, 1.0), (0.0, 1.0))  # the centre of the middle pixel is at 0.5, 0.5
    half, start, end = one(0.5), one(0.2), one(0.8)
    for cover in (
        canvas.disc(half, half, 0.1),
        canvas.spot(half, half, one(0.1)),
        canvas.segment((start, half), (end, half), 0.1, cap="round"),
        canvas.segment((start, start), (end, end), 0.1, cap="round"),
    ):
        assert float(cover[0, 12, 12]) == 1.0
