"""The folder of a run: ``run.json``, ``words.parquet`` and ``textgrids/``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
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
    """A TextGrid an audio file, windows of one put together: the reference, and for each system what it recognised.

    That is paired words, units as one, and inserted words.
    """
    tiers: dict[str, dict[str, list[Word]]] = {}
    audio_end_s: dict[str, float] = {}
    first_system: dict[str, str] = {}  # of each utterance: it brings the reference
    start_s = 0.0
    for row in words.to_pylist():
        of_audio = tiers.setdefault(row["audio"], {REFERENCE_TIER: []})
        audio_end_s[row["audio"]] = max(audio_end_s.get(row["audio"], 0.0), row["offset_s"] + row["duration_s"])
        system = f"{row['source']} | {row['align']}"
        if first_system.setdefault(row["utterance"], system) == system:
            of_audio[REFERENCE_TIER].append(Word(row["word"], row["reference_start_s"], row["reference_end_s"]))
        found = [Word(word["word"], word["start_s"], word["end_s"]) for word in row["inserted"]]
        if row["start_s"] is not None:
            start_s = row["start_s"]
        if row["end_s"] is not None:
            found.append(Word(row["hypothesis"], start_s, row["end_s"]))
        if found:
            of_audio.setdefault(system, []).extend(found)
    for audio, of_audio in tiers.items():
        ordered = {
            name: sorted(of_tier, key=lambda word: (word.start_s, word.end_s)) for name, of_tier in of_audio.items()
        }
        write_words(folder / f"{audio}.TextGrid", ordered, audio_end_s[audio])
