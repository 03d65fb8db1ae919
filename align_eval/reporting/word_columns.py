"""The words of a run as columns, one entry per reference word, and their order of interest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from align_eval.reporting.run_view import number_systems
from align_eval.scoring.boundaries import Floats, Ints
from align_eval.units import MS_PER_S

UTTERANCE_COLUMNS = (
    "utterance",
    "speaker",
    "recording",
    "reference",
    "language",
    "audio",
    "offset_s",
    "duration_s",
)


@dataclass(frozen=True, slots=True)
class WordColumns:
    """Columns of a words table, in its order.

    Attributes
    ----------
    start_s, end_s
        Reference times, ``float64[n_words]``, in seconds from the start of the recording.
    errors_s
        Signed errors by system, ``float64[2, n_words]``: starts, then ends; in seconds, NaN without a time.
    recognised
        Words that the first system recognised; None if all equal the reference.
    utterance_rows
        Utterance-level columns of the table, by utterance.
    """

    utterance: tuple[str, ...]
    index: tuple[int, ...]
    n_words: tuple[int, ...]
    text: tuple[str, ...]
    start_s: Floats
    end_s: Floats
    errors_s: Mapping[str, Floats]
    recognised: tuple[str | None, ...] | None
    utterance_rows: Mapping[str, Mapping[str, Any]]

    def error_ms(self, system: str | None, *, interior: bool = False) -> Floats:
        """Mean absolute error of the timed boundaries of each word.

        Parameters
        ----------
        interior
            Leave out the first start and the last end of each utterance.

        Returns
        -------
        float64[n_words]
            In ms; NaN for a word without a timed boundary.
        """
        if system is None:
            return np.full(len(self.text), np.nan)
        errors = np.abs(self.errors_s[system]) * MS_PER_S
        if interior:
            index, n_words = np.array(self.index), np.array(self.n_words)
            errors = np.where(np.stack([index == 0, index == n_words - 1]), np.nan, errors)
        return _mean_of_finite(errors)

    def apart_ms(self, first: str | None, second: str | None) -> Floats:
        """Mean distance between two systems' boundaries of each word.

        Returns
        -------
        float64[n_words]
            In ms; NaN for a word without a boundary that both systems time.
        """
        if first is None or second is None:
            return np.full(len(self.text), np.nan)
        return _mean_of_finite(np.abs(self.errors_s[first] - self.errors_s[second]) * MS_PER_S)


def word_columns(words: pa.Table) -> WordColumns:
    """Read the columns of a words table.

    Every system has the same words in its utterances.
    """
    pairs = list(zip(words.column("source").to_pylist(), words.column("align").to_pylist(), strict=True))
    word_of_row, first_rows = _number_words(words)
    errors = np.stack([_column(words, f"{edge}_error_s") for edge in ("start", "end")])
    errors_s: dict[str, Floats] = {}
    system_of_row, systems = number_systems(pairs)
    for i, pair in enumerate(systems):
        mask = system_of_row == i
        system_errors = np.full((2, len(first_rows)), np.nan)
        system_errors[:, word_of_row[mask]] = errors[:, mask]
        errors_s[" | ".join(pair)] = system_errors
    table = words.take(first_rows)
    text = tuple(table.column("word").to_pylist())
    recognised = tuple(table.column("hypothesis").to_pylist())
    same = all(word is None or word == reference for word, reference in zip(recognised, text, strict=True))
    return WordColumns(
        utterance=tuple(table.column("utterance").to_pylist()),
        index=tuple(table.column("word_index").to_pylist()),
        n_words=tuple(table.column("n_words").to_pylist()),
        text=text,
        start_s=_column(table, "reference_start_s"),
        end_s=_column(table, "reference_end_s"),
        errors_s=errors_s,
        recognised=None if same else recognised,
        utterance_rows={row["utterance"]: row for row in table.select(UTTERANCE_COLUMNS).to_pylist()},
    )


def rank_words(columns: WordColumns, first: str | None, second: str | None) -> list[int]:
    """Rank all words by interest.

    The ranking takes in turn the word with the largest error of the first system, that with the largest error of the
    second, and that on which the two are farthest apart. Words without any time come last.

    Returns
    -------
    list of int
        Numbers of the words in ``columns``, the most interesting first.
    """
    criteria = (columns.error_ms(first), columns.error_ms(second), columns.apart_ms(first, second))
    rankings = [np.argsort(-np.nan_to_num(values, nan=-1.0), kind="stable").tolist() for values in criteria]
    return list(dict.fromkeys(word for turn in zip(*rankings, strict=True) for word in turn))


def _number_words(words: pa.Table) -> tuple[Ints, list[int]]:
    """The number of each row's word, in order of appearance, and the first row of each word."""
    number: dict[tuple[str, int], int] = {}
    first_rows: list[int] = []
    word_of_row = np.empty(len(words), dtype=np.int64)
    ids, indices = words.column("utterance").to_pylist(), words.column("word_index").to_pylist()
    for row, key in enumerate(zip(ids, indices, strict=True)):
        if key not in number:
            number[key] = len(number)
            first_rows.append(row)
        word_of_row[row] = number[key]
    return word_of_row, first_rows


def _mean_of_finite(values: Floats) -> Floats:
    """Mean over the first axis, without NaN; NaN if nothing is left."""
    n = np.isfinite(values).sum(axis=0)
    return np.asarray(np.divide(np.nansum(values, axis=0), n, out=np.full(values.shape[1], np.nan), where=n > 0))


def _column(table: pa.Table, name: str) -> Floats:
    return np.asarray(pc.cast(table.column(name), pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
