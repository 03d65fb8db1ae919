"""Windows of long recordings: stretches short enough for the model, cut at pauses of the reference.

Whisper takes 30 s of audio. Each window is an utterance with its stretch of the audio and the words inside it. The
words of a window are timed on the window's clock and written on the recording's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from align_eval.corpus.folder import Corpus
from align_eval.corpus.pauses import Pause, pauses_between
from align_eval.errors import InputError
from align_eval.formats.atomic import check_name
from align_eval.records import AudioSpan, Failure, Utterance
from align_eval.units import WINDOW_S

MARGIN_S = 1.0
"""Longest silence that a window keeps of the pause at either of its ends."""

EARLIEST_CUT = 0.5
"""Fraction of the longest window after which cuts are preferred, so that windows do not become many and short."""

ROUNDING_S = 1e-3
"""Windows stay this much shorter than the limit, since both ends are rounded to a sample of the file."""


def windowed(corpus: Corpus, longest_s: float = WINDOW_S) -> Corpus:
    """Replace every utterance that is longer than ``longest_s`` seconds by its windows."""
    windows = tuple(window for u in corpus.utterances for window in cut_windows(u, longest_s))
    return replace(corpus, utterances=windows)


def with_room_for_windows(corpus: Corpus, longest_s: float) -> Corpus:
    """Make failures of the utterances whose ids leave no room for those of their windows; every id names files."""
    kept: list[Utterance] = []
    failures = list(corpus.failures)
    for u in corpus.utterances:
        try:
            if u.duration_s > longest_s:
                check_name(f"{u.audio.path}, a window of {u.id}", _window_id(u, u.duration_s))
        except InputError as error:
            failures.append(Failure(u.id, str(error)))
        else:
            kept.append(u)
    return replace(corpus, utterances=tuple(kept), failures=tuple(failures))


def cut_windows(utterance: Utterance, longest_s: float = WINDOW_S) -> tuple[Utterance, ...]:
    """Cut an utterance into windows of at most ``longest_s`` seconds, each word in exactly one of them.

    A window ends in the middle of the longest pause in the second half of the audio that it could hold. Where the
    second half has no pause, the longest one of the first half is taken. Words that touch may be parted, words that
    overlap never. A window is longer than ``longest_s`` only where one word, or words that overlap, fill it; the model
    then refuses that window by name.

    Returns
    -------
    tuple of Utterance
        In order; the utterance itself where it fits.
    """
    if utterance.duration_s <= longest_s:
        return (utterance,)
    begin, *later = _cuts(utterance)
    windows: list[Utterance] = []
    while later:
        end = _next_cut(begin, later, longest_s)
        windows.append(_window(utterance, begin, end))
        begin, later = end, later[later.index(end) + 1 :]
    return tuple(windows)


def _cuts(utterance: Utterance) -> list[Pause]:
    """Pauses between the words, with the silence before the first word and after the last one."""
    words = utterance.words
    before = Pause(0, 0.0, min(word.start_s for word in words), cut_s=0.0)
    after = Pause(len(words), max(word.end_s for word in words), utterance.duration_s, cut_s=utterance.duration_s)
    return [before, *pauses_between(words), after]


def _next_cut(begin: Pause, later: Sequence[Pause], longest_s: float) -> Pause:
    """Choose the pause that ends the window that starts at ``begin``."""
    start_s = _start_s(begin)
    fitting = []
    for pause in later:
        if _end_s(pause) - start_s > longest_s - ROUNDING_S:
            break
        fitting.append(pause)
    if len(fitting) == len(later):
        return later[-1]
    late = [pause for pause in fitting if pause.cut_s - start_s >= EARLIEST_CUT * longest_s]
    return max(late or fitting or later[:1], key=lambda pause: (pause.length_s, pause.next_word))


def _start_s(pause: Pause) -> float:
    """Start of a window that begins in this pause."""
    return max(pause.cut_s, pause.end_s - MARGIN_S)


def _end_s(pause: Pause) -> float:
    """End of a window that ends in this pause."""
    return min(pause.cut_s, pause.start_s + MARGIN_S)


def _window(utterance: Utterance, begin: Pause, end: Pause) -> Utterance:
    start_s, end_s = _start_s(begin), max(_end_s(end), end.start_s)
    inside = utterance.words[begin.next_word : end.next_word]
    words = tuple(replace(w, start_s=w.start_s - start_s, end_s=w.end_s - start_s) for w in inside)
    span = utterance.audio
    return replace(
        utterance,
        id=_window_id(utterance, start_s),
        audio=AudioSpan(span.path, span.channel, span.start_s + start_s, span.start_s + end_s),
        words=words,
        text=" ".join(word.text for word in words),
        duration_s=end_s - start_s,
        part_of=utterance.part_of or utterance.id,
    )


def _window_id(utterance: Utterance, start_s: float) -> str:
    return f"{utterance.id}@{utterance.audio.start_s + start_s:09.3f}"


def first_window(span: AudioSpan) -> AudioSpan:
    """The first 30 s of a stretch of audio, or all of it where it is shorter."""
    end_s = span.start_s + WINDOW_S
    return replace(span, end_s=end_s if span.end_s is None else min(span.end_s, end_s))
