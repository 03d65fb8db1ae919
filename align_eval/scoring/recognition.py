"""What a system recognised where, from a words table: which words count, and how many errors it made.

The entries are units: a reference word, or the reference words that the system recognised as one stretch (see
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
    """Units of one system under one kind of reference, one entry a unit.

    Attributes
    ----------
    times : WordTimes
        Of every unit; NaN where nothing was recognised.
    texts, hypotheses : string[n]
        Text of the reference, and of what was recognised there; null where that is nothing.
    languages : string[n]
    utterance : int64[n]
        Number of its utterance, from 0.
    first_row : int64[n]
        Number of its first reference word among those of the table; ``times.n_words`` says how many follow.
    n_inserted : int64[n]
        Hypothesis words that stand there and are paired with nothing.
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
        """Units that have a hypothesis text and its times, whatever it is."""
        return np.asarray(_bools(pc.is_valid(self.hypotheses)) & self.times.scored)

    def is_same(self, normaliser: Normaliser) -> Bools:
        """Paired units whose two texts are the same."""
        equal = pc.equal(self.texts, self.hypotheses)
        same = _bools(pc.fill_null(equal, False))
        different = np.flatnonzero(_bools(pc.fill_null(pc.invert(equal), False)))
        columns = (self.texts, self.hypotheses, self.languages)
        texts = zip(*(column.take(pa.array(different)).to_pylist() for column in columns), strict=True)
        same[different] = [_equal(reference, said, language, normaliser) for reference, said, language in texts]
        return np.asarray(same & self.times.scored)


COLUMNS = (
    "utterance", "word_index", "n_words", "word", "language", "reference_start_s", "reference_end_s",
    "start_s", "end_s", "hypothesis", "inserted",
)  # fmt: skip
"""What of a words table says what was recognised where."""


def recognition_of(table: pa.Table, cluster_of_row: Ints) -> Recognition:
    """Units of a part of a words table that holds one system and one kind of reference, in the order of its rows."""
    _, utterance = encoded(table, "utterance")
    start_s, end_s = _floats(table, "start_s"), _floats(table, "end_s")
    first = np.flatnonzero(~_goes_on(utterance, start_s, end_s, _bools(pc.is_valid(table.column("hypothesis")))))
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


def _goes_on(utterance: Ints, start_s: Floats, end_s: Floats, is_said: Bools) -> Bools:
    """Which rows are not the first of their unit: a unit is open, in their utterance, and they have no start.

    A unit is open after a row that has its start and not its end, and after those that go on with it. What is said
    without times has neither start nor end, and opens nothing.
    """
    has_start, has_end = ~np.isnan(start_s), ~np.isnan(end_s)
    follows = np.diff(utterance, prepend=-1) == 0
    may_go_on = follows & is_said & ~has_start
    decides = ~may_go_on | has_end  # whether a unit is open afterwards; the other rows leave it as it is
    last_that_decides = np.maximum.accumulate(np.where(decides, np.arange(len(decides)), 0))
    is_open = (has_start & ~has_end)[last_that_decides]
    return np.asarray(may_go_on & np.concatenate([[False], is_open[:-1]])[: len(is_open)])


def _joined(words: pa.ChunkedArray, first: Ints, n_words: Ints) -> pa.Array:
    """The text of each unit: its words with a space between."""
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
    """A column of times, NaN where there is none."""
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)


def _bools(values: pa.Array | pa.ChunkedArray) -> Bools:
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return np.array(whole.to_numpy(zero_copy_only=False), dtype=np.bool_)


def only(times: WordTimes, kept: Bools) -> WordTimes:
    """The words, of which those that are not kept have no times: they count against coverage and nothing else."""
    nowhere = np.full(len(kept), np.nan)
    return replace(times, start_s=np.where(kept, times.start_s, nowhere), end_s=np.where(kept, times.end_s, nowhere))


def is_common(recognition: Recognition, recognised: Bools, in_all: Bools) -> Bools:
    """Units that were recognised and all of whose reference words are in ``in_all``, one entry a row of the table."""
    whole = np.logical_and.reduceat(in_all, recognition.first_row)
    return np.asarray(recognised & whole)


def rows_of(recognition: Recognition, units: Bools) -> Bools:
    """One entry a reference word: whether its unit is among those."""
    return np.repeat(units, recognition.times.n_words)


def recognition_metrics(
    recognition: Recognition, same: Bools, n_clusters: int
) -> Iterator[tuple[str, str, Statistic | int]]:
    """Yield (name, unit, count or statistic) of the errors of recognition, counted in units.

    The rate is of the reference's units; it is not the word error rate of published tables, which counts normalised
    words ("can not" as two).
    """
    paired, cluster = recognition.is_paired, recognition.times.cluster
    substituted, deleted = paired & ~same, ~paired
    yield "substituted", "words", int(substituted.sum())
    yield "deleted", "words", int(deleted.sum())
    yield "inserted", "words", int(recognition.n_inserted.sum())
    errors = substituted + deleted.astype(np.int64) + recognition.n_inserted
    yield "recognition_error_rate", "share", mean_by(cluster, errors, n_clusters)


def _equal(reference: str, hypothesis: str, language: str | None, normaliser: Normaliser) -> bool:
    if normaliser == "whisper":
        return comparable(reference, language) == comparable(hypothesis, language)
    if normaliser == "lower":
        return reference.casefold() == hypothesis.casefold()
    return reference == hypothesis
