"""Run folder (``run.json``, ``words.parquet``, ``details.json``, ``textgrids/``) and baseline folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.dataset import dataset

from align_eval.errors import InputError
from align_eval.formats.atomic import beside_of, cannot_write, inside, move_whole, write_bytes, writing
from align_eval.formats.json_file import Kind, decode_json, read_limited
from align_eval.formats.run.json_lines import entries_writer, read_entries
from align_eval.formats.run.languages import NAME as LANGUAGES_NAME
from align_eval.formats.run.languages import Languages, write_languages
from align_eval.formats.run.textgrids import write_textgrids
from align_eval.formats.run.tracebacks import FOLDER as TRACEBACKS
from align_eval.formats.run.tracebacks import as_json, drop_tracebacks, without_tracebacks, write_tracebacks
from align_eval.formats.run.words_file import write_words_table
from align_eval.records import Failure
from align_eval.run_record import Run, RunSignature, ScoreRow

SCHEMA_VERSION = 1
"""Version of ``run.json`` and ``words.parquet``; increases when their meaning changes."""

RUN_NAME = "run.json"
WORDS_NAME = "words.parquet"
DETAILS_NAME = "details.json"
INNER_FOLDERS = (".partial", "maps", "textgrids", TRACEBACKS)
"""Folders of a run folder in which files are written and removed."""

NOTE_NAME = "accepted.md"

DETAILS_JSON = Kind("cannot be read", "run again")
RUN_JSON = Kind("is no run of this version", "run again", SCHEMA_VERSION)


def prepare_folder(out: Path, option: str = "--out") -> None:
    """Make the folder of a run. Call it before the work, so that an unusable folder is reported early.

    Parameters
    ----------
    option
        Option of the command that names the folder.

    Raises
    ------
    InputError
        If the folder cannot be made, or a folder in it is a link that leads out of it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(out, f"cannot be made ({error.strerror})", f"choose another {option}") from error
    for folder in INNER_FOLDERS:
        inside(out, f"{folder}/file")


def write_run(
    out: Path,
    run: Run,
    words: pa.Table,
    details: Mapping[str, Any] | None = None,
    languages: Languages | None = None,
) -> None:
    """Write a finished run whose words are in memory. TextGrids hold the reference and one tier per system.

    Parameters
    ----------
    out : Path
        The run folder; made if it does not exist.
    run : Run
    words : pyarrow.Table
        Words table (see :mod:`align_eval.formats.run.words_table`).
    details : mapping, optional
        JSON values for ``details.json``, by utterance id.
    languages : mapping, optional
        Detected languages and their probabilities, for ``languages.json``, by utterance id.

    Raises
    ------
    InputError
        If the folder cannot be written, or the disk is full.
    """
    prepare_folder(out)
    words_file, details_file = (beside_of(out / name) for name in (WORDS_NAME, DETAILS_NAME))
    try:
        write_words_table(words_file, words)
        with entries_writer(details_file) as put:
            put(details or {})
        place_run(out, run, words_file, details_file, languages)
    except OSError as error:
        raise cannot_write(out, error, "choose another --out") from error
    finally:
        for path in (words_file, details_file):
            path.unlink(missing_ok=True)


def remove_files(out: Path, *names: str) -> None:
    """Remove files that an earlier run left in the folder.

    Raises
    ------
    InputError
        If a file cannot be removed.
    """
    with writing(out):
        for name in names:
            (out / name).unlink(missing_ok=True)


def place_run(out: Path, run: Run, words: Path, details: Path, languages: Languages | None = None) -> None:
    """Put a finished run into its folder: move its words and details there, and write the other files.

    An earlier ``run.json`` is removed first and the new one is written last, so that a folder with ``run.json`` is
    complete. The tracebacks of an earlier run are removed only after its ``run.json``, which names them.

    Parameters
    ----------
    words, details
        Finished files on the same disk as ``out``.
    languages
        Detected languages, for ``languages.json``.

    Raises
    ------
    InputError
        If the folder cannot be written, or the disk is full.
    """
    replaces_run = (out / RUN_NAME).is_file()
    try:
        (out / RUN_NAME).unlink(missing_ok=True)
        if replaces_run:
            drop_tracebacks(out / TRACEBACKS)
        write_tracebacks(out / TRACEBACKS, run.failures)
        if (out / WORDS_NAME).is_file():  # TextGrids of an earlier run must not mix with the new ones
            shutil.rmtree(out / "textgrids", ignore_errors=True)
        move_whole(words, out / WORDS_NAME)
        write_textgrids(out / "textgrids", dataset(out / WORDS_NAME))
        (out / DETAILS_NAME).unlink(missing_ok=True)
        if next(read_entries(details, Any, DETAILS_JSON), None):
            move_whole(details, out / DETAILS_NAME)
        (out / LANGUAGES_NAME).unlink(missing_ok=True)
        if languages:
            write_languages(out, languages)
        text = json.dumps(as_json(run), ensure_ascii=False, indent=1, allow_nan=False)
        write_bytes(out / RUN_NAME, f"{text}\n".encode(errors="backslashreplace"))
    except OSError as error:
        raise cannot_write(out, error, "choose another --out") from error


def write_baseline(folder: Path, run: Run, words: pa.Table, note: str) -> None:
    """Write a baseline for later comparisons: signature, words and a note of changes, small enough to commit.

    Scores are omitted, since they are computed from the words.

    Raises
    ------
    InputError
        If the folder is that of a run, or cannot be written.
    """
    if (folder / "textgrids").is_dir():
        raise InputError(folder, "is the folder of a run", "choose another --accept")
    prepare_folder(folder, "--accept")
    try:
        write_words_table(folder / WORDS_NAME, words)
        text = json.dumps(as_json(replace(run, rows=())), ensure_ascii=False, indent=1, allow_nan=False)
        (folder / RUN_NAME).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        (folder / NOTE_NAME).write_text(note, encoding="utf-8")
    except OSError as error:
        raise cannot_write(folder, error, "choose another --accept") from error


@dataclass(frozen=True, slots=True)
class _Required:
    """Keys that every ``run.json`` has."""

    signature: RunSignature
    rows: tuple[ScoreRow, ...]
    failures: tuple[Failure, ...]
    environment: dict[str, Any]


def read_run(path: Path) -> Run:
    """Read ``run.json``, by its path or by that of its folder.

    Parameters
    ----------
    path : Path
        A run folder, or the file itself.

    Returns
    -------
    Run
        Signature, score rows, failures, flat rows; tracebacks stay in their files.

    Raises
    ------
    InputError
        If the file cannot be read, has another schema version, or lacks a setting of
        :class:`~align_eval.run_record.RunSignature`.
    """
    file = path / RUN_NAME if path.is_dir() else path
    data = read_limited(file, RUN_JSON)
    decode_json(data, _Required, file, RUN_JSON, partial=True)
    return without_tracebacks(decode_json(data, Run, file, RUN_JSON))
