"""Cells of the table that compares each system with the baseline."""

from __future__ import annotations

from align_eval.gate.verdicts import SHIFTS, Comparison, SystemFigures
from align_eval.reporting.numbers import number_text


def system_cells(comparison: Comparison, figures: SystemFigures) -> tuple[str, ...]:
    """Return baseline and run error, loss with its interval, shifts of starts and ends, all in ms, and lost words.

    The values are those of all words of the system.
    """
    checks = comparison.checks_on(figures.system, figures.reference)
    overall = {check.metric: check for check in checks if check.speaker is None}
    loss = overall.get("wbe_mean")
    return (
        "-" if figures.baseline_ms is None else f"{figures.baseline_ms:.1f}",
        "-" if figures.run_ms is None else f"{figures.run_ms:.1f}",
        "-" if loss is None else number_text(loss.value, loss.ci_low, loss.ci_high, signed=True),
        *(f"{overall[name].value:+.0f}" if name in overall else "-" for name in SHIFTS),
        f"{overall['lost_words'].value:.0f}",
    )
