import numpy as np
import pytest
import torch

from causalrep.datasets._rendering import Canvas
from causalrep.datasets._strokes import measure_strokes

GRID = Canvas(28, (0.0, 28.0), (0.0, 28.0))


def strokes(thickness, *, slant=0.0, intensity=1.0):
    """One straight stroke per entry, 18 px long, drawn with exact coverage."""
    t = torch.as_tensor(thickness, dtype=torch.float32)
    dx, dy = 9 * np.sin(slant), 9 * np.cos(slant)
    pictures = [
        GRID.segment(
            (torch.tensor([14 - dx]), torch.tensor([14.2 - dy])),
            (torch.tensor([14 + dx]), torch.tensor([14.2 + dy])),
            float(width),
            cap="round",
        )
        for width in t
    ]
    return torch.stack(pictures) * intensity


@pytest.mark.parametrize("slant", [0.3, 0.5, 0.8])  # upright ones see too few different pixels
def test_thickness_of_a_straight_stroke(slant):
    thickness = np.array([1.5, 2.0, 2.5, 3.0, 3.5, 4.0])
    read, _ = measure_strokes(strokes(thickness, slant=slant))
    # the calibration aims at curved, crossing strokes from a pen, thin ones of which were widened by
    # the redrawing: a thin straight stroke of exact width reads up to 0.4 too thick
    assert read == pytest.approx(thickness, abs=0.45)
    assert (np.diff(read) > 0.25).all()  # half a pixel more shows as at least half of that


@pytest.mark.parametrize("intensity", [0.25, 0.6, 1.0])
def test_intensity_is_read_and_does_not_matter_for_thickness(intensity):
    reference, _ = measure_strokes(strokes([2.0, 4.0]))  # whole columns of pixels
    thickness, read = measure_strokes(strokes([2.0, 4.0], intensity=intensity))
    assert read == pytest.approx(intensity, abs=1e-6)
    assert thickness == pytest.approx(reference, abs=1e-6)


def test_turned_and_moved_picture_reads_the_same():
    picture = strokes([3.0], slant=0.3)
    reference = measure_strokes(picture)
    for other in (picture.flip(2), picture.transpose(2, 3), picture.roll(3, dims=3)):
        assert np.array(measure_strokes(other)) == pytest.approx(np.array(reference), abs=0.02)


def test_stroke_that_touches_the_border_is_measured_as_if_black_lay_beyond():
    inner = strokes([2.0])
    at_border = inner.roll(-13, dims=3)
    assert at_border[0, 0, 14, :3].tolist() == [1, 1, 0]
    assert measure_strokes(at_border)[0] == pytest.approx(measure_strokes(inner)[0], abs=1e-6)


def test_empty_picture_has_neither():
    pictures = torch.cat([torch.zeros(1, 1, 28, 28), strokes([2.5]), torch.full((1, 1, 28, 28), 0.5)])
    thickness, intensity = measure_strokes(pictures)
    assert np.isnan(thickness).tolist() == [True, False, True]
    assert np.isnan(intensity).tolist() == [True, False, True]
    assert [len(part) for part in measure_strokes(pictures[:0])] == [0, 0]
