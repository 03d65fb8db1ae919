"""Intervals, flips of signs, Holm's adjustment and agreement of signs: against loops, tables and counts by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from align_eval.scoring.inference import (
    N_FLIPS,
    error_of_draws,
    flip_test,
    freedom_of,
    holm,
    smallest_effect,
    standard_error,
    stands,
    student_interval,
)
from align_eval.scoring.metrics import Combination, Difference, Ratio
from align_eval.scoring.statistics import draw_weights, effective_clusters


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


SIZES = [
    ([1.0] * 12, 11.0),  # equal clusters: one less than their number
    ([3.0, 5.0, 9.0, 2.0, 30.0], None),
    ([3.0, 0.0, 5.0, 9.0, 2.0, 30.0, 0.0], None),  # a cluster without entries is none
]


@pytest.mark.parametrize(("counts", "freedom"), SIZES)
def test_degrees_of_freedom_are_those_of_the_quadratic_form(counts, freedom):
    # The estimate of the variance of w @ y is y' M y. For normal y of variances D its mean is tr(M D), its variance
    # 2 tr(M D M D), and chi-squared of f degrees of freedom has mean f and variance 2 f.
    sizes = np.array([count for count in counts if count])
    w = sizes / sizes.sum()
    residuals = np.eye(len(w)) - w  # y - w @ y
    form = residuals.T @ np.diag(w**2) @ residuals @ np.diag((1 + sizes.mean() / sizes) / 2)
    expected = np.trace(form) ** 2 / np.trace(form @ form)
    assert freedom_of(np.array(counts)) == pytest.approx(expected, rel=1e-12)
    assert expected == pytest.approx(freedom or expected)


def test_the_standard_error_of_uneven_clusters_is_right_in_the_mean():
    # One cluster has a third of the entries. Over 4,000 samples, the mean square of the corrected errors is the
    # variance of the mean of these samples, to within 3 %; corrected by the effective number alone, it is less.
    rng, counts = np.random.default_rng(0), np.array([1.0] * 10 + [5.0])
    means = rng.normal(0.0, 1.0, (4000, 11)) * np.sqrt((1 + counts.mean() / counts) / 2)
    shares = counts / counts.sum()
    values = means @ shares
    squares = (((means - values[:, None]) * shares) ** 2).sum(axis=1)
    # Two draws, each sqrt(square / 2) from their mean, have this square as their variance.
    variances = [error_of_draws(np.sqrt(square / 2) * np.array([-1.0, 1.0]), counts) ** 2 for square in squares]
    assert np.mean(variances) == pytest.approx(values.var(), rel=0.03)
    effective = effective_clusters(counts)
    assert squares.mean() * effective / (effective - 1) < 0.93 * values.var()


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
