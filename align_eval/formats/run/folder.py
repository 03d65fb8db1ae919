"""Run folder (``run.json``, ``words.parquet``, ``details.json``, ``textgrids/``, ...) and baseline folder.

``run.json`` vouches for the other files: it has their SHA-256, and is written last
(:mod:`align_eval.formats.run.staging`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.dataset import dataset

from align_eval.errors import InputError, did_you_mean, listed
from align_eval.formats.atomic import inside, write_bytes, write_text, writing
from align_eval.formats.checksum import check_file, file_checksum
from align_eval.formats.json_file import Kind, decode_json, read_limited
from align_eval.formats.run.json_lines import entries_writer, read_entries
from align_eval.formats.run.languages import Languages, write_languages
from align_eval.formats.run.staging import RUN_NAME, VOUCHED, holds_run, is_unfinished, place, settle, staging
from align_eval.formats.run.textgrids import write_textgrids
from align_eval.formats.run.tracebacks import FOLDER as TRACEBACKS
from align_eval.formats.run.tracebacks import as_json, without_tracebacks, write_tracebacks
from align_eval.formats.run.words_file import write_words_table
from align_eval.reading import near_files
from align_eval.records import Failure
from align_eval.run_record import Run, RunSignature, ScoreRow

SCHEMA_VERSION = 2
"""Version of ``run.json`` and ``words.parquet``; increases when their meaning changes."""

WORDS_NAME = "words.parquet"
DETAILS_NAME = "details.json"

NOTE_NAME = "accepted.md"
DETAILS_JSON = Kind("cannot be read", "run again")
RUN_JSON = Kind("is no run of this version", "run again", SCHEMA_VERSION)


def write_run(
    out: Path,
    run: Run,
    words: pa.Table,
    details: Mapping[str, Any] | None = None,
    languages: Languages | None = None,
) -> Run:
    """Write a finished run whose words are in memory. TextGrids hold the reference and one tier per system.

    It replaces an earlier run in the folder with all that was made from that one.

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

    Returns
    -------
    Run
        The run with the checksums of its files.

    Raises
    ------
    InputError
        If the folder cannot be written, or the disk is full.
    """
    with staging(out) as new:
        write_words_table(new / WORDS_NAME, words)
        if details:
            with entries_writer(new / DETAILS_NAME) as put:
                put(details)
        return place_run(out, new, run, languages)


def place_run(out: Path, new: Path, run: Run, languages: Languages | None = None) -> Run:
    """Put a finished run into its folder, in place of an earlier one.

    Parameters
    ----------
    new : Path
        The folder of new files (:func:`~align_eval.formats.run.staging.staging`), with ``words.parquet`` and all other
        files but TextGrids, tracebacks, ``languages.json`` and ``run.json``, which are written here.
    languages
        Detected languages, for ``languages.json``.

    Returns
    -------
    Run
        The run with the checksums of its files.

    Raises
    ------
    InputError
        If the folder cannot be written, or the disk is full.
    """
    with writing(out):
        if next(read_entries(new / DETAILS_NAME, Any, DETAILS_JSON), None) is None:
            (new / DETAILS_NAME).unlink(missing_ok=True)
        write_tracebacks(new / TRACEBACKS, run.failures)
        write_textgrids(new / "textgrids", dataset(new / WORDS_NAME))
        if languages:
            write_languages(new, languages)
        return _vouch(out, new, run)


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
    with staging(folder, option="--accept") as new, writing(folder, "choose another --accept"):
        write_words_table(new / WORDS_NAME, words)
        write_text(new / NOTE_NAME, note)
        _vouch(folder, new, replace(run, rows=()))


def _vouch(out: Path, new: Path, run: Run) -> Run:
    """Write ``run.json`` with the checksums of the files beside it, and put all of them in their places."""
    files = {name: file_checksum(new / name) for name in VOUCHED if (new / name).is_file()}
    vouched = replace(run, files=files)
    text = json.dumps(as_json(vouched), ensure_ascii=False, indent=1, allow_nan=False)
    write_bytes(new / RUN_NAME, f"{text}\n".encode(errors="backslashreplace"))
    place(out)
    return vouched


@dataclass(frozen=True, slots=True)
class _Required:
    """Keys that every ``run.json`` has."""

    signature: RunSignature
    rows: tuple[ScoreRow, ...]
    failures: tuple[Failure, ...]
    environment: dict[str, Any]


def read_run(path: Path, *, edited: bool = False) -> Run:
    """Read ``run.json``, by its path or by that of its folder, and check the files for which it vouches.

    Parameters
    ----------
    path : Path
        A run folder, or the file itself.
    edited : bool
        Accept files that were changed since the run was written. The run then has no checksums.

    Returns
    -------
    Run
        Signature, score rows, failures, flat rows; tracebacks stay in their files.

    Raises
    ------
    InputError
        If the run is unfinished, or the file cannot be read, has another schema version, or lacks a setting of
        :class:`~align_eval.run_record.RunSignature`, or another file of the run is missing or was changed.
    """
    if not os.path.lexists(path):
        runs = (path.with_name(name) for name in near_files(path))
        raise InputError(path, "there is no such folder", _run_remedy(path, runs))
    file = path / RUN_NAME if path.is_dir() else path
    settle(file.parent)
    if is_unfinished(file.parent):
        raise InputError(file.parent, "holds a run that was interrupted", "give the command that wrote it again")
    if not os.path.lexists(file):
        raise InputError(path, f"holds no run (no {RUN_NAME})", _run_remedy(path, (), path.iterdir()))
    run = _parse_run(file)
    if edited:
        return replace(run, files={})
    present = {name for name in VOUCHED if (file.parent / name).exists()}
    for name in sorted({WORDS_NAME, *run.files, *present}):
        check_file(inside(file.parent, name), run.files.get(name))
    return run


def _run_remedy(path: Path, beside: Iterable[Path], inside_: Iterable[Path] = ()) -> str:
    """Name the run folders that someone may have meant: of a similar name, or in the folder that was named."""
    names = did_you_mean(path.name, (other.name for other in beside if holds_run(other)), most=1)
    runs = sorted(str(other) for other in islice(inside_, 1000) if holds_run(other))
    question = names or (f"did you mean {listed(runs, ' or ', most=2)}? " if runs else "")
    return f"{question}give the folder that `align-eval run` or `score` wrote with --out"


def _parse_run(file: Path) -> Run:
    data = read_limited(file, RUN_JSON)
    decode_json(data, _Required, file, RUN_JSON, partial=True)
    return without_tracebacks(decode_json(data, Run, file, RUN_JSON))
