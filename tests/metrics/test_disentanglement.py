"""DCI and MCC of codes whose scores are known in closed form."""

import numpy as np
import pandas as pd
import pytest

from causalrep.metrics import dci, mcc
from causalrep.utils import DataError


@pytest.fixture(scope="module")
def factors():
    """Uncorrelated to rounding, so that coefficients and correlations are exact."""
    draws = np.random.default_rng(0).normal(size=(400, 3))
    draws -= draws.mean(axis=0)
    return np.linalg.qr(draws)[0] * 20


def entropy(*shares):
    shares = np.array(shares)
    return float(-np.sum(shares * np.log(shares)) / np.log(len(shares)))


def test_a_permuted_and_scaled_code_is_disentangled(factors):
    code = np.column_stack([-3 * factors[:, 2], 0.1 * factors[:, 0], 7 * factors[:, 1] + 5])
    score = dci(code, factors)
    assert score.disentanglement > 0.97  # trees spend a little on other numbers, by chance
    assert score.completeness > 0.97
    assert score.importance.argmax(axis=0).tolist() == [1, 2, 0]
    np.testing.assert_allclose(score.importance.sum(axis=0), 1)


def test_a_linear_mixing_has_the_entropy_of_its_weights(factors):
    """Code 0 = 3 f0 + f1, code 1 = -f0 + 3 f1: by inversion f0 = (3 c0 - c1) / 10, f1 = (c0 + 3 c1) / 10.

    The codes are uncorrelated and equally spread, so both factors take 3/4 and 1/4 of the two codes. The
    split takes rows out, so the importances are those of the sample: the tolerance is that of 300 rows.
    """
    code = factors[:, :2] @ [[3, -1], [1, 3]]
    score = dci(code, factors[:, :2], regressor="linear")
    assert score.importance == pytest.approx(np.array([[0.75, 0.25], [0.25, 0.75]]), abs=0.02)
    expected = 1 - entropy(0.75, 0.25)
    assert score.disentanglement == pytest.approx(expected, abs=0.03)
    assert score.completeness == pytest.approx(expected, abs=0.03)
    assert score.informativeness == pytest.approx(1)


def test_disentanglement_and_completeness_are_not_each_other(factors):
    """Two copies of each factor: every number tells one factor, no factor is told by one number."""
    two = factors[:, :2]
    noise = np.random.default_rng(1).normal(size=two.shape)
    code = np.column_stack([two + noise, two - noise])
    score = dci(code, two, regressor="linear")
    assert score.disentanglement > 0.9
    assert score.completeness == pytest.approx(1 - np.log(2) / np.log(4), abs=0.05)


def test_slots_add_the_importances_of_their_numbers(factors):
    two = factors[:, :2]
    noise = np.random.default_rng(1).normal(size=two.shape)
    code = np.column_stack([two + noise, two - noise])
    slots = dci(code, two, regressor="linear", slots=["a", "b", "a", "b"]).by_slot
    assert slots.importance.shape == (2, 2)
    assert slots.completeness > 0.9
    assert slots.disentanglement > 0.9
    assert dci(code, two, regressor="linear").by_slot is None


def test_a_code_of_noise_predicts_nothing(factors):
    noise = np.random.default_rng(2).normal(size=(400, 3))
    assert dci(noise, factors).informativeness < 0.05


def test_columns_keep_their_names(factors):
    frame = pd.DataFrame(factors[:, :2], columns=["angle", "light"])
    score = dci(factors, frame, regressor="linear")
    assert list(score.r2) == list(score.of_factors) == ["angle", "light"]
    assert np.isfinite(score.of_codes[:2]).all()


def test_mcc_finds_the_matching_and_ignores_sign_and_scale(factors):
    score = mcc(np.column_stack([factors[:, 1] * -2, factors[:, 2], factors[:, 0] * 9]), factors)
    assert score.score == pytest.approx(1)
    assert score.match == {0: 2, 1: 0, 2: 1}


def test_mcc_of_a_rotation_is_the_cosine(factors):
    angle = 0.3
    rotation = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    score = mcc(factors[:, :2] @ rotation, factors[:, :2])
    assert score.score == pytest.approx(np.cos(angle), abs=1e-9)


def test_mcc_matches_one_to_one_even_where_one_code_is_best_for_both(factors):
    """c0 = f0 + f1 correlates .71 with both; c1 = f0 fully with f0: the best matching gives c0 to f1."""
    score = mcc(np.column_stack([factors[:, 0] + factors[:, 1], factors[:, 0]]), factors[:, :2])
    assert score.match == {0: 1, 1: 0}
    assert score.score == pytest.approx((1 + np.sqrt(0.5)) / 2, abs=1e-9)


def test_spearman_sees_monotone_maps(factors):
    code = np.exp(factors)
    assert mcc(code, factors, correlation="spearman").score == pytest.approx(1)
    assert mcc(code, factors).score < 0.95


@pytest.mark.parametrize("score", [dci, mcc])
def test_bad_input_is_named(score, factors):
    with pytest.raises(DataError, match="`codes` must be a finite array"):
        score(factors * np.nan, factors)
    with pytest.raises(DataError, match="`factors` must have 400 rows"):
        score(factors, factors[:10])
    with pytest.raises(DataError, match="`factors` must be finite and vary, which 0"):
        score(factors, np.zeros((400, 1)))
    with pytest.raises(DataError, match="at least 20 rows"):
        score(factors[:10], factors[:10])


def test_options_out_of_range(factors):
    with pytest.raises(ValueError, match="`regressor` must be"):
        dci(factors, factors, regressor="forest")
    with pytest.raises(ValueError, match="`correlation` must be"):
        mcc(factors, factors, correlation="kendall")
    with pytest.raises(DataError, match="`slots` must name one slot per code, 3, got 2"):
        dci(factors, factors, slots=["a", "b"])
    with pytest.raises(DataError, match="a number for every factor, 3, got 2"):
        mcc(factors[:, :2], factors)
