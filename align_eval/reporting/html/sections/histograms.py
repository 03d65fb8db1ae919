"""Histograms of signed errors: one per system, starts upwards and ends downwards, on one scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from align_eval.reporting.html.svg import WIDTH, Plane, box, figure, line, text
from align_eval.reporting.numbers import signed
from align_eval.reporting.run_view import END_BIAS, START_BIAS, Key, SystemView
from align_eval.scoring.boundaries import Floats
from align_eval.units import MS_PER_S

BIN_MS = 30.0
"""Width of a bin; one is centred at 0. Most errors are multiples of 10 ms: each bin holds three, and no edge is one."""

SPAN_MS = 300.0
"""Larger errors are counted in the bins at the edges."""

EDGES_MS = np.arange(-SPAN_MS - BIN_MS / 2, SPAN_MS + BIN_MS, BIN_MS)
HALF = 20.0
"""Height of the tallest bar within the span, in the units of the drawing. Bars at the edges are cut to it."""

LONGEST_LABEL = 62
STEP = 70.0
FOOT = 40
TICKS_MS = (-300, -200, -100, 0, 100, 200, 300)


def bin_shares(errors_s: Floats) -> Floats:
    """Share of the errors in each bin.

    Parameters
    ----------
    errors_s
        Signed errors, ``float64[n_boundaries]``, in seconds; NaN is not counted.

    Returns
    -------
    float64[n_bins]
        Shares that sum to 1; zeros without errors.
    """
    errors_ms = errors_s[np.isfinite(errors_s)] * MS_PER_S
    if not len(errors_ms):
        return np.zeros(len(EDGES_MS) - 1)
    counts, _ = np.histogram(np.clip(errors_ms, -SPAN_MS, SPAN_MS), EDGES_MS)
    return np.asarray(counts / len(errors_ms))


def histograms(systems: Sequence[SystemView]) -> Markup:
    """Draw the signed errors of starts and ends with their medians and mean biases, one row per system."""
    shares = [(bin_shares(system.starts_s), bin_shares(system.ends_s)) for system in systems]
    tallest = max((float(side[1:-1].max()) for sides in shares for side in sides), default=0.0) or 1.0
    edge = SPAN_MS + BIN_MS / 2
    height = round(STEP * len(systems)) + FOOT
    plane = Plane((-edge, edge), (0, 1), height=height, left=10, right=10, top=0, bottom=FOOT)
    floor = plane.height - FOOT + 4
    parts = [line((plane.x(v), 18), (plane.x(v), floor), "axis" if v == 0 else "grid") for v in TICKS_MS]
    for i, (system, (starts, ends)) in enumerate(zip(systems, shares, strict=True)):
        base = STEP * i + 24 + HALF
        parts.append(text(plane.left, STEP * i + 13, _short(system.label), "name", "start"))
        parts.append(line((plane.left, base), (plane.width - plane.right, base), "grid"))
        parts += _bars(plane, system, starts / tallest, starts, base, -1)
        parts += _middle(plane, system, system.starts_s, START_BIAS, base, -1)
        parts += _bars(plane, system, ends / tallest, ends, base, 1)
        parts += _middle(plane, system, system.ends_s, END_BIAS, base, 1)
    parts += [text(plane.x(v), floor + 14, signed(v), "tick") for v in TICKS_MS]
    parts.append(text(plane.left, floor + 32, "← too early", "label", "start"))
    parts.append(text(WIDTH / 2, floor + 32, "signed error, ms", "label"))
    parts.append(text(plane.width - plane.right, floor + 32, "too late →", "label", "end"))
    return figure(plane, "Histograms of signed errors; the table has medians, spans and mean biases", parts)


def _bars(plane: Plane, system: SystemView, heights: Floats, shares: Floats, base: float, side: int) -> list[Markup]:
    """The bars of one side of a base line: -1 is upwards, for starts; 1 is downwards, for ends."""
    edge = "starts" if side < 0 else "ends"
    classes = f"strip f-{system.family}{'' if side < 0 else ' hollow'}"
    bars = []
    for low_ms, height, share in zip(EDGES_MS, heights, shares, strict=False):
        if share:
            x, width = plane.x(low_ms), plane.x(low_ms + BIN_MS) - plane.x(low_ms)
            tall = HALF * min(1.0, float(height))
            title = f"{system.label}, {edge}, {_bin_name(low_ms)}: {share:.0%}"
            bars.append(box(x + 0.5, base - tall if side < 0 else base, width - 1, tall, classes, title))
    return bars


def _middle(plane: Plane, system: SystemView, errors_s: Floats, key: Key, base: float, side: int) -> list[Markup]:
    """The median as a line, and the mean bias as a triangle at the outer edge."""
    errors_s = errors_s[np.isfinite(errors_s)]
    if not len(errors_s):
        return []
    median = plane.x(float(np.clip(np.median(errors_s) * MS_PER_S, -SPAN_MS, SPAN_MS)))
    parts = [line((median, base), (median, base + side * HALF), "median")]
    row = system.rows.get(key)
    if row is not None:
        x = plane.x(min(max(row.value, -SPAN_MS), SPAN_MS))
        parts.append(Markup('<path d="M{:g} {:g}l3.5 {:g}h-7z" class="bias"/>').format(x, base + side * HALF, side * 6))
    return parts


def _short(label: str) -> str:
    """A label that fits the drawing; the table below has the whole label."""
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def _bin_name(low_ms: float) -> str:
    """The range of a bin in words."""
    middle = low_ms + BIN_MS / 2
    if abs(middle) >= SPAN_MS:
        return f"{'before' if middle < 0 else 'after'} {signed(middle - np.sign(middle) * BIN_MS / 2)} ms"
    return f"{signed(low_ms)} to {signed(low_ms + BIN_MS)} ms"
