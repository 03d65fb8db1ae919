"""Error and agreement of every head as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from align_eval.findings.heads.records import HeadStratum
from align_eval.reporting.charts.head_map import HeadMap, searched_maps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = 0.36
"""Size of a cell in inches."""


def heads_figure(stratum: HeadStratum) -> Figure:
    """Draw the two heat maps of a head search side by side."""
    from matplotlib.figure import Figure

    charts = searched_maps(stratum)
    size = (2 * (1.3 + CELL * charts[0].n_heads), 1.2 + CELL * charts[0].n_layers)
    picture = Figure(figsize=size, layout="constrained")
    axes = picture.subplots(1, len(charts))
    for axis, chart in zip(axes, charts, strict=True):
        _heat_map(axis, chart)
    axes[0].set_ylabel("layer", fontsize=7)
    picture.suptitle(f"{stratum.reference} reference, {stratum.n_boundaries} boundaries", fontsize=8)
    return picture


def _heat_map(axis: Axes, chart: HeadMap) -> None:
    strengths = np.full((chart.n_layers, chart.n_heads), np.nan)
    for cell in chart.cells:
        strengths[cell.layer, cell.head] = cell.strength
        text, colour = f"{cell.value:.{chart.digits}f}", "white" if cell.dark else "black"
        axis.text(cell.head, cell.layer, text, ha="center", va="center", fontsize=5, color=colour)
    axis.imshow(strengths, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    axis.set_xticks(range(chart.n_heads))
    axis.set_yticks(range(chart.n_layers))
    axis.tick_params(labelsize=6, length=0)
    axis.set_xlabel("head", fontsize=7)
    axis.set_title(chart.label, fontsize=8)
