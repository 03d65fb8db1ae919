"""The section with the table of sources: the error of each system, with its interval as a chart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from markupsafe import Markup

from align_eval.reporting.html.svg import Plane, figure, line, mark, text, ticks
from align_eval.reporting.numbers import MISSING, score_text, signed
from align_eval.reporting.run_view import (
    ALL,
    CALIBRATED,
    END_BIAS,
    INTERIOR,
    START_BIAS,
    WITHIN,
    Key,
    StratumView,
    SystemView,
)
from align_eval.reporting.terminal.scores import named_align

WIDTH = 260
"""Width of the column of charts, in the units of the drawing."""


def sources_section(stratum: StratumView) -> dict[str, Any]:
    """The table under one kind of reference, a row per system."""
    top_ms = _top_ms(stratum.systems)
    return {
        "reference": stratum.reference,
        "n_words": stratum.n_words,
        "clusters": stratum.clusters,
        "axis": _axis(top_ms),
        "systems": [_row(system, top_ms) for system in stratum.systems],
    }


def _row(system: SystemView, top_ms: float) -> dict[str, Any]:
    return {
        "short": system.label if system.label != system.name else "",
        "source": _breakable(system.source),
        "align": named_align(system.source, system.align),
        "family": system.family,
        "plot": _intervals(system, top_ms),
        "all": score_text(system.rows.get(ALL)),
        "interior": score_text(system.rows.get(INTERIOR)),
        "calibrated": score_text(system.rows.get(CALIBRATED)),
        "within": _value(system, WITHIN),
        "biases": [_value(system, key) for key in (START_BIAS, END_BIAS)],
    }


def _value(system: SystemView, key: Key) -> str:
    """A score without its interval."""
    row = system.rows.get(key)
    if row is None:
        return MISSING
    return f"{row.value:.0%}" if row.unit == "share" else signed(row.value)


def _breakable(spec: str) -> Markup:
    """A spec that browsers may break after a comma, a colon or an equals sign."""
    return Markup("<wbr>").join(re.split(r"(?<=[,:=])", spec))


def _top_ms(systems: Iterable[SystemView]) -> float:
    """Upper end of the scale: outliers beyond it are drawn at the edge."""
    rows = [system.rows.get(key) for system in systems for key in (INTERIOR, CALIBRATED)]
    ends = [row.ci_high or row.value for row in rows if row is not None]
    return max(20.0, min(max(ends), 3 * float(np.median(ends)))) * 1.04 if ends else 100.0


def _plane(top_ms: float, height: int) -> Plane:
    return Plane((0, top_ms), (0, 1), height=height, left=6, right=6, top=0, bottom=0, width=WIDTH)


def _axis(top_ms: float) -> Markup:
    """The scale in the head of the column."""
    plane = _plane(top_ms, 16)
    labels = [
        text(plane.x(v), 12, f"{v:g}", "tick", "start" if v == 0 else "middle")
        for v in ticks(0, top_ms, 4)
        if plane.x(v) < 205
    ]
    return figure(plane, "scale in ms", [*labels, text(254, 12, "ms", "tick", "end")])


def _intervals(system: SystemView, top_ms: float) -> Markup:
    """The interior error with its interval, and below it the calibrated error, thinner."""
    plane = _plane(top_ms, 30)
    parts: list[Markup] = [line((plane.x(v), 0), (plane.x(v), 30), "grid") for v in ticks(0, top_ms, 4)]
    for key, y, size in ((INTERIOR, 11, 4.5), (CALIBRATED, 23, 2.8)):
        row = system.rows.get(key)
        if row is None:
            continue
        if row.ci_low is not None and row.ci_high is not None:
            ends = (plane.x(min(row.ci_low, top_ms)), y), (plane.x(min(row.ci_high, top_ms)), y)
            parts.append(line(*ends, f"ci f-{system.family}{'' if size > 4 else ' thin'}"))
        parts.append(mark(plane.x(min(row.value, top_ms)), y, system.family, size))
    return figure(plane, f"{system.label}: error and interval", parts)
