"""Long recordings cut at pauses of their reference into windows that a model takes, none of whose words is lost.

Whisper takes 30 s. A window is an utterance of its own, a stretch of its recording's audio with the words inside it;
its words are timed alone, and put back on the recording's clock where they are written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from align_eval.corpus.folder import Corpus
from align_eval.records import AudioSpan, Utterance, Word
from align_eval.units import WINDOW_S

MARGIN_S = 1.0
"""So much of a pause is left on either side of a cut, at most: longer silence is nobody's window."""

EARLIEST_CUT = 0.5
"""The longest pause is looked for in that last part of what a window could hold, so that windows are not many."""

ROUNDING_S = 1e-3
"""Windows are shorter than the longest by that, since either end is rounded to a sample of the file."""


def windowed(corpus: Corpus, longest_s: float = WINDOW_S) -> Corpus:
    """The corpus with windows in the place of every utterance that is longer than ``longest_s``."""
    cut = tuple(window for u in corpus.utterances for window in cut_windows(u, longest_s))
    return replace(corpus, utterances=cut)


def cut_windows(utterance: Utterance, longest_s: float = WINDOW_S) -> tuple[Utterance, ...]:
    """Windows of at most ``longest_s``, in order: every word in exactly one; an utterance that fits is its own.

    A window ends in the middle of the longest pause in the second half of what it could hold (in the first, where all
    of the second is one word); words that touch have a pause of no length between them, words that overlap none. A
    window is longer than asked only where that is one word, or words that overlap: the model then refuses it by name.
    """
    if utterance.duration_s <= longest_s:
        return (utterance,)
    begin, *later = _pauses(utterance.words, utterance.duration_s)
    windows: list[Utterance] = []
    while later:
        end = _next_cut(begin, later, longest_s)
        windows.append(_window(utterance, begin, end))
        begin, later = end, later[later.index(end) + 1 :]
    return tuple(windows)


@dataclass(frozen=True, slots=True)
class _Pause:
    """Silence before word ``i``, where a cut at ``at_s`` goes through no word."""

    i: int
    low_s: float
    high_s: float
    at_s: float


def _pauses(words: Sequence[Word], duration_s: float) -> list[_Pause]:
    """The pauses between words, none inside an overlap, between the start and the end of the audio."""
    ended = list(accumulate((word.end_s for word in words), max))
    starts = list(accumulate((word.start_s for word in reversed(words)), min))[::-1]
    between = [
        _Pause(i, low_s, high_s, (low_s + high_s) / 2)
        for i, (low_s, high_s) in enumerate(zip(ended, starts[1:], strict=False), start=1)
        if low_s <= high_s
    ]
    return [_Pause(0, 0.0, starts[0], 0.0), *between, _Pause(len(words), ended[-1], duration_s, duration_s)]


def _next_cut(begin: _Pause, later: Sequence[_Pause], longest_s: float) -> _Pause:
    """Where the window that starts at a pause ends."""
    start_s = _start_s(begin)
    fitting = []
    for pause in later:
        if _end_s(pause) - start_s > longest_s - ROUNDING_S:
            break
        fitting.append(pause)
    if len(fitting) == len(later):
        return later[-1]
    late = [pause for pause in fitting if pause.at_s - start_s >= EARLIEST_CUT * longest_s]
    return max(late or fitting or later[:1], key=lambda pause: (pause.high_s - pause.low_s, pause.i))


def _start_s(pause: _Pause) -> float:
    return max(pause.at_s, pause.high_s - MARGIN_S)


def _end_s(pause: _Pause) -> float:
    return min(pause.at_s, pause.low_s + MARGIN_S)


def _window(utterance: Utterance, begin: _Pause, end: _Pause) -> Utterance:
    start_s, end_s = _start_s(begin), max(_end_s(end), end.low_s)
    of_window = utterance.words[begin.i : end.i]
    words = tuple(replace(w, start_s=w.start_s - start_s, end_s=w.end_s - start_s) for w in of_window)
    span = utterance.audio
    return replace(
        utterance,
        id=f"{utterance.id}@{span.start_s + start_s:09.3f}",
        audio=AudioSpan(span.path, span.channel, span.start_s + start_s, span.start_s + end_s),
        words=words,
        text=" ".join(word.text for word in words),
        duration_s=end_s - start_s,
        part_of=utterance.part_of or utterance.id,
    )
