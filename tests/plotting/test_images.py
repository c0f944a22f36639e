from types import SimpleNamespace

import numpy as np
import pytest

from causalrep.metrics import CounterfactualExample
from causalrep.plotting import counterfactual_panels, plot_counterfactual_grid, plot_losses
from causalrep.utils import DataError, UnknownNameError

pytest.importorskip("matplotlib")

from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def example(channels=3, height=4, width=6, truth=True):
    def flat(level):
        return np.full((channels, height, width), level)

    return CounterfactualExample(
        node="light",
        target=120.0,
        factual=flat(0.1),
        truth=flat(0.6) if truth else None,
        reconstructions={"ours": flat(0.2), "theirs": flat(0.3)},
        predictions={"ours": flat(0.5), "theirs": flat(0.9)},
    )


def test_panels_tell_the_story_in_order():
    panels = counterfactual_panels(example(), ["theirs", "ours"])
    levels = {title: panel.mean() for title, panel in panels.items()}
    assert list(levels) == ["factual", "reconstruction", "theirs", "ours", "truth", "difference"]
    # the difference is that of the first model: |0.9 - 0.6| * 4 > 1, so black
    assert levels == pytest.approx(
        {"factual": 0.1, "reconstruction": 0.3, "theirs": 0.9, "ours": 0.5, "truth": 0.6, "difference": 0.0}
    )


def test_agreement_is_white_and_the_difference_is_amplified():
    assert counterfactual_panels(example())["difference"] == pytest.approx(1 - 4 * 0.1)
    assert counterfactual_panels(example(), gain=2.0)["difference"] == pytest.approx(1 - 2 * 0.1)
    same = example()._replace(truth=np.full((3, 4, 6), 0.5))
    assert counterfactual_panels(same)["difference"] == pytest.approx(1.0)


def test_without_a_truth_there_is_no_difference():
    assert list(counterfactual_panels(example(truth=False))) == ["factual", "reconstruction", "ours"]


def test_unknown_models_are_named():
    with pytest.raises(UnknownNameError, match=r"names 'our', which does not exist .did you mean 'ours'"):
        counterfactual_panels(example(), ["our"])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_panel_stands_under_its_title_and_beside_its_intervention(channels):
    rows = [
        example(channels),
        example(channels)._replace(node="angle", target=-3.25, factual=np.ones((channels, 4, 6))),
    ]
    ax = plot_counterfactual_grid(rows, ["ours", "theirs"])
    picture = np.asarray(ax.get_images()[0].get_array())
    titles = [label.get_text() for label in ax.get_xticklabels()]
    across = dict(zip(titles, ax.get_xticks(), strict=True))
    names = [label.get_text() for label in ax.get_yticklabels()]
    down = dict(zip(names, ax.get_yticks(), strict=True))
    assert titles == ["factual", "reconstruction", "ours", "theirs", "truth", "difference × 4"]
    assert names == ["do(light = 120)", "do(angle = -3.25)"]

    def level(title, name):
        return picture[round(down[name]), round(across[title])]

    assert level("factual", "do(light = 120)") == pytest.approx([0.1, 0.1, 0.1, 1.0])
    assert level("factual", "do(angle = -3.25)") == pytest.approx([1.0, 1.0, 1.0, 1.0])
    assert level("theirs", "do(light = 120)") == pytest.approx([0.9, 0.9, 0.9, 1.0])


def test_colours_are_kept():
    red = np.zeros((3, 4, 6))
    red[0] = 1.0
    ax = plot_counterfactual_grid([example()._replace(factual=red)])
    assert np.asarray(ax.get_images()[0].get_array())[0, 0] == pytest.approx([1.0, 0.0, 0.0, 1.0])


def test_the_grid_is_drawn_on_the_axes_given():
    _, ax = plt.subplots()
    assert plot_counterfactual_grid([example()], ax=ax) is ax


def test_no_examples_are_refused():
    with pytest.raises(DataError, match="at least one example"):
        plot_counterfactual_grid([])


LOG = SimpleNamespace(
    rows=[
        {"stage": "labels", "step": 50, "objective": 1.0, "mse": 1.0},
        {"stage": "labels", "step": 100, "objective": 0.5, "mse": 0.5},
        {"stage": "image", "step": 50, "objective": 0.25, "flow": 0.2},
    ]
)


def test_every_stage_has_its_line():
    ax = plot_losses(LOG)
    lines = {line.get_label(): line.get_xydata().tolist() for line in ax.get_lines()}
    assert lines == {"labels": [[50, 1.0], [100, 0.5]], "image": [[50, 0.25]]}


def test_a_single_loss_is_drawn_where_it_is_known():
    ax = plot_losses(LOG, column="flow")
    assert [line.get_label() for line in ax.get_lines()] == ["image"]
    with pytest.raises(UnknownNameError, match=r"names 'mae'.*'mse'"):
        plot_losses(LOG, column="mae")


def test_a_loss_that_can_be_negative_has_a_linear_scale():
    log = SimpleNamespace(rows=[{"stage": "fit", "step": s, "objective": 1.0 - s} for s in range(3)])
    assert plot_losses(log).get_yscale() == "linear"
    assert plot_losses(LOG).get_yscale() == "log"
