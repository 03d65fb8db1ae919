"""Summary of the curves of a corpus: scores, intervals and comparisons with the baselines.

There are two ways of pooling. ``corpus`` sums numerators and denominators first (log-probability over tokens, errors
over words, as Gaido et al. do). ``utterance`` is the mean of the scores of utterances. Utterances whose score is
undefined, because full deletion does not lower it, are left out and counted. Sizes are pooled over utterances only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

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
from align_eval.scoring.inference import NOT_NEGATIVE, SHARE, UNBOUNDED, student_interval
from align_eval.scoring.metrics import Difference, MeanOf, Ratio, Statistic, sum_by
from align_eval.scoring.statistics import Drawn, cluster_rows, draw_weights, effective_clusters


class _Score(NamedTuple):
    """A score as a statistic, and the number of utterances for which it is undefined."""

    statistic: Statistic
    n_undefined: int


_Key = tuple[str, Metric, Fill, Pooling]
"""Order, metric, fill and pooling of a score."""

_Sums = Callable[[Floats], Floats]
"""From values per utterance to their sums per cluster."""


def clusters_of(utterances: Sequence[Utterance], done: Sequence[UtteranceCurves]) -> tuple[str, Ints]:
    """Name of the resampling units, and the unit of each utterance with curves, int64[n_utterances]."""
    by_id = {u.id: u for u in utterances}
    speakers = pa.array([by_id[c.id].speaker for c in done], pa.string())
    return cluster_rows(pa.table({"speaker": speakers, "recording": [by_id[c.id].recording for c in done]}))


def summarise(
    form: str, done: Sequence[UtteranceCurves], cluster: Ints, seed: int
) -> tuple[tuple[FaithfulnessRow, ...], tuple[Comparison, ...], float]:
    """Score every order and compare sources with the baselines.

    Parameters
    ----------
    form
        ``log-prob`` or ``wer``.
    done
        Curves of all utterances.
    cluster : int64[n_utterances]
        Resampling unit of each utterance, from 0.
    seed
        Seed of the bootstrap.

    Returns
    -------
    rows : tuple of FaithfulnessRow
        Without scores that are undefined for every utterance.
    comparisons : tuple of Comparison
    n_effective_clusters : float
        Effective number of clusters, given unequal sizes.
    """
    n_clusters = int(cluster.max()) + 1
    weights = draw_weights(n_clusters, seed)
    scores = _scores(form, done, cluster, n_clusters)
    n_units = sum_by(cluster, [c.n_units for c in done], n_clusters)
    rows = []
    for key, score in scores.items():
        bounds = SHARE if form == "wer" or key[1] == "size" else UNBOUNDED
        value, low, high = _interval(score.statistic, n_units, weights, bounds)
        if not math.isnan(value):
            rows.append(FaithfulnessRow(*key, value, low, high, len(done), score.n_undefined))
    return tuple(rows), tuple(_comparisons(scores, n_units, weights)), effective_clusters(n_units)


def summarise_maps(done: Sequence[UtteranceCurves], cluster: Ints, seed: int) -> tuple[MapRow, ...]:
    """Share of change that maps leave unexplained, by fill, and their sensitivity; parameters as in `summarise`."""
    n_clusters = int(cluster.max()) + 1
    weights = draw_weights(n_clusters, seed)
    n_units = sum_by(cluster, [c.n_units for c in done], n_clusters)
    sums: dict[tuple[str, MapMetric, Fill | None], Floats] = {}  # (cluster, numerator and denominator)

    def add(source: str, metric: MapMetric, fill: Fill | None, i: int, ratio: tuple[float, float]) -> None:
        sums.setdefault((source, metric, fill), np.zeros((n_clusters, 2)))[i] += ratio

    for i, utterance in zip(cluster, done, strict=True):
        for u in utterance.unexplained:
            add(u.source, "unexplained", u.fill, i, (u.infidelity, u.change))
        for source, value in utterance.sensitivity.items():
            add(source, "sensitivity", None, i, (value, 1.0))
    rows = []
    for (source, metric, fill), ratio in sums.items():
        value, low, high = _interval(Ratio(ratio[:, 0], ratio[:, 1]), n_units, weights, NOT_NEGATIVE)
        if not math.isnan(value):  # it is NaN where no mask changed anything
            rows.append(MapRow(source, metric, fill, value, low, high, len(done)))
    return tuple(rows)


def _interval(
    statistic: Statistic, n_units: Floats, weights: Drawn, bounds: tuple[float, float] = UNBOUNDED
) -> tuple[float, float | None, float | None]:
    """Value and interval; ``n_units`` are tokens or words by cluster, of which those that the score counts matter."""
    counts = np.where(statistic.sizes(len(n_units)) != 0, n_units, 0.0)
    return student_interval(statistic, weights, counts=counts, bounds=bounds)


def hallucinations(done: Sequence[UtteranceCurves]) -> tuple[Hallucinations, ...]:
    """Counts of inserted words, of empty texts and of texts that reached the cap, at interior levels.

    The ends are left out, because all orders share them. So are the insertion curves of random orders, which are the
    same texts as their deletion curves.
    """
    rows = []
    for (order, kind, fill), curves in _by_order(done).items():
        outputs = [curve.outputs for curve in curves if curve.outputs]
        if outputs and (order, kind) != (RANDOM, "insertion"):
            rows.append(
                Hallucinations(
                    order=order,
                    metric=kind,
                    fill=fill,
                    n_outputs=sum(len(o.empty[1:-1]) for o in outputs),
                    n_errors=sum(int(e) for curve in curves for e in curve.values[1:-1]),
                    n_insertions=sum(sum(o.insertions[1:-1]) for o in outputs),
                    n_empty=sum(sum(o.empty[1:-1]) for o in outputs),
                    n_capped=sum(sum(o.capped[1:-1]) for o in outputs),
                )
            )
    return tuple(rows)


def _by_order(done: Sequence[UtteranceCurves]) -> dict[tuple[str, Kind, Fill], list[Curve]]:
    """Curves by order, kind and fill, utterance by utterance; all random orders count as one."""
    curves: dict[tuple[str, Kind, Fill], list[Curve]] = {}
    for utterance in done:
        for curve in utterance.curves:
            curves.setdefault((curve.order, curve.kind, curve.fill), []).append(curve)
    return curves


def _scores(form: str, done: Sequence[UtteranceCurves], cluster: Ints, n_clusters: int) -> dict[_Key, _Score]:
    """Every score of every order."""
    n_units = np.array([c.n_units for c in done], dtype=np.float64)
    by_cluster = partial(_cluster_sums, cluster, n_clusters)
    scores: dict[_Key, _Score] = {}
    for (order, kind, fill), curves in _by_order(done).items():
        n_draws = 1 + max(curve.draw for curve in curves)
        draws = np.array([[c.values for c in curves if c.draw == d] for d in range(n_draws)])
        of_form = _word_error_scores if form == "wer" else _log_prob_scores
        for (metric, pooling), score in of_form(draws, kind, n_units, by_cluster).items():
            scores[order, metric, fill, pooling] = score
    return scores


def _cluster_sums(cluster: Ints, n_clusters: int, values: Floats) -> Floats:
    return sum_by(cluster, values, n_clusters)


def _word_error_scores(
    draws: Floats, kind: Kind, n_words: Floats, by_cluster: _Sums
) -> dict[tuple[Metric, Pooling], _Score]:
    """Scores of curves of word errors, ``draws`` being ``(draw, utterance, level)``."""
    errors = [np.stack([by_cluster(level) for level in draw.T], axis=1) for draw in draws]  # (cluster, level)
    pooled = MeanOf([ClippedErrorRate(e, by_cluster(n_words), kind) for e in errors])
    single = _mean_over_utterances(draws / n_words[:, None], partial(_own_error_score, kind=kind), by_cluster)
    return {(kind, "corpus"): _Score(pooled, 0), (kind, "utterance"): single}


def _log_prob_scores(
    draws: Floats, kind: Kind, n_tokens: Floats, by_cluster: _Sums
) -> dict[tuple[Metric, Pooling], _Score]:
    """Scores of curves of log-probability, ``draws`` being ``(draw, utterance, level)``."""
    gains = np.array([[log_prob_gain(curve, kind) for curve in draw] for draw in draws])
    gains *= n_tokens[:, None]  # (draw, utterance, gain and largest possible gain)
    pooled = MeanOf([Ratio(by_cluster(g[:, 0]), by_cluster(g[:, 1])) for g in gains])
    scores: dict[tuple[Metric, Pooling], _Score] = {
        (kind, "corpus"): _Score(pooled, 0),
        (kind, "utterance"): _mean_over_utterances(draws, partial(_own_log_prob_score, kind=kind), by_cluster),
    }
    if kind == "insertion":
        scores["size", "utterance"] = _mean_over_utterances(draws, sufficient_share, by_cluster)
    return scores


def _mean_over_utterances(
    draws: Iterable[Floats], score_of: Callable[[Floats], float | None], by_cluster: _Sums
) -> _Score:
    """Mean over utterances of the score of each utterance's curve."""
    parts, n_undefined = [], 0
    for draw in draws:
        scores = [score_of(curve) for curve in draw]
        defined = np.array([score is not None for score in scores], dtype=np.float64)
        values = np.array([0.0 if score is None else score for score in scores])
        parts.append(Ratio(by_cluster(values), by_cluster(defined)))
        n_undefined = int((1 - defined).sum())  # equal in all draws, because it depends on the shared ends only
    return _Score(MeanOf(parts), n_undefined)


def _own_error_score(rate: Floats, kind: Kind) -> float:
    return float(error_rate_score(rate, kind))


def _own_log_prob_score(curve: Floats, kind: Kind) -> float | None:
    gain, largest = log_prob_gain(curve, kind)
    return gain / largest if largest > 0 else None


def _comparisons(scores: Mapping[_Key, _Score], n_units: Floats, weights: Drawn) -> Iterable[Comparison]:
    """Every source against every baseline, per metric and pooling, where the difference is defined."""
    sources = [order for order in dict.fromkeys(key[0] for key in scores) if order not in BASELINES]
    for source in sources:
        for metric, pooling, baseline in product(KINDS, POOLINGS, BASELINES):
            differences = {
                fill: Difference(
                    scores[source, metric, fill, pooling].statistic, scores[baseline, metric, fill, pooling].statistic
                )
                for fill in FILLS
            }
            comparison = _comparison(source, baseline, metric, pooling, differences, n_units, weights)
            if comparison:
                yield comparison


def _comparison(
    source: str,
    baseline: str,
    metric: Kind,
    pooling: Pooling,
    differences: Mapping[Fill, Difference],
    n_units: Floats,
    weights: Drawn,
) -> Comparison | None:
    """The comparison of a source with a baseline, or None where the difference is undefined."""
    estimates = {fill: _interval(difference, n_units, weights) for fill, difference in differences.items()}
    if any(math.isnan(value) for value, _, _ in estimates.values()):
        return None
    verdicts = {fill: verdict(low, high) for fill, (_, low, high) in estimates.items()}
    return Comparison(
        source=source,
        baseline=baseline,
        metric=metric,
        pooling=pooling,
        difference={str(fill): d for fill, d in estimates.items()},
        verdicts={str(fill): v for fill, v in verdicts.items()},
        verdict=conclusion(verdicts.values()),
    )
