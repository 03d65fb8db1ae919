"""Intervals by resampling clusters: speakers, or recordings where there is one, never clips of one recording."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.metrics import Median, Ratio

N_DRAWS = 2000
CONFIDENCE = 0.95

FEW_CLUSTERS = 10
"""Below that many effective clusters a percentile interval covers too little: it speaks of these recordings only."""


def cluster_rows(table: pa.Table) -> tuple[str, Ints]:
    """What to resample, and its number for each row of a words table.

    Returns
    -------
    kind : str
        ``speakers`` where every row names one and there are several, else ``recordings``.
    cluster : int64[n_rows]
        From 0, in the order of names.
    """
    speakers = table.column("speaker")
    by_speaker = speakers.null_count == 0 and len(speakers.unique()) > 1
    names = speakers if by_speaker else table.column("recording")
    _, cluster = np.unique(np.asarray(names.to_pylist(), dtype=np.str_), return_inverse=True)
    return ("speakers" if by_speaker else "recordings"), cluster.astype(np.int64)


def effective_clusters(words_per_cluster: Ints) -> float:
    """Kish's effective number, (sum n)^2 / sum n^2: what the clusters are worth, unequal as they are."""
    n = words_per_cluster.astype(np.float64)
    return float(n.sum() ** 2 / (n**2).sum()) if n.any() else 0.0


def draw_weights(n_clusters: int, seed: int) -> Floats:
    """How often each cluster is drawn in each bootstrap draw, ``(draw, cluster)``."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=N_DRAWS).astype(np.float64)


def estimate(statistic: Ratio | Median, weights: Floats) -> tuple[float, float | None, float | None]:
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
