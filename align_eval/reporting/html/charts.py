"""The charts of the page. Each takes records and returns SVG markup; the values stand in tables beside them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from align_eval.findings.budget.records import Figure, Stratum
from align_eval.findings.drift import Drift
from align_eval.reporting.figures.waterfall import LABELS, STEPS
from align_eval.reporting.html.svg import WIDTH, Plane, axes, box, figure, join, line, mark, path, signed, text, ticks
from align_eval.reporting.view import CALIBRATED, INTERIOR, Key, StratumView, SystemView
from align_eval.scoring.boundaries import Floats
from align_eval.scoring.curves import share_within

CURVE_MS = np.arange(0.0, 301.0, 5.0)
"""Tolerances that curves are drawn at."""

HALF = 0.36
"""Half the width of a bar, bars being 1 apart."""


def interval_plot(system: SystemView, top_ms: float, keys: Sequence[Key] = (INTERIOR, CALIBRATED)) -> Markup:
    """One row of the table of sources: the error with its interval, and under it the calibrated one, thinner."""
    plane = Plane((0, top_ms), (0, 1), height=30, left=6, right=6, top=0, bottom=0, width=260)
    parts: list[Markup] = [line((plane.x(v), 0), (plane.x(v), 30), "grid") for v in ticks(0, top_ms, 4)]
    for key, y, size in zip(keys, (11, 23), (4.5, 2.8), strict=False):
        row = system.rows.get(key)
        if row is None:
            continue
        if row.ci_low is not None and row.ci_high is not None:
            ends = (plane.x(min(row.ci_low, top_ms)), y), (plane.x(min(row.ci_high, top_ms)), y)
            parts.append(line(*ends, f"ci f-{system.family}{'' if size > 4 else ' thin'}"))
        parts.append(mark(plane.x(min(row.value, top_ms)), y, system.family, size))
    return figure(plane, f"{system.label}: error and interval", parts)


def interval_axis(top_ms: float) -> Markup:
    """The scale above that column."""
    plane = Plane((0, top_ms), (0, 1), height=16, left=6, right=6, top=0, bottom=0, width=260)
    labels = [
        text(plane.x(v), 12, f"{v:g}", "tick", "start" if v == 0 else "middle")
        for v in ticks(0, top_ms, 4)
        if plane.x(v) < 205
    ]
    return figure(plane, "scale in ms", [*labels, text(254, 12, "ms", "tick", "end")])


def waterfall(stratum: Stratum, floor_ms: float | None = None) -> Markup:
    """The error budget, from Whisper's own way down, and the price of incompleteness."""
    bars = _bars(stratum)
    prices = [("price,\nall heads", stratum.injection.cost), ("price,\nupper half", stratum.injection_upper.cost)]
    ends = [0.0, *(value for bar in bars for value in (bar.low, bar.high, *bar.interval))]
    ends += [value for _, cost in prices for value in (cost.value, *_ends(cost))]
    n = len(bars) + len(prices)
    plane = Plane((-0.6, n - 0.4), (min(ends) * 1.1, max(ends) * 1.12), height=320, bottom=58)
    right = plane.width - plane.right
    parts = [axes(plane, y_label="error of interior boundaries, ms", x_ticks=[])]
    if floor_ms is not None:
        parts.append(line((plane.left, plane.y(floor_ms)), (right, plane.y(floor_ms)), "floor"))
        parts.append(text(right, plane.y(floor_ms) - 4, "between references", "tick", "end"))
    for at, bar in enumerate(bars):
        left, top = plane.x(at - HALF), plane.y(bar.high)
        if at:
            parts.append(line((plane.x(at - 1 + HALF), plane.y(bar.start)), (left, plane.y(bar.start)), "join"))
        parts.append(box(left, top, plane.x(at + HALF) - left, plane.y(bar.low) - top, f"bar-{bar.kind}"))
        if bar.interval:
            low, high = (plane.y(value) for value in bar.interval)
            parts.append(line((plane.x(at), low), (plane.x(at), high), "whisker"))
            top = min(top, low, high)
        parts.append(text(plane.x(at), top - 5, bar.shown, "value"))
    for at, (_, cost) in enumerate(prices, start=len(bars)):
        x, y = plane.x(at), plane.y(cost.value)
        if _ends(cost):
            low, high = (plane.y(value) for value in _ends(cost))
            parts.append(line((x, low), (x, high), "ci price"))
        parts.append(box(x - 5, y - 5, 10, 10, "price-mark"))
        top = min([y - 5, *(plane.y(value) for value in _ends(cost))])
        parts.append(text(x, top - 5, signed(cost.value, 1), "value"))
    apart = plane.x(len(bars) - 0.5)
    parts.append(line((apart, plane.top), (apart, plane.height - plane.bottom), "join"))
    for at, label in enumerate([*(bar.label for bar in bars), *(name for name, _ in prices)]):
        lines = enumerate(re.split(r"\s", label))
        parts += [text(plane.x(at), plane.height - 40 + 12 * i, words, "small") for i, words in lines]
    if min(ends) < 0:
        parts.append(line((plane.left, plane.y(0)), (right, plane.y(0)), "axis"))
    return figure(plane, "Waterfall of the error budget; the table below has its values", parts)


@dataclass(frozen=True, slots=True)
class _Bar:
    """A bar of the waterfall, in ms; it begins at the height ``start``."""

    label: str
    kind: str
    start: float
    low: float
    high: float
    interval: tuple[float, ...]
    shown: str


def _bars(stratum: Stratum) -> list[_Bar]:
    """From the error of Whisper's own way by every step down to the last."""
    level = stratum.start.value
    bars = [_total("Whisper's\nway", stratum.start)]
    for step in STEPS:
        share = stratum.shapley[step]
        after = level - share.value
        interval = tuple(level - end for end in _ends(share))
        kind = "gain" if share.value >= 0 else "loss"
        low, high = min(level, after), max(level, after)
        bars.append(_Bar(LABELS[step], kind, level, low, high, interval, signed(-share.value, 1)))
        level = after
    return [*bars, _total("all\nsteps", stratum.end)]


def _total(label: str, found: Figure) -> _Bar:
    return _Bar(label, "total", found.value, 0.0, found.value, _ends(found), f"{found.value:.1f}")


def _ends(found: Figure) -> tuple[float, ...]:
    """Ends of an interval, nothing where there is none."""
    return () if found.ci_low is None or found.ci_high is None else (found.ci_low, found.ci_high)


def tolerance_curves(systems: Sequence[SystemView]) -> Markup:
    """Share of interior boundaries within x ms; the dots are the score rows."""
    plane = Plane((0, float(CURVE_MS[-1])), (0, 1), height=300, left=58)
    percent = [(v, f"{v:.0%}") for v in (0, 0.25, 0.5, 0.75, 1)]
    parts = [axes(plane, "tolerance, ms", "share of boundaries within", y_ticks=percent)]
    for i, system in enumerate(systems):
        shares = share_within(np.concatenate([system.starts_s, system.ends_s]), CURVE_MS)
        if not np.isfinite(shares).all():
            continue
        points = [(plane.x(float(x)), plane.y(float(y))) for x, y in zip(CURVE_MS, shares, strict=True)]
        parts.append(path(points, f"curve f-{system.family} dash-{dash_of(systems, i)}"))
        for (boundaries, calibration, metric), row in system.rows.items():
            if boundaries == "interior" and calibration == "none" and metric.startswith("within_"):
                ms = float(metric.removeprefix("within_").removesuffix("ms")) if metric.endswith("ms") else math.nan
                if ms <= CURVE_MS[-1]:
                    title = f"{system.label}: {row.value:.1%} within {ms:g} ms"
                    parts.append(mark(plane.x(ms), plane.y(row.value), system.family, 2.6, title))
    return figure(plane, "Share of boundaries within a tolerance; the table has the values", parts)


def dash_of(systems: Sequence[SystemView], i: int) -> int:
    """How many systems of the same family stand before: each gets a dash of its own."""
    return sum(system.family == systems[i].family for system in systems[:i]) % 4


def scatter(rho: Floats, error_ms: Floats, quarters: Sequence[tuple[float, float]], titles: Sequence[str]) -> Markup:
    """Error of words against agreement; steps are the means of quarters of the words by agreement."""
    top = max(50.0, float(np.quantile(error_ms, 0.98)))
    plane = Plane((math.floor(10 * float(rho.min()) - 0.2) / 10, 1.0), (0, top * 1.04), height=300, left=52)
    parts = [axes(plane, "agreement of attention with saliency, ρ", "error of the word, ms")]
    for x, y, title in zip(rho.tolist(), error_ms.tolist(), titles, strict=True):
        shape = '<circle cx="{:g}" cy="{:g}" r="2.6" class="dot"><title>{}</title></circle>'
        parts.append(Markup(shape).format(plane.x(x), plane.y(min(y, top)), title))
    edges = [*(low for low, _ in quarters), float(rho.max())]
    for (_, mean), low, high in zip(quarters, edges, edges[1:], strict=False):
        y = plane.y(min(mean, top))
        parts.append(line((plane.x(low), y), (plane.x(high), y), "quarter"))
    return figure(plane, "Error of words against agreement; means by quarter stand below", parts)


def heat_map(
    values: Mapping[tuple[int, int], float], label: str, digits: int, *, low_is_good: bool, chosen: set[str]
) -> Markup:
    """One value a head, layers downwards; the better the darker. ``chosen`` heads have a frame."""
    n_layers, n_heads = 1 + max(layer for layer, _ in values), 1 + max(head for _, head in values)
    cell = min(40, max(14, (WIDTH - 50) // n_heads))
    height = cell * n_layers + 58
    left = 44
    scale = math.log1p if low_is_good else float  # errors of heads differ by orders of magnitude
    low, high = (scale(end(values.values())) for end in (min, max))
    parts = [text(left + cell * n_heads / 2, 14, label, "label")]
    for (layer, head), value in sorted(values.items()):
        share = 0.0 if high == low else (scale(value) - low) / (high - low)
        good = 1 - share if low_is_good else share
        x, y = left + head * cell, 24 + layer * cell
        name = f"{layer}.{head}"
        frame = " chosen" if name in chosen else ""
        style = Markup('<g style="--good:{:.3f}" class="cell{}{}">{}{}</g>')
        number = text(x + cell / 2, y + cell / 2 + 4, f"{value:.{digits}f}", "number") if cell >= 30 else Markup("")
        rect = box(x + 1, y + 1, cell - 2, cell - 2, "heat", f"head {name}: {value:.{max(digits, 1)}f}")
        parts.append(style.format(good, " dark" if good > 0.55 else "", frame, rect, number))
    parts += [text(left - 6, 24 + layer * cell + cell / 2 + 4, str(layer), "tick", "end") for layer in range(n_layers)]
    parts += [text(left + head * cell + cell / 2, height - 20, str(head), "tick") for head in range(n_heads)]
    parts.append(text(left + cell * n_heads / 2, height - 5, "head", "label"))
    side = Markup('<text transform="translate(12 {}) rotate(-90)" text-anchor="middle" class="label">layer</text>')
    parts.append(side.format(24 + cell * n_layers / 2))
    plane = Plane((0, 1), (0, 1), height=height, width=WIDTH)
    return figure(plane, f"{label} by layer and head; the table has the values", parts)


def drift_lines(drift: Drift, stratum: StratumView) -> Markup:
    """Median signed error of every minute: starts solid, ends dashed."""
    shown = stratum.one_a_source
    found = {
        (s.name, boundary): [
            (m.minute + 0.5, m.median_ms)
            for m in drift.minutes
            if (m.source, m.align, m.reference, m.boundary) == (s.source, s.align, stratum.reference, boundary)
        ]
        for s in shown
        for boundary in ("start", "end")
    }
    points = [point for line_ in found.values() for point in line_]
    if not points:
        return Markup("")
    last, values = max(x for x, _ in points) + 0.5, [y for _, y in points]
    plane = Plane((0, last), (min(0, *values) * 1.1 - 5, max(0, *values) * 1.1 + 5), height=280, width=560)
    parts = [axes(plane, "time in the recording, minutes", "median signed error, ms")]
    parts.append(line((plane.left, plane.y(0)), (plane.width - plane.right, plane.y(0)), "axis"))
    for system in shown:
        for boundary in ("start", "end"):
            of_line = [(plane.x(x), plane.y(y)) for x, y in found[system.name, boundary]]
            parts.append(path(of_line, f"curve f-{system.family} dash-{0 if boundary == 'start' else 1}"))
            parts += [mark(x, y, system.family, 2.4, f"{system.label}, {boundary}s") for x, y in of_line]
    return figure(plane, "Median signed error of every minute of the recordings", parts)


def legend(systems: Sequence[SystemView]) -> Markup:
    """Names of the systems beside their marks and dashes."""
    items = []
    for i, system in enumerate(systems):
        swatch = join(
            [
                line((1, 7), (33, 7), f"curve f-{system.family} dash-{dash_of(systems, i)}"),
                mark(17, 7, system.family, 3.5),
            ]
        )
        items.append(
            Markup('<li><svg viewBox="0 0 34 14" class="swatch" aria-hidden="true">{}</svg>{}</li>').format(
                swatch, system.label
            )
        )
    return Markup('<ul class="legend">{}</ul>').format(join(items))
