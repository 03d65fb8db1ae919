"""Error budget on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table

from align_eval.findings.budget.cells import ARMS
from align_eval.findings.budget.records import Budget, Injection, Stratum
from align_eval.reporting.budget_sentences import (
    PER_RHO,
    added_to,
    effect_sentence,
    injection_sentences,
    moved_text,
)
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
    "What the saliency shows and attention lacks is added to attention, and so is each control, at an amount of 1/64 "
    "to 1, or not at all, chosen on other clusters. moved: percentage of boundaries that each amount moves by "
    "half a frame or more. cost of incompleteness: error with the best control, or of attention, minus that with the "
    "saliency. "
    "calibrated: after subtracting the median error of other clusters. sign: whether it is the same under every "
    "reference and when the reference moves by 10 ms either way. Only the primary contrast is tested: subword, "
    "gradient at the encoder output; p flips the sign of whole clusters, adjusted over kinds of reference and runs. "
    "The rest is exploratory."
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
        if stratum.injection is not None:
            console.print(_injection(stratum.injection))
        for line in (*injection_sentences(stratum), *_shares(stratum), *_word_effects(stratum)):
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


def _injection(injection: Injection) -> Table:
    """Errors per arm, each minus that with the saliency, and the boundaries that each amount moves."""
    table = titled_table(f"residual injection into heads {'+'.join(injection.heads)}")
    add_columns(
        table, ("arm", "error", "minus saliency", "calibrated", "minus saliency", "moved, %"), text=("arm", "moved, %")
    )
    for name, arm in injection.arms.items():
        over = (arm.over_saliency, arm.calibrated_over_saliency)
        raw, calibrated = ("" if figure is None else figure_text(figure, signed=True) for figure in over)
        errors = (figure_text(arm.error), raw, figure_text(arm.calibrated), calibrated)
        add_row(table, added_to(name), *errors, moved_text(arm))
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
        low, high = (None if end is None else end * PER_RHO for end in (effect.ci_low, effect.ci_high))
        yield (
            f"per word, {name}: {number_text(effect.slope_ms * PER_RHO, low, high, signed=True)} ms per 0.1 of rho, "
            f"{effect.n_words} words under {head_sets.n_sets} sets of {head_sets.size} heads"
        )
    yield effect_sentence(head_sets, stratum)
    quarters = ", ".join(f"{error_ms:.1f}" for error_ms in head_sets.quartile_ms)
    yield f"mean error by quarter of agreement, lowest agreement first: {quarters} ms (descriptive)"
