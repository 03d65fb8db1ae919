"""Contents and problems of a corpus; all its audio is decoded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from align_eval.corpus.audio import check_audio
from align_eval.corpus.failing import failure_of
from align_eval.corpus.folder import Corpus
from align_eval.records import Failure

S_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Check:
    """Counts over the usable utterances, and the problems of the others.

    ``audio_h`` is the hours of audio, ``words_h`` the hours of words in it.
    """

    name: str
    kind: str
    n_utterances: int
    n_words: int
    audio_h: float
    words_h: float
    n_recordings: int
    n_speakers: int
    n_without_speaker: int
    words_by_reference: dict[str, int]
    words_by_language: dict[str, int]
    marks: tuple[tuple[str, int], ...]
    problems: tuple[Failure, ...]


def check_corpus(corpus: Corpus) -> Check:
    """Decode the audio of every utterance and count the usable utterances."""
    problems = list(corpus.failures)
    usable = []
    seconds = 0.0
    for u in corpus.utterances:
        try:
            seconds += check_audio(u.audio, u.duration_s)
            usable.append(u)
        except Exception as error:
            problems.append(failure_of(u.id, error))
    by_reference: Counter[str] = Counter()
    by_language: Counter[str] = Counter()
    for u in usable:
        by_reference[u.reference] += len(u.words)
        by_language[u.language or "unstated"] += len(u.words)
    return Check(
        name=corpus.name,
        kind=corpus.kind,
        n_utterances=len(usable),
        n_words=sum(len(u.words) for u in usable),
        audio_h=seconds / S_PER_HOUR,
        words_h=sum(w.end_s - w.start_s for u in usable for w in u.words) / S_PER_HOUR,
        n_recordings=len({u.recording for u in usable}),
        n_speakers=len({u.speaker for u in usable} - {None}),
        n_without_speaker=sum(u.speaker is None for u in usable),
        words_by_reference=dict(by_reference.most_common()),
        words_by_language=dict(by_language.most_common()),
        marks=corpus.marks,
        problems=tuple(sorted(problems, key=lambda f: f.id)),
    )
