import numpy as np
import pytest

from causalrep.metrics import label_leak
from causalrep.utils import DataError


def codes_of(n=300, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)) * [1.0, 50.0, 0.01][:d] + 7.0


def test_the_leak_is_the_share_of_explained_variance():
    codes = codes_of(n=4000)
    signal = (codes[:, 0] - 7.0) * (codes[:, 1] - 7.0) / 50.0  # unit variance, a product of two codes
    label = signal + np.random.default_rng(1).normal(size=4000)
    # true share 1/2; the sd of R2 at n = 4000 is below 2 * .5 * sqrt(.5 / 4000) * 1.5 = 0.017: four of them
    assert label_leak(codes, {"y": label})["y"] == pytest.approx(0.5, abs=0.07)


def test_noise_is_no_leak_although_a_fit_would_explain_some_of_it():
    """In sample, 9 of 10 coefficients of noise explain 9 / 40 of the variance on average."""
    leaks = [
        label_leak(codes_of(n=40, seed=s), {"y": codes_of(n=40, seed=1000 + s)[:, 0]})["y"] for s in range(50)
    ]
    assert np.mean(leaks) < 0.0


def test_left_out_residuals_equal_those_of_refitted_models():
    codes, label = codes_of(n=30, d=2), codes_of(n=30, d=1, seed=5)[:, 0]
    a, b = codes.T
    design = np.column_stack([np.ones(30), a, b, a * a, a * b, b * b])
    press = total = 0.0
    for i in range(30):
        rest = np.arange(30) != i
        coefficients = np.linalg.lstsq(design[rest], label[rest], rcond=None)[0]
        press += (label[i] - design[i] @ coefficients) ** 2
        total += (label[i] - label[rest].mean()) ** 2
    # the design is not standardised here: condition 1e7, so 1e-6 is what double precision leaves
    assert label_leak(codes, {"y": label})["y"] == pytest.approx(1 - press / total, abs=1e-6)


def test_rows_without_a_label_are_left_out():
    codes, label = codes_of(n=100), codes_of(n=100, seed=3)[:, 0]
    gaps = label.copy()
    gaps[::3] = np.nan
    known = np.isfinite(gaps)
    assert label_leak(codes, {"y": gaps}) == pytest.approx(
        label_leak(codes[known], {"y": label[known]}), abs=0.02
    )


def test_a_dead_code_does_no_harm():
    codes, label = codes_of(), codes_of(seed=2)[:, 0]
    dead = np.column_stack([codes, np.full(300, 3.0)])
    assert label_leak(dead, {"y": label})["y"] == pytest.approx(label_leak(codes, {"y": label})["y"])


@pytest.mark.parametrize(
    ("codes", "label", "message"),
    [
        (np.zeros(5), np.arange(5.0), "`codes` must be a finite array"),
        (np.full((50, 2), np.nan), np.arange(50.0), "`codes` must be a finite array"),
        (np.ones((50, 2)), np.arange(49.0), "one row per image, got 49 of 'y' for 50 images"),
        (np.ones((50, 2)), np.ones(50), "must vary, got a constant 'y'"),
        (np.ones((11, 2)), np.arange(11.0), "at least 12 values of 'y' for codes of 2 dimensions, got 11"),
    ],
)
def test_bad_input_is_named(codes, label, message):
    with pytest.raises(DataError, match=message):
        label_leak(codes, {"y": label})
