"""Agreement and the error budget on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from align_eval.findings.agreement.correlation import NORMALISATIONS
from align_eval.findings.agreement.records import FAITHFUL, AgreementFinding
from align_eval.findings.budget.cells import ARMS
from align_eval.findings.budget.records import Budget, Figure, Injection, Stratum
from align_eval.reporting.terminal.scores import clusters_label

MEANING = {
    "agreement": "rho: correlation of attention with saliency, mean over utterances; its square is the share of "
    "variance, which rho is not. paper: attention standardised per frame, saliency per token; rows: both per token.",
    "cells": "Mean absolute error of interior boundaries in ms; best: heads, depth and silence chosen on other "
    "clusters. difference: best attention minus best saliency. calibrated: the median error on other clusters taken "
    "out, starts and ends apart; beside the budget, no step of it.",
    "injection": "price of incompleteness: the best placebo minus the real residual. sign: whether it is the same "
    "under every reference and 10 ms either way. The primary contrast is subword, log, silence-aware path; its p flips "
    "the sign of whole clusters, adjusted over all kinds of reference and runs given. All else is exploratory.",
}


def print_budget(budget: Budget, console: Console, floors_ms: Mapping[str, float] | None = None) -> None:
    """Print every stratum: cells, residual injection, shares, the floor between references; and the run's signature."""
    for stratum in budget.strata:
        console.print(_cells(stratum))
        console.print(_injection(stratum.injection, "residual injection into all heads"))
        console.print(_injection(stratum.injection_upper, "residual injection into the upper half of the layers"))
        for line in (*_shares(stratum), *_head_sets(stratum)):
            console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)
        floor_ms = (floors_ms or {}).get(stratum.reference)
        if floor_ms is not None:
            console.print(f"  floor, between two references: {floor_ms:.1f} ms", highlight=False)
        console.print()
    for line in budget.left_out:
        console.print(f"left out: {line}", style="yellow", markup=False, emoji=False, highlight=False)
    for meaning in ("cells", "injection"):
        _dim(console, MEANING[meaning])
    _dim(console, signature_line(budget.finding, budget.signature))


def print_agreement(finding: AgreementFinding, console: Console) -> None:
    """Print Pearson's rho per utterance by layer and average, ceilings beside; heads are in the file."""
    shown = [row for row in finding.rows if row.level == "utterance" and row.method == "pearson"]
    for saliency in dict.fromkeys(row.saliency for row in shown):
        rows = {(r.group, r.normalisation): r for r in shown if r.saliency == saliency}
        first = next(iter(rows.values()))
        title = f"{first.source} with {saliency}: {finding.n_utterances} utterances, "
        title += clusters_label(first.clusters, first.n_clusters, first.n_effective_clusters)
        table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("heads", overflow="fold")
        for normalisation in NORMALISATIONS:
            table.add_column(f"rho, {normalisation}", justify="right")
            table.add_column("squared", justify="right")
        groups = dict.fromkeys(group for group, _ in rows)
        for group in groups:
            if group.startswith("head "):
                continue
            cells: list[str] = []
            for normalisation in NORMALISATIONS:
                row = rows.get((group, normalisation))
                cells += ["-", "-"] if row is None else [_interval(row.value, row.ci_low, row.ci_high, 3)]
                cells += [] if row is None else [f"{row.squared:.3f}"]
            table.add_row(Text(group), *cells, end_section=group == FAITHFUL)
        console.print(table)
        for figure in finding.figures:
            if figure.saliency == saliency:
                value = _interval(figure.value, figure.ci_low, figure.ci_high, 3)
                console.print(f"  {figure.measure} of {figure.source}: {value}", markup=False, highlight=False)
    _dim(console, MEANING["agreement"])
    _dim(console, signature_line(finding.finding, finding.signature))


def signature_line(finding: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """The signature of a finding and of the run that it was made from."""
    return (
        f"{finding['finding']} {finding['id']}, seed={finding['seed']}, from run {run['id']}: model {run['model']} "
        f"{run['model_checksum'][:12]}, corpus {run['corpus']} {run['corpus_checksum'][:12]}, context={run['context']}"
    )


def _cells(stratum: Stratum) -> Table:
    title = f"{stratum.reference} reference, {stratum.unit}: {stratum.n_utterances} utterances, "
    title += f"{stratum.n_boundaries} boundaries, "
    title += clusters_label(stratum.clusters, stratum.n_clusters, stratum.n_effective_clusters)
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("preparation", "path", *ARMS, "difference", "sign"):
        table.add_column(name, justify="left" if name in ("preparation", "path", "sign") else "right")
    for cell in stratum.cells:
        arms = (_figure(cell.arms[arm]) for arm in ARMS)
        table.add_row(cell.preparation, cell.path, *arms, _figure(cell.difference, signed=True), cell.stands)
        moved = (_figure(cell.calibrated[arm]) for arm in ARMS)
        table.add_row("", "calibrated", *moved, _figure(cell.calibrated_difference, signed=True), "", style="dim")
    return table


def _injection(found: Injection, title: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("arm", "error", "minus real", "calibrated", "sign", "p (Holm)", "could be shown"):
        table.add_column(name, justify="left" if name in ("arm", "sign") else "right")
    for arm, figure in found.arms.items():
        over = found.over_real.get(arm)
        calibrated = _figure(found.calibrated[arm])
        table.add_row(arm, _figure(figure), "" if over is None else _figure(over, signed=True), calibrated)
    table.add_section()
    table.add_row(
        "price of incompleteness",
        "",
        _figure(found.cost, signed=True),
        _figure(found.calibrated_cost, signed=True),
        found.stands,
        "-" if found.p_holm is None else f"{found.p_holm:.3f}",
        "nothing" if found.smallest_effect_ms is None else f"{found.smallest_effect_ms:.1f} ms",
    )
    return table


def _shares(stratum: Stratum) -> Iterable[str]:
    for name, shares in (("Shapley shares", stratum.shapley), ("last step", stratum.last_step)):
        values = ", ".join(f"{player} {_figure(figure, signed=True)}" for player, figure in shares.items())
        yield f"  {name}: {values} of {_figure(stratum.start)} down to {_figure(stratum.end)}"


def _head_sets(stratum: Stratum) -> Iterable[str]:
    found = stratum.head_sets
    if found is None:
        return
    for name, effect in (
        ("agreement", found.effect),
        ("with another word's saliency", found.null),
        ("own less other", found.excess),
    ):
        low, high = (None if end is None else end / 10 for end in (effect.ci_low, effect.ci_high))
        yield (
            f"  per word, {name}: {_interval(effect.slope_ms / 10, low, high, 1, signed=True)} ms for .1 of rho, "
            f"{effect.n_words} words under {found.n_sets} sets of {found.size} heads"
        )
    quarters = ", ".join(f"{value:.1f}" for value in found.quartile_ms)
    yield f"  mean error by quarter of agreement, the least first: {quarters} ms (descriptive)"


def _figure(figure: Figure, *, signed: bool = False) -> str:
    return _interval(figure.value, figure.ci_low, figure.ci_high, 1, signed=signed)


def _interval(value: float, low: float | None, high: float | None, digits: int, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    if low is None or high is None:
        return f"{value:{sign}.{digits}f}"
    return f"{value:{sign}.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _dim(console: Console, line: str) -> None:
    console.print(line, style="dim", markup=False, emoji=False, highlight=False, soft_wrap=True)
