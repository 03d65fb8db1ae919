"""From timed words of a recording to utterances: what all readers of published corpora share."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from align_eval.corpus.audio import audio_duration_s
from align_eval.corpus.folder import Corpus, count_marks
from align_eval.corpus.readers.cut import Piece, Span, cut_at_pauses
from align_eval.errors import InputError, InputWarning
from align_eval.records import AudioSpan, Failure, Utterance, Word
from align_eval.units import MS_PER_S, WINDOW_S


def make_corpus(
    path: Path, kind: str, utterances: Iterable[Utterance], failures: Iterable[Failure], marks: Counter[str]
) -> Corpus:
    """A corpus in the order of ids; one whose id stands twice, or is no name inside a folder, is a failure."""
    kept: dict[str, Utterance] = {}
    listed = list(failures)
    for u in utterances:
        parts = PurePosixPath(u.id).parts
        if not parts or u.id.startswith("/") or ".." in parts or not u.id.isprintable() or "\\" in u.id:
            error = InputError(u.audio.path, f"the id {u.id!r} cannot name a file", "use letters, digits, - _ . and /")
            listed.append(Failure(repr(u.id), str(error)))
        elif u.id in kept:
            error = InputError(u.audio.path, f"the id {u.id!r} stands twice", "give each utterance an id of its own")
            listed.append(Failure(u.id, str(error)))
        else:
            kept[u.id] = u
    return Corpus(
        path.resolve().name,
        tuple(sorted(kept.values(), key=lambda u: u.id)),
        tuple(sorted(listed, key=lambda f: f.id)),
        kind,
        count_marks(marks),
    )


def make_word(text: str, start_s: float, end_s: float, place: str) -> Word:
    """A word of some length at finite times.

    Raises
    ------
    InputError
        Where it is none.
    """
    if not (math.isfinite(start_s) and math.isfinite(end_s)):
        raise InputError(place, f"the times of {text!r} are not finite", "give seconds as plain numbers")
    if start_s < 0 or end_s <= start_s:
        problem = f"{text!r} lasts from {start_s:g} to {end_s:g} s"
        raise InputError(place, problem, "a word starts at 0 or later and ends after it starts: correct its times")
    return Word(text, start_s, end_s)


def without_overlaps(words: Sequence[Word], place: object) -> tuple[Word, ...]:
    """Words in order; where two share a stretch, as two that share a sound do, its middle parts them, with a warning.

    Raises
    ------
    InputError
        Where they are not in order, or one lies inside another.
    """
    parted: list[Word] = []
    n_shared = 0
    for i, word in enumerate(words):
        if not parted or word.start_s >= parted[-1].end_s:
            parted.append(word)
            continue
        before = parted.pop()
        middle_s = (word.start_s + before.end_s) / 2
        if word.end_s <= before.end_s or not before.start_s < middle_s < word.end_s:
            raise InputError(
                f"{place}, word {i + 1}",
                f"{word.text!r} ({word.start_s:g} to {word.end_s:g} s) does not follow {before.text!r} "
                f"({before.start_s:g} to {before.end_s:g} s)",
                "words of one speaker follow one another: correct the times",
            )
        parted += [replace(before, end_s=middle_s), replace(word, start_s=middle_s)]
        n_shared += 1
    if n_shared:
        message = f"{place}: words that overlap the next: {n_shared}; they are parted in the middle of what they share"
        warnings.warn(message, InputWarning, stacklevel=2)
    return tuple(parted)


def cut_recording(
    template: Utterance, words: Sequence[Word], barriers: Sequence[Span] = ()
) -> tuple[list[Utterance], list[Failure]]:
    """Utterances of at most 30 s out of a recording of any length, cut at pauses.

    Parameters
    ----------
    template
        The recording as one utterance: its ``id`` begins those of the pieces, ``duration_s`` is its length; speaker,
        language and kind of reference are theirs.
    words
        Times in the recording.
    """
    cut = cut_at_pauses(words, template.duration_s, barriers, WINDOW_S - 2 / MS_PER_S)
    failures = [
        Failure(
            f"{template.id}-{_ms(piece.start_s):08d}",
            f"{template.audio.path}, {piece.start_s:.2f} to {piece.end_s:.2f} s: {len(piece.words)} words without a "
            "pause at which they could be cut into pieces of at most 30 s; mark the pauses in the reference",
        )
        for piece in cut.too_long
    ]
    if cut.overlapped:
        first = cut.overlapped[0]
        message = (
            f"{template.audio.path}, {template.id}: {len(cut.overlapped)} of {len(words)} words are spoken over and "
            f"left out, the first is {first.text!r} at {first.start_s:.2f} s"
        )
        warnings.warn(message, InputWarning, stacklevel=2)
    return [_utterance(template, piece) for piece in cut.pieces], failures


def span_utterance(template: Utterance, words: Sequence[Word], start_s: float, end_s: float) -> Utterance:
    """The stretch of a recording from one time to another, its words by times inside it."""
    inside = tuple(
        Word(w.text, max(round(w.start_s - start_s, 9), 0.0), round(w.end_s - start_s, 9), w.confidence) for w in words
    )
    return replace(
        template,
        audio=AudioSpan(template.audio.path, template.audio.channel, start_s, end_s),
        words=inside,
        text=" ".join(w.text for w in inside),
        duration_s=end_s - start_s,
    )


def whole_file(
    id_: str,
    path: Path,
    words: Sequence[Word],
    *,
    speaker: str | None,
    reference: str,
    language: str | None = None,
    recording: str | None = None,
    channel: int | None = None,
    duration_s: float | None = None,
) -> Utterance:
    """A whole audio file as an utterance, or as the template of :func:`cut_recording`."""
    return Utterance(
        id=id_,
        audio=AudioSpan(path, channel),
        words=tuple(words),
        text=" ".join(w.text for w in words),
        language=language,
        speaker=speaker,
        recording=recording or id_,
        duration_s=audio_duration_s(path) if duration_s is None else duration_s,
        reference=reference,
    )


def _utterance(template: Utterance, piece: Piece) -> Utterance:
    """Starts on a whole millisecond, so that its name says where it is from."""
    start_ms = math.floor(round(piece.start_s * MS_PER_S, 3))
    end_s = min(math.ceil(round(piece.end_s * MS_PER_S, 3)) / MS_PER_S, max(template.duration_s, piece.end_s))
    named = replace(template, id=f"{template.id}-{start_ms:08d}-{_ms(end_s):08d}", part_of=template.id)
    return span_utterance(named, piece.words, start_ms / MS_PER_S, end_s)


def _ms(time_s: float) -> int:
    return round(time_s * MS_PER_S)
