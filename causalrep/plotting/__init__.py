"""Pictures of graphs, of counterfactual images and of trainings; the only importer of matplotlib."""

from __future__ import annotations

from causalrep.plotting._images import counterfactual_panels, plot_counterfactual_grid, plot_losses
from causalrep.plotting._svg import to_svg

__all__ = ["counterfactual_panels", "plot_counterfactual_grid", "plot_losses", "to_svg"]
