"""Error of a signal that chooses, once its constant bias is known: both from one half, errors of the other half.

A row beside a budget, never a step in it: a constant shift says nothing of what a map knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from align_eval.scoring.boundaries import Bools, Floats, Ints
from align_eval.scoring.metrics import Median, chunks
from align_eval.scoring.selection import ChosenOnHalves


@dataclass(frozen=True, slots=True)
class CalibratedOnHalves:
    """Mean absolute error of :class:`~align_eval.scoring.selection.ChosenOnHalves`, its bias taken out.

    Either half of a split chooses the candidate as there, and gives the median signed error of that candidate, starts
    and ends apart; the other half is moved by it and scored. Both are found anew for every weighting.

    Attributes
    ----------
    errors_ms : float64[candidate, boundary]
        Signed errors, hypothesis minus reference.
    is_start : bool[boundary]
        Starts of words; the others are ends.
    cluster : int64[boundary]
    chosen : ChosenOnHalves
        The same candidates by total absolute error of each cluster.

    Raises
    ------
    ValueError
        Where shapes do not fit.
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
        """Mean error in ms for each row of ``(draw, cluster)`` weights.

        A split is left out of a draw where a half that is scored has boundaries of a kind and the half that should say
        their bias has none; NaN where no split is left.
        """
        values = np.full(len(weights), np.nan)
        for rows in chunks(len(weights), self.errors_ms.shape[1]):
            values[rows] = self._mean(weights[rows])
        return values

    def _mean(self, weights: Floats) -> Floats:
        n_counted = weights[:, self.cluster].sum(axis=1)
        total, n_defined = np.zeros(len(weights)), np.zeros(len(weights))
        for half, _, by_first, by_second in self.chosen.splits(weights):
            error = np.zeros(len(weights))
            for chooses, candidate in ((half, by_first), (~half, by_second)):
                for kind in (self.is_start, ~self.is_start):
                    error += self._moved(weights, kind, chooses, candidate)
            defined = np.isfinite(error)
            total += np.where(defined, error, 0.0)
            n_defined += defined
        counted = n_defined * n_counted
        return np.asarray(np.divide(total, counted, out=np.full(len(weights), np.nan), where=counted > 0))

    def _moved(self, weights: Floats, kind: Bools, chooses: Bools, candidate: Ints) -> Floats:
        """Sum of absolute errors of one kind in the other half, moved, ``(draw,)``; NaN where no bias is to be had."""
        learnt, scored = (np.flatnonzero(kind & (chooses[self.cluster] == side)) for side in (True, False))
        sums = np.zeros(len(weights))
        for one in np.unique(candidate):
            draws = np.flatnonzero(candidate == one)
            bias = Median(self.errors_ms[one, learnt], self.cluster[learnt]).evaluate(weights[draws])
            scores = weights[np.ix_(draws, self.cluster[scored])]
            of_bias = (scores * np.abs(self.errors_ms[one, scored] - bias[:, None])).sum(axis=1)
            sums[draws] = np.where(scores.any(axis=1), of_bias, 0.0)
        return sums
