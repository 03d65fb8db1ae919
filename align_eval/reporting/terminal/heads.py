"""Search for alignment heads on the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from align_eval.findings.heads.records import HeadSearch, HeadStratum, SetRow
from align_eval.reporting.numbers import number_text
from align_eval.reporting.terminal.budget import figure_text
from align_eval.reporting.terminal.printing import add_columns, add_row, print_line, titled_table
from align_eval.reporting.terminal.scores import clusters_label
from align_eval.signature import signature_line

N_HEADS_SHOWN = 10

MEANING = (
    "error: mean absolute error of interior boundaries in ms. Sets that need reference times are chosen on one half of "
    "the clusters and scored on the other half. on itself: error on the clusters that chose the set. beyond the "
    "supervised: error minus that of the supervised search, on the same boundaries. chosen: smallest and largest share "
    "of the halves of clusters that choose a head of the set again."
)


def print_heads(search: HeadSearch, console: Console) -> None:
    """Print sets and best heads per kind of reference, then what was left out and the signature."""
    for stratum in search.strata:
        console.print(_sets(stratum))
        console.print(_heads(stratum))
        stability = ", ".join(f"by {name} {value:.2f}" for name, value in stratum.stability.items())
        prediction = ", ".join(f"{name} {value:.2f}" for name, value in stratum.predicts_error.items())
        print_line(console, f"  rank correlation between halves of the {stratum.clusters}: {stability}")
        print_line(
            console,
            f"  rank correlation of the ranking by error with rankings that need no reference times: {prediction}",
        )
        console.print()
    for line in search.left_out:
        print_line(console, f"left out: {line}", "yellow")
    for line in (MEANING, signature_line(search.finding, search.signature)):
        print_line(console, line, "dim")


def _sets(stratum: HeadStratum) -> Table:
    title = f"{stratum.reference} reference: {stratum.n_utterances} utterances, {stratum.n_boundaries} boundaries, "
    title += clusters_label(stratum.clusters, stratum.n_clusters, stratum.n_effective_clusters)
    table = titled_table(title)
    add_columns(
        table,
        ("set", "reference times", "error", "on itself", "beyond the supervised", "p", "chosen", "heads"),
        text=("set", "reference times", "heads"),
    )
    for row in stratum.sets:
        beyond_ms = row.beyond_supervised_ms
        add_row(
            table,
            row.name,
            "yes" if row.needs_reference else "no",
            figure_text(row.error_ms),
            "-" if row.own_error_ms is None else f"{row.own_error_ms:.1f}",
            "-" if beyond_ms is None else figure_text(beyond_ms, signed=True),
            "-" if row.p_value is None else f"{row.p_value:.4f}",
            _chosen(row),
            "+".join(row.heads) if row.name != "all heads" else "all",
        )
    return table


def _heads(stratum: HeadStratum) -> Table:
    """The first heads of the ranking by error."""
    table = Table(box=box.SIMPLE_HEAD)
    add_columns(table, ("head", "error", "among the best in", "agreement", "norms"), text=["head"])
    for row in stratum.heads[:N_HEADS_SHOWN]:
        agreement = number_text(row.agreement.value, row.agreement.ci_low, row.agreement.ci_high, 2)
        add_row(table, row.head, figure_text(row.error_ms), f"{row.among_best:.0%}", agreement, f"{row.norms:.1f}")
    return table


def _chosen(row: SetRow) -> str:
    shares = [row.chosen.get(head, 0.0) for head in row.heads]
    return f"{min(shares):.0%} to {max(shares):.0%}" if shares else "-"
