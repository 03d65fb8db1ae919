"""Clusters and intervals: unit of resampling, effective number, and when there is an interval."""

import numpy as np
import pyarrow as pa
import pytest

from align_eval.scoring.inference import NOT_NEGATIVE, SHARE, student_interval
from align_eval.scoring.metrics import Combination, Difference, MeanOf, Median, Ratio, Smallest
from align_eval.scoring.statistics import (
    N_DRAWS,
    are_enough,
    cluster_rows,
    draw_weights,
    effective_clusters,
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
    value, low, high = student_interval(make(seed), draw_weights(12, seed))
    assert low < value < high


@pytest.mark.parametrize("make", [ratio, median])
def test_the_same_seed_gives_the_same_interval_and_another_one_another(make):
    assert student_interval(make(), draw_weights(12, 3)) == student_interval(make(), draw_weights(12, 3))
    assert student_interval(make(), draw_weights(12, 3)) != student_interval(make(), draw_weights(12, 4))


@pytest.mark.parametrize("make", [ratio, median])
@pytest.mark.parametrize("n_clusters", [1, 2, 4])
def test_under_five_clusters_there_is_a_value_and_no_interval(make, n_clusters):
    value, low, high = student_interval(make(n_clusters=n_clusters), draw_weights(n_clusters, 0))
    assert np.isfinite(value)
    assert low is high is None


@pytest.mark.parametrize(
    ("sizes", "is_enough"),
    [
        ([3.0] * 5, True),  # exactly five
        ([3.0] * 4 + [2.9], False),  # a little under five
        ([3.0] * 5 + [0.0] * 9, True),  # clusters without an entry are none
        ([59, 6, 3, 3, 4, 4, 4], False),  # the demo corpus: seven speakers are worth 1.9
        ([19.0, 0.0], False),  # one scored cluster beside an unscored one
        ([0.0] * 8, False),
    ],
)
def test_five_effective_clusters_of_scored_entries_are_enough(sizes, is_enough):
    counts = np.array(sizes, dtype=np.float64)
    assert are_enough(counts) == is_enough
    statistic = Ratio(np.arange(1.0, 1 + len(counts)) * counts, counts)
    assert (student_interval(statistic, draw_weights(len(counts), 0))[1] is not None) == is_enough


def test_the_sizes_of_a_statistic_are_its_scored_entries_by_cluster():
    a, b = Ratio(np.ones(3), np.array([4.0, 0.0, 2.0])), Ratio(np.ones(3), np.array([3.0, 1.0, 5.0]))
    assert a.sizes(3).tolist() == [4, 0, 2]
    assert Median(np.ones(4), np.array([2, 0, 0, 2])).sizes(4).tolist() == [2, 0, 2, 0]
    both = [3, 0, 2]  # what both parts score
    for paired in (Difference(a, b), Smallest([a, b]), MeanOf([b, a]), Combination([(1.0, a), (-2.0, b)])):
        assert paired.sizes(3).tolist() == both


@pytest.mark.parametrize(
    ("statistic", "value"),
    [
        (Ratio(np.full(8, 6.0), np.full(8, 4.0)), 1.5),
        (Ratio(np.full(8, 0.1) * 3, np.full(8, 0.7)), 0.3 / 0.7),  # sums that are rounded
        (Ratio(np.zeros(8), np.ones(8)), 0.0),
        (Median(np.tile([1.0, 2.0, 9.0], 8), np.repeat(np.arange(8), 3)), 2.0),
    ],
)
def test_clusters_that_are_all_alike_give_no_interval_of_no_width(statistic, value):
    found, low, high = student_interval(statistic, draw_weights(8, 0))
    assert found == pytest.approx(value, rel=1e-12)
    assert low is high is None


def test_an_interval_ends_at_the_bounds_of_the_statistic():
    share = Ratio(np.array([1.0, 1.0, 1.0, 1.0, 0.0]), np.ones(5))
    value, low, high = student_interval(share, draw_weights(5, 0))
    assert value == 0.8
    assert high > 1.0
    assert student_interval(share, draw_weights(5, 0), bounds=SHARE) == (value, low, 1.0)
    error = Ratio(np.array([0.0, 0.0, 0.0, 0.0, 50.0]), np.ones(5))
    value, low, high = student_interval(error, draw_weights(5, 0))
    assert low < 0.0
    assert student_interval(error, draw_weights(5, 0), bounds=NOT_NEGATIVE) == (value, 0.0, high)


def test_given_counts_decide_on_the_number_of_clusters():
    # Eight clusters of equally many words, of which one was timed: coverage counts all of them, and tells little.
    timed = np.array([9.0, 0, 0, 0, 0, 0, 0, 0])
    coverage = Ratio(timed, np.full(8, 10.0))
    assert student_interval(coverage, draw_weights(8, 0), bounds=SHARE)[1] is not None
    assert student_interval(coverage, draw_weights(8, 0), counts=timed) == (pytest.approx(9 / 80), None, None)


def test_draws_that_have_nothing_to_count_are_left_out():
    # Of eight clusters five have something to count; a draw of the other three alone has no value.
    sizes = np.repeat([2.0, 0.0], [5, 3])
    statistic = Ratio(np.arange(8.0) * sizes, sizes)
    drawn = draw_weights(8, 0)
    empty = np.zeros((9, 8), dtype=drawn.dtype)
    empty[:, 7] = 8
    assert np.isnan(evaluate_draws(statistic, empty)).all()
    assert student_interval(statistic, np.concatenate([empty, drawn])) == student_interval(statistic, drawn)


def test_nothing_to_count_at_all_has_neither_value_nor_interval():
    value, low, high = student_interval(Ratio(np.zeros(3), np.zeros(3)), draw_weights(3, 0))
    assert np.isnan(value)
    assert low is high is None
