"""Drift on the terminal and as a picture: error against time in the recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from align_eval.findings.drift import Drift, DriftRow
from align_eval.formats.atomic import cannot_write
from align_eval.reporting.numbers import number_text
from align_eval.reporting.signature_text import signature_line
from align_eval.reporting.terminal.printing import add_columns, print_line, titled_table
from align_eval.reporting.terminal.scores import clusters_label

BOUNDARY_STYLE = {"start": "-", "end": "--"}

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


def draw_drift(path: Path, drift: Drift) -> None:
    """Draw the median signed error of every minute as PNG, a panel a kind of reference, a colour a system.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    from matplotlib.figure import Figure

    references = list(dict.fromkeys(row.reference for row in drift.rows))
    systems = list(dict.fromkeys((row.source, row.align) for row in drift.rows))
    picture = Figure(figsize=(7.5 * len(references), 4 + 0.2 * len(systems)), layout="constrained")
    axes = picture.subplots(1, len(references), sharey=True, squeeze=False)[0]
    for axis, reference in zip(axes, references, strict=True):
        for number, (source, align) in enumerate(systems):
            for boundary, style in BOUNDARY_STYLE.items():
                key = (reference, source, align, boundary)
                found = [m for m in drift.minutes if (m.reference, m.source, m.align, m.boundary) == key]
                label = f"{source} | {align}" if boundary == "start" else None
                at_min, median_ms = [m.minute + 0.5 for m in found], [m.median_ms for m in found]
                axis.plot(at_min, median_ms, style, color=f"C{number % 10}", marker=".", label=label)
        axis.axhline(0, color="#4d4d4d", linewidth=0.6)
        axis.set_title(f"{reference} reference; starts solid, ends dashed", fontsize=9)
        axis.set_xlabel("time in the recording, minutes")
        axis.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    axes[0].set_ylabel("median signed error, ms")
    s = drift.signature
    picture.suptitle(f"{s['model']} on {s['corpus']}, run {s['id']}", fontsize=10)
    try:
        picture.savefig(path, dpi=120)
    except OSError as error:
        raise cannot_write(path, error, "choose another place") from error


def _table(drift: Drift, rows: Sequence[DriftRow]) -> Table:
    """The rows of one kind of reference."""
    first = rows[0]
    title = f"{first.reference} reference: {first.n_words} words, up to {max(r.longest_min for r in rows):.1f} min, "
    title += clusters_label(first.clusters, first.n_clusters, first.n_effective_clusters)
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
        table.add_row(Text(row.source), Text(row.align), f"{row.boundary}s", slope, *extremes)
    return table
