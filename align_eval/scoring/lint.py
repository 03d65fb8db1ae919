"""Lint: rules for implausible word times, checked without a reference.

Rules on length, of which a word breaks at most one:

- ``zero-length``: the word ends where it starts;
- ``long``: the word lasts more than 1 s plus 0.1 s per letter or digit. None of the 1,145 reference words of the
  corpora behind this package does; the longest lasts 0.77 s beyond 0.1 s per character (a drawled "and" of 1.07 s).
  Long words mostly contain silence;

rules on neighbours, of which a word breaks at most one:

- ``piled-up``: the word has the times of the word before it, as if several words were put at one time;
- ``order``: the word starts before the start of the word before it;
- ``overlap``: the word starts before an earlier word ends;

and other rules:

- ``outside``: the word ends after the recording;
- ``untimed``: the system gave no times.

Times are compared to the millisecond, the resolution of subtitles. The end of the recording is compared to one Whisper
frame, since aligners round to their grid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from align_eval.records import HypothesisWord
from align_eval.units import FRAME_S

RULES = ("zero-length", "long", "piled-up", "order", "overlap", "outside", "untimed")

LONG_S = 1.0
LONG_CHARACTER_S = 0.1
SAME_S = 1e-3
"""Times closer than this are equal: subtitles have whole milliseconds."""

ROUNDING_S = 1e-9


@dataclass(frozen=True, slots=True)
class LintFinding:
    """A word that breaks a rule. ``place`` is its file and position there; a missing time is None."""

    rule: str
    place: str
    word: str
    start_s: float | None
    end_s: float | None
    problem: str


def lint_words(words: Sequence[HypothesisWord], file: str, end_s: float | None = None) -> Iterator[LintFinding]:
    """Yield the findings of one system's words of one recording, in the order of the words.

    Parameters
    ----------
    words : sequence of HypothesisWord
        In the order of the system's output.
    file : str
        Name of the file, the first part of each place.
    end_s : float, optional
        End of the recording in seconds, if known.
    """
    previous: HypothesisWord | None = None
    latest_end_s = 0.0
    for word in words:
        place = f"{file}, {word.place}" if word.place else file

        def finding(rule: str, problem: str, word: HypothesisWord = word, place: str = place) -> LintFinding:
            return LintFinding(rule, place, word.text, word.start_s, word.end_s, problem)

        if word.start_s is None or word.end_s is None:
            yield finding("untimed", "has no times")
            continue
        length_s, limit_s = word.end_s - word.start_s, longest_s(word.text)
        if length_s < ROUNDING_S:
            yield finding("zero-length", "ends where it starts")
        elif length_s > limit_s + ROUNDING_S:
            yield finding("long", f"lasts {length_s:.2f} s, longer than {limit_s:g} s for its letters")
        if end_s is not None and word.end_s > end_s + FRAME_S + ROUNDING_S:
            yield finding("outside", f"ends after the recording ({end_s:g} s)")
        if previous is not None:
            start_s, before_s = word.start_s, previous.start_s or 0.0
            if _same(start_s, before_s) and _same(word.end_s, previous.end_s or 0.0):
                yield finding("piled-up", f"has the times of the word before it ({previous.text!r})")
            elif start_s < before_s - SAME_S + ROUNDING_S:
                yield finding("order", f"starts before the word before it ({previous.text!r}, {before_s:g} s)")
                latest_end_s = 0.0
            elif start_s < latest_end_s - SAME_S + ROUNDING_S:
                yield finding("overlap", f"starts before an earlier word ends ({latest_end_s:g} s)")
        previous, latest_end_s = word, max(latest_end_s, word.end_s)


def longest_s(text: str) -> float:
    """Longest plausible duration of a word in seconds."""
    return LONG_S + LONG_CHARACTER_S * sum(c.isalnum() for c in text)


def lint_counts(findings: Iterable[LintFinding]) -> dict[str, int]:
    """Number of findings per rule, in the order of :data:`RULES`; rules without findings are left out."""
    counts = Counter(finding.rule for finding in findings)
    return {rule: counts[rule] for rule in RULES if counts[rule]}


def _same(one_s: float, other_s: float) -> bool:
    return abs(one_s - other_s) < SAME_S - ROUNDING_S
