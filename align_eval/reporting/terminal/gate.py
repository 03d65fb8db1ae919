"""The gate's answer on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from align_eval.gate.records import SHIFTS, Check, Comparison, Metric, SystemFigures, worst_of
from align_eval.reporting.gate_text import (
    differences_text,
    headline,
    interval,
    regressions,
    warning,
    word_text,
    worst_words,
)

STYLES = {"pass": "green", "undecided": "yellow", "regression": "red"}

COLUMNS = ("system", "baseline ms", "run ms", "loss ms", "starts ms", "ends ms", "lost", "overall", "speakers")


def print_comparison(found: Comparison, console: Console) -> None:
    """Print a table a kind of reference, the regressions, what stayed undecided, and the worst words."""
    for reference in dict.fromkeys(figures.reference for figures in found.figures):
        console.print(_table(found, reference))
    for line in regressions(found):
        _say(console, line, "red")
    for line in warning(found):
        _say(console, f"warning: {line}", "yellow")
    worst = worst_words(found)
    if worst:
        _say(console, "the words that lost most:", "dim")
        for check, word in worst:
            _say(console, f"  {word_text(word)}, {check.system}", "dim")
    for old, new in found.renamed.items():
        _say(console, f"compared under another name: {old} -> {new}", "dim")
    if found.new_systems:
        _say(console, f"not in the baseline, not compared: {'; '.join(found.new_systems)}", "dim")
    _say(console, f"signatures differ in: {differences_text(found.differences)}", "dim")
    _say(console, headline(found), STYLES[found.verdict])


def _table(found: Comparison, reference: str) -> Table:
    table = Table(title=Text(f"{reference} reference"), title_justify="left", box=box.SIMPLE_HEAD)
    for name in COLUMNS:
        table.add_column(
            name, justify="left" if name in ("system", "overall", "speakers") else "right", overflow="fold"
        )
    for figures in found.figures:
        if figures.reference != reference:
            continue
        checks = [c for c in found.checks if (c.system, c.reference) == (figures.system, reference)]
        overall = {check.metric: check for check in checks if check.speaker is None}
        table.add_row(Text(figures.system), *_cells(figures, overall), _verdict(overall.values()), _speakers(checks))
    return table


def _cells(figures: SystemFigures, overall: Mapping[Metric, Check]) -> list[str]:
    loss = overall.get("wbe_mean")
    return [
        "-" if figures.baseline_ms is None else f"{figures.baseline_ms:.1f}",
        "-" if figures.run_ms is None else f"{figures.run_ms:.1f}",
        "-" if loss is None else f"{loss.value:+.1f}{interval(loss)}",
        *(f"{overall[name].value:+.0f}" if name in overall else "-" for name in SHIFTS),
        f"{overall['lost_words'].value:.0f}",
    ]


def _verdict(checks: Iterable[Check]) -> Text:
    verdict = worst_of(check.verdict for check in checks)
    return Text(verdict, style=STYLES[verdict])


def _speakers(checks: list[Check]) -> str:
    by_speaker: dict[str, list[Check]] = {}
    for check in checks:
        if check.speaker is not None:
            by_speaker.setdefault(check.speaker, []).append(check)
    verdicts = [worst_of(check.verdict for check in own) for own in by_speaker.values()]
    counted = {verdict: verdicts.count(verdict) for verdict in ("regression", "undecided", "pass")}
    return ", ".join(f"{n} {verdict}" for verdict, n in counted.items() if n) or "none of 20 words"


def _say(console: Console, line: str, style: str) -> None:
    console.print(line, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)
