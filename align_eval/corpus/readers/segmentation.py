"""Segmentation of long recordings: segments that fit the model's window, cut at pauses.

A *barrier* is a span with speech that is not among the words: another speaker, or a word that nobody understood. No
segment reaches into a barrier. Words that overlap one are left out and counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from align_eval.corpus.pauses import pauses_between
from align_eval.records import Word
from align_eval.units import WINDOW_S

LONG_PAUSE_S = 1.0
"""A pause of at least this length always ends a segment."""

SHORTEST_PAUSE_S = 0.05
"""A cut needs a pause of at least this length."""

MARGIN_S = 0.25
"""Audio around the words of a segment; at most half of the pause there."""

TOLERANCE_S = 1e-6
"""Neighbours that overlap by less than this only touch."""

Span = tuple[float, float]
"""Start and end in the recording, in seconds."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Words with their times in the recording, and the span of the recording that holds them and no other speech."""

    words: tuple[Word, ...]
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Segments of a recording.

    Attributes
    ----------
    segments : tuple of Segment
        In order, each at most as long as the limit.
    overlapped : tuple of Word
        Words that a barrier overlaps; they are in no segment.
    too_long : tuple of Segment
        Stretches over the limit without a pause to cut at.
    """

    segments: tuple[Segment, ...]
    overlapped: tuple[Word, ...]
    too_long: tuple[Segment, ...]


def cut_at_pauses(
    words: Sequence[Word], duration_s: float, barriers: Sequence[Span] = (), max_s: float = WINDOW_S
) -> Segmentation:
    """Cut a recording at its longest pauses until every segment lasts at most ``max_s`` seconds.

    Parameters
    ----------
    words
        Words of one speaker, in order, without overlaps; times in seconds.
    duration_s
        Length of the recording in seconds.
    barriers
        Spans that no segment may hold, in any order. A barrier of no length parts the words on both sides of it.
    max_s
        Longest segment, in seconds.
    """
    merged = _merged(barriers)
    is_overlapped = [_overlaps(word, merged) for word in words]
    overlapped = [word for word, overlaps in zip(words, is_overlapped, strict=True) if overlaps]
    clear = [word for word, overlaps in zip(words, is_overlapped, strict=True) if not overlaps]
    walls = _merged([*barriers, *((w.start_s, w.end_s) for w in overlapped)])
    runs = [part for run in _between_barriers(clear, walls, duration_s) for part in _at_long_pauses(run)]
    segments: list[Segment] = []
    too_long: list[Segment] = []
    for segment in (part for run in runs for part in _at_longest_pauses(run, max_s)):
        (segments if _fits(segment.words, max_s) else too_long).append(_trimmed(segment))
    return Segmentation(tuple(segments), tuple(overlapped), tuple(too_long))


def _fits(words: Sequence[Word], max_s: float) -> bool:
    return words[-1].end_s - words[0].start_s + 2 * MARGIN_S <= max_s


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Spans in order; spans that overlap are joined."""
    merged: list[Span] = []
    for start_s, end_s in sorted(spans):
        if merged and start_s < merged[-1][1] - TOLERANCE_S:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((start_s, end_s))
    return merged


def _overlaps(word: Word, walls: Sequence[Span]) -> bool:
    """True if a word overlaps one of the merged spans."""
    i = bisect_left(walls, (word.start_s + TOLERANCE_S,))
    before = i > 0 and walls[i - 1][1] > word.start_s + TOLERANCE_S
    return before or (i < len(walls) and walls[i][0] < word.end_s - TOLERANCE_S)


def _between_barriers(words: Sequence[Word], walls: Sequence[Span], duration_s: float) -> list[Segment]:
    """Words without a barrier between them, each run with the audio up to the barriers around it."""
    runs: list[Segment] = []
    run: list[Word] = []
    start_s = 0.0
    k = 0
    for word in words:
        wall_end_s = start_s
        while k < len(walls) and walls[k][0] <= word.start_s + TOLERANCE_S:  # no word overlaps a wall
            if run:
                runs.append(Segment(tuple(run), start_s, max(walls[k][0], run[-1].end_s)))
                run = []
            wall_end_s = max(wall_end_s, walls[k][1])
            k += 1
        start_s = min(wall_end_s, word.start_s) if not run else start_s
        run.append(word)
    if run:
        end_s = walls[k][0] if k < len(walls) else duration_s
        runs.append(Segment(tuple(run), start_s, max(end_s, run[-1].end_s)))
    return runs


def _at_long_pauses(segment: Segment) -> list[Segment]:
    """The segment divided at all its long pauses at once."""
    parts: list[Segment] = []
    start, start_s = 0, segment.start_s
    for pause in pauses_between(segment.words):
        if pause.length_s >= LONG_PAUSE_S:
            parts.append(Segment(segment.words[start : pause.next_word], start_s, pause.cut_s))
            start, start_s = pause.next_word, pause.cut_s
    return [*parts, Segment(segment.words[start:], start_s, segment.end_s)]


def _at_longest_pauses(segment: Segment, max_s: float) -> list[Segment]:
    """The segment divided at its longest pause, and each part likewise until it fits or has no pause to cut at.

    A cut changes no other pause, so that all pauses are visited once, from the longest to the shortest.
    """
    words = segment.words
    bounds, cuts_s = [0, len(words)], [segment.start_s, segment.end_s]
    for pause in sorted(pauses_between(words), key=lambda pause: -pause.length_s):
        if pause.length_s < SHORTEST_PAUSE_S:
            break
        k = bisect_left(bounds, pause.next_word)
        if not _fits((words[bounds[k - 1]], words[bounds[k] - 1]), max_s):
            bounds.insert(k, pause.next_word)
            cuts_s.insert(k, pause.cut_s)
    spans = zip(pairwise(bounds), pairwise(cuts_s), strict=True)
    return [Segment(words[first:end], start_s, end_s) for (first, end), (start_s, end_s) in spans]


def _trimmed(segment: Segment) -> Segment:
    """The segment with at most a margin of audio before its first word and after its last."""
    start_s = max(segment.start_s, segment.words[0].start_s - MARGIN_S)
    end_s = min(segment.end_s, segment.words[-1].end_s + MARGIN_S)
    return Segment(segment.words, start_s, max(end_s, segment.words[-1].end_s))
