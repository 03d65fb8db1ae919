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
    start_s, end_s = times.start_s.copy(), times.end_s.copy()
    for cluster in np.unique(times.cluster):
        own = times.cluster == cluster
        if not ((starts & ~own).any() and (ends & ~own).any()):
            return None
        start_s[own] -= np.median((times.start_s - times.reference_start_s)[starts & ~own])
        end_s[own] -= np.median((times.end_s - times.reference_end_s)[ends & ~own])
    crossed = start_s > end_s
    middle = (start_s + end_s)[crossed] / 2
    start_s[crossed] = end_s[crossed] = middle
    return replace(times, start_s=start_s, end_s=end_s)
