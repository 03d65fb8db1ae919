"""Choosing candidates on other clusters: against loops and by hand."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align_eval.scoring.inference import student_interval
from align_eval.scoring.metrics import CHUNK, Ratio
from align_eval.scoring.selection import ChosenOnHalves
from align_eval.scoring.statistics import draw_weights
from tests.helpers.leave_one_out import LeaveOneOut

HOW = [LeaveOneOut, ChosenOnHalves]


def example(seed: int, n_candidates: int, n_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers: sums are exact, so that a loop and a matrix product find the same ties."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, n_clusters).astype(np.float64)
    return rng.integers(0, 9, (n_candidates, n_clusters)) * counts, counts


def best(totals: np.ndarray, weights: np.ndarray, counts: np.ndarray, choosing: list[int]) -> int | None:
    """First candidate with the smallest mean over the choosing clusters, in fractions; None if they count nothing."""
    n = sum(int(weights[c] * counts[c]) for c in choosing)
    means = [Fraction(sum(int(weights[c] * row[c]) for c in choosing), n) for row in totals] if n else []
    return means.index(min(means)) if means else None


def one_left_out(totals, counts, weights) -> float:
    """The definition of leaving one out, cluster by cluster."""
    total, n = 0.0, 0.0
    for c in range(len(counts)):
        if weights[c] * counts[c] == 0:
            continue
        candidate = best(totals, weights, counts, [other for other in range(len(counts)) if other != c])
        if candidate is None:
            return np.nan
        total += weights[c] * totals[candidate, c]
        n += weights[c] * counts[c]
    return total / n if n else np.nan


def on_halves(totals, counts, weights, halves) -> float:
    values = []
    for half in halves:
        sides = [np.flatnonzero(half).tolist(), np.flatnonzero(~half).tolist()]
        chosen = [best(totals, weights, counts, side) for side in sides]
        if None not in chosen:
            scored = zip(chosen, reversed(sides), strict=True)
            total = sum(weights[c] * totals[k, c] for k, side in scored for c in side)
            values.append(total / (weights @ counts))
    return float(np.mean(values)) if values else np.nan


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 7))
def test_choosing_is_what_its_definition_says_in_every_draw(seed, n_candidates, n_clusters):
    totals, counts = example(seed, n_candidates, n_clusters)
    weights = np.random.default_rng(seed).multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), 20).astype(float)
    one, halves = LeaveOneOut(totals, counts), ChosenOnHalves(totals, counts, seed=seed, n_splits=4)
    np.testing.assert_allclose(one.evaluate(weights), [one_left_out(totals, counts, w) for w in weights], rtol=1e-12)
    expected = [on_halves(totals, counts, w, halves._halves()) for w in weights]
    np.testing.assert_allclose(halves.evaluate(weights), expected, rtol=1e-12)


def test_each_cluster_is_scored_by_what_the_others_choose_by_hand():
    # One error each. Candidate 0: 1, 1, 9; candidate 1: 2, 2, 2. On the others of cluster 0: 1 + 9 against 2 + 2, so 1,
    # and as well for cluster 1; on the others of cluster 2: 1 + 1 against 2 + 2, so 0, which costs 9 there.
    statistic = LeaveOneOut(np.array([[1.0, 1.0, 9.0], [2.0, 2.0, 2.0]]), np.ones(3))
    assert statistic.chosen_candidates().tolist() == [1, 1, 0]
    assert statistic.own_totals().tolist() == [2.0, 2.0, 9.0]
    assert statistic.evaluate(np.ones((1, 3))).tolist() == [13 / 3]
    # Cluster 2 drawn twice and 0 never: both copies of 2 leave together, and cluster 1 chooses 0 for them.
    assert statistic.evaluate(np.array([[0.0, 1.0, 2.0]])).tolist() == [(2 + 9 + 9) / 3]


def test_halves_by_hand():
    # Of two clusters each chooses for the other, in whichever split: candidate 0 by cluster 0 and 1 by cluster 1.
    statistic = ChosenOnHalves(np.array([[1.0, 9.0], [2.0, 3.0]]), np.ones(2), n_splits=3)
    assert statistic.own_totals().tolist() == [2.0, 9.0]
    assert sorted(statistic.chosen_candidates()[0]) == [0, 1]
    assert statistic.evaluate(np.array([[1.0, 1.0], [3.0, 1.0]])).tolist() == [(2 + 9) / 2, (3 * 2 + 9) / 4]


@pytest.mark.parametrize("how", HOW)
def test_of_equal_candidates_the_first_is_chosen(how):
    assert not how(np.tile([0.1, 0.2, 0.7, 0.4, 0.9], (4, 1)), np.ones(5)).chosen_candidates().any()


def test_a_tie_on_the_others_is_not_broken_by_rounding_nor_by_a_clusters_own_error():
    # Over clusters 1 to 3 both make 0.6, as 0.1 + 0.2 + 0.3 and as 0.3 + 0.3; taken off a sum with 5000.1 they differ.
    totals = np.array([[5000.1, 0.1, 0.2, 0.3], [0.0, 0.3, 0.3, 0.0]])
    for order in ([0, 1], [1, 0]):
        assert LeaveOneOut(totals[order], np.ones(4)).chosen_candidates()[0] == 0


@pytest.mark.parametrize("how", HOW)
def test_own_totals_are_the_parts_of_the_value(how):
    totals, counts = example(3, 6, 12)
    statistic = how(totals, counts)
    assert statistic.own_totals().sum() / counts.sum() == pytest.approx(statistic.evaluate(np.ones((1, 12)))[0])


@pytest.mark.parametrize("how", HOW)
def test_one_candidate_leaves_no_choice_and_is_a_ratio(how):
    counts = np.arange(1.0, 10.0)
    totals, weights = example(1, 1, 9)[0], draw_weights(9, 0)
    np.testing.assert_allclose(how(totals, counts).evaluate(weights), Ratio(totals[0], counts).evaluate(weights))


@pytest.mark.parametrize("how", HOW)
def test_a_draw_is_the_corpus_of_its_clusters_no_less_when_drawn_twice_throughout(how):
    totals, counts = example(5, 4, 8)
    weights = draw_weights(8, 1)
    np.testing.assert_allclose(how(totals, counts).evaluate(2 * weights), how(totals, counts).evaluate(weights))


@pytest.mark.parametrize("how", HOW)
def test_what_does_not_choose_is_not_moved_by_a_worse_candidate(how):
    totals, counts = example(7, 1, 10)
    worse = np.concatenate([totals, totals + 5 * counts + 1])
    weights = draw_weights(10, 2)
    np.testing.assert_allclose(how(worse, counts).evaluate(weights), Ratio(totals[0], counts).evaluate(weights))


@pytest.mark.parametrize("how", HOW)
def test_a_cluster_alone_has_nothing_to_choose_on(how):
    statistic = how(np.array([[1.0, 2.0, 0.0], [3.0, 1.0, 0.0]]), np.array([1.0, 1.0, 0.0]))
    weights = np.array([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0], [1.0, 1.0, 1.0]])
    assert np.isnan(statistic.evaluate(weights)).tolist() == [True, True, True, False]
    single = how(np.array([[4.0], [2.0]]), np.array([1.0]))
    assert student_interval(single, draw_weights(1, 0))[1:] == (None, None)
    assert np.isnan(student_interval(single, draw_weights(1, 0))[0])
    with pytest.raises(ValueError, match="nothing to choose on"):
        single.chosen_candidates()


def test_draws_are_handled_in_parts_and_come_out_whole():
    totals, counts = example(11, 3, 60)
    weights = np.random.default_rng(0).integers(0, 3, (2 * CHUNK // 60 + 5, 60)).astype(np.float64)
    for statistic in (LeaveOneOut(totals, counts), ChosenOnHalves(totals, counts, n_splits=2)):
        whole = statistic.evaluate(weights)
        picked = [0, CHUNK // 60 - 1, CHUNK // 60, len(weights) - 1]
        np.testing.assert_allclose(whole[picked], [statistic.evaluate(weights[i : i + 1])[0] for i in picked])


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("totals", "counts", "match"),
    [
        (np.ones((2, 3)), np.ones(4), "are not"),
        (np.ones((0, 3)), np.ones(3), "are not"),
        (np.ones(3), np.ones(3), "are not"),
        (np.array([[1.0, np.nan]]), np.ones(2), "finite"),
        (np.ones((1, 2)), np.array([1.0, -1.0]), "negative"),
    ],
)
def test_totals_that_cannot_be_chosen_from_are_refused(how, totals, counts, match):
    with pytest.raises(ValueError, match=match):
        how(totals, counts)
