"""Words tables in blocks: the same bytes however the rows are passed, and reading by utterance."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from align_eval.errors import InputError
from align_eval.formats.run.words_file import BLOCK, first_rows, utterance_tables, words_writer, write_words_table
from align_eval.formats.run.words_table import SCHEMA, read_words_table, words_table
from align_eval.records import AudioSpan, SystemName, Utterance, Word

SYSTEMS = (SystemName("attention:heads=all", "dtw"), SystemName("gradient", "viterbi"))


def table(n_utterances: int) -> pa.Table:
    """A table of utterances with one to three words, every ninth without times."""
    utterances = []
    for i in range(n_utterances):
        words = tuple(Word(f"w{j}", 0.2 * j, 0.2 * j + 0.1) for j in range(1 + i % 3))
        utterances.append(Utterance(f"u{i:04}", AudioSpan(Path("a.wav")), words, "", "en", None, f"u{i:04}", 1.0))
    results = {u.id: dict.fromkeys(SYSTEMS, u.words) for i, u in enumerate(utterances) if i % 9}
    return words_table(utterances, SYSTEMS, results)


@pytest.mark.parametrize("step", [1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK])
def test_pieces_of_any_size_make_the_same_file(tmp_path, step):
    whole = table(2 * BLOCK + 40)
    write_words_table(tmp_path / "whole.parquet", whole)
    bounds = [*first_rows(whole), len(whole)]
    with words_writer(tmp_path / "pieces.parquet") as put:
        for i in range(0, len(bounds) - 1, step):
            put(whole.slice(bounds[i], bounds[min(i + step, len(bounds) - 1)] - bounds[i]))
    assert (tmp_path / "pieces.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert read_words_table(tmp_path / "pieces.parquet").equals(whole)


def test_a_row_group_holds_one_block_of_utterances(tmp_path):
    write_words_table(tmp_path / "words.parquet", table(2 * BLOCK + 40))
    with pq.ParquetFile(tmp_path / "words.parquet") as file:
        groups = [file.read_row_group(i).column("utterance").unique() for i in range(file.num_row_groups)]
    assert [len(ids) for ids in groups] == [BLOCK, BLOCK, 40]


def test_rows_are_read_utterance_by_utterance(tmp_path):
    whole = table(BLOCK + 3)
    write_words_table(tmp_path / "words.parquet", whole)
    tables = list(utterance_tables(tmp_path / "words.parquet"))
    assert [id_ for id_, _ in tables] == [f"u{i:04}" for i in range(BLOCK + 3)]
    assert all(set(rows.column("utterance").to_pylist()) == {id_} for id_, rows in tables)
    assert pa.concat_tables([rows for _, rows in tables]).equals(whole)


def test_a_table_without_rows_is_written_and_read(tmp_path):
    write_words_table(tmp_path / "words.parquet", SCHEMA.empty_table())
    assert read_words_table(tmp_path / "words.parquet").equals(SCHEMA.empty_table())
    assert list(utterance_tables(tmp_path / "words.parquet")) == []


def test_a_file_that_is_no_words_table_or_cannot_be_written_is_named(tmp_path):
    (tmp_path / "words.parquet").write_text("nothing")
    with pytest.raises(InputError, match=r"words\.parquet: cannot be read as a words table"):
        list(utterance_tables(tmp_path / "words.parquet"))
    match = r"words\.parquet: cannot be written"
    with pytest.raises(InputError, match=match), words_writer(tmp_path / "words.parquet" / "words.parquet"):
        pass
