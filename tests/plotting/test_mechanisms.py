"""Pictures of models: what is drawn is what was computed."""

import numpy as np
import pandas as pd
import pytest

from causalrep.plotting import (
    plot_attribution,
    plot_counterfactual_contrast,
    plot_mechanism,
    plot_residuals,
)
from causalrep.scm import SCM, arrow_strength, intrinsic_causal_influence, unit_change
from causalrep.utils import DataError, UnknownNameError

figures = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def ax():
    return figures.Figure().add_subplot()


@pytest.fixture
def scm():
    return SCM.from_equations("X = N(0, 1); Z = N(3, 1); Y = 2*X - Z + N(0, 0.5)")


def test_mechanism_is_its_median_and_its_noise(scm, ax):
    data = scm.sample(200, random_state=1)
    assert plot_mechanism(scm, "Y", "X", data, ax=ax) is ax
    (line,) = ax.lines
    x, y = line.get_data()
    np.testing.assert_allclose(
        y, 2 * x - np.median(data["Z"]), atol=0.15
    )  # 0.5 * 1.25 / sqrt(400), 4.5 times
    band = ax.collections[1].get_paths()[0].vertices
    assert np.ptp(band[:, 1][np.isclose(band[:, 0], x[30])]) == pytest.approx(2 * 1.645 * 0.5, rel=0.2)
    assert len(ax.collections[0].get_offsets()) == 200
    assert ax.get_title().startswith("Z = ")


def test_mechanism_without_data_takes_the_first_parent(scm, ax):
    plot_mechanism(scm, "Y", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("X", "Y")
    assert len(ax.collections) == 1


def test_residuals_are_the_noise(scm, ax):
    data = scm.sample(100, random_state=0)
    plot_residuals(scm, "Y", data, "Z", ax=ax)
    points = ax.collections[0].get_offsets()
    np.testing.assert_allclose(points[:, 0], data["Z"])
    np.testing.assert_allclose(points[:, 1], data["Y"] - 2 * data["X"] + data["Z"])
    assert len(ax.lines[0].get_xdata()) == 10


def test_residuals_of_a_root_go_by_row(scm, ax):
    plot_residuals(scm, "X", scm.sample(30, random_state=0), ax=ax)
    assert ax.get_xlabel() == "row"


def test_contrast_shows_both_worlds(scm, ax):
    rows = scm.sample(3, random_state=0)
    imagined = scm.counterfactual(rows, do={"X": 1.0})
    plot_counterfactual_contrast(rows, imagined, "Y", ax=ax, labels=["a", "b", "c"])
    was, would = (part.get_offsets() for part in ax.collections[1::2])
    np.testing.assert_allclose(was[:, 0], rows["Y"])
    np.testing.assert_allclose(would[:, 0], imagined["Y"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    assert ax.yaxis_inverted()


def test_contrast_of_draws_has_intervals(scm, ax):
    """Z is not known: given Y = 0 and X = 0 it is normal around 2.4, and Y under do(Z = 0) moves with it."""
    rows = pd.DataFrame({"X": [0.0], "Y": [0.0]})
    draws = scm.counterfactual(rows, do={"Z": 0.0}, n_draws=4000, random_state=0)
    plot_counterfactual_contrast(rows, draws, "Y", ax=ax)
    mean = scm.counterfactual_expectation("Y", do={"Z": 0.0}, given={"X": 0.0, "Y": 0.0})
    sd = scm.counterfactual_variance("Y", do={"Z": 0.0}, given={"X": 0.0, "Y": 0.0}) ** 0.5
    (segment,) = ax.collections[2].get_segments()
    np.testing.assert_allclose(segment[:, 0], [mean - 1.645 * sd, mean + 1.645 * sd], atol=0.1)


def test_attribution_is_a_waterfall(ax):
    scm = SCM.from_equations("A = N(0, 1); B = N(0, 1); Y = A - 2*B + N(0, 1)")
    change = unit_change(scm, {"A": [0.0], "B": [0.0], "Y": [1.0]}, {"A": [3.0], "B": [0.5], "Y": [3.0]}, "Y")
    plot_attribution(change, 0, ax=ax)
    bars = [(bar.get_x(), bar.get_width()) for bar in ax.patches]
    # from 1: A + 3; B and the noise of Y take 1 off and 0 on
    np.testing.assert_allclose(bars, [(1, 3), (4, -1), (3, 0), (1, 2)], atol=1e-9)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A", "B", "Y", "total"]


def test_small_contributions_are_gathered(ax):
    text = "; ".join(f"X{i} = N(0, 1)" for i in range(5))
    scm = SCM.from_equations(f"{text}; Y = 3*X0 + 2*X1 + X2 + X3 + X4")
    found = intrinsic_causal_influence(scm, "Y", random_state=0)
    plot_attribution(found, ax=ax, n_largest=2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["X0", "X1", "3 others", "total"]
    assert ax.patches[-1].get_width() == pytest.approx(float(found.total))


def test_strengths_start_at_zero_and_have_no_total(scm, ax):
    plot_attribution(arrow_strength(scm, "Y", random_state=0), ax=ax)
    assert [bar.get_x() for bar in ax.patches] == [0, 0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["X", "Z"]


def test_bad_input_is_named(scm, ax):
    rows = scm.sample(3, random_state=0)
    with pytest.raises(UnknownNameError, match="'Q'"):
        plot_mechanism(scm, "Q", ax=ax)
    with pytest.raises(UnknownNameError, match="'Q'"):
        plot_mechanism(scm, "Y", "Q", ax=ax)
    with pytest.raises(DataError, match="no parents"):
        plot_mechanism(scm, "X", ax=ax)
    with pytest.raises(DataError, match="same number of rows"):
        plot_counterfactual_contrast(rows, rows[:2], "Y", ax=ax)
    with pytest.raises(DataError, match="`n_largest`"):
        plot_attribution(arrow_strength(scm, "Y", random_state=0), ax=ax, n_largest=0)
    with pytest.raises(UnknownNameError, match="'Q'"):
        plot_residuals(scm, "Y", rows, "Q", ax=ax)
