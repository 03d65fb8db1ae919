"""Boundaries of words as arrays: which ones count, and calibrated to the reference.

Interior boundaries leave out each utterance's first start and last end: a path from corner to corner pins the first
start to the start of the audio, and both depend on how tightly a clip was cut rather than on telling words apart.
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
    """Words of one system under one kind of reference, one array entry a word; times in seconds, NaN where missing.

    ``n_words`` is how many reference words an entry stands for: several where a system divides the same speech
    otherwise. ``cluster`` numbers what is resampled (speakers or recordings) from 0.
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
        """Words that the system gave times."""
        return np.isfinite(self.start_s) & np.isfinite(self.end_s)


def counted(times: WordTimes, boundaries: str) -> tuple[Bools, Bools]:
    """Masks of the starts and of the ends that count, for ``all`` or ``interior`` boundaries."""
    scored = times.scored
    if boundaries == "interior":
        return scored & ~times.is_first, scored & ~times.is_last
    return scored, scored


def calibrated(times: WordTimes, boundaries: str) -> WordTimes | None:
    """Each cluster's words moved by the median error of the other clusters, starts and ends apart.

    A word that would end before it starts gets both boundaries at their middle. None where there is no other cluster
    to learn from.
    """
    starts, ends = counted(times, boundaries)
    n_clusters = int(times.cluster.max()) + 1 if len(times.cluster) else 0
    moved = []
    for kept, found_s, reference_s in (
        (starts, times.start_s, times.reference_start_s),
        (ends, times.end_s, times.reference_end_s),
    ):
        bias_s = medians_of_others((found_s - reference_s)[kept], times.cluster[kept], n_clusters)[times.cluster]
        if np.isnan(bias_s).any():
            return None
        moved.append(found_s - bias_s)
    start_s, end_s = moved
    crossed = start_s > end_s
    middle = (start_s + end_s)[crossed] / 2
    start_s[crossed] = end_s[crossed] = middle
    return replace(times, start_s=start_s, end_s=end_s)


def medians_of_others(values: Floats, cluster: Ints, n_clusters: int) -> Floats:
    """Median of the values of all other clusters, for each cluster; NaN where no other has any.

    All is sorted once; what is in the middle of the others follows from the places of a cluster's own values.
    """
    order = np.argsort(values, kind="stable")
    ordered, place = values[order], np.empty(len(values), dtype=np.int64)
    place[order] = np.arange(len(values))
    by_cluster = np.lexsort((place, cluster))
    places = np.split(place[by_cluster], np.cumsum(np.bincount(cluster, minlength=n_clusters))[:-1])
    medians = np.full(n_clusters, np.nan)
    for i, own in enumerate(places):
        n_others = len(values) - len(own)
        if n_others:
            middle = np.array([(n_others - 1) // 2, n_others // 2])
            n_before = np.searchsorted(own - np.arange(len(own)), middle, side="right")  # own values below either
            medians[i] = ordered[middle + n_before].mean()
    return medians
