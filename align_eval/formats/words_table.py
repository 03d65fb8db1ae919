"""``words.parquet``: a row a word and system. Everything that is scored is recomputed from it.

Errors are signed, hypothesis minus reference, in seconds. Where an utterance failed its words stand with null times,
so that coverage counts them. Times count from the start of the audio file, not of the utterance, which starts at
``offset_s``; utterances with the same ``audio`` are stretches of one file, as the windows of a long recording are.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from align_eval.errors import InputError
from align_eval.records import System, Utterance, Word

SCHEMA = pa.schema(
    [
        pa.field("utterance", pa.string(), nullable=False),
        pa.field("speaker", pa.string()),
        pa.field("recording", pa.string(), nullable=False),
        pa.field("language", pa.string()),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("audio", pa.string(), nullable=False),
        pa.field("offset_s", pa.float64(), nullable=False),
        pa.field("duration_s", pa.float64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("align", pa.string(), nullable=False),
        pa.field("word_index", pa.int32(), nullable=False),
        pa.field("n_words", pa.int32(), nullable=False),
        pa.field("word", pa.string(), nullable=False),
        pa.field("reference_start_s", pa.float64(), nullable=False),
        pa.field("reference_end_s", pa.float64(), nullable=False),
        pa.field("start_s", pa.float64()),
        pa.field("end_s", pa.float64()),
        pa.field("start_error_s", pa.float64()),
        pa.field("end_error_s", pa.float64()),
        pa.field("confidence", pa.float64()),
    ]
)


def words_table(
    utterances: Iterable[Utterance],
    systems: Iterable[System],
    results: Mapping[str, Mapping[System, Sequence[Word | None]]],
) -> pa.Table:
    """Rows in the order of utterance ids, systems and words; what has no result has null times.

    Times of ``results``, as those of references, count from the start of their utterance.
    """
    systems = tuple(systems)
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for u in sorted(utterances, key=lambda u: u.id):
        offset_s = u.audio.start_s
        for system in systems:
            found = results.get(u.id, {}).get(system) or (None,) * len(u.words)
            for i, (reference, word) in enumerate(zip(u.words, found, strict=True)):
                row = (
                    u.id, u.speaker, u.recording, u.language, u.reference, u.part_of or u.id, offset_s, u.duration_s,
                    system.source, system.align, i, len(u.words), reference.text,
                    reference.start_s + offset_s,
                    reference.end_s + offset_s,
                    word and word.start_s + offset_s,
                    word and word.end_s + offset_s,
                    word and word.start_s - reference.start_s,
                    word and word.end_s - reference.end_s,
                    word and word.confidence,
                )  # fmt: skip
                for name, value in zip(SCHEMA.names, row, strict=True):
                    columns[name].append(value)
    return pa.table(columns, schema=SCHEMA)


def write_words_table(path: Path, table: pa.Table) -> None:
    """Write the table; equal tables give equal bytes under one version of pyarrow."""
    pq.write_table(table, path, compression="zstd")


def read_words_table(path: Path) -> pa.Table:
    """Read a table and hold it to the schema."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(path, f"cannot be read as a words table ({error})", "run again") from error
    missing = [name for name in SCHEMA.names if name not in table.column_names]
    if missing:
        raise InputError(path, f"lacks the columns {', '.join(missing)}", "it was written by something else: run again")
    try:
        return table.select(SCHEMA.names).cast(SCHEMA)
    except (pa.ArrowException, ValueError) as error:
        raise InputError(path, f"a column is not of its type ({error})", "run again") from error


def table_checksum(table: pa.Table) -> str:
    """SHA-256 of the table's values, whatever file they came from."""
    buffer = io.BytesIO()
    rebuilt = pa.Table.from_pylist(table.to_pylist(), SCHEMA)  # what lies under a null differs from table to table
    with pa.ipc.new_stream(buffer, SCHEMA) as writer:
        writer.write_table(rebuilt)
    return hashlib.sha256(buffer.getvalue()).hexdigest()
