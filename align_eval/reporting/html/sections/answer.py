"""The section at the top: the question, the answer in a sentence, and its picture."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from align_eval.reporting.answer_sentences import footnotes, question, sentence, step_lines
from align_eval.reporting.charts.steps import ERROR_LABEL, FLOOR_LABEL, StepBar, Steps, steps_chart
from align_eval.reporting.html.svg import Plane, box, figure, line, text, ticks
from align_eval.reporting.reference_order import in_order
from align_eval.run_record import Answer, Run

ROW = 40.0
"""Height of a step, in the units of the drawing: its label, and its bar below."""

LABEL, BAR = 20.0, 14.0
TOP, FOOT = 4, 40


def answer_section(run: Run) -> list[dict[str, Any]]:
    """The answers of a run, that of the most trusted kind of reference first; empty for a run without an answer."""
    return [_part(answer, run) for answer in in_order(run.answer)]


def _part(answer: Answer, run: Run) -> dict[str, Any]:
    asked, _, conditions = question(answer, run).partition(" (")
    return {
        "question": asked,
        "conditions": conditions.removesuffix(")"),
        "sentence": sentence(answer),
        "chart": _draw(steps_chart(answer)),
        "rows": [[row.label, row.error, row.difference, row.note] for row in step_lines(answer)],
        "footnotes": footnotes(answer),
    }


def _draw(chart: Steps) -> Markup:
    """Bars from left to right, one below the other; the floor is a line across them."""
    floor_row = ROW / 2 if chart.floor_ms is not None else 0.0
    height = round(TOP + ROW * len(chart.bars) + floor_row + FOOT)
    plane = Plane((0, chart.longest_ms), (0, 1), height=height, left=8, right=24, top=TOP, bottom=FOOT)
    bottom = height - FOOT
    parts = [line((plane.x(v), TOP), (plane.x(v), bottom), "grid") for v in ticks(0, chart.longest_ms)]
    for i, bar in enumerate(chart.bars):
        parts += _bar(plane, bar, TOP + ROW * i)
    parts.append(line((plane.x(0), TOP), (plane.x(0), bottom), "axis"))
    if chart.floor_ms is not None:
        parts += _floor(plane, chart.floor_ms, bottom)
    for i, bar in enumerate(chart.bars):  # over the line of the floor
        y = TOP + ROW * i + LABEL - 5
        parts.append(text(plane.left, y, bar.label, "name", "start"))
        parts.append(text(plane.width - plane.right, y, bar.text, "name value", "end"))
    parts += [text(plane.x(v), bottom + 15, f"{v:g}", "tick") for v in ticks(0, chart.longest_ms)]
    parts.append(text(plane.width / 2, height - 6, ERROR_LABEL, "label"))
    return figure(plane, "Error of each step; the table below has the values", parts)


def _bar(plane: Plane, bar: StepBar, top: float) -> list[Markup]:
    y = top + LABEL
    middle = y + BAR / 2
    title = f"{bar.label}: {bar.text} ms"
    parts = [box(plane.x(0), y, plane.x(bar.error_ms) - plane.x(0), BAR, f"step f-{bar.family}", title)]
    if bar.interval_ms is not None:
        low, high = (plane.x(end) for end in bar.interval_ms)
        parts.append(line((low, middle), (high, middle), "whisker"))
        parts += [line((x, middle - 4), (x, middle + 4), "whisker") for x in (low, high)]
    return parts


def _floor(plane: Plane, floor_ms: float, bottom: float) -> list[Markup]:
    x = plane.x(floor_ms)
    is_left = x < plane.width / 2
    label = text(
        x + (5 if is_left else -5),
        bottom - 6,
        f"{FLOOR_LABEL}: {floor_ms:.1f} ms",
        "tick name",
        "start" if is_left else "end",
    )
    return [line((x, TOP), (x, bottom), "floor"), label]
