"""Reference words to score files against: from a corpus, or from files of words alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from align_eval.corpus.audio import AUDIO_SUFFIXES, MEDIA_SUFFIXES
from align_eval.corpus.bundled import BUNDLED, load_corpus
from align_eval.corpus.folder import (
    METADATA_NAME,
    TEXTGRID_SUFFIX,
    Corpus,
    corpus_checksum,
    read_metadata,
    with_metadata,
)
from align_eval.corpus.word_files import language_code, read_word_files
from align_eval.errors import InputError
from align_eval.records import AudioSpan, Failure, Transcript, Utterance, Word

NO_AUDIO = AudioSpan(Path("no audio"))
"""Audio of the utterances that are read from files of words alone. No file has this path."""


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
        End of the recording in seconds, by utterance id, where audio or a TextGrid states it. For other utterances
        ``duration_s`` is the end of the last word.
    """

    corpus: Corpus
    checksum: str
    paths: Mapping[str, Path]
    ends_s: Mapping[str, float]


def read_reference(
    where: str,
    *,
    form: str | None = None,
    tier: str | None = None,
    language: str | None = None,
    speaker_characters: int | None = None,
) -> Reference:
    """Read reference words: a bundled corpus, a folder of audio with TextGrids, or files of any form.

    Parameters
    ----------
    where
        Name of a bundled corpus, or a path.
    form, tier
        As for :func:`~align_eval.corpus.word_files.read_word_files`.
    language
        Whisper's code of the language of utterances for which no file states it.
    speaker_characters
        Number of leading characters of the recording's name that are the speaker.

    Raises
    ------
    InputError
        If nothing can be used.
    """
    path = Path(where)
    if form is None and (where in BUNDLED or _has_audio_and_textgrids(path)):
        corpus = load_corpus(where, tier=tier, language=language, speaker_characters=speaker_characters)
        return Reference(
            corpus,
            corpus_checksum(corpus.utterances),
            paths={u.id: u.audio.path for u in corpus.utterances},
            ends_s={u.id: u.duration_s for u in corpus.utterances},
        )
    files = read_word_files(path, form, tier)
    metadata = read_metadata(path / METADATA_NAME, set(files.transcripts)) if path.is_dir() else {}
    utterances, failures = [], list(files.failures)
    for id_, transcript in sorted(files.transcripts.items()):
        try:
            utterance = _utterance(id_, transcript, files.paths[id_])
        except InputError as error:
            failures.append(Failure(id_, str(error)))
            continue
        default_language = language or language_code(transcript.language)
        utterances.append(with_metadata(utterance, metadata.get(id_, {}), default_language, speaker_characters))
    return Reference(
        Corpus(path.resolve().name, tuple(utterances), tuple(failures)),
        words_checksum(utterances),
        paths=files.paths,
        ends_s={id_: t.end_s for id_, t in files.transcripts.items() if t.end_s is not None},
    )


def words_checksum(utterances: Iterable[Utterance]) -> str:
    """SHA-256 over the words and metadata of utterances without audio, in the order of ids, whatever their form."""
    digest = hashlib.sha256()
    for u in sorted(utterances, key=lambda u: u.id):
        words = [(word.text, word.start_s, word.end_s) for word in u.words]
        digest.update(repr((u.id, u.language, u.speaker, u.recording, u.reference, words)).encode())
    return digest.hexdigest()


def _utterance(id_: str, transcript: Transcript, path: Path) -> Utterance:
    words = []
    for word in transcript.words:
        if word.start_s is None or word.end_s is None:
            raise InputError(f"{path}, {word.place}", f"{word.text!r} has no times", "a reference needs all times")
        words.append(Word(word.text, word.start_s, word.end_s))
    if not words:
        raise InputError(path, f"has no words of {id_}", "remove it, or align it again")
    folders = Path(id_).parts[:-1]
    return Utterance(
        id=id_,
        audio=NO_AUDIO,
        words=tuple(words),
        text=" ".join(word.text for word in words),
        language=None,
        speaker=transcript.speaker or (folders[0] if folders else None),
        recording=id_,
        duration_s=transcript.end_s or max(word.end_s for word in words),
    )


def _has_audio_and_textgrids(path: Path) -> bool:
    suffixes = {p.suffix.lower() for p in path.rglob("*")} if path.is_dir() else set()
    return TEXTGRID_SUFFIX in suffixes and not suffixes.isdisjoint((*AUDIO_SUFFIXES, *MEDIA_SUFFIXES))
