"""Intervals by resampling clusters: speakers, or recordings where there is one, never clips of one recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.metrics import Statistic

ClusterName = tuple[str | None, str]
"""Speaker, where that is known, and recording."""

CLUSTER_COLUMNS = ("speaker", "recording")

Drawn = npt.NDArray[Any]
"""How often each cluster is drawn, ``(draw, cluster)``, as numbers of any type."""

N_DRAWS = 2000
CONFIDENCE = 0.95

BLOCK_ENTRIES = 2**22
"""Weights as numbers that a statistic takes, of so many draws and clusters at once: 32 MB."""

BLOCK_ROWS = 16
"""Blocks are of a multiple of so many draws: products of a matrix take rows a few at a time, and what is left over at
the end by other sums, which may differ in their last bit."""

FEW_CLUSTERS = 10
"""Below that many effective clusters a percentile interval covers too little: it speaks of these recordings only."""


def cluster_rows(table: pa.Table) -> tuple[str, Ints]:
    """What to resample, as :func:`number_clusters` says, and its number for each row of a words table."""
    (speakers, speaker_of_row), (recordings, recording_of_row) = (coded(table, name) for name in CLUSTER_COLUMNS)
    codes = np.unique(speaker_of_row * len(recordings) + recording_of_row)
    kind, number_of = number_clusters(
        (speakers[code // len(recordings)], recordings[code % len(recordings)]) for code in codes
    )
    return kind, cluster_of_rows(table, number_of)


def number_clusters(names: Iterable[ClusterName]) -> tuple[str, dict[ClusterName, int]]:
    """What to resample, and its number for each speaker and recording.

    Returns
    -------
    kind : str
        ``speakers`` where every row names one and there are several; ``recordings`` where none does, or all are one's;
        ``speakers and recordings`` where some do: a row without a speaker then counts by its recording.
    number_of : mapping
        From 0, in the order of names.
    """
    every = list(names)
    speakers = {speaker for speaker, _ in every}
    known = speakers - {None}
    if not known or (len(known) == 1 and None not in speakers):
        kind, resampled = "recordings", [("recording", recording) for _, recording in every]
    else:
        kind = "speakers and recordings" if None in speakers else "speakers"
        resampled = [("recording", r) if s is None else ("speaker", s) for s, r in every]
    number = {name: i for i, name in enumerate(sorted(set(resampled)))}
    return kind, dict(zip(every, (number[name] for name in resampled), strict=True))


def cluster_of_rows(table: pa.Table, number_of: Mapping[ClusterName, int]) -> Ints:
    """The number of each row's cluster, by its speaker and recording."""
    (speakers, speaker_of_row), (recordings, recording_of_row) = (coded(table, name) for name in CLUSTER_COLUMNS)
    codes, of_row = np.unique(speaker_of_row * len(recordings) + recording_of_row, return_inverse=True)
    numbers = [number_of[speakers[code // len(recordings)], recordings[code % len(recordings)]] for code in codes]
    return np.array(numbers, dtype=np.int64)[of_row]


def coded(table: pa.Table, column: str) -> tuple[list[str | None], Ints]:
    """The different texts of a column, and the number of each row's among them: no object a row."""
    dictionary, codes = encoded(table, column)
    return dictionary.to_pylist(), codes


def encoded(table: pa.Table, column: str) -> tuple[pa.Array, Ints]:
    """As :func:`coded`, the texts as Arrow has them; they are in the order in which they first stand there."""
    found = pc.dictionary_encode(table.column(column).combine_chunks(), null_encoding="encode")
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    return found.dictionary, np.asarray(found.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def effective_clusters(words_per_cluster: Floats) -> float:
    """Kish's effective number, (sum n)^2 / sum n^2: what the clusters are worth, unequal as they are."""
    total = words_per_cluster.sum()
    return float(total**2 / (words_per_cluster**2).sum()) if total else 0.0


def draw_weights(n_clusters: int, seed: int) -> Drawn:
    """How often each cluster is drawn in each bootstrap draw, uint8 ``(draw, cluster)``.

    A byte a cluster and draw is enough: that one of n clusters is drawn 256 times among n has, for the n at which it
    could be, a chance of less than 1 in 256!, which is 10^-506.
    """
    rng = np.random.default_rng(seed)
    drawn = np.empty((N_DRAWS, n_clusters), dtype=np.uint8)
    for block in _blocks(drawn):  # the generator makes one draw after the other, however many are asked for
        block[:] = rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=len(block))
    return drawn


def evaluate_draws(statistic: Statistic, drawn: Drawn) -> Floats:
    """The statistic in each draw of ``(draw, cluster)`` weights, a block of draws at a time."""
    return np.concatenate([statistic.evaluate(block.astype(np.float64)) for block in _blocks(drawn)])


def estimate(statistic: Statistic, drawn: Drawn) -> tuple[float, float | None, float | None]:
    """Value and 95 % percentile interval; the interval is None with a single cluster.

    Draws in which the statistic has nothing to count are left out.
    """
    n_clusters = drawn.shape[1]
    value = float(statistic.evaluate(np.ones((1, n_clusters)))[0])
    if n_clusters < 2:
        return value, None, None
    draws = evaluate_draws(statistic, drawn)
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return value, None, None
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return value, float(low), float(high)


def _blocks(drawn: Drawn) -> Iterator[Drawn]:
    n_draws, n_clusters = drawn.shape
    size = max(1, BLOCK_ENTRIES // max(1, n_clusters) // BLOCK_ROWS) * BLOCK_ROWS
    for start in range(0, n_draws, size):
        yield drawn[start : start + size]
