"""Words in TextGrids: which tier holds them, reading them as :class:`~align_eval.records.Word`, and writing tiers."""

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
"""Names that say that a tier holds words, in any case; MFA's ``speaker - words`` fits as well."""

NO_LENGTH = " (no length)"
"""What the name of a tier of points ends with that holds the words of no length of another tier."""


def word_tier(grid: TextGrid, path: object, tier: str | None = None) -> IntervalTier:
    """Find the one interval tier that holds the words; never guess.

    Raises
    ------
    InputError
        Where no tier or several fit; the message names the tiers there are.
    """
    names = [str(t.name) for t in grid.tiers]
    fitting = [t for t in grid.tiers if _fits(str(t.name), tier)]
    intervals = [t for t in fitting if isinstance(t, IntervalTier)]
    if len(intervals) == 1:
        return intervals[0]
    wanted = f"tier {tier!r}" if tier else "word tier"
    listed = f"the tiers are {', '.join(map(repr, names)) or 'none'}"
    if len(intervals) > 1:
        found = ", ".join(repr(str(t.name)) for t in intervals)
        raise InputError(path, f"{len(intervals)} tiers fit as {wanted}: {found}", f"name one with --tier; {listed}")
    if fitting:
        raise InputError(
            path,
            f"{wanted} {str(fitting[0].name)!r} holds points, not intervals",
            f"name another with --tier; {listed}",
        )
    raise InputError(path, f"no {wanted}", f"name one with --tier; {listed}")


def words_of_tier(tier: IntervalTier) -> tuple[Word, ...]:
    """Words of a tier in order, unknown ones by their mark; silence and noise are left out (see ``transcript``)."""
    return tuple(
        Word(label, float(interval.minTime), float(interval.maxTime))
        for interval in tier.intervals
        if label_kind(label := clean_label(interval.mark)) in ("word", "unknown")
    )


def marks_of_tier(tier: IntervalTier) -> tuple[str, ...]:
    """Labels of a tier that are no words but say so: marks of silence, noise and unknown words."""
    labels = (clean_label(interval.mark) for interval in tier.intervals)
    return tuple(label for label in labels if label and label_kind(label) != "word")


def read_words(path: Path, tier: str | None = None) -> tuple[Word, ...]:
    """Read the words of a TextGrid file, times in seconds as written.

    Warns
    -----
    InputWarning
        Where the file is not in Unicode, and was read as Windows Latin-1.
    """
    return read_word_tier(path, tier).words


@dataclass(frozen=True, slots=True)
class WordTier:
    """What a word tier holds, and the times at which its TextGrid starts and ends."""

    words: tuple[Word, ...]
    marks: tuple[str, ...]
    start_s: float
    end_s: float


def read_word_tier(path: Path, tier: str | None = None) -> WordTier:
    """Read the words as :func:`read_words` does, with what else the tier says."""
    grid = read_unicode_textgrid(path)
    found = word_tier(grid, path, tier)
    words = words_of_tier(found)
    if not words:
        raise InputError(path, "the word tier holds no words", "remove the file, or align it again")
    return WordTier(words, marks_of_tier(found), float(grid.minTime), float(grid.maxTime))


def read_unicode_textgrid(path: Path) -> TextGrid:
    """Read a TextGrid, with a warning where it is not in Unicode."""
    grid, encoding = read_textgrid(path)
    if not encoding.startswith("utf"):
        message = f"{path}: is not UTF-8 and was read as {encoding}; if words look wrong, save it as UTF-8"
        warnings.warn(message, InputWarning, stacklevel=4)
    return grid


OVERLAPPING = " (overlapping)"
"""What the name of a tier of points ends with that holds where words start which overlap others of another tier."""


def write_words(
    path: Path, tiers: Mapping[str, Sequence[Word]], duration_s: float, *, overlapping: bool = False
) -> None:
    """Write word tiers as a TextGrid that Praat opens.

    Parameters
    ----------
    tiers
        Words by the name of their tier, times in seconds.
    duration_s
        Length of the audio; the grid is longer where a word is.

    Words of no length cannot be intervals: they become points of a tier ``<name> (no length)``, so that none is lost.
    Neighbours that overlap by less than the reader's tolerance are written as touching.

    Raises
    ------
    InputError
        For a word that starts before zero or, unless it may, overlaps the one before it, and where the file cannot be
        written.
    """
    end_s = max([duration_s, *(word.end_s for words in tiers.values() for word in words)])
    grid = TextGrid(minTime=0.0, maxTime=end_s)
    for name, words in tiers.items():
        safe = name.replace('"', "'")  # the textgrid package does not escape tier names
        intervals = IntervalTier(name=safe, minTime=0.0, maxTime=end_s)
        points = PointTier(name=f"{safe}{NO_LENGTH}", minTime=0.0, maxTime=end_s)
        others = PointTier(name=f"{safe}{OVERLAPPING}", minTime=0.0, maxTime=end_s)
        previous_end_s = 0.0
        for word in words:
            if overlapping and 0 <= word.start_s < previous_end_s - OVERLAP_TOLERANCE_S:
                others.points.append(Point(float(word.start_s), word.text))
                continue
            if word.start_s < previous_end_s - OVERLAP_TOLERANCE_S:
                raise InputError(
                    f"{path}, tier {safe!r}, word {word.text!r}",
                    f"starts at {word.start_s:g} s, before {previous_end_s:g} s",
                    "a tier cannot hold words that overlap or start before zero",
                )
            start_s = max(float(word.start_s), previous_end_s)
            if start_s < word.end_s:
                intervals.intervals.append(Interval(start_s, float(word.end_s), word.text))
                previous_end_s = float(word.end_s)
            else:
                points.points.append(Point(start_s, word.text))
        grid.tiers.append(intervals)
        grid.tiers += [tier for tier in (points, others) if tier.points]
    buffer = io.StringIO()
    buffer.close = lambda: None  # type: ignore[method-assign]  # its writer closes what it is given
    grid.write(buffer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(buffer.getvalue(), encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error, "choose another name") from error


def _fits(name: str, tier: str | None) -> bool:
    if tier is not None:
        return name == tier
    lowered = name.strip().lower()
    return lowered in WORD_TIER_NAMES or any(lowered.endswith(f" - {fit}") for fit in WORD_TIER_NAMES)
