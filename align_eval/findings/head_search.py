"""Which heads to read word times from: every head ranked, sets searched, with and without reference times.

A set is read as a system reads it (token unit, preparation, path). Sets come from four rankings: by error against the
reference, by agreement with a saliency map, by norms of the head's own map (Yeh, Meng, Tang 2025), and as given (those
that the model is said to align with, and all). Top-k takes the first heads of a ranking; greedy adds the head that
helps most.

What needs reference times is chosen on half of the clusters (speakers or recordings, never split) and scored on the
other half, over several splits; its size is chosen within the half that chooses, on quarters. The choices are held
fixed over the bootstrap's draws. What needs none is chosen on the maps of all and scored as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from align_eval.findings.agreement.statistics import agreement
from align_eval.findings.budget.cells import Stack, prepared
from align_eval.findings.kept_run import Item, decoded, interior_errors_ms
from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.clusters import sum_by
from align_eval.scoring.selection import halves

HeadSet = tuple[int, ...]
"""Heads by number, layer by layer, ascending."""

ErrorOf = Callable[[HeadSet, int], float]
"""From a set and the number of an item to the sum of absolute errors of its interior boundaries in ms."""

Choose = Callable[[Ints], HeadSet]
"""From the clusters that may be looked at to a set."""

SIZES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20)
K_WITHOUT_REFERENCE = 10
"""Yeh's number; where a model has fewer than twice as many heads, half of them."""

N_SPLITS = 5
GREEDY_SIZE = 8
GREEDY_POOL = 12
"""Greedy search adds up to so many heads, from the so many that are best alone."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a set of heads is read: by default openai-whisper's preparation and path."""

    unit: str = "subword"
    prep: str = "zscore-median"
    align: str = "dtw"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What sets are searched on.

    Attributes
    ----------
    items : sequence of Item
    cluster : int64[n_items]
        What is never split.
    n_heads : int
    error_of : callable
        Sum of absolute errors of an item under a set, in ms.
    counts : float64[n_items]
        Interior boundaries.
    agreement, norms : float64[n_items, n_heads]
        Of every head, in the utterance.
    agreement_of : callable
        Agreement of the mean map of a set, by item.
    """

    items: Sequence[Item]
    cluster: Ints
    n_heads: int
    error_of: ErrorOf
    counts: Floats
    agreement: Floats
    norms: Floats
    agreement_of: Callable[[HeadSet, int], float]

    def within(self, clusters: Ints) -> Ints:
        """Numbers of the items of some clusters."""
        return np.flatnonzero(np.isin(self.cluster, clusters))

    def error(self, chosen: HeadSet, clusters: Ints) -> float:
        """Sum of absolute errors over some clusters, in ms."""
        return sum(self.error_of(chosen, int(i)) for i in self.within(clusters))


def gather(items: Sequence[Item], heads_spec: str, saliency_spec: str, reading: Reading) -> Evidence:
    """Measure every head of every item; sets are measured when they are asked for, each once."""
    stacks = [item.maps.stacks[heads_spec] for item in items]  # (head, row, frame)
    n_heads = len(stacks[0])
    filtered = [_filtered(stack, reading.prep) for stack in stacks]
    words = [item.maps.word_of_token[reading.unit][:-1] for item in items]
    saliency = [np.asarray(item.maps.stacks[saliency_spec].mean(axis=0)[:-1]) for item in items]

    @cache
    def error_of(chosen: HeadSet, i: int) -> float:
        values = _set_map(filtered[i], chosen, reading.prep)
        return float(np.abs(interior_errors_ms(items[i], decoded(items[i], values, reading.unit, reading.align))).sum())

    @cache
    def agreement_of(chosen: HeadSet, i: int) -> float:
        mean = stacks[i][list(chosen), :-1].mean(axis=0, dtype=np.float64)
        return agreement(mean, saliency[i], words[i], "rows", "pearson").utterance

    agreements = [[agreement_of((head,), i) for head in range(n_heads)] for i in range(len(items))]
    return Evidence(
        items=items,
        cluster=np.array([item.cluster for item in items]),
        n_heads=n_heads,
        error_of=error_of,
        counts=np.array([2.0 * len(item.reference_s) - 2 for item in items]),
        agreement=np.nan_to_num(np.array(agreements)),
        norms=np.stack([head_norms(stack[:, :-1]) for stack in stacks]),
        agreement_of=agreement_of,
    )


def head_norms(heads: Stack) -> Floats:
    """Sum of the norms of columns and of rows of each head, ``(head, row, frame)`` to ``(head,)``.

    A head with sharp rows, on frames of their own, has large ones. Reference: Yeh, Meng, Tang 2025.
    """
    values = heads.astype(np.float64)
    by_frame, by_row = (np.linalg.norm(values, axis=axis).sum(axis=1) for axis in (1, 2))
    return np.asarray(by_frame + by_row)


def _filtered(stack: Stack, prep: str) -> Stack:
    """Heads of which the mean over a set is what a path is searched in, but for a logarithm."""
    return np.stack([prepared(head[None], prep) for head in stack]) if prep == "zscore-median" else stack


def _set_map(filtered: Stack, chosen: HeadSet, prep: str) -> Stack:
    part = filtered[list(chosen)]
    return np.asarray(part.mean(axis=0)) if prep == "zscore-median" else prepared(part, prep)


def families(evidence: Evidence, given: Mapping[str, HeadSet], seed: int) -> dict[str, tuple[Choose, bool]]:
    """Every way to choose a set, by name, with whether it needs reference times."""
    k = min(K_WITHOUT_REFERENCE, max(1, evidence.n_heads // 2))

    def fixed(chosen: HeadSet) -> Choose:
        return lambda _: chosen

    def by(figure: Floats) -> Callable[[Ints], list[HeadSet]]:
        return lambda clusters: top_sets(-figure[evidence.within(clusters)].mean(axis=0))

    def first(figure: Floats) -> Choose:
        order = by(figure)
        return lambda clusters: next(chosen for chosen in order(clusters) if len(chosen) == k)

    supervised = {
        "greedy by error": lambda clusters: greedy_by_error(evidence, clusters),
        "top-k by error": lambda clusters: top_sets(single_errors(evidence, clusters)),
        "top-k by agreement, k by error": by(evidence.agreement),
    }
    return {
        **{name: (fixed(chosen), False) for name, chosen in given.items()},
        **{name: (_with_size(evidence, path, seed), True) for name, path in supervised.items()},
        "greedy by agreement": (lambda clusters: greedy_by_agreement(evidence, clusters), False),
        f"top-{k} by agreement": (first(evidence.agreement), False),
        f"top-{k} by norms": (first(evidence.norms), False),
    }


def top_sets(figures: Floats) -> list[HeadSet]:
    """The heads of least figure, as sets of growing size; equal ones in their order."""
    order = np.argsort(figures, kind="stable")
    sizes = sorted({*(size for size in (*SIZES, K_WITHOUT_REFERENCE) if size < len(order)), max(1, len(order) // 2)})
    return [tuple(sorted(order[:size].tolist())) for size in sizes]


def single_errors(evidence: Evidence, clusters: Ints) -> Floats:
    """Sum of absolute errors of each head alone, in ms."""
    return np.array([evidence.error((head,), clusters) for head in range(evidence.n_heads)])


def greedy_by_error(evidence: Evidence, clusters: Ints) -> list[HeadSet]:
    """Sets that grow by the head that lowers the error most, from the best single heads."""
    pool = np.argsort(single_errors(evidence, clusters), kind="stable")[:GREEDY_POOL].tolist()
    return list(_grown(pool, lambda chosen: -evidence.error(chosen, clusters)))


def greedy_by_agreement(evidence: Evidence, clusters: Ints) -> HeadSet:
    """The set whose mean map agrees best with the saliency, grown head by head until none helps."""
    items = [int(i) for i in evidence.within(clusters)]

    def agrees(chosen: HeadSet) -> float:
        return float(np.nan_to_num([evidence.agreement_of(chosen, i) for i in items]).mean())

    pool = np.argsort(-evidence.agreement[items].mean(axis=0), kind="stable")[: 2 * GREEDY_POOL].tolist()
    best: HeadSet = ()
    for chosen in _grown(pool, agrees):
        if best and agrees(chosen) <= agrees(best):
            break
        best = chosen
    return best


def _grown(pool: Sequence[int], value: Callable[[HeadSet], float]) -> Iterator[HeadSet]:
    """Sets that grow by the head of greatest value, up to a size; of equal ones the first of the pool."""
    chosen: HeadSet = ()
    for _ in range(min(GREEDY_SIZE, len(pool))):
        larger = [tuple(sorted((*chosen, head))) for head in pool if head not in chosen]
        chosen = max(larger, key=value)
        yield chosen


def _with_size(evidence: Evidence, path: Callable[[Ints], list[HeadSet]], seed: int) -> Choose:
    """A set of the path through some clusters, of the size that does best where either half of them chose heads."""

    def choose(clusters: Ints) -> HeadSet:
        whole = path(clusters)
        counts = np.zeros(int(evidence.cluster.max()) + 1)
        counts[clusters] = 1
        (half,) = halves(counts, seed, 1)
        parts = np.intersect1d(clusters, np.flatnonzero(half)), np.intersect1d(clusters, np.flatnonzero(~half))
        if not len(parts[0]):  # a single cluster: what it says of itself is all there is
            parts = clusters, clusters
        sums = np.zeros(len(whole))
        for own, other in (parts, parts[::-1]):
            sums += [evidence.error(chosen, other) for chosen in path(own)]
        return whole[int(sums.argmin())]

    return choose


def cross_validated(evidence: Evidence, choose: Choose, seed: int) -> tuple[Floats, list[HeadSet]]:
    """Total error of each cluster under the sets that halves without it choose, and these sets, a half each.

    Returns
    -------
    totals : float64[n_clusters]
        Mean over splits, in ms.
    chosen : list of HeadSet
    """
    counts = sum_by(evidence.cluster, evidence.counts, int(evidence.cluster.max()) + 1)
    clusters = np.flatnonzero(counts > 0)
    totals = np.zeros(len(counts))
    sets = []
    for half in halves(counts, seed, N_SPLITS):
        first, second = (clusters[side[clusters]] for side in (half, ~half))
        for own, other in ((first, second), (second, first)):
            chosen = choose(own)
            sets.append(chosen)
            totals += set_totals(evidence, chosen, other) / N_SPLITS
    return totals, sets


def set_totals(evidence: Evidence, chosen: HeadSet, clusters: Ints) -> Floats:
    """Total error of each cluster under a set, ``(cluster,)`` in ms; 0 in clusters that are not asked for."""
    totals = np.zeros(int(evidence.cluster.max()) + 1)
    for i in evidence.within(clusters):
        totals[evidence.cluster[i]] += evidence.error_of(chosen, int(i))
    return totals


def own_set_totals(evidence: Evidence, figure: Floats) -> Floats:
    """Total error of each cluster where every utterance is read by its own best heads by a figure, in ms.

    Parameters
    ----------
    figure : float64[n_items, n_heads]
        Greater is better.
    """
    k = min(K_WITHOUT_REFERENCE, max(1, evidence.n_heads // 2))
    totals = np.zeros(int(evidence.cluster.max()) + 1)
    for i, row in enumerate(figure):
        chosen = tuple(sorted(np.argsort(-row, kind="stable")[:k].tolist()))
        totals[evidence.cluster[i]] += evidence.error_of(chosen, i)
    return totals
