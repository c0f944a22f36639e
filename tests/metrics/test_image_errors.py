import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.metrics import image_errors
from causalrep.utils import DataError


def example():
    """Two 2 x 2 images of two channels; the truth changes one channel of one pixel of the first."""
    factual = np.full((2, 2, 2, 2), 0.5)
    truth = factual.copy()
    truth[0, 1, 0, 1] = 0.9
    return factual, truth


def test_a_perfect_prediction_has_no_error():
    factual, truth = example()
    errors = image_errors(truth, truth, factual)
    np.testing.assert_array_equal(errors.whole, [0.0, 0.0])
    np.testing.assert_array_equal(errors.changed, [0.0, np.nan])
    np.testing.assert_array_equal(errors.unchanged, [0.0, 0.0])
    assert errors.ratio("whole").value == 0.0


def test_copying_has_the_errors_of_the_baseline_and_a_ratio_of_one():
    factual, truth = example()
    errors = image_errors(factual, truth, factual)
    # 0.4 in one of eight numbers; in one of the two channels of the changed pixel
    np.testing.assert_allclose(errors.whole, [255 * 0.4 / 8, 0.0])
    np.testing.assert_allclose(errors.changed, [255 * 0.4 / 2, np.nan])
    for region in ("whole", "changed"):
        ratio = errors.ratio(region)
        assert ratio.value == 1.0
        low, high = ratio.interval()
        assert region == "changed" or (low == 1.0 == high)
    np.testing.assert_array_equal(errors.whole, errors.copy_whole)
    np.testing.assert_array_equal(errors.changed, errors.copy_changed)
    np.testing.assert_array_equal(errors.unchanged, errors.copy_unchanged)


def test_an_error_is_booked_where_it_happens():
    factual, truth = example()
    prediction = truth.copy()
    prediction[0, 0, 0, 1] += 0.2  # the other channel of the changed pixel
    prediction[0, 0, 1, 1] -= 0.3  # a pixel that the truth leaves alone
    prediction[1, :, 0, 0] += 0.1  # an image that the truth leaves alone
    errors = image_errors(prediction, truth, factual)
    np.testing.assert_allclose(errors.changed, [255 * 0.2 / 2, np.nan])
    np.testing.assert_allclose(errors.unchanged, [255 * 0.3 / 6, 255 * 0.2 / 8])
    np.testing.assert_allclose(errors.whole, [255 * 0.5 / 8, 255 * 0.2 / 8])


@given(st.floats(0.001, 0.1))
def test_a_constant_offset_shows_its_grey_levels_in_every_region(offset):
    factual, truth = example()
    errors = image_errors(truth + offset, truth, factual)
    np.testing.assert_allclose(errors.whole, 255 * offset)
    np.testing.assert_allclose(errors.changed, [255 * offset, np.nan])
    np.testing.assert_allclose(errors.unchanged, 255 * offset)


def test_an_image_that_changes_everywhere_has_no_unchanged_region():
    factual = np.zeros((1, 3, 4, 4))
    errors = image_errors(factual, factual + 0.5, factual)
    assert np.isnan(errors.unchanged[0])
    assert errors.changed[0] == pytest.approx(127.5)


@pytest.mark.parametrize(("change", "is_changed"), [(0.0249, False), (0.0251, True)])
def test_the_default_threshold_is_a_twentieth_of_the_range_from_minus_one_to_one(change, is_changed):
    """0.05 of images in [-1, 1] is 0.025 of images in [0, 1]."""
    factual = np.full((1, 1, 1, 2), 0.5)
    truth = factual.copy()
    truth[0, 0, 0, 0] += change
    assert np.isfinite(image_errors(factual, truth, factual).changed[0]) == is_changed
    assert np.isnan(image_errors(factual, truth, factual, threshold=0.03).changed[0])


@given(st.integers(0, 2**32 - 1))
def test_the_whole_error_is_the_weighted_sum_of_the_regions(seed):
    generator = np.random.default_rng(seed)
    factual, truth, prediction = generator.random((3, 4, 3, 5, 6))
    truth = np.where(generator.random((4, 1, 5, 6)) < 0.5, truth, factual)
    errors = image_errors(prediction, truth, factual)
    share = (np.abs(truth - factual) > 0.025).any(axis=1).mean(axis=(1, 2))
    np.testing.assert_allclose(share * errors.changed + (1 - share) * errors.unchanged, errors.whole)


def test_float32_images_are_scored_in_double_precision():
    factual, truth = (images.astype(np.float32) for images in example())
    errors = image_errors(factual, truth, factual)
    assert errors.whole.dtype == np.float64


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 2, 2)), r"`prediction` must be images of shape \(n, C, H, W\), got shape \(2, 2, 2\)"),
        (np.zeros((2, 2, 2, 3)), r"`prediction` must have the shape \(2, 2, 2, 2\)"),
        (np.full((2, 2, 2, 2), 1.01), r"`prediction` must be in \[0, 1\], got values from 1.01 to 1.01"),
        (np.full((2, 2, 2, 2), -0.5), r"`prediction` must be in \[0, 1\]"),
        (np.zeros((2, 2, 2, 2), dtype=np.uint8), "floating-point images .* got dtype uint8"),
    ],
)
def test_bad_images_are_named(images, message):
    factual, truth = example()
    with pytest.raises(DataError, match=message):
        image_errors(images, truth, factual)


def test_nan_images_are_named_with_their_place():
    factual, truth = example()
    broken = truth.copy()
    broken[1, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="`truth` must be finite, got NaN or infinity in image 1"):
        image_errors(truth, broken, factual)


def test_a_threshold_out_of_range_is_refused():
    factual, truth = example()
    with pytest.raises(ValueError, match="`threshold` must be in"):
        image_errors(truth, truth, factual, threshold=12.75)
