"""The waterfall of the error budget as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from align_eval.findings.budget.records import Budget, Stratum
from align_eval.reporting.charts.waterfall import Bar, Cost, Waterfall, waterfall
from align_eval.reporting.figures.save import png
from align_eval.reporting.figures.style import INK
from align_eval.reporting.numbers import interval_text
from align_eval.reporting.terminal.scores import clusters_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR_COLOURS = {"total": INK, "gain": "#2b7bba", "loss": "#c44e52"}
COST, FLOOR = "#e6a400", "#999999"
WIDTH = 0.7
"""Width of a bar; bars are 1 apart."""


def budget_png(budget: Budget, floors_ms: Mapping[str, float] | None = None) -> bytes:
    """Draw a waterfall for every kind of reference and token unit, side by side, as PNG.

    Parameters
    ----------
    floors_ms
        Disagreement of two references in ms, by kind of reference. It is drawn as a line, below which no system is
        better than another.
    """
    return png(budget_figure(budget, floors_ms))


def budget_figure(budget: Budget, floors_ms: Mapping[str, float] | None = None) -> Figure:
    """Make the figure that :func:`budget_png` draws."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(6.2 * len(budget.strata), 4.6), layout="constrained")
    axes = picture.subplots(1, len(budget.strata), sharey=True, squeeze=False)[0]
    for axis, stratum in zip(axes, budget.strata, strict=True):
        _waterfall(axis, waterfall(stratum, (floors_ms or {}).get(stratum.reference)))
        axis.set_title(_title(stratum), fontsize=9)
    axes[0].set_ylabel("mean absolute error of interior word boundaries, ms")
    s = budget.signature
    picture.suptitle(f"{s['model']} on {s['corpus']}, run {s['id']}: Shapley shares", fontsize=10)
    return picture


def _title(stratum: Stratum) -> str:
    return f"{stratum.reference} reference, {stratum.unit}\n" + clusters_label(
        stratum.clusters, stratum.n_clusters, stratum.n_effective_clusters
    )


def _waterfall(axis: Axes, chart: Waterfall) -> None:
    for position, bar in enumerate(chart.bars):
        _bar(axis, position, bar)
    for position, cost in enumerate(chart.costs, start=len(chart.bars)):
        _cost(axis, position, cost)
    if chart.floor_ms is not None:
        axis.axhline(chart.floor_ms, color=FLOOR, linewidth=1, linestyle="--")
        axis.annotate("between references", (1.1, chart.floor_ms), va="bottom", fontsize=7, color=INK)
    axis.axhline(0, color=INK, linewidth=0.6)
    axis.use_sticky_edges = False  # a bar below its start would otherwise fix the upper limit at its top
    axis.margins(y=0.12)
    axis.set_xticks(range(len(chart.labels)), chart.labels, fontsize=7)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _bar(axis: Axes, position: int, bar: Bar) -> None:
    axis.bar(position, bar.end_ms - bar.start_ms, bottom=bar.start_ms, color=BAR_COLOURS[bar.kind], width=WIDTH)
    top_ms, text = max(bar.start_ms, bar.end_ms), bar.text
    if bar.kind == "total":
        text += "" if bar.interval_ms is None else "\n" + interval_text(*bar.interval_ms, 0).strip()
    else:
        axis.plot([position - 1 - WIDTH / 2, position + WIDTH / 2], [bar.start_ms] * 2, color=INK, linewidth=0.6)
        if bar.interval_ms is not None:
            axis.plot([position] * 2, bar.interval_ms, color="black", linewidth=1)
            top_ms = max(top_ms, *bar.interval_ms)
    axis.annotate(text, (position, top_ms), ha="center", va="bottom", fontsize=8)


def _cost(axis: Axes, position: int, cost: Cost) -> None:
    if cost.interval_ms is not None:
        axis.plot([position] * 2, cost.interval_ms, color=COST, marker="_", markersize=9)
    axis.plot(position, cost.value_ms, color=COST, marker="D")
    axis.annotate(cost.text, (position, cost.value_ms), xytext=(7, 4), textcoords="offset points", fontsize=8)
