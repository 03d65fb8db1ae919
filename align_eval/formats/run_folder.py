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
from align_eval.formats.textgrids import write_words
from align_eval.formats.words_table import write_words_table
from align_eval.records import Failure, Run, ScoreRow, Word

SCHEMA_VERSION = 1
"""Of ``run.json`` and ``words.parquet``: raised when their meaning changes."""

REFERENCE_TIER = "reference"
RUN_NAME = "run.json"
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
    """Write a finished run. TextGrids hold the reference and a tier a system."""
    prepare_folder(out)
    try:
        if (out / RUN_NAME).is_file():  # a run stood here: its TextGrids must not mix with the new ones
            shutil.rmtree(out / "textgrids", ignore_errors=True)
        write_words_table(out / "words.parquet", words)
        _write_textgrids(out / "textgrids", words)
        if details:
            text = json.dumps(details, ensure_ascii=False, allow_nan=False)
            (out / "details.json").write_text(text + "\n", encoding="utf-8")
        text = json.dumps(asdict(run), ensure_ascii=False, indent=1, allow_nan=False)
        (out / RUN_NAME).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(out, f"cannot be written ({error.strerror})", "choose another --out") from error


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
        write_words_table(folder / "words.parquet", words)
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
    """The reference, and for each system what it recognised: paired words, units as one, and inserted words."""
    tiers: dict[str, dict[str, list[Word]]] = {}
    duration_s: dict[str, float] = {}
    start_s = 0.0
    for row in words.to_pylist():
        of_utterance = tiers.setdefault(row["utterance"], {REFERENCE_TIER: []})
        duration_s[row["utterance"]] = row["duration_s"]
        reference = of_utterance[REFERENCE_TIER]
        if row["word_index"] == len(reference):  # the first system brings the reference
            reference.append(Word(row["word"], row["reference_start_s"], row["reference_end_s"]))
        found = [Word(word["word"], word["start_s"], word["end_s"]) for word in row["inserted"]]
        if row["start_s"] is not None:
            start_s = row["start_s"]
        if row["end_s"] is not None:
            found.append(Word(row["hypothesis"], start_s, row["end_s"]))
        if found:
            of_utterance.setdefault(f"{row['source']} | {row['align']}", []).extend(found)
    for utterance, of_utterance in tiers.items():
        ordered = {
            name: of_tier if name == REFERENCE_TIER else sorted(of_tier, key=lambda word: (word.start_s, word.end_s))
            for name, of_tier in of_utterance.items()
        }
        write_words(folder / f"{utterance}.TextGrid", ordered, duration_s[utterance])
