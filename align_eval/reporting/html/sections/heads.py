"""The section with the heat maps of heads."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from align_eval.findings.agreement.records import AgreementFinding
from align_eval.findings.heads.records import HeadSearch, HeadStratum
from align_eval.reporting.charts.head_map import HeadCell, HeadMap, agreement_map, alignment_heads, searched_maps
from align_eval.reporting.findings import Findings
from align_eval.reporting.html.svg import WIDTH, Plane, box, figure, text
from align_eval.reporting.numbers import figure_text
from align_eval.reporting.reference_order import by_trust
from align_eval.signature import signature_line

LEFT, TOP = 44, 24
"""Corner of the first cell, in the units of the drawing."""

SMALLEST_WITH_NUMBER = 30
"""Cells smaller than this have no number in them."""

HEAD_PREFIX = "head "


def heads_section(findings: Findings) -> dict[str, Any] | None:
    """Error and agreement of every head from a search; without a search, agreement from `agree`; else None."""
    if findings.heads is not None:
        strata = sorted(findings.heads.strata, key=lambda s: by_trust(s.reference))
        return {
            "signature": signature_line(findings.heads.finding, findings.heads.signature),
            "parts": [_searched(findings.heads, stratum) for stratum in strata],
        }
    if findings.agree is not None:
        return {
            "signature": signature_line(findings.agree.finding, findings.agree.signature),
            "parts": _agreement(findings.agree),
        }
    return None


def _searched(search: HeadSearch, stratum: HeadStratum) -> dict[str, Any]:
    return {
        "title": f"{stratum.reference} reference, {search.signature['model']} on {search.signature['corpus']}: "
        f"{stratum.n_boundaries} boundaries",
        "charts": [_draw(chart) for chart in searched_maps(stratum)],
        "rows": [[row.head, figure_text(row.error_ms), f"{row.agreement.value:.3f}"] for row in stratum.heads],
        "note": "Frames mark the alignment heads that come with the model." if alignment_heads(stratum) else "",
    }


def _agreement(finding: AgreementFinding) -> list[dict[str, Any]]:
    """One map for each saliency source."""
    by_saliency: dict[str, dict[str, float]] = {}
    for row in finding.rows:
        head = _head(row.group)
        if head is not None and (row.level, row.method, row.normalisation) == ("utterance", "pearson", "rows"):
            by_saliency.setdefault(row.saliency, {})[head] = row.value
    parts = []
    for saliency, values in by_saliency.items():
        chart = agreement_map(values)
        rows = [[cell.name, "", f"{cell.value:.3f}"] for cell in chart.cells]
        parts.append({"title": f"with {saliency}", "charts": [_draw(chart)], "rows": rows, "note": ""})
    return parts


def _head(group: str) -> str | None:
    """The head that a group of heads consists of; None for a larger group."""
    name = group.removeprefix(HEAD_PREFIX)
    return name if name != group and not name.startswith("*") else None


def _draw(chart: HeadMap) -> Markup:
    """Layers downwards, heads across; the better a value, the darker its cell."""
    size = min(40, max(14, (WIDTH - 50) // chart.n_heads))
    height = size * chart.n_layers + 58
    middle = LEFT + size * chart.n_heads / 2
    parts = [text(middle, 14, chart.label, "label")]
    parts += [_cell(chart, cell, size) for cell in chart.cells]
    for layer in range(chart.n_layers):
        parts.append(text(LEFT - 6, TOP + layer * size + size / 2 + 4, str(layer), "tick", "end"))
    for head in range(chart.n_heads):
        parts.append(text(LEFT + head * size + size / 2, height - 20, str(head), "tick"))
    parts.append(text(middle, height - 5, "head", "label"))
    side = Markup('<text transform="translate(12 {}) rotate(-90)" text-anchor="middle" class="label">layer</text>')
    parts.append(side.format(TOP + size * chart.n_layers / 2))
    title = f"{chart.label} by layer and head; the table has the values"
    return figure(Plane((0, 1), (0, 1), height=height, width=WIDTH), title, parts)


def _cell(chart: HeadMap, cell: HeadCell, size: int) -> Markup:
    x, y = LEFT + cell.head * size, TOP + cell.layer * size
    title = f"head {cell.name}: {cell.value:.{max(chart.digits, 1)}f}"
    number = Markup("")
    if size >= SMALLEST_WITH_NUMBER:
        number = text(x + size / 2, y + size / 2 + 4, f"{cell.value:.{chart.digits}f}", "number")
    return Markup('<g style="--good:{:.3f}" class="cell{}{}">{}{}</g>').format(
        cell.strength,
        " dark" if cell.dark else "",
        " chosen" if cell.framed else "",
        box(x + 1, y + 1, size - 2, size - 2, "heat", title),
        number,
    )
