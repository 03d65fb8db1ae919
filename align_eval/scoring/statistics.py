"""Bootstrap intervals over clusters: speakers, or recordings if there is one speaker, never clips of a recording."""

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
"""Speaker, if known, and recording."""

CLUSTER_COLUMNS = ("speaker", "recording")

Drawn = npt.NDArray[Any]
"""Number of times that each cluster is drawn, ``(draw, cluster)``, of any numeric type."""

N_DRAWS = 2000
CONFIDENCE = 0.95

BLOCK_ENTRIES = 2**22
"""Weights (draws times clusters) that are converted to float64 at once: 32 MB."""

BLOCK_ROWS = 16
"""Blocks are multiples of this many draws. Matrix products sum a few rows at a time and the remaining rows in another
order, which can change the last bit."""

FEW_CLUSTERS = 10
"""Below this many effective clusters an interval describes only these recordings."""

FEWEST_CLUSTERS = 5
"""Below this many effective clusters there is neither interval nor test: their spread cannot be told from so few."""


def cluster_rows(table: pa.Table) -> tuple[str, Ints]:
    """Number the clusters of a words table.

    Returns
    -------
    kind : str
        See :func:`number_clusters`.
    cluster_of_row : int64[n_rows]
    """
    (speakers, speaker_of_row), (recordings, recording_of_row) = (coded(table, name) for name in CLUSTER_COLUMNS)
    codes = np.unique(speaker_of_row * len(recordings) + recording_of_row)
    kind, number_of = number_clusters(
        (speakers[code // len(recordings)], recordings[code % len(recordings)]) for code in codes
    )
    return kind, cluster_of_rows(table, number_of)


def number_clusters(names: Iterable[ClusterName]) -> tuple[str, dict[ClusterName, int]]:
    """Choose the unit of resampling and number its clusters.

    Returns
    -------
    kind : str
        ``speakers`` if there are several and all are known; ``recordings`` if none is known or there is only one;
        ``speakers and recordings`` if some are known: a row without a speaker then belongs to its recording.
    number_of : mapping
        From (speaker, recording) to the number of the cluster, from 0, sorted by name.
    """
    pairs = list(names)
    speakers = {speaker for speaker, _ in pairs}
    named = speakers - {None}
    if not named or (len(named) == 1 and None not in speakers):
        kind, clusters = "recordings", [("recording", recording) for _, recording in pairs]
    else:
        kind = "speakers and recordings" if None in speakers else "speakers"
        clusters = [("recording", r) if s is None else ("speaker", s) for s, r in pairs]
    number = {name: i for i, name in enumerate(sorted(set(clusters)))}
    return kind, dict(zip(pairs, (number[name] for name in clusters), strict=True))


def cluster_of_rows(table: pa.Table, number_of: Mapping[ClusterName, int]) -> Ints:
    """Number of each row's cluster, ``int64[n_rows]``, from its speaker and recording."""
    (speakers, speaker_of_row), (recordings, recording_of_row) = (coded(table, name) for name in CLUSTER_COLUMNS)
    codes, of_row = np.unique(speaker_of_row * len(recordings) + recording_of_row, return_inverse=True)
    numbers = [number_of[speakers[code // len(recordings)], recordings[code % len(recordings)]] for code in codes]
    return np.array(numbers, dtype=np.int64)[of_row]


def coded(table: pa.Table, column: str) -> tuple[list[str | None], Ints]:
    """Distinct values of a column, and the index of each row's value, without a Python object per row."""
    dictionary, codes = encoded(table, column)
    return dictionary.to_pylist(), codes


def encoded(table: pa.Table, column: str) -> tuple[pa.Array, Ints]:
    """As :func:`coded`, with the distinct values as an Arrow array, in the order of first occurrence."""
    array = pc.dictionary_encode(table.column(column).combine_chunks(), null_encoding="encode")
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return array.dictionary, np.asarray(array.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def effective_clusters(counts: Floats) -> float:
    """Kish's effective number of clusters of unequal size, (sum n)^2 / sum n^2.

    Sizes are numbers of scored entries (words, boundaries, utterances): a cluster of none is no cluster.
    """
    total = counts.sum()
    return float(total**2 / (counts**2).sum()) if total else 0.0


def are_enough(counts: Floats) -> bool:
    """True if clusters of these numbers of scored entries suffice for an interval or a test."""
    return effective_clusters(counts) >= FEWEST_CLUSTERS


def draw_weights(n_clusters: int, seed: int) -> Drawn:
    """Number of times that each cluster is drawn, ``uint8[n_draws, n_clusters]``, in each bootstrap draw.

    One byte is enough: the probability that a cluster is drawn 256 times among n is below 1 / 256!, about 10^-506.
    """
    rng = np.random.default_rng(seed)
    drawn = np.empty((N_DRAWS, n_clusters), dtype=np.uint8)
    for block in _blocks(drawn):  # the generator makes draws one by one, so blocks do not change them
        block[:] = rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=len(block))
    return drawn


def evaluate_draws(statistic: Statistic, drawn: Drawn) -> Floats:
    """Value of the statistic in each draw, ``float64[n_draws]``, computed in blocks of draws."""
    return np.concatenate([statistic.evaluate(block.astype(np.float64)) for block in _blocks(drawn)])


def _blocks(drawn: Drawn) -> Iterator[Drawn]:
    n_draws, n_clusters = drawn.shape
    size = max(1, BLOCK_ENTRIES // max(1, n_clusters) // BLOCK_ROWS) * BLOCK_ROWS
    for start in range(0, n_draws, size):
        yield drawn[start : start + size]
