"""Pictures of effects show the numbers that they were given."""

import numpy as np
import pandas as pd
import pytest

from causalrep.estimators import EffectResult
from causalrep.plotting import plot_cate, plot_effects, plot_qini
from causalrep.utils import DataError

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def closed():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def test_effects_stand_below_each_other_with_their_intervals():
    ax = plot_effects(["a", "b"], [1.0, -2.0], [[0.5, 1.5], [-3.0, -1.0]])
    np.testing.assert_array_equal(ax.lines[-1].get_data(), [[1.0, -2.0], [0, 1]])
    segments = ax.collections[0].get_segments()
    np.testing.assert_array_equal(segments[1], [[-3.0, 1], [-1.0, 1]])
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first is on top
    assert plot_effects(["c"], [0], [[0, 0]], ax=ax) is ax
    with pytest.raises(DataError, match="each of 1 names"):
        plot_effects(["a"], [1.0], [0.5, 1.5])


def test_effects_along_a_covariate_are_sorted_by_it():
    result = EffectResult(
        np.array([3.0, 1.0]), np.ones(2), np.array([[2.0, 4.0], [0.0, 2.0]]), np.zeros((5, 2)), 5, "x"
    )
    ax = plot_cate(result, pd.Series([9.0, 7.0], name="age"))
    np.testing.assert_array_equal(ax.lines[0].get_data(), [[7.0, 9.0], [1.0, 3.0]])
    band = ax.collections[0].get_paths()[0].vertices
    assert {(7.0, 0.0), (7.0, 2.0), (9.0, 2.0), (9.0, 4.0)} <= {tuple(point) for point in band}
    assert ax.get_xlabel() == "age"
    assert plot_cate([1.0, 2.0], [3.0, 3.0]).lines[0].get_linestyle() == "None"
    with pytest.raises(DataError, match="each of 2 effects"):
        plot_cate(result, [1.0])


def test_a_curve_of_gains_has_the_line_of_chance():
    ax = plot_qini([0, 0.5, 1], [0, 30, 40], label="forest")
    np.testing.assert_array_equal(ax.lines[0].get_data(), [[0, 0.5, 1], [0, 30, 40]])
    np.testing.assert_array_equal(ax.lines[1].get_data(), [[0, 1], [0, 40]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["forest"]
    with pytest.raises(DataError, match="one length"):
        plot_qini([0, 1], [0, 1, 2])
