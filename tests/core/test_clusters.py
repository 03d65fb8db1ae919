"""Sums and counts by cluster, against a loop over the clusters."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from align_eval.scoring.metrics import count_by, sum_by


def test_sums_and_counts_are_those_worked_out_by_hand():
    """Cluster 1 is empty, and so is the last cluster 3, which has no entry."""
    cluster = np.array([2, 0, 2])
    assert sum_by(cluster, [1.5, 4.0, 2.0], 4).tolist() == [4.0, 0.0, 3.5, 0.0]
    assert count_by(cluster, 4).tolist() == [1.0, 0.0, 2.0, 0.0]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-50, 50)), max_size=12))
def test_each_cluster_sums_and_counts_its_own_values(pairs):
    """Sums of integers and Booleans are exact and of type float64, as are counts."""
    cluster, values = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    assert sum_by(cluster, values, 4).tolist() == [values[cluster == i].sum() for i in range(4)]
    assert sum_by(cluster, values > 0, 4).tolist() == [np.sum(values[cluster == i] > 0) for i in range(4)]
    assert count_by(cluster, 4).tolist() == [np.sum(cluster == i) for i in range(4)]
    assert sum_by(cluster, values > 0, 4).dtype == count_by(cluster, 4).dtype == np.float64
