"""Metrics of word boundaries as statistics of weighted clusters.

A metric is a ratio of sums (a mean, a share) or a median. Both are functions of one weight per cluster, so that a value
(all weights one) and its bootstrap draws are the same function of the same numbers.

Word boundary error (WBE) is the mean absolute error over boundaries; over all boundaries it equals the mean over words
of (abs start error + abs end error) / 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from align_eval.scoring.boundaries import Floats, Ints, WordTimes, counted
from align_eval.units import MS_PER_S

TOLERANCES_MS = (10, 20, 25, 50, 100, 200)

ROUNDING_S = 1e-9
"""Allowance for binary rounding of times: an error of exactly 50 ms is within 50 ms."""

CHUNK = 2**17
"""Array entries per chunk."""


class Statistic(Protocol):
    """A function of cluster weights, from which values and intervals are computed."""

    def evaluate(self, weights: Floats) -> Floats:
        """Value for each row of ``(draw, cluster)`` weights."""

    def sizes(self, n_clusters: int, /) -> Floats:
        """Scored entries of each cluster, ``float64[n_clusters]``: boundaries, words or utterances."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Sum of ``numerator`` divided by sum of ``denominator``, both ``float64[n_clusters]``."""

    numerator: Floats
    denominator: Floats

    def evaluate(self, weights: Floats) -> Floats:
        """Value for each row of ``(draw, cluster)`` weights; NaN if the denominator is zero."""
        total = weights @ self.denominator
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(total > 0, (weights @ self.numerator) / total, np.nan))

    def sizes(self, _n_clusters: int, /) -> Floats:
        """Denominator of each cluster."""
        return self.denominator


def mean_by(cluster: Ints, values: npt.ArrayLike, n_clusters: int) -> Ratio:
    """Mean of values, from their sum and count per cluster; see :func:`sum_by`."""
    return Ratio(sum_by(cluster, values, n_clusters), count_by(cluster, n_clusters))


@dataclass(frozen=True, slots=True)
class Median:
    """Median of ``values``; ``cluster`` is the cluster of each value."""

    values: Floats
    cluster: Ints

    def evaluate(self, weights: Floats) -> Floats:
        """Weighted median for each row of ``(draw, cluster)`` weights; the midpoint if it falls between two values."""
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

    def sizes(self, n_clusters: int, /) -> Floats:
        """Number of values of each cluster."""
        return count_by(self.cluster, n_clusters)


@dataclass(frozen=True, slots=True)
class MeanOf:
    """Mean of statistics, as of a baseline over random orders."""

    parts: Sequence[Statistic]

    def evaluate(self, weights: Floats) -> Floats:
        """Value for each row of ``(draw, cluster)`` weights."""
        return np.asarray(np.mean([part.evaluate(weights) for part in self.parts], axis=0))

    def sizes(self, n_clusters: int, /) -> Floats:
        """Entries of each cluster that every part scores."""
        return _least_sizes(self.parts, n_clusters)


@dataclass(frozen=True, slots=True)
class Difference:
    """Paired difference of two statistics: in every draw both have the same clusters."""

    of: Statistic
    minus: Statistic

    def evaluate(self, weights: Floats) -> Floats:
        """Value for each row of ``(draw, cluster)`` weights."""
        return np.asarray(self.of.evaluate(weights) - self.minus.evaluate(weights))

    def sizes(self, n_clusters: int, /) -> Floats:
        """Entries of each cluster that both parts score."""
        return _least_sizes((self.of, self.minus), n_clusters)


@dataclass(frozen=True, slots=True)
class Smallest:
    """Minimum of paired statistics, taken in every draw."""

    parts: Sequence[Statistic]

    def evaluate(self, weights: Floats) -> Floats:
        """Value for each row of ``(draw, cluster)`` weights; NaN if one of the parts is NaN."""
        return np.asarray(np.min([part.evaluate(weights) for part in self.parts], axis=0))

    def sizes(self, n_clusters: int, /) -> Floats:
        """Entries of each cluster that every part scores."""
        return _least_sizes(self.parts, n_clusters)


@dataclass(frozen=True, slots=True)
class Combination:
    """Weighted sum of paired statistics; ``parts`` are (factor, statistic)."""

    parts: Sequence[tuple[float, Statistic]]

    def evaluate(self, weights: Floats) -> Floats:
        """Value for each row of ``(draw, cluster)`` weights; NaN if one of the parts is NaN."""
        total = np.zeros(len(weights))
        for factor, part in self.parts:
            total += factor * part.evaluate(weights)
        return total

    def sizes(self, n_clusters: int, /) -> Floats:
        """Entries of each cluster that every part scores."""
        return _least_sizes([part for _, part in self.parts], n_clusters)


def _least_sizes(parts: Sequence[Statistic], n_clusters: int) -> Floats:
    return np.asarray(np.min([part.sizes(n_clusters) for part in parts], axis=0))


def chunks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Yield slices of the rows of an array, with at most :data:`CHUNK` entries each (but at least one row)."""
    size = max(1, CHUNK // max(1, n_columns))
    for start in range(0, n_rows, size):
        yield slice(start, start + size)


def boundary_metrics(times: WordTimes, boundaries: str, n_clusters: int) -> Iterator[tuple[str, str, Statistic]]:
    """Yield (name, unit, statistic) of each metric, over ``all`` or ``interior`` boundaries."""
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
    both = starts & ends
    yield "iou", "share", mean_by(times.cluster[both], intersection_over_union(times)[both], n_clusters)
    yield (
        "coverage",
        "share",
        Ratio(
            sum_by(times.cluster, times.scored * times.n_words, n_clusters),
            sum_by(times.cluster, times.n_words, n_clusters),
        ),
    )


def intersection_over_union(times: WordTimes) -> Floats:
    """Intersection of word and reference over their union in time, ``float64[n]``; NaN if times are missing."""
    low = np.maximum(times.start_s, times.reference_start_s)
    high = np.minimum(times.end_s, times.reference_end_s)
    intersection = np.maximum(high - low, 0.0)
    union = (times.end_s - times.start_s) + (times.reference_end_s - times.reference_start_s) - intersection
    iou: Floats = np.equal(times.start_s, times.reference_start_s).astype(np.float64)  # for two words of zero length
    np.divide(intersection, union, out=iou, where=union > 0)
    return iou


def sum_by(cluster: Ints, values: npt.ArrayLike, n_clusters: int) -> Floats:
    """Sum of the values of each cluster.

    Parameters
    ----------
    cluster : int64[n]
        Cluster of each value, from 0 to ``n_clusters`` - 1, or any other grouping (words, utterances).
    values : array_like of n numbers

    Returns
    -------
    float64[n_clusters]
        Zero for a cluster without values.
    """
    return np.bincount(cluster, values, minlength=n_clusters).astype(np.float64)


def count_by(cluster: Ints, n_clusters: int) -> Floats:
    """Number of entries of each cluster, ``float64[n_clusters]``; see :func:`sum_by`."""
    return np.bincount(cluster, minlength=n_clusters).astype(np.float64)
