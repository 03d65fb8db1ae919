"""Choosing on other clusters, flips of signs, Holm and what stands: against loops, tables and counts by hand."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from align_eval.scoring.inference import (
    N_FLIPS,
    Chosen,
    ChosenOnHalves,
    flip_test,
    holm,
    smallest_effect,
    standard_error,
    stands,
    student_interval,
)
from align_eval.scoring.metrics import CHUNK, Combination, Difference, Ratio
from align_eval.scoring.statistics import draw_weights

HOW = [Chosen, ChosenOnHalves]


def example(seed: int, n_candidates: int, n_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers: sums are exact, so that a loop and a matrix product find the same ties."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, n_clusters).astype(np.float64)
    return rng.integers(0, 9, (n_candidates, n_clusters)) * counts, counts


def best(totals: np.ndarray, weights: np.ndarray, counts: np.ndarray, choosing: list[int]) -> int | None:
    """First candidate of least mean over the choosing clusters, as a fraction; None where they count nothing."""
    n = sum(int(weights[c] * counts[c]) for c in choosing)
    means = [Fraction(sum(int(weights[c] * row[c]) for c in choosing), n) for row in totals] if n else []
    return means.index(min(means)) if means else None


def one_left_out(totals, counts, weights) -> float:
    """The definition, cluster by cluster."""
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
    one, halves = Chosen(totals, counts), ChosenOnHalves(totals, counts, seed=seed, n_splits=4)
    np.testing.assert_allclose(one.evaluate(weights), [one_left_out(totals, counts, w) for w in weights], rtol=1e-12)
    expected = [on_halves(totals, counts, w, halves._halves()) for w in weights]
    np.testing.assert_allclose(halves.evaluate(weights), expected, rtol=1e-12)


def test_each_cluster_is_scored_by_what_the_others_choose_by_hand():
    # One error each. Candidate 0: 1, 1, 9; candidate 1: 2, 2, 2. On the others of cluster 0: 1 + 9 against 2 + 2, so 1,
    # and as well for cluster 1; on the others of cluster 2: 1 + 1 against 2 + 2, so 0, which costs 9 there.
    statistic = Chosen(np.array([[1.0, 1.0, 9.0], [2.0, 2.0, 2.0]]), np.ones(3))
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
        assert Chosen(totals[order], np.ones(4)).chosen_candidates()[0] == 0


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
    for statistic in (Chosen(totals, counts), ChosenOnHalves(totals, counts, n_splits=2)):
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


def test_a_combination_is_the_sum_of_its_parts_and_a_difference_one_of_them():
    a, b = (Ratio(np.array(values), np.ones(2)) for values in ([1.0, 3.0], [1.0, 1.0]))
    weights = np.array([[1.0, 1.0], [2.0, 0.0]])
    assert Combination([(2.0, a), (-0.5, b)]).evaluate(weights).tolist() == [2 * 2 - 0.5, 2 * 1 - 0.5]
    difference = Difference(a, b).evaluate(weights)
    assert Combination([(1.0, a), (-1.0, b)]).evaluate(weights).tolist() == difference.tolist()


def test_the_interval_of_a_mean_is_students():
    # Of a plain mean the bootstrap standard error is, but for the 2,000 draws, sqrt((n-1)/n) s / sqrt(n).
    values = np.random.default_rng(4).normal(50.0, 10.0, 12)
    value, low, high = student_interval(Ratio(values, np.ones(12)), draw_weights(12, 0))
    reach = t.ppf(0.975, 11) * values.std(ddof=1) / np.sqrt(12)
    assert value == pytest.approx(values.mean())
    assert (value - low, high - value) == pytest.approx((reach, reach), rel=0.05)


def test_the_smallest_effect_is_students_2_8_standard_errors_and_none_with_five_clusters():
    # Draws of six clusters, the first of 1000 ms, that weigh -1 and +1 standard errors of 300 ms about the middle.
    statistic = Ratio(np.array([1000.0, 0, 0, 0, 0, 0]), np.ones(6))
    weights = np.array([[0.2, 0.8, 0, 0, 0, 0], [0.8, 0.2, 0, 0, 0, 0]])
    error = 300 * np.sqrt(2) * np.sqrt(6 / 5)  # sd of +-300 with one degree of freedom, and sqrt(n/(n-1)) of six
    assert standard_error(statistic, weights) == pytest.approx(error)
    # Student's t with five degrees of freedom, from a table: 2.571 at 97.5 %, 0.920 at 80 %
    assert smallest_effect(statistic, weights) == pytest.approx((2.5706 + 0.9195) * error, rel=1e-4)
    five = Ratio(np.arange(5.0), np.ones(5))
    assert smallest_effect(five, draw_weights(5, 0)) is None  # 2 / 2^5 > 5 %: no flips of signs are rare enough
    assert smallest_effect(Ratio(np.ones(1), np.ones(1)), draw_weights(1, 0)) is None


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0, 2.0, 4.0], 2 / 8),  # all of one sign: itself and its mirror image are the furthest
        ([1.0, 2.0, -4.0], 8 / 8),  # |-1|: no flip of 1, 2, 4 comes nearer to zero than 1
        ([-1.0, 2.0, 4.0], 4 / 8),  # |5|: +-7 and +-5
        ([3.0, 3.0, -3.0], 8 / 8),  # |3| or |9|
        ([5.0], 1.0),
        ([0.0, 0.0], 1.0),
        ([0.1, 0.2, -0.3], 1.0),  # zero but for rounding
    ],
)
def test_few_clusters_are_flipped_in_all_ways_by_hand(differences, p):
    counts = np.arange(1.0, 1 + len(differences))
    assert flip_test(np.array(differences), counts, seed=0) == p
    assert flip_test(-np.array(differences), counts, seed=1) == p


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=1, max_size=8))
def test_exact_flips_are_those_of_a_loop(differences):
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in flips_of(len(differences))]
    p = sum(total >= abs(sum(differences)) for total in sums) / len(sums)
    assert flip_test(np.array(differences, dtype=np.float64), np.ones(len(differences)), seed=0) == p


def flips_of(n: int):
    return itertools.product((-1, 1), repeat=n)


def test_a_cluster_without_boundaries_is_not_flipped():
    # Of twelve that count and three that do not, 2^12 flips are tried, and two are as far as all of one sign.
    totals, counts = np.repeat([1.0, 0.0], [12, 3]), np.repeat([2.0, 0.0], [12, 3])
    assert flip_test(totals, counts, seed=0) == 2 / 2**12


def test_many_clusters_are_flipped_at_random_and_p_is_never_zero():
    totals = np.ones(40)
    assert flip_test(totals, np.ones(40), seed=0) == 1 / (N_FLIPS + 1)  # two flips in 2^40 are as far
    assert flip_test(np.tile([1.0, -1.0], 20), np.ones(40), seed=0) == 1.0


def test_random_flips_come_near_the_normal_share():
    # 100 of +1 with 60 - 40 = 20 net: |S| >= 20 of S = sum of 100 signs; exactly 2 P(Bin(100, 1/2) >= 60) = 0.0569.
    p = flip_test(np.repeat([1.0, -1.0], [60, 40]), np.ones(100), seed=0)
    assert p == pytest.approx(0.0569, abs=4 * np.sqrt(0.0569 * 0.9431 / N_FLIPS))


def test_flips_are_widened_to_a_larger_standard_error_and_never_narrowed():
    # Eight of +1: the flips' sd is sqrt(8)/8. Twice that error halves the mean of 1 to 1/2: |S| >= 4 of S of 8 signs,
    # 2 (1 + 8 + 28) of 256 flips.
    totals, counts = np.ones(8), np.ones(8)
    assert flip_test(totals, counts, seed=0, error=2 * np.sqrt(8) / 8) == 2 * (1 + 8 + 28) / 256
    assert flip_test(totals, counts, seed=0, error=0.01) == flip_test(totals, counts, seed=0) == 2 / 256


@pytest.mark.parametrize(
    ("totals", "counts", "match"),
    [
        (np.ones(2), np.ones(3), "one for each"),
        (np.array([np.nan, 1.0]), np.ones(2), "finite"),
        (np.zeros(2), np.zeros(2), "nothing is counted"),
    ],
)
def test_differences_that_cannot_be_flipped_are_refused(totals, counts, match):
    with pytest.raises(ValueError, match=match):
        flip_test(totals, counts, seed=0)


def test_holm_multiplies_the_smallest_by_the_most():
    # By hand: .01 x 4, .015 x 3 = .045, .03 x 2 = .06, .04 x 1 raised to .06.
    adjusted = holm({"c": 0.03, "a": 0.01, "d": 0.04, "b": 0.015})
    assert adjusted == pytest.approx({"c": 0.06, "a": 0.04, "d": 0.06, "b": 0.045})
    assert list(adjusted) == ["c", "a", "d", "b"]
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_its_steps_do(p_values):
    # Holm's own wording: from the smallest on, reject while p <= 5 % / (m - i).
    adjusted = holm({str(i): p for i, p in enumerate(p_values)})
    steps = [0.05 - p * (len(p_values) - i) for i, p in enumerate(sorted(p_values))]
    rejected = next((i for i, slack in enumerate(steps) if slack < 0), len(steps))
    assert sum(p <= 0.05 for p in adjusted.values()) == rejected
    assert all(p <= q for p, q in zip(p_values, adjusted.values(), strict=True))


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_holm_refuses_what_is_no_p_value(p):
    with pytest.raises(ValueError, match="no p-value"):
        holm({"a": p})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0, 0.1, 12.0], "stands"),
        ([-3.0, -0.1], "stands"),
        ([3.0, -0.1], "depends on the reference"),
        ([3.0, 0.0], "depends on the reference"),
        ([0.0, 0.0], "depends on the reference"),
        ([3.0, 1e-12], "depends on the reference"),  # zero but for rounding
        ([3.0, float("nan")], "depends on the reference"),
        ([3.0], "stands"),
    ],
)
def test_a_difference_stands_if_its_sign_is_the_same_everywhere(values, expected):
    assert stands({str(i): value for i, value in enumerate(values)}) == expected


def test_without_a_condition_nothing_is_said():
    with pytest.raises(ValueError, match="no condition"):
        stands({})
