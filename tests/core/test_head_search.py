"""Choice of head sets on tables whose best set and cross-validated error are known by hand. No torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from align_eval.findings.heads.evidence import Evidence, head_norms
from align_eval.findings.heads.search import (
    cross_validated,
    greedy_by_agreement,
    greedy_by_error,
    methods,
    set_totals,
    top_sets,
    utterance_set_totals,
)


def evidence(errors_ms, cluster, agreement=None, norms=None) -> Evidence:
    """Heads whose mean map errs by the mean of their signed errors, ``(item, head)``; ten boundaries per item."""
    errors = np.asarray(errors_ms, dtype=np.float64)
    n_items, n_heads = errors.shape
    agrees = np.zeros((n_items, n_heads)) if agreement is None else np.asarray(agreement, dtype=np.float64)
    return Evidence(
        items=[None] * n_items,
        cluster=np.asarray(cluster),
        n_heads=n_heads,
        error_of=lambda chosen, i: 10 * abs(float(errors[i, list(chosen)].mean())),
        counts=np.full(n_items, 10.0),
        agreement=agrees,
        norms=np.zeros((n_items, n_heads)) if norms is None else np.asarray(norms, dtype=np.float64),
        agreement_of=lambda chosen, i: float(agrees[i, list(chosen)].mean()),
    )


ALL = np.arange(4)


def test_sets_grow_by_the_heads_of_smallest_figure():
    assert top_sets(np.array([3.0, 1.0, 2.0, 9.0]))[:3] == [(1,), (1, 2), (0, 1, 2)]


def test_the_first_of_equal_heads_is_chosen():
    assert top_sets(np.zeros(4))[0] == (0,)


def test_greedy_search_finds_the_pair_that_cancels():
    """Alone 30, -50, 40, 100 ms: the best head is 0; with 1 it is wrong by 10, and 0, 1 and 2 by 20/3."""
    found = greedy_by_error(evidence([[30, -50, 40, 100]] * 4, range(4)), ALL)
    assert found[:3] == [(0,), (0, 1), (0, 1, 2)]


def test_greedy_search_uses_only_the_clusters_that_choose():
    table = evidence([[0, 90], [0, 90], [90, 0], [90, 0]], range(4))
    assert greedy_by_error(table, np.array([0, 1]))[0] == (0,)
    assert greedy_by_error(table, np.array([2, 3]))[0] == (1,)


def test_a_set_chosen_on_one_half_is_scored_on_the_other():
    """Two speakers, each with a head that is exact for that speaker alone, and wrong by 100 ms for the other.

    The best head on both errs by 50 ms in the mean; on the speaker that did not choose by 100.
    """
    table = evidence([[0, 100], [100, 0]], [0, 1])
    choose, needs_reference = methods(table, {}, seed=0)["top-k by error"]
    assert needs_reference
    totals, sets = cross_validated(table, choose, seed=0)
    assert totals.tolist() == [1000.0, 1000.0]  # ten boundaries each
    assert set(sets) == {(0,), (1,)}
    assert set_totals(table, choose(np.arange(2)), np.arange(2)).sum() == 1000.0


def test_a_speakers_items_are_never_split():
    """Four items of two speakers, as above but with the second items the other way: a split speaker would see them."""
    table = evidence([[0, 100], [0, 100], [100, 0], [100, 0]], [0, 0, 1, 1])
    choose, _ = methods(table, {}, seed=0)["greedy by error"]
    assert cross_validated(table, choose, seed=0)[0].tolist() == [2000.0, 2000.0]


def test_the_size_is_chosen_within_the_half_that_chooses():
    """Heads 60, -60 and 90 ms for all: the pair 0 and 1 is exact, and is found from any half."""
    table = evidence([[60, -60, 90]] * 8, range(8))
    choose, _ = methods(table, {}, seed=0)["greedy by error"]
    totals, sets = cross_validated(table, choose, seed=0)
    assert set(sets) == {(0, 1)}
    assert totals.tolist() == [0.0] * 8


def without_reference(table: Evidence) -> Evidence:
    def refuse(_chosen, _i):
        raise AssertionError("a reference was used")

    return replace(table, error_of=refuse)


def test_methods_without_reference_times_use_none():
    table = evidence(np.zeros((4, 6)), range(4), [[0.1, 0.5, 0.2, 0.9, 0.0, 0.4]] * 4, [[1, 2, 3, 4, 6, 5]] * 4)
    found = methods(without_reference(table), {"all heads": (0, 1, 2, 3, 4, 5)}, seed=0)
    chosen = {name: choose(ALL) for name, (choose, needs_reference) in found.items() if not needs_reference}
    assert chosen == {
        "all heads": (0, 1, 2, 3, 4, 5),
        "greedy by agreement": (3,),  # a mean of agreements is never more than the best of them
        "top-3 by agreement": (1, 3, 5),
        "top-3 by norms": (3, 4, 5),
    }


def test_greedy_agreement_adds_a_head_only_where_the_mean_map_agrees_better():
    together = {(0,): 0.6, (1,): 0.5, (2,): 0.1, (0, 1): 0.7, (0, 2): 0.65, (0, 1, 2): 0.69}
    table = evidence(np.zeros((2, 3)), [0, 1], [[0.6, 0.5, 0.1]] * 2)
    table = replace(table, agreement_of=lambda chosen, _: together.get(chosen, 0.0))
    assert greedy_by_agreement(table, np.arange(2)) == (0, 1)


def test_each_utterance_may_have_a_separate_set():
    table = evidence([[0, 50, 100, 100], [100, 100, 0, 50]], [0, 1], norms=[[4, 3, 2, 1], [1, 2, 4, 3]])
    assert utterance_set_totals(table, table.norms).tolist() == [250.0, 250.0]  # heads 0 and 1; heads 2 and 3


def test_norms_are_those_of_columns_and_rows():
    """One head with rows (0.6, 0.8) and (1, 0): rows have norms 1 and 1, columns sqrt(1.36) and 0.8."""
    assert head_norms(np.array([[[0.6, 0.8], [1.0, 0.0]]], dtype=np.float32)) == pytest.approx([2 + 1.36**0.5 + 0.8])


def test_a_sharp_head_has_larger_norms_than_a_flat_one():
    sharp, flat = np.eye(4), np.full((4, 4), 0.25)
    norms = head_norms(np.stack([sharp, flat]).astype(np.float32))
    assert norms.tolist() == [8.0, 4.0]
