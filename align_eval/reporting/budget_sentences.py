"""Sentences of an error budget, the same for terminal and page: pure functions of its records."""

from __future__ import annotations

from collections.abc import Iterator

from align_eval.findings.budget.agreement_effect import HeadSets
from align_eval.findings.budget.controls import ATTENTION, SALIENCY
from align_eval.findings.budget.records import Arm, Injection, Stratum
from align_eval.reporting.numbers import figure_text, signed
from align_eval.run_record import Figure

OFTEN = 1 / 4
"""An end of the amounts that more than this share of the halves chooses is said: the best may lie beyond it."""

PER_RHO = 0.1
"""Slopes are given per this much of rho."""


def injection_sentences(stratum: Stratum) -> Iterator[str]:
    """Result of residual injection in sentences: the cost, its test, and the controls that could show nothing."""
    injection = stratum.injection
    if injection is None:
        yield f"cost of incompleteness: not measured, {stratum.no_injection}"
        return
    yield _worth_sentence("worth of the saliency's residual", injection.worth, injection.calibrated_worth)
    yield _worth_sentence("cost of incompleteness, beyond the best control", injection.cost, injection.calibrated_cost)
    yield _test_sentence(injection)
    too_few = [name for name, arm in injection.arms.items() if arm.moves_as_many is False]
    if too_few:
        yield f"controls that move fewer boundaries than the saliency at every amount: {', '.join(too_few)}"
    rows = injection.arms[SALIENCY].amounts
    n_halves = sum(row.chosen for row in rows)
    if rows[-1].chosen > OFTEN * n_halves:
        yield f"the largest amount was chosen in {rows[-1].chosen} of {n_halves} halves: more may be worth more"


def _worth_sentence(name: str, raw: Figure, calibrated: Figure) -> str:
    return f"{name}: {figure_text(raw, sign=True)} ms, calibrated {figure_text(calibrated, sign=True)} ms"


def _test_sentence(injection: Injection) -> str:
    p = "not tested" if injection.p_holm is None else f"p = {injection.p_holm:.3f} (Holm)"
    could = "nothing" if injection.smallest_effect_ms is None else f"{injection.smallest_effect_ms:.1f} ms"
    return f"sign of the cost: {injection.stands}; {p}; could be shown: {could}"


def added_to(name: str) -> str:
    """Name of an arm in a table."""
    return name if name == ATTENTION else f"+ {name}"


def moved_text(arm: Arm) -> str:
    """Percentages of boundaries that an arm moves at each amount above zero."""
    return " ".join(f"{100 * row.moved:.0f}" for row in arm.amounts if row.amount)


def effect_sentence(head_sets: HeadSets, stratum: Stratum) -> str:
    """The effect of agreement on a word's error beyond that of another word's saliency, or that none is shown."""
    effect = head_sets.excess
    where = f"Each word against itself under {head_sets.n_sets} sets of heads, {stratum.reference} reference"
    where += f", {stratum.unit}"
    slope = signed(effect.slope_ms * PER_RHO, 1)
    if effect.ci_low is None or effect.ci_high is None:
        return f"{where}: {slope} ms per 0.1 of ρ; too few {stratum.clusters} or sets of heads to tell."
    ends = Figure(effect.slope_ms * PER_RHO, effect.ci_low * PER_RHO, effect.ci_high * PER_RHO)
    beyond = "beyond the effect of another word's saliency"
    figure = figure_text(ends, sign=True)
    if effect.ci_low <= 0 <= effect.ci_high:
        return f"{where}: agreement is not shown to matter, {figure} ms per 0.1 of ρ {beyond}."
    return f"{where}: {figure} ms per 0.1 of ρ {beyond}."
