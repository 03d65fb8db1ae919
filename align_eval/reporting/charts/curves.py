"""Contents of the line charts: share of boundaries within a tolerance, and error over time in the recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from align_eval.findings.drift import Boundary, Drift
from align_eval.reporting.run_view import SystemView
from align_eval.scoring.boundaries import Floats
from align_eval.scoring.curves import share_within

TOLERANCES_MS = np.arange(0.0, 301.0, 5.0)
"""Tolerances at which curves are drawn."""

N_DASHES = 4

MINUTES_LABEL = "time in the recording, minutes"
MEDIAN_LABEL = "median signed error, ms"


def shares_within(system: SystemView) -> Floats:
    """Share of the interior boundaries within each tolerance, ``float64[n_tolerances]``; NaN without boundaries."""
    return share_within(np.concatenate([system.starts_s, system.ends_s]), TOLERANCES_MS)


def dash_of(systems: Sequence[SystemView], i: int) -> int:
    """Number of the dash pattern of a system, so that systems of one colour differ."""
    return sum(system.family == systems[i].family for system in systems[:i]) % N_DASHES


def median_errors(drift: Drift, reference: str) -> dict[tuple[str, str, Boundary], tuple[list[float], list[float]]]:
    """Lines of the drift chart under one kind of reference.

    Returns
    -------
    dict
        By source, alignment and boundary: the middles of the minutes, and the median signed errors in ms.
    """
    lines: dict[tuple[str, str, Boundary], tuple[list[float], list[float]]] = {}
    for minute in drift.minutes:
        if minute.reference == reference:
            middles, medians = lines.setdefault((minute.source, minute.align, minute.boundary), ([], []))
            middles.append(minute.minute + 0.5)
            medians.append(minute.median_ms)
    return lines
