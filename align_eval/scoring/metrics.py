"""Metrics of word boundaries, each as per-cluster sufficient statistics.

A metric is either a ratio of sums (a mean, a share) or a median. Both are computed from weights a cluster, so that a
value (all weights one) and the draws of its bootstrap interval are the same function of the same numbers.

Word boundary error (WBE) is the mean over boundaries of the absolute error; over all boundaries that is the mean over
words of (abs start error + abs end error) / 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from align_eval.scoring.boundaries import Floats, Ints, WordTimes, counted
from align_eval.scoring.clusters import count_by, sum_by
from align_eval.units import MS_PER_S

TOLERANCES_MS = (10, 20, 25, 50, 100, 200)

ROUNDING_S = 1e-9
"""Times are sums of binary fractions: an error of exactly 50 ms must count as within 50 ms."""

CHUNK = 2**17
"""Array entries handled at once."""


class Statistic(Protocol):
    """A value for every weighting of the clusters: what an interval is made from."""

    def evaluate(self, weights: Floats) -> Floats:
        """Value for each row of ``(draw, cluster)`` weights."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Sum of ``numerator`` over sum of ``denominator``, both one entry a cluster."""

    numerator: Floats
    denominator: Floats

    def evaluate(self, weights: Floats) -> Floats:
        """Value for each row of ``(draw, cluster)`` weights; NaN where nothing is left to divide by."""
        total = weights @ self.denominator
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(total > 0, (weights @ self.numerator) / total, np.nan))


def mean_by(cluster: Ints, values: npt.ArrayLike, n_clusters: int) -> Ratio:
    """Mean of values, as their sum and their number in each cluster."""
    return Ratio(sum_by(cluster, values, n_clusters), count_by(cluster, n_clusters))


@dataclass(frozen=True, slots=True)
class Median:
    """Median of ``values``, each of which belongs to a cluster."""

    values: Floats
    cluster: Ints

    def evaluate(self, weights: Floats) -> Floats:
        """Weighted median for each row of ``(draw, cluster)`` weights; the middle of the two where it falls between."""
        order = np.argsort(self.values, kind="stable")
        values, cluster = self.values[order], self.cluster[order]
        medians = np.full(len(weights), np.nan)
        for rows in chunks(len(weights), len(values)) if len(values) else ():
            below = np.cumsum(weights[rows][:, cluster], axis=1)  # (draw, value)
            half = below[:, -1:] / 2
            low, high = (below < half).sum(axis=1), (below <= half).sum(axis=1)
            middle = (values[np.minimum(low, len(values) - 1)] + values[np.minimum(high, len(values) - 1)]) / 2
            medians[rows] = np.where(half[:, 0] > 0, middle, np.nan)
        return medians


@dataclass(frozen=True, slots=True)
class MeanOf:
    """Mean of statistics: a baseline over its random orders."""

    parts: Sequence[Statistic]

    def evaluate(self, weights: Floats) -> Floats:
        """Value for each row of ``(draw, cluster)`` weights."""
        return np.asarray(np.mean([part.evaluate(weights) for part in self.parts], axis=0))


@dataclass(frozen=True, slots=True)
class Difference:
    """One statistic minus another, paired: in every draw both see the same clusters."""

    of: Statistic
    minus: Statistic

    def evaluate(self, weights: Floats) -> Floats:
        """Value for each row of ``(draw, cluster)`` weights."""
        return np.asarray(self.of.evaluate(weights) - self.minus.evaluate(weights))


@dataclass(frozen=True, slots=True)
class Smallest:
    """The smallest of statistics, paired: the smallest anew in every draw."""

    parts: Sequence[Statistic]

    def evaluate(self, weights: Floats) -> Floats:
        """Value for each row of weights; NaN where one of the parts is."""
        return np.asarray(np.min([part.evaluate(weights) for part in self.parts], axis=0))


@dataclass(frozen=True, slots=True)
class Combination:
    """Sum of factors times statistics, paired: in every draw all see the same clusters."""

    parts: Sequence[tuple[float, Statistic]]

    def evaluate(self, weights: Floats) -> Floats:
        """Value for each row of ``(draw, cluster)`` weights; NaN where one of the parts is."""
        total = np.zeros(len(weights))
        for factor, part in self.parts:
            total += factor * part.evaluate(weights)
        return total


def chunks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Rows of a large array, a bounded number of entries at a time."""
    size = max(1, CHUNK // max(1, n_columns))
    for start in range(0, n_rows, size):
        yield slice(start, start + size)


def boundary_metrics(times: WordTimes, boundaries: str, n_clusters: int) -> Iterator[tuple[str, str, Statistic]]:
    """Yield (name, unit, statistics) of every metric, over ``all`` or ``interior`` boundaries."""
    starts, ends = counted(times, boundaries)
    start_error = (times.start_s - times.reference_start_s)[starts]
    end_error = (times.end_s - times.reference_end_s)[ends]
    start_cluster, end_cluster = times.cluster[starts], times.cluster[ends]
    error = np.concatenate([start_error, end_error])
    cluster = np.concatenate([start_cluster, end_cluster])
    yield "wbe_mean", "ms", mean_by(cluster, np.abs(error) * MS_PER_S, n_clusters)
    yield "wbe_median", "ms", Median(np.abs(error) * MS_PER_S, cluster)
    yield "start_bias", "ms", mean_by(start_cluster, start_error * MS_PER_S, n_clusters)
    yield "end_bias", "ms", mean_by(end_cluster, end_error * MS_PER_S, n_clusters)
    for ms in TOLERANCES_MS:
        within = (np.abs(error) <= ms / MS_PER_S + ROUNDING_S).astype(np.float64)
        yield f"within_{ms}ms", "share", mean_by(cluster, within, n_clusters)
    whole = starts & ends
    yield "iou", "share", mean_by(times.cluster[whole], intersection_over_union(times)[whole], n_clusters)
    yield (
        "coverage",
        "share",
        Ratio(
            sum_by(times.cluster, times.scored * times.n_words, n_clusters),
            sum_by(times.cluster, times.n_words, n_clusters),
        ),
    )


def intersection_over_union(times: WordTimes) -> Floats:
    """Shared length of word and reference over the length that either covers; NaN where times are missing."""
    low = np.maximum(times.start_s, times.reference_start_s)
    high = np.minimum(times.end_s, times.reference_end_s)
    shared = np.maximum(high - low, 0.0)
    either = (times.end_s - times.start_s) + (times.reference_end_s - times.reference_start_s) - shared
    overlap: Floats = np.equal(times.start_s, times.reference_start_s).astype(np.float64)  # two words of no length
    np.divide(shared, either, out=overlap, where=either > 0)
    return overlap
