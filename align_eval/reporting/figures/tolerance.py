"""Share of boundaries within a tolerance as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from align_eval.reporting.charts.curves import TOLERANCES_MS, dash_of, shares_within
from align_eval.reporting.figures.style import COLOURS, DASHES
from align_eval.reporting.run_view import StratumView

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tolerance_figure(strata: Sequence[StratumView]) -> Figure:
    """Draw one panel per kind of reference, with one curve per source."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(3.6 * len(strata), 4.2), layout="constrained")
    axes = picture.subplots(1, len(strata), sharey=True, squeeze=False)[0]
    for axis, stratum in zip(axes, strata, strict=True):
        systems = stratum.best_per_source
        for i, system in enumerate(systems):
            style = DASHES[dash_of(systems, i)]
            percent = 100 * shares_within(system)
            axis.plot(TOLERANCES_MS, percent, style, color=COLOURS[system.family], label=system.label, linewidth=1.2)
        axis.set_title(f"{stratum.reference} reference, {stratum.n_words} words", fontsize=8)
        axis.set_xlabel("tolerance, ms", fontsize=8)
        axis.set_xlim(0, TOLERANCES_MS[-1])
        axis.set_ylim(0, 100)
        axis.grid(linewidth=0.3)
        axis.tick_params(labelsize=7)
        axis.legend(fontsize=5, loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)
    axes[0].set_ylabel("interior boundaries within, %", fontsize=8)
    return picture
