"""Markdown of a comparison: for the summary of a job, and for the reviewer of a new baseline."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from align_eval.errors import NotComparableError, brief, listed, printable
from align_eval.gate.compare import Side
from align_eval.gate.verdicts import Comparison, SystemFigures, Verdict, worst_of
from align_eval.reporting.answer_sentences import sentence as answer_sentence
from align_eval.reporting.gate_cells import system_cells
from align_eval.reporting.gate_names import with_short_names
from align_eval.reporting.gate_sentences import differences_text, headline, regressions, warning, worst_words
from align_eval.reporting.reference_order import in_order

_LINKS = re.compile(r"@|#|GH-(?=\d)|:(?=//)|www(?=\.)|:(?=[\w+-]+:)", re.IGNORECASE)
"""Characters after which a space without width keeps GitHub from a mention, an issue, a link or an emoji."""

MARKS: dict[Verdict, str] = {"pass": "✅", "undecided": "⚠️", "regression": "❌"}


def summary(comparison: Comparison) -> str:
    """Return the whole comparison as a document."""
    title = f"## {MARKS[comparison.verdict]} Word times: {comparison.verdict}"
    return "\n".join([title, "", *_body(comparison), ""])


def accepted_note(baseline: Side, run: Side, outcome: Comparison | NotComparableError) -> str:
    """Return the note beside an accepted baseline: the run that it is, and the changes from the baseline before it."""
    lines = [
        "# Accepted baseline",
        "",
        f"Run {_code(run.run.signature.get('id', 'unsigned'))} replaces "
        f"{_code(baseline.run.signature.get('id', 'unsigned'))} as the baseline.",
        "",
    ]
    if isinstance(outcome, NotComparableError):
        return "\n".join([*lines, f"The two were not compared: {escaped(str(outcome))}.", ""])
    return "\n".join([*lines, "## Changes", "", *_body(outcome), ""])


def escaped(text: str) -> str:
    """Return text on one line in which Markdown, HTML and GitHub find no markup, links, mentions and emoji."""
    plain = " ".join(html.escape(printable(text), quote=False).split())
    plain = _LINKS.sub("\\g<0>\0", plain)  # a text that is printable has no such character
    marked = "".join(f"\\{char}" if char in "\\`*_[]|~#" else char for char in plain)
    return marked.replace("\0", "&#8203;").replace("$", "&#36;")


def _code(text: object) -> str:
    return f"`{printable(str(text))}`" if "`" not in str(text) else escaped(str(text))


def figures_row(comparison: Comparison, figures: SystemFigures) -> tuple[str, ...]:
    """Return one row of the table of systems: mark of the worst verdict, name, and :func:`system_cells`."""
    checks = comparison.checks_on(figures.system, figures.reference)
    mark = MARKS[worst_of(check.verdict for check in checks)]
    return (mark, figures.system, *system_cells(comparison, figures))


def _body(comparison: Comparison) -> Iterator[str]:
    comparison = with_short_names(comparison)
    yield escaped(headline(comparison))
    for answer in in_order(comparison.answers):
        yield from ("", escaped(answer_sentence(answer)))
    for reference in dict.fromkeys(figures.reference for figures in comparison.figures):
        yield from ("", f"### {escaped(reference)} reference", "")
        yield from _table(
            ("", "system", "baseline", "run", "loss, ms", "starts, ms", "ends, ms", "lost words"),
            [figures_row(comparison, figures) for figures in comparison.figures if figures.reference == reference],
        )
    for title, lines in (("Regressions", regressions(comparison)), ("Undecided", warning(comparison))):
        if lines:
            yield from ("", f"### {title}", "")
            yield from (f"- {escaped(line)}" for line in lines)
    worst = worst_words(comparison)
    if worst:
        yield from ("", "### Words that lost most", "")
        rows = [
            (word.word, word.utterance, f"{word.reference_start_s:.2f}", f"{word.ms:+.0f}", check.system)
            for check, word in worst
        ]
        yield from _table(("word", "utterance", "at, s", "ms", "system"), rows)
    yield ""
    for old, new in comparison.renamed.items():
        yield f"Compared under another name: {escaped(f'{old} -> {new}')}.  "
    if comparison.new_systems:
        yield f"Not in the baseline, not compared: {escaped(listed(comparison.new_systems, '; '))}.  "
    yield f"Signatures differ in: {escaped(differences_text(comparison.differences))}."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(escaped(brief(cell)) for cell in row)} |"
