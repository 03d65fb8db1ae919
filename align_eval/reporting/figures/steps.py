"""The steps of an answer as a figure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from align_eval.reporting.answer_sentences import question, sentence
from align_eval.reporting.charts.steps import ERROR_LABEL, FLOOR_LABEL, Steps, steps_chart
from align_eval.reporting.figures.style import COLOURS, INK
from align_eval.run_record import Answer, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE_WIDTH = 72
"""Characters in a line of the title, which has the question and the answer."""


def steps_figure(answers: Sequence[Answer], run: Run) -> Figure:
    """Draw one panel per answer, one below the other, with its question and sentence as the title."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(6.4, 2.9 * len(answers)), layout="constrained")
    panels = picture.subplots(len(answers), 1, sharex=True, squeeze=False)[:, 0]
    for panel, answer in zip(panels, answers, strict=True):
        _draw(panel, steps_chart(answer))
        text = "\n".join(textwrap.fill(part, TITLE_WIDTH) for part in (question(answer, run), sentence(answer)))
        panel.set_title(text, fontsize=7, loc="left")
    panels[-1].set_xlabel(ERROR_LABEL, fontsize=8)
    return picture


def _draw(panel: Axes, chart: Steps) -> None:
    for position, bar in enumerate(chart.bars):
        panel.barh(position, bar.error_ms, color=COLOURS[bar.family], height=0.6)
        end_ms = bar.error_ms
        if bar.interval_ms is not None:
            panel.plot(bar.interval_ms, [position] * 2, color="black", linewidth=1, marker="|", markersize=5)
            end_ms = max(end_ms, bar.interval_ms[1])
        panel.annotate(bar.text, (end_ms, position), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7)
    if chart.floor_ms is not None:
        panel.axvline(chart.floor_ms, color=COLOURS["reference"], linewidth=1, linestyle="--", label=FLOOR_LABEL)
        panel.legend(fontsize=6, frameon=False, loc="lower right")
    panel.set_yticks(range(len(chart.bars)), [bar.label for bar in chart.bars], fontsize=7, color=INK)
    panel.tick_params(axis="x", labelsize=7)
    panel.invert_yaxis()
    panel.set_xlim(0, 1.35 * chart.longest_ms)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
