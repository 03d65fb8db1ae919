"""Punctuation and long words: openai-whisper's post-processing of word times after DTW.

A *piece* is a word of openai-whisper before it merges punctuation marks with neighbouring words, so a mark is a piece.
The rules are those of ``timing.merge_punctuations`` and ``timing.add_word_timestamps``, with one segment that spans the
audio, so that its rules for segment times have no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from align_eval.records import IntVector

PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"
SENTENCE_ENDS = ".。!！?？"

LONGEST_MEDIAN_S = 0.7
TOO_LONG = 2.0
"""Longest piece, as a multiple of the median piece; the median is limited to :data:`LONGEST_MEDIAN_S`."""

Pieces = Sequence[tuple[str, int]]


@dataclass(slots=True)
class _Merged:
    """A piece with its merged marks: times without and with the marks, and the first token of each."""

    start_s: float
    end_s: float
    outer_start_s: float
    outer_end_s: float
    first_tokens: list[int]


def piece_word_times(
    token_starts_s: npt.NDArray[np.float64],
    pieces: Pieces,
    word_of_token: IntVector,
    *,
    capped: bool,
    trimmed: bool,
) -> tuple[tuple[float, float], ...]:
    """Word times after openai-whisper's post-processing.

    Parameters
    ----------
    token_starts_s : float64[n_tokens]
        Start of each text token and of the end of the text, in seconds.
    pieces : sequence of (str, int)
        Pieces with their numbers of tokens.
    word_of_token : int32[n_tokens]
    capped : bool
        Shorten pieces that are too long.
    trimmed : bool
        Exclude punctuation marks from the times of their words.

    Returns
    -------
    tuple of (start_s, end_s)
        One pair per word. A word of marks alone has the times of the piece that its marks are merged with.
    """
    first = np.cumsum([0, *(n for _, n in pieces)])
    texts = [text for text, _ in pieces]
    starts, ends = token_starts_s[first[:-1]].tolist(), token_starts_s[first[1:]].tolist()
    lengths = np.subtract(ends, starts)
    lengths = lengths[lengths.nonzero()]
    median_s = min(LONGEST_MEDIAN_S, float(np.median(lengths))) if len(lengths) else 0.0
    if capped and len(lengths):
        _cap_beside_sentence_ends(texts, starts, ends, TOO_LONG * median_s)
    merged = _merge_marks(texts, starts, ends, first)
    if not trimmed:
        for piece in merged:
            piece.start_s, piece.end_s = piece.outer_start_s, piece.outer_end_s
    if capped:
        _cap_first_words(merged, median_s)
    times: list[list[float]] = [[] for _ in range(int(word_of_token.max()) + 1)]
    for piece in merged:
        times[word_of_token[piece.first_tokens[0]]] += [piece.start_s, piece.end_s]
    for piece in merged:
        for word in {int(word_of_token[token]) for token in piece.first_tokens}:
            times[word] = times[word] or [piece.start_s, piece.end_s]
    return tuple((word_times[0], max(word_times[0], word_times[-1])) for word_times in times)


def word_texts(pieces: Pieces, word_of_token: IntVector) -> tuple[str, ...]:
    """Text of each word, from its pieces."""
    texts = [""] * (int(word_of_token.max()) + 1)
    token = 0
    for text, n_tokens in pieces:
        texts[word_of_token[token]] += text
        token += n_tokens
    return tuple(text.strip() for text in texts)


def _cap_beside_sentence_ends(texts: Sequence[str], starts: list[float], ends: list[float], longest_s: float) -> None:
    """Shorten a long sentence end from its end, and a long piece after a sentence end from its start."""
    for i in range(1, len(texts)):
        if ends[i] - starts[i] > longest_s:
            if texts[i] in SENTENCE_ENDS:
                ends[i] = starts[i] + longest_s
            elif texts[i - 1] in SENTENCE_ENDS:
                starts[i] = ends[i] - longest_s


def _merge_marks(
    texts: Sequence[str], starts: Sequence[float], ends: Sequence[float], first: IntVector
) -> list[_Merged]:
    """Merge opening marks with the piece after them, then other marks with the piece before them."""
    texts = list(texts)
    pieces = [_Merged(s, e, s, e, [int(token)]) for s, e, token in zip(starts, ends, first[:-1], strict=True)]
    host = len(texts) - 1
    for i in range(len(texts) - 2, -1, -1):
        if texts[i].startswith(" ") and texts[i].strip() in PREPENDED:
            texts[host] = texts[i] + texts[host]
            texts[i] = ""
            pieces[host].outer_start_s = pieces[i].outer_start_s
            pieces[host].first_tokens = pieces[i].first_tokens + pieces[host].first_tokens
        else:
            host = i
    host = 0
    for i in range(1, len(texts)):
        if not texts[host].endswith(" ") and texts[i] in APPENDED:
            if texts[i]:
                pieces[host].outer_end_s = pieces[i].outer_end_s
                pieces[host].first_tokens += pieces[i].first_tokens
            texts[host] += texts[i]
            texts[i] = ""
        else:
            host = i
    return [piece for piece, text in zip(pieces, texts, strict=True) if text]


def _cap_first_words(words: list[_Merged], median_s: float) -> None:
    """Shorten the first and second word if they seem to contain the pause before the first word."""
    if not words:
        return
    longest_s = TOO_LONG * median_s
    head, second = words[0], words[1] if len(words) > 1 else None
    both_too_long = second is not None and second.end_s - head.start_s > 2 * longest_s
    if head.end_s > 4 * median_s and (head.end_s - head.start_s > longest_s or both_too_long):
        if second is not None and second.end_s - second.start_s > longest_s:
            head.end_s = second.start_s = max(second.end_s / 2, second.end_s - longest_s)
        head.start_s = max(0.0, head.end_s - longest_s)
