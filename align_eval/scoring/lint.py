"""Word times that no speech has: listed with their place, whether there is a reference or not.

Of the rules on its length a word breaks one at most, and one of those on its neighbours:

- ``zero-length``: it ends where it starts;
- ``long``: it lasts more than 1 s and 0.1 s a letter or digit. Of the 1,145 reference words of the corpora that this
  package was made on none does; the longest beyond 0.1 s a character lasts 0.77 s more (a drawled "and" of 1.07 s).
  Words that silence was counted to are the usual case;
- ``piled-up``: it has the very times of the word before it, as when several words are put at one time;
- ``order``: it starts before the word before it does;
- ``overlap``: it starts before an earlier word ends;

and of the others:

- ``outside``: it ends after the recording does;
- ``untimed``: the system gave it no times.

Times are compared to the millisecond, which is what subtitles hold; the end of a recording to one frame of Whisper's,
since aligners round to their grid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from align_eval.records import GivenWord
from align_eval.units import FRAME_S

RULES = ("zero-length", "long", "piled-up", "order", "overlap", "outside", "untimed")

LONG_S = 1.0
LONG_CHARACTER_S = 0.1
SAME_S = 1e-3
"""Times nearer than that are the same: subtitles hold whole milliseconds."""

ROUNDING_S = 1e-9


@dataclass(frozen=True, slots=True)
class LintFinding:
    """A word that breaks a rule. ``place`` names the file and where in it; times are None where the word has none."""

    rule: str
    place: str
    word: str
    start_s: float | None
    end_s: float | None
    problem: str


def lint_words(words: Sequence[GivenWord], file: str, end_s: float | None = None) -> Iterator[LintFinding]:
    """Yield what is wrong with the words of one recording by one system, in the order given.

    Parameters
    ----------
    words
        In the order in which the system gives them.
    file
        What the places of the words stand in.
    end_s
        Where the recording ends; None where that is not known.
    """
    previous: GivenWord | None = None
    latest_end_s = 0.0
    for word in words:
        place = f"{file}, {word.place}" if word.place else file

        def finding(rule: str, problem: str, word: GivenWord = word, place: str = place) -> LintFinding:
            return LintFinding(rule, place, word.text, word.start_s, word.end_s, problem)

        if word.start_s is None or word.end_s is None:
            yield finding("untimed", "has no times")
            continue
        length_s, limit_s = word.end_s - word.start_s, longest_s(word.text)
        if length_s < ROUNDING_S:
            yield finding("zero-length", "ends where it starts")
        elif length_s > limit_s + ROUNDING_S:
            yield finding("long", f"lasts {length_s:.2f} s, more than the {limit_s:g} s that such a word can")
        if end_s is not None and word.end_s > end_s + FRAME_S + ROUNDING_S:
            yield finding("outside", f"ends after the recording does ({end_s:g} s)")
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
    """How long a word can plausibly last."""
    return LONG_S + LONG_CHARACTER_S * sum(c.isalnum() for c in text)


def lint_counts(findings: Iterable[LintFinding]) -> dict[str, int]:
    """How many there are of each rule, in the order of :data:`RULES`; rules without any are left out."""
    counted = Counter(finding.rule for finding in findings)
    return {rule: counted[rule] for rule in RULES if counted[rule]}


def _same(one_s: float, other_s: float) -> bool:
    return abs(one_s - other_s) < SAME_S - ROUNDING_S
