"""A corpus as a folder of audio files, each with a TextGrid of the same name beside it.

``corpus.csv`` in the folder may state the ``language``, ``speaker``, ``recording`` and ``reference`` (``manual`` or
``automatic``) of each file, by ``id`` (path without suffix, relative to the folder). Without it the speaker is the name
of the first sub-folder, as for the Montreal Forced Aligner, or unknown, and each file is its own recording.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from align_eval.corpus.audio import audio_duration_s, refuse_other_encoding
from align_eval.corpus.checksums import FileChecksums
from align_eval.corpus.disk_names import on_disk
from align_eval.corpus.failing import failure_of
from align_eval.corpus.file_search import (
    Files,
    audio_by_identity,
    by_identity,
    list_files,
    listed_apart,
    read_text,
    refuse_broken_link,
)
from align_eval.corpus.sound.suffixes import AUDIO_SUFFIXES, MEDIA_SUFFIXES
from align_eval.errors import InputError, InputWarning, listed, shorten
from align_eval.formats.atomic import check_name
from align_eval.formats.hypothesis.detect import words_of
from align_eval.formats.hypothesis.document import read_document
from align_eval.formats.hypothesis.recordings import by_start
from align_eval.formats.textgrids import Tiers, WordTier, read_word_tier
from align_eval.language_names import check_language
from align_eval.reading import MAX_RECORDING_BYTES, read_bytes
from align_eval.records import AudioSpan, Failure, HypothesisWord, Transcript, Utterance, Word
from align_eval.text import (
    DEFAULT_POLICY,
    LabelPolicy,
    clean_label,
    composed,
    label_kind,
    refuse_unknown,
    restore_unknown,
)
from align_eval.units import FRAME_S

TEXTGRID_SUFFIX = ".textgrid"
TRANSCRIPT_SUFFIXES = (".lab", ".txt")
METADATA_NAME = "corpus.csv"
METADATA_COLUMNS = ("id", "language", "speaker", "recording", "reference")
REFERENCE_KINDS = ("manual", "automatic", "unstated")
END_TOLERANCE_S = FRAME_S
"""Longest time by which the last word may end after the audio, since aligners round to their grid."""

W = TypeVar("W", Word, HypothesisWord)

SPAN_TOLERANCE_S = 0.1
"""Largest difference in length between TextGrid and audio without a warning that they may not belong together."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Utterances, and the failures of those that could not be used.

    Attributes
    ----------
    name : str
        Name of the folder or file.
    utterances : tuple of Utterance
        In the order of ids.
    failures : tuple of Failure
        Utterances or files that could not be used.
    kind : str
        Kind of corpus (:mod:`align_eval.corpus.kinds`).
    marks : tuple of (str, int)
        Labels that are not words (:mod:`align_eval.text`), with their numbers.
    """

    name: str
    utterances: tuple[Utterance, ...]
    failures: tuple[Failure, ...]
    kind: str = "folder"
    marks: tuple[tuple[str, int], ...] = ()


def load_folder(
    folder: Path,
    *,
    files: Files | None = None,
    tier: Tiers = None,
    language: str | None = None,
    speaker_characters: int | None = None,
    labels: LabelPolicy = DEFAULT_POLICY,
    to_score: bool = False,
) -> Corpus:
    """Read a folder; files that cannot be used are listed as failures.

    Parameters
    ----------
    files
        Files to read, where they are not all of the folder.
    tier
        Word tiers by name or number, if it is not ``words``; several are merged if their words do not overlap.
    language
        Language of the utterances for which ``corpus.csv`` states none.
    speaker_characters
        Number of leading characters of the file's name that are the speaker.
    labels
        Labels to keep or to drop.
    to_score
        Read the words to score them, not to align them: spoken words that are not written are dropped if no transcript
        has them, and words without usable times are kept apart (``spoken`` of the utterance). Else either makes the
        file a failure.

    Raises
    ------
    InputError
        If the folder does not exist or holds neither audio nor TextGrids, or if ``corpus.csv`` is malformed.
    """
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.is_file() else "there is no such folder"
        raise InputError(folder, problem, "give a folder of audio with TextGrids, or a bundled name")
    chosen = list_files(folder) if files is None else files
    grids = by_identity(chosen, folder, TEXTGRID_SUFFIX)
    audio = audio_by_identity(chosen, folder, grids or None)
    if not audio and not grids:
        raise InputError(folder, "holds no audio and no TextGrids", f"audio is {' '.join(AUDIO_SUFFIXES)}")
    described = set(audio) | set(grids)
    if files is not None and os.path.lexists(folder / METADATA_NAME):
        described |= by_identity(list_files(folder), folder, TEXTGRID_SUFFIX, *AUDIO_SUFFIXES, *MEDIA_SUFFIXES).keys()
    metadata, failures = read_metadata(folder / METADATA_NAME, described)
    utterances = []
    marks: Counter[str] = Counter()
    for id_ in sorted(set(audio) | set(grids)):
        try:
            check_name(folder, id_)
            audio_path, grid_path = _pair(folder, id_, audio.get(id_, []), grids.get(id_, []))
            if to_score:
                (transcript,) = words_of(read_document(grid_path), "textgrid", tier, labels)
                spoken = spoken_words(transcript, grid_path, labels)
                utterance = _utterance(id_, audio_path, grid_path, spoken.tier(transcript))
                if not all(word.timed for word in spoken.words):
                    utterance = replace(utterance, spoken=spoken.words)
                marks += spoken.marks
            else:
                word_tier = read_word_tier(grid_path, tier, labels)
                words, _ = written_words(word_tier.words, audio_path, grid_path, labels)
                utterance = _utterance(id_, audio_path, grid_path, replace(word_tier, words=words))
                marks.update(mark for mark in word_tier.marks if label_kind(mark, labels) != "unknown")
            utterances.append(with_metadata(utterance, metadata.get(id_, {}), language, speaker_characters))
        except Exception as error:
            failures.append(failure_of(id_, error))
    return Corpus(folder.resolve().name, tuple(utterances), tuple(failures), marks=count_marks(marks))


def count_marks(marks: Counter[str]) -> tuple[tuple[str, int], ...]:
    """Marks with their numbers, the most frequent first."""
    return tuple(sorted(marks.items(), key=lambda item: (-item[1], item[0])))


def corpus_checksum(utterances: Iterable[Utterance], checksums: FileChecksums | None = None) -> str:
    """SHA-256 over the bytes of the audio files and the reference words; the order of utterances does not matter.

    ``checksums`` holds those of the files that results were computed from; by default the files are read now.
    """
    return checksum_of_pieces(checksum_pieces(sorted(utterances, key=lambda u: u.id), checksums))


def checksum_pieces(
    utterances: Iterable[Utterance], checksums: FileChecksums | None = None
) -> Iterator[tuple[str, str, str]]:
    """Yield the input of a corpus checksum, per utterance: id, SHA-256 of the audio file, everything else as text."""
    checksums = checksums or FileChecksums()  # many utterances may be cut from one file
    for u in utterances:
        words = [(w.text, w.start_s, w.end_s) for w in u.words]
        text = repr((u.id, u.language, u.speaker, u.recording, u.reference, words))
        if u.audio != AudioSpan(u.audio.path):
            text += repr((u.audio.channel, u.audio.start_s, u.audio.end_s))
        yield u.id, checksums.of(u.audio.path), text


def checksum_of_pieces(pieces: Iterable[tuple[str, str, str]]) -> str:
    """Checksum of a corpus from the tuples of :func:`checksum_pieces`, in the order of ids."""
    digest = hashlib.sha256()
    for _, audio_checksum, text in pieces:
        digest.update(bytes.fromhex(audio_checksum) + text.encode())
    return digest.hexdigest()


def _pair(folder: Path, id_: str, audio: list[Path], grids: list[Path]) -> tuple[Path, Path]:
    place = folder / id_
    if not grids:
        raise InputError(audio[0], "has no TextGrid beside it", f"add {audio[0].with_suffix('.TextGrid').name}")
    if not audio:
        raise InputError(grids[0], "has no audio beside it", "add audio of the same name (wav, flac, mp3, m4a, ...)")
    for what, paths in (("audio files", audio), ("TextGrids", grids)):
        if len(paths) > 1:
            names = listed_apart(p.name for p in paths)
            raise InputError(place, f"{len(paths)} {what} have this name: {names}", "keep one of them")
        refuse_other_encoding(paths[0])
        refuse_broken_link(paths[0])
    return audio[0], grids[0]


def check_inside(words: Sequence[Word], duration_s: float, place: object) -> None:
    """Refuse words that lie outside the audio.

    Raises
    ------
    InputError
        Names the first such word; ``duration_s`` is the length of the audio in seconds.
    """
    late = next((i for i, w in enumerate(words) if w.end_s > duration_s + END_TOLERANCE_S or w.start_s < 0), None)
    if late is not None:
        w = words[late]
        raise InputError(
            place,
            f"word {late + 1} ({w.text!r}, {w.start_s:.10g} to {w.end_s:.10g} s) lies outside the audio "
            f"({duration_s:.10g} s)",
            f"check that audio and {'TextGrid' if Path(str(place)).suffix.lower() == TEXTGRID_SUFFIX else 'words'} "
            "belong together",
        )


def _utterance(id_: str, audio_path: Path, grid_path: Path, word_tier: WordTier) -> Utterance:
    words = word_tier.words
    try:
        duration_s = audio_duration_s(audio_path)
    except InputError:
        # The utterance stays, so that its words are counted; processing it raises the error again and lists it.
        duration_s = max(word_tier.end_s, words[-1].end_s)
    check_inside(words, duration_s, grid_path)
    if word_tier.start_s != 0 or abs(word_tier.end_s - duration_s) > SPAN_TOLERANCE_S:
        message = f"{grid_path}: spans {word_tier.start_s:g} to {word_tier.end_s:g} s, the audio 0 to {duration_s:g} s"
        warnings.warn(f"{message}; its times are used unchanged", InputWarning, stacklevel=2)
    folders = Path(id_).parts[:-1]
    return Utterance(
        id=id_,
        audio=AudioSpan(audio_path),
        words=words,
        text=" ".join(w.text for w in words),
        language=None,
        speaker=folders[0] if folders else None,
        recording=id_,
        duration_s=duration_s,
    )


@dataclass(frozen=True, slots=True)
class Spoken:
    """Words of a file that is scored, with or without times, and the number of each label that was dropped."""

    words: tuple[HypothesisWord, ...]
    marks: Counter[str]

    def timed(self) -> tuple[Word, ...]:
        """The words that have times."""
        return tuple(
            Word(w.text, w.start_s, w.end_s) for w in self.words if w.start_s is not None and w.end_s is not None
        )

    def tier(self, transcript: Transcript) -> WordTier:
        """The words that have times as the word tier of a TextGrid."""
        return WordTier(self.timed(), (), 0.0, transcript.end_s or 0.0)


def spoken_words(transcript: Transcript, path: Path, labels: LabelPolicy) -> Spoken:
    """Words of a transcript in order; unknown words are restored from the text beside its file, or dropped.

    Raises
    ------
    InputError
        If there are no words with times.
    """
    unknown = [w for w in transcript.dropped if not w.no_word and label_kind(w.text, labels) == "unknown"]
    in_order = by_start([*transcript.words, *unknown]) if unknown else list(transcript.words)
    words, lost = written_words(in_order, path, path, labels, drop=True)
    marks = Counter(w.text for w in transcript.dropped) - Counter(w.text for w in unknown) + Counter(lost)
    spoken = Spoken(words, marks)
    if not spoken.timed():
        raise InputError(path, "has no words with times", "remove it, or align it again")
    return spoken


def written_words(
    words: Sequence[W], beside: Path, place: Path, labels: LabelPolicy, *, drop: bool = False
) -> tuple[tuple[W, ...], list[str]]:
    """Restore unknown words from a transcript.

    Parameters
    ----------
    words
        Words and unknown words, in order.
    beside
        A file of the recording. The transcript has its name with another suffix (:data:`TRANSCRIPT_SUFFIXES`).
    place
        Place for error messages.
    labels
        Labels to keep or to drop.
    drop
        Drop those that no transcript determines; else refuse them.

    Returns
    -------
    words : tuple
    lost : list of str
        The unknown words that were dropped.

    Raises
    ------
    InputError
        If an unknown word is not restored.
    """
    texts = [word.text for word in words]
    for suffix in TRANSCRIPT_SUFFIXES:
        if not any(label_kind(text, labels) == "unknown" for text in texts):
            break
        transcript = on_disk(beside.with_suffix(suffix))
        if os.path.lexists(transcript):
            spoken = clean_label(read_text(transcript, MAX_RECORDING_BYTES)).split()
            try:
                texts = restore_unknown(texts, spoken, place, labels)
            except InputError:
                if not drop:
                    raise
    if not drop:
        refuse_unknown(texts, place, labels)
    restored = [replace(word, text=text) for word, text in zip(words, texts, strict=True)]
    lost = [word.text for word in restored if label_kind(word.text, labels) == "unknown"]
    return tuple(word for word in restored if label_kind(word.text, labels) != "unknown"), lost


def with_metadata(u: Utterance, row: dict[str, str], language: str | None, speaker_characters: int | None) -> Utterance:
    """Set language, speaker, recording and kind of reference of an utterance.

    The row of ``corpus.csv`` comes first, then the options, then the values that the utterance has.
    """
    stem = Path(u.id).name
    reference = row.get("reference") or u.reference
    speaker = stem[:speaker_characters] if speaker_characters else u.speaker
    return replace(
        u,
        language=row.get("language") or language,
        speaker=row.get("speaker") or speaker,
        recording=row.get("recording") or u.recording,
        reference=reference,
    )


def read_metadata(path: Path, ids: set[str]) -> tuple[dict[str, dict[str, str]], list[Failure]]:
    """Read ``corpus.csv``. A file that cannot be read is a failure, and the corpus is used without it.

    Parameters
    ----------
    ids
        Ids of the corpus; other ids in the file are an error.

    Returns
    -------
    metadata : dict
        Values by column, by id; empty if there is no file.
    failures : list of Failure
        That of the file, if it cannot be read.

    Raises
    ------
    InputError
        If the file is malformed.
    """
    if not os.path.lexists(path):
        return {}, []
    try:
        data = read_bytes(path, MAX_RECORDING_BYTES)
    except InputError as error:
        problem = f"{error.problem}, so that the languages, speakers, recordings and references in it are not used"
        return {}, [Failure(path.name, str(InputError(error.place, problem, error.remedy)))]
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        columns = list(reader.fieldnames or ())
        rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"cannot be read as CSV in UTF-8 ({error})", "save it again") from error
    if "id" not in columns or set(columns) - set(METADATA_COLUMNS):
        problem = f"columns are [{listed(map(repr, columns))}]"
        raise InputError(path, problem, f"known: {', '.join(METADATA_COLUMNS)}; id is needed")
    metadata: dict[str, dict[str, str]] = {}
    for line, row in rows:
        place = f"{path}, line {line}"
        if None in row or None in row.values():
            raise InputError(place, f"does not have {len(columns)} values", "quote values that contain a comma")
        values = {key: composed(value.strip()) for key, value in row.items()}
        if composed(row["id"]) in ids:  # a name may begin or end with a space
            values["id"] = composed(row["id"])
        shown = shorten(repr(values["id"]), 200)
        if values["id"] in metadata:
            raise InputError(place, f"id {shown} occurs twice", "keep one row per id")
        if values["id"] not in ids:
            raise InputError(place, f"there is no file for id {shown}", "remove the row or add the file")
        if "language" in values:
            values["language"] = check_language(values["language"], place) or ""
        if values.get("reference", "") not in ("", *REFERENCE_KINDS):
            kind = shorten(repr(values["reference"]), 200)
            raise InputError(place, f"reference {kind}", f"use one of {', '.join(REFERENCE_KINDS)}")
        metadata[values["id"]] = values
    return metadata, []
