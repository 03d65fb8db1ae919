"""Clusters and intervals: unit of resampling, effective number, and coverage of the interval."""

import numpy as np
import pyarrow as pa
import pytest

from align_eval.scoring.metrics import Median, Ratio
from align_eval.scoring.statistics import (
    N_DRAWS,
    cluster_rows,
    draw_weights,
    effective_clusters,
    estimate,
    evaluate_draws,
)


def table(speakers: list[str | None], recordings: list[str]) -> pa.Table:
    return pa.table({"speaker": pa.array(speakers, pa.string()), "recording": recordings})


@pytest.mark.parametrize(
    ("speakers", "recordings", "kind", "cluster"),
    [
        (["b", "a", "b"], ["1", "2", "3"], "speakers", [1, 0, 1]),
        (["a", "a", "a"], ["2", "1", "2"], "recordings", [1, 0, 1]),  # one speaker leaves nothing to resample
        (
            ["b", None, "a", "a"],
            ["1", "1", "2", "3"],
            "speakers and recordings",
            [2, 0, 1, 1],
        ),
        ([None, None], ["x", "y"], "recordings", [0, 1]),
        (["a", "a"], ["1", "1"], "recordings", [0, 0]),
    ],
)
def test_speakers_are_resampled_and_recordings_where_there_are_none_or_one(speakers, recordings, kind, cluster):
    found_kind, found = cluster_rows(table(speakers, recordings))
    assert (found_kind, found.tolist()) == (kind, cluster)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([5, 5, 5, 5], 4.0),  # equal clusters are worth their number
        ([7], 1.0),
        ([100, 0], 1.0),  # an empty one is worth nothing
        ([3, 1], 16 / 10),
        # the manual part of the demo corpus: 83 words, most of them in one recording
        ([59, 6, 3, 3, 4, 4, 4], 83**2 / (59**2 + 36 + 9 + 9 + 16 + 16 + 16)),
        ([0, 0], 0.0),
    ],
)
def test_the_effective_number_of_clusters_is_kishs(words, expected):
    assert effective_clusters(np.array(words, dtype=np.float64)) == pytest.approx(expected, rel=1e-12)


def test_each_draw_draws_as_many_clusters_as_there_are():
    weights = draw_weights(7, seed=0)
    assert weights.shape == (N_DRAWS, 7)
    assert (weights.sum(axis=1) == 7).all()


def test_the_draws_are_those_of_the_generator_asked_once_for_all_of_them():
    """The 3,000 clusters are drawn in blocks; the generator's output does not depend on the block size."""
    whole = np.random.default_rng(3).multinomial(3000, np.full(3000, 1 / 3000), size=N_DRAWS)
    np.testing.assert_array_equal(draw_weights(3000, 3), whole)


@pytest.mark.parametrize("n_clusters", [7, 3000])
def test_blocks_of_draws_give_what_all_draws_give(n_clusters):
    """Whole numbers have exact sums in any order."""
    rng = np.random.default_rng(0)
    statistic = Ratio(*rng.integers(1, 99, (2, n_clusters)).astype(np.float64))
    drawn = draw_weights(n_clusters, 0)
    np.testing.assert_array_equal(evaluate_draws(statistic, drawn), statistic.evaluate(drawn.astype(np.float64)))


def ratio(seed: int = 0, n_clusters: int = 12) -> Ratio:
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 9, n_clusters).astype(np.float64)
    return Ratio(rng.normal(50.0, 10.0, n_clusters) * size, size)


def median(seed: int = 0, n_clusters: int = 12) -> Median:
    rng = np.random.default_rng(seed)
    return Median(rng.exponential(50.0, 10 * n_clusters), np.repeat(np.arange(n_clusters), 10))


@pytest.mark.parametrize("make", [ratio, median])
@pytest.mark.parametrize("seed", range(5))
def test_the_interval_holds_the_value(make, seed):
    value, low, high = estimate(make(seed), draw_weights(12, seed))
    assert low < value < high


@pytest.mark.parametrize("make", [ratio, median])
def test_the_same_seed_gives_the_same_interval_and_another_one_another(make):
    assert estimate(make(), draw_weights(12, 3)) == estimate(make(), draw_weights(12, 3))
    assert estimate(make(), draw_weights(12, 3)) != estimate(make(), draw_weights(12, 4))


@pytest.mark.parametrize("make", [ratio, median])
def test_a_single_cluster_has_a_value_and_no_interval(make):
    value, low, high = estimate(make(n_clusters=1), draw_weights(1, 0))
    assert np.isfinite(value)
    assert low is high is None


@pytest.mark.parametrize(
    ("statistic", "value"),
    [
        (Ratio(np.full(5, 6.0), np.full(5, 4.0)), 1.5),
        (Median(np.tile([1.0, 2.0, 9.0], 5), np.repeat(np.arange(5), 3)), 2.0),
    ],
)
def test_clusters_that_are_all_alike_give_an_interval_of_no_width(statistic, value):
    assert estimate(statistic, draw_weights(5, 0)) == (value, value, value)


def test_the_interval_leaves_out_a_fortieth_of_the_draws_on_either_side():
    # Draws of two clusters whose values are 0 and 1000: drawn k of 1000 times, the second makes the mean k.
    k = np.arange(1001.0)
    statistic = Ratio(np.array([0.0, 1000.0]), np.array([1.0, 1.0]))
    assert estimate(statistic, np.stack([1000 - k, k], axis=1)) == pytest.approx((500.0, 25.0, 975.0), rel=1e-12)


def test_draws_that_have_nothing_to_count_are_left_out():
    # Only cluster 1 has something to count: whatever is drawn, the ratio is 3 or nothing.
    statistic = Ratio(np.array([0.0, 6.0]), np.array([0.0, 2.0]))
    assert estimate(statistic, draw_weights(2, 0)) == (3.0, 3.0, 3.0)


def test_nothing_to_count_at_all_has_neither_value_nor_interval():
    value, low, high = estimate(Ratio(np.zeros(3), np.zeros(3)), draw_weights(3, 0))
    assert np.isnan(value)
    assert low is high is None


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says():
    # 300 corpora of 40 speakers with means around 60 ms and 5 to 15 words each, which say nothing of the mean.
    # The percentile interval is a little narrow at 40 clusters (by sqrt(39/40), and for want of Student's t): it covers
    # about 93.5 %, with a standard error of 1.4 % from 300 corpora.
    rng = np.random.default_rng(20)
    held = 0
    for corpus in range(300):
        n_words = rng.integers(5, 16, 40).astype(np.float64)
        _, low, high = estimate(Ratio(rng.normal(60.0, 15.0, 40) * n_words, n_words), draw_weights(40, corpus))
        held += low <= 60.0 <= high
    assert 0.90 <= held / 300 <= 0.98
