"""How signed errors are spread: a histogram a system, starts upwards and ends downwards, on one scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from align_eval.reporting.html.svg import WIDTH, Plane, box, figure, line, signed, text
from align_eval.reporting.view import END_BIAS, START_BIAS, Key, SystemView
from align_eval.scoring.boundaries import Floats
from align_eval.units import MS_PER_S

BIN_MS = 30.0
"""One bin is centred at 0, and no edge is a multiple of 10 ms, which most errors are: each bin has three of those."""

SPAN_MS = 300.0
"""Signed errors beyond are in the bins at the edges."""

EDGES_MS = np.arange(-SPAN_MS - BIN_MS / 2, SPAN_MS + BIN_MS, BIN_MS)
HALF = 20.0
"""Height of the tallest bar within the span, in the units of the drawing; those at the edges are cut there."""

LONGEST_LABEL = 62
STEP = 70.0
FOOT = 40
TICKS_MS = (-300, -200, -100, 0, 100, 200, 300)


def bin_shares(errors_s: Floats) -> Floats:
    """Share of the errors in each bin, those beyond the span in the bins at the edges; zeros where there are none."""
    known = errors_s[np.isfinite(errors_s)] * MS_PER_S
    if not len(known):
        return np.zeros(len(EDGES_MS) - 1)
    counts, _ = np.histogram(np.clip(known, -SPAN_MS, SPAN_MS), EDGES_MS)
    return np.asarray(counts / len(known))


def histograms(systems: Sequence[SystemView]) -> Markup:
    """Signed errors of starts and ends, a line a system, with their medians and mean biases."""
    sides = [[(system.starts_s, START_BIAS, -1, ""), (system.ends_s, END_BIAS, 1, " hollow")] for system in systems]
    shares = [[bin_shares(errors_s) for errors_s, *_ in of_system] for of_system in sides]
    tallest = max((float(of_side[1:-1].max()) for of_system in shares for of_side in of_system), default=0.0) or 1.0
    edge = SPAN_MS + BIN_MS / 2
    plane = Plane(
        (-edge, edge), (0, 1), height=round(STEP * len(systems)) + FOOT, left=10, right=10, top=0, bottom=FOOT
    )
    floor = plane.height - FOOT + 4
    parts = [line((plane.x(v), 18), (plane.x(v), floor), "axis" if v == 0 else "grid") for v in TICKS_MS]
    for i, system in enumerate(systems):
        base = STEP * i + 24 + HALF
        parts.append(text(plane.left, STEP * i + 13, _short(system.label), "name", "start"))
        parts.append(line((plane.left, base), (plane.width - plane.right, base), "grid"))
        for (errors_s, key, side, kind), of_side in zip(sides[i], shares[i], strict=True):
            which = "starts" if side < 0 else "ends"
            classes = f"strip f-{system.family}{kind}"
            for low, share in zip(EDGES_MS, of_side, strict=False):
                if share:
                    x, wide = plane.x(low), plane.x(low + BIN_MS) - plane.x(low)
                    tall = HALF * min(1.0, float(share) / tallest)
                    title = f"{system.label}, {which}, {_bin_name(low)}: {share:.0%}"
                    parts.append(box(x + 0.5, base - tall if side < 0 else base, wide - 1, tall, classes, title))
            parts += _middle(plane, system, errors_s, key, base, side)
    parts += [text(plane.x(v), floor + 14, signed(v), "tick") for v in TICKS_MS]
    parts.append(text(plane.left, floor + 32, "← too early", "label", "start"))
    parts.append(text(WIDTH / 2, floor + 32, "signed error, ms", "label"))
    parts.append(text(plane.width - plane.right, floor + 32, "too late →", "label", "end"))
    return figure(plane, "Histograms of signed errors; the table has medians, spans and mean biases", parts)


def _middle(plane: Plane, system: SystemView, errors_s: Floats, key: Key, base: float, side: int) -> list[Markup]:
    """The median as a line, the mean bias as a triangle at the outer edge."""
    known = errors_s[np.isfinite(errors_s)]
    if not len(known):
        return []
    median = plane.x(float(np.clip(np.median(known) * MS_PER_S, -SPAN_MS, SPAN_MS)))
    parts = [line((median, base), (median, base + side * HALF), "median")]
    row = system.rows.get(key)
    if row is not None:
        x = plane.x(min(max(row.value, -SPAN_MS), SPAN_MS))
        parts.append(Markup('<path d="M{:g} {:g}l3.5 {:g}h-7z" class="bias"/>').format(x, base + side * HALF, side * 6))
    return parts


def _short(label: str) -> str:
    """A label that fits the drawing; the legend beside it has all of it."""
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def _bin_name(low_ms: float) -> str:
    """What a bin holds, in words."""
    middle = low_ms + BIN_MS / 2
    if abs(middle) >= SPAN_MS:
        return f"{'before' if middle < 0 else 'after'} {signed(middle - np.sign(middle) * BIN_MS / 2)} ms"
    return f"{signed(low_ms)} to {signed(low_ms + BIN_MS)} ms"
