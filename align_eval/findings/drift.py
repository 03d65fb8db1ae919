"""Drift: growth of the signed word-time error with time in the recording, from the words of a finished run.

Drift is the slope of a straight line through the signed errors (ms) of all starts, or of all ends, against the time of
the reference boundary in its audio file (minutes). Each file has a separate intercept, so that neither a constant bias
nor one that differs between files counts as drift. The bootstrap resamples whole clusters. With a single cluster, such
as one long recording, it resamples the windows, and the interval holds for that recording only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from align_eval.errors import InputError
from align_eval.findings.saved_run import finding_signature
from align_eval.formats.run.folder import read_run
from align_eval.formats.run.words_table import read_words_table
from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.inference import student_interval
from align_eval.scoring.metrics import count_by, sum_by
from align_eval.scoring.statistics import cluster_rows, draw_weights, effective_clusters
from align_eval.units import MS_PER_S

SCHEMA_VERSION = 1
S_PER_MIN = 60.0

Boundary = Literal["start", "end"]


@dataclass(frozen=True, slots=True)
class DriftRow:
    """Slope of a system's signed error.

    Attributes
    ----------
    source, align, reference : str
        The system's specs, and the kind of reference times.
    boundary : str
        ``start`` or ``end``.
    slope_ms_per_min : float
        Growth of the signed error in ms per minute. ``ci_low`` and ``ci_high`` are its 95 % interval, None with fewer
        than five effective clusters.
    n_words : int
        Words with times.
    longest_min : float
        Longest stretch between two words of one file, in minutes.
    clusters : str
        Name of the resampling units.
    n_clusters, n_effective_clusters
        Number of those with words that have times, and their effective number given unequal sizes.
    """

    source: str
    align: str
    reference: str
    boundary: Boundary
    slope_ms_per_min: float
    ci_low: float | None
    ci_high: float | None
    n_words: int
    longest_min: float
    clusters: str
    n_clusters: int
    n_effective_clusters: float


@dataclass(frozen=True, slots=True)
class DriftMinute:
    """Signed errors in ms of all boundaries in one minute of the recordings; ``minute`` counts from 0."""

    source: str
    align: str
    reference: str
    boundary: Boundary
    minute: int
    mean_ms: float
    median_ms: float
    mean_absolute_ms: float
    n_words: int


@dataclass(frozen=True, slots=True)
class Drift:
    """Drift of every system of a run: signature of the finding, signature of the run, slopes and minutes."""

    schema: int
    finding: Mapping[str, Any]
    signature: Mapping[str, Any]
    rows: tuple[DriftRow, ...]
    minutes: tuple[DriftMinute, ...]


@dataclass(frozen=True, slots=True)
class Slope:
    """Least-squares slope of ``y`` on ``x`` with one intercept per group.

    Attributes
    ----------
    x, y : float64[n_points]
    group, cluster : int64[n_points]
        Group and cluster of each point, both from 0.
    """

    x: Floats
    y: Floats
    group: Ints
    cluster: Ints

    def evaluate(self, weights: Floats) -> Floats:
        """Slope under each weighting of the clusters.

        Parameters
        ----------
        weights : float64[n_draws, n_clusters]

        Returns
        -------
        float64[n_draws]
            NaN where all points of every group share one ``x``.
        """
        n_groups, n_clusters = int(self.group.max()) + 1, weights.shape[1]
        size = count_by(self.group, n_groups)
        # centre first, so that the sums below lose no digits
        x, y = (v - (sum_by(self.group, v, n_groups) / size)[self.group] for v in (self.x, self.y))
        cell = self.group * n_clusters + self.cluster
        n, sx, sy, sxx, sxy = (
            weights @ sum_by(cell, values, n_groups * n_clusters).reshape(n_groups, n_clusters).T
            for values in (np.ones_like(x), x, y, x * x, x * y)
        )  # each (draw, group)
        inverse = np.divide(1.0, n, out=np.zeros_like(n), where=n > 0)
        spread, shared = (sxx - sx * sx * inverse).sum(axis=1), (sxy - sx * sy * inverse).sum(axis=1)
        defined = spread > np.finfo(np.float64).eps * np.maximum(sxx.sum(axis=1), 1e-12)
        slopes = np.full(len(weights), np.nan)
        np.divide(shared, spread, out=slopes, where=defined)
        return slopes

    def sizes(self, n_clusters: int, /) -> Floats:
        """Number of points of each cluster."""
        return count_by(self.cluster, n_clusters)


def measure_drift(folder: Path, seed: int = 0, *, edited: bool = False) -> Drift:
    """Measure the drift of every system of a run under every kind of reference.

    Raises
    ------
    InputError
        Where the folder holds no run, or one that was changed (unless ``edited``), or no system has two words with
        times in one file.
    """
    run = read_run(folder, edited=edited)
    table = read_words_table(folder / "words.parquet")
    rows: list[DriftRow] = []
    minutes: list[DriftMinute] = []
    for reference in sorted(set(table.column("reference").to_pylist())):
        same_kind = table.filter(pc.equal(table.column("reference"), reference))
        clusters, cluster = cluster_rows(same_kind)
        if cluster.max() == 0:
            clusters, cluster = "windows", _numbered(same_kind, "utterance")
        weights = draw_weights(int(cluster.max()) + 1, seed)
        for key, words, word_cluster in _systems(same_kind, cluster):
            for boundary in get_args(Boundary):
                has_time = words.column(f"{boundary}_error_s").is_valid().to_numpy()
                if has_time.any():
                    timed = words.filter(pa.array(has_time))
                    rows += _row(key, timed, word_cluster[has_time], boundary, weights, clusters)
                    minutes += _minutes(key, timed, boundary)
    if not rows:
        raise InputError(folder, "no file has two words with times", "run again on longer recordings")
    return Drift(SCHEMA_VERSION, finding_signature(run, "drift", seed, {}), run.signature, tuple(rows), tuple(minutes))


_Key = tuple[str, str, str]
"""Source, alignment and kind of reference."""


def _systems(table: pa.Table, cluster: Ints) -> Iterator[tuple[_Key, pa.Table, Ints]]:
    """Words of each system with their clusters."""
    key_of_row = list(zip(*(table.column(name).to_pylist() for name in ("source", "align", "reference")), strict=True))
    for key in dict.fromkeys(key_of_row):
        mask = np.array([row_key == key for row_key in key_of_row])
        yield key, table.filter(pa.array(mask)), cluster[mask]


def _row(
    key: _Key, words: pa.Table, cluster: Ints, boundary: Boundary, weights: Floats, clusters: str
) -> Iterator[DriftRow]:
    """The slope of a system, or nothing where it is undefined."""
    at_s, error_s = _errors(words, boundary)
    audio = _numbered(words, "audio")
    slope = Slope(at_s / S_PER_MIN, error_s * MS_PER_S, audio, cluster)
    value, low, high = student_interval(slope, weights)
    if np.isnan(value):
        return
    counts = slope.sizes(weights.shape[1])
    longest_s = max(float(np.ptp(at_s[audio == i])) for i in range(int(audio.max()) + 1))
    yield DriftRow(
        *key,
        boundary=boundary,
        slope_ms_per_min=value,
        ci_low=low,
        ci_high=high,
        n_words=len(at_s),
        longest_min=longest_s / S_PER_MIN,
        clusters=clusters,
        n_clusters=int(np.count_nonzero(counts)),
        n_effective_clusters=effective_clusters(counts),
    )


def _minutes(key: _Key, words: pa.Table, boundary: Boundary) -> Iterator[DriftMinute]:
    """Errors of a system in each minute that has words."""
    at_s, error_s = _errors(words, boundary)
    minute = (at_s // S_PER_MIN).astype(np.int64)
    for number in np.unique(minute).tolist():
        error_ms = error_s[minute == number] * MS_PER_S
        yield DriftMinute(
            *key,
            boundary=boundary,
            minute=number,
            mean_ms=float(error_ms.mean()),
            median_ms=float(np.median(error_ms)),
            mean_absolute_ms=float(np.abs(error_ms).mean()),
            n_words=len(error_ms),
        )


def _errors(words: pa.Table, boundary: Boundary) -> tuple[Floats, Floats]:
    """Times of the reference boundaries in their file and signed errors, both float64[n_words] in seconds."""
    columns = (words.column(f"reference_{boundary}_s"), words.column(f"{boundary}_error_s"))
    at_s, error_s = (np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64) for column in columns)
    return at_s, error_s


def _numbered(table: pa.Table, column: str) -> Ints:
    """Number of each row's value among the sorted distinct values of a column, from 0."""
    return np.unique(table.column(column).to_pylist(), return_inverse=True)[1].astype(np.int64)
