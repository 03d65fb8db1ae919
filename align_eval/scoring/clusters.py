"""Sums and counts by cluster: the numbers that a statistic is made from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from align_eval.scoring.boundaries import Floats, Ints


def sum_by(cluster: Ints, values: npt.ArrayLike, n_clusters: int) -> Floats:
    """Sum of the values of each cluster, ``(cluster,)``; zero for a cluster without values.

    Parameters
    ----------
    cluster : int64[n]
        The cluster of each value, from 0 to ``n_clusters`` - 1. Any other grouping will do: words, utterances.
    values : array_like of n numbers
    """
    return np.bincount(cluster, values, minlength=n_clusters).astype(np.float64)


def count_by(cluster: Ints, n_clusters: int) -> Floats:
    """Number of entries of each cluster, ``(cluster,)``, as :func:`sum_by` of as many ones."""
    return np.bincount(cluster, minlength=n_clusters).astype(np.float64)
