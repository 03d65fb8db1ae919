"""Effect of each preset heuristic on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from align_eval.findings.toggles import HeuristicWorth, ToggleFinding
from align_eval.reporting.numbers import number_text
from align_eval.reporting.terminal.printing import add_row, print_line, titled_table
from align_eval.reporting.terminal.scores import widest_label

MEANING = (
    "Worth: word boundary error without the heuristic minus error with it, in ms, paired, with its 95 % interval; "
    "above zero the heuristic helps. Each is switched alone, so that the values need not add up. p flips the sign of "
    "whole clusters, adjusted for the heuristics of the table (Holm)."
)


NARROW_WIDTH = 120
"""Terminals narrower than this show the worth alone. toggles.json has the errors and the p-values."""


def print_toggles(finding: ToggleFinding, console: Console) -> None:
    """Print one table per preset, source, alignment and kind of reference."""
    keys = dict.fromkeys((row.preset, row.source, row.align, row.reference) for row in finding.rows)
    for key in keys:
        console.print(
            _table(
                [row for row in finding.rows if (row.preset, row.source, row.align, row.reference) == key],
                narrow=console.width < NARROW_WIDTH,
            )
        )
    print_line(console, MEANING, "dim")


def _table(rows: list[HeuristicWorth], *, narrow: bool) -> Table:
    first = rows[0]
    label = widest_label(rows)
    system = f"{first.preset} ({first.source} | {first.align})"
    table = titled_table(f"{system}, {first.reference} reference: {first.n_words} words, {label}")
    table.add_column("heuristic", overflow="fold")
    table.add_column("switched", overflow="fold")
    names = ("with", "without", "worth, all", "p", "worth, interior", "p")
    shown = [i for i, name in enumerate(names) if not narrow or "worth" in name]
    for i in shown:
        table.add_column(names[i], justify="right", no_wrap=True)
    by_key = {(row.heuristic, row.change, row.boundaries): row for row in rows}
    for heuristic, change in dict.fromkeys((row.heuristic, row.change) for row in rows):
        all_boundaries, interior = (by_key.get((heuristic, change, boundaries)) for boundaries in ("all", "interior"))
        errors = ("-", "-")
        if all_boundaries:
            errors = (f"{all_boundaries.with_ms:.1f}", f"{all_boundaries.without_ms:.1f}")
        values = (*errors, *_worth(all_boundaries), *_worth(interior))
        add_row(table, heuristic, change, *(values[i] for i in shown))
    return table


def _worth(row: HeuristicWorth | None) -> tuple[str, str]:
    """Worth and p-value."""
    if row is None:
        return "-", "-"
    worth = number_text(row.worth_ms, row.ci_low, row.ci_high, signed=True)
    return worth, "-" if row.p_holm is None else f"{row.p_holm:.3f}"
