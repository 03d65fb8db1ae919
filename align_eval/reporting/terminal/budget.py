"""Error budget on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table

from align_eval.findings.budget.cells import ARMS
from align_eval.findings.budget.records import Budget, Injection, Stratum
from align_eval.reporting.numbers import number_text
from align_eval.reporting.terminal.printing import add_columns, add_row, print_line, titled_table
from align_eval.reporting.terminal.scores import clusters_label
from align_eval.run_record import Figure
from align_eval.signature import signature_line

CELLS_MEANING = (
    "Mean absolute error of interior boundaries in ms. best: heads, depth and silence chosen on other clusters. "
    "difference: best attention minus best saliency. calibrated: after subtracting the median error on other clusters, "
    "separately for starts and ends; shown for comparison, not a step of the budget."
)
INJECTION_MEANING = (
    "cost of incompleteness: best placebo minus real residual. sign: whether it is the same under every reference and "
    "when the reference moves by 10 ms either way. Only the primary contrast is tested: subword, log, silence-aware "
    "path; p flips the sign of whole clusters, adjusted over kinds of reference and runs. The rest is exploratory."
)


def print_budget(budget: Budget, console: Console, floors_ms: Mapping[str, float] | None = None) -> None:
    """Print one block per kind of reference and token unit, then what was left out and the signature.

    Parameters
    ----------
    floors_ms
        Disagreement of two references in ms, per kind of reference.
    """
    for stratum in budget.strata:
        console.print(_cells(stratum))
        console.print(_injection(stratum.injection, "residual injection into all heads"))
        console.print(_injection(stratum.injection_upper, "residual injection into the upper half of the layers"))
        for line in (*_shares(stratum), *_word_effects(stratum)):
            print_line(console, f"  {line}")
        floor_ms = (floors_ms or {}).get(stratum.reference)
        if floor_ms is not None:
            print_line(console, f"  floor, between two references: {floor_ms:.1f} ms")
        console.print()
    for line in budget.left_out:
        print_line(console, f"left out: {line}", "yellow")
    for line in (CELLS_MEANING, INJECTION_MEANING, signature_line(budget.finding, budget.signature)):
        print_line(console, line, "dim")


def figure_text(figure: Figure, *, signed: bool = False) -> str:
    """Return a value in ms and its interval."""
    return number_text(figure.value, figure.ci_low, figure.ci_high, signed=signed)


def _cells(stratum: Stratum) -> Table:
    """Errors per preparation and path, each followed by its calibrated errors."""
    title = f"{stratum.reference} reference, {stratum.unit}: {stratum.n_utterances} utterances, "
    title += f"{stratum.n_boundaries} boundaries, "
    title += clusters_label(stratum.clusters, stratum.n_clusters, stratum.n_effective_clusters)
    table = titled_table(title)
    add_columns(table, ("preparation", "path", *ARMS, "difference", "sign"), text=("preparation", "path", "sign"))
    for cell in stratum.cells:
        errors = (figure_text(cell.arms[arm]) for arm in ARMS)
        add_row(table, cell.preparation, cell.path, *errors, figure_text(cell.difference, signed=True), cell.stands)
        errors = (figure_text(cell.calibrated[arm]) for arm in ARMS)
        difference = figure_text(cell.calibrated_difference, signed=True)
        add_row(table, "", "calibrated", *errors, difference, "", style="dim")
    return table


def _injection(injection: Injection, title: str) -> Table:
    """Errors per arm, each placebo minus the real residual, and the cost of incompleteness with its test."""
    table = titled_table(title)
    add_columns(
        table,
        ("arm", "error", "minus real", "calibrated", "sign", "p (Holm)", "could be shown"),
        text=("arm", "sign"),
    )
    for arm, error in injection.arms.items():
        difference = injection.over_real.get(arm)
        add_row(
            table,
            arm,
            figure_text(error),
            "" if difference is None else figure_text(difference, signed=True),
            figure_text(injection.calibrated[arm]),
        )
    table.add_section()
    add_row(
        table,
        "cost of incompleteness",
        "",
        figure_text(injection.cost, signed=True),
        figure_text(injection.calibrated_cost, signed=True),
        injection.stands,
        "-" if injection.p_holm is None else f"{injection.p_holm:.3f}",
        "nothing" if injection.smallest_effect_ms is None else f"{injection.smallest_effect_ms:.1f} ms",
    )
    return table


def _shares(stratum: Stratum) -> Iterable[str]:
    """Each step's share of the error, and its gain as the last step."""
    for name, shares in (("Shapley shares", stratum.shapley), ("last step", stratum.last_step)):
        values = ", ".join(f"{step} {figure_text(share, signed=True)}" for step, share in shares.items())
        yield f"{name}: {values} of {figure_text(stratum.start)} down to {figure_text(stratum.end)}"


def _word_effects(stratum: Stratum) -> Iterable[str]:
    """Effect of agreement on the error of a word, per 0.1 of rho."""
    head_sets = stratum.head_sets
    if head_sets is None:
        return
    for name, effect in (
        ("agreement", head_sets.effect),
        ("with another word's saliency", head_sets.null),
        ("own minus other", head_sets.excess),
    ):
        low, high = (None if end is None else end / 10 for end in (effect.ci_low, effect.ci_high))
        yield (
            f"per word, {name}: {number_text(effect.slope_ms / 10, low, high, signed=True)} ms per 0.1 of rho, "
            f"{effect.n_words} words under {head_sets.n_sets} sets of {head_sets.size} heads"
        )
    quarters = ", ".join(f"{error_ms:.1f}" for error_ms in head_sets.quartile_ms)
    yield f"mean error by quarter of agreement, lowest agreement first: {quarters} ms (descriptive)"
