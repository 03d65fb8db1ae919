"""Agreement of attention with saliency on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from align_eval.findings.agreement.correlation import NORMALISATIONS
from align_eval.findings.agreement.records import FAITHFUL, AgreementFinding, AgreementRow
from align_eval.reporting.numbers import number_text
from align_eval.reporting.terminal.printing import add_columns, add_row, print_line, titled_table
from align_eval.reporting.terminal.scores import widest_label
from align_eval.signature import signature_line

MEANING = (
    "rho: Pearson correlation of attention with saliency, mean over utterances; its square is the share of variance, "
    "which rho is not. paper: attention standardised per frame, saliency per token; rows: both per token."
)


def print_agreement(finding: AgreementFinding, console: Console) -> None:
    """Print Pearson's rho per layer and for the average of all heads; agree.json also has each head."""
    correlations = [
        row
        for row in finding.rows
        if row.level == "utterance" and row.method == "pearson" and not row.group.startswith("head ")
    ]
    for saliency in dict.fromkeys(row.saliency for row in correlations):
        rows = [row for row in correlations if row.saliency == saliency]
        console.print(_table(rows, finding.n_utterances))
        for figure in finding.figures:
            if figure.saliency == saliency:
                value = number_text(figure.value, figure.ci_low, figure.ci_high, 3)
                print_line(console, f"  {figure.measure} of {figure.source}: {value}")
    print_line(console, MEANING, "dim")
    print_line(console, signature_line(finding.finding, finding.signature), "dim")


def _table(rows: Sequence[AgreementRow], n_utterances: int) -> Table:
    """One row per group of heads, two columns per normalisation."""
    first = rows[0]
    label = widest_label(rows)
    table = titled_table(f"{first.source} with {first.saliency}: {n_utterances} utterances, {label}")
    add_columns(table, ["heads"], text=["heads"])
    for normalisation in NORMALISATIONS:
        add_columns(table, [f"rho, {normalisation}", "squared"])
    by_key = {(row.group, row.normalisation): row for row in rows}
    for group in dict.fromkeys(row.group for row in rows):
        cells: list[str] = []
        for normalisation in NORMALISATIONS:
            row = by_key.get((group, normalisation))
            if row is None:
                cells += ["-", "-"]
            else:
                cells += [number_text(row.value, row.ci_low, row.ci_high, 3), f"{row.squared:.3f}"]
        add_row(table, group, *cells, end_section=group == FAITHFUL)
    return table
