import numpy as np
import pytest

from causalrep.graphs import DAG
from causalrep.metrics import label_leak, slot_leak
from causalrep.utils import DataError, UnknownNameError


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


CHAIN = DAG([("a", "b"), ("b", "c")])


def chain(n=4000, seed=0):
    a, e, f, u = np.random.default_rng(seed).normal(size=(4, n))
    b = 0.8 * a + 0.6 * e
    return {"a": a, "b": b, "c": 0.8 * b + 0.6 * f}, u


def test_slots_that_say_their_own_label_do_not_leak():
    labels, u = chain()
    codes = np.column_stack([labels["a"], labels["b"] ** 2 + u, labels["b"], 2 * labels["c"] + 1, u])
    leaks = slot_leak(codes, labels, CHAIN, slots=["a", "b", "b", "c", "nuisance"])
    assert set(leaks) == {(i, j) for i in "abc" for j in "abc" if i != j}
    # The noise of one partial R2 under no leak: some terms of 4000 rows, each 1 / 4000 and centred by PRESS.
    assert max(map(abs, leaks.values())) < 0.01


@pytest.mark.parametrize(("node", "other"), [("a", "c"), ("c", "a"), ("b", "a"), ("a", "b")])
def test_a_slot_that_repeats_another_label_is_found(node, other):
    labels, u = chain()
    codes = np.column_stack(
        [labels[name] + (name == node) * (0.5 * labels[other] + 0.5 * u) for name in "abc"]
    )
    leaks = slot_leak(codes, labels, CHAIN, slots=list("abc"))
    # Given the node's label the slot is 0.5 y + 0.5 u: the share r / (r + 1) of the r that is left of y.
    given = np.column_stack([labels[name] for name in dict.fromkeys([*CHAIN.parents(other), node])])
    rest = labels[other] - given @ np.linalg.lstsq(given, labels[other], rcond=None)[0]
    # The sd of R2 at n = 4000 is below 2 * .5 * sqrt(.5 / 4000) = 0.011: four of them.
    assert leaks[node, other] == pytest.approx(rest.var() / (rest.var() + 1), abs=0.045)
    assert all(abs(leak) < 0.01 for (i, _), leak in leaks.items() if i != node)


def test_rows_and_columns_of_slots_are_checked():
    labels, _ = chain(100)
    codes = np.zeros((100, 2))
    with pytest.raises(DataError, match=r"\(n_images, 3\)"):
        slot_leak(codes, labels, CHAIN, slots=["a", "b", "c"])
    with pytest.raises(DataError, match="one row per image"):
        slot_leak(codes[:50], labels, CHAIN, slots=["a", "b"])
    with pytest.raises(UnknownNameError, match="'c'"):
        slot_leak(codes, {"a": labels["a"], "b": labels["b"]}, CHAIN, slots=["a", "b"])
    with pytest.raises(DataError, match="at least 20 complete rows"):
        slot_leak(codes[:15], {k: v[:15] for k, v in labels.items()}, CHAIN, slots=["a", "b"])
