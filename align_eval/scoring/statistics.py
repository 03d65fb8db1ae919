"""Intervals by resampling clusters: speakers, or recordings where there is one, never clips of one recording."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.metrics import Statistic

N_DRAWS = 2000
CONFIDENCE = 0.95

FEW_CLUSTERS = 10
"""Below that many effective clusters a percentile interval covers too little: it speaks of these recordings only."""


def cluster_rows(table: pa.Table) -> tuple[str, Ints]:
    """What to resample, and its number for each row of a words table.

    Returns
    -------
    kind : str
        ``speakers`` where every row names one and there are several; ``recordings`` where none does, or all are one's;
        ``speakers and recordings`` where some do: a row without a speaker then counts by its recording.
    cluster : int64[n_rows]
        From 0, in the order of names.
    """
    (speakers, speaker_of_row), (recordings, recording_of_row) = (coded(table, n) for n in ("speaker", "recording"))
    known = [speaker for speaker in speakers if speaker is not None]
    codes, of_row = np.unique(speaker_of_row * len(recordings) + recording_of_row, return_inverse=True)
    pairs = [(speakers[code // len(recordings)], recordings[code % len(recordings)]) for code in codes]
    if not known or (len(known) == 1 and None not in speakers):
        kind, names = "recordings", [("recording", recording) for _, recording in pairs]
    else:
        kind = "speakers and recordings" if None in speakers else "speakers"
        names = [("recording", r) if s is None else ("speaker", s) for s, r in pairs]
    number = {name: i for i, name in enumerate(sorted(set(names)))}
    return kind, np.array([number[name] for name in names], dtype=np.int64)[of_row]


def coded(table: pa.Table, column: str) -> tuple[list[str | None], Ints]:
    """The different texts of a column, and the number of each row's among them: no object a row."""
    encoded = pc.dictionary_encode(table.column(column).combine_chunks(), null_encoding="encode")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.dictionary.to_pylist(), np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def effective_clusters(words_per_cluster: Ints) -> float:
    """Kish's effective number, (sum n)^2 / sum n^2: what the clusters are worth, unequal as they are."""
    n = words_per_cluster.astype(np.float64)
    return float(n.sum() ** 2 / (n**2).sum()) if n.any() else 0.0


def draw_weights(n_clusters: int, seed: int) -> Floats:
    """How often each cluster is drawn in each bootstrap draw, ``(draw, cluster)``."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=N_DRAWS).astype(np.float64)


def estimate(statistic: Statistic, weights: Floats) -> tuple[float, float | None, float | None]:
    """Value and 95 % percentile interval; the interval is None with a single cluster.

    Draws in which the statistic has nothing to count are left out.
    """
    n_clusters = weights.shape[1]
    value = float(statistic.evaluate(np.ones((1, n_clusters)))[0])
    if n_clusters < 2:
        return value, None, None
    draws = statistic.evaluate(weights)
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return value, None, None
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return value, float(low), float(high)
