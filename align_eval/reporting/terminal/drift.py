"""Drift on a terminal: error against time in the recording."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from align_eval.findings.drift import Drift, DriftRow
from align_eval.reporting.terminal.budget import signature_line
from align_eval.reporting.terminal.scores import clusters_label

MEANING = (
    "Slope of the signed error, hypothesis minus reference, against time in the audio file, an intercept a file: 0 is "
    "no drift. min, max: least and greatest median error of a minute of the recordings; all minutes are in drift.json."
)


def print_drift(drift: Drift, console: Console) -> None:
    """Print a table a kind of reference: slopes of starts and of ends, and the minutes of least and greatest error."""
    medians: dict[tuple[str, str, str, str], list[float]] = {}
    for minute in drift.minutes:
        key = (minute.reference, minute.source, minute.align, minute.boundary)
        medians.setdefault(key, []).append(minute.median_ms)
    for reference in dict.fromkeys(row.reference for row in drift.rows):
        rows = [row for row in drift.rows if row.reference == reference]
        first = rows[0]
        title = f"{reference} reference: {first.n_words} words, up to {max(r.longest_min for r in rows):.1f} min, "
        title += clusters_label(first.clusters, first.n_clusters, first.n_effective_clusters)
        table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
        for name in ("source", "align", "boundary", "ms a minute", "min", "max"):
            right = name in ("ms a minute", "min", "max")
            table.add_column(name, justify="right" if right else "left", overflow="fold")
        for row in rows:
            of_minutes = medians[reference, row.source, row.align, row.boundary]
            ends = (f"{min(of_minutes):+.0f}", f"{max(of_minutes):+.0f}")
            table.add_row(Text(row.source), Text(row.align), f"{row.boundary}s", _slope(row), *ends)
        console.print(table)
    for line in (MEANING, signature_line(drift.finding, drift.signature)):
        console.print(line, style="dim", markup=False, emoji=False, highlight=False, soft_wrap=True)


def _slope(row: DriftRow) -> str:
    if row.ci_low is None or row.ci_high is None:
        return f"{row.slope_ms_per_min:+.2f}"
    return f"{row.slope_ms_per_min:+.2f} [{row.ci_low:.2f}, {row.ci_high:.2f}]"
