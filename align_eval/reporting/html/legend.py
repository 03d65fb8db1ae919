"""The legend of a chart: names of the systems beside their marks and dashes."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from align_eval.reporting.charts.curves import dash_of
from align_eval.reporting.html.svg import join, line, mark
from align_eval.reporting.run_view import SystemView


def legend(systems: Sequence[SystemView]) -> Markup:
    """A list of the systems, each with the line and mark of its curve."""
    item = Markup('<li><svg viewBox="0 0 34 14" class="swatch" aria-hidden="true">{}</svg>{}</li>')
    items = []
    for i, system in enumerate(systems):
        curve = line((1, 7), (33, 7), f"curve f-{system.family} dash-{dash_of(systems, i)}")
        items.append(item.format(join([curve, mark(17, 7, system.family, 3.5)]), system.label))
    return Markup('<ul class="legend">{}</ul>').format(join(items))
