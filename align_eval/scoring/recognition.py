"""What a system recognised where, from a words table: which words count, and how many errors it made.

The entries are units: a reference word, or the reference words that the system recognised as one stretch (see
:mod:`align_eval.formats.words_table`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from align_eval.scoring.boundaries import Bools, Ints, WordTimes
from align_eval.scoring.metrics import Ratio, Statistic
from align_eval.scoring.normaliser import comparable
from align_eval.scoring.protocols import Normaliser


@dataclass(frozen=True, slots=True)
class Recognition:
    """Units of one system under one kind of reference, one entry a unit.

    Attributes
    ----------
    times : WordTimes
        Of every unit; NaN where nothing was recognised.
    texts : tuple of (str, str or None)
        Reference and hypothesis text.
    languages : tuple of str or None
    utterance : int64[n]
        Number of its utterance, from 0.
    first_row : int64[n]
        Number of its first reference word among those of the table; ``times.n_words`` says how many follow.
    n_inserted : int64[n]
        Hypothesis words that stand there and are paired with nothing.
    """

    times: WordTimes
    texts: tuple[tuple[str, str | None], ...]
    languages: tuple[str | None, ...]
    utterance: Ints
    first_row: Ints
    n_inserted: Ints

    @property
    def is_paired(self) -> Bools:
        """Units that have a hypothesis text and its times, whatever it is."""
        said = np.array([hypothesis is not None for _, hypothesis in self.texts], dtype=np.bool_)
        return np.asarray(said & self.times.scored)

    def is_same(self, normaliser: Normaliser) -> Bools:
        """Paired units whose two texts are the same."""
        same = [
            hypothesis is not None and (reference == hypothesis or _equal(reference, hypothesis, language, normaliser))
            for (reference, hypothesis), language in zip(self.texts, self.languages, strict=True)
        ]
        return np.asarray(np.array(same, dtype=np.bool_) & self.times.scored)


def recognition_of(table: pa.Table, cluster_of_row: Ints) -> Recognition:
    """Units of a part of a words table that holds one system and one kind of reference, in the order of its rows."""
    names = ("utterance", "word_index", "n_words", "word", "hypothesis", "language", "start_s", "end_s")
    columns = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    starts: list[int] = []  # first row of each unit
    open_in: str | None = None  # utterance of a unit that has a start and not yet an end
    texts: list[tuple[str, str | None]] = []
    languages: list[str | None] = []
    utterances: list[str] = []
    is_last: list[bool] = []
    for row, (utterance, index, n_words, word, hypothesis, language, start_s, end_s) in enumerate(columns):
        if open_in == utterance and hypothesis is not None and start_s is None:
            texts[-1] = (f"{texts[-1][0]} {word}", hypothesis)
            is_last[-1] = index == n_words - 1
        else:
            starts.append(row)
            texts.append((word, hypothesis))
            languages.append(language)
            utterances.append(utterance)
            is_last.append(index == n_words - 1)
        open_in = utterance if hypothesis is not None and end_s is None else None

    def column(name: str, rows: Ints) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.asarray(table.column(name).to_numpy(zero_copy_only=False), dtype=np.float64)[rows]

    first = np.array(starts, dtype=np.int64)
    n_words_of = np.diff(first, append=len(table))
    last = first + n_words_of - 1
    inserted = np.array([len(words) for words in table.column("inserted").to_pylist()], dtype=np.int64)
    number = {utterance: i for i, utterance in enumerate(dict.fromkeys(utterances))}
    return Recognition(
        times=WordTimes(
            reference_start_s=column("reference_start_s", first),
            reference_end_s=column("reference_end_s", last),
            start_s=column("start_s", first),
            end_s=column("end_s", last),
            is_first=column("word_index", first) == 0,
            is_last=np.array(is_last, dtype=np.bool_),
            n_words=n_words_of,
            cluster=cluster_of_row[first],
        ),
        texts=tuple(texts),
        languages=tuple(languages),
        utterance=np.array([number[u] for u in utterances], dtype=np.int64),
        first_row=first,
        n_inserted=np.add.reduceat(inserted, first) if len(first) else inserted,
    )


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
    yield (
        "recognition_error_rate",
        "share",
        Ratio(
            np.bincount(cluster, errors, minlength=n_clusters).astype(np.float64),
            np.bincount(cluster, minlength=n_clusters).astype(np.float64),
        ),
    )


def _equal(reference: str, hypothesis: str, language: str | None, normaliser: Normaliser) -> bool:
    if normaliser == "whisper":
        return comparable(reference, language) == comparable(hypothesis, language)
    if normaliser == "lower":
        return reference.casefold() == hypothesis.casefold()
    return reference == hypothesis
