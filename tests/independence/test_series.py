"""Polynomial expansions against NumPy's polynomials, and regression on them against least squares."""

import math

import numpy as np
import pytest
from numpy.polynomial import hermite_e
from numpy.polynomial import legendre as numpy_legendre

from causalrep.independence import _series
from causalrep.independence._series import hermite, legendre, n_terms, normal_scores, partial_out, series


def gauss(rule, n=24):
    """Return nodes and weights of a Gauss rule, which is exact for polynomials of degree below 2 n."""
    nodes, weights = rule(n)
    return nodes, weights / weights.sum()


@pytest.mark.parametrize(
    ("polynomials", "rule"), [(hermite, hermite_e.hermegauss), (legendre, numpy_legendre.leggauss)]
)
def test_polynomials_are_orthonormal_under_their_law(polynomials, rule):
    nodes, weights = gauss(rule)
    rows = np.stack(polynomials(nodes, 9))
    np.testing.assert_allclose((rows * weights) @ rows.T, np.eye(10), atol=1e-10)


@pytest.mark.parametrize("degree", [0, 1, 4])
def test_polynomials_are_numpys_up_to_scale(degree):
    x = np.linspace(-1, 1, 7)
    for k in range(degree + 1):
        one = [0.0] * k + [1.0]
        he, le = hermite_e.hermeval(x, one), numpy_legendre.legval(x, one)
        np.testing.assert_allclose(hermite(x, degree)[k], he / math.sqrt(math.factorial(k)), atol=1e-14)
        np.testing.assert_allclose(legendre(x, degree)[k], le * math.sqrt(2 * k + 1), atol=1e-14)
    assert len(hermite(x, degree)) == len(legendre(x, degree)) == degree + 1


def test_normal_scores_are_quantiles_of_mid_ranks():
    # Ranks 3.5, 1, 3.5, 2 of 4: quantiles of 3/4, 1/8, 3/4, 3/8; the third quartile is 0.6744897501960817.
    scores = normal_scores(np.array([7.0, -1.0, 7.0, 2.0]))
    assert scores[0] == scores[2] == pytest.approx(0.6744897501960817, rel=1e-14)
    assert scores[1] < scores[3] < 0


@pytest.mark.parametrize(("k", "degree"), [(0, 7), (1, 7), (2, 7), (3, 4), (5, 2)])
def test_terms_are_counted(k, degree):
    scores = np.random.default_rng(0).normal(size=(k, 30))
    assert len(series(scores, [29] * k, degree)) == n_terms(k, degree)


def test_two_variables_bring_all_products_up_to_the_total_degree():
    u, v = np.random.default_rng(0).normal(size=(2, 50))
    span = series(np.stack([u, v]), [49, 49], 3)
    for a in range(4):
        for b in range(5 - a):
            target = u**a * v**b
            left = target - span.T @ np.linalg.lstsq(span.T, target)[0]
            inside = a + b <= 3
            assert (np.linalg.norm(left) < 1e-9 * np.linalg.norm(target)) == inside


@pytest.mark.parametrize("values", [2, 3])
def test_few_values_bring_no_more_terms_than_functions(values):
    column = np.arange(30) % values
    other = np.random.default_rng(0).normal(size=30)
    rows = series(np.stack([normal_scores(column), other]), [values - 1, 29], 4)
    assert len(rows) < n_terms(2, 4)
    indicator = (column == 1) * (1 + other)  # a function of both, of degree 1 in the second
    left = indicator - rows.T @ np.linalg.lstsq(rows.T, indicator)[0]
    assert np.linalg.norm(left) < 1e-9


@pytest.mark.parametrize("k", [1, 2])
def test_residuals_and_leverages_are_those_of_least_squares(k):
    rng = np.random.default_rng(k)
    scores, block = rng.normal(size=(k, 300)), rng.normal(size=(2, 300))
    design = series(scores, [299] * k, 4).T
    (residual,), freedom = partial_out(scores, [299] * k, 4, [block])
    # Condition numbers of the design are below 1e4, squared in the normal equations: 1e-16 * 1e8.
    expected = block.T - design @ np.linalg.lstsq(design, block.T)[0]
    np.testing.assert_allclose(residual, expected.T, atol=1e-7)
    hat = design @ np.linalg.pinv(design)
    np.testing.assert_allclose(freedom, 1 - np.diag(hat), atol=1e-7)


def test_a_copy_in_the_set_changes_nothing():
    rng = np.random.default_rng(0)
    (u, v), block = rng.normal(size=(2, 300)), rng.normal(size=(1, 300))
    single = partial_out(np.stack([u, v]), [299] * 2, 3, [block])
    double = partial_out(np.stack([u, v, u]), [299] * 3, 3, [block])
    np.testing.assert_allclose(double[0][0], single[0][0], atol=1e-7)
    np.testing.assert_allclose(double[1], single[1], atol=1e-7)


def test_blocks_of_rows_do_not_matter(monkeypatch):
    rng = np.random.default_rng(0)
    scores, blocks = rng.normal(size=(2, 301)), [rng.normal(size=(p, 301)) for p in (1, 3)]
    whole, freedom = partial_out(scores, [300] * 2, 3, blocks)
    monkeypatch.setattr(_series, "_BLOCK_BYTES", 8 * 16 * 50)
    parts, freedom_of_parts = partial_out(scores, [300] * 2, 3, blocks)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)
    np.testing.assert_allclose(freedom, freedom_of_parts, atol=1e-10)
