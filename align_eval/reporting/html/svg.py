"""Drawing primitives of the page's charts as SVG markup: a plane with axes, lines, boxes, marks and text.

:class:`markupsafe.Markup` escapes all text. Colours are CSS classes, such as ``f-attention``, which the page's style
sheet defines for light and dark. Families also differ by mark and dash, so that no reader depends on colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH = 440
"""Default width of a chart, in its own units: about that of a phone, so that text is legible there."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Plane:
    """The mapping from ``x_range`` and ``y_range`` to pixels inside the margins."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    height: int = 270
    left: int = 46
    right: int = 14
    top: int = 14
    bottom: int = 42
    width: int = WIDTH

    def x(self, value: float) -> float:
        """Horizontal pixel of a value."""
        low, high = self.x_range
        return round(self.left + (value - low) / (high - low) * (self.width - self.left - self.right), 2)

    def y(self, value: float) -> float:
        """Vertical pixel of a value; greater values are higher."""
        low, high = self.y_range
        return round(
            self.height - self.bottom - (value - low) / (high - low) * (self.height - self.top - self.bottom), 2
        )


def join(parts: Iterable[Markup]) -> Markup:
    """Concatenate markup."""
    return Markup("").join(parts)


def figure(plane: Plane, title: str, parts: Iterable[Markup]) -> Markup:
    """The whole drawing; screen readers read its title."""
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        plane.width, plane.height, title, join(parts)
    )


def ticks(low: float, high: float, n: int = 5) -> list[float]:
    """About ``n`` round values inside a range."""
    if not high > low:
        return [low]
    raw = (high - low) / n
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.75 * raw)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def text(x: float, y: float, content: str, classes: str = "", anchor: str = "middle") -> Markup:
    """A line of text."""
    return Markup('<text x="{}" y="{}" class="{}" text-anchor="{}">{}</text>').format(x, y, classes, anchor, content)


def line(a: Point, b: Point, classes: str) -> Markup:
    """A straight line."""
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(*a, *b, classes)


def path(points: Sequence[Point], classes: str) -> Markup:
    """A line through points, in pixels."""
    return Markup('<polyline points="{}" class="{}"/>').format(" ".join(f"{x:g},{y:g}" for x, y in points), classes)


def box(x: float, y: float, width: float, height: float, classes: str, title: str = "") -> Markup:
    """A rectangle; its title is shown under the pointer."""
    return Markup('<rect x="{:g}" y="{:g}" width="{:g}" height="{:g}" class="{}">{}</rect>').format(
        x, y, max(width, 0), max(height, 0), classes, _title(title)
    )


def mark(x: float, y: float, family: str, size: float = 4, title: str = "") -> Markup:
    """The mark of a family: a disc for attention, a diamond for saliency, a square for the others."""
    classes = f"mark f-{family}"
    if family == "attention":
        return Markup('<circle cx="{:g}" cy="{:g}" r="{:g}" class="{}">{}</circle>').format(
            x, y, size, classes, _title(title)
        )
    if family == "saliency":
        s = size * 1.3
        points = f"{x:g},{y - s:g} {x + s:g},{y:g} {x:g},{y + s:g} {x - s:g},{y:g}"
        return Markup('<polygon points="{}" class="{}">{}</polygon>').format(points, classes, _title(title))
    return box(x - size, y - size, 2 * size, 2 * size, classes, title)


def axes(
    plane: Plane,
    x_label: str = "",
    y_label: str = "",
    x_ticks: Sequence[tuple[float, str]] | None = None,
    y_ticks: Sequence[tuple[float, str]] | None = None,
) -> Markup:
    """Grid lines, ticks with labels, and the names of both axes; without ticks, round values are chosen."""
    if x_ticks is None:
        x_ticks = [(value, f"{value:g}") for value in ticks(*plane.x_range)]
    if y_ticks is None:
        y_ticks = [(value, f"{value:g}") for value in ticks(*plane.y_range)]
    left, right = plane.left, plane.width - plane.right
    floor = plane.height - plane.bottom
    across = [
        part
        for value, label in y_ticks
        for part in (
            line((left, plane.y(value)), (right, plane.y(value)), "grid"),
            text(left - 6, plane.y(value) + 4, label, "tick", "end"),
        )
    ]
    along = [
        part
        for value, label in x_ticks
        for part in (
            line((plane.x(value), floor), (plane.x(value), floor + 4), "axis"),
            text(plane.x(value), floor + 17, label, "tick"),
        )
    ]
    names = [
        text((left + right) / 2, plane.height - 6, x_label, "label"),
        Markup('<text transform="translate(12 {}) rotate(-90)" text-anchor="middle" class="label">{}</text>').format(
            (plane.top + floor) / 2, y_label
        ),
    ]
    return join([*across, *along, line((left, floor), (right, floor), "axis"), *names])


def _title(title: str) -> Markup:
    return Markup("<title>{}</title>").format(title) if title else Markup("")
