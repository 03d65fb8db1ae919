"""The metrics of a protocol, each as per-cluster sufficient statistics (see :mod:`align_eval.scoring.metrics`)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from align_eval.scoring.boundaries import Bools, Floats, Ints
from align_eval.scoring.clusters import count_by, sum_by
from align_eval.scoring.metrics import ROUNDING_S, Ratio, Statistic, intersection_over_union, mean_by
from align_eval.scoring.protocols import Protocol
from align_eval.scoring.recognition import Recognition
from align_eval.units import MS_PER_S


def protocol_metrics(
    recognition: Recognition, protocol: Protocol, n_clusters: int
) -> Iterator[tuple[str, str, Statistic]]:
    """Yield (name, unit, statistic) of every measure of a protocol.

    ``mean_error`` (ms), ``within_50ms``, ``cut``, ``precision_50ms``, ``recall_50ms``, ``f1_50ms`` and ``iou``, the
    collar in the name; averages over utterances end in ``_macro``. Precision is of the system's words, recall of the
    reference's, a unit counting as one word in both.
    """
    times = recognition.times
    same = recognition.is_same(protocol.normaliser)
    words = same if protocol.words == "recognised" else recognition.is_paired
    errors = {
        "starts": np.abs(times.start_s - times.reference_start_s)[words],
        "ends": np.abs(times.end_s - times.reference_end_s)[words],
    }
    sides = ("starts", "ends") if protocol.boundaries == "both" else (protocol.boundaries,)
    error = np.concatenate([errors[side] for side in sides])
    rows = np.concatenate([np.flatnonzero(words)] * len(sides))  # the unit of each boundary
    kept = is_near(error, protocol.cut_ms) if protocol.cut_ms is not None else np.ones(len(error), dtype=np.bool_)

    def averaged(name: str, unit: str, values: Floats, units: Ints) -> Iterator[tuple[str, str, Statistic]]:
        cluster, utterance = times.cluster[units], recognition.utterance[units]
        for average in protocol.averages:
            if average == "micro":
                yield name, unit, mean_by(cluster, values, n_clusters)
            else:
                yield f"{name}_macro", unit, mean_by(*_utterance_means(values, cluster, utterance), n_clusters)

    for measure in protocol.measures:
        if measure == "mean":
            yield from averaged("mean_error", "ms", error[kept] * MS_PER_S, rows[kept])
            if protocol.cut_ms is not None:
                yield "cut", "share", mean_by(times.cluster[rows], ~kept, n_clusters)
        elif measure == "iou":
            overlap = intersection_over_union(times)
            yield from averaged("iou", "share", overlap[words], np.flatnonzero(words))
        for ms in protocol.collars_ms if measure == "within" else ():
            near = is_near(error[kept], ms).astype(np.float64)
            yield from averaged(f"within_{ms:g}ms", "share", near, rows[kept])
        for ms in protocol.collars_ms if measure in ("precision", "recall", "f1") else ():
            hit = np.zeros(len(words), dtype=np.bool_)
            hit[words] = np.logical_and.reduce([is_near(errors[side], ms) for side in sides])
            yield f"{measure}_{ms:g}ms", "share", _of_words(measure, hit, recognition, n_clusters)


def _of_words(measure: str, hit: Bools, recognition: Recognition, n_clusters: int) -> Ratio:
    """Hits over what there was to hit: the system's words, the reference's, or (for f1) the mean of both."""
    cluster = recognition.times.cluster

    def total(values: Bools | Ints) -> Floats:
        return sum_by(cluster, values, n_clusters)

    of_system = total(recognition.is_paired.astype(np.int64) + recognition.n_inserted)
    of_reference = total(np.ones(len(hit), dtype=np.bool_))
    whole = {"precision": of_system, "recall": of_reference, "f1": (of_system + of_reference) / 2}
    return Ratio(total(hit), whole[measure])


def is_near(error_s: Floats, limit_ms: float) -> Bools:
    """Where an absolute error is within a limit; nowhere where it is NaN."""
    return np.asarray(error_s <= limit_ms / MS_PER_S + ROUNDING_S)


def _utterance_means(values: Floats, cluster: Ints, utterance: Ints) -> tuple[Ints, Floats]:
    """The cluster of each utterance that has values, and their mean."""
    present, of_value = np.unique(utterance, return_inverse=True)
    means = sum_by(of_value, values, len(present)) / count_by(of_value, len(present))
    cluster_of = np.zeros(len(present), dtype=np.int64)
    cluster_of[of_value] = cluster
    return cluster_of, means
