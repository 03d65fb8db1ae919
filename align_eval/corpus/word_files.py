"""Words that files give, of a system or as references: one file or a folder, by the name of the recording.

A file of one recording is known by its own name, without the suffix of its form and, before that, ``.words`` and the
suffix of an audio file (``a.wav.words.json`` is ``a``), relative to its folder. Recordings that a file names itself, as
in CTM and Lhotse's supervisions, are known by those names. Nothing is paired by anything but a name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from align_eval.corpus.audio import AUDIO_SUFFIXES
from align_eval.corpus.bundled import BUNDLED, load_corpus
from align_eval.corpus.folder import (
    METADATA_NAME,
    TEXTGRID_SUFFIX,
    Corpus,
    corpus_checksum,
    read_metadata,
    with_metadata,
)
from align_eval.errors import InputError
from align_eval.formats.hypothesis.detect import FORMATS, check_format, claimants, read_transcripts, the_one
from align_eval.formats.hypothesis.document import Document, read_document
from align_eval.records import AudioSpan, Failure, Transcript, Utterance, Word

OTHER_SUFFIXES = (".words", *AUDIO_SUFFIXES, ".m4a", ".mp4", ".webm")


@dataclass(frozen=True, slots=True)
class Given:
    """What a path gives.

    Attributes
    ----------
    form : str
        The form that all its files have.
    transcripts, places : mapping
        Words, and the file that gives them, by the name of the recording.
    failures : tuple of Failure
        Files that could not be used.
    """

    form: str
    transcripts: dict[str, Transcript]
    places: dict[str, Path]
    failures: tuple[Failure, ...] = ()

    @property
    def n_words(self) -> int:
        """How many words the files give."""
        return sum(len(transcript.words) for transcript in self.transcripts.values())


@dataclass(frozen=True, slots=True)
class Reference:
    """Reference words.

    Attributes
    ----------
    corpus : Corpus
        Where there is no audio, the span of an utterance names the file of its words.
    checksum : str
        Of words and audio; of words alone where there is no audio.
    ends_s : mapping
        Where recordings end, by id, where audio or TextGrid say that. Elsewhere ``duration_s`` of an utterance is the
        end of its last word.
    """

    corpus: Corpus
    checksum: str
    ends_s: Mapping[str, float]


def read_given(path: Path, form: str | None = None, tier: str | None = None) -> Given:
    """Read a file, or all files of a folder that have the suffix of a form.

    Parameters
    ----------
    form
        The form of the files; found by their content where None.
    tier
        The tier of TextGrids, or the kind of Lhotse's alignments.

    Raises
    ------
    InputError
        Where there is no such path, a single file is bad, or the files of a folder have several forms or none.
    """
    if path.is_dir():
        check_format(form)
        return _read_folder(path, form, tier)
    if not path.is_file():
        raise InputError(path, "there is no such file or folder", "check the path")
    name, found = read_transcripts(path, form, tier)
    transcripts = {transcript.id or recording_name(path.name): transcript for transcript in found}
    return Given(name, transcripts, dict.fromkeys(transcripts, path))


def read_reference(
    where: str,
    *,
    form: str | None = None,
    tier: str | None = None,
    language: str | None = None,
    speaker_characters: int | None = None,
) -> Reference:
    """Read reference words: a bundled corpus, a folder of audio with TextGrids, or files of any form.

    Raises
    ------
    InputError
        Where nothing can be used.
    """
    path = Path(where)
    if form is None and (where in BUNDLED or _has_audio_and_textgrids(path)):
        corpus = load_corpus(where, tier=tier, language=language, speaker_characters=speaker_characters)
        ends_s = {u.id: u.duration_s for u in corpus.utterances}
        return Reference(corpus, corpus_checksum(corpus.utterances), ends_s)
    given = read_given(path, form, tier)
    metadata = read_metadata(path / METADATA_NAME, set(given.transcripts)) if path.is_dir() else {}
    utterances, failures = [], list(given.failures)
    for id_ in sorted(given.transcripts):
        transcript, place = given.transcripts[id_], given.places[id_]
        try:
            utterance = _utterance(id_, transcript, place)
        except InputError as error:
            failures.append(Failure(id_, str(error)))
            continue
        stated = language or language_code(transcript.language)
        utterances.append(with_metadata(utterance, metadata.get(id_, {}), stated, speaker_characters))
    ends_s = {id_: t.end_s for id_, t in given.transcripts.items() if t.end_s is not None}
    corpus = Corpus(path.resolve().name, tuple(utterances), tuple(failures))
    return Reference(corpus, words_checksum(utterances), ends_s)


def words_checksum(utterances: Iterable[Utterance]) -> str:
    """SHA-256 over what utterances without audio hold, whatever files they come from, in the order of ids."""
    digest = hashlib.sha256()
    for u in sorted(utterances, key=lambda u: u.id):
        words = [(word.text, word.start_s, word.end_s) for word in u.words]
        digest.update(repr((u.id, u.language, u.speaker, u.recording, u.reference, words)).encode())
    return digest.hexdigest()


def pair_names(reference: Iterable[str], hypothesis: Iterable[str]) -> dict[str, str]:
    """The hypothesis of each reference that has one, by name.

    First by the whole name; then, of what is left, by the last part of it, where that is one on both sides.
    """
    left, right = list(reference), set(hypothesis)
    pairs = {name: name for name in left if name in right}
    short_left = _by_last_part(name for name in left if name not in pairs)
    short_right = _by_last_part(right - set(pairs))
    for last, names in short_left.items():
        partners = short_right.get(last, ())
        if len(names) == len(partners) == 1:
            pairs[names[0]] = partners[0]
    return pairs


def language_code(stated: str | None) -> str | None:
    """What a file calls its language, as Whisper's code where that is English: only English is normalised apart."""
    if stated is None:
        return None
    lowered = stated.strip().lower()
    return "en" if lowered in ("en", "eng", "english") or lowered.startswith(("en-", "en_")) else lowered


def recording_name(name: str) -> str:
    """Name of the recording that a file of one recording is about."""
    of_form = sorted({suffix for form in FORMATS.values() for suffix in form.suffixes}, key=len, reverse=True)
    for suffixes in (of_form, OTHER_SUFFIXES[:1], OTHER_SUFFIXES[1:]):
        for suffix in suffixes:
            if name.lower().endswith(suffix) and len(name) > len(suffix):
                name = name[: -len(suffix)]
                break
    return name


def _read_folder(folder: Path, form: str | None, tier: str | None) -> Given:
    suffixes = FORMATS[form].suffixes if form else tuple(s for f in FORMATS.values() for s in f.suffixes)
    by_name: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if path.is_file() and path.name.lower().endswith(suffixes) and not hidden:
            by_name.setdefault(recording_name(relative.as_posix()), []).append(path)
    if not by_name:
        raise InputError(folder, "holds no files of words", f"their suffixes are {' '.join(dict.fromkeys(suffixes))}")
    read = _Files(form, tier)
    for name, paths in by_name.items():
        read.add(name, paths)
    return read.given(folder)


class _Files:
    """Reads the files of a folder one by one, and holds what they gave; what several forms claim waits for the rest."""

    def __init__(self, form: str | None, tier: str | None) -> None:
        self._form, self._tier = form, tier
        self._transcripts: dict[str, Transcript] = {}
        self._places: dict[str, Path] = {}
        self._failures: list[Failure] = []
        self._forms: dict[str, Path] = {}
        self._waiting: list[tuple[str, Path, tuple[str, ...]]] = []

    def add(self, name: str, paths: list[Path]) -> None:
        try:
            if len(paths) > 1:
                listed = ", ".join(path.name for path in paths)
                problem = f"{len(paths)} files are of this recording: {listed}"
                raise InputError(paths[0].parent / name, problem, "say which with --format, or leave one of them")
            document = read_document(paths[0])
            claimed = (self._form,) if self._form else claimants(document)
            if len(claimed) > 1:
                self._waiting.append((name, paths[0], claimed))
            else:
                self._forms.setdefault(claimed[0], paths[0])
                self._read(name, document, claimed[0])
        except InputError as error:
            self._failures.append(Failure(name, str(error)))

    def _read(self, name: str, document: Document, form: str) -> None:
        for transcript in FORMATS[form].read(document, self._tier):
            id_ = transcript.id or name
            if id_ in self._transcripts:
                problem = f"recording {id_!r} stands in {self._places[id_].name} as well"
                raise InputError(document.path, problem, "leave one of them")
            self._transcripts[id_], self._places[id_] = transcript, document.path

    def given(self, folder: Path) -> Given:
        if len(self._forms) > 1:
            listed = ", ".join(f"{form} ({path.name})" for form, path in self._forms.items())
            raise InputError(folder, f"holds files of several forms: {listed}", "say which to read with --format")
        settled = next(iter(self._forms), None)
        for name, path, claimed in self._waiting:
            try:
                document = read_document(path)
                form = settled if settled in claimed else the_one(document, claimed)
                self._read(name, document, form)
            except InputError as error:
                self._failures.append(Failure(name, str(error)))
        if not self._transcripts:
            listed = "; ".join(failure.message for failure in self._failures[:3])
            raise InputError(folder, f"has no usable file: {listed}", "mend what is listed")
        return Given(settled or "", self._transcripts, self._places, tuple(self._failures))


def _utterance(id_: str, transcript: Transcript, place: Path) -> Utterance:
    words = []
    for word in transcript.words:
        if word.start_s is None or word.end_s is None:
            raise InputError(f"{place}, {word.place}", f"{word.text!r} has no times", "a reference needs all of them")
        words.append(Word(word.text, word.start_s, word.end_s))
    if not words:
        raise InputError(place, f"has no words of {id_}", "remove it, or align it again")
    folders = Path(id_).parts[:-1]
    return Utterance(
        id=id_,
        audio=AudioSpan(place),
        words=tuple(words),
        text=" ".join(word.text for word in words),
        language=None,
        speaker=transcript.speaker or (folders[0] if folders else None),
        recording=id_,
        duration_s=transcript.end_s or max(word.end_s for word in words),
    )


def _has_audio_and_textgrids(path: Path) -> bool:
    suffixes = {p.suffix.lower() for p in path.rglob("*")} if path.is_dir() else set()
    return TEXTGRID_SUFFIX in suffixes and not suffixes.isdisjoint(AUDIO_SUFFIXES)


def _by_last_part(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.rsplit("/", 1)[-1], []).append(name)
    return found
