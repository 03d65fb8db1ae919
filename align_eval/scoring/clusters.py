"""Sums and counts per cluster, the sufficient statistics of means and shares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from align_eval.scoring.boundaries import Floats, Ints


def sum_by(cluster: Ints, values: npt.ArrayLike, n_clusters: int) -> Floats:
    """Sum of the values of each cluster.

    Parameters
    ----------
    cluster : int64[n]
        Cluster of each value, from 0 to ``n_clusters`` - 1, or any other grouping (words, utterances).
    values : array_like of n numbers

    Returns
    -------
    float64[n_clusters]
        Zero for a cluster without values.
    """
    return np.bincount(cluster, values, minlength=n_clusters).astype(np.float64)


def count_by(cluster: Ints, n_clusters: int) -> Floats:
    """Number of entries of each cluster, ``float64[n_clusters]``; see :func:`sum_by`."""
    return np.bincount(cluster, minlength=n_clusters).astype(np.float64)
