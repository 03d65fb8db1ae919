"""Lint: rules for implausible word times, checked without a reference.

Rules on length, of which a word breaks at most one:

- ``zero-length``: the word ends where it starts;
- ``long``: the word lasts more than 1 s plus 0.1 s per letter or digit. None of the 1,145 reference words of the
  corpora behind this package does; the longest lasts 0.77 s beyond 0.1 s per character (a drawled "and" of 1.07 s).
  Long words mostly contain silence;

rules on neighbours, of which a word breaks at most one:

- ``piled-up``: the word has the times of the word before it, as if several words were put at one time;
- ``order``: the word starts before the start of the word before it;
- ``overlap``: the word starts before an earlier word ends, by more than the tolerance;

and other rules:

- ``outside``: the word ends after the recording;
- ``untimed``: the system gave no times, or impossible ones.

Times are compared to the millisecond, the resolution of subtitles. The start of a word is compared with the end of an
earlier word to a tolerance of 2 ms, since both are rounded. The end of the recording is compared to one Whisper frame,
since aligners round to their grid. Times within these two tolerances are taken as rounding, and counted
(:func:`lint_recording`).
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

TOLERANCE_S = 2e-3
"""Overlap of words up to which it is taken as rounding."""

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


def lint_words(
    words: Sequence[HypothesisWord], file: str, end_s: float | None = None, *, tolerance_s: float = TOLERANCE_S
) -> Iterator[LintFinding]:
    """Yield the findings of one system's words of one recording, in the order of the words.

    Parameters
    ----------
    words : sequence of HypothesisWord
        In the order of the system's output.
    file : str
        Name of the file, the first part of each place.
    end_s : float, optional
        End of the recording in seconds, if known.
    tolerance_s : float
        Overlap of words in seconds up to which it is taken as rounding.
    """
    yield from lint_recording(words, file, end_s, tolerance_s=tolerance_s)[0]


def lint_recording(
    words: Sequence[HypothesisWord], file: str, end_s: float | None = None, *, tolerance_s: float = TOLERANCE_S
) -> tuple[list[LintFinding], Counter[str]]:
    """Return the findings of one recording, and the number of times taken as rounding.

    Parameters are those of :func:`lint_words`. The numbers are by the rule that the times would break without a
    tolerance.
    """
    findings: list[LintFinding] = []
    rounded: Counter[str] = Counter()
    for neighbours in _neighbours(words, tolerance_s):
        word = neighbours.word
        place = f"{file}, {word.place}" if word.place else file
        for rule, problem, is_rounded in _problems(neighbours, end_s, tolerance_s):
            if is_rounded:
                rounded[rule] += 1
            else:
                findings.append(LintFinding(rule, place, word.text, word.start_s, word.end_s, problem))
    return findings, rounded


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """A word, the timed word before it, and the latest end of the words before it since time last went back."""

    word: HypothesisWord
    previous: HypothesisWord | None
    latest_end_s: float


def _neighbours(words: Sequence[HypothesisWord], tolerance_s: float) -> Iterator[_Neighbours]:
    previous: HypothesisWord | None = None
    latest_end_s = 0.0
    for word in words:
        yield _Neighbours(word, previous, latest_end_s)
        if word.start_s is None or word.end_s is None:
            continue
        if previous is not None and _goes_back(word.start_s, previous.start_s or 0.0, tolerance_s):
            latest_end_s = 0.0
        previous, latest_end_s = word, max(latest_end_s, word.end_s)


def _problems(neighbours: _Neighbours, end_s: float | None, tolerance_s: float) -> Iterator[tuple[str, str, bool]]:
    """Yield each rule that a word breaks, with the problem, and whether its times are taken as rounding."""
    word, previous, latest_end_s = neighbours.word, neighbours.previous, neighbours.latest_end_s
    if word.start_s is None or word.end_s is None:
        yield "untimed", word.problem or "has no times", False
        return
    length_s, limit_s = word.end_s - word.start_s, longest_s(word.text)
    if length_s < ROUNDING_S:
        yield "zero-length", "ends where it starts", False
    elif length_s > limit_s + ROUNDING_S:
        yield "long", f"lasts {length_s:.2f} s, longer than {limit_s:g} s for its letters", False
    if end_s is not None and word.end_s > end_s + ROUNDING_S:
        is_rounded = word.end_s <= end_s + FRAME_S + ROUNDING_S
        yield "outside", f"ends after the recording ({end_s:g} s)", is_rounded
    if previous is None:
        return
    before_s, overlap_s = previous.start_s or 0.0, latest_end_s - word.start_s
    if _same(word.start_s, before_s) and _same(word.end_s, previous.end_s or 0.0):
        yield "piled-up", f"has the times of the word before it ({previous.text!r})", False
    elif _goes_back(word.start_s, before_s, tolerance_s):
        yield "order", f"starts before the word before it ({previous.text!r}, {before_s:g} s)", False
    elif overlap_s > ROUNDING_S:
        is_rounded = overlap_s <= tolerance_s + ROUNDING_S
        yield "overlap", f"starts before an earlier word ends ({latest_end_s:g} s)", is_rounded


def _goes_back(start_s: float, before_s: float, tolerance_s: float) -> bool:
    return start_s < before_s - max(SAME_S - ROUNDING_S, tolerance_s + ROUNDING_S)


def longest_s(text: str) -> float:
    """Longest plausible duration of a word in seconds."""
    return LONG_S + LONG_CHARACTER_S * sum(c.isalnum() for c in text)


def lint_counts(findings: Iterable[LintFinding]) -> dict[str, int]:
    """Number of findings per rule, in the order of :data:`RULES`; rules without findings are left out."""
    counts = Counter(finding.rule for finding in findings)
    return {rule: counts[rule] for rule in RULES if counts[rule]}


def _same(one_s: float, other_s: float) -> bool:
    return abs(one_s - other_s) < SAME_S - ROUNDING_S
