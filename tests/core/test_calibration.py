"""Calibrated error of a signal that chooses a candidate, against sums by hand and the uncalibrated error."""

import numpy as np
import pytest

from align_eval.scoring.calibration import CalibratedOnHalves
from align_eval.scoring.selection import ChosenOnHalves
from align_eval.scoring.statistics import draw_weights


def calibrated(errors_ms, is_start, cluster) -> CalibratedOnHalves:
    errors_ms, cluster = np.array(errors_ms, dtype=np.float64), np.array(cluster)
    n_clusters = int(cluster.max()) + 1
    totals = np.stack([np.bincount(cluster, np.abs(row), minlength=n_clusters) for row in errors_ms])
    counts = np.bincount(cluster, minlength=n_clusters).astype(np.float64)
    return CalibratedOnHalves(errors_ms, np.array(is_start, dtype=np.bool_), cluster, ChosenOnHalves(totals, counts))


def value(statistic, weights=None) -> float:
    n_clusters = len(statistic.chosen.counts)
    return float(statistic.evaluate(np.ones((1, n_clusters)) if weights is None else np.array([weights]))[0])


def test_a_constant_shift_of_starts_and_another_of_ends_leaves_nothing():
    # +70 at every start and -30 at every end: each half's median is the other's error.
    errors = [[70.0, -30.0] * 4]
    assert value(calibrated(errors, [True, False] * 4, [0, 0, 1, 1, 2, 2, 3, 3])) == 0


def test_two_clusters_learn_from_each_other_by_hand():
    # Cluster 0 has starts 10, 20, 60 (median 20), cluster 1 starts 0, 40 (median 20): moved by each other's medians,
    # |10-20| + |20-20| + |60-20| = 50 and |0-20| + |40-20| = 40, over 5 boundaries.
    errors = [[10.0, 20.0, 60.0, 0.0, 40.0]]
    assert value(calibrated(errors, [True] * 5, [0, 0, 0, 1, 1])) == 90 / 5


def test_a_cluster_drawn_twice_counts_twice_in_bias_and_error():
    # Clusters 0 and 2 are always told apart from neither by a split of three into one and two; with weights (1, 2, 0)
    # the starts 0 | 30 30 give moved errors |0-30| and 2 |30-0|, over 3.
    errors = [[0.0, 30.0, 500.0]]
    statistic = calibrated(errors, [True] * 3, [0, 1, 2])
    assert value(statistic, [1.0, 2.0, 0.0]) == pytest.approx((30 + 2 * 30) / 3)


def test_the_candidate_is_chosen_as_it_is_without_calibration():
    # The first candidate is constantly 100 late, the second 10 or -10 by turns: uncalibrated choice takes the second.
    errors = [[100.0] * 8, [10.0, -10.0] * 4]
    statistic = calibrated(errors, [True] * 8, [0, 0, 1, 1, 2, 2, 3, 3])
    assert value(statistic) == 10
    assert value(calibrated(errors[:1], [True] * 8, [0, 0, 1, 1, 2, 2, 3, 3])) == 0


def test_without_bias_it_costs_about_nothing_and_with_one_it_wins():
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(40), 12)
    noise = rng.normal(0, 50, len(cluster))
    is_start = np.arange(len(cluster)) % 2 == 0
    fair, late = calibrated([noise], is_start, cluster), calibrated([noise + 80], is_start, cluster)
    assert value(fair) == pytest.approx(float(np.abs(noise).mean()), abs=1.0)
    assert value(late) == pytest.approx(value(fair), abs=1e-9)  # a shift is what it takes out


def test_draws_are_those_of_the_same_weights_one_at_a_time():
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(6), 5)
    statistic = calibrated(rng.normal(20, 60, (3, 30)), np.arange(30) % 2 == 0, cluster)
    weights = draw_weights(6, 0)[:40]
    together = statistic.evaluate(weights)
    np.testing.assert_array_equal(together, np.concatenate([statistic.evaluate(row[None]) for row in weights]))


def test_one_cluster_and_kinds_without_a_teacher_have_no_value():
    assert np.isnan(value(calibrated([[1.0, 2.0]], [True, True], [0, 0])))
    # The ends of cluster 1 have nobody to learn from: cluster 0 has starts alone.
    assert np.isnan(value(calibrated([[1.0, 2.0, 3.0]], [True, True, False], [0, 1, 1])))


def test_shapes_that_do_not_fit_are_refused():
    good = calibrated([[1.0, 2.0]], [True, False], [0, 1])
    with pytest.raises(ValueError, match="do not fit"):
        CalibratedOnHalves(good.errors_ms, good.is_start[:1], good.cluster, good.chosen)
    with pytest.raises(ValueError, match="do not fit"):
        CalibratedOnHalves(np.zeros((2, 2)), good.is_start, good.cluster, good.chosen)
