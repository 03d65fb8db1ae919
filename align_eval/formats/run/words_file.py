"""Reading and writing of ``words.parquet`` in blocks, for tables larger than memory.

Rows are in the order of utterance ids. Each row group of the file holds the rows of :data:`BLOCK` utterances, the last
one those of the remaining utterances. Equal rows give equal bytes under one version of pyarrow, however the rows were
passed to the writer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from align_eval.errors import InputError
from align_eval.formats.atomic import writing, written_whole
from align_eval.formats.run.words_table import SCHEMA, in_schema, reading_parquet

BLOCK = 256
"""Number of utterances per row group."""

PutRows = Callable[[pa.Table], None]
"""Appends the rows of complete utterances to the table."""


@contextmanager
def words_writer(path: Path) -> Iterator[PutRows]:
    """Open a words table for writing. It takes its place if the context ends without an error.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    pending: list[pa.Table] = []
    n_pending = 0

    def write_block() -> None:
        nonlocal n_pending
        if pending:
            with writing(path):
                writer.write_table(pa.concat_tables(pending).combine_chunks())
        pending.clear()
        n_pending = 0

    def put(rows: pa.Table) -> None:
        nonlocal n_pending
        bounds = [*first_rows(rows), len(rows)]
        start, n_utterances = 0, len(bounds) - 1
        while start < n_utterances:
            stop = min(start + BLOCK - n_pending, n_utterances)
            pending.append(rows.slice(bounds[start], bounds[stop] - bounds[start]))
            n_pending += stop - start
            start = stop
            if n_pending == BLOCK:
                write_block()

    with written_whole(path) as file:
        with writing(path):
            writer = pq.ParquetWriter(file, SCHEMA, compression="zstd")
        try:
            yield put
            write_block()
        finally:
            with writing(path):
                writer.close()


def write_words_table(path: Path, table: pa.Table) -> None:
    """Write a words table that is in memory."""
    with words_writer(path) as put:
        put(table)


def utterance_tables(path: Path) -> Iterator[tuple[str, pa.Table]]:
    """Yield the id and the rows of each utterance of a words table, with one row group in memory at a time.

    Raises
    ------
    InputError
        If the file is not a words table.
    """
    seen: set[str] = set()
    with reading_parquet(path), pq.ParquetFile(path) as file:
        for i in range(file.num_row_groups):
            table = in_schema(file.read_row_group(i), path)
            bounds = [*first_rows(table), len(table)]
            ids = table.column("utterance").take(pa.array(bounds[:-1], pa.int64())).to_pylist()
            for id_, first, end in zip(ids, bounds[:-1], bounds[1:], strict=True):
                if id_ in seen:
                    raise InputError(f"{path}, utterance {id_}", "its rows do not follow each other", "run again")
                seen.add(id_)
                yield id_, table.slice(first, end - first)


def first_rows(table: pa.Table) -> list[int]:
    """Index of the first row of each utterance."""
    if not len(table):
        return []
    ids = table.column("utterance").combine_chunks()
    changes = pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)).to_numpy(zero_copy_only=False)
    return [0, *(np.flatnonzero(changes) + 1).tolist()]
