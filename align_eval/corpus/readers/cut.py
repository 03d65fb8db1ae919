"""Long recordings cut at pauses into stretches that the model's window holds.

A *barrier* is a span in which something is said that is not among the words: another speaker, a word nobody
understood. No piece reaches into one, and words that overlap one are left out and counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from align_eval.records import Word
from align_eval.units import WINDOW_S

LONG_PAUSE_S = 1.0
"""A pause of that length always ends a piece."""

SHORTEST_PAUSE_S = 0.05
"""A cut needs a pause of at least that length."""

MARGIN_S = 0.25
"""Audio kept around a piece's words, at most half of the pause there."""

TOLERANCE_S = 1e-6
"""Neighbours that overlap by less than a sample only touch."""

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Piece:
    """Words, with times in the recording, and the span of the recording that holds them and nothing else."""

    words: tuple[Word, ...]
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Cut:
    """The pieces of a recording, the words that a barrier overlaps, and stretches that are too long without a pause."""

    pieces: tuple[Piece, ...]
    overlapped: tuple[Word, ...]
    too_long: tuple[Piece, ...]


def cut_at_pauses(
    words: Sequence[Word], duration_s: float, barriers: Sequence[Span] = (), max_s: float = WINDOW_S
) -> Cut:
    """Cut a recording at its longest pauses until every piece lasts at most ``max_s``.

    Parameters
    ----------
    words
        Of one speaker, in order, none overlapping the next; times in seconds.
    barriers
        Spans that no piece may hold, in any order; one of no length still parts the words at both sides of it.
    """
    merged = _merged(barriers)
    spoken_over = [_overlaps(word, merged) for word in words]
    overlapped = [word for word, over in zip(words, spoken_over, strict=True) if over]
    alone = [word for word, over in zip(words, spoken_over, strict=True) if not over]
    walls = _merged([*barriers, *((w.start_s, w.end_s) for w in overlapped)])
    free = _free_stretches(alone, walls, duration_s)
    pieces: list[Piece] = []
    too_long: list[Piece] = []
    while free:
        piece = free.pop()
        pause_s, at = _longest_pause(piece)
        if pause_s < LONG_PAUSE_S and piece.words[-1].end_s - piece.words[0].start_s + 2 * MARGIN_S <= max_s:
            pieces.append(_trimmed(piece))
        elif pause_s < SHORTEST_PAUSE_S:
            too_long.append(_trimmed(piece))
        else:
            middle_s = (piece.words[at - 1].end_s + piece.words[at].start_s) / 2
            free.append(Piece(piece.words[:at], piece.start_s, middle_s))
            free.append(Piece(piece.words[at:], middle_s, piece.end_s))
    return Cut(tuple(reversed(pieces)), tuple(overlapped), tuple(reversed(too_long)))


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Spans in order, those that overlap joined."""
    merged: list[Span] = []
    for start_s, end_s in sorted(spans):
        if merged and start_s < merged[-1][1] - TOLERANCE_S:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((start_s, end_s))
    return merged


def _overlaps(word: Word, walls: Sequence[Span]) -> bool:
    i = bisect_left(walls, (word.start_s + TOLERANCE_S,))
    before = i > 0 and walls[i - 1][1] > word.start_s + TOLERANCE_S
    return before or (i < len(walls) and walls[i][0] < word.end_s - TOLERANCE_S)


def _free_stretches(words: Sequence[Word], walls: Sequence[Span], duration_s: float) -> list[Piece]:
    """Runs of words without a barrier between them, each with the audio up to the barriers around it."""
    runs: list[Piece] = []
    of_run: list[Word] = []
    start_s = 0.0
    k = 0
    for word in words:
        reached = start_s
        while k < len(walls) and walls[k][0] <= word.start_s + TOLERANCE_S:  # no word overlaps a wall
            if of_run:
                runs.append(Piece(tuple(of_run), start_s, max(walls[k][0], of_run[-1].end_s)))
                of_run = []
            reached = max(reached, walls[k][1])
            k += 1
        start_s = min(reached, word.start_s) if not of_run else start_s
        of_run.append(word)
    if of_run:
        end_s = walls[k][0] if k < len(walls) else duration_s
        runs.append(Piece(tuple(of_run), start_s, max(end_s, of_run[-1].end_s)))
    return runs


def _longest_pause(piece: Piece) -> tuple[float, int]:
    """Length of the longest pause between words, and the index of the word after it; the first of equal ones."""
    pauses = [b.start_s - a.end_s for a, b in zip(piece.words[:-1], piece.words[1:], strict=True)]
    if not pauses:
        return 0.0, 0
    at = max(range(len(pauses)), key=pauses.__getitem__)
    return pauses[at], at + 1


def _trimmed(piece: Piece) -> Piece:
    """The piece with at most a margin of audio before its first word and after its last."""
    start_s = max(piece.start_s, piece.words[0].start_s - MARGIN_S)
    end_s = min(piece.end_s, piece.words[-1].end_s + MARGIN_S)
    return Piece(piece.words, start_s, max(end_s, piece.words[-1].end_s))
