"""Effect of each heuristic of a preset on the word boundary error: systems with and without it, on the same words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pyarrow.dataset import Dataset

from align_eval.heuristics import Toggled
from align_eval.scoring.boundaries import Bools
from align_eval.scoring.inference import flip_test, holm, student_interval
from align_eval.scoring.metrics import Difference, Ratio, boundary_metrics, sum_by
from align_eval.scoring.protocols import PROTOCOLS
from align_eval.scoring.recognition import Recognition, is_common, only, per_row
from align_eval.scoring.statistics import are_enough, draw_weights, effective_clusters
from align_eval.scoring.summary import BOUNDARIES, WBE
from align_eval.scoring.system_rows import Kind, kinds_of, read_recognition

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class HeuristicWorth:
    """Effect of one heuristic under one kind of reference.

    Attributes
    ----------
    preset, heuristic : str
        Names of the preset and of the heuristic.
    change : str
        How the compared system differs from the preset: the heuristic switched on or off, with its key and value.
    source, align : str
        Specs of the preset.
    reference : str
        Kind of reference times.
    boundaries : str
        Boundaries that count: all or interior.
    with_ms, without_ms : float
        Word boundary error with and without the heuristic.
    worth_ms : float
        ``without_ms - with_ms``: positive where the heuristic helps.
    ci_low, ci_high : float or None
        95 % interval of ``worth_ms`` over clusters, both systems resampled together; None with fewer than five
        effective clusters.
    p_value : float or None
        From flipping the signs of whole clusters; None with fewer than five effective clusters.
    p_holm : float or None
        ``p_value`` adjusted (Holm) for the number of heuristics of the preset.
    clusters : str
        Name of the resampling units.
    n_words, n_clusters, n_effective_clusters
        Sample sizes.
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
    """Effects of all heuristics that a run switched; ``run`` is the id of the run's signature."""

    schema: int
    run: str
    seed: int
    rows: tuple[HeuristicWorth, ...]


def measure_toggles(words: Dataset, toggled: Sequence[Toggled], run: str, seed: int = 0) -> ToggleFinding:
    """Compare every toggled system with its preset, per kind of reference, over all and over interior boundaries.

    Parameters
    ----------
    words
        Words table of a run with both systems of every comparison.
    toggled
        Comparisons to make.
    run
        Id of the run's signature.
    seed
        Seed of the bootstrap and of the sign flips.
    """
    rows: list[HeuristicWorth] = []
    for kind in kinds_of(words):
        for preset in dict.fromkeys((item.preset, item.base) for item in toggled):
            items = [item for item in toggled if (item.preset, item.base) == preset]
            for boundaries in BOUNDARIES:
                compared = [_worth(words, kind, item, boundaries, seed) for item in items]
                rows += _adjusted([row for row in compared if row is not None])
    return ToggleFinding(SCHEMA_VERSION, run, seed, tuple(rows))


def _worth(words: Dataset, kind: Kind, item: Toggled, boundaries: str, seed: int) -> HeuristicWorth | None:
    n_clusters = kind.n_clusters
    base, other = (read_recognition(words, kind, system.name) for system in (item.base, item.other))
    in_both = np.logical_and(*(per_row(recognition, _same(recognition)) for recognition in (base, other)))
    base_error, other_error = (_error(recognition, in_both, boundaries, n_clusters) for recognition in (base, other))
    error_without, error_with = (base_error, other_error) if item.heuristic.adds else (other_error, base_error)
    counts = error_with.denominator
    if not counts.any():
        return None  # every utterance has a single word (no interior boundary) or failed
    value, low, high = student_interval(Difference(error_without, error_with), draw_weights(n_clusters, seed))
    once = np.ones((1, n_clusters))
    n_words = sum_by(base.times.cluster, base.times.n_words, n_clusters)
    return HeuristicWorth(
        preset=item.preset,
        heuristic=item.heuristic.name,
        change=f"{'on' if item.heuristic.adds else 'off'}: {item.heuristic.key}={item.heuristic.value}",
        source=item.base.name.source,
        align=item.base.name.align,
        reference=kind.reference,
        boundaries=boundaries,
        with_ms=float(error_with.evaluate(once)[0]),
        without_ms=float(error_without.evaluate(once)[0]),
        worth_ms=value,
        ci_low=low,
        ci_high=high,
        p_value=flip_test(error_without.numerator - error_with.numerator, counts, seed) if are_enough(counts) else None,
        p_holm=None,
        n_words=int(n_words.sum()),
        clusters=kind.clusters,
        n_clusters=int(np.count_nonzero(counts)),
        n_effective_clusters=effective_clusters(counts),
    )


def _adjusted(rows: list[HeuristicWorth]) -> list[HeuristicWorth]:
    """The same rows with Holm's adjustment over them."""
    p_values = {str(i): row.p_value for i, row in enumerate(rows) if row.p_value is not None}
    adjusted = holm(p_values)
    return [replace(row, p_holm=adjusted.get(str(i))) for i, row in enumerate(rows)]


def _same(recognition: Recognition) -> Bools:
    """Mask of the units that the scores of a run use."""
    return recognition.is_same(PROTOCOLS[WBE].normaliser)


def _error(recognition: Recognition, in_both: Bools, boundaries: str, n_clusters: int) -> Ratio:
    """Mean absolute boundary error of a system, as sums per cluster, on the words that both systems timed."""
    times = only(recognition.times, is_common(recognition, _same(recognition), in_both))
    for metric, _, statistic in boundary_metrics(times, boundaries, n_clusters):
        if metric == "wbe_mean" and isinstance(statistic, Ratio):
            return statistic
    raise AssertionError("wbe_mean is a ratio")
