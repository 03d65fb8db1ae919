"""``words.parquet``: one row per reference word and system. All scores are computed from this table.

Errors are hypothesis minus reference, in seconds. The words of a failed utterance have null times, so that coverage
counts them. Times count from the start of the audio file; the utterance starts at ``offset_s``. Utterances with the
same ``audio`` are stretches of one file, such as the windows of a long recording.

``hypothesis`` is the recognised text that is paired with the reference word. It is null if the system omitted the word
or its utterance failed. If several reference words are paired as one unit ("can not" recognised as "cannot"), each of
their rows holds the whole ``hypothesis``, the first row the start, the last row the end, and the other times are null:
the system gave no times inside the unit. A row with ``start_s`` therefore opens a unit, which reaches to the next row
with ``end_s``. A reference word that was recognised as several words is one row with their first start and last end.

``inserted`` lists the hypothesis words without a reference word, in the row of the last paired word before them, or in
the first row of the utterance. Words without a letter or digit (a lone dash) are not listed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from align_eval.errors import InputError, listed, reason
from align_eval.formats.atomic import check_name
from align_eval.formats.run.words_check import check_rows, same_kind
from align_eval.reading import check_size, refuse_special
from align_eval.records import HypothesisWord, Pairing, SystemName, Unit, Utterance, Word

MAX_WORDS_BYTES = 2**31
"""Largest words table, unpacked, as its file states it."""

MAX_ROWS = 20_000_000
"""Most rows of a words table that is read at once. A small file can state many, since Parquet packs equal values."""

INSERTED = pa.struct(
    [
        pa.field("word", pa.string(), nullable=False),
        pa.field("start_s", pa.float64()),
        pa.field("end_s", pa.float64()),
    ]
)

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
        pa.field("hypothesis", pa.string()),
        pa.field("inserted", pa.list_(INSERTED), nullable=False),
    ]
)


FILE_NAMES = ("utterance", "audio")
"""Columns whose values name files of the run folder."""


def words_table(
    utterances: Iterable[Utterance],
    systems: Iterable[SystemName],
    results: Mapping[str, Mapping[SystemName, Sequence[Word | HypothesisWord]]],
    pairings: Mapping[str, Mapping[SystemName, Pairing]] | None = None,
) -> pa.Table:
    """Build the table, in the order of utterance ids, systems and words.

    Parameters
    ----------
    results
        Hypothesis words by utterance id and system. Times count from the start of the utterance, as those of reference
        words do. An utterance without a result has null times.
    pairings
        Pairing of hypothesis words with reference words, by utterance id and system. Without a pairing, there is one
        hypothesis word per reference word, in order.

    Returns
    -------
    pyarrow.Table
        In :data:`SCHEMA`.

    Raises
    ------
    ValueError
        If the number of hypothesis words differs from that in the pairing, or without a pairing from the number of
        reference words.
    """
    systems = tuple(systems)
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for u in sorted(utterances, key=lambda u: u.id):
        offset_s = u.audio.start_s
        for system in systems:
            pairing = (pairings or {}).get(u.id, {}).get(system) or _word_by_word(len(u.words))
            words = results.get(u.id, {}).get(system)
            cells = [_Cell()] * len(u.words) if words is None else _cells(pairing, _shifted(words, offset_s))
            for i, (reference, cell) in enumerate(zip(u.words, cells, strict=True)):
                start_s, end_s = reference.start_s + offset_s, reference.end_s + offset_s
                row = (
                    u.id, u.speaker, u.recording, u.language, u.reference, u.part_of or u.id, offset_s, u.duration_s,
                    system.source, system.align, i, len(u.words), reference.text, start_s, end_s,
                    cell.start_s,
                    cell.end_s,
                    None if cell.start_s is None else cell.start_s - start_s,
                    None if cell.end_s is None else cell.end_s - end_s,
                    cell.confidence,
                    cell.hypothesis,
                    cell.inserted,
                )  # fmt: skip
                for name, value in zip(SCHEMA.names, row, strict=True):
                    columns[name].append(value)
    return pa.table(columns, schema=SCHEMA)


@dataclass(frozen=True, slots=True)
class _Cell:
    """Hypothesis of one system for one reference word."""

    start_s: float | None = None
    end_s: float | None = None
    confidence: float | None = None
    hypothesis: str | None = None
    inserted: tuple[dict[str, object], ...] = ()


def _shifted(words: Sequence[Word | HypothesisWord], offset_s: float) -> list[Word | HypothesisWord]:
    def shifted(time_s: float | None) -> float | None:
        return None if time_s is None else time_s + offset_s

    return [replace(word, start_s=shifted(word.start_s), end_s=shifted(word.end_s)) for word in words]  # type: ignore[arg-type]


def _word_by_word(n_words: int) -> Pairing:
    units = tuple(Unit((i,), (i,), same=True) for i in range(n_words))
    return Pairing(units, deleted=(), inserted=(), ignored=(), n_reference=n_words, n_hypothesis=n_words)


def _cells(pairing: Pairing, words: Sequence[Word | HypothesisWord]) -> list[_Cell]:
    """One cell per reference word.

    A unit lasts from the first start to the last end of its hypothesis words; it has no times if one of them has none.
    Its confidence is the mean of theirs.
    """
    if len(words) != pairing.n_hypothesis:
        raise ValueError(f"{len(words)} words, but the pairing has {pairing.n_hypothesis}")
    cells = [_Cell() for _ in range(pairing.n_reference)]
    for unit in pairing.units:
        unit_words = [words[i] for i in unit.hypothesis]
        confidences = [word.confidence for word in unit_words if word.confidence is not None]
        starts = [word.start_s for word in unit_words if word.start_s is not None]
        ends = [word.end_s for word in unit_words if word.end_s is not None]
        timed = len(starts) == len(ends) == len(unit_words)
        for i in unit.reference:
            cells[i] = _Cell(
                start_s=min(starts) if timed and i == unit.reference[0] else None,
                end_s=max(ends) if timed and i == unit.reference[-1] else None,
                confidence=sum(confidences) / len(confidences) if confidences else None,
                hypothesis=" ".join(word.text for word in unit_words),
            )
    last_of_unit = [unit.hypothesis[-1] for unit in pairing.units]
    inserted: dict[int, list[dict[str, object]]] = {}
    for i in pairing.inserted:
        n_before, word = bisect_left(last_of_unit, i), words[i]
        row = pairing.units[n_before - 1].reference[-1] if n_before else 0
        entry: dict[str, object] = {"word": word.text, "start_s": word.start_s, "end_s": word.end_s}
        inserted.setdefault(row, []).append(entry)
    for row, entries in inserted.items():
        cells[row] = replace(cells[row], inserted=tuple(entries))
    return cells


SAID_COLUMNS = ("utterance", "source", "align", "word_index", "hypothesis", "start_s", "end_s", "inserted")
"""Columns that :func:`words_said` reads."""


def words_said(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, SystemName], list[HypothesisWord]]:
    """Rebuild the hypothesis words of each utterance and system, in order.

    Parameters
    ----------
    rows
        Rows of a words table with at least the columns :data:`SAID_COLUMNS`.

    Returns
    -------
    dict
        From utterance id and system to the words. A unit is one word. Places count reference words.
    """
    groups: dict[tuple[str, SystemName], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["utterance"], SystemName(row["source"], row["align"])), []).append(row)
    return {key: _hypothesis_words(group) for key, group in groups.items()}


def _hypothesis_words(rows: Sequence[dict[str, Any]]) -> list[HypothesisWord]:
    """Words of one utterance and system: a unit as one word, and inserted words after the word that they follow."""
    words: list[HypothesisWord] = []
    opened: tuple[float, str] | None = None  # start and place of a unit that has not ended
    for row in rows:
        place = f"word {row['word_index'] + 1}"
        inserted = [
            HypothesisWord(w["word"], w["start_s"], w["end_s"], None, f"after {place}") for w in row["inserted"]
        ]
        n_before = 0
        if not words and row["start_s"] is not None:  # the first row also holds the words inserted before it
            n_before = sum(word.start_s is not None and word.start_s < row["start_s"] for word in inserted)
        words += inserted[:n_before]
        if row["start_s"] is not None:
            opened = row["start_s"], place
        if row["end_s"] is not None and opened:
            words.append(HypothesisWord(row["hypothesis"], opened[0], row["end_s"], None, opened[1]))
            opened = None
        elif row["hypothesis"] is not None and opened is None:
            words.append(HypothesisWord(row["hypothesis"], None, None, None, place))
        words += inserted[n_before:]
    return words


def read_words_table(path: Path) -> pa.Table:
    """Read a words table in :data:`SCHEMA`.

    Raises
    ------
    InputError
        If the file cannot be read, is too large, lacks a column, has a column of another type, a name that cannot name
        a file, or rows that are none of a words table (:func:`~align_eval.formats.run.words_check.check_rows`).
    """
    with reading_parquet(path):
        refuse_special(path)
        with pq.ParquetFile(path) as file:
            groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
            n_bytes = sum(group.total_byte_size for group in groups)
            check_size(path, n_bytes, MAX_WORDS_BYTES)
            if (n_rows := file.metadata.num_rows) > MAX_ROWS:
                problem = f"has {n_rows} rows, of which {MAX_ROWS} can be read"
                raise InputError(path, problem, "divide the corpus, and run its parts")
            table = file.read()
    return in_schema(table, path)


@contextmanager
def reading_parquet(path: Path) -> Iterator[None]:
    """Turn an error of a file that is no Parquet file, or a damaged one, into an InputError."""
    try:
        yield
    except InputError:
        raise
    except (OSError, pa.ArrowException, ValueError, TypeError, KeyError) as error:
        detail = (isinstance(error, OSError) and error.strerror) or reason(error)
        raise InputError(path, f"cannot be read as a words table ({detail})", "run again") from error


def in_schema(table: pa.Table, path: Path) -> pa.Table:
    """Select and cast the columns of :data:`SCHEMA`, and check them; errors name ``path`` (:func:`read_words_table`).

    Columns in a wider type, as int64 or a dictionary, are accepted where the values fit.
    """
    count = Counter(table.column_names)
    missing = [name for name in SCHEMA.names if name not in count]
    if missing:
        raise InputError(path, f"lacks the columns {listed(missing)}", "give words.parquet of a run, or run again")
    twice = [name for name in SCHEMA.names if count[name] > 1]
    if twice:
        raise InputError(path, f"has the columns {listed(twice)} twice", "run again")
    columns = [_cast(table.column(field.name), field, path) for field in SCHEMA]
    in_order = pa.table(columns, schema=SCHEMA)
    for column in FILE_NAMES:
        for name in pc.unique(in_order.column(column)).to_pylist():
            check_name(f"{path}, column {column}", name, "run again")
    check_rows(in_order, path)
    return in_order


def _cast(column: pa.ChunkedArray, field: pa.Field, path: Path) -> pa.ChunkedArray:
    if not same_kind(column.type, field.type):
        problem = f"has a column of another type ({field.name} is {column.type}, not {field.type})"
        raise InputError(path, problem, "run again")
    if column.null_count and not field.nullable:
        row = column.is_null().index(True).as_py() + 1
        raise InputError(f"{path}, row {row}", f"{field.name} is null", "run again")
    try:
        cast = column.cast(field.type)
        cast.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        problem = f"has a column of another type ({field.name}: {reason(error)})"
        raise InputError(path, problem, "run again") from error
    return cast
