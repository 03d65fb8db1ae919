"""Figures of heads and of sets of heads that a search compares: errors, agreement with a saliency, and norms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from align_eval.findings.agreement.correlation import agreement
from align_eval.findings.budget.cells import Stack, prepared
from align_eval.findings.saved_run import Item, decoded, interior_errors_ms, mean_map
from align_eval.scoring.boundaries import Floats, Ints

HeadSet = tuple[int, ...]
"""Numbers of heads, counted layer by layer, ascending."""

ErrorOf = Callable[[HeadSet, int], float]
"""From a set and the number of an item to the sum of absolute errors of its interior boundaries in ms."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Preparation and path for word times of a set of heads; the default is that of openai-whisper."""

    unit: str = "subword"
    prep: str = "zscore-median"
    align: str = "dtw"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a search for heads uses.

    Attributes
    ----------
    items : sequence of Item
    cluster : int64[n_items]
        Speaker or recording of each item, never split between halves.
    n_heads : int
    error_of : callable
        Sum of absolute errors of an item under a set, in ms.
    counts : float64[n_items]
        Interior boundaries of each item.
    agreement, norms : float64[n_items, n_heads]
        Agreement with the saliency, and norms, of every head in every item.
    agreement_of : callable
        Agreement of the mean map of a set in an item.
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
        """Numbers of the items in some clusters."""
        return np.flatnonzero(np.isin(self.cluster, clusters))

    def error(self, heads: HeadSet, clusters: Ints) -> float:
        """Sum of absolute errors over some clusters, in ms."""
        return sum(self.error_of(heads, int(i)) for i in self.within(clusters))


def gather(items: Sequence[Item], heads_spec: str, saliency_spec: str, reading: Reading) -> Evidence:
    """Measure every head of every item; a set is measured when it is first used, and then cached.

    Parameters
    ----------
    items
        Utterances.
    heads_spec, saliency_spec
        Specs of attention with all heads, and of the saliency.
    reading
        How word times are read off a set.
    """
    stacks = [item.maps.stacks[heads_spec] for item in items]  # (head, row, frame)
    n_heads = len(stacks[0])
    filtered = [_filtered(stack, reading.prep) for stack in stacks]
    words = [item.maps.word_of_token[reading.unit][:-1] for item in items]
    saliency = [mean_map(item, saliency_spec) for item in items]

    @cache
    def error_of(heads: HeadSet, i: int) -> float:
        values = _set_map(filtered[i], heads, reading.prep)
        times_s = decoded(items[i], values, reading.unit, reading.align)
        return float(np.abs(interior_errors_ms(items[i], times_s)).sum())

    @cache
    def agreement_of(heads: HeadSet, i: int) -> float:
        mean = stacks[i][list(heads), :-1].mean(axis=0, dtype=np.float64)
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
    """Sum of the norms of columns and rows of each head, which is large for sharp rows on different frames.

    Parameters
    ----------
    heads : float32[n_heads, n_rows, n_frames]

    Returns
    -------
    float64[n_heads]

    References
    ----------
    Yeh, Meng, Tang 2025.
    """
    values = heads.astype(np.float64)
    by_frame, by_row = (np.linalg.norm(values, axis=axis).sum(axis=1) for axis in (1, 2))
    return np.asarray(by_frame + by_row)


def _filtered(stack: Stack, prep: str) -> Stack:
    """Heads after the part of the preparation that treats each head separately."""
    return np.stack([prepared(head[None], prep) for head in stack]) if prep == "zscore-median" else stack


def _set_map(filtered: Stack, heads: HeadSet, prep: str) -> Stack:
    """Prepared map of a set, from heads that :func:`_filtered` returned."""
    chosen = filtered[list(heads)]
    return np.asarray(chosen.mean(axis=0)) if prep == "zscore-median" else prepared(chosen, prep)
