"""The section with the error budget: the waterfall, its steps, and the cells behind it."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from align_eval.findings.budget.cells import ARMS
from align_eval.findings.budget.records import Budget, Injection, Stratum
from align_eval.reporting.budget_sentences import added_to, injection_sentences, moved_text
from align_eval.reporting.charts.waterfall import LABELS, STEPS, Bar, Cost, Waterfall, waterfall
from align_eval.reporting.html.svg import Plane, axes, box, figure, line, text
from align_eval.reporting.numbers import figure_text
from align_eval.reporting.reference_order import by_trust
from align_eval.reporting.run_view import RunView
from align_eval.reporting.terminal.scores import clusters_label, floors_ms
from align_eval.run_record import Figure
from align_eval.signature import signature_line

HALF = 0.36
"""Half the width of a bar; bars are 1 apart."""


def budget_section(view: RunView, budget: Budget | None) -> dict[str, Any] | None:
    """A waterfall with its tables for each kind of reference and token unit; None without a budget."""
    if budget is None:
        return None
    floors = floors_ms(view.run)
    return {
        "signature": signature_line(budget.finding, budget.signature),
        "left_out": budget.left_out,
        "arms": ARMS,
        "parts": [
            {
                "title": f"{s.reference} reference, {s.unit}: {s.n_boundaries} boundaries, "
                + clusters_label(s.clusters, s.n_clusters, s.n_effective_clusters),
                "chart": _draw(waterfall(s, floors.get(s.reference))),
                "cells": [
                    [
                        cell.preparation,
                        cell.path,
                        *(figure_text(cell.arms[arm]) for arm in ARMS),
                        figure_text(cell.difference, sign=True),
                    ]
                    for cell in s.cells
                ],
                "steps": _steps(s),
                "injection": _injection(s.injection),
                "sentences": list(injection_sentences(s)),
            }
            for s in sorted(budget.strata, key=lambda s: by_trust(s.reference))
        ],
    }


def _steps(stratum: Stratum) -> list[list[str]]:
    return [
        ["Whisper's heads, DTW", figure_text(stratum.start)],
        *([LABELS[step].replace("\n", " "), figure_text(_change(stratum.shapley[step]), sign=True)] for step in STEPS),
        ["all steps", figure_text(stratum.end)],
    ]


def _injection(injection: Injection | None) -> list[list[str]]:
    """One row per arm: error, error minus that with the saliency, the same calibrated, and boundaries moved."""
    rows = []
    for name, arm in injection.arms.items() if injection is not None else ():
        over = (arm.over_saliency, arm.calibrated_over_saliency)
        raw, calibrated = ("" if figure is None else figure_text(figure, sign=True) for figure in over)
        rows.append(
            [added_to(name), figure_text(arm.error), raw, figure_text(arm.calibrated), calibrated, moved_text(arm)]
        )
    return rows


def _change(share: Figure) -> Figure:
    """The change of the error by a Shapley share: negative if the share is positive."""
    if share.ci_low is None or share.ci_high is None:
        return Figure(-share.value, None, None)
    return Figure(-share.value, -share.ci_high, -share.ci_low)


def _draw(chart: Waterfall) -> Markup:
    plane = _plane(chart)
    right = plane.width - plane.right
    parts = [axes(plane, y_label="error of interior boundaries, ms", x_ticks=[])]
    if chart.floor_ms is not None:
        y = plane.y(chart.floor_ms)
        parts += [line((plane.left, y), (right, y), "floor"), text(right, y - 4, "between references", "tick", "end")]
    for position, bar in enumerate(chart.bars):
        if position:
            parts.append(_join(plane, position, bar))
        parts += _bar(plane, position, bar)
    for position, cost in enumerate(chart.costs, start=len(chart.bars)):
        parts += _cost(plane, position, cost)
    divider = plane.x(len(chart.bars) - 0.5)
    parts.append(line((divider, plane.top), (divider, plane.height - plane.bottom), "join"))
    for position, label in enumerate(chart.labels):
        words = enumerate(label.split())
        parts += [text(plane.x(position), plane.height - 40 + 12 * i, word, "small") for i, word in words]
    if plane.y_range[0] < 0:
        parts.append(line((plane.left, plane.y(0)), (right, plane.y(0)), "axis"))
    return figure(plane, "Waterfall of the error budget; the table below has its values", parts)


def _plane(chart: Waterfall) -> Plane:
    ends_ms = [0.0]
    for bar in chart.bars:
        ends_ms += [bar.start_ms, bar.end_ms, *(bar.interval_ms or ())]
    for cost in chart.costs:
        ends_ms += [cost.value_ms, *(cost.interval_ms or ())]
    y_range = (min(ends_ms) * 1.1, max(ends_ms) * 1.12)
    return Plane((-0.6, len(chart.labels) - 0.4), y_range, height=320, bottom=58)


def _join(plane: Plane, position: int, bar: Bar) -> Markup:
    """The line from the bar before: at the start of a step, at the top of a total."""
    y = plane.y(bar.end_ms if bar.kind == "total" else bar.start_ms)
    return line((plane.x(position - 1 + HALF), y), (plane.x(position - HALF), y), "join")


def _bar(plane: Plane, position: int, bar: Bar) -> list[Markup]:
    x, left = plane.x(position), plane.x(position - HALF)
    top, bottom = (plane.y(end(bar.start_ms, bar.end_ms)) for end in (max, min))
    parts = [box(left, top, plane.x(position + HALF) - left, bottom - top, f"bar-{bar.kind}")]
    if bar.interval_ms is not None:
        low, high = (plane.y(value) for value in bar.interval_ms)
        parts.append(line((x, low), (x, high), "whisker"))
        top = min(top, low, high)
    return [*parts, text(x, top - 5, bar.text, "value")]


def _cost(plane: Plane, position: int, cost: Cost) -> list[Markup]:
    x, y = plane.x(position), plane.y(cost.value_ms)
    parts, top = [], y - 5
    if cost.interval_ms is not None:
        low, high = (plane.y(value) for value in cost.interval_ms)
        parts.append(line((x, low), (x, high), "ci cost"))
        top = min(top, low, high)
    return [*parts, box(x - 5, y - 5, 10, 10, "cost-mark"), text(x, top - 5, cost.text, "value")]
