"""KCI on columns of codes: only whether two codes are equal counts."""

import numpy as np
import pytest

from causalrep.independence import KCI
from causalrep.utils import UnknownNameError


def shifted_by_domain(seed, n=200, n_domains=6):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_domains, n)
    means = 2.0 * rng.normal(size=(2, n_domains))
    return np.column_stack([codes, *(mean[codes] + rng.normal(size=n) for mean in means)])


@pytest.mark.parametrize("gram", ["factor", "dense"])
@pytest.mark.parametrize("question", [(0, 1, []), (1, 2, [0]), (0, 2, [1])])
def test_other_codes_for_the_same_categories_change_nothing(gram, question):
    X = shifted_by_domain(0)
    other = X.copy()
    other[:, 0] = np.array([30.0, -1.0, 4.0, 7.5, 11.0, 2.0])[X[:, 0].astype(int)]
    x, y, given = question
    found, again = (KCI(categorical=[0], gram=gram).fit(data).test(x, y, given) for data in (X, other))
    assert again.pvalue == pytest.approx(found.pvalue, rel=1e-6)
    assert again.statistic == pytest.approx(found.statistic, rel=1e-6)


@pytest.mark.parametrize("column", [1, 2])
def test_the_kernel_is_one_where_codes_are_equal_and_zero_elsewhere(column):
    X = shifted_by_domain(1, n=60)
    found = KCI(categorical=[0], bandwidth=1.0, gram="dense").fit(X[:, [0, column]]).test(0, 1)
    x = (X[:, column] - X[:, column].mean()) / X[:, column].std(ddof=1)
    equal = (X[:, :1] == X[:, :1].T).astype(float)
    gaussian = np.exp(-0.5 * (x[:, None] - x[None, :]) ** 2)
    H = np.eye(60) - 1 / 60
    assert found.statistic == pytest.approx(np.trace(H @ equal @ H @ gaussian), rel=1e-9)


def test_the_level_holds_given_a_category():
    pvalues = [
        KCI(categorical=[0]).fit(shifted_by_domain(seed)).test(1, 2, [0]).pvalue for seed in range(100)
    ]
    # 5 expected of 100, standard deviation 2.2.
    assert sum(p < 0.05 for p in pvalues) <= 5 + 3 * 2.2


def test_an_unknown_column_is_refused():
    with pytest.raises(UnknownNameError, match="categorical"):
        KCI(categorical=["domain"]).fit(shifted_by_domain(0))
