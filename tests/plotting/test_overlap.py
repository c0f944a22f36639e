"""Pictures of overlap and balance: what is drawn is what was computed."""

import numpy as np
import pytest

from causalrep.estimators import AIPW, EntropyBalancing
from causalrep.plotting import plot_balance, plot_overlap
from causalrep.utils import DataError

figures = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def ax():
    return figures.Figure().add_subplot()


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 3))
    t = (rng.random(400) < 1 / (1 + np.exp(-z[:, 0] + 0.5 * z[:, 1]))).astype(int)
    return z, t, z[:, 0] + t


@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
def test_bars_count_the_rows_of_each_arm(ax, rows):
    z, t, y = rows
    overlap = AIPW(cv=2, random_state=0).fit(z, y, treatment=t).overlap_
    assert plot_overlap(overlap, ax=ax, n_bins=10) is ax
    treated, control = ax.containers
    edges = np.linspace(0, 1, 11)
    for bars, arm, sign in ((treated, t == 1, 1), (control, t == 0, -1)):
        expected, _ = np.histogram(overlap.propensity[arm], edges)
        assert [bar.get_height() for bar in bars] == list(sign * expected)
        np.testing.assert_allclose([bar.get_x() for bar in bars], edges[:-1])
    limits = [line.get_xdata()[0] for line in ax.lines[:2]]
    assert limits == [overlap.min_propensity, 1 - overlap.min_propensity]
    spans = [patch for patch in ax.patches if patch not in [*treated, *control]]
    assert len(spans) == (2 if overlap.crump_alpha > 0 else 0)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["treated", "control"]
    assert ax.yaxis.get_major_formatter()(-30, 0) == "30"


def test_points_are_the_differences_of_the_covariates(ax, rows):
    z, t, y = rows
    balance = EntropyBalancing().fit(z, y, treatment=t).balance_
    assert plot_balance(balance, ax=ax, threshold=0.2) is ax
    before, after = ax.lines[0], ax.lines[1]
    order = [int(label.get_text()) for label in ax.get_yticklabels()]
    assert order[-1] == 0  # on top is the covariate that differs most
    np.testing.assert_allclose(before.get_xdata(), balance.difference_before[order])
    np.testing.assert_allclose(after.get_xdata(), 0, atol=1e-8)
    assert [line.get_xdata()[0] for line in ax.lines[2:4]] == [-0.2, 0.2]
    assert np.all(np.diff(np.abs(before.get_xdata())) > 0)


def test_frames_keep_the_names_of_covariates(ax, rows):
    import pandas as pd

    z, t, y = rows
    X = pd.DataFrame(z, columns=["age", "income", "size"]).assign(t=t)
    overlap = AIPW("t", cv=2, outcome_model="linear", propensity_model="linear", random_state=0).fit(X, y)
    plot_balance(overlap.overlap_, ax=ax)
    assert sorted(label.get_text() for label in ax.get_yticklabels()) == ["age", "income", "size"]


def test_what_cannot_be_drawn_is_refused(rows):
    z, t, y = rows
    balance = EntropyBalancing().fit(z, y, treatment=t).balance_
    with pytest.raises(DataError, match="propensities"):
        plot_overlap(balance)
    with pytest.raises(DataError, match="threshold"):
        plot_balance(balance, threshold=0)
    with pytest.raises(DataError, match="no covariates"):
        plot_balance(EntropyBalancing(0).fit(t[:, None], y).balance_)
