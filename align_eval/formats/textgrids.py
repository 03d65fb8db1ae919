"""Words in TextGrids: finding the word tier, reading it as :class:`~align_eval.records.Word`, and writing tiers."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from textgrid import Interval, IntervalTier, Point, PointTier, TextGrid

from align_eval.errors import InputError, InputWarning
from align_eval.formats.atomic import cannot_write
from align_eval.formats.praat import OVERLAP_TOLERANCE_S, read_textgrid
from align_eval.records import Word
from align_eval.text import clean_label, label_kind

WORD_TIER_NAMES = ("words", "word")
"""Names of word tiers, in upper or lower case; MFA's ``speaker - words`` fits as well."""

NO_LENGTH = " (no length)"
"""Suffix of the point tier that holds the words of no length of another tier."""

OVERLAPPING = " (overlapping)"
"""Suffix of the point tier that holds the starts of words that overlap others of another tier."""


def word_tier(grid: TextGrid, path: object, tier: str | None = None) -> IntervalTier:
    """Find the interval tier that holds the words: the one named ``tier``, or the only one with a word tier's name.

    Raises
    ------
    InputError
        If no tier or several fit; names the tiers of the file.
    """
    names = [str(t.name) for t in grid.tiers]
    fitting = [t for t in grid.tiers if _fits(str(t.name), tier)]
    intervals = [t for t in fitting if isinstance(t, IntervalTier)]
    if len(intervals) == 1:
        return intervals[0]
    wanted = f"tier {tier!r}" if tier else "word tier"
    listed = f"the tiers are {', '.join(map(repr, names)) or 'none'}"
    if len(intervals) > 1:
        fits = ", ".join(repr(str(t.name)) for t in intervals)
        raise InputError(path, f"{len(intervals)} tiers fit as {wanted}: {fits}", f"name one with --tier; {listed}")
    if fitting:
        raise InputError(
            path,
            f"{wanted} {str(fitting[0].name)!r} holds points, not intervals",
            f"name another with --tier; {listed}",
        )
    raise InputError(path, f"no {wanted}", f"name one with --tier; {listed}")


def words_of_tier(tier: IntervalTier) -> tuple[Word, ...]:
    """Words of a tier in order, without silence and noise; an unknown word is its mark (see :mod:`align_eval.text`)."""
    return tuple(
        Word(label, float(interval.minTime), float(interval.maxTime))
        for interval in tier.intervals
        if label_kind(label := clean_label(interval.mark)) in ("word", "unknown")
    )


def marks_of_tier(tier: IntervalTier) -> tuple[str, ...]:
    """Labels of a tier that mark silence, noise or an unknown word."""
    labels = (clean_label(interval.mark) for interval in tier.intervals)
    return tuple(label for label in labels if label and label_kind(label) != "word")


def read_words(path: Path, tier: str | None = None) -> tuple[Word, ...]:
    """Read the words of a TextGrid file.

    Parameters
    ----------
    path : Path
    tier : str, optional
        Name of the tier; None finds the word tier (see :func:`word_tier`).

    Returns
    -------
    tuple of Word
        Times in seconds at full precision.

    Raises
    ------
    InputError
        If the file is malformed, no tier or several fit, or the tier holds no words.

    Warns
    -----
    InputWarning
        If the file is not in Unicode and was read as Windows Latin-1.
    """
    return read_word_tier(path, tier).words


@dataclass(frozen=True, slots=True)
class WordTier:
    """Words and marks of a word tier, and the start and end of its TextGrid in seconds."""

    words: tuple[Word, ...]
    marks: tuple[str, ...]
    start_s: float
    end_s: float


def read_word_tier(path: Path, tier: str | None = None) -> WordTier:
    """Read a word tier as :func:`read_words` does, with its marks and times."""
    grid = read_unicode_textgrid(path)
    intervals = word_tier(grid, path, tier)
    words = words_of_tier(intervals)
    if not words:
        raise InputError(path, "the word tier holds no words", "remove the file, or align it again")
    return WordTier(words, marks_of_tier(intervals), float(grid.minTime), float(grid.maxTime))


def read_unicode_textgrid(path: Path) -> TextGrid:
    """Read a TextGrid, and warn if it is not in Unicode."""
    grid, encoding = read_textgrid(path)
    if not encoding.startswith("utf"):
        message = f"{path}: is not UTF-8 and was read as {encoding}; if words look wrong, save it as UTF-8"
        warnings.warn(message, InputWarning, stacklevel=4)
    return grid


def write_words(
    path: Path, tiers: Mapping[str, Sequence[Word]], duration_s: float, *, overlapping: bool = False
) -> None:
    """Write word tiers as a TextGrid that Praat opens.

    Words of no length cannot be intervals: they become points of the tier ``<name> (no length)``. Neighbours that
    overlap by less than the reader's tolerance are written as touching.

    Parameters
    ----------
    path : Path
    tiers : mapping of str to sequence of Word
        Words by tier name, times in seconds.
    duration_s : float
        Duration of the audio in seconds. The grid is longer if a word ends later.
    overlapping : bool
        Whether words may overlap the one before them. Their starts become points of the tier ``<name> (overlapping)``.

    Raises
    ------
    InputError
        If a word starts before zero, overlaps the one before it although ``overlapping`` is false, or the file cannot
        be written.
    """
    end_s = max([duration_s, *(word.end_s for words in tiers.values() for word in words)])
    grid = TextGrid(minTime=0.0, maxTime=end_s)
    for name, words in tiers.items():
        grid.tiers += _tiers(path, name.replace('"', "'"), words, end_s, overlapping)  # textgrid escapes no names
    buffer = io.StringIO()
    buffer.close = lambda: None  # type: ignore[method-assign]  # textgrid's writer closes the buffer
    grid.write(buffer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(buffer.getvalue(), encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error, "choose another name") from error


def _tiers(
    path: Path, name: str, words: Sequence[Word], end_s: float, overlapping: bool
) -> list[IntervalTier | PointTier]:
    """Convert words to an interval tier and the point tiers that it needs."""
    intervals = IntervalTier(name=name, minTime=0.0, maxTime=end_s)
    no_length = PointTier(name=f"{name}{NO_LENGTH}", minTime=0.0, maxTime=end_s)
    overlaps = PointTier(name=f"{name}{OVERLAPPING}", minTime=0.0, maxTime=end_s)
    previous_end_s = 0.0
    for word in words:
        if word.start_s < previous_end_s - OVERLAP_TOLERANCE_S:
            if overlapping and word.start_s >= 0:
                overlaps.points.append(Point(float(word.start_s), word.text))
                continue
            raise InputError(
                f"{path}, tier {name!r}, word {word.text!r}",
                f"starts at {word.start_s:.10g} s, before {previous_end_s:.10g} s",
                "correct the times: words of a tier cannot overlap or start before zero",
            )
        start_s = max(float(word.start_s), previous_end_s)
        if start_s < word.end_s:
            intervals.intervals.append(Interval(start_s, float(word.end_s), word.text))
            previous_end_s = float(word.end_s)
        else:
            no_length.points.append(Point(start_s, word.text))
    return [intervals, *(tier for tier in (no_length, overlaps) if tier.points)]


def _fits(name: str, tier: str | None) -> bool:
    if tier is not None:
        return name == tier
    lowered = name.strip().lower()
    return lowered in WORD_TIER_NAMES or any(lowered.endswith(f" - {fit}") for fit in WORD_TIER_NAMES)
