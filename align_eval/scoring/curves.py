"""Distributions and curves of one system's errors, over the same boundaries as its mean error."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from align_eval.scoring.boundaries import Floats, Ints, counted
from align_eval.scoring.protocol_metrics import is_near
from align_eval.scoring.protocols import PROTOCOLS
from align_eval.scoring.recognition import only, recognition_of
from align_eval.units import MS_PER_S


def signed_errors_s(table: pa.Table, cluster_of_row: Ints, boundaries: str) -> tuple[Floats, Floats]:
    """Signed errors of the starts and of the ends of recognised words, hypothesis minus reference, in seconds.

    Parameters
    ----------
    table : pyarrow.Table
        Rows of a words table of one system under one kind of reference.
    cluster_of_row : int64[n_rows]
        See :func:`~align_eval.scoring.statistics.cluster_rows`.
    boundaries : str
        ``all`` or ``interior``.

    Returns
    -------
    starts, ends : float64[n_boundaries]
        In the order of the table.
    """
    recognition = recognition_of(table, cluster_of_row)
    times = only(recognition.times, recognition.is_same(PROTOCOLS["wbe"].normaliser))
    starts, ends = counted(times, boundaries)
    return (times.start_s - times.reference_start_s)[starts], (times.end_s - times.reference_end_s)[ends]


def share_within(errors_s: Floats, tolerances_ms: Floats) -> Floats:
    """Share of boundaries whose absolute error is within each tolerance, ``float64[n_tolerances]``.

    It equals the metric ``within_{ms}ms`` at the tolerances of :data:`~align_eval.scoring.metrics.TOLERANCES_MS`. NaN
    if there are no boundaries.
    """
    if not len(errors_s):
        return np.full(len(tolerances_ms), np.nan)
    return np.array([is_near(np.abs(errors_s), float(ms)).mean() for ms in tolerances_ms], dtype=np.float64)


def quantiles_ms(errors_s: Floats, shares: tuple[float, ...]) -> Floats:
    """Quantiles of signed errors, from seconds to ms, ``float64[n_shares]``; NaN if there are no errors."""
    return np.quantile(errors_s, shares) * MS_PER_S if len(errors_s) else np.full(len(shares), np.nan)
