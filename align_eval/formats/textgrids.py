"""Words in TextGrids: finding the word tiers, reading them as :class:`~align_eval.records.Word`, and writing tiers."""

from __future__ import annotations

import io
import re
import shlex
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from textgrid import Interval, IntervalTier, Point, PointTier, TextGrid

from align_eval.errors import InputError, InputWarning, did_you_mean, listed
from align_eval.formats.atomic import cannot_write, write_text
from align_eval.formats.praat import OVERLAP_TOLERANCE_S, UNCOUNTED_S, read_textgrid, rounding_messages
from align_eval.records import Word
from align_eval.text import DEFAULT_POLICY, LabelPolicy, clean_label, composed, label_kind, shown

WORD_TIER_NAMES = ("words", "word")
"""Names of word tiers, in upper or lower case; MFA's ``speaker - words`` fits as well."""

NO_LENGTH = " (no length)"
"""Suffix of the point tier that holds the words of no length of another tier."""

OVERLAPPING = " (overlapping)"
"""Suffix of the point tier that holds the starts of words that overlap others of another tier."""


Tiers = str | Sequence[str] | None
"""Choice of tiers, each by its name or number (:func:`fitting_tiers`); None is the only word tier of a file."""


def wanted_tiers(tiers: Tiers) -> tuple[str, ...]:
    """The choice as a tuple, empty if no tier is named."""
    return (tiers,) if isinstance(tiers, str) else tuple(tiers or ())


def fitting_tiers(names: Sequence[str], wanted: str | None) -> list[int]:
    """Find tiers by name or number.

    Parameters
    ----------
    names : sequence of str
        Names of all tiers of a file, in its order.
    wanted : str, optional
        A name, compared in NFC, or else the number of a tier, counted from 1 as in Praat. None finds the names of word
        tiers: :data:`WORD_TIER_NAMES` in upper or lower case, and MFA's ``speaker - words``.

    Returns
    -------
    list of int
        Indices from 0.
    """
    if wanted is None:
        return [i for i, name in enumerate(names) if _names_words(name)]
    named = [i for i, name in enumerate(names) if composed(name) == composed(wanted)]
    number = int(wanted) if re.fullmatch("[0-9]{1,9}", wanted) else 0
    return named or ([number - 1] if 1 <= number <= len(names) else [])


def tier_options(names: Sequence[str], indices: Iterable[int]) -> str:
    """Options of a command that choose the tiers: each by its name, or by its number if others have this name."""
    counts = Counter(map(composed, names))
    words = (names[i] if counts[composed(names[i])] == 1 else str(i + 1) for i in indices)
    return listed((f"--tier {shlex.quote(word)}" for word in words), " ")


def word_tiers(grid: TextGrid, path: object, tiers: Tiers = None) -> tuple[IntervalTier, ...]:
    """Find the chosen interval tiers, or else the only interval tier with the name of a word tier.

    Raises
    ------
    InputError
        If no tier or several fit a name; names the tiers of the file and the options that choose them.
    """
    chosen = dict.fromkeys(_word_tier(grid, path, wanted) for wanted in wanted_tiers(tiers) or (None,))
    return tuple(grid.tiers[i] for i in chosen)


def _word_tier(grid: TextGrid, path: object, wanted: str | None) -> int:
    """Index of the only interval tier that fits."""
    names = [str(t.name) for t in grid.tiers]
    fitting = fitting_tiers(names, wanted)
    intervals = [i for i in fitting if isinstance(grid.tiers[i], IntervalTier)]
    if len(intervals) == 1:
        return intervals[0]
    what = "word tier" if wanted is None else f"tier {wanted!r}"
    known = f"the tiers are {listed(map(repr, names)) or 'none'}"
    if intervals:
        fits = listed(repr(names[i]) for i in intervals)
        by_name = len({names[i] for i in intervals}) == len(intervals)
        one = "one with --tier NAME" if by_name else "one by its number, as --tier NUMBER"
        raise InputError(
            path,
            f"{len(intervals)} tiers fit as {what}: {fits}",
            f"name {one}, or all: {tier_options(names, intervals)}; {known}",
        )
    if fitting:
        raise InputError(
            path, f"{what} {names[fitting[0]]!r} holds points, not intervals", f"name another with --tier; {known}"
        )
    has_intervals = any(isinstance(t, IntervalTier) for t in grid.tiers)
    remedy = "name one with --tier" if has_intervals else "give a TextGrid with a tier of intervals"
    near = did_you_mean(wanted, names) if wanted and has_intervals else ""
    raise InputError(path, f"no {what}", f"{near}{remedy}; {known}")


def words_of_tier(tier: IntervalTier, labels: LabelPolicy = DEFAULT_POLICY) -> tuple[Word, ...]:
    """Words of a tier in order, without silence and noise; an unknown word is its mark (see :mod:`align_eval.text`)."""
    return tuple(
        Word(label, float(interval.minTime), float(interval.maxTime))
        for interval in tier.intervals
        if label_kind(label := clean_label(interval.mark), labels) in ("word", "unknown")
    )


def marks_of_tier(tier: IntervalTier, labels: LabelPolicy = DEFAULT_POLICY) -> tuple[str, ...]:
    """Labels of a tier that are no words: marks of silence, noise or an unknown word, and punctuation alone."""
    texts = (clean_label(interval.mark) for interval in tier.intervals)
    return tuple(shown(text) for text in texts if text and label_kind(text, labels) != "word")


def read_words(path: Path, tier: Tiers = None) -> tuple[Word, ...]:
    """Read the words of a TextGrid file.

    Parameters
    ----------
    path : Path
    tier : str or sequence of str, optional
        Tiers by name or number; None finds the word tier (see :func:`word_tiers`). Words of several tiers are merged
        in the order of their starts.

    Returns
    -------
    tuple of Word
        Times in seconds at full precision.

    Raises
    ------
    InputError
        If the file is malformed, no tier or several fit, the tier holds no words, or words of two tiers overlap.

    Warns
    -----
    InputWarning
        If the file is not in Unicode and was read as Windows Latin-1.
    """
    return read_word_tier(path, tier).words


@dataclass(frozen=True, slots=True)
class WordTier:
    """Words and marks of word tiers, and the start and end of their TextGrid in seconds."""

    words: tuple[Word, ...]
    marks: tuple[str, ...]
    start_s: float
    end_s: float


def read_word_tier(path: Path, tier: Tiers = None, labels: LabelPolicy = DEFAULT_POLICY) -> WordTier:
    """Read word tiers as :func:`read_words` does, with their marks and times.

    ``labels`` changes the kind of single labels.
    """
    grid = read_textgrid_and_warn(path)
    tiers = word_tiers(grid, path, tier)
    spoken = [(word, t) for t in tiers for word in words_of_tier(t, labels)]
    if not spoken:
        raise InputError(path, "the word tier holds no words", "remove the file, or align it again")
    if len(tiers) > 1:
        spoken.sort(key=lambda entry: entry[0].start_s)
        _refuse_overlap(path, spoken)
    words = tuple(word for word, _ in spoken)
    marks = tuple(mark for t in tiers for mark in marks_of_tier(t, labels))
    return WordTier(words, marks, float(grid.minTime), float(grid.maxTime))


def _refuse_overlap(path: Path, spoken: Sequence[tuple[Word, IntervalTier]]) -> None:
    """Refuse words that overlap: audio is aligned with one word after the other."""
    for (before, tier), (word, other) in pairwise(spoken):
        if word.start_s < before.end_s - OVERLAP_TOLERANCE_S:
            raise InputError(
                f"{path}, tier {other.name!r}",
                f"{word.text!r} starts at {word.start_s:g} s, before {before.text!r} of tier {tier.name!r} ends "
                f"({before.end_s:g} s), and words of several tiers must not overlap where audio is aligned with them",
                "name one tier only",
            )


def read_textgrid_and_warn(path: Path) -> TextGrid:
    """Read a TextGrid; warn if it is not in Unicode, and of overlaps that are taken as rounding."""
    grid, encoding = read_textgrid(path)
    for message in rounding_messages(grid, path):
        warnings.warn(message, InputWarning, stacklevel=4)
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
        write_text(path, buffer.getvalue())
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
        if word.start_s < previous_end_s - UNCOUNTED_S:
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


def _names_words(name: str) -> bool:
    lowered = name.strip().lower()
    return lowered in WORD_TIER_NAMES or any(lowered.endswith(f" - {fit}") for fit in WORD_TIER_NAMES)
