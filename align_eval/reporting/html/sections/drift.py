"""The section with errors over time in the recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from align_eval.findings.drift import Drift
from align_eval.reporting.charts.curves import MEDIAN_LABEL, MINUTES_LABEL, median_errors
from align_eval.reporting.findings import is_long
from align_eval.reporting.html.legend import legend
from align_eval.reporting.html.svg import Plane, axes, figure, line, mark, path
from align_eval.reporting.numbers import number_text
from align_eval.reporting.run_view import StratumView

DASHES = {"start": 0, "end": 1}


def drift_section(strata: Sequence[StratumView], drift: Drift | None) -> list[dict[str, Any]]:
    """A chart with its slopes for each kind of reference; empty if drift was not measured or recordings are short."""
    if drift is None or not is_long(drift):
        return []
    return [
        {
            "reference": stratum.reference,
            "chart": _draw(drift, stratum),
            "legend": legend(stratum.best_per_source),
            "rows": _slopes(drift, stratum),
        }
        for stratum in strata
    ]


def _slopes(drift: Drift, stratum: StratumView) -> list[list[str]]:
    rows = []
    for row in drift.rows:
        if row.reference == stratum.reference:
            slope = number_text(row.slope_ms_per_min, row.ci_low, row.ci_high, 2, signed=True)
            rows.append([f"{row.source} | {row.align}", f"{row.boundary}s", slope])
    return rows


def _draw(drift: Drift, stratum: StratumView) -> Markup:
    """Median signed error of every minute: starts solid, ends dashed."""
    lines = median_errors(drift, stratum.reference)
    shown = [
        (system, boundary, *lines[system.source, system.align, boundary])
        for system in stratum.best_per_source
        for boundary in ("start", "end")
        if (system.source, system.align, boundary) in lines
    ]
    if not shown:
        return Markup("")
    last = max(minute for _, _, minutes, _ in shown for minute in minutes) + 0.5
    medians_ms = [median_ms for *_, medians in shown for median_ms in medians]
    y_range = (min(0, *medians_ms) * 1.1 - 5, max(0, *medians_ms) * 1.1 + 5)
    plane = Plane((0, last), y_range, height=280, width=560)
    parts = [axes(plane, MINUTES_LABEL, MEDIAN_LABEL)]
    parts.append(line((plane.left, plane.y(0)), (plane.width - plane.right, plane.y(0)), "axis"))
    for system, boundary, minutes, medians in shown:
        points = [(plane.x(minute), plane.y(median)) for minute, median in zip(minutes, medians, strict=True)]
        parts.append(path(points, f"curve f-{system.family} dash-{DASHES[boundary]}"))
        parts += [mark(x, y, system.family, 2.4, f"{system.label}, {boundary}s") for x, y in points]
    return figure(plane, "Median signed error of every minute of the recordings", parts)
