"""Reference words to score files against: from a corpus, or from files of words alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from align_eval.corpus.bundled import BUNDLED, bundled_path, load_corpus
from align_eval.corpus.checksums import FileChecksums
from align_eval.corpus.failing import failure_of
from align_eval.corpus.file_search import by_identity, is_sound, list_files
from align_eval.corpus.folder import (
    METADATA_NAME,
    TEXTGRID_SUFFIX,
    Corpus,
    Spoken,
    corpus_checksum,
    count_marks,
    read_metadata,
    spoken_words,
    with_metadata,
)
from align_eval.corpus.kinds import FOLDER, KINDS
from align_eval.corpus.sound.suffixes import AUDIO_SUFFIXES, MEDIA_SUFFIXES
from align_eval.corpus.word_files import read_word_files
from align_eval.errors import InputError
from align_eval.formats.textgrids import Tiers, wanted_tiers
from align_eval.language_names import check_language
from align_eval.records import AudioSpan, Failure, Transcript, Utterance
from align_eval.text import DEFAULT_POLICY, LabelPolicy

NO_AUDIO = AudioSpan(Path("no audio"))
"""Audio of the utterances that are read from files of words alone. No file has this path."""

TEXTGRID_FORM = "textgrid"
KINDS_IN_TEXTGRIDS = tuple(name for name, kind in KINDS.items() if kind.in_textgrids)


@dataclass(frozen=True, slots=True)
class Reference:
    """Reference words.

    Attributes
    ----------
    corpus : Corpus
        Utterances that are read from files of words alone have the audio :data:`NO_AUDIO`.
    checksum : str
        SHA-256 of words and audio, or of the words where there is no audio.
    paths : mapping
        File that messages name, by utterance id: the audio, or the file of words where there is no audio.
    ends_s : mapping
        End of the recording in seconds, by utterance id, where audio or a TextGrid states it: that of the last word,
        if it ends later. For other utterances ``duration_s`` is the end of the last word.
    """

    corpus: Corpus
    checksum: str
    paths: Mapping[str, Path]
    ends_s: Mapping[str, float]


def read_reference(
    where: str,
    *,
    kind: str | None = None,
    form: str | None = None,
    tier: Tiers = None,
    language: str | None = None,
    speaker_characters: int | None = None,
    labels: LabelPolicy = DEFAULT_POLICY,
) -> Reference:
    """Read reference words: a bundled corpus, a folder of audio with TextGrids, or files of any form.

    Parameters
    ----------
    where
        Name of a bundled corpus, or a path.
    kind
        Kind of corpus, if the path is a corpus with audio; detected if None.
    form, tier
        As for :func:`~align_eval.corpus.word_files.read_word_files`. Several tiers are merged into one recording
        without a speaker of its own, so that of a folder of audio with TextGrids only the TextGrids are read.
    language
        Name or code of the language of utterances for which no file states it.
    speaker_characters
        Number of leading characters of the recording's name that are the speaker.
    labels
        Labels to keep or to drop. Spoken words that are not written are restored from a transcript, or dropped.

    Raises
    ------
    InputError
        If nothing can be used, or both ``kind`` and ``form`` are given.
    """
    if kind is not None and form is not None:
        raise InputError(f"--kind {kind}", f"is of a corpus, and --format {form} of files of words", "give one of them")
    path = bundled_path(where) if where in BUNDLED else Path(where)
    is_corpus = kind is not None or (
        form is None and (where in BUNDLED or is_sound(path) or _has_audio_and_textgrids(path))
    )
    several_tiers = len(wanted_tiers(tier)) > 1
    if is_corpus and several_tiers and kind in (None, FOLDER, *KINDS_IN_TEXTGRIDS):
        form = TEXTGRID_FORM
    elif is_corpus:
        corpus = load_corpus(
            where,
            kind=kind,
            tier=tier,
            language=language,
            speaker_characters=speaker_characters,
            labels=labels,
            to_score=True,
        )
        checksums = FileChecksums()
        checksum = corpus_checksum(corpus.utterances, checksums)
        unread = [
            Failure(u.id, str(checksums.errors[u.audio.path]))
            for u in corpus.utterances
            if u.audio.path in checksums.errors
        ]
        return Reference(
            replace(corpus, failures=(*corpus.failures, *unread)),
            checksum,
            paths={u.id: u.audio.path for u in corpus.utterances},
            ends_s={u.id: u.duration_s for u in corpus.utterances},
        )
    language = check_language(language, f"language {language!r}")
    files = read_word_files(path, form, tier, labels)
    utterances, failures = [], list(files.failures)
    marks: Counter[str] = Counter()
    if is_corpus:
        failures += _audio_alone(path, {*files.transcripts, *(failure.id for failure in failures)})
    ids = {*files.transcripts, *(failure.id for failure in failures)}
    metadata, unread = read_metadata(path / METADATA_NAME, ids) if path.is_dir() else ({}, [])
    failures += unread
    for id_, transcript in sorted(files.transcripts.items()):
        try:
            spoken = spoken_words(transcript, files.paths[id_], labels)
            utterance = _utterance(id_, transcript, spoken)
            stated_language = check_language(transcript.language, files.paths[id_])
        except Exception as error:
            failures.append(failure_of(id_, error))
            continue
        marks += spoken.marks
        if several_tiers:
            utterance = replace(utterance, speaker=None)
        default_language = language or stated_language
        utterances.append(with_metadata(utterance, metadata.get(id_, {}), default_language, speaker_characters))
    return Reference(
        Corpus(path.resolve().name, tuple(utterances), tuple(failures), marks=count_marks(marks)),
        words_checksum(utterances),
        paths=files.paths,
        ends_s={u.id: u.duration_s for u in utterances if files.transcripts[u.id].end_s is not None},
    )


def _audio_alone(folder: Path, ids: Collection[str]) -> list[Failure]:
    """Failures of the audio files of a folder whose ids are not among those of its TextGrids."""
    audio = by_identity(list_files(folder), folder, *AUDIO_SUFFIXES)
    return [
        Failure(id_, str(InputError(files[0], "has no TextGrid beside it", f"add {files[0].stem}.TextGrid")))
        for id_, files in sorted(audio.items())
        if id_ not in ids
    ]


def words_checksum(utterances: Iterable[Utterance]) -> str:
    """SHA-256 over the words and metadata of utterances without audio, in the order of ids, whatever their form."""
    digest = hashlib.sha256()
    for u in sorted(utterances, key=lambda u: u.id):
        words = [(word.text, word.start_s, word.end_s) for word in u.words]
        digest.update(repr((u.id, u.language, u.speaker, u.recording, u.reference, words)).encode())
    return digest.hexdigest()


def _utterance(id_: str, transcript: Transcript, spoken: Spoken) -> Utterance:
    words = spoken.timed()
    folders = Path(id_).parts[:-1]
    return Utterance(
        id=id_,
        audio=NO_AUDIO,
        words=words,
        text=" ".join(word.text for word in words),
        language=None,
        speaker=transcript.speaker or (folders[0] if folders else None),
        recording=id_,
        duration_s=max(transcript.end_s or 0.0, *(word.end_s for word in words)),
        spoken=() if all(word.timed for word in spoken.words) else spoken.words,
    )


def _has_audio_and_textgrids(path: Path) -> bool:
    suffixes = {p.suffix.lower() for p in list_files(path)} if path.is_dir() else set()
    return TEXTGRID_SUFFIX in suffixes and not suffixes.isdisjoint((*AUDIO_SUFFIXES, *MEDIA_SUFFIXES))
