"""The gate's answer in Markdown: for a job summary, and beside a baseline for whoever reviews it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence

from align_eval.errors import NotComparableError
from align_eval.gate.compare import Side
from align_eval.gate.records import SHIFTS, Comparison, SystemFigures, Verdict, worst_of
from align_eval.reporting.gate_text import (
    differences_text,
    headline,
    interval,
    regressions,
    warning,
    worst_words,
)

MARKS: dict[Verdict, str] = {"pass": "✅", "undecided": "⚠️", "regression": "❌"}


def summary(found: Comparison) -> str:
    """The whole answer."""
    return "\n".join([f"## {MARKS[found.verdict]} Word times: {found.verdict}", "", *_body(found), ""])


def accepted_note(baseline: Side, run: Side, outcome: Comparison | NotComparableError) -> str:
    """What an accepted baseline says of itself: what it is, and what moved from the one before it."""
    lines = [
        "# Accepted baseline",
        "",
        f"Run `{run.run.signature.get('id', 'unsigned')}`, accepted in the place of "
        f"`{baseline.run.signature.get('id', 'unsigned')}`.",
        "",
    ]
    if isinstance(outcome, NotComparableError):
        return "\n".join([*lines, f"Nothing says what moved: {escaped(str(outcome))}.", ""])
    return "\n".join([*lines, "## What moved", "", *_body(outcome), ""])


def escaped(text: str) -> str:
    """Text that Markdown and HTML take as it is, on one line of a table."""
    plain = " ".join(html.escape(text, quote=False).split())
    return "".join(f"\\{char}" if char in "\\`*_[]|~#" else char for char in plain)


def _body(found: Comparison) -> Iterator[str]:
    yield escaped(headline(found))
    for reference in dict.fromkeys(figures.reference for figures in found.figures):
        yield from ("", f"### {escaped(reference)} reference", "")
        yield from _table(
            ("", "system", "baseline", "run", "loss, ms", "starts, ms", "ends, ms", "lost words"),
            [figures_row(found, figures) for figures in found.figures if figures.reference == reference],
        )
    for title, lines in (("Regressions", regressions(found)), ("Undecided", warning(found))):
        if lines:
            yield from ("", f"### {title}", "")
            yield from (f"- {escaped(line)}" for line in lines)
    worst = worst_words(found)
    if worst:
        yield from ("", "### The words that lost most", "")
        rows = [
            (word.word, word.utterance, f"{word.reference_start_s:.2f}", f"{word.ms:+.0f}", check.system)
            for check, word in worst
        ]
        yield from _table(("word", "utterance", "at, s", "ms", "system"), rows)
    yield ""
    for old, new in found.renamed.items():
        yield f"Compared under another name: {escaped(f'{old} -> {new}')}.  "
    if found.new_systems:
        yield f"Not in the baseline, not compared: {escaped('; '.join(found.new_systems))}.  "
    yield f"Signatures differ in: {escaped(differences_text(found.differences))}."


def figures_row(found: Comparison, figures: SystemFigures) -> tuple[str, ...]:
    """A system under a kind of reference: its mark, name, error before and now, loss, shifts and lost words."""
    own = [c for c in found.checks if (c.system, c.reference) == (figures.system, figures.reference)]
    overall = {check.metric: check for check in own if check.speaker is None}
    loss = overall.get("wbe_mean")
    return (
        MARKS[worst_of(check.verdict for check in own)],
        figures.system,
        "-" if figures.baseline_ms is None else f"{figures.baseline_ms:.1f}",
        "-" if figures.run_ms is None else f"{figures.run_ms:.1f}",
        "-" if loss is None else f"{loss.value:+.1f}{interval(loss)}",
        *(f"{overall[name].value:+.0f}" if name in overall else "-" for name in SHIFTS),
        f"{overall['lost_words'].value:.0f}",
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(escaped, row))} |"
