"""Pictures of graphs, effects, counterfactual images and trainings; the only importer of matplotlib."""

from __future__ import annotations

from causalrep.plotting._designs import (
    plot_event_study,
    plot_regression_discontinuity,
    plot_synthetic_control,
)
from causalrep.plotting._effects import plot_cate, plot_effects, plot_qini
from causalrep.plotting._export import to_png, to_svg
from causalrep.plotting._graph import plot_graph
from causalrep.plotting._images import counterfactual_panels, plot_counterfactual_grid, plot_losses
from causalrep.plotting._mechanisms import (
    plot_attribution,
    plot_counterfactual_contrast,
    plot_mechanism,
    plot_residuals,
)
from causalrep.plotting._overlap import plot_balance, plot_overlap

__all__ = [
    "counterfactual_panels",
    "plot_attribution",
    "plot_cate",
    "plot_counterfactual_contrast",
    "plot_counterfactual_grid",
    "plot_effects",
    "plot_event_study",
    "plot_graph",
    "plot_losses",
    "plot_mechanism",
    "plot_qini",
    "plot_regression_discontinuity",
    "plot_residuals",
    "plot_synthetic_control",
    "to_png",
    "to_svg",
    "plot_balance",
    "plot_overlap",
]
