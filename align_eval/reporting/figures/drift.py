"""Error over time in the recording as a figure."""

from __future__ import annotations

from align_eval.findings.drift import Boundary, Drift
from align_eval.reporting.charts.curves import MEDIAN_LABEL, MINUTES_LABEL, median_errors
from align_eval.reporting.figures.save import png
from align_eval.reporting.figures.style import INK

STYLES: dict[Boundary, str] = {"start": "-", "end": "--"}


def drift_png(drift: Drift) -> bytes:
    """Draw the median signed error of every minute as PNG: one panel per kind of reference, one colour per system."""
    from matplotlib.figure import Figure

    references = list(dict.fromkeys(row.reference for row in drift.rows))
    systems = list(dict.fromkeys((row.source, row.align) for row in drift.rows))
    picture = Figure(figsize=(7.5 * len(references), 4 + 0.2 * len(systems)), layout="constrained")
    axes = picture.subplots(1, len(references), sharey=True, squeeze=False)[0]
    for axis, reference in zip(axes, references, strict=True):
        lines = median_errors(drift, reference)
        for number, (source, align) in enumerate(systems):
            for boundary, style in STYLES.items():
                label = f"{source} | {align}" if boundary == "start" else None
                minutes, medians_ms = lines.get((source, align, boundary), ([], []))
                axis.plot(minutes, medians_ms, style, color=f"C{number % 10}", marker=".", label=label)
        axis.axhline(0, color=INK, linewidth=0.6)
        axis.set_title(f"{reference} reference; starts solid, ends dashed", fontsize=9)
        axis.set_xlabel(MINUTES_LABEL)
        axis.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    axes[0].set_ylabel(MEDIAN_LABEL)
    s = drift.signature
    picture.suptitle(f"{s['model']} on {s['corpus']}, run {s['id']}", fontsize=10)
    return png(picture)
