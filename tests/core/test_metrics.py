"""Metrics of word boundaries: values by hand, and weights as repetition."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from align_eval.scoring.boundaries import WordTimes
from align_eval.scoring.metrics import (
    CHUNK,
    TOLERANCES_MS,
    Median,
    Ratio,
    boundary_metrics,
    intersection_over_union,
)
from align_eval.scoring.statistics import draw_weights


def words(reference, found, *, first=None, last=None) -> WordTimes:
    """Words of one cluster from (start_s, end_s) pairs; by default no word is first or last."""
    reference, found = np.array(reference, dtype=np.float64), np.array(found, dtype=np.float64)
    nowhere = np.zeros(len(reference), bool)
    return WordTimes(
        reference_start_s=reference[:, 0],
        reference_end_s=reference[:, 1],
        start_s=found[:, 0],
        end_s=found[:, 1],
        is_first=nowhere if first is None else np.array(first, bool),
        is_last=nowhere if last is None else np.array(last, bool),
        n_words=np.ones(len(reference), np.int64),
        cluster=np.zeros(len(reference), np.int64),
    )


def values(times: WordTimes, boundaries: str = "all") -> dict[str, float]:
    return {
        name: float(statistic.evaluate(np.ones((1, 1)))[0])
        for name, _, statistic in boundary_metrics(times, boundaries, 1)
    }


REFERENCE = [(0.1, 0.37), (0.37, 0.9), (1.23, 1.7), (7.77, 8.01)]


@pytest.mark.parametrize("boundaries", ["all", "interior"])
def test_the_reference_against_itself_is_perfect_to_the_last_bit(boundaries):
    found = values(words(REFERENCE, REFERENCE, first=[1, 0, 0, 0], last=[0, 0, 0, 1]), boundaries)
    zero = {"wbe_mean": 0.0, "wbe_median": 0.0, "start_bias": 0.0, "end_bias": 0.0}
    within = {f"within_{ms}ms": 1.0 for ms in TOLERANCES_MS}
    assert found == {**zero, **within, "iou": 1.0, "coverage": 1.0}


def test_a_reference_that_is_40_ms_later_makes_the_words_40_ms_early():
    times = words(REFERENCE, REFERENCE)
    later = replace(
        times, reference_start_s=times.reference_start_s + 0.04, reference_end_s=times.reference_end_s + 0.04
    )
    found = values(later)
    assert found["start_bias"] == pytest.approx(-40.0, abs=1e-9)
    assert found["end_bias"] == pytest.approx(-40.0, abs=1e-9)
    assert found["wbe_mean"] == pytest.approx(40.0, abs=1e-9)
    assert found["wbe_median"] == pytest.approx(40.0, abs=1e-9)


# Errors in ms: starts 125 (the utterance's first), -250, 0; ends 500, 0, -1000 (its last).
HAND = words(
    [(1, 2), (3, 4), (5, 8)], [(1.125, 2.5), (2.75, 4), (5, 7)], first=[True, False, False], last=[False, False, True]
)


@pytest.mark.parametrize(
    ("boundaries", "expected"),
    [
        (
            "all",
            {
                "wbe_mean": (125 + 250 + 0 + 500 + 0 + 1000) / 6,
                "wbe_median": (125 + 250) / 2,
                "start_bias": (125 - 250 + 0) / 3,
                "end_bias": (500 + 0 - 1000) / 3,
                "within_100ms": 2 / 6,
                "within_200ms": 3 / 6,
                # 0.875 s shared of the 1.5 s from 1 to 2.5; 1 of the 1.25 from 2.75 to 4; 2 of the 3 from 5 to 8
                "iou": (0.875 / 1.5 + 1 / 1.25 + 2 / 3) / 3,
            },
        ),
        (
            "interior",
            {
                "wbe_mean": (250 + 0 + 500 + 0) / 4,
                "wbe_median": (0 + 250) / 2,
                "start_bias": -250 / 2,
                "end_bias": 500 / 2,
                "within_200ms": 2 / 4,
                "iou": 1 / 1.25,  # only the word in the middle has both boundaries inside
            },
        ),
    ],
)
def test_values_are_those_worked_out_by_hand(boundaries, expected):
    found = values(HAND, boundaries)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("start_s", [0.1, 0.3, 1.23, 7.77, 29.9])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("ms", TOLERANCES_MS)
def test_an_error_of_exactly_the_tolerance_counts_as_within(start_s, sign, ms):
    found = values(words([(start_s, 40.0)], [(start_s + sign * ms / 1000, 40.0)]))
    assert found[f"within_{ms}ms"] == 1.0


@pytest.mark.parametrize("ms", TOLERANCES_MS)
def test_an_error_of_a_microsecond_more_does_not(ms):
    assert values(words([(1.0, 40.0)], [(1.0 + ms / 1000 + 1e-6, 40.0)]))[f"within_{ms}ms"] == 0.5


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((1, 2), 1.0),
        ((1.5, 2), 0.5),  # half of the reference, none beyond
        ((0, 3), 1 / 3),  # all of the reference and twice as much around it
        ((2, 3), 0.0),  # they touch
        ((5, 6), 0.0),
        ((1.5, 1.5), 0.0),  # no length, so nothing shared
    ],
)
def test_intersection_over_union_of_a_second(found, expected):
    assert intersection_over_union(words([(1, 2)], [found])).tolist() == [expected]


def test_words_without_times_lower_the_coverage_and_nothing_else():
    missing = (np.nan, np.nan)
    whole = values(words(REFERENCE[:2], [(0.2, 0.4), (0.4, 0.9)]))
    lacking = values(words(REFERENCE, [(0.2, 0.4), (0.4, 0.9), missing, missing]))
    assert lacking == {**whole, "coverage": 0.5}


CLUSTERED = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(st.integers(-50, 50), st.integers(0, n - 1)), min_size=1, max_size=12),
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
    )
)
"""Whole numbers with the cluster of each, and a weight a cluster."""


def repeated(case):
    """Values with clusters and weights, and the values repeated by the weight of their cluster."""
    pairs, weights = case
    numbers, cluster = (np.array(column) for column in zip(*pairs, strict=True))
    weights = np.array(weights, dtype=np.float64)
    repetition = np.repeat(numbers, weights[cluster].astype(int))
    assume(len(repetition))
    return numbers.astype(np.float64), cluster, weights, repetition


def median_by_repetition(numbers, cluster, weights) -> float:
    """The definition: each value is repeated by the weight of its cluster; NaN if none is left."""
    repetition = np.repeat(numbers, weights[cluster].astype(int))
    return float(np.median(repetition)) if len(repetition) else np.nan


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 2)), max_size=12),
    st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=5),
)
@example([], [[1, 1, 1]])
@example([(4, 0)], [[0, 3, 3], [1, 0, 0]])
def test_a_weighted_median_is_the_median_with_each_value_repeated(pairs, draws):
    numbers, cluster = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    weights = np.array(draws, dtype=np.float64)
    expected = [median_by_repetition(numbers, cluster, row) for row in weights]
    np.testing.assert_array_equal(Median(numbers.astype(np.float64), cluster).evaluate(weights), expected)


def test_medians_of_more_draws_than_are_held_at_once_are_those_of_each_draw():
    rng = np.random.default_rng(0)
    numbers, cluster = rng.normal(size=300), rng.integers(0, 20, 300)
    weights = draw_weights(20, 0).astype(np.float64)
    assert weights.shape[0] * len(numbers) > 4 * CHUNK
    expected = [median_by_repetition(numbers, cluster, row) for row in weights]
    np.testing.assert_array_equal(Median(numbers, cluster).evaluate(weights), expected)


@settings(deadline=None)
@given(CLUSTERED)
def test_a_weighted_ratio_is_the_mean_with_each_value_repeated(case):
    numbers, cluster, weights, repetition = repeated(case)
    n = len(weights)
    ratio = Ratio(np.bincount(cluster, numbers, n), np.bincount(cluster, minlength=n).astype(np.float64))
    assert ratio.evaluate(weights[None])[0] == pytest.approx(np.mean(repetition), rel=1e-12)


@pytest.mark.parametrize(
    "statistic",
    [Ratio(np.array([0.0, 6.0]), np.array([0.0, 2.0])), Median(np.array([3.0, 3.0]), np.array([1, 1]))],
)
def test_a_draw_without_anything_to_count_is_not_a_number_and_leaves_the_others_alone(statistic):
    draws = statistic.evaluate(np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]]))
    np.testing.assert_array_equal(draws, [np.nan, 3.0, 3.0])
