"""``textgrids/`` of a run folder: a TextGrid an audio file, with the reference and a tier a system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from pyarrow.dataset import Dataset

from align_eval.formats.run.words_table import SAID_COLUMNS, words_said
from align_eval.formats.textgrids import write_words
from align_eval.records import Word

REFERENCE_TIER = "reference"
REFERENCE_COLUMNS = ("word", "reference_start_s", "reference_end_s")
COLUMNS = (*SAID_COLUMNS, *REFERENCE_COLUMNS, "audio", "offset_s", "duration_s")
BATCH_ROWS = 2**12
MOST_ROWS = 2**16
"""So many rows of files whose stretches lie apart are held at once, some 100 MB."""


def write_textgrids(folder: Path, words: Dataset) -> None:
    """Write them from a words table, of which those of one audio file and few others are held.

    A system's tier has all that it said, words that were not in the reference included.

    Raises
    ------
    InputError
        Where one cannot be written.
    """
    for audio, rows in _by_audio(words):
        _write_textgrid(folder / f"{audio}.TextGrid", rows)


def _by_audio(words: Dataset) -> Iterator[tuple[str, Sequence[dict[str, Any]]]]:
    """The rows of each audio file, its stretches together.

    They follow each other in the order of ids, unless ids of other files come between: such are read by themselves, as
    many at a time as are held together.
    """
    n_runs: Counter[str] = Counter()
    n_rows: Counter[str] = Counter()
    for audio, rows_of in groupby(_audio_of_rows(words)):
        n_runs[audio] += 1
        n_rows[audio] += sum(1 for _ in rows_of)
    apart = {audio: n_rows[audio] for audio, n in n_runs.items() if n > 1}
    del n_runs, n_rows
    batches = words.to_batches(columns=list(COLUMNS), batch_size=BATCH_ROWS, use_threads=False)
    rows = (row for batch in batches for row in batch.to_pylist())
    for audio, of_audio in groupby(rows, key=itemgetter("audio")):
        if audio not in apart:
            yield audio, list(of_audio)
    for some in batched_by_rows(apart, MOST_ROWS):
        table = words.to_table(columns=list(COLUMNS), filter=pc.field("audio").isin(some))
        found: dict[str, list[dict[str, Any]]] = {}
        for row in table.to_pylist():
            found.setdefault(row["audio"], []).append(row)
        yield from sorted(found.items())


def batched_by_rows(n_rows: Mapping[str, int], most: int) -> Iterator[list[str]]:
    """Names in their order, as many at a time as have so many rows together, or one that has more."""
    some: list[str] = []
    total = 0
    for name in sorted(n_rows):
        if some and total + n_rows[name] > most:
            yield some
            some, total = [], 0
        some.append(name)
        total += n_rows[name]
    if some:
        yield some


def _audio_of_rows(words: Dataset) -> Iterator[str]:
    for batch in words.to_batches(columns=["audio"], batch_size=BATCH_ROWS, use_threads=False):
        yield from batch.column("audio").to_pylist()


def _write_textgrid(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    tiers: dict[str, list[Word]] = {REFERENCE_TIER: []}
    n_words: dict[str, int] = {}
    for row in rows:
        if row["word_index"] == n_words.get(row["utterance"], 0):  # the first system brings the reference
            n_words[row["utterance"]] = row["word_index"] + 1
            tiers[REFERENCE_TIER].append(Word(*(row[name] for name in REFERENCE_COLUMNS)))
    for (_, system), said in words_said(rows).items():
        timed = [Word(w.text, w.start_s, w.end_s) for w in said if w.start_s is not None and w.end_s is not None]
        if timed:
            tiers.setdefault(f"{system.source} | {system.align}", []).extend(timed)
    in_time = {name: sorted(found, key=lambda w: (w.start_s, w.end_s)) for name, found in tiers.items()}
    end_s = max(row["offset_s"] + row["duration_s"] for row in rows)
    write_words(path, in_time, end_s, overlapping=True)
