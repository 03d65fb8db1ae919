"""What lint found, on a terminal and as plain values; what was scored from files, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from align_eval.formats.run.tracebacks import as_json
from align_eval.records import Failure, Run
from align_eval.scoring.lint import LintFinding, lint_counts


def print_lint(findings: Sequence[LintFinding], n_words: int, console: Console, *, listed: bool = True) -> None:
    """Print every finding with its place, where ``listed``, and how many there are of each rule."""
    for f in findings if listed else ():
        times = "no times" if f.start_s is None or f.end_s is None else f"{f.start_s:.3f} to {f.end_s:.3f} s"
        _say(console, f"{f.rule}: {f.place}: {f.word!r} ({times}) {f.problem}")
    counted = ", ".join(f"{n} {rule}" for rule, n in lint_counts(findings).items())
    _say(console, f"lint: {n_words} words, {counted or 'nothing found'}")


def print_failures(failures: Sequence[Failure], console: Console) -> None:
    """Print what could not be used, and how much that is."""
    for failure in failures:
        _say(console, f"failed: {failure.message}", style="red")
    if failures:
        _say(console, f"{len(failures)} failed.", style="red")


def lint_values(findings: Sequence[LintFinding], n_words: int) -> dict[str, Any]:
    """Counts and findings as JSON holds them."""
    return {"n_words": n_words, "counts": lint_counts(findings), "findings": [asdict(f) for f in findings]}


def score_values(run: Run, form: str, findings: Sequence[LintFinding], n_words: int) -> dict[str, Any]:
    """A run, and what lint found in the words that it was made of, as JSON holds them."""
    return as_json(run) | {"form": form, "lint": lint_values(findings, n_words)}


def _say(console: Console, line: str, style: str | None = None) -> None:
    console.print(line, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)
