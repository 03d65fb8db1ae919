"""Checks of the columns and rows of a words table that was read: rows in order, times that are times.

All checks are vectorised; the first row that breaks a rule is named.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from align_eval.errors import InputError

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

REMEDY = "run again"

LONGEST_S = 1e8
"""Times beyond three years are none."""

ROUNDING_S = 1e-6

BLOCK = ("utterance", "source", "align")
"""Columns that are the same in all rows of one system on one utterance."""

OF_UTTERANCE = ("speaker", "recording", "language", "reference", "audio", "offset_s", "duration_s", "n_words")
"""Columns that are the same in all rows of one utterance."""

OF_WORD = ("word", "reference_start_s", "reference_end_s")
"""Columns that are the same in the rows of one word for all systems."""

TIMES = ("offset_s", "duration_s", "reference_start_s", "reference_end_s", "start_s", "end_s", "start_error_s",
         "end_error_s", "confidence")  # fmt: skip

EDGES = ("start", "end")


def same_kind(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Tell whether values of a type can be those of a column: texts for texts, numbers for numbers, and so inside."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_null(found):
        return True
    if pa.types.is_list(wanted):
        is_list = pa.types.is_list(found) or pa.types.is_large_list(found)
        return bool(is_list and same_kind(found.value_type, wanted.value_type))
    if pa.types.is_struct(wanted):
        return bool(pa.types.is_struct(found)) and all(
            found.get_field_index(field.name) >= 0 and same_kind(found.field(field.name).type, field.type)
            for field in wanted
        )
    if pa.types.is_string(wanted):
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found))
    return bool(pa.types.is_integer(found) or pa.types.is_floating(found))


def check_rows(table: pa.Table, path: Path) -> None:
    """Raise if a row breaks a rule of the words table.

    Rows of an utterance follow each other, and so do those of a system on it, with one row per word in order. Rows of
    one word agree about it for all systems. Times are finite and in order. Errors are hypothesis minus reference.

    Parameters
    ----------
    table : pyarrow.Table
        In the schema of words tables.

    Raises
    ------
    InputError
        If it does; names the file, the utterance, the system and the word.
    """
    rows = _Rows(table, path)
    if len(table):
        rows.check_order()
        rows.check_finite()
        rows.check_agreement()
        rows.check_times()
        rows.check_inserted()


class _Rows:
    """The rows of a table, with the first row of each system on an utterance."""

    def __init__(self, table: pa.Table, path: Path) -> None:
        self.table = table.combine_chunks()
        self.path = path
        new_utterance = self._changes("utterance")
        self.new_block = np.logical_or.reduce([new_utterance, *(self._changes(name) for name in BLOCK[1:])])
        self.new_utterance = new_utterance
        self.first_of_utterance = self._first(new_utterance)
        self.index = self._numbers("word_index").astype(np.int64)

    def check_order(self) -> None:
        """One row per word, in order, and no utterance or system twice."""
        starts = np.flatnonzero(self.new_block)
        sizes = np.diff(starts, append=len(self.table))
        expected = np.arange(len(self.table)) - self._first(self.new_block)
        self._refuse(self.index != expected, lambda i: f"word_index is {self.index[i]}, not {expected[i]}")
        n_words, size = self._numbers("n_words"), np.repeat(sizes, sizes)
        self._refuse(n_words != size, lambda i: f"n_words is {n_words[i]:.0f}, but there are {size[i]} rows")
        for names, new, what in (
            (BLOCK[:1], self.new_utterance, "utterance"),
            (BLOCK, self.new_block, "system of this utterance"),
        ):
            first = np.flatnonzero(new)
            keys = list(zip(*(self.table.column(name).take(first).to_pylist() for name in names), strict=True))
            seen = set()
            for row, key in zip(first.tolist(), keys, strict=True):
                if key in seen:
                    self._raise(row, f"rows of one {what} do not follow each other")
                seen.add(key)

    def check_finite(self) -> None:
        """Numbers that are finite, or null."""
        for name in TIMES:
            values = self._numbers(name)
            wrong = _unusable(self.table.column(name))
            self._refuse(wrong, lambda i, name=name, values=values: f"{name} is {values[i]}")

    def check_agreement(self) -> None:
        """Rows of one utterance agree about it, and rows of one word about that."""
        of_word = self.first_of_utterance + self.index
        for names, model, what in (
            (OF_UTTERANCE, self.first_of_utterance, "the first row of the utterance"),
            (OF_WORD, of_word, "the first system"),
        ):
            for name in names:
                column = self.table.column(name)
                if not column.equals(column.take(pa.array(model))):
                    values, others = column.to_pylist(), column.take(pa.array(model)).to_pylist()
                    row = next(i for i, pair in enumerate(zip(values, others, strict=True)) if pair[0] != pair[1])
                    self._raise(row, f"{name} is {values[row]!r}, that of {what} is {others[row]!r}")

    def check_times(self) -> None:
        """Times in order, with errors that fit."""
        for name in ("offset_s", "duration_s"):
            values = self._numbers(name)
            self._refuse(values < 0, lambda i, name=name, values=values: f"{name} is {values[i]}")
        start_s, end_s = (self._numbers(f"reference_{edge}_s") for edge in EDGES)
        self._refuse(end_s < start_s, lambda i: f"the reference ends at {end_s[i]} s, and starts at {start_s[i]} s")
        for edge, reference_s in zip(EDGES, (start_s, end_s), strict=True):
            found_s, error_s = self._numbers(f"{edge}_s"), self._numbers(f"{edge}_error_s")
            expected = found_s - reference_s
            differs = ~np.isclose(error_s, expected, rtol=0, atol=ROUNDING_S, equal_nan=True)
            self._refuse(
                differs, lambda i, edge=edge, e=error_s, x=expected: f"{edge}_error_s is {e[i]}, not {x[i]} ({edge}_s)"
            )
        self._check_units()

    def _check_units(self) -> None:
        """Each start has its end, in its row or a later one of the same system before the next start."""
        start_s, end_s = self._numbers("start_s"), self._numbers("end_s")
        has_start, has_end = np.isfinite(start_s), np.isfinite(end_s)
        text = _bools(self.table.column("hypothesis").is_valid())
        self._refuse((has_start | has_end) & ~text, lambda _: "has times and no hypothesis")
        is_open = np.cumsum(has_start) - np.cumsum(has_end)
        before = is_open - has_start + has_end
        last = np.append(self.new_block[1:], True)
        wrong = (is_open < 0) | (has_start & (before != 0)) | (last & (is_open != 0))
        self._refuse(wrong, lambda _: "a start has no end, or an end has no start")
        first, end = np.flatnonzero(has_start), np.flatnonzero(has_end)
        reversed_ = np.zeros(len(self.table), dtype=np.bool_)
        reversed_[end[end_s[end] < start_s[first]]] = True
        self._refuse(reversed_, lambda i: f"end_s is {end_s[i]}, before its start")

    def check_inserted(self) -> None:
        """Inserted words have a text, and times that are finite and in order, or none."""
        column = self.table.column("inserted").combine_chunks()
        words, row = pc.list_flatten(column), np.asarray(pc.list_parent_indices(column), dtype=np.int64)
        text, start_s, end_s = (pc.struct_field(words, name) for name in ("word", "start_s", "end_s"))
        for wrong, problem in (
            (_bools(pc.or_(words.is_null(), text.is_null())), "an inserted word has no text"),
            (_unusable(start_s) | _unusable(end_s), "an inserted word has a time that is not finite"),
            (_floats(end_s) < _floats(start_s), "an inserted word ends before it starts"),
        ):
            of_row = np.zeros(len(self.table), dtype=np.bool_)
            of_row[row[wrong]] = True
            self._refuse(of_row, lambda _, problem=problem: problem)

    def _numbers(self, name: str) -> Floats:
        return _floats(self.table.column(name))

    def _changes(self, name: str) -> Bools:
        """Rows whose value differs from that of the row before; the first row is one."""
        column = self.table.column(name)
        if not len(column):
            return np.zeros(0, dtype=np.bool_)
        return np.append(True, _bools(pc.not_equal(column.slice(1), column.slice(0, len(column) - 1))))

    def _first(self, new: Bools) -> Ints:
        """For each row, the last row up to it that is new."""
        return np.maximum.accumulate(np.where(new, np.arange(len(new)), 0)) if len(new) else np.zeros(0, np.int64)

    def _refuse(self, wrong: Bools, problem: Any) -> None:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            self._raise(row, problem(row))

    def _raise(self, row: int, problem: str) -> None:
        utterance, source, align = (self.table.column(name)[row].as_py() for name in BLOCK)
        word = row - int(self._first(self.new_block)[row]) + 1
        raise InputError(f"{self.path}, utterance {utterance}, {source} | {align}, word {word}", problem, REMEDY)


def _floats(values: pa.Array | pa.ChunkedArray) -> Floats:
    """Numbers as float64; NaN where null."""
    return np.asarray(pc.fill_null(values.cast(pa.float64()), np.nan), dtype=np.float64)


def _bools(values: pa.Array | pa.ChunkedArray) -> Bools:
    return np.asarray(values, dtype=np.bool_)


def _unusable(values: pa.Array | pa.ChunkedArray) -> Bools:
    """Values that are NaN, infinite or beyond all times."""
    return _bools(values.is_valid()) & ~(np.abs(_floats(values)) <= LONGEST_S)
