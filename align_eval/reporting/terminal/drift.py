"""Drift on the terminal: error against time in the recording."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from align_eval.findings.drift import Drift, DriftRow
from align_eval.reporting.numbers import number_text
from align_eval.reporting.terminal.printing import add_columns, add_row, print_line, titled_table
from align_eval.reporting.terminal.scores import widest_label
from align_eval.signature import signature_line

MEANING = (
    "Slope of the signed error, hypothesis minus reference, against time in the audio file, with one intercept per "
    "file: 0 is no drift. min, max: smallest and largest of the median errors of each minute, in ms; drift.json has "
    "every minute."
)


def print_drift(drift: Drift, console: Console) -> None:
    """Print one table per kind of reference: slopes of starts and ends, and extremes of the error per minute."""
    for reference in dict.fromkeys(row.reference for row in drift.rows):
        console.print(_table(drift, [row for row in drift.rows if row.reference == reference]))
    for line in (MEANING, signature_line(drift.finding, drift.signature)):
        print_line(console, line, "dim")


def _table(drift: Drift, rows: Sequence[DriftRow]) -> Table:
    """The rows of one kind of reference."""
    first = rows[0]
    title = f"{first.reference} reference: {first.n_words} words, up to {max(r.longest_min for r in rows):.1f} min, "
    title += widest_label(rows)
    table = titled_table(title)
    add_columns(
        table, ("source", "align", "boundary", "ms per minute", "min", "max"), text=("source", "align", "boundary")
    )
    for row in rows:
        medians_ms = [
            minute.median_ms
            for minute in drift.minutes
            if (minute.reference, minute.source, minute.align, minute.boundary)
            == (row.reference, row.source, row.align, row.boundary)
        ]
        slope = number_text(row.slope_ms_per_min, row.ci_low, row.ci_high, 2, signed=True)
        extremes = (f"{min(medians_ms):+.0f}", f"{max(medians_ms):+.0f}")
        add_row(table, row.source, row.align, f"{row.boundary}s", slope, *extremes)
    return table
