"""Pauses between the words of a recording: the places where it can be cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from align_eval.records import Word


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch between two words that no word reaches into; it may have no length.

    Attributes
    ----------
    next_word : int
        Index of the first word after the pause.
    start_s, end_s : float
        Times in the recording, in seconds.
    cut_s : float
        Time at which to cut: the middle, except before the first word and after the last one.
    """

    next_word: int
    start_s: float
    end_s: float
    cut_s: float

    @property
    def length_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


def pauses_between(words: Sequence[Word]) -> list[Pause]:
    """Find the pauses between words, in order.

    Words that touch have a pause of no length between them. Words that overlap have none, and neither do words that
    lie inside a longer one.

    Parameters
    ----------
    words
        Words in the order of the text; times in seconds.
    """
    last_ends_s = accumulate((word.end_s for word in words), max)
    first_starts_s = list(accumulate((word.start_s for word in reversed(words)), min))[::-1]
    return [
        Pause(i, start_s, end_s, (start_s + end_s) / 2)
        for i, (start_s, end_s) in enumerate(zip(last_ends_s, first_starts_s[1:], strict=False), start=1)
        if start_s <= end_s
    ]
