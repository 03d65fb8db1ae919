"""Files of timed words, of a system or a reference: one file or a folder, by the name of the recording.

A file of one recording has its name, without the suffixes of its form, ``.words`` and those of audio files:
``a.wav.words.json`` holds recording ``a``. In a folder the name is the path relative to that folder. CTM files and
Lhotse supervisions name their recordings themselves. Reference and hypothesis are paired by these names alone; all
names are in NFC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from align_eval.corpus.audio import refuse_other_encoding
from align_eval.corpus.failing import failure_of
from align_eval.corpus.file_search import (
    list_files,
    listed_apart,
    refuse_broken_link,
    warn_of_broken_links,
    with_suffix,
)
from align_eval.corpus.sound.suffixes import AUDIO_SUFFIXES, MEDIA_SUFFIXES
from align_eval.errors import InputError, did_you_mean, listed
from align_eval.formats.atomic import check_name
from align_eval.formats.hypothesis.detect import FORMATS, check_format, claimants, read_transcripts, the_one, words_of
from align_eval.formats.hypothesis.document import Document, read_document
from align_eval.formats.textgrids import Tiers
from align_eval.reading import near_files
from align_eval.records import Failure, Transcript, listed_failures
from align_eval.text import DEFAULT_POLICY, LabelPolicy, composed

WORDS_SUFFIX = ".words"


@dataclass(frozen=True, slots=True)
class WordFiles:
    """Words that were read from a file or a folder.

    Attributes
    ----------
    form : str
        Form of all the files that were read.
    transcripts : dict
        Words by the name of the recording.
    paths : dict
        File that holds those words, by the name of the recording.
    failures : tuple of Failure
        Files, and recordings in them, that could not be used.
    """

    form: str
    transcripts: dict[str, Transcript]
    paths: dict[str, Path]
    failures: tuple[Failure, ...] = ()

    @property
    def n_words(self) -> int:
        """Number of words in all recordings."""
        return sum(len(transcript.words) for transcript in self.transcripts.values())

    @property
    def dropped(self) -> Counter[str]:
        """Labels that are no words, by their text."""
        return Counter(label.text for transcript in self.transcripts.values() for label in transcript.dropped)


def read_word_files(
    path: Path, form: str | None = None, tier: Tiers = None, labels: LabelPolicy = DEFAULT_POLICY
) -> WordFiles:
    """Read a file, or all files of a folder that have the suffix of a form.

    Parameters
    ----------
    form
        Form of the files; detected from their content if None.
    tier
        Tiers of TextGrids, merged in the order of starts, or kind of Lhotse alignments.
    labels
        Labels to keep or to drop.

    Raises
    ------
    InputError
        If the path does not exist, a single file is malformed, or the files of a folder have several forms or none.
    """
    if path.is_dir():
        check_format(form)
        return _read_folder(path, form, tier, labels)
    if not path.is_file():
        near = did_you_mean(path.name, near_files(path))
        raise InputError(path, "there is no such file or folder", f"{near}check the path")
    detected, file_transcripts = read_transcripts(path, form, tier, labels)
    transcripts: dict[str, Transcript] = {}
    failures: list[Failure] = []
    for transcript in file_transcripts:
        name = recording_name(path.name) if transcript.id is None else transcript.id
        try:
            transcripts[_checked_name(name, transcript, path)] = transcript
        except InputError as error:
            if len(file_transcripts) == 1:
                raise
            failures.append(Failure(name, str(error)))
    if failures and not transcripts:
        raise InputError(path, f"has no usable recording: {failures[0].message}", "correct their names")
    return WordFiles(detected, transcripts, dict.fromkeys(transcripts, path), tuple(failures))


def pair_names(reference: Iterable[str], hypothesis: Iterable[str]) -> dict[str, str]:
    """Pair recordings by name.

    Equal names are paired first. Of the others, those are paired whose last part (after the last slash) is equal and
    occurs once on either side.

    Returns
    -------
    dict
        Hypothesis name by reference name, for every reference that has a partner.
    """
    reference_names, hypothesis_names = list(reference), set(hypothesis)
    pairs = {name: name for name in reference_names if name in hypothesis_names}
    unpaired_references = _by_last_part(name for name in reference_names if name not in pairs)
    unpaired_hypotheses = _by_last_part(hypothesis_names - set(pairs))
    for last_part, names in unpaired_references.items():
        partners = unpaired_hypotheses.get(last_part, ())
        if len(names) == len(partners) == 1:
            pairs[names[0]] = partners[0]
    return pairs


def recording_name(name: str) -> str:
    """Name of the recording that a file holds, from the name of the file, in NFC: ``a`` for ``a.wav.words.json``."""
    form_suffixes = sorted({suffix for form in FORMATS.values() for suffix in form.suffixes}, key=len, reverse=True)
    for suffixes in (form_suffixes, (WORDS_SUFFIX,), (*AUDIO_SUFFIXES, *MEDIA_SUFFIXES)):
        for suffix in suffixes:
            if name.lower().endswith(suffix) and len(name) > len(suffix):
                name = name[: -len(suffix)]
                break
    return composed(name)


def _checked_name(name: str, transcript: Transcript, path: Path) -> str:
    """Return the name of a recording, which becomes a file name.

    Raises
    ------
    InputError
        If it cannot name a file.
    """
    place = transcript.words[0].place if transcript.id is not None and transcript.words else ""
    return check_name(f"{path}, {place}" if place else path, name)


def _read_folder(folder: Path, form: str | None, tier: Tiers, labels: LabelPolicy) -> WordFiles:
    suffixes = FORMATS[form].suffixes if form else tuple(s for f in FORMATS.values() for s in f.suffixes)
    files = list_files(folder)
    warn_of_broken_links(files, *suffixes)
    by_name: dict[str, list[Path]] = {}
    for path in with_suffix(files, *suffixes):
        by_name.setdefault(recording_name(path.relative_to(folder).as_posix()), []).append(path)
    if not by_name:
        raise InputError(folder, "holds no files of words", f"their suffixes are {' '.join(dict.fromkeys(suffixes))}")
    reader = _FolderReader(form, tier, labels)
    for name, paths in by_name.items():
        reader.add(name, paths)
    return reader.finish(folder)


class _FolderReader:
    """Reads the files of a folder one by one; the unambiguous files decide the form of the ambiguous ones."""

    def __init__(self, form: str | None, tier: Tiers, labels: LabelPolicy) -> None:
        self._form, self._tier, self._labels = form, tier, labels
        self._transcripts: dict[str, Transcript] = {}
        self._paths: dict[str, Path] = {}
        self._failures: list[Failure] = []
        self._first_of_form: dict[str, Path] = {}
        self._ambiguous: list[tuple[str, Path, tuple[str, ...]]] = []

    def add(self, name: str, paths: list[Path]) -> None:
        """Read the file of a recording, or put it aside if several forms fit."""
        try:
            if len(paths) > 1:
                names = listed_apart(path.name for path in paths)
                problem = f"{len(paths)} files are of this recording: {names}"
                of_forms = len({path.suffix.lower() for path in paths}) == len(paths)
                remedy = "choose a form with --format, or keep one of them" if of_forms else "keep one of them"
                raise InputError(paths[0].parent / name, problem, remedy)
            refuse_other_encoding(paths[0])
            refuse_broken_link(paths[0])
            document = read_document(paths[0])
            forms = (self._form,) if self._form else claimants(document)
            if len(forms) > 1:
                self._ambiguous.append((name, paths[0], forms))
            else:
                self._first_of_form.setdefault(forms[0], paths[0])
                self._read(name, document, forms[0])
        except Exception as error:
            self._failures.append(failure_of(name, error))

    def finish(self, folder: Path) -> WordFiles:
        """Read the ambiguous files and return the words of all."""
        if len(self._first_of_form) > 1:
            forms_of = listed(f"{form} ({path.name})" for form, path in self._first_of_form.items())
            raise InputError(folder, f"holds files of several forms: {forms_of}", "choose one with --format")
        folder_form = next(iter(self._first_of_form), None)
        for name, path, forms in self._ambiguous:
            try:
                document = read_document(path)
                form = folder_form if folder_form in forms else the_one(document, forms)
                self._read(name, document, form)
            except Exception as error:
                self._failures.append(failure_of(name, error))
        if not self._transcripts:
            messages = listed_failures(self._failures)
            raise InputError(folder, f"has no usable file: {messages}", "correct these files")
        return WordFiles(folder_form or "", self._transcripts, self._paths, tuple(self._failures))

    def _read(self, name: str, document: Document, form: str) -> None:
        for transcript in words_of(document, form, self._tier, self._labels):
            id_ = name if transcript.id is None else transcript.id
            try:
                _checked_name(id_, transcript, document.path)
            except InputError as error:
                self._failures.append(Failure(id_, str(error)))
                continue
            if id_ in self._transcripts:
                problem = f"recording {id_!r} is in {self._paths[id_].name} as well"
                raise InputError(document.path, problem, "keep it in one of them")
            self._transcripts[id_], self._paths[id_] = transcript, document.path


def _by_last_part(names: Iterable[str]) -> dict[str, list[str]]:
    by_last_part: dict[str, list[str]] = {}
    for name in names:
        by_last_part.setdefault(name.rsplit("/", 1)[-1], []).append(name)
    return by_last_part
