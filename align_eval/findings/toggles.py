"""What each heuristic of a system is worth: the system with it and without it, on the same words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pyarrow.dataset import Dataset

from align_eval.presets import Toggled
from align_eval.scoring.clusters import sum_by
from align_eval.scoring.inference import flip_test, holm
from align_eval.scoring.metrics import Difference, Ratio, boundary_metrics
from align_eval.scoring.protocols import PROTOCOLS
from align_eval.scoring.recognition import Recognition, only
from align_eval.scoring.statistics import draw_weights, effective_clusters, estimate
from align_eval.scoring.summary import BOUNDARIES, WBE
from align_eval.scoring.system_rows import Kind, kinds_of, read_recognition

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class HeuristicWorth:
    """One heuristic under one kind of reference.

    ``worth_ms`` is the word boundary error without the heuristic minus that with it: above zero, it helps. The interval
    resamples clusters, both systems together; ``p_value`` flips their signs, and ``p_holm`` is adjusted for the number
    of heuristics of the preset. Both are None with a single cluster.
    """

    preset: str
    heuristic: str
    change: str
    source: str
    align: str
    reference: str
    boundaries: str
    with_ms: float
    without_ms: float
    worth_ms: float
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    p_holm: float | None
    n_words: int
    clusters: str
    n_clusters: int
    n_effective_clusters: float


@dataclass(frozen=True, slots=True)
class ToggleFinding:
    """What heuristics are worth, and the signature of the run that they were switched in."""

    schema: int
    run: str
    seed: int
    rows: tuple[HeuristicWorth, ...]


def measure_toggles(words: Dataset, toggled: Sequence[Toggled], run: str, seed: int = 0) -> ToggleFinding:
    """Compare every toggled system with its base, by kind of reference, over all and over interior boundaries.

    ``words`` is the words table of a run that holds both; ``run`` its signature's id.
    """
    rows: list[HeuristicWorth] = []
    for kind in kinds_of(words):
        for preset in dict.fromkeys((item.preset, item.base) for item in toggled):
            items = [item for item in toggled if (item.preset, item.base) == preset]
            for boundaries in BOUNDARIES:
                found = [_worth(words, kind, item, boundaries, seed) for item in items]
                rows += _adjusted([row for row in found if row is not None])
    return ToggleFinding(SCHEMA_VERSION, run, seed, tuple(rows))


def _worth(words: Dataset, kind: Kind, item: Toggled, boundaries: str, seed: int) -> HeuristicWorth | None:
    n_clusters = kind.n_clusters
    of_base, of_other = (read_recognition(words, kind, system) for system in (item.base, item.other))
    base, other = (_error(found, boundaries, n_clusters) for found in (of_base, of_other))
    without, having = (base, other) if item.heuristic.adds else (other, base)
    counts = having.denominator
    if not counts.any():
        return None  # single words have no interior boundary, and failed ones no times
    value, low, high = estimate(Difference(without, having), draw_weights(n_clusters, seed))
    everything = np.ones((1, n_clusters))
    n_words = sum_by(of_base.times.cluster, of_base.times.n_words, n_clusters)
    return HeuristicWorth(
        preset=item.preset,
        heuristic=item.heuristic.name,
        change=f"{'on' if item.heuristic.adds else 'off'}: {item.heuristic.key}={item.heuristic.value}",
        source=item.base.source,
        align=item.base.align,
        reference=kind.reference,
        boundaries=boundaries,
        with_ms=float(having.evaluate(everything)[0]),
        without_ms=float(without.evaluate(everything)[0]),
        worth_ms=value,
        ci_low=low,
        ci_high=high,
        p_value=flip_test(without.numerator - having.numerator, counts, seed) if n_clusters > 1 else None,
        p_holm=None,
        n_words=int(n_words.sum()),
        clusters=kind.clusters,
        n_clusters=n_clusters,
        n_effective_clusters=effective_clusters(n_words),
    )


def _adjusted(rows: list[HeuristicWorth]) -> list[HeuristicWorth]:
    p_values = {str(i): row.p_value for i, row in enumerate(rows) if row.p_value is not None}
    adjusted = holm(p_values)
    return [replace(row, p_holm=adjusted.get(str(i))) for i, row in enumerate(rows)]


def _error(found: Recognition, boundaries: str, n_clusters: int) -> Ratio:
    """Mean absolute boundary error of a system, as sums a cluster."""
    times = only(found.times, found.is_same(PROTOCOLS[WBE].normaliser))  # as a run's score rows are
    for metric, _, statistic in boundary_metrics(times, boundaries, n_clusters):
        if metric == "wbe_mean" and isinstance(statistic, Ratio):
            return statistic
    raise AssertionError("wbe_mean is a ratio")
