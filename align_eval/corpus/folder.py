"""A corpus on disk: a folder of audio files with TextGrids of the same name beside them.

``corpus.csv`` in the folder may say more of each file, by ``id`` (path without suffix, relative to the folder):
``language``, ``speaker``, ``recording``, ``reference`` (``manual`` or ``automatic``). Without it the speaker is the
name of the first sub-folder, as the Montreal Forced Aligner has it, or unknown, and each file is its own recording.
"""

from __future__ import annotations

import csv
import hashlib
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from align_eval.corpus.audio import AUDIO_SUFFIXES, audio_duration_s
from align_eval.corpus.file_search import identity, list_files, read_text, with_suffix
from align_eval.errors import InputError, InputWarning
from align_eval.formats.textgrids import read_word_tier
from align_eval.records import AudioSpan, Failure, Utterance, Word
from align_eval.text import label_kind, refuse_unknown, restore_unknown
from align_eval.units import FRAME_S

TEXTGRID_SUFFIX = ".textgrid"
TRANSCRIPT_SUFFIXES = (".lab", ".txt")
METADATA_NAME = "corpus.csv"
METADATA_COLUMNS = ("id", "language", "speaker", "recording", "reference")
REFERENCE_KINDS = ("manual", "automatic", "unstated")
END_TOLERANCE_S = FRAME_S
"""A last word may end this much after the audio: aligners round to their grid."""

SPAN_TOLERANCE_S = 0.1
"""A TextGrid may be this much longer or shorter than its audio before that is said: it may belong to another file."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Utterances by id, and what could not be used.

    ``kind`` names the reader, and ``marks`` counts the labels that are no words but say so (see ``transcript``).
    """

    name: str
    utterances: tuple[Utterance, ...]
    failures: tuple[Failure, ...]
    kind: str = "folder"
    marks: tuple[tuple[str, int], ...] = ()


def load_folder(
    folder: Path,
    *,
    tier: str | None = None,
    language: str | None = None,
    speaker_characters: int | None = None,
) -> Corpus:
    """Read a folder; what fails is listed, the rest is kept.

    Parameters
    ----------
    tier
        Name of the word tier, where it is not ``words``.
    language
        Language of the utterances that ``corpus.csv`` does not give one.
    speaker_characters
        The speaker is that many first characters of the file's name.

    Raises
    ------
    InputError
        Where the folder is missing or holds no audio with TextGrids at all, or ``corpus.csv`` is malformed.
    """
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", "give a folder of audio with TextGrids, or a bundled name")
    audio, grids = _files(folder, AUDIO_SUFFIXES), _files(folder, (TEXTGRID_SUFFIX,))
    if not audio and not grids:
        raise InputError(folder, "holds no audio and no TextGrids", f"audio is {' '.join(AUDIO_SUFFIXES)}")
    metadata = read_metadata(folder / METADATA_NAME, set(audio) | set(grids))
    utterances, failures = [], []
    marks: Counter[str] = Counter()
    for id_ in sorted(set(audio) | set(grids)):
        try:
            audio_path, grid_path = _pair(folder, id_, audio.get(id_, []), grids.get(id_, []))
            utterance = _utterance(id_, audio_path, grid_path, tier, marks)
            utterances.append(with_metadata(utterance, metadata.get(id_, {}), language, speaker_characters))
        except InputError as error:
            failures.append(Failure(id_, str(error)))
    return Corpus(folder.resolve().name, tuple(utterances), tuple(failures), marks=count_marks(marks))


def count_marks(marks: Counter[str]) -> tuple[tuple[str, int], ...]:
    """Marks and their numbers, the most frequent first."""
    return tuple(sorted(marks.items(), key=lambda item: (-item[1], item[0])))


def corpus_checksum(utterances: Iterable[Utterance]) -> str:
    """SHA-256 over the audio files' bytes and the reference words, in the order of ids, whatever order they come in."""
    return checksum_of_pieces(checksum_pieces(sorted(utterances, key=lambda u: u.id)))


def checksum_pieces(utterances: Iterable[Utterance]) -> Iterator[tuple[str, str, str]]:
    """What the checksum of a corpus is made of, by utterance: id, SHA-256 of the audio file, all else as text."""
    of_file: dict[Path, str] = {}  # many utterances may be cut from one file
    for u in utterances:
        words = [(w.text, w.start_s, w.end_s) for w in u.words]
        if u.audio.path not in of_file:
            of_file[u.audio.path] = hashlib.sha256(u.audio.path.read_bytes()).hexdigest()
        rest = repr((u.id, u.language, u.speaker, u.recording, u.reference, words))
        if u.audio != AudioSpan(u.audio.path):
            rest += repr((u.audio.channel, u.audio.start_s, u.audio.end_s))
        yield u.id, of_file[u.audio.path], rest


def checksum_of_pieces(pieces: Iterable[tuple[str, str, str]]) -> str:
    """The checksum of a corpus from those of its utterances, which come in the order of ids."""
    digest = hashlib.sha256()
    for _, audio, rest in pieces:
        digest.update(bytes.fromhex(audio) + rest.encode())
    return digest.hexdigest()


def _files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, list[Path]]:
    """Files by id; hidden ones are not looked at."""
    found: dict[str, list[Path]] = {}
    for path in with_suffix(list_files(folder), *suffixes):
        found.setdefault(identity(path, folder), []).append(path)
    return found


def _pair(folder: Path, id_: str, audio: list[Path], grids: list[Path]) -> tuple[Path, Path]:
    place = folder / id_
    if not grids:
        raise InputError(audio[0], "has no TextGrid beside it", f"add {audio[0].with_suffix('.TextGrid').name}")
    if not audio:
        raise InputError(grids[0], "has no audio beside it", f"add one of {' '.join(AUDIO_SUFFIXES)}")
    for what, paths in (("audio files", audio), ("TextGrids", grids)):
        if len(paths) > 1:
            names = ", ".join(p.name for p in paths)
            raise InputError(place, f"{len(paths)} {what} have this name: {names}", "leave one of them")
    return audio[0], grids[0]


def check_inside(words: Sequence[Word], duration_s: float, place: object) -> None:
    """Refuse words that lie outside the audio."""
    late = next((i for i, w in enumerate(words) if w.end_s > duration_s + END_TOLERANCE_S or w.start_s < 0), None)
    if late is not None:
        w = words[late]
        raise InputError(
            place,
            f"word {late + 1} ({w.text!r}, {w.start_s:g} to {w.end_s:g} s) lies outside the audio ({duration_s:g} s)",
            f"check that audio and {'TextGrid' if Path(str(place)).suffix.lower() == TEXTGRID_SUFFIX else 'words'} "
            "belong together",
        )


def _utterance(id_: str, audio_path: Path, grid_path: Path, tier: str | None, marks: Counter[str]) -> Utterance:
    found = read_word_tier(grid_path, tier)
    words = _known(found.words, audio_path, grid_path)
    try:
        duration_s = audio_duration_s(audio_path)
    except InputError:
        # Said again, and listed, when the utterance is processed: until then its words are there to be counted.
        duration_s = max(found.end_s, words[-1].end_s)
    check_inside(words, duration_s, grid_path)
    if found.start_s != 0 or abs(found.end_s - duration_s) > SPAN_TOLERANCE_S:
        message = f"{grid_path}: spans {found.start_s:g} to {found.end_s:g} s, the audio 0 to {duration_s:g} s"
        warnings.warn(f"{message}; its times are taken as they are", InputWarning, stacklevel=2)
    marks.update(found.marks)
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


def _known(words: tuple[Word, ...], audio_path: Path, grid_path: Path) -> tuple[Word, ...]:
    """The words, unknown ones restored from the transcript beside the audio, where there is one."""
    texts = [word.text for word in words]
    for suffix in TRANSCRIPT_SUFFIXES:
        transcript = audio_path.with_suffix(suffix)
        if any(label_kind(text) == "unknown" for text in texts) and transcript.is_file():
            texts = restore_unknown(texts, read_text(transcript).split(), grid_path)
    refuse_unknown(texts, grid_path)
    return tuple(replace(word, text=text) for word, text in zip(words, texts, strict=True))


def with_metadata(u: Utterance, row: dict[str, str], language: str | None, speaker_characters: int | None) -> Utterance:
    """The utterance with what its row of ``corpus.csv``, the options and its name say, in that order."""
    stem = Path(u.id).name
    reference = row.get("reference") or u.reference
    speaker = stem[:speaker_characters] if speaker_characters else u.speaker
    return Utterance(
        id=u.id,
        audio=u.audio,
        words=u.words,
        text=u.text,
        language=row.get("language") or language,
        speaker=row.get("speaker") or speaker,
        recording=row.get("recording") or u.recording,
        duration_s=u.duration_s,
        reference=reference,
    )


def read_metadata(path: Path, ids: set[str]) -> dict[str, dict[str, str]]:
    """Rows of ``corpus.csv`` by id; none where there is no such file."""
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = list(reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"cannot be read as CSV in UTF-8 ({error})", "save it again") from error
    if "id" not in columns or set(columns) - set(METADATA_COLUMNS):
        raise InputError(path, f"columns are {columns}", f"known: {', '.join(METADATA_COLUMNS)}; id is needed")
    metadata: dict[str, dict[str, str]] = {}
    for line, row in rows:
        place = f"{path}, line {line}"
        if None in row or None in row.values():
            raise InputError(place, f"does not have {len(columns)} values", "quote values that hold a comma")
        values = {key: value.strip() for key, value in row.items()}
        if values["id"] in metadata:
            raise InputError(place, f"id {values['id']!r} stands twice", "leave one row an id")
        if values["id"] not in ids:
            raise InputError(place, f"no file for id {values['id']!r}", "remove the row or add the file")
        if values.get("reference", "") not in ("", *REFERENCE_KINDS):
            raise InputError(place, f"reference {values['reference']!r}", f"one of {', '.join(REFERENCE_KINDS)}")
        metadata[values["id"]] = values
    return metadata
