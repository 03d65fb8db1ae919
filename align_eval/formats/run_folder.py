"""The folder of a run: ``run.json``, ``words.parquet`` and ``textgrids/``; and that of an accepted baseline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from align_eval.errors import InputError
from align_eval.formats.atomic import cannot_write, write_bytes, write_whole
from align_eval.formats.textgrids import write_words
from align_eval.formats.words_table import words_said, write_words_table
from align_eval.records import Failure, Run, ScoreRow, Word

SCHEMA_VERSION = 1
"""Of ``run.json`` and ``words.parquet``: raised when their meaning changes."""

REFERENCE_TIER = "reference"
REFERENCE_COLUMNS = ("word", "reference_start_s", "reference_end_s")
RUN_NAME = "run.json"
WORDS_NAME = "words.parquet"
DETAILS_NAME = "details.json"
NOTE_NAME = "accepted.md"


def prepare_folder(out: Path) -> None:
    """Make the folder of a run, before the work that is to be written there.

    Raises
    ------
    InputError
        Where it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(out, f"cannot be made ({error.strerror})", "choose another --out") from error


def write_run(out: Path, run: Run, words: pa.Table, details: Mapping[str, Any] | None = None) -> None:
    """Write a finished run. TextGrids hold the reference and a tier a system.

    ``run.json`` goes first and comes last: a folder that has one is whole.

    Raises
    ------
    InputError
        Where the folder cannot be written, or the disk is full.
    """
    prepare_folder(out)
    try:
        (out / RUN_NAME).unlink(missing_ok=True)
        if (out / WORDS_NAME).is_file():  # a run stood here: its TextGrids must not mix with the new ones
            shutil.rmtree(out / "textgrids", ignore_errors=True)
        write_whole(out / WORDS_NAME, lambda beside: write_words_table(beside, words))
        _write_textgrids(out / "textgrids", words)
        (out / DETAILS_NAME).unlink(missing_ok=True)
        if details:
            text = json.dumps(details, ensure_ascii=False, allow_nan=False)
            write_bytes(out / DETAILS_NAME, f"{text}\n".encode())
        text = json.dumps(asdict(run), ensure_ascii=False, indent=1, allow_nan=False)
        write_bytes(out / RUN_NAME, f"{text}\n".encode())
    except OSError as error:
        raise cannot_write(out, error, "choose another --out") from error


def write_baseline(folder: Path, run: Run, words: pa.Table, note: str) -> None:
    """Write what a later run is compared with: signature, words and a note of what moved, small enough to commit.

    Scores are left out, since they follow from the words.

    Raises
    ------
    InputError
        Where the folder is that of a run, or cannot be written.
    """
    if (folder / "textgrids").is_dir():
        raise InputError(folder, "is the folder of a run", "give baselines a folder of their own")
    prepare_folder(folder)
    try:
        write_words_table(folder / WORDS_NAME, words)
        text = json.dumps(asdict(replace(run, rows=())), ensure_ascii=False, indent=1, allow_nan=False)
        (folder / RUN_NAME).write_text(text + "\n", encoding="utf-8")
        (folder / NOTE_NAME).write_text(note, encoding="utf-8")
    except OSError as error:
        raise InputError(folder, f"cannot be written ({error.strerror})", "choose another --accept") from error


def read_run(path: Path) -> Run:
    """Read the ``run.json`` of a run folder, or such a file itself."""
    file = path / RUN_NAME if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA_VERSION:
            raise ValueError(f"schema {data['schema']}")
        return Run(
            schema=data["schema"],
            signature=data["signature"],
            rows=tuple(ScoreRow(**row) for row in data["rows"]),
            failures=tuple(Failure(**failure) for failure in data["failures"]),
            environment=data["environment"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(file, f"is no run of this version ({error})", "run again") from error


def _write_textgrids(folder: Path, words: pa.Table) -> None:
    """A TextGrid an audio file, the stretches of one put together: the reference, and a tier a system.

    A system's tier has all that it said, words that were not in the reference included.
    """
    tiers: dict[str, dict[str, list[Word]]] = {}
    end_s: dict[str, float] = {}
    audio_of: dict[str, str] = {}
    n_words: dict[str, int] = {}
    columns = ["utterance", "audio", "offset_s", "duration_s", "word_index", *REFERENCE_COLUMNS]
    for row in words.select(columns).to_pylist():
        utterance, audio = row["utterance"], row["audio"]
        audio_of[utterance] = audio
        end_s[audio] = max(end_s.get(audio, 0.0), row["offset_s"] + row["duration_s"])
        reference = tiers.setdefault(audio, {REFERENCE_TIER: []})[REFERENCE_TIER]
        if row["word_index"] == n_words.get(utterance, 0):  # the first system brings the reference
            n_words[utterance] = row["word_index"] + 1
            reference.append(Word(*(row[name] for name in REFERENCE_COLUMNS)))
    for (utterance, system), said in words_said(words).items():
        timed = [Word(w.text, w.start_s, w.end_s) for w in said if w.start_s is not None and w.end_s is not None]
        if timed:
            tiers[audio_of[utterance]].setdefault(f"{system.source} | {system.align}", []).extend(timed)
    for audio, of_audio in tiers.items():
        in_time = {name: sorted(found, key=lambda w: (w.start_s, w.end_s)) for name, found in of_audio.items()}
        write_words(folder / f"{audio}.TextGrid", in_time, end_s[audio], overlapping=True)
