"""Corpora with a planted answer, to test intervals and p-values.

A corpus has speakers of unequal numbers of boundaries. The signed error of a boundary, in ms, is a sum of normal
parts: noise of the reference and a shift of the speaker, both common to all systems; a constant bias and a shift of the
speaker that belong to the signal; and noise whose sd is the quality of the candidate, half of its variance shared by
the candidates of a signal (they read the same maps), half its own. All parts are independent of the numbers of
boundaries, so that the mean absolute error of a candidate is the mean of a folded normal distribution, whatever
the speakers; the noise for a planted mean follows from that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import erf, exp, hypot, pi, sqrt

import numpy as np
from scipy.optimize import brentq

from tests.helpers.leave_one_out import LeaveOneOut

REFERENCE_SD_MS = 20.0
SPEAKER_SD_MS = 10.0
SIGNAL_SPEAKER_SD_MS = 12.0
OWN_SHARE = 0.5


def folded_mean(bias_ms: float, sd_ms: float) -> float:
    """Mean of the absolute value of a normal number."""
    z = bias_ms / sd_ms
    return sd_ms * sqrt(2 / pi) * exp(-z * z / 2) + bias_ms * erf(z / sqrt(2))


@cache
def noise_for(mean_ms: float, bias_ms: float) -> float:
    """Sd of a candidate's own noise that makes its mean absolute error ``mean_ms``."""
    common = hypot(REFERENCE_SD_MS, SPEAKER_SD_MS, SIGNAL_SPEAKER_SD_MS)
    return float(brentq(lambda noise: folded_mean(bias_ms, hypot(common, noise)) - mean_ms, 0.0, 1000.0))


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal with its planted values: the mean absolute error of each of its candidates, and its bias."""

    means_ms: Sequence[float]
    bias_ms: float = 0.0


def corpus(
    signals: Sequence[Signal], rng: np.random.Generator, n_speakers: int = 40, shared: int = 0
) -> list[LeaveOneOut]:
    """One corpus as the statistic of each signal, over the same speakers and boundaries.

    A speaker has 2 to about 50 interior boundaries, 12 in the mean, a few speakers far more than most. The first
    ``shared`` candidates are the same maps in all signals (attention as it is, lambda 0): they get the same errors.
    """
    n_boundaries = 2 * (1 + rng.negative_binomial(2, 2 / 7, n_speakers))
    speaker = np.repeat(np.arange(n_speakers), n_boundaries)
    common = rng.normal(0.0, REFERENCE_SD_MS, len(speaker)) + rng.normal(0.0, SPEAKER_SD_MS, n_speakers)[speaker]
    same: list[np.ndarray] = []
    statistics = []
    for signal in signals:
        of_signal = signal.bias_ms + rng.normal(0.0, SIGNAL_SPEAKER_SD_MS, n_speakers)[speaker]
        together = rng.normal(0.0, 1.0, len(speaker))
        totals = []
        for candidate, mean_ms in enumerate(signal.means_ms):
            noise = sqrt(1 - OWN_SHARE) * together + sqrt(OWN_SHARE) * rng.normal(0.0, 1.0, len(speaker))
            error = np.abs(common + of_signal + noise_for(mean_ms, signal.bias_ms) * noise)
            if candidate < shared:
                same += [error] if len(same) == candidate else []
                error = same[candidate]
            totals.append(np.bincount(speaker, error, minlength=n_speakers))
        statistics.append(LeaveOneOut(np.array(totals), n_boundaries.astype(np.float64)))
    return statistics
