"""Word boundaries as arrays: masks of those that count, and their calibration to the reference.

Interior boundaries leave out the first start and the last end of each utterance. A path from corner to corner fixes the
first start at the start of the audio, and both depend on how tightly the clip was cut.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WordTimes:
    """Times in seconds of one system's words and their reference, one array entry per unit; NaN if missing.

    Attributes
    ----------
    reference_start_s, reference_end_s : float64[n]
    start_s, end_s : float64[n]
        Times of the system.
    is_first, is_last : bool[n]
        First and last unit of the utterance.
    n_words : int64[n]
        Reference words of the unit: several if the system divides the same speech into other words.
    cluster : int64[n]
        Number from 0 of the speaker or recording that is resampled.
    """

    reference_start_s: Floats
    reference_end_s: Floats
    start_s: Floats
    end_s: Floats
    is_first: Bools
    is_last: Bools
    n_words: Ints
    cluster: Ints

    @property
    def scored(self) -> Bools:
        """Mask of the units with times."""
        return np.isfinite(self.start_s) & np.isfinite(self.end_s)


def counted(times: WordTimes, boundaries: str) -> tuple[Bools, Bools]:
    """Masks of the starts and of the ends that count, ``bool[n]`` each, for ``all`` or ``interior`` boundaries."""
    scored = times.scored
    if boundaries == "interior":
        return scored & ~times.is_first, scored & ~times.is_last
    return scored, scored


def calibrated(times: WordTimes, boundaries: str) -> WordTimes | None:
    """Shift each cluster's words by the median error of the other clusters, separately for starts and ends.

    If the shift would put the end of a word before its start, both move to their midpoint. None if some cluster has no
    other cluster with boundaries.
    """
    starts, ends = counted(times, boundaries)
    n_clusters = int(times.cluster.max()) + 1 if len(times.cluster) else 0
    shifted = []
    for mask, times_s, reference_s in (
        (starts, times.start_s, times.reference_start_s),
        (ends, times.end_s, times.reference_end_s),
    ):
        bias_s = medians_of_others((times_s - reference_s)[mask], times.cluster[mask], n_clusters)[times.cluster]
        if np.isnan(bias_s).any():
            return None
        shifted.append(times_s - bias_s)
    start_s, end_s = shifted
    crossed = start_s > end_s
    middle = (start_s + end_s)[crossed] / 2
    start_s[crossed] = end_s[crossed] = middle
    return replace(times, start_s=start_s, end_s=end_s)


def medians_of_others(values: Floats, cluster: Ints, n_clusters: int) -> Floats:
    """Median of the values of all other clusters, for each cluster.

    The values are sorted once for all clusters: the middle of the other clusters' values follows from the ranks of the
    cluster's values.

    Parameters
    ----------
    values : float64[n]
    cluster : int64[n]
        Cluster of each value, from 0 to ``n_clusters`` - 1.

    Returns
    -------
    float64[n_clusters]
        NaN if no other cluster has values.
    """
    order = np.argsort(values, kind="stable")
    ordered, of_rank = values[order], cluster[order]
    rank = np.argsort(of_rank, kind="stable")  # of the values of the first cluster, rising, then of the next
    of = of_rank[rank]
    sizes = np.bincount(cluster, minlength=n_clusters)
    n_others, n_before = len(values) - sizes, np.cumsum(sizes) - sizes
    n_others_below = rank - (np.arange(len(values)) - n_before[of])
    medians, defined = np.full(n_clusters, np.nan), n_others > 0
    middle = np.stack([(n_others - 1) // 2, n_others // 2])  # among the values of others, (2, cluster)
    n_own_below = np.stack([np.bincount(of[n_others_below <= m[of]], minlength=n_clusters) for m in middle])
    medians[defined] = ordered[(middle + n_own_below)[:, defined]].mean(axis=0)
    return medians
