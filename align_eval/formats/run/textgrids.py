"""``textgrids/`` of a run folder: one TextGrid per audio file, with the reference and one tier per system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from pyarrow.dataset import Dataset

from align_eval.formats.atomic import inside
from align_eval.formats.run.words_table import SAID_COLUMNS, words_said
from align_eval.formats.textgrids import write_words
from align_eval.records import Word

REFERENCE_TIER = "reference"
REFERENCE_COLUMNS = ("word", "reference_start_s", "reference_end_s")
COLUMNS = (*SAID_COLUMNS, *REFERENCE_COLUMNS, "audio", "offset_s", "duration_s")
BATCH_ROWS = 2**12
MAX_ROWS = 2**16
"""Rows of scattered audio files that are read at once, about 100 MB."""

Rows = Sequence[dict[str, Any]]


def write_textgrids(folder: Path, words: Dataset) -> None:
    """Write the TextGrids from a words table, with few audio files in memory at a time.

    The tier of a system holds all its hypothesis words, including inserted ones.

    Raises
    ------
    InputError
        If a TextGrid cannot be written, or would be outside of the folder.
    """
    for audio, rows in _by_audio(words):
        _write_textgrid(inside(folder.parent, f"{folder.name}/{audio}.TextGrid"), rows)


def _by_audio(words: Dataset) -> Iterator[tuple[str, Rows]]:
    """Yield the rows of each audio file.

    Rows are sorted by utterance id, so those of one audio file usually follow each other and are read in one pass.
    Audio files whose rows are scattered, because ids of others come between, are read afterwards, several at a time.
    """
    scattered = _scattered_audio(words)
    batches = words.to_batches(columns=list(COLUMNS), batch_size=BATCH_ROWS, use_threads=False)
    rows = (row for batch in batches for row in batch.to_pylist())
    for audio, audio_rows in groupby(rows, key=itemgetter("audio")):
        if audio not in scattered:
            yield audio, list(audio_rows)
    for names in batched_by_rows(scattered, MAX_ROWS):
        table = words.to_table(columns=list(COLUMNS), filter=pc.field("audio").isin(names))
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in table.to_pylist():
            groups.setdefault(row["audio"], []).append(row)
        yield from sorted(groups.items())


def _scattered_audio(words: Dataset) -> dict[str, int]:
    """Number of rows of each audio file whose rows do not all follow each other."""
    batches = words.to_batches(columns=["audio"], batch_size=BATCH_ROWS, use_threads=False)
    audio_of_rows = (audio for batch in batches for audio in batch.column("audio").to_pylist())
    n_runs: Counter[str] = Counter()
    n_rows: Counter[str] = Counter()
    for audio, run in groupby(audio_of_rows):
        n_runs[audio] += 1
        n_rows[audio] += sum(1 for _ in run)
    return {audio: n_rows[audio] for audio, n in n_runs.items() if n > 1}


def batched_by_rows(n_rows: Mapping[str, int], max_rows: int) -> Iterator[list[str]]:
    """Yield the names in sorted order, in batches of at most ``max_rows`` rows; a larger name is a batch by itself."""
    batch: list[str] = []
    total = 0
    for name in sorted(n_rows):
        if batch and total + n_rows[name] > max_rows:
            yield batch
            batch, total = [], 0
        batch.append(name)
        total += n_rows[name]
    if batch:
        yield batch


def _write_textgrid(path: Path, rows: Rows) -> None:
    tiers: dict[str, list[Word]] = {REFERENCE_TIER: []}
    n_words: dict[str, int] = {}
    for row in rows:
        if row["word_index"] == n_words.get(row["utterance"], 0):  # take the reference from the first system only
            n_words[row["utterance"]] = row["word_index"] + 1
            tiers[REFERENCE_TIER].append(Word(*(row[name] for name in REFERENCE_COLUMNS)))
    for (_, system), words in words_said(rows).items():
        timed = [Word(w.text, w.start_s, w.end_s) for w in words if w.start_s is not None and w.end_s is not None]
        if timed:
            tiers.setdefault(f"{system.source} | {system.align}", []).extend(timed)
    in_time = {name: sorted(words, key=lambda w: (w.start_s, w.end_s)) for name, words in tiers.items()}
    end_s = max(row["offset_s"] + row["duration_s"] for row in rows)
    write_words(path, in_time, end_s, overlapping=True)
