"""TextGrids of another system: the words of the tiers that :func:`align_eval.formats.textgrids.word_tiers` finds.

Words of several tiers are merged in the order of their starts, and may overlap.

An interval cannot have zero length. Words of no length are read from the point tier ``TIER (no length)``, which this
package writes. An interval that is reversed, of no length or over its neighbour is still a word: one bad interval does
not take the file with it.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left
from itertools import accumulate

from textgrid import IntervalTier, PointTier, TextGrid

from align_eval.errors import InputError, InputWarning, listed
from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.recordings import by_start
from align_eval.formats.hypothesis.word import hypothesis_word
from align_eval.formats.praat import decode_text, parse_textgrid
from align_eval.formats.textgrids import NO_LENGTH, Tiers, wanted_tiers, word_tiers
from align_eval.records import HypothesisWord, Transcript
from align_eval.text import clean_label, label_kind


def claims(document: Document) -> bool:
    """Tell whether the document begins as a Praat file does."""
    return document.praat


def read(document: Document, tier: Tiers = None) -> tuple[Transcript, ...]:
    """Read the one recording of the document.

    Raises
    ------
    InputError
        If the file is malformed, or no tier or several fit.

    Warns
    -----
    InputWarning
        If the file is not UTF-8 or UTF-16.
    """
    text, encoding = decode_text(document.data, document.path)
    grid = parse_textgrid(text, document.path, any_times=True)
    if not encoding.startswith("utf"):
        message = f"{document.path}: is not UTF-8 and was read as {encoding}; if words look wrong, save it as UTF-8"
        warnings.warn(message, InputWarning, stacklevel=2)
    return (transcript_of(document, grid, tier),)


def transcript_of(document: Document, grid: TextGrid, tier: Tiers) -> Transcript:
    """Words of the tiers of a grid that ``tier`` names, merged by their starts, or else of its only word tier.

    Raises
    ------
    InputError
        If no tier or several fit, a word is malformed, or the word tier has nothing but silence and another tier has
        words.
    """
    words = tuple(_words(document, grid, tier))
    is_empty = all(label_kind(clean_label(word.text)) == "silence" for word in words)
    if is_empty and not wanted_tiers(tier) and (others := [t.name for t in grid.tiers if _has_words(t)]):
        problem = f"the word tier is empty, and {listed(map(repr, others))} has text"
        raise InputError(document.path, problem, "name the tier of the words with --tier")
    end_s = float(grid.maxTime) if grid.maxTime is not None else None
    return Transcript(words, end_s=end_s)


def _has_words(tier: IntervalTier | PointTier) -> bool:
    return isinstance(tier, IntervalTier) and any(
        label_kind(clean_label(interval.mark)) == "word" for interval in tier.intervals
    )


def _words(document: Document, grid: TextGrid, wanted: Tiers) -> list[HypothesisWord]:
    tiers = word_tiers(grid, document.path, wanted)
    words = [word for tier in tiers for word in _words_of_tier(document, tier)]
    points = [
        point
        for name in dict.fromkeys(str(tier.name) for tier in tiers)
        for point in _words_of_no_length(document, grid, f"{name}{NO_LENGTH}")
    ]
    return _merge(by_start(words) if len(tiers) > 1 else words, points)


def _words_of_tier(document: Document, tier: IntervalTier) -> list[HypothesisWord]:
    words: list[HypothesisWord] = []
    for i, interval in enumerate(tier.intervals, 1):
        place = f"tier {str(tier.name)!r}, interval {i}"
        times = float(interval.minTime), float(interval.maxTime)
        word = hypothesis_word(document.path, place, interval.mark, *times)
        if word:
            words.append(word)
    return words


def _words_of_no_length(document: Document, grid: TextGrid, name: str) -> list[HypothesisWord]:
    """The points of the point tiers with this name."""
    words: list[HypothesisWord] = []
    for tier in (t for t in grid.tiers if isinstance(t, PointTier) and t.name == name):
        for i, point in enumerate(tier.points, 1):
            time_s = float(point.time)
            word = hypothesis_word(document.path, f"tier {name!r}, point {i}", point.mark, time_s, time_s)
            if word:
                words.append(word)
    return words


def _merge(words: list[HypothesisWord], points: list[HypothesisWord]) -> list[HypothesisWord]:
    """Put each word of no length before the first word that starts at its time or later."""
    starts = list(accumulate((word.start_s or 0.0 for word in words), max))  # a word without times starts nowhere
    placed = [(bisect_left(starts, point.start_s or 0.0), 0, point) for point in points]
    placed += [(i, 1, word) for i, word in enumerate(words)]
    return [word for _, _, word in sorted(placed, key=lambda entry: entry[:2])]
