"""Choice of sets of heads: top-k and greedy search over four rankings, with and without reference times.

A set is read as a system reads it (token unit, preparation, path). The rankings are by error against the reference, by
agreement with a saliency map, by norms of the head's map (Yeh, Meng, Tang 2025), and fixed: the model's alignment
heads, and all heads. Top-k takes the first heads of a ranking; greedy search adds the head that helps
most.

A method with reference times chooses on half of the clusters (speakers or recordings, never split) and is scored on the
other half, over several splits. It chooses the size of the set within the half that chooses, on quarters. The choices
are the same for every resample of the bootstrap. A method without reference times chooses on the maps of all clusters
and is scored on all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from align_eval.findings.heads.evidence import Evidence, HeadSet
from align_eval.findings.heads.records import SUPERVISED
from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.metrics import sum_by
from align_eval.scoring.selection import halves

Choose = Callable[[Ints], HeadSet]
"""From the clusters that may be used to a set."""

SIZES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20)
K_WITHOUT_REFERENCE = 10
"""Size of a set without reference times, from Yeh et al.; half of the heads where a model has fewer than twice that."""

N_SPLITS = 5
GREEDY_SIZE = 8
"""Largest set of greedy search."""

GREEDY_POOL = 12
"""Number of best single heads among which greedy search chooses."""


def methods(evidence: Evidence, fixed: Mapping[str, HeadSet], seed: int) -> dict[str, tuple[Choose, bool]]:
    """Every method to choose a set, by name, with whether it needs reference times.

    Parameters
    ----------
    evidence
        Figures of heads and sets.
    fixed
        Sets that need no search, by name.
    seed
        Seed of the halves on which sizes are chosen.
    """
    k = _k_without_reference(evidence)

    def always(heads: HeadSet) -> Choose:
        return lambda _: heads

    def by(figure: Floats) -> Callable[[Ints], list[HeadSet]]:
        return lambda clusters: top_sets(-figure[evidence.within(clusters)].mean(axis=0))

    def top_k(figure: Floats) -> Choose:
        sets_of = by(figure)
        return lambda clusters: next(heads for heads in sets_of(clusters) if len(heads) == k)

    supervised = {
        SUPERVISED: lambda clusters: greedy_by_error(evidence, clusters),
        "top-k by error": lambda clusters: top_sets(single_errors(evidence, clusters)),
        "top-k by agreement, k by error": by(evidence.agreement),
    }
    return {
        **{name: (always(heads), False) for name, heads in fixed.items()},
        **{name: (_with_size(evidence, sets_of, seed), True) for name, sets_of in supervised.items()},
        "greedy by agreement": (lambda clusters: greedy_by_agreement(evidence, clusters), False),
        f"top-{k} by agreement": (top_k(evidence.agreement), False),
        f"top-{k} by norms": (top_k(evidence.norms), False),
    }


def _k_without_reference(evidence: Evidence) -> int:
    return min(K_WITHOUT_REFERENCE, max(1, evidence.n_heads // 2))


def top_sets(figures: Floats) -> list[HeadSet]:
    """Sets of growing size with the heads of the smallest figures; equal heads keep their order."""
    order = np.argsort(figures, kind="stable")
    sizes = sorted({*(size for size in (*SIZES, K_WITHOUT_REFERENCE) if size < len(order)), max(1, len(order) // 2)})
    return [tuple(sorted(order[:size].tolist())) for size in sizes]


def single_errors(evidence: Evidence, clusters: Ints) -> Floats:
    """Sum of absolute errors of each head alone, float64[n_heads] in ms."""
    return np.array([evidence.error((head,), clusters) for head in range(evidence.n_heads)])


def greedy_by_error(evidence: Evidence, clusters: Ints) -> list[HeadSet]:
    """Sets that grow by the head that lowers the error most, among the best single heads."""
    pool = np.argsort(single_errors(evidence, clusters), kind="stable")[:GREEDY_POOL].tolist()
    return list(_grown(pool, lambda heads: -evidence.error(heads, clusters)))


def greedy_by_agreement(evidence: Evidence, clusters: Ints) -> HeadSet:
    """Set whose mean map agrees best with the saliency, grown head by head until no head improves it."""
    items = [int(i) for i in evidence.within(clusters)]

    def mean_agreement(heads: HeadSet) -> float:
        return float(np.nan_to_num([evidence.agreement_of(heads, i) for i in items]).mean())

    pool = np.argsort(-evidence.agreement[items].mean(axis=0), kind="stable")[: 2 * GREEDY_POOL].tolist()
    best: HeadSet = ()
    for heads in _grown(pool, mean_agreement):
        if best and mean_agreement(heads) <= mean_agreement(best):
            break
        best = heads
    return best


def _grown(pool: Sequence[int], value: Callable[[HeadSet], float]) -> Iterator[HeadSet]:
    """Sets that grow by the head of greatest value, up to a size; among equal heads the first of the pool."""
    heads: HeadSet = ()
    for _ in range(min(GREEDY_SIZE, len(pool))):
        larger = [tuple(sorted((*heads, head))) for head in pool if head not in heads]
        heads = max(larger, key=value)
        yield heads


def _with_size(evidence: Evidence, sets_of: Callable[[Ints], list[HeadSet]], seed: int) -> Choose:
    """Choice of a set of the size that does best on each half of the clusters when the other half chooses the heads."""

    def choose(clusters: Ints) -> HeadSet:
        sets = sets_of(clusters)
        counts = np.zeros(int(evidence.cluster.max()) + 1)
        counts[clusters] = 1
        (half,) = halves(counts, seed, 1)
        sides = np.intersect1d(clusters, np.flatnonzero(half)), np.intersect1d(clusters, np.flatnonzero(~half))
        if not len(sides[0]):  # a single cluster has to choose for itself
            sides = clusters, clusters
        sums = np.zeros(len(sets))
        for chooses, scored in (sides, sides[::-1]):
            sums += [evidence.error(heads, scored) for heads in sets_of(chooses)]
        return sets[int(sums.argmin())]

    return choose


def cross_validated(evidence: Evidence, choose: Choose, seed: int) -> tuple[Floats, list[HeadSet]]:
    """Total error of each cluster under the sets that the halves without it choose.

    Returns
    -------
    totals : float64[n_clusters]
        Mean over splits, in ms.
    chosen : list of HeadSet
        One set per half of every split.
    """
    counts = sum_by(evidence.cluster, evidence.counts, int(evidence.cluster.max()) + 1)
    clusters = np.flatnonzero(counts > 0)
    totals = np.zeros(len(counts))
    chosen = []
    for half in halves(counts, seed, N_SPLITS):
        first, second = (clusters[side[clusters]] for side in (half, ~half))
        for chooses, scored in ((first, second), (second, first)):
            heads = choose(chooses)
            chosen.append(heads)
            totals += set_totals(evidence, heads, scored) / N_SPLITS
    return totals, chosen


def set_totals(evidence: Evidence, heads: HeadSet, clusters: Ints) -> Floats:
    """Total error of each cluster under a set, float64[n_clusters] in ms; 0 for clusters outside ``clusters``."""
    totals = np.zeros(int(evidence.cluster.max()) + 1)
    for i in evidence.within(clusters):
        totals[evidence.cluster[i]] += evidence.error_of(heads, int(i))
    return totals


def utterance_set_totals(evidence: Evidence, figure: Floats) -> Floats:
    """Total error of each cluster where every utterance has a separate set: its best heads by a figure.

    Parameters
    ----------
    figure : float64[n_items, n_heads]
        Greater is better.

    Returns
    -------
    float64[n_clusters]
        In ms.
    """
    k = _k_without_reference(evidence)
    totals = np.zeros(int(evidence.cluster.max()) + 1)
    for i, row in enumerate(figure):
        heads = tuple(sorted(np.argsort(-row, kind="stable")[:k].tolist()))
        totals[evidence.cluster[i]] += evidence.error_of(heads, i)
    return totals
