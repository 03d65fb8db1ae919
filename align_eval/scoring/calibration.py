"""Calibrated error of a signal that chooses a candidate: one half gives candidate and bias, the other half the errors.

The calibrated error is reported beside an error budget and is no step of it, since a constant shift is no property of
the map's timing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from align_eval.scoring.boundaries import Bools, Floats, Ints
from align_eval.scoring.metrics import Median, chunks
from align_eval.scoring.selection import ChosenOnHalves


@dataclass(frozen=True, slots=True)
class CalibratedOnHalves:
    """Mean absolute error of :class:`~align_eval.scoring.selection.ChosenOnHalves` after removing the bias.

    Each half of a split chooses a candidate and estimates its median signed error, separately for starts and ends. The
    other half is shifted by this bias and scored. Choice and bias are recomputed for every weighting.

    Attributes
    ----------
    errors_ms : float64[n_candidates, n_boundaries]
        Signed errors, hypothesis minus reference.
    is_start : bool[n_boundaries]
        True for starts of words, false for ends.
    cluster : int64[n_boundaries]
    chosen : ChosenOnHalves
        The same candidates by total absolute error per cluster.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """

    errors_ms: Floats
    is_start: Bools
    cluster: Ints
    chosen: ChosenOnHalves

    def __post_init__(self) -> None:
        n_candidates, n_boundaries = self.errors_ms.shape
        fits = self.is_start.shape == self.cluster.shape == (n_boundaries,)
        if not fits or len(self.chosen.totals) != n_candidates:
            raise ValueError(f"errors {self.errors_ms.shape} do not fit their boundaries and candidates")

    def evaluate(self, weights: Floats) -> Floats:
        """Mean error in ms for each row of weights ``float64[n_draws, n_clusters]``.

        A draw leaves out a split if one half has starts (or ends) to score and the other half has none to estimate
        their bias from. NaN if no split remains.
        """
        values = np.full(len(weights), np.nan)
        for rows in chunks(len(weights), self.errors_ms.shape[1]):
            values[rows] = self._mean(weights[rows])
        return values

    def sizes(self, n_clusters: int, /) -> Floats:
        """Number of errors of each cluster."""
        return self.chosen.sizes(n_clusters)

    def _mean(self, weights: Floats) -> Floats:
        n_counted = weights[:, self.cluster].sum(axis=1)
        total, n_defined = np.zeros(len(weights)), np.zeros(len(weights))
        for half, _, by_first, by_second in self.chosen.splits(weights):
            error = np.zeros(len(weights))
            for choosing_half, candidate in ((half, by_first), (~half, by_second)):
                for side in (self.is_start, ~self.is_start):
                    error += self._calibrated_total(weights, side, choosing_half, candidate)
            defined = np.isfinite(error)
            total += np.where(defined, error, 0.0)
            n_defined += defined
        counted = n_defined * n_counted
        return np.asarray(np.divide(total, counted, out=np.full(len(weights), np.nan), where=counted > 0))

    def _calibrated_total(self, weights: Floats, side: Bools, choosing_half: Bools, candidate: Ints) -> Floats:
        """Total calibrated error of starts (or ends) in the scored half, ``(draw,)``; NaN if the bias is undefined."""
        in_choosing_half = choosing_half[self.cluster]
        estimating, scored = np.flatnonzero(side & in_choosing_half), np.flatnonzero(side & ~in_choosing_half)
        totals = np.zeros(len(weights))
        for number in np.unique(candidate):
            draws = np.flatnonzero(candidate == number)
            bias = Median(self.errors_ms[number, estimating], self.cluster[estimating]).evaluate(weights[draws])
            scored_weights = weights[np.ix_(draws, self.cluster[scored])]
            total = (scored_weights * np.abs(self.errors_ms[number, scored] - bias[:, None])).sum(axis=1)
            totals[draws] = np.where(scored_weights.any(axis=1), total, 0.0)
        return totals
