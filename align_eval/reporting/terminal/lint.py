"""Lint findings on the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console

from align_eval.errors import shorten
from align_eval.formats.run.tracebacks import as_json
from align_eval.records import Failure
from align_eval.reporting.numbers import counted
from align_eval.reporting.terminal.printing import print_line
from align_eval.scoring.lint import TOLERANCE_S, LintFinding, lint_counts
from align_eval.units import FRAME_S

if TYPE_CHECKING:
    from align_eval.score_files import Scored


def print_lint(
    findings: Sequence[LintFinding],
    n_words: int,
    console: Console,
    *,
    listed: bool = True,
    rounded: Mapping[str, int] | None = None,
    tolerance_s: float = TOLERANCE_S,
) -> None:
    """Print the number of findings per rule and of times taken as rounding; with ``listed``, first each finding."""
    for finding in findings if listed else ():
        if finding.start_s is None or finding.end_s is None:
            times = "no times"
        else:
            times = f"{finding.start_s:.3f} to {finding.end_s:.3f} s"
        print_line(console, f"{finding.rule}: {finding.place}: {shorten(finding.word)!r} ({times}) {finding.problem}")
    counts = ", ".join(f"{n} {rule}" for rule, n in lint_counts(findings).items())
    print_line(console, f"lint: {counted(n_words, 'word')}, {counts or 'nothing found'}")
    for rule, n in (rounded or {}).items():
        print_line(console, f"taken as rounding: {rounding_line(rule, n, tolerance_s)}")


def rounding_line(rule: str, n: int, tolerance_s: float) -> str:
    """Return how many times were taken as rounding, and up to how much.

    Examples
    --------
    >>> rounding_line("overlap", 3, 0.002), rounding_line("outside", 1, 0.002)
    ('3 overlaps of up to 2 ms', '1 end of up to 20 ms after the recording')
    """
    if rule == "overlap":
        return f"{counted(n, 'overlap')} of up to {1000 * tolerance_s:g} ms"
    return f"{counted(n, 'end')} of up to {1000 * FRAME_S:g} ms after the recording"


def print_untimed(untimed: Sequence[LintFinding], console: Console) -> None:
    """Print the words of a reference that have no usable times, and their number."""
    for finding in untimed:
        print_line(console, f"reference: {finding.place}: {shorten(finding.word)!r} {finding.problem}")
    if untimed:
        one = "word of the reference has no usable times and is not scored."
        many = "words of the reference have no usable times and are not scored."
        print_line(console, counted(len(untimed), one, many))


def print_failures(failures: Sequence[Failure], console: Console) -> None:
    """Print each input that could not be used, and their number."""
    for failure in failures:
        print_line(console, f"failed: {failure.message}", "red")
    if failures:
        print_line(console, f"{len(failures)} failed.", "red")


def lint_values(findings: Sequence[LintFinding], n_words: int, rounded: Mapping[str, int]) -> dict[str, Any]:
    """Return findings, their counts, and the numbers of times taken as rounding, as JSON values."""
    listed = [asdict(finding) for finding in findings]
    return {"n_words": n_words, "counts": lint_counts(findings), "rounded": dict(rounded), "findings": listed}


def score_values(scored: Scored) -> dict[str, Any]:
    """Return a run of files, the lint findings in its words, and what was left out, as JSON values."""
    return as_json(scored.run) | {
        "form": scored.form,
        "lint": lint_values(scored.lint, scored.n_words, scored.rounded),
        "dropped": {side: dict(dropped) for side, dropped in scored.dropped.items()},
        "untimed": [asdict(finding) for finding in scored.untimed],
    }
