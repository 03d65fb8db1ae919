"""Choice of a candidate by leaving out one cluster at a time: the alternative to halves, for comparison in tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from align_eval.scoring.boundaries import Bools, Floats, Ints
from align_eval.scoring.inference import ROUNDING
from align_eval.scoring.metrics import chunks
from align_eval.scoring.selection import ChosenOnHalves


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """Mean error of a signal, each cluster scored by the candidate of least mean error over all other clusters.

    All copies of a cluster are left out together, and the choice is repeated for every weighting. ``totals``,
    ``counts`` and errors are those of :class:`~align_eval.scoring.selection.ChosenOnHalves`.
    """

    totals: Floats
    counts: Floats

    def __post_init__(self) -> None:
        ChosenOnHalves(self.totals, self.counts)

    def evaluate(self, weights: Floats) -> Floats:
        """Mean error in ms for each row of ``(draw, cluster)`` weights.

        NaN if nothing is counted, or if a cluster that counts is alone: there is nothing to choose on.
        """
        values = np.full(len(weights), np.nan)
        for rows in chunks(len(weights), weights.shape[1]):
            part = weights[rows]
            errors = self.totals[self._chosen(part), np.arange(weights.shape[1])]  # (draw, cluster)
            count = part * self.counts
            total = count.sum(axis=1)
            defined = (total > 0) & ~_alone(count).any(axis=1)
            np.divide((part * errors).sum(axis=1), total, out=values[rows], where=defined)
        return values

    def sizes(self, _n_clusters: int, /) -> Floats:
        """Number of errors of each cluster."""
        return self.counts

    def chosen_candidates(self) -> Ints:
        """Number of the candidate that is chosen for each cluster, ``(cluster,)``, each cluster counted once."""
        if _alone(self.counts[None]).any():
            raise ValueError("one cluster alone leaves nothing to choose on")
        return np.asarray(self._chosen(np.ones((1, len(self.counts))))[0])

    def own_totals(self) -> Floats:
        """Total error in ms of each cluster under the candidate chosen for it, ``(cluster,)``."""
        return self.totals[self.chosen_candidates(), np.arange(len(self.counts))]

    def _chosen(self, weights: Floats) -> Ints:
        """Candidate of least total on the others, ``(draw, cluster)``; counts are shared, so totals order as means."""
        sums = weights @ self.totals.T  # (draw, candidate)
        rounding = ROUNDING * np.abs(sums).max(axis=1, keepdims=True)
        least = np.full(weights.shape, np.inf)
        chosen = np.zeros(weights.shape, dtype=np.int64)
        for candidate, totals in enumerate(self.totals):
            others = sums[:, candidate, None] - weights * totals
            better = others < least - rounding
            np.copyto(least, others, where=better)
            np.copyto(chosen, candidate, where=better)
        return chosen


def _alone(count: Floats) -> Bools:
    """True where a cluster holds everything that its row of ``(draw, cluster)`` counts holds."""
    return np.asarray((count > 0) & (count == count.sum(axis=1, keepdims=True)))
