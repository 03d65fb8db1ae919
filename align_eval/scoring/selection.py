"""Selection of a signal's best candidate on other clusters than those that it is scored on.

A candidate is one setting of a signal (heads, depth, lambda, silence, ...). Totals are sums of absolute errors in ms
per cluster (speaker or recording), counts the number of errors summed; a value is the ratio of their sums, in ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from align_eval.scoring.boundaries import Bools, Floats, Ints
from align_eval.scoring.inference import ROUNDING
from align_eval.scoring.metrics import chunks


@dataclass(frozen=True, slots=True)
class ChosenOnHalves:
    """Mean error of a signal whose candidate is chosen on half of the clusters and scored on the other half.

    Each half of a random split chooses the candidate of least mean error for the other half; the value is the mean over
    ``n_splits`` splits, the same for all signals with one seed. The choice is repeated for every weighting. The errors
    of a cluster never influence its candidate, so the value is that of the procedure, without the optimism of a best of
    many. Of equally good candidates the first is chosen.

    Leaving out one cluster at a time would break near ties all at once: where a single cluster decides between two
    candidates, nearly every cluster gets the candidate that is worse for it. This up to doubles the standard error with
    40 speakers, and more with more of them. Halves break ties gradually, but choose on half as many clusters.

    Attributes
    ----------
    totals : float64[n_candidates, n_clusters]
        Total absolute error in ms.
    counts : float64[n_clusters]
        Number of errors; equal for all candidates, which must be scored on the same boundaries.

    Raises
    ------
    ValueError
        If the shapes differ, there is no candidate, a total is not finite or a count is negative.
    """

    totals: Floats
    counts: Floats
    seed: int = 0
    n_splits: int = 20

    def __post_init__(self) -> None:
        if self.totals.ndim != 2 or not len(self.totals) or self.totals.shape[1:] != self.counts.shape:
            raise ValueError(f"totals {self.totals.shape} are not (candidate, cluster) of counts {self.counts.shape}")
        if not np.isfinite(self.totals).all() or not (np.isfinite(self.counts) & (self.counts >= 0)).all():
            raise ValueError("totals must be finite, counts finite and not negative")

    def evaluate(self, weights: Floats) -> Floats:
        """Mean error in ms for each row of weights ``float64[n_draws, n_clusters]``.

        A draw leaves out the splits of which one half counts nothing. It is NaN if no split remains, as with a single
        cluster that counts.
        """
        values = np.full(len(weights), np.nan)
        for rows in chunks(len(weights), max(weights.shape[1], len(self.totals))):
            part = weights[rows]
            sums, count = part @ self.totals.T, part @ self.counts  # (draw, candidate), (draw,)
            total, n_defined = np.zeros(len(part)), np.zeros(len(part))
            for half, first, by_first, by_second in self.splits(part):
                error = _taken(sums - first, by_first) + _taken(first, by_second)
                n_first = part[:, half] @ self.counts[half]
                defined = (n_first > 0) & (n_first < count)
                total += np.where(defined, error, 0.0)
                n_defined += defined
            np.divide(total, n_defined * count, out=values[rows], where=n_defined > 0)
        return values

    def sizes(self, _n_clusters: int, /) -> Floats:
        """Number of errors of each cluster."""
        return self.counts

    def chosen_candidates(self) -> Ints:
        """Numbers of the candidates that the two halves choose, ``int64[n_splits, 2]``, each cluster counted once.

        Raises
        ------
        ValueError
            If only one cluster counts.
        """
        if np.count_nonzero(self.counts) == 1:
            raise ValueError("one cluster alone leaves nothing to choose on")
        sums = self.totals.sum(axis=1)
        first = np.stack([self.totals[:, half].sum(axis=1) for half in self._halves()])  # (split, candidate)
        tie = _tie(sums[None])
        return np.stack([_least(first, tie), _least(sums - first, tie)], axis=1)

    def own_totals(self) -> Floats:
        """Mean over splits of each cluster's total error in ms under the candidate of the other half, ``[n_clusters]``.

        Input of :func:`~align_eval.scoring.inference.flip_test`.
        """
        by_split = [
            np.where(half, self.totals[second], self.totals[first])
            for half, (first, second) in zip(self._halves(), self.chosen_candidates(), strict=True)
        ]
        return np.asarray(np.mean(by_split, axis=0))

    def splits(self, weights: Floats) -> Iterator[tuple[Bools, Floats, Ints, Ints]]:
        """Yield the choices of each split for weights ``float64[n_draws, n_clusters]``.

        Yields
        ------
        half : bool[n_clusters]
            Clusters of the first half.
        first : float64[n_draws, n_candidates]
            Total errors in the first half.
        by_first, by_second : int64[n_draws]
            Candidates that the first and the second half choose.
        """
        sums = weights @ self.totals.T
        tie = _tie(sums)
        for half in self._halves():
            first = weights[:, half] @ self.totals[:, half].T
            yield half, first, _least(first, tie), _least(sums - first, tie)

    def _halves(self) -> list[Bools]:
        return halves(self.counts, self.seed, self.n_splits)


def halves(counts: Floats, seed: int, n_splits: int) -> list[Bools]:
    """Random first halves of the clusters that count, one ``bool[n_clusters]`` per split."""
    rng = np.random.default_rng(seed)
    counted = np.flatnonzero(counts > 0)
    first_halves = []
    for _ in range(n_splits):
        half = np.zeros(len(counts), dtype=np.bool_)
        half[rng.permutation(counted)[: len(counted) // 2]] = True
        first_halves.append(half)
    return first_halves


def _tie(sums: Floats) -> Floats:
    """Largest difference by rounding of sums ``(draw, candidate)`` over all clusters, ``(draw, 1)``."""
    return np.asarray(ROUNDING * np.abs(sums).max(axis=1, keepdims=True))


def _least(sums: Floats, tie: Floats) -> Ints:
    """First candidate of least sum, up to ``tie``, from ``(draw, candidate)`` to ``(draw,)``."""
    return np.asarray((sums <= sums.min(axis=1, keepdims=True) + tie).argmax(axis=1))


def _taken(sums: Floats, candidate: Ints) -> Floats:
    return np.asarray(np.take_along_axis(sums, candidate[:, None], axis=1)[:, 0])
