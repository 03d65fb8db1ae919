"""Metrics of a protocol, as statistics of weighted clusters (see :mod:`align_eval.scoring.metrics`)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from align_eval.scoring.boundaries import Bools, Floats, Ints
from align_eval.scoring.metrics import ROUNDING_S, Ratio, Statistic, count_by, intersection_over_union, mean_by, sum_by
from align_eval.scoring.protocols import Protocol
from align_eval.scoring.recognition import Recognition
from align_eval.units import MS_PER_S


def protocol_metrics(
    recognition: Recognition, protocol: Protocol, n_clusters: int
) -> Iterator[tuple[str, str, Statistic]]:
    """Yield (name, unit, statistic) of each measure of a protocol.

    Names are ``mean_error`` (ms), ``within_50ms``, ``cut``, ``precision_50ms``, ``recall_50ms``, ``f1_50ms`` and
    ``iou``, with the collar in the name; means over utterances end in ``_macro``. Precision is the share of the
    system's words, recall the share of the reference words; a unit counts as one word in both.
    """
    times = recognition.times
    same = recognition.is_same(protocol.normaliser)
    scored = same if protocol.words == "recognised" else recognition.is_paired
    errors = {
        "starts": np.abs(times.start_s - times.reference_start_s)[scored],
        "ends": np.abs(times.end_s - times.reference_end_s)[scored],
    }
    sides = ("starts", "ends") if protocol.boundaries == "both" else (protocol.boundaries,)
    error = np.concatenate([errors[side] for side in sides])
    unit_of_boundary = np.concatenate([np.flatnonzero(scored)] * len(sides))
    uncut = is_near(error, protocol.cut_ms) if protocol.cut_ms is not None else np.ones(len(error), dtype=np.bool_)

    def averaged(name: str, unit: str, values: Floats, units: Ints) -> Iterator[tuple[str, str, Statistic]]:
        cluster, utterance = times.cluster[units], recognition.utterance[units]
        for average in protocol.averages:
            if average == "micro":
                yield name, unit, mean_by(cluster, values, n_clusters)
            else:
                yield f"{name}_macro", unit, mean_by(*_utterance_means(values, cluster, utterance), n_clusters)

    for measure in protocol.measures:
        if measure == "mean":
            yield from averaged("mean_error", "ms", error[uncut] * MS_PER_S, unit_of_boundary[uncut])
            if protocol.cut_ms is not None:
                yield "cut", "share", mean_by(times.cluster[unit_of_boundary], ~uncut, n_clusters)
        elif measure == "iou":
            iou = intersection_over_union(times)
            yield from averaged("iou", "share", iou[scored], np.flatnonzero(scored))
        for ms in protocol.collars_ms if measure == "within" else ():
            near = is_near(error[uncut], ms).astype(np.float64)
            yield from averaged(f"within_{ms:g}ms", "share", near, unit_of_boundary[uncut])
        for ms in protocol.collars_ms if measure in ("precision", "recall", "f1") else ():
            hit = np.zeros(len(scored), dtype=np.bool_)
            hit[scored] = np.logical_and.reduce([is_near(errors[side], ms) for side in sides])
            yield f"{measure}_{ms:g}ms", "share", _hit_rate(measure, hit, recognition, n_clusters)


def _hit_rate(measure: str, hit: Bools, recognition: Recognition, n_clusters: int) -> Ratio:
    """Hits divided by the system's words (precision), the reference words (recall) or their mean (f1)."""
    cluster = recognition.times.cluster

    def total(values: Bools | Ints) -> Floats:
        return sum_by(cluster, values, n_clusters)

    n_system = total(recognition.is_paired.astype(np.int64) + recognition.n_inserted)
    n_reference = total(np.ones(len(hit), dtype=np.bool_))
    denominator = {"precision": n_system, "recall": n_reference, "f1": (n_system + n_reference) / 2}
    return Ratio(total(hit), denominator[measure])


def is_near(error_s: Floats, limit_ms: float) -> Bools:
    """Mask of the absolute errors (s) within a limit (ms), with :data:`~align_eval.scoring.metrics.ROUNDING_S`.

    NaN is not within any limit.
    """
    return np.asarray(error_s <= limit_ms / MS_PER_S + ROUNDING_S)


def _utterance_means(values: Floats, cluster: Ints, utterance: Ints) -> tuple[Ints, Floats]:
    """Cluster and mean of each utterance with values."""
    present, of_value = np.unique(utterance, return_inverse=True)
    means = sum_by(of_value, values, len(present)) / count_by(of_value, len(present))
    cluster_of = np.zeros(len(present), dtype=np.int64)
    cluster_of[of_value] = cluster
    return cluster_of, means
