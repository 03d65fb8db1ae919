"""The section at the top: cards with the best attention, the best saliency, and the cost of incompleteness."""

from __future__ import annotations

from typing import Any

from align_eval.findings.budget.records import Budget
from align_eval.reporting.numbers import ends_text, minus, signed
from align_eval.reporting.run_view import ALL, INTERIOR, RunView, StratumView


def answer_section(view: RunView, budget: Budget | None) -> list[dict[str, Any]]:
    """The cards of each kind of reference."""
    return [
        {
            "title": f"{stratum.reference} reference",
            "note": f"{stratum.n_words} words, {stratum.clusters}",
            "cards": [*_error_cards(stratum), *_cost_cards(stratum, budget)],
        }
        for stratum in view.strata
    ]


def _error_cards(stratum: StratumView) -> list[dict[str, Any]]:
    best = [(f"best {family}", stratum.best(family)) for family in ("attention", "saliency")]
    systems = [(name, system) for name, system in best if system is not None]
    cards = []
    for name, system in systems or [("least error", stratum.systems[0])]:
        row = system.rows.get(INTERIOR) or system.rows.get(ALL)
        if row is not None:
            cards.append(_card(name, f"{row.value:.1f}", system.label, system.family, row.ci_low, row.ci_high))
    return cards


def _cost_cards(stratum: StratumView, budget: Budget | None) -> list[dict[str, Any]]:
    cards = []
    for part in budget.strata if budget is not None else ():
        if part.reference == stratum.reference:
            injection, cost = part.injection, part.injection.cost
            p = "" if injection.p_holm is None else f", p = {injection.p_holm:.3f}"
            note = f"best placebo minus real residual, {part.unit}; sign: {injection.stands}{p}"
            name = "cost of incompleteness"
            cards.append(_card(name, signed(cost.value, 1), note, "cost", cost.ci_low, cost.ci_high))
    return cards


def _card(name: str, value: str, note: str, kind: str, low: float | None, high: float | None) -> dict[str, Any]:
    ends = ends_text(low, high, 0)
    interval = minus(f"{ends[0]} to {ends[1]}") if ends else ""
    return {"name": name, "value": value, "interval": interval, "note": note, "kind": kind}
