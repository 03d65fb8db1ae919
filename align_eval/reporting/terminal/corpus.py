"""Corpus checks on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from align_eval.corpus.check import Check
from align_eval.errors import listed, shorten
from align_eval.reporting.terminal.printing import print_line


def print_check(check: Check, console: Console) -> None:
    """Print one line per count and one per problem."""
    speakers = str(check.n_speakers)
    if check.n_without_speaker:
        speakers += f", and {check.n_without_speaker} utterances without a speaker"
    lines = [
        ("corpus", f"{check.name}, of kind {check.kind}"),
        ("utterances", f"{check.n_utterances} of {check.n_recordings} recordings"),
        ("words", f"{check.n_words} ({_counts(check.words_by_reference.items())})"),
        ("audio", f"{check.audio_h:.3f} h, {check.words_h:.3f} h of it in words"),
        ("speakers", speakers),
        ("languages", _counts(check.words_by_language.items())),
        ("marks", _counts(check.marks) or "none"),
        ("problems", str(len(check.problems))),
        *(("", problem.message) for problem in check.problems),
    ]
    for name, value in lines:
        print_line(console, f"{name:12}{value}")


def _counts(items: Iterable[tuple[str, int]]) -> str:
    return listed(f"{shorten(name)} {n}" for name, n in items)
