"""Recognised units of a system, from a words table, and recognition error counts.

A unit is a reference word, or several reference words that the system recognised as one stretch (see
:mod:`align_eval.formats.run.words_table`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from align_eval.scoring.boundaries import Bools, Floats, Ints, WordTimes
from align_eval.scoring.metrics import Statistic, mean_by
from align_eval.scoring.normaliser import comparable
from align_eval.scoring.protocols import Normaliser
from align_eval.scoring.statistics import encoded


@dataclass(frozen=True, slots=True)
class Recognition:
    """Units of one system under one kind of reference, one entry per unit.

    Attributes
    ----------
    times : WordTimes
        Times of each unit; NaN if nothing was recognised.
    texts, hypotheses : string[n]
        Texts of the reference and of the system; the system's is null if nothing was recognised.
    languages : string[n]
    utterance : int64[n]
        Number of the utterance, from 0.
    first_row : int64[n]
        Row of the unit's first reference word in the table; the unit has ``times.n_words`` rows.
    n_inserted : int64[n]
        Inserted hypothesis words at the unit.
    """

    times: WordTimes
    texts: pa.Array
    hypotheses: pa.Array
    languages: pa.Array
    utterance: Ints
    first_row: Ints
    n_inserted: Ints

    @property
    def is_paired(self) -> Bools:
        """Mask of the units with a hypothesis text and times, same or substituted."""
        return np.asarray(_bools(pc.is_valid(self.hypotheses)) & self.times.scored)

    def is_same(self, normaliser: Normaliser) -> Bools:
        """Mask of the paired units with the same text on both sides."""
        equal = pc.equal(self.texts, self.hypotheses)
        same = _bools(pc.fill_null(equal, False))
        different = np.flatnonzero(_bools(pc.fill_null(pc.invert(equal), False)))
        columns = (self.texts, self.hypotheses, self.languages)
        texts = zip(*(column.take(pa.array(different)).to_pylist() for column in columns), strict=True)
        same[different] = [_equal(text, hypothesis, language, normaliser) for text, hypothesis, language in texts]
        return np.asarray(same & self.times.scored)


COLUMNS = (
    "utterance", "word_index", "n_words", "word", "language", "reference_start_s", "reference_end_s",
    "start_s", "end_s", "hypothesis", "inserted",
)  # fmt: skip
"""Columns of a words table that :func:`recognition_of` reads, besides the columns of clusters."""


def recognition_of(table: pa.Table, cluster_of_row: Ints) -> Recognition:
    """Units of the rows of one system under one kind of reference, in the order of the rows.

    Parameters
    ----------
    table : pyarrow.Table
        Rows of a words table, with the columns :data:`COLUMNS`.
    cluster_of_row : int64[n_rows]
        See :func:`~align_eval.scoring.statistics.cluster_rows`.
    """
    _, utterance = encoded(table, "utterance")
    start_s, end_s = _floats(table, "start_s"), _floats(table, "end_s")
    first = np.flatnonzero(~_continues_unit(utterance, start_s, end_s, _bools(pc.is_valid(table.column("hypothesis")))))
    n_words = np.diff(first, append=len(table))
    last = first + n_words - 1
    index, n_of_utterance = (table.column(name).to_numpy() for name in ("word_index", "n_words"))
    inserted = np.asarray(pc.list_value_length(table.column("inserted")).to_numpy(), dtype=np.int64)
    return Recognition(
        times=WordTimes(
            reference_start_s=_floats(table, "reference_start_s")[first],
            reference_end_s=_floats(table, "reference_end_s")[last],
            start_s=start_s[first],
            end_s=end_s[last],
            is_first=index[first] == 0,
            is_last=index[last] == n_of_utterance[last] - 1,
            n_words=n_words,
            cluster=cluster_of_row[first],
        ),
        texts=_joined(table.column("word"), first, n_words),
        hypotheses=_taken(table.column("hypothesis"), last),
        languages=_taken(table.column("language"), first),
        utterance=utterance[first],
        first_row=first,
        n_inserted=np.add.reduceat(inserted, first) if len(first) else inserted,
    )


def _continues_unit(utterance: Ints, start_s: Floats, end_s: Floats, has_hypothesis: Bools) -> Bools:
    """Mask of the rows that continue the unit of the row before them.

    A row with a start but no end opens a unit. Following rows of the utterance with a hypothesis and no start continue
    it, up to the row with its end. A hypothesis without times has neither start nor end and opens no unit.
    """
    has_start, has_end = ~np.isnan(start_s), ~np.isnan(end_s)
    same_utterance = np.diff(utterance, prepend=-1) == 0
    can_continue = same_utterance & has_hypothesis & ~has_start
    opens_or_closes = ~can_continue | has_end  # other rows leave the unit as it is
    last_change = np.maximum.accumulate(np.where(opens_or_closes, np.arange(len(opens_or_closes)), 0))
    is_open = (has_start & ~has_end)[last_change]
    return np.asarray(can_continue & np.concatenate([[False], is_open[:-1]])[: len(is_open)])


def _joined(words: pa.ChunkedArray, first: Ints, n_words: Ints) -> pa.Array:
    """Text of each unit: its words joined by spaces."""
    texts = _taken(words, first)
    several = np.flatnonzero(n_words > 1)
    if not len(several):
        return texts
    joined = [" ".join(words.slice(first[i], n_words[i]).to_pylist()) for i in several]
    mask = np.zeros(len(first), dtype=np.bool_)
    mask[several] = True
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(joined, texts.type))


def _taken(column: pa.ChunkedArray, rows: Ints) -> pa.Array:
    taken = column.take(pa.array(rows))
    return taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken


def _floats(table: pa.Table, name: str) -> Floats:
    """A column of times, NaN for null."""
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)


def _bools(values: pa.Array | pa.ChunkedArray) -> Bools:
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return np.array(whole.to_numpy(zero_copy_only=False), dtype=np.bool_)


def only(times: WordTimes, kept: Bools) -> WordTimes:
    """Remove the times of the units outside the mask ``kept``; these count against coverage and nothing else."""
    missing = np.full(len(kept), np.nan)
    return replace(times, start_s=np.where(kept, times.start_s, missing), end_s=np.where(kept, times.end_s, missing))


def is_common(recognition: Recognition, recognised: Bools, in_all: Bools) -> Bools:
    """Mask of the recognised units whose reference words every system recognised.

    Parameters
    ----------
    recognised : bool[n_units]
    in_all : bool[n_rows]
        Reference words that every system recognised.
    """
    whole_unit = np.logical_and.reduceat(in_all, recognition.first_row)
    return np.asarray(recognised & whole_unit)


def per_row(recognition: Recognition, units: Bools) -> Bools:
    """Expand a mask ``bool[n_units]`` to one entry per reference word, ``bool[n_rows]``."""
    return np.repeat(units, recognition.times.n_words)


def recognition_metrics(
    recognition: Recognition, same: Bools, n_clusters: int
) -> Iterator[tuple[str, str, Statistic | int]]:
    """Yield (name, unit, count or statistic) of recognition errors, counted in units.

    The rate is per unit of the reference. It differs from the word error rate of published tables, which counts
    normalised words ("can not" as two).
    """
    paired, cluster = recognition.is_paired, recognition.times.cluster
    substituted, deleted = paired & ~same, ~paired
    yield "substituted", "words", int(substituted.sum())
    yield "deleted", "words", int(deleted.sum())
    yield "inserted", "words", int(recognition.n_inserted.sum())
    errors = substituted + deleted.astype(np.int64) + recognition.n_inserted
    yield "recognition_error_rate", "share", mean_by(cluster, errors, n_clusters)


def _equal(reference: str, hypothesis: str, language: str | None, normaliser: Normaliser) -> bool:
    if normaliser in ("letters", "whisper"):
        published = normaliser == "whisper"
        texts = (comparable(text, language, published=published) for text in (reference, hypothesis))
        return next(texts) == next(texts)
    if normaliser == "lower":
        return reference.casefold() == hypothesis.casefold()
    return reference == hypothesis
