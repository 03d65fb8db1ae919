"""What heuristics are worth, on a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from align_eval.findings.toggles import HeuristicWorth, ToggleFinding
from align_eval.reporting.terminal.scores import clusters_label


def print_toggles(finding: ToggleFinding, console: Console) -> None:
    """Print a table a preset, its source and a kind of reference."""
    keys = dict.fromkeys((row.preset, row.source, row.align, row.reference) for row in finding.rows)
    for key in keys:
        rows = [row for row in finding.rows if (row.preset, row.source, row.align, row.reference) == key]
        console.print(_table(rows))
    console.print(
        "Worth: word boundary error without the heuristic minus that with it, in ms, with its 95 % interval, paired; "
        "above zero it helps. Each is switched alone, so that they need not add up; p is by flipping clusters, "
        "adjusted for the heuristics of the table (Holm).",
        style="dim", markup=False, emoji=False, highlight=False,
    )  # fmt: skip


def _table(rows: list[HeuristicWorth]) -> Table:
    first = rows[0]
    label = clusters_label(first.clusters, first.n_clusters, first.n_effective_clusters)
    title = (
        f"{first.preset} ({first.source} | {first.align}), {first.reference} reference: {first.n_words} words, {label}"
    )
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("heuristic", overflow="fold")
    table.add_column("switched", overflow="fold")
    for name in ("with", "without", "worth, all", "p", "worth, interior", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    by_key = {(row.heuristic, row.change, row.boundaries): row for row in rows}
    for heuristic, change in dict.fromkeys((row.heuristic, row.change) for row in rows):
        every, interior = (by_key.get((heuristic, change, boundaries)) for boundaries in ("all", "interior"))
        errors = (f"{every.with_ms:.1f}", f"{every.without_ms:.1f}") if every else ("-", "-")
        table.add_row(Text(heuristic), Text(change), *errors, *_worth(every), *_worth(interior))
    return table


def _worth(row: HeuristicWorth | None) -> tuple[str, str]:
    if row is None:
        return "-", "-"
    interval = "" if row.ci_low is None or row.ci_high is None else f" [{row.ci_low:.1f}, {row.ci_high:.1f}]"
    return f"{row.worth_ms:+.1f}{interval}", "-" if row.p_holm is None else f"{row.p_holm:.3f}"
