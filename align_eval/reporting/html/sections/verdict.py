"""The section with the verdict of the gate against a baseline."""

from __future__ import annotations

from typing import Any

from align_eval.errors import NotComparableError
from align_eval.gate.verdicts import Comparison, SystemFigures
from align_eval.reporting.ci.markdown import MARKS, figures_row
from align_eval.reporting.gate_names import with_short_names
from align_eval.reporting.gate_sentences import differences_text, headline, regressions, warning

MEANINGS = {
    "pass": "nothing got worse by more than the margin",
    "undecided": "no regression is certain; these words are too few to rule one out",
    "regression": "something got worse",
}


def verdict_section(verdict: Comparison | NotComparableError) -> dict[str, Any]:
    """Headline, regressions and the table of all systems."""
    if isinstance(verdict, NotComparableError):
        return {
            "short": "not comparable",
            "headline": f"not comparable: {verdict}",
            "kind": "undecided",
            "rows": [],
            "lines": [],
        }
    verdict = with_short_names(verdict)
    return {
        "short": f"{verdict.verdict}: {MEANINGS[verdict.verdict]}",
        "headline": headline(verdict),
        "kind": verdict.verdict,
        "rows": [_row(verdict, figures) for figures in verdict.figures],
        "lines": [*regressions(verdict), *warning(verdict)],
        "differences": differences_text(verdict.differences),
    }


def _row(comparison: Comparison, figures: SystemFigures) -> tuple[str, ...]:
    """System, reference, verdict as a word, then the figures."""
    verdicts = {mark: verdict for verdict, mark in MARKS.items()}
    mark, system, *cells = figures_row(comparison, figures)
    return system, figures.reference, verdicts[mark], *cells
