"""``words.parquet``: read back as written, equal tables give equal bytes, and other files are refused."""

from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from align_eval.errors import InputError
from align_eval.formats.run.words_file import write_words_table
from align_eval.formats.run.words_table import SCHEMA, read_words_table, words_table
from align_eval.records import Pairing, SystemName, Unit, Word
from tests.helpers.utterances import utterance

SYSTEMS = (SystemName("gradient", "viterbi"), SystemName("attention", "dtw"))
REFERENCE = (Word("naïve", 0.5, 1.0), Word('"яма"', 1.0, 1.75))
HYPOTHESIS = (Word("naïve", 0.25, 1.5, 0.5), Word('"яма"', 1.5, 1.5))


unnamed = partial(utterance, words=REFERENCE, language=None)

UTTERANCES = (unnamed("b"), unnamed("a", speaker="s1"), unnamed("failed"))
RESULTS = {id_: dict.fromkeys(SYSTEMS, HYPOTHESIS) for id_ in ("b", "a")}


@pytest.fixture
def table() -> pa.Table:
    return words_table(UTTERANCES, SYSTEMS, RESULTS)


def test_rows_are_in_the_order_of_ids_systems_and_words(table):
    rows = [(r["utterance"], r["source"], r["word_index"]) for r in table.to_pylist()]
    assert rows == [(u, s.source, i) for u in ("a", "b", "failed") for s in SYSTEMS for i in (0, 1)]


def test_errors_are_signed_hypothesis_minus_reference(table):
    first, second = table.to_pylist()[:2]
    assert (first["start_error_s"], first["end_error_s"]) == (-0.25, 0.5)  # starts early, ends late
    assert (second["start_error_s"], second["end_error_s"]) == (0.5, -0.25)


def test_a_failed_utterance_keeps_its_words_and_has_no_times(table):
    rows = [r for r in table.to_pylist() if r["utterance"] == "failed"]
    assert [(r["word"], r["reference_start_s"]) for r in rows] == [("naïve", 0.5), ('"яма"', 1.0)] * 2
    unknown = ("start_s", "end_s", "start_error_s", "end_error_s", "confidence")
    assert {r[name] for r in rows for name in unknown} == {None}


def test_a_time_of_zero_is_a_time():
    u = utterance("a", (Word("x", 0.0, 0.5),))
    (row,) = words_table([u], SYSTEMS[:1], {"a": {SYSTEMS[0]: (Word("x", 0.0, 0.0, 0.0),)}}).to_pylist()
    assert [row[name] for name in ("start_s", "end_s", "start_error_s", "confidence")] == [0.0, 0.0, 0.0, 0.0]


def test_what_is_written_is_read_back(table, tmp_path):
    write_words_table(tmp_path / "words.parquet", table)
    read = read_words_table(tmp_path / "words.parquet")
    assert read.schema == SCHEMA
    assert read.equals(table)


def test_equal_tables_are_equal_bytes_whatever_order_the_utterances_came_in(table, tmp_path):
    again = words_table(UTTERANCES[::-1], SYSTEMS, dict(reversed(RESULTS.items())))
    for name, t in (("one", table), ("other", again)):
        write_words_table(tmp_path / name, t)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


REFERENCE_TEXTS = ("you", "can", "not", "go", "gonna")
HYPOTHESIS_TEXTS = ("oh", "you", "cannot", "well", "-", "going", "to", "now")
RECOGNISED = Pairing(
    units=(Unit((0,), (1,), True), Unit((1, 2), (2,), True), Unit((4,), (5, 6), True)),
    deleted=(3,),
    inserted=(0, 3, 7),
    ignored=(4,),
    n_reference=5,
    n_hypothesis=8,
)


@pytest.fixture
def recognised() -> pa.Table:
    """Reference words of one second each, recognised words of half a second: "can not" as one, "go" missed."""
    words = tuple(Word(text, float(i), i + 1.0) for i, text in enumerate(REFERENCE_TEXTS))
    hypothesis = tuple(Word(text, i / 2, (i + 1) / 2, i / 8) for i, text in enumerate(HYPOTHESIS_TEXTS))
    u = utterance("a", words, duration_s=5.0)
    return words_table([u], SYSTEMS[:1], {"a": {SYSTEMS[0]: hypothesis}}, {"a": {SYSTEMS[0]: RECOGNISED}})


def test_recognised_words_are_in_the_rows_of_their_reference_words(recognised):
    rows = [(r["word"], r["hypothesis"], r["start_s"], r["end_s"], r["confidence"]) for r in recognised.to_pylist()]
    assert rows == [
        ("you", "you", 0.5, 1.0, 1 / 8),
        ("can", "cannot", 1.0, None, 2 / 8),  # one unit: its start here, its end in the next row, nothing between
        ("not", "cannot", None, 1.5, 2 / 8),
        ("go", None, None, None, None),
        ("gonna", "going to", 2.5, 3.5, (5 + 6) / 2 / 8),
    ]
    errors = [(r["start_error_s"], r["end_error_s"]) for r in recognised.to_pylist()]
    assert errors == [(0.5, 0.0), (0.0, None), (None, -1.5), (None, None), (-1.5, -1.5)]


def test_inserted_words_are_in_the_row_of_the_last_paired_word_before_them(recognised):
    inserted = [[(w["word"], w["start_s"], w["end_s"]) for w in r["inserted"]] for r in recognised.to_pylist()]
    assert inserted == [[("oh", 0.0, 0.5)], [], [("well", 1.5, 2.0)], [], [("now", 3.5, 4.0)]]  # the dash is no word


def test_recognised_words_are_read_back(recognised, tmp_path):
    write_words_table(tmp_path / "words.parquet", recognised)
    read = read_words_table(tmp_path / "words.parquet")
    assert read.schema == SCHEMA
    assert read.equals(recognised)


def test_another_number_of_words_than_in_the_pairing_is_refused():
    with pytest.raises(ValueError, match="1 words, but the pairing has 2"):
        words_table(UTTERANCES[:1], SYSTEMS[:1], {"b": {SYSTEMS[0]: HYPOTHESIS[:1]}})


@pytest.mark.parametrize("column", ["utterance", "start_s", "n_words", "audio", "offset_s", "hypothesis", "inserted"])
def test_a_table_without_one_of_the_columns_is_refused(table, tmp_path, column):
    pq.write_table(table.drop_columns([column]), tmp_path / "words.parquet")
    with pytest.raises(InputError, match=rf"words\.parquet: lacks the columns {column};"):
        read_words_table(tmp_path / "words.parquet")


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "words.parquet").write_text("utterance,word\n")
    with pytest.raises(InputError, match=r"words\.parquet: cannot be read as a words table"):
        read_words_table(tmp_path / "words.parquet")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read as a words table"):
        read_words_table(tmp_path / "words.parquet")


def test_columns_in_another_order_of_a_wider_type_or_beside_ours_are_brought_to_the_schema(table, tmp_path):
    wide = table.set_column(SCHEMA.get_field_index("n_words"), "n_words", table.column("n_words").cast(pa.int64()))
    other = wide.select(SCHEMA.names[::-1]).append_column("note", pa.array(["x"] * len(table)))
    pq.write_table(other, tmp_path / "words.parquet")
    assert read_words_table(tmp_path / "words.parquet").equals(table)


@pytest.mark.parametrize(("column", "values"), [("start_s", ["x"]), ("word_index", ["x"])])
def test_a_column_of_another_type_is_refused(tmp_path, table, column, values):
    wrong = table.slice(0, 1).to_pydict() | {column: values}
    pq.write_table(pa.table(wrong), tmp_path / "words.parquet")
    with pytest.raises(InputError, match=r"words\.parquet: has a column of another type"):
        read_words_table(tmp_path / "words.parquet")


def test_a_null_in_a_column_without_nulls_is_named(tmp_path, table):
    """Its type, null, is that of a string column in which every value is null: not the type is wrong, but the row."""
    pq.write_table(pa.table(table.slice(0, 1).to_pydict() | {"recording": [None]}), tmp_path / "words.parquet")
    with pytest.raises(InputError, match=r"words\.parquet, row 1: recording is null"):
        read_words_table(tmp_path / "words.parquet")
