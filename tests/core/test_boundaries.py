"""Counted boundaries and their calibration, on a few words computed by hand."""

import numpy as np
import pytest

from align_eval.scoring.boundaries import WordTimes, calibrated, counted, medians_of_others


def times(start_error, end_error, cluster, *, first=None, last=None, length_s=1.0) -> WordTimes:
    """The reference of word i starts at 2 i s; errors are in seconds; by default no word is first or last."""
    n = len(start_error)
    reference_start_s = 2.0 * np.arange(n)
    return WordTimes(
        reference_start_s=reference_start_s,
        reference_end_s=reference_start_s + length_s,
        start_s=reference_start_s + np.asarray(start_error, dtype=np.float64),
        end_s=reference_start_s + length_s + np.asarray(end_error, dtype=np.float64),
        is_first=np.zeros(n, bool) if first is None else np.array(first, bool),
        is_last=np.zeros(n, bool) if last is None else np.array(last, bool),
        n_words=np.ones(n, np.int64),
        cluster=np.array(cluster),
    )


# Two utterances: of three words and of one, which is first and last at once.
TWO_UTTERANCES = times([0.0] * 4, [0.0] * 4, [0] * 4, first=[1, 0, 0, 1], last=[0, 0, 1, 1])


def test_interior_leaves_out_each_utterances_first_start_and_last_end_and_no_more():
    starts, ends = counted(TWO_UTTERANCES, "interior")
    assert starts.tolist() == [False, True, True, False]
    assert ends.tolist() == [True, True, False, False]


def test_all_counts_every_boundary():
    starts, ends = counted(TWO_UTTERANCES, "all")
    assert starts.all()
    assert ends.all()


@pytest.mark.parametrize("boundaries", ["all", "interior"])
def test_a_word_without_times_counts_nowhere(boundaries):
    starts, ends = counted(times([0.1, np.nan], [0.1, np.nan], [0, 0]), boundaries)
    assert starts.tolist() == ends.tolist() == [True, False]


def test_calibration_moves_a_cluster_by_the_median_of_the_others_and_not_by_its_own():
    # Starts: cluster 0 errs by 0.5 and 0.75, cluster 1 by 0.25, cluster 2 by 0.125. The others' medians are
    # 0.1875 for cluster 0 (of 0.25, 0.125), 0.5 for cluster 1 (of 0.5, 0.75, 0.125), 0.5 for cluster 2.
    before = times([0.5, 0.75, 0.25, 0.125], [0.0] * 4, [0, 0, 1, 2])
    after = calibrated(before, "all")
    expected = [0.5 - 0.1875, 0.75 - 0.1875, 0.25 - 0.5, 0.125 - 0.5]
    assert (after.start_s - after.reference_start_s).tolist() == expected
    assert (after.end_s == before.end_s).all()  # ends have an error of their own: none


def test_calibration_learns_from_the_boundaries_that_count():
    # Cluster 1's first start errs by 0.5 and is not interior, its other one by 0.25; so do its last end and the other.
    before = times([0.0, 0.0, 0.5, 0.25], [0.0, 0.0, 0.25, 0.5], [0, 0, 1, 1], first=[1, 0, 1, 0], last=[0, 1, 0, 1])
    for boundaries, shift_s in (("interior", 0.25), ("all", 0.375)):
        after = calibrated(before, boundaries)
        assert after.start_s[:2].tolist() == [0.0 - shift_s, 2.0 - shift_s]
        assert after.end_s[:2].tolist() == [1.0 - shift_s, 3.0 - shift_s]


def test_a_bias_that_all_clusters_share_is_removed_exactly():
    before = times([0.125] * 6, [-0.0625] * 6, [0, 0, 1, 1, 2, 2])
    after = calibrated(before, "all")
    assert (after.start_s == after.reference_start_s).all()
    assert (after.end_s == after.reference_end_s).all()


def test_a_word_that_would_cross_gets_both_boundaries_at_its_middle():
    # Cluster 1 teaches cluster 0 to start 0.75 s later and to end 0.75 s earlier: its words of 1 s would cross.
    before = times([0.0, 0.0, -0.75], [0.0, 0.0, 0.75], [0, 0, 1])
    after = calibrated(before, "all")
    assert after.start_s.tolist() == [*after.end_s.tolist()[:2], 4.0 - 0.75]
    assert after.start_s[:2].tolist() == [0.5, 2.5]


def test_there_is_no_calibration_with_a_single_cluster():
    assert calibrated(times([0.1, 0.2], [0.1, 0.2], [0, 0]), "all") is None


def test_there_is_no_calibration_where_the_other_cluster_has_no_times():
    assert calibrated(times([0.1, np.nan], [0.1, np.nan], [0, 1]), "all") is None


def test_calibration_leaves_words_without_times_without():
    after = calibrated(times([0.5, np.nan, 0.5], [0.5, np.nan, 0.5], [0, 0, 1]), "all")
    assert np.isnan(after.start_s).tolist() == np.isnan(after.end_s).tolist() == [False, True, False]


def test_medians_of_others_are_the_medians_without_a_clusters_own_values():
    """Compare with numpy, with ties, empty clusters, and a cluster without other clusters."""
    rng = np.random.default_rng(0)
    for n in [0, 1, 2, *rng.integers(3, 40, 200)]:
        values, cluster = rng.normal(size=n).round(1), rng.integers(0, 4, n)
        others = [values[cluster != i] for i in range(5)]
        expected = [np.median(of) if len(of) else np.nan for of in others]
        np.testing.assert_array_equal(medians_of_others(values, cluster, 5), expected)
