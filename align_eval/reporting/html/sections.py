"""What the page says in words and tables: cards at the top, a part a kind of reference. Numbers are as they stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from align_eval.errors import NotComparableError
from align_eval.findings.budget.cells import ARMS
from align_eval.findings.budget.records import Budget, Figure, Stratum
from align_eval.findings.drift import Drift
from align_eval.findings.heads.records import HeadSearch, HeadStratum
from align_eval.gate.records import Comparison, SystemFigures
from align_eval.reporting.ci.markdown import MARKS, figures_row
from align_eval.reporting.figures.waterfall import LABELS, STEPS
from align_eval.reporting.findings import Findings
from align_eval.reporting.gate_text import differences_text, headline, regressions, warning
from align_eval.reporting.html import charts
from align_eval.reporting.html.svg import signed
from align_eval.reporting.terminal.budget import signature_line
from align_eval.reporting.terminal.scores import floors_ms, named_align
from align_eval.reporting.view import (
    ALL,
    CALIBRATED,
    END_BIAS,
    INTERIOR,
    START_BIAS,
    WITHIN,
    Key,
    RunView,
    StratumView,
    SystemView,
    by_trust,
    interval,
)
from align_eval.scoring.curves import quantiles_ms
from align_eval.scoring.metrics import TOLERANCES_MS

VERDICT_MEANING = {
    "pass": "nothing got worse by more than the margin",
    "undecided": "nothing got worse for sure; these words are too few to rule it out",
    "regression": "something got worse",
}


def cards(view: RunView, findings: Findings) -> list[dict[str, Any]]:
    """The answer, a part a kind of reference: the best attention, the best saliency, the price of incompleteness."""
    return [
        {
            "title": f"{stratum.reference} reference",
            "note": f"{stratum.n_words} words, {stratum.clusters}",
            "cards": [*_errors(stratum), *_prices(stratum, findings.budget)],
        }
        for stratum in view.strata
    ]


def _errors(stratum: StratumView) -> list[dict[str, Any]]:
    best = [(f"{name} at its best", stratum.best(name)) for name in ("attention", "saliency")]
    shown = [(name, system) for name, system in best if system is not None]
    found = []
    for name, system in shown or [("least error", stratum.systems[0])]:
        row = system.rows.get(INTERIOR) or system.rows.get(ALL)
        if row is not None:
            card = _card(name, f"{row.value:.1f}", system.label, system.family, row.ci_low, row.ci_high)
            found.append(card)
    return found


def _prices(stratum: StratumView, budget: Budget | None) -> list[dict[str, Any]]:
    found = []
    for part in budget.strata if budget is not None else ():
        if part.reference == stratum.reference:
            cost = part.injection.cost
            p = "" if part.injection.p_holm is None else f", p = {part.injection.p_holm:.3f}"
            note = f"best placebo less real residual, {part.unit}; sign: {part.injection.stands}{p}"
            found.append(
                _card("price of incompleteness", signed(cost.value, 1), note, "price", cost.ci_low, cost.ci_high)
            )
    return found


def _card(name: str, value: str, note: str, kind: str, low: float | None, high: float | None) -> dict[str, Any]:
    ends = "" if low is None or high is None else f"{low:.0f} to {high:.0f}".replace("-", "−")
    return {"name": name, "value": value, "interval": ends, "note": note, "kind": kind}


def system_row(system: SystemView, plot: Markup) -> dict[str, Any]:
    """A line of the table of sources."""
    return {
        "source": breakable(system.source),
        "align": named_align(system.source, system.align),
        "family": system.family,
        "plot": plot,
        **{
            name: interval(system.rows.get(key))
            for name, key in (("all", ALL), ("interior", INTERIOR), ("calibrated", CALIBRATED))
        },
        "within": _value(system, WITHIN),
        "biases": [_value(system, key) for key in (START_BIAS, END_BIAS)],
    }


def breakable(spec: str) -> Markup:
    """A spec that may be broken after a comma or a colon."""
    return Markup("<wbr>").join(part for part in re.split(r"(?<=[,:=])", spec))


def _value(system: SystemView, key: Key) -> str:
    """A score without its interval."""
    row = system.rows.get(key)
    if row is None:
        return "–"
    return f"{row.value:.0%}" if row.unit == "share" else signed(row.value)


def spread_row(system: SystemView) -> list[str]:
    """Medians and 5 to 95 % of signed errors."""
    cells = [system.label]
    for errors_s in (system.starts_s, system.ends_s):
        low, median, high = quantiles_ms(errors_s, (0.05, 0.5, 0.95))
        cells += [signed(median), f"{signed(low)} to {signed(high)}"] if np.isfinite(median) else ["–", "–"]
    return cells


def within_row(system: SystemView) -> list[str]:
    """Shares within the tolerances that are scored."""
    keys = [("interior", "none", f"within_{ms}ms") for ms in TOLERANCES_MS]
    return [system.label, *(f"{system.rows[key].value:.0%}" if key in system.rows else "–" for key in keys)]


def budget_parts(view: RunView, budget: Budget | None) -> dict[str, Any] | None:
    """The waterfall and the cells behind it, a part a stratum."""
    if budget is None:
        return None
    floors = floors_ms(view.run)
    return {
        "signature": signature_line(budget.finding, budget.signature),
        "left_out": budget.left_out,
        "arms": ARMS,
        "parts": [
            {
                "title": f"{s.reference} reference, {s.unit}: {s.n_boundaries} boundaries, "
                f"{s.n_clusters} {s.clusters}, {s.n_effective_clusters:.1f} effective",
                "chart": charts.waterfall(s, floors.get(s.reference)),
                "cells": [
                    [c.preparation, c.path, *(_figure(c.arms[arm]) for arm in ARMS), _figure(c.difference, sign=True)]
                    for c in s.cells
                ],
                "steps": _steps(s),
            }
            for s in sorted(budget.strata, key=lambda s: by_trust(s.reference))
        ],
    }


def _steps(stratum: Stratum) -> list[list[str]]:
    steps = [["Whisper's heads, DTW", _figure(stratum.start)]]
    steps += [[LABELS[step].replace("\n", " "), _gain(stratum.shapley[step])] for step in STEPS]
    steps += [["all steps", _figure(stratum.end)]]
    steps += [["price of incompleteness, all heads", _figure(stratum.injection.cost, sign=True)]]
    steps += [["price, heads of the upper half", _figure(stratum.injection_upper.cost, sign=True)]]
    return steps


def verdict_parts(verdict: Comparison | NotComparableError) -> dict[str, Any]:
    """The gate's answer."""
    if isinstance(verdict, NotComparableError):
        return {
            "short": "not comparable",
            "headline": f"not comparable: {verdict}",
            "kind": "undecided",
            "rows": [],
            "lines": [],
        }
    return {
        "short": f"{verdict.verdict}: {VERDICT_MEANING[verdict.verdict]}",
        "headline": headline(verdict),
        "kind": verdict.verdict,
        "rows": [_figures_row(verdict, figures) for figures in verdict.figures],
        "lines": [*regressions(verdict), *warning(verdict)],
        "differences": differences_text(verdict.differences),
    }


def _figures_row(found: Comparison, figures: SystemFigures) -> tuple[str, ...]:
    """A line of the gate's table: system first, the verdict as a word."""
    words = {mark: verdict for verdict, mark in MARKS.items()}
    mark, system, *cells = figures_row(found, figures)
    return system, figures.reference, words[mark], *cells


def head_parts(findings: Findings) -> dict[str, Any] | None:
    """Maps of heads: error and agreement side by side from a search, agreement alone from `agree`."""
    if findings.heads is not None:
        signature = signature_line(findings.heads.finding, findings.heads.signature)
        strata = sorted(findings.heads.strata, key=lambda s: by_trust(s.reference))
        return {"signature": signature, "parts": [_searched(findings.heads, s) for s in strata]}
    if findings.agree is None:
        return None
    rows = [
        row
        for row in findings.agree.rows
        if (row.level, row.method, row.normalisation) == ("utterance", "pearson", "rows") and _head(row.group)
    ]
    parts = []
    for saliency in dict.fromkeys(row.saliency for row in rows):
        values = {_head(row.group): row.value for row in rows if row.saliency == saliency}
        known = {head: value for head, value in values.items() if head is not None}
        chart = charts.heat_map(known, "agreement ρ", 2, low_is_good=False, chosen=set())
        table = [[f"{layer}.{head}", "", f"{value:.3f}"] for (layer, head), value in sorted(known.items())]
        parts.append({"title": f"with {saliency}", "charts": [chart], "rows": table, "note": ""})
    return {"signature": signature_line(findings.agree.finding, findings.agree.signature), "parts": parts}


def _searched(search: HeadSearch, stratum: HeadStratum) -> dict[str, Any]:
    chosen = next((s.heads for s in stratum.sets if s.name == "alignment heads"), ())
    error = {_pair(row.head): row.error_ms.value for row in stratum.heads}
    rho = {_pair(row.head): row.agreement.value for row in stratum.heads}
    return {
        "title": f"{stratum.reference} reference, {search.signature['model']} on {search.signature['corpus']}: "
        f"{stratum.n_boundaries} boundaries",
        "charts": [
            charts.heat_map(error, "error, ms", 0, low_is_good=True, chosen=set(chosen)),
            charts.heat_map(rho, "agreement ρ", 2, low_is_good=False, chosen=set(chosen)),
        ],
        "rows": [[row.head, _figure(row.error_ms), f"{row.agreement.value:.3f}"] for row in stratum.heads],
        "note": "Frames mark the alignment heads that come with the model." if chosen else "",
    }


def rho_lines(findings: Findings) -> list[str]:
    """What the findings say of agreement and error, beside the picture that shows single words."""
    lines = []
    if findings.budget is not None:
        for s in findings.budget.strata:
            if s.head_sets is not None:
                e = s.head_sets.excess
                ends = "" if e.ci_low is None or e.ci_high is None else f" [{e.ci_low / 10:.1f}, {e.ci_high / 10:.1f}]"
                ends = ends.replace("-", "−")
                lines.append(
                    f"Each word against itself under {s.head_sets.n_sets} sets of heads, {s.reference} reference, "
                    f"{s.unit}: {signed(e.slope_ms / 10, 1)} ms{ends} for .1 more of ρ, beyond what the saliency of "
                    "another word shows."
                )
    if findings.agree is not None:
        for row in findings.agree.rows:
            if (row.group, row.level, row.method, row.normalisation) == ("all", "utterance", "pearson", "rows"):
                ends = "" if row.ci_low is None else f" [{row.ci_low:.3f}, {row.ci_high:.3f}]"
                lines.append(
                    f"Agreement of {row.source} with {row.saliency}: ρ = {row.value:.3f}{ends}, {row.n} utterances."
                )
    return lines


def drift_rows(drift: Drift, stratum: StratumView) -> Sequence[Sequence[str]]:
    """Slopes with intervals."""
    return [
        [
            f"{row.source} | {row.align}",
            f"{row.boundary}s",
            f"{row.slope_ms_per_min:+.2f}"
            + ("" if row.ci_low is None or row.ci_high is None else f" [{row.ci_low:.2f}, {row.ci_high:.2f}]"),
        ]
        for row in drift.rows
        if row.reference == stratum.reference
    ]


def _head(group: str) -> tuple[int, int] | None:
    name = group.removeprefix("head ")
    return _pair(name) if name != group and not name.startswith("*") else None


def _pair(name: str) -> tuple[int, int]:
    layer, head = name.split(".")
    return int(layer), int(head)


def _figure(figure: Figure, *, sign: bool = False) -> str:
    value = signed(figure.value, 1) if sign else f"{figure.value:.1f}"
    if figure.ci_low is None or figure.ci_high is None:
        return value
    return f"{value} [{figure.ci_low:.1f}, {figure.ci_high:.1f}]".replace("-", "−")


def _gain(share: Figure) -> str:
    """A Shapley share as what it does to the error: less is a gain."""
    negated = None if share.ci_low is None or share.ci_high is None else (-share.ci_high, -share.ci_low)
    low, high = negated or (None, None)
    return _figure(Figure(-share.value, low, high), sign=True)
