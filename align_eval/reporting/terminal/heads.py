"""A search for alignment heads on a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from align_eval.findings.budget.records import Figure
from align_eval.findings.heads.records import HeadSearch, HeadStratum, SetRow
from align_eval.reporting.terminal.budget import signature_line
from align_eval.reporting.terminal.scores import clusters_label

N_HEADS_SHOWN = 10

MEANING = (
    "error: mean absolute error of interior boundaries in ms; sets that need reference times are chosen on one half of "
    "the clusters and scored on the other, others are chosen without reference times. on itself: of the set on the "
    "clusters that chose it. beyond: error less that of the supervised search, on the same boundaries. chosen: least "
    "and greatest share of the halves of clusters that choose one of its heads again."
)


def print_heads(search: HeadSearch, console: Console) -> None:
    """Print sets and the best heads for every kind of reference, then what was left out and the signature."""
    for stratum in search.strata:
        console.print(_sets(stratum))
        console.print(_heads(stratum))
        steady = ", ".join(f"by {name} {value:.2f}" for name, value in stratum.stability.items())
        predict = ", ".join(f"{name} {value:.2f}" for name, value in stratum.predicts_error.items())
        console.print(f"  rankings of one half of the {stratum.clusters} with the other's: {steady}", highlight=False)
        console.print(f"  rankings without reference times with that by error: {predict}", highlight=False)
        console.print()
    for line in search.left_out:
        console.print(f"left out: {line}", style="yellow", markup=False, emoji=False, highlight=False)
    for line in (MEANING, signature_line(search.finding, search.signature)):
        console.print(line, style="dim", markup=False, emoji=False, highlight=False)


def _sets(stratum: HeadStratum) -> Table:
    title = f"{stratum.reference} reference: {stratum.n_utterances} utterances, {stratum.n_boundaries} boundaries, "
    title += clusters_label(stratum.clusters, stratum.n_clusters, stratum.n_effective_clusters)
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("set", "reference times"):
        table.add_column(column)
    for column in ("error", "on itself", "beyond the supervised", "p", "chosen"):
        table.add_column(column, justify="right")
    table.add_column("heads", overflow="fold")
    for row in stratum.sets:
        table.add_row(
            row.name,
            "yes" if row.needs_reference else "no",
            interval(row.error_ms),
            "-" if row.own_error_ms is None else f"{row.own_error_ms:.1f}",
            "-" if row.beyond_supervised_ms is None else interval(row.beyond_supervised_ms, signed=True),
            "-" if row.p_value is None else f"{row.p_value:.4f}",
            _chosen(row),
            "+".join(row.heads) if row.name != "all heads" else "all",
        )
    return table


def _heads(stratum: HeadStratum) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("head")
    for column in ("error", "among the best in", "agreement", "norms"):
        table.add_column(column, justify="right")
    for row in stratum.heads[:N_HEADS_SHOWN]:
        table.add_row(
            row.head, interval(row.error_ms), f"{row.among_best:.0%}", interval(row.agreement, 2), f"{row.norms:.1f}"
        )
    return table


def interval(figure: Figure, digits: int = 1, *, signed: bool = False) -> str:
    """A figure and its interval."""
    sign = "+" if signed else ""
    value = f"{figure.value:{sign}.{digits}f}"
    if figure.ci_low is None or figure.ci_high is None:
        return value
    return f"{value} [{figure.ci_low:.{digits}f}, {figure.ci_high:.{digits}f}]"


def _chosen(row: SetRow) -> str:
    shares = [row.chosen.get(head, 0.0) for head in row.heads]
    return f"{min(shares):.0%} to {max(shares):.0%}" if shares else "-"
