"""Ranks and Spearman's correlation without importing ``scipy.stats``, which takes a second to load."""

from __future__ import annotations

import numpy as np

from align_eval.scoring.boundaries import Floats


def ranks(values: Floats) -> Floats:
    """Rank of each value among all values, from 1; equal values share their mean rank.

    Parameters
    ----------
    values : float64[...]

    Returns
    -------
    float64[...]
        In the shape of ``values``.

    Raises
    ------
    ValueError
        Where a value is NaN, which has no rank.
    """
    if np.isnan(values).any():
        raise ValueError(f"{np.isnan(values).sum()} of {values.size} values are NaN, which has no rank")
    _, number, count = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    return np.asarray(mean_rank[number]).reshape(values.shape)


def rank_correlation(one: Floats, other: Floats) -> float:
    """Spearman's correlation; 0 where either side is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    columns = np.column_stack((ranks(one), ranks(other)))  # scipy's memory layout: the last bits depend on it
    return float(np.asarray(np.corrcoef(columns, rowvar=False))[1, 0])
