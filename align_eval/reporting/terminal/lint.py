"""Lint findings on the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from align_eval.formats.run.tracebacks import as_json
from align_eval.records import Failure
from align_eval.reporting.terminal.printing import print_line
from align_eval.run_record import Run
from align_eval.scoring.lint import LintFinding, lint_counts


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


def print_failures(failures: Sequence[Failure], console: Console) -> None:
    """Print each input that could not be used, and their number."""
    for failure in failures:
        print_line(console, f"failed: {failure.message}", "red")
    if failures:
        print_line(console, f"{len(failures)} failed.", "red")


def lint_values(findings: Sequence[LintFinding], n_words: int) -> dict[str, Any]:
    """Return findings and their counts as JSON values."""
    return {"n_words": n_words, "counts": lint_counts(findings), "findings": [asdict(f) for f in findings]}


def score_values(run: Run, form: str, findings: Sequence[LintFinding], n_words: int) -> dict[str, Any]:
    """Return a run and the lint findings in its words as JSON values."""
    return as_json(run) | {"form": form, "lint": lint_values(findings, n_words)}
