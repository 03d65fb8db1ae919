"""The section with distributions of errors: histograms, and the share of boundaries within a tolerance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from align_eval.reporting.charts.curves import TOLERANCES_MS, dash_of, shares_within
from align_eval.reporting.html.legend import legend
from align_eval.reporting.html.sections.histograms import histograms
from align_eval.reporting.html.svg import Plane, axes, figure, mark, path
from align_eval.reporting.numbers import MISSING, signed
from align_eval.reporting.run_view import StratumView, SystemView
from align_eval.scoring.curves import quantiles_ms
from align_eval.scoring.metrics import TOLERANCES_MS as SCORED_MS


def errors_section(stratum: StratumView) -> dict[str, Any]:
    """Charts and tables under one kind of reference, for the best system of each source."""
    systems = stratum.best_per_source
    return {
        "histograms": histograms(systems),
        "curves": _curves(systems),
        "legend": legend(systems),
        "spread": [_spread(system) for system in systems],
        "within": [_within(system) for system in systems],
    }


def _spread(system: SystemView) -> list[str]:
    """Median and 5 to 95 % of the signed errors of starts, then of ends."""
    cells = [system.label]
    for errors_s in (system.starts_s, system.ends_s):
        low, median, high = quantiles_ms(errors_s, (0.05, 0.5, 0.95))
        finite = np.isfinite(median)
        cells += [signed(median), f"{signed(low)} to {signed(high)}"] if finite else [MISSING, MISSING]
    return cells


def _within(system: SystemView) -> list[str]:
    """Shares within the tolerances that are scored."""
    keys = [("interior", "none", f"within_{ms}ms") for ms in SCORED_MS]
    return [system.label, *(f"{system.rows[key].value:.0%}" if key in system.rows else MISSING for key in keys)]


def _curves(systems: Sequence[SystemView]) -> Markup:
    """Share of interior boundaries within each tolerance; the dots are score rows."""
    plane = Plane((0, float(TOLERANCES_MS[-1])), (0, 1), height=300, left=58)
    percent = [(v, f"{v:.0%}") for v in (0, 0.25, 0.5, 0.75, 1)]
    parts = [axes(plane, "tolerance, ms", "share of boundaries within", y_ticks=percent)]
    for i, system in enumerate(systems):
        shares = shares_within(system)
        if np.isfinite(shares).all():
            points = [(plane.x(float(x)), plane.y(float(y))) for x, y in zip(TOLERANCES_MS, shares, strict=True)]
            parts.append(path(points, f"curve f-{system.family} dash-{dash_of(systems, i)}"))
            parts += _dots(plane, system)
    return figure(plane, "Share of boundaries within a tolerance; the table has the values", parts)


def _dots(plane: Plane, system: SystemView) -> list[Markup]:
    dots = []
    for (boundaries, calibration, metric), row in system.rows.items():
        if (boundaries, calibration) == ("interior", "none") and metric.startswith("within_"):
            ms = float(metric.removeprefix("within_").removesuffix("ms")) if metric.endswith("ms") else math.nan
            if ms <= TOLERANCES_MS[-1]:
                title = f"{system.label}: {row.value:.1%} within {ms:g} ms"
                dots.append(mark(plane.x(ms), plane.y(row.value), system.family, 2.6, title))
    return dots
