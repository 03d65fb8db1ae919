"""Utterances from the timed words of recordings; every reader of a published corpus uses these functions."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from align_eval.corpus.audio import audio_duration_s
from align_eval.corpus.folder import END_TOLERANCE_S, Corpus, count_marks
from align_eval.corpus.readers.segmentation import Segment, Span, cut_at_pauses
from align_eval.errors import InputError, InputWarning
from align_eval.formats.atomic import check_name
from align_eval.records import AudioSpan, Failure, Utterance, Word
from align_eval.text import clean_label, composed, shown, too_long
from align_eval.units import MS_PER_S, WINDOW_S

START_TOLERANCE_S = 1e-3
"""Longest time by which the first word may start before its stretch, since manifests are rounded to milliseconds."""


def make_corpus(
    path: Path, kind: str, utterances: Iterable[Utterance], failures: Iterable[Failure], marks: Counter[str]
) -> Corpus:
    """Make a corpus in the order of ids. Ids, recordings and speakers are in NFC.

    An utterance whose id is not unique, or cannot be a path inside a folder, becomes a failure.
    """
    by_id: dict[str, Utterance] = {}
    all_failures = list(failures)
    for u in map(_named_in_nfc, utterances):
        try:
            if check_name(u.audio.path, u.id) in by_id:
                problem = f"two utterances have the id {u.id!r}"
                raise InputError(u.audio.path, problem, "give each utterance its own id")
            _check_encodable(u)
        except InputError as error:
            all_failures.append(Failure(u.id, str(error)))
            continue
        by_id[u.id] = u
    return Corpus(
        path.resolve().name,
        tuple(sorted(by_id.values(), key=lambda u: u.id)),
        tuple(sorted(all_failures, key=lambda f: f.id)),
        kind,
        count_marks(marks),
    )


def _check_encodable(u: Utterance) -> None:
    """Refuse texts that UTF-8 cannot hold: JSON can write half of a surrogate pair, no other file can."""
    for text in (u.recording, u.speaker or "", u.text):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            problem = f"{error.object[max(error.start - 20, 0) : error.end]!a} holds half a character"
            raise InputError(f"{u.audio.path}, {u.id}", problem, "write the manifest again in UTF-8") from error


def _named_in_nfc(u: Utterance) -> Utterance:
    return replace(
        u,
        id=composed(u.id),
        recording=composed(u.recording),
        speaker=u.speaker and composed(u.speaker),
        part_of=u.part_of and composed(u.part_of),
    )


def make_word(text: str, start_s: float, end_s: float, place: str) -> Word:
    """Make a word of a label, which is cleaned; times in seconds.

    Raises
    ------
    InputError
        If a time is not finite, the word starts before 0, its length is not positive, or its text is too long.
    """
    if problem := too_long(text):
        raise InputError(f"{place}, {shown(text)!r}", problem, "write the word, or remove it")
    if not (math.isfinite(start_s) and math.isfinite(end_s)):
        raise InputError(place, f"the times of {text!r} are not finite", "give seconds as plain numbers")
    if start_s < 0 or end_s <= start_s:
        problem = f"{text!r} lasts from {start_s:.10g} to {end_s:.10g} s"
        raise InputError(place, problem, "a word starts at 0 or later and ends after it starts: correct its times")
    return Word(clean_label(text), start_s, end_s)


def without_overlaps(words: Sequence[Word], place: object) -> tuple[Word, ...]:
    """Part neighbouring words that overlap in the middle of their overlap, with a warning.

    Neighbours overlap where they share a sound.

    Raises
    ------
    InputError
        If words are not in order, or one lies inside another.
    """
    parted: list[Word] = []
    n_overlaps = 0
    for i, word in enumerate(words):
        if not parted or word.start_s >= parted[-1].end_s:
            parted.append(word)
            continue
        before = parted.pop()
        middle_s = (word.start_s + before.end_s) / 2
        if word.end_s <= before.end_s or not before.start_s < middle_s < word.end_s:
            raise InputError(
                f"{place}, word {i + 1}",
                f"{word.text!r} ({word.start_s:.10g} to {word.end_s:.10g} s) does not follow {before.text!r} "
                f"({before.start_s:.10g} to {before.end_s:.10g} s)",
                "words of one speaker follow one another: correct the times",
            )
        parted += [replace(before, end_s=middle_s), replace(word, start_s=middle_s)]
        n_overlaps += 1
    if n_overlaps:
        message = f"{place}: words that overlap the next: {n_overlaps}; they are parted in the middle of the overlap"
        warnings.warn(message, InputWarning, stacklevel=2)
    return tuple(parted)


def holds_words(start_s: float, end_s: float, words: Sequence[Word]) -> bool:
    """Tell whether a stretch of a recording in seconds has a length and holds all its words but for rounding.

    >>> [holds_words(1.0, end_s, [Word("one", 1.0, 1.5)]) for end_s in (1.5, 1.49, 1.4)]
    [True, True, False]
    """
    first_s, last_s = words[0].start_s, words[-1].end_s
    return start_s < end_s and start_s - START_TOLERANCE_S <= first_s and last_s <= end_s + END_TOLERANCE_S


def cut_recording(
    template: Utterance, words: Sequence[Word], barriers: Sequence[Span] = ()
) -> tuple[list[Utterance], list[Failure]]:
    """Cut a recording of any length at pauses into utterances of at most 30 s.

    Parameters
    ----------
    template
        The recording as one utterance. Its ``id`` begins the ids of the new utterances; they have its speaker, language
        and kind of reference.
    words
        Words in order, without overlaps; times in the recording, in seconds.
    barriers
        Spans with other speech, which no utterance may hold (:mod:`align_eval.corpus.readers.segmentation`).

    Returns
    -------
    utterances, failures
        Stretches that could not be cut into 30 s are failures. Words that a barrier overlaps are left out with a
        warning.

    Raises
    ------
    InputError
        If the id is too long for those of the utterances.
    """
    check_name(template.audio.path, _cut_id(template, 0, 0))
    segmentation = cut_at_pauses(words, template.duration_s, barriers, WINDOW_S - 2 / MS_PER_S)
    failures = [
        Failure(
            f"{template.id}-{_ms(segment.start_s):08d}",
            f"{template.audio.path}, {segment.start_s:.2f} to {segment.end_s:.2f} s: {len(segment.words)} words have "
            "no pause at which to cut them into pieces of at most 30 s; mark the pauses in the reference",
        )
        for segment in segmentation.too_long
    ]
    if overlapped := segmentation.overlapped:
        message = (
            f"{template.audio.path}, {template.id}: {len(overlapped)} of {len(words)} words are spoken over and "
            f"left out, the first is {overlapped[0].text!r} at {overlapped[0].start_s:.2f} s"
        )
        warnings.warn(message, InputWarning, stacklevel=2)
    return [_utterance(template, segment) for segment in segmentation.segments], failures


def span_utterance(template: Utterance, words: Sequence[Word], start_s: float, end_s: float) -> Utterance:
    """Make an utterance from a stretch of a recording.

    Parameters
    ----------
    template
        The recording as one utterance.
    words
        Words of the stretch; times in the recording, in seconds.
    start_s, end_s
        The stretch, in seconds.

    Returns
    -------
    Utterance
        Its words have times in the stretch, rounded to a nanosecond.
    """
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
    """Make an utterance of a whole audio file.

    It may be the template of :func:`cut_recording` and :func:`span_utterance`; times are in seconds.

    Raises
    ------
    InputError
        If the id cannot name a file, or the audio cannot be read.
    """
    return Utterance(
        id=check_name(path, id_),
        audio=AudioSpan(path, channel),
        words=tuple(words),
        text=" ".join(w.text for w in words),
        language=language,
        speaker=speaker,
        recording=recording or id_,
        duration_s=audio_duration_s(path) if duration_s is None else duration_s,
        reference=reference,
    )


def _utterance(template: Utterance, segment: Segment) -> Utterance:
    """Make the utterance of a segment; it starts and ends on whole milliseconds, which its id states."""
    start_ms = math.floor(round(segment.start_s * MS_PER_S, 3))
    end_s = min(math.ceil(round(segment.end_s * MS_PER_S, 3)) / MS_PER_S, max(template.duration_s, segment.end_s))
    named = replace(template, id=_cut_id(template, start_ms, _ms(end_s)), part_of=template.id)
    return span_utterance(named, segment.words, start_ms / MS_PER_S, end_s)


def _cut_id(template: Utterance, start_ms: int, end_ms: int) -> str:
    return f"{template.id}-{start_ms:08d}-{end_ms:08d}"


def _ms(time_s: float) -> int:
    return round(time_s * MS_PER_S)
