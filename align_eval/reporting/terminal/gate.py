"""Comparison of a run with a baseline on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from align_eval.errors import listed
from align_eval.gate.verdicts import MIN_WORDS, Check, Comparison, worst_of
from align_eval.reporting.gate_cells import system_cells
from align_eval.reporting.gate_names import with_short_names
from align_eval.reporting.gate_sentences import (
    differences_text,
    headline,
    regressions,
    warning,
    word_text,
    worst_words,
)
from align_eval.reporting.terminal.printing import add_columns, add_row, print_line, titled_table

STYLES = {"pass": "green", "undecided": "yellow", "regression": "red"}

COLUMNS = ("system", "baseline ms", "run ms", "loss ms", "starts ms", "ends ms", "lost", "overall", "speakers")


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print one table per kind of reference, then regressions, undecided verdicts, worst words and the verdict."""
    comparison = with_short_names(comparison)
    for reference in dict.fromkeys(figures.reference for figures in comparison.figures):
        console.print(_table(comparison, reference))
    for line in regressions(comparison):
        print_line(console, line, "red")
    for line in warning(comparison):
        print_line(console, f"warning: {line}", "yellow")
    worst = worst_words(comparison)
    if worst:
        print_line(console, "words that lost most:", "dim")
        for check, word in worst:
            print_line(console, f"  {word_text(word)}, {check.system}", "dim")
    for old, new in comparison.renamed.items():
        print_line(console, f"compared under another name: {old} -> {new}", "dim")
    if comparison.new_systems:
        print_line(console, f"not in the baseline, not compared: {listed(comparison.new_systems, '; ')}", "dim")
    print_line(console, f"signatures differ in: {differences_text(comparison.differences)}", "dim")
    print_line(console, headline(comparison), STYLES[comparison.verdict])


def _table(comparison: Comparison, reference: str) -> Table:
    table = titled_table(f"{reference} reference")
    add_columns(table, COLUMNS, text=("system", "overall", "speakers"))
    for figures in comparison.figures:
        if figures.reference == reference:
            checks = comparison.checks_on(figures.system, reference)
            add_row(
                table,
                figures.system,
                *system_cells(comparison, figures),
                _verdict(check for check in checks if check.speaker is None),
                _speakers(checks),
            )
    return table


def _verdict(checks: Iterable[Check]) -> Text:
    verdict = worst_of(check.verdict for check in checks)
    return Text(verdict, style=STYLES[verdict])


def _speakers(checks: list[Check]) -> str:
    """Number of speakers per verdict."""
    by_speaker: dict[str, list[Check]] = {}
    for check in checks:
        if check.speaker is not None:
            by_speaker.setdefault(check.speaker, []).append(check)
    verdicts = [worst_of(check.verdict for check in speaker_checks) for speaker_checks in by_speaker.values()]
    counts = {verdict: verdicts.count(verdict) for verdict in ("regression", "undecided", "pass")}
    return ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n) or f"none with {MIN_WORDS} words"
