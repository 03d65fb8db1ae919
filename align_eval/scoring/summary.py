"""Score rows of a words table: every system under every kind of reference and every protocol.

Metrics of `wbe` count recognised words (with the text given, all words). Endings of their names mean:

- ``_of_all``: all reference words; a word that was not recognised is within no tolerance;
- ``_common``: the words that every system recognised; only if systems recognised different words, or one failed;
- ``_macro``: the mean over utterances.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow.dataset import Dataset, dataset

from align_eval.records import SystemName
from align_eval.run_record import ScoreRow
from align_eval.scoring.boundaries import Bools, Floats, calibrated
from align_eval.scoring.inference import NOT_NEGATIVE, SHARE, UNBOUNDED, student_interval
from align_eval.scoring.metrics import TOLERANCES_MS, Ratio, Statistic, boundary_metrics, count_by, sum_by
from align_eval.scoring.protocol_metrics import is_near, protocol_metrics
from align_eval.scoring.protocols import PROTOCOLS, Protocol
from align_eval.scoring.recognition import Recognition, is_common, only, per_row, recognition_metrics
from align_eval.scoring.statistics import Drawn, draw_weights, effective_clusters
from align_eval.scoring.system_rows import Kind, kinds_of, read_columns, read_recognition

WBE = "wbe"
BOUNDARIES = ("all", "interior")
UNCALIBRATED_ONLY = ("coverage",)


@dataclass(frozen=True, slots=True)
class _Score:
    """One metric under its conditions, before its interval is computed."""

    boundaries: str
    calibration: str
    protocol: str
    metric: str
    unit: str
    value: Statistic | int
    n_words: int


def score_table(
    table: pa.Table, *, text: str = "words", seed: int = 0, protocols: Mapping[str, Protocol] | None = None
) -> tuple[ScoreRow, ...]:
    """Score a words table in memory; see :func:`score_words`."""
    return score_words(dataset(table), text=text, seed=seed, protocols=protocols)


def score_words(
    words: Dataset, *, text: str = "words", seed: int = 0, protocols: Mapping[str, Protocol] | None = None
) -> tuple[ScoreRow, ...]:
    """Score every system under every kind of reference. Only one system is in memory at a time.

    `wbe` is scored over all and over interior boundaries, without and with calibration. The calibration is estimated on
    other clusters and is fixed in the interval, which therefore does not include the error of its estimation.

    Parameters
    ----------
    words : pyarrow.dataset.Dataset
        The words table.
    text : str
        The text that was aligned. For other texts than ``words`` (those of the reference), recognition errors are
        counted too.
    seed : int
        Seed of the bootstrap.
    protocols : mapping, optional
        Custom protocols by name, in addition to :data:`~align_eval.scoring.protocols.PROTOCOLS`.
    """
    all_protocols = PROTOCOLS | dict(protocols or {})
    rows: list[ScoreRow] = []
    for kind in kinds_of(words):
        n_clusters = kind.n_clusters
        drawn = draw_weights(n_clusters, seed)
        in_all = _recognised_by_all(words, kind)
        for system in kind.systems:
            recognition = read_recognition(words, kind, system)
            scored_words = _scored_words(recognition, n_clusters)
            for score in _scores(recognition, in_all.get(system), text, all_protocols, n_clusters):
                value, low, high, counts = _interval(score, drawn, scored_words)
                if math.isnan(value):
                    continue  # nothing to count: single words have no interior boundary
                rows.append(
                    ScoreRow(
                        source=system.source,
                        align=system.align,
                        text=text,
                        reference=kind.reference,
                        boundaries=score.boundaries,
                        calibration=score.calibration,
                        protocol=score.protocol,
                        metric=score.metric,
                        value=value,
                        ci_low=low,
                        ci_high=high,
                        unit=score.unit,
                        n_words=score.n_words,
                        clusters=kind.clusters,
                        n_clusters=int(np.count_nonzero(counts)),
                        n_effective_clusters=effective_clusters(counts),
                        protocol_hash=all_protocols[score.protocol].hash,
                    )
                )
    return tuple(rows)


def _scored_words(recognition: Recognition, n_clusters: int) -> Floats:
    """Number of words of each cluster that a system recognised and timed, ``float64[n_clusters]``."""
    times = only(recognition.times, recognition.is_same(PROTOCOLS[WBE].normaliser))
    return sum_by(times.cluster, times.scored * times.n_words, n_clusters)


def _interval(score: _Score, drawn: Drawn, scored_words: Floats) -> tuple[float, float | None, float | None, Floats]:
    """Value and interval of a score, and the numbers of entries by cluster that the interval rests on.

    These are the entries of the score, or the scored words of the system where those are worth fewer clusters: coverage
    counts the words of every speaker, and says little if only one of them was timed.
    """
    if isinstance(score.value, int):
        return float(score.value), None, None, scored_words
    counts = min(score.value.sizes(drawn.shape[1]), scored_words, key=effective_clusters)
    return *student_interval(score.value, drawn, counts=counts, bounds=_bounds(score.metric, score.unit)), counts


def _bounds(metric: str, unit: str) -> tuple[float, float]:
    """Possible values of a metric: a bias has either sign, and more errors than words make a rate above 1."""
    if metric.endswith("_bias"):
        return UNBOUNDED
    return SHARE if unit == "share" and metric != "recognition_error_rate" else NOT_NEGATIVE


def _recognised_by_all(words: Dataset, kind: Kind) -> dict[SystemName, Bools]:
    """Mask of the rows whose words every system recognised, per system; empty if all recognised the same words."""
    if len(kind.systems) == 1:
        return {}
    recognised: dict[SystemName, Bools] = {}
    names = ["utterance", "word_index"]
    first = read_columns(words, kind, kind.systems[0], names)
    same_words = True  # row by row
    for system in kind.systems:
        recognition = read_recognition(words, kind, system)
        recognised[system] = per_row(recognition, recognition.is_same(PROTOCOLS[WBE].normaliser))
        same_words = same_words and read_columns(words, kind, system, names).equals(first)
    if same_words:
        in_all: Bools = np.asarray(np.logical_and.reduce(list(recognised.values())))
        all_equal = all(np.array_equal(mask, in_all) for mask in recognised.values())
        return {} if all_equal else dict.fromkeys(kind.systems, in_all)
    tables = {system: read_columns(words, kind, system, names) for system in kind.systems}
    word_ids = {
        system: list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
        for system, table in tables.items()
    }
    recognised_ids = [
        {word_id for word_id, is_recognised in zip(word_ids[system], mask, strict=True) if is_recognised}
        for system, mask in recognised.items()
    ]
    common = set.intersection(*recognised_ids)
    if all(ids == common for ids in recognised_ids):
        return {}
    return {system: np.array([word_id in common for word_id in ids]) for system, ids in word_ids.items()}


def _scores(
    recognition: Recognition, in_all: Bools | None, text: str, protocols: Mapping[str, Protocol], n_clusters: int
) -> Iterator[_Score]:
    """Yield all scores of one system."""
    same = recognition.is_same(protocols[WBE].normaliser)
    n_words = int(recognition.times.n_words.sum())
    yield from _wbe(recognition, same, n_words, n_clusters)
    yield from _within_of_all(recognition, same, n_words, n_clusters)
    if in_all is not None:
        common = is_common(recognition, same, in_all)
        n_common = int(recognition.times.n_words[common].sum())
        yield from _wbe(recognition, common, n_common, n_clusters, ending="_common")
    if text != "words":
        for metric, unit, value in recognition_metrics(recognition, same, n_clusters):
            yield _Score("all", "none", WBE, metric, unit, value, n_words)
    for name, protocol in protocols.items():
        for metric, unit, statistic in protocol_metrics(recognition, protocol, n_clusters):
            if name == WBE:
                if metric.endswith("_macro"):  # the other metrics of wbe are yielded above
                    renamed = metric.replace("mean_error", "wbe_mean")
                    yield _Score("all", "none", WBE, renamed, unit, statistic, n_words)
                continue
            yield _Score(protocol.boundaries, "none", name, metric, unit, statistic, n_words)


def _wbe(recognition: Recognition, kept: Bools, n_words: int, n_clusters: int, ending: str = "") -> Iterator[_Score]:
    """Metrics of word boundary error over the units in ``kept``; with an ending, no calibration and no coverage."""
    times = only(recognition.times, kept)
    for boundaries in BOUNDARIES:
        calibrated_times = None if ending else calibrated(times, boundaries)
        for calibration, scored_times in (("none", times), ("reference", calibrated_times)):
            if scored_times is None:
                continue
            for metric, unit, statistic in boundary_metrics(scored_times, boundaries, n_clusters):
                if metric in UNCALIBRATED_ONLY and (calibration != "none" or ending):
                    continue
                yield _Score(boundaries, calibration, WBE, f"{metric}{ending}", unit, statistic, n_words)


def _within_of_all(recognition: Recognition, kept: Bools, n_words: int, n_clusters: int) -> Iterator[_Score]:
    """Shares within tolerances of all reference boundaries; those of units outside ``kept`` are within none."""
    times = only(recognition.times, kept)
    n_boundaries = 2 * count_by(times.cluster, n_clusters)
    for ms in TOLERANCES_MS:
        n_near = is_near(np.abs(times.start_s - times.reference_start_s), ms).astype(np.float64)
        n_near += is_near(np.abs(times.end_s - times.reference_end_s), ms)
        within = sum_by(times.cluster, n_near, n_clusters)
        yield _Score("all", "none", WBE, f"within_{ms}ms_of_all", "share", Ratio(within, n_boundaries), n_words)
