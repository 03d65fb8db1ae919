"""TextGrids as a system's output: the words of one tier, as :mod:`align_eval.formats.textgrids` finds it.

Words of no length cannot be intervals; where there is a tier of points ``TIER (no length)``, as this package writes it,
its points are such words.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left

from textgrid import PointTier, TextGrid

from align_eval.errors import InputWarning
from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.word import given_word
from align_eval.formats.praat import decode_text, parse_textgrid
from align_eval.formats.textgrids import NO_LENGTH, word_tier
from align_eval.records import GivenWord, Transcript
from align_eval.text import clean_label, label_kind


def claims(document: Document) -> bool:
    """Whether the document begins as a Praat file does."""
    return document.praat


def read(document: Document, tier: str | None = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document.

    Raises
    ------
    InputError
        Where it is malformed, or no tier or several fit.
    """
    text, encoding = decode_text(document.data, document.path)
    grid = parse_textgrid(text, document.path)
    if not encoding.startswith("utf"):
        message = f"{document.path}: is not UTF-8 and was read as {encoding}; if words look wrong, save it as UTF-8"
        warnings.warn(message, InputWarning, stacklevel=2)
    return (Transcript(tuple(_words(document, grid, tier)), end_s=float(grid.maxTime)),)


def _words(document: Document, grid: TextGrid, tier: str | None) -> list[GivenWord]:
    intervals = word_tier(grid, document.path, tier)
    words: list[GivenWord] = []
    for i, interval in enumerate(intervals.intervals, 1):
        place = f"tier {str(intervals.name)!r}, interval {i}"
        times = float(interval.minTime), float(interval.maxTime)
        silent = label_kind(clean_label(interval.mark)) == "silence"
        word = None if silent else given_word(document.path, place, interval.mark, *times)
        if word:
            words.append(word)
    starts = [word.start_s or 0.0 for word in words]
    placed: list[tuple[int, GivenWord]] = []
    name = f"{intervals.name}{NO_LENGTH}"
    for points in (t for t in grid.tiers if isinstance(t, PointTier) and t.name == name):
        for i, point in enumerate(points.points, 1):
            time_s = float(point.time)
            word = given_word(document.path, f"tier {name!r}, point {i}", point.mark, time_s, time_s)
            if word:
                placed.append((bisect_left(starts, time_s), word))
    return _merged(words, placed)


def _merged(words: list[GivenWord], placed: list[tuple[int, GivenWord]]) -> list[GivenWord]:
    if not placed:
        return words
    merged = [*((i, 1, word) for i, word in enumerate(words)), *((i, 0, word) for i, word in placed)]
    return [word for _, _, word in sorted(merged, key=lambda entry: entry[:2])]
