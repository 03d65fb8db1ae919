"""Lint findings on the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console

from align_eval.formats.praat import shorten
from align_eval.formats.run.tracebacks import as_json
from align_eval.records import Failure
from align_eval.reporting.terminal.printing import print_line
from align_eval.scoring.lint import LintFinding, lint_counts

if TYPE_CHECKING:
    from align_eval.score_files import Scored

MOST_LABELS = 12
"""Most labels that are listed on the terminal; JSON has all."""


def print_lint(findings: Sequence[LintFinding], n_words: int, console: Console, *, listed: bool = True) -> None:
    """Print the number of findings per rule; with ``listed``, first each finding with its place."""
    for finding in findings if listed else ():
        if finding.start_s is None or finding.end_s is None:
            times = "no times"
        else:
            times = f"{finding.start_s:.3f} to {finding.end_s:.3f} s"
        print_line(console, f"{finding.rule}: {finding.place}: {finding.word!r} ({times}) {finding.problem}")
    counts = ", ".join(f"{n} {rule}" for rule, n in lint_counts(findings).items())
    print_line(console, f"lint: {n_words} words, {counts or 'nothing found'}")


def print_dropped(side: str, dropped: Sequence[tuple[str, int]], console: Console) -> None:
    """Print how many labels were dropped as no words, the most frequent first."""
    if dropped:
        listed = ", ".join(f"{shorten(label)} {n}" for label, n in dropped[:MOST_LABELS])
        more = f" and {len(dropped) - MOST_LABELS} other labels" if len(dropped) > MOST_LABELS else ""
        print_line(console, f"dropped: {sum(n for _, n in dropped)} labels of the {side} are no words: {listed}{more}")


def print_untimed(untimed: Sequence[LintFinding], console: Console) -> None:
    """Print the words of a reference that have no usable times, and their number."""
    for finding in untimed:
        print_line(console, f"reference: {finding.place}: {finding.word!r} {finding.problem}")
    if untimed:
        print_line(console, f"{len(untimed)} words of the reference have no usable times and are not scored.")


def print_failures(failures: Sequence[Failure], console: Console) -> None:
    """Print each input that could not be used, and their number."""
    for failure in failures:
        print_line(console, f"failed: {failure.message}", "red")
    if failures:
        print_line(console, f"{len(failures)} failed.", "red")


def lint_values(findings: Sequence[LintFinding], n_words: int) -> dict[str, Any]:
    """Return findings and their counts as JSON values."""
    return {"n_words": n_words, "counts": lint_counts(findings), "findings": [asdict(f) for f in findings]}


def score_values(scored: Scored) -> dict[str, Any]:
    """Return a run of files, the lint findings in its words, and what was left out, as JSON values."""
    return as_json(scored.run) | {
        "form": scored.form,
        "lint": lint_values(scored.lint, scored.n_words),
        "dropped": {side: dict(dropped) for side, dropped in scored.dropped.items()},
        "untimed": [asdict(finding) for finding in scored.untimed],
    }
