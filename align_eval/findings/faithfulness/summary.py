"""From the curves of utterances to scores, intervals and comparisons with the baselines.

Two ways of pooling. ``corpus``: numerators and denominators are summed first (log-probability over tokens, errors over
words, as Gaido et al. do). ``utterance``: the mean of the utterances' own scores; utterances whose score is not
defined, since full deletion costs them nothing, are left out and counted. Sizes are pooled over utterances only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from align_eval.findings.faithfulness.deletion import (
    KINDS,
    ClippedErrorRate,
    Kind,
    conclusion,
    error_rate_score,
    log_prob_gain,
    sufficient_share,
    verdict,
)
from align_eval.findings.faithfulness.records import (
    BASELINES,
    FILLS,
    POOLINGS,
    RANDOM,
    Comparison,
    Curve,
    FaithfulnessRow,
    Fill,
    Hallucinations,
    MapMetric,
    MapRow,
    Metric,
    Pooling,
    UtteranceCurves,
)
from align_eval.records import Utterance
from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.clusters import sum_by
from align_eval.scoring.metrics import Difference, MeanOf, Ratio, Statistic
from align_eval.scoring.statistics import cluster_rows, draw_weights, effective_clusters, estimate


def clusters_of(utterances: Sequence[Utterance], done: Sequence[UtteranceCurves]) -> tuple[str, Ints]:
    """What to resample, and its number for each utterance that has curves."""
    by_id = {u.id: u for u in utterances}
    speakers = pa.array([by_id[c.id].speaker for c in done], pa.string())
    return cluster_rows(pa.table({"speaker": speakers, "recording": [by_id[c.id].recording for c in done]}))


def summarise(
    form: str, done: Sequence[UtteranceCurves], cluster: Ints, seed: int
) -> tuple[tuple[FaithfulnessRow, ...], tuple[Comparison, ...], float]:
    """Scores of every order, comparisons of sources with the baselines, and the effective number of clusters."""
    n_clusters = int(cluster.max()) + 1
    weights = draw_weights(n_clusters, seed)
    statistic_of, n_undefined_of = _statistics(form, done, cluster, n_clusters)
    rows = []
    for (order, metric, fill, pooling), statistic in statistic_of.items():
        value, low, high = estimate(statistic, weights)
        if math.isnan(value):
            continue  # no utterance that full deletion costs anything
        rows.append(
            FaithfulnessRow(
                order, metric, fill, pooling, value, low, high, len(done), n_undefined_of[order, metric, fill, pooling]
            )
        )
    comparisons = []
    sources = [order for order in dict.fromkeys(key[0] for key in statistic_of) if order not in BASELINES]
    for source in sources:
        for metric in KINDS:
            for pooling in POOLINGS:
                for baseline in BASELINES:
                    pairs = {
                        fill: Difference(
                            statistic_of[source, metric, fill, pooling], statistic_of[baseline, metric, fill, pooling]
                        )
                        for fill in FILLS
                    }
                    comparisons.append(_compared(source, baseline, metric, pooling, pairs, weights))
    n_units = sum_by(cluster, [c.n_units for c in done], n_clusters)
    return tuple(rows), tuple(c for c in comparisons if c), effective_clusters(n_units)


def summarise_maps(done: Sequence[UtteranceCurves], cluster: Ints, seed: int) -> tuple[MapRow, ...]:
    """What maps leave unexplained, by fill, and how sensitive they are, with intervals of the same draws as scores."""
    n_clusters = int(cluster.max()) + 1
    weights = draw_weights(n_clusters, seed)
    parts: dict[tuple[str, MapMetric, Fill | None], Floats] = {}  # (cluster, numerator and denominator)

    def add(source: str, metric: MapMetric, fill: Fill | None, i: int, ratio: tuple[float, float]) -> None:
        parts.setdefault((source, metric, fill), np.zeros((n_clusters, 2)))[i] += ratio

    for i, utterance in zip(cluster, done, strict=True):
        for u in utterance.unexplained:
            add(u.source, "unexplained", u.fill, i, (u.infidelity, u.change))
        for source, value in utterance.sensitivity.items():
            add(source, "sensitivity", None, i, (value, 1.0))
    rows = []
    for (source, metric, fill), sums in parts.items():
        value, low, high = estimate(Ratio(sums[:, 0], sums[:, 1]), weights)
        if not math.isnan(value):  # else no mask changed anything
            rows.append(MapRow(source, metric, fill, value, low, high, len(done)))
    return tuple(rows)


def hallucinations(done: Sequence[UtteranceCurves]) -> tuple[Hallucinations, ...]:
    """Insertions, empty outputs and outputs that ran into the cap.

    The ends, which all orders share, are left out, and so are random orders' insertion curves: the same outputs again.
    """
    found = []
    for (order, kind, fill), curves in _by_order(done).items():
        outputs = [c.outputs for _, c in curves if c.outputs]
        if outputs and (order, kind) != (RANDOM, "insertion"):
            found.append(
                Hallucinations(
                    order=order,
                    metric=kind,
                    fill=fill,
                    n_outputs=sum(len(o.empty[1:-1]) for o in outputs),
                    n_errors=sum(int(e) for _, c in curves for e in c.values[1:-1]),
                    n_insertions=sum(sum(o.insertions[1:-1]) for o in outputs),
                    n_empty=sum(sum(o.empty[1:-1]) for o in outputs),
                    n_capped=sum(sum(o.capped[1:-1]) for o in outputs),
                )
            )
    return tuple(found)


_Key = tuple[str, Metric, Fill, Pooling]


def _by_order(done: Sequence[UtteranceCurves]) -> dict[tuple[str, Kind, Fill], list[tuple[int, Curve]]]:
    """Curves with the number of their utterance, random ones of all draws together."""
    found: dict[tuple[str, Kind, Fill], list[tuple[int, Curve]]] = {}
    for i, utterance in enumerate(done):
        for curve in utterance.curves:
            found.setdefault((curve.order, curve.kind, curve.fill), []).append((i, curve))
    return found


def _statistics(
    form: str, done: Sequence[UtteranceCurves], cluster: Ints, n_clusters: int
) -> tuple[dict[_Key, Statistic], dict[_Key, int]]:
    """Every score as a function of cluster weights, and of how many utterances it is not defined."""
    n_units = np.array([c.n_units for c in done], dtype=np.float64)
    statistics: dict[_Key, Statistic] = {}
    undefined: dict[_Key, int] = {}

    def by_cluster(values: Floats) -> Floats:
        return sum_by(cluster, values, n_clusters)

    def mean_of(draws: Iterable[Floats], own: Callable[[Floats], float | None]) -> tuple[Statistic, int]:
        """Mean over utterances of what each scores by itself."""
        parts, missing = [], 0
        for draw in draws:
            scores = [own(curve) for curve in draw]
            defined = np.array([s is not None for s in scores], dtype=np.float64)
            values = np.array([0.0 if s is None else s for s in scores])
            parts.append(Ratio(by_cluster(values), by_cluster(defined)))
            missing = int((1 - defined).sum())  # the same in every draw: the ends decide it
        return MeanOf(parts), missing

    for (order, kind, fill), curves in _by_order(done).items():
        n_draws = 1 + max(curve.draw for _, curve in curves)
        draws = np.array([[c.values for _, c in curves if c.draw == d] for d in range(n_draws)])
        # (draw, utterance, level)
        pooled: _Key = order, kind, fill, "corpus"
        single: _Key = order, kind, fill, "utterance"
        if form == "wer":
            errors = [np.stack([by_cluster(level) for level in draw.T], axis=1) for draw in draws]  # (cluster, level)
            statistics[pooled] = MeanOf([ClippedErrorRate(e, by_cluster(n_units), kind) for e in errors])
            rates = draws / n_units[:, None]
            statistics[single], undefined[single] = mean_of(rates, partial(_own_error_score, kind=kind))
            undefined[pooled] = 0
            continue
        gains = np.array([[log_prob_gain(curve, kind) for curve in draw] for draw in draws])
        gains *= n_units[:, None]  # (draw, utterance, gained and to gain)
        statistics[pooled] = MeanOf([Ratio(by_cluster(g[:, 0]), by_cluster(g[:, 1])) for g in gains])
        undefined[pooled] = 0
        statistics[single], undefined[single] = mean_of(draws, partial(_own_log_prob_score, kind=kind))
        if kind == "insertion":
            size: _Key = order, "size", fill, "utterance"
            statistics[size], undefined[size] = mean_of(draws, sufficient_share)
    return statistics, undefined


def _own_error_score(rate: Floats, kind: Kind) -> float:
    return float(error_rate_score(rate, kind))


def _own_log_prob_score(curve: Floats, kind: Kind) -> float | None:
    gained, to_gain = log_prob_gain(curve, kind)
    return gained / to_gain if to_gain > 0 else None


def _compared(
    source: str, baseline: str, metric: Kind, pooling: Pooling, pairs: Mapping[Fill, Difference], weights: Floats
) -> Comparison | None:
    difference = {fill: estimate(pair, weights) for fill, pair in pairs.items()}
    if any(math.isnan(value) for value, _, _ in difference.values()):
        return None
    verdicts = {fill: verdict(low, high) for fill, (_, low, high) in difference.items()}
    return Comparison(
        source=source,
        baseline=baseline,
        metric=metric,
        pooling=pooling,
        difference={str(fill): d for fill, d in difference.items()},
        verdicts={str(fill): v for fill, v in verdicts.items()},
        verdict=conclusion(verdicts.values()),
    )
