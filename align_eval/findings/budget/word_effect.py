"""Regression of a word's absolute error on agreement and entropy, with fixed effects per word. Arrays only, no torch.

:mod:`align_eval.findings.budget.agreement_effect` makes the observations from a run; this module fits them.

Conventions. An *observation* is a word under one set of attention heads: the error of its times in ms, the agreement of
that attention with saliency, and the entropy of that attention. Fixed effects compare each word only with itself under
other sets of heads, which removes the noise of its reference and its difficulty. Sets are random and of equal size, so
that agreement varies by design.

The interval holds for other speakers and for other sets of heads, because errors are clustered by both: a set that
times all words well is a single sample, however many words show it.

References: Cameron, Gelbach, Miller 2011, "Robust inference with multiway clustering"; Cameron, Miller 2015, "A
practitioner's guide to cluster-robust inference", sections II.C and III.B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.inference import ROUNDING, student_quantile, student_share
from align_eval.scoring.metrics import count_by, sum_by
from align_eval.scoring.statistics import CONFIDENCE, FEWEST_CLUSTERS, effective_clusters


class NoVariationError(ValueError):
    """Agreement and entropy do not vary independently within words: there is no effect to measure."""


@dataclass(frozen=True, slots=True)
class WordEffect:
    """Effect of agreement on a word's error with everything else about the word equal.

    Attributes
    ----------
    slope_ms : float
        Ms of absolute error per unit of agreement: negative where agreement goes with better times.
    slope_ms_per_sd : float
        The same per standard deviation of agreement within words, the variation that the slope comes from.
    ci_low, ci_high : float or None
        95 % interval of ``slope_ms``; None with fewer than five effective clusters, or as many sets.
    p : float or None
        Two-sided p-value of a slope of zero; None likewise.
    n_observations, n_words, n_clusters, n_sets : int
        Numbers used in the fit: of words under a set, words, speakers or recordings, and sets of heads.
    n_left_out : int
        Words with one observation, which have nothing to be compared with.
    entropy_slope : float
        Ms of absolute error per nat of entropy at equal agreement.
    """

    slope_ms: float
    slope_ms_per_sd: float
    ci_low: float | None
    ci_high: float | None
    p: float | None
    n_observations: int
    n_words: int
    n_clusters: int
    n_sets: int
    n_left_out: int
    entropy_slope: float


def word_effect(
    error_ms: Floats, agreement: Floats, entropy: Floats, word: Ints, cluster: Ints, head_set: Ints
) -> WordEffect:
    """Fit absolute error on agreement and entropy by least squares, with word fixed effects and two-way clustering.

    The fixed effects are absorbed: the mean of each variable within a word is subtracted, which gives the slopes of a
    regression with one dummy per word (Frisch, Waugh 1933).

    Parameters
    ----------
    error_ms : float64[n]
        Errors in ms; only their absolute values count.
    agreement, entropy : float64[n]
    word : int64[n]
        Number of the word in the corpus.
    cluster : int64[n]
        Speaker, or recording where there is one speaker.
    head_set : int64[n]
        Number of the set of heads.

    Raises
    ------
    ValueError
        Where a value is not finite or a word lies in several clusters.
    NoVariationError
        Where agreement does not vary within words independently of entropy.

    Notes
    -----
    The variance is that of clusters plus that of sets minus that of their intersections, never below that of clusters
    or of sets alone. Each is that of the slopes without one group after another (the jackknife), which allows for a few
    groups that decide much; deviations from words' means stay those of all observations. p and interval are of t; its
    degrees of freedom are the least effective number minus one, of clusters and of sets, by their observations and by
    the variation of agreement in them.

    With the labels of sets permuted over words of 54 speakers under 24 sets, so that there is no effect, the interval
    leaves out zero in 6.6 %. Clustered by speaker alone it does so in 84 %; with sandwiches instead of the jackknife
    and the plain number of sets, in 9 %.
    """
    columns = np.stack([np.abs(error_ms), agreement, entropy], axis=1).astype(np.float64)  # (observation, variable)
    if not np.isfinite(columns).all():
        raise ValueError("error, agreement and entropy must be finite")
    words, number, count = np.unique(word, return_inverse=True, return_counts=True)
    is_compared = count[number] > 1
    if len(np.unique(np.stack([word, cluster], axis=1), axis=0)) != len(words):
        raise ValueError("a word must lie in one cluster")

    means = np.stack([sum_by(number, column, len(words)) / count for column in columns.T], axis=1)  # (word, variable)
    within = (columns - means[number])[is_compared]
    clusters = np.unique(cluster[is_compared], return_inverse=True)[1]
    n_clusters = len(np.unique(clusters))
    sd = np.sqrt((within[:, 1:] ** 2).mean(axis=0)) if is_compared.any() else np.zeros(2)
    scale = np.abs(columns[:, 1:]).max(axis=0)
    if (sd <= ROUNDING * scale).any() or np.linalg.matrix_rank(within[:, 1:] / sd) < 2:
        raise NoVariationError("agreement and entropy must each vary within words, and not as one")

    sets = np.unique(head_set[is_compared], return_inverse=True)[1]
    n_sets = len(np.unique(sets))
    x, y = within[:, 1:], within[:, 0]
    slopes = np.linalg.solve(x.T @ x, x.T @ y)
    n_effective = min(
        effective_clusters(of)
        for groups, n_groups in ((clusters, n_clusters), (sets, n_sets))
        for of in (count_by(groups, n_groups), sum_by(groups, x[:, 0] ** 2, n_groups))
    )
    ci_low = ci_high = p = None
    if n_effective >= FEWEST_CLUSTERS:
        error = math.sqrt(_two_way_variance(x, y, clusters, sets))
        freedom = n_effective - 1
        reach = student_quantile((1 + CONFIDENCE) / 2, freedom) * error
        ci_low, ci_high = float(slopes[0] - reach), float(slopes[0] + reach)
        p = 2 * student_share(-abs(float(slopes[0])) / error, freedom) if error else 0.0
    slope, entropy_slope = (float(value) for value in slopes)
    return WordEffect(
        slope_ms=slope,
        slope_ms_per_sd=slope * float(sd[0]),
        ci_low=ci_low,
        ci_high=ci_high,
        p=p,
        n_observations=int(is_compared.sum()),
        n_words=int((count > 1).sum()),
        n_clusters=n_clusters,
        n_sets=n_sets,
        n_left_out=int((count == 1).sum()),
        entropy_slope=entropy_slope,
    )


def _two_way_variance(x: Floats, y: Floats, clusters: Ints, sets: Ints) -> float:
    """Variance of the first slope with errors that depend on each other within clusters and within sets.

    Parameters
    ----------
    x : float64[n, 2]
    y : float64[n]
    clusters, sets : int64[n]
        Numbered from 0.
    """
    both = np.unique(clusters * (sets.max() + 1) + sets, return_inverse=True)[1]
    by_cluster, by_set, by_both = (_jackknife_variance(x, y, groups) for groups in (clusters, sets, both))
    return max(by_cluster + by_set - by_both, by_cluster, by_set)


def _jackknife_variance(x: Floats, y: Floats, groups: Ints) -> float:
    """Variance of the first slope from the slopes without each group: ``(G - 1) / G`` times the sum of squares."""
    n_groups = int(groups.max()) + 1
    products = x[:, :, None] * np.concatenate([x, y[:, None]], axis=1)[:, None, :]  # (observation, 2, 3)
    of_group = np.stack([sum_by(groups, column, n_groups) for column in products.reshape(len(x), 6).T], axis=1)
    without = of_group.sum(axis=0).reshape(2, 3) - of_group.reshape(n_groups, 2, 3)
    slopes = np.linalg.solve(without[:, :, :2], without[:, :, 2:])[:, 0, 0]
    whole = np.linalg.solve(x.T @ x, x.T @ y)[0]
    return float((n_groups - 1) / n_groups * ((slopes - whole) ** 2).sum())


def random_head_sets(n_heads: int, size: int, n_sets: int, seed: int) -> Ints:
    """Distinct random sets of heads, every set of that size equally likely.

    Returns
    -------
    int64[n_sets, size]
        Numbers of heads from 0, ascending within a set.

    Raises
    ------
    ValueError
        Where there are fewer sets of that size.
    """
    n_possible = math.comb(n_heads, size)
    if n_sets > n_possible:
        raise ValueError(f"{n_heads} heads have {n_possible} sets of {size}, not {n_sets}")
    rng = np.random.default_rng(seed)
    sets: dict[tuple[int, ...], None] = {}  # without duplicates, in order
    while len(sets) < n_sets:
        sets[tuple(sorted(rng.choice(n_heads, size, replace=False).tolist()))] = None
    return np.array(list(sets), dtype=np.int64).reshape(n_sets, size)


def quartiles(agreement: Floats, error_ms: Floats) -> Floats:
    """Mean absolute error in ms of each quarter of the observations by rising agreement, float64[4].

    Descriptive only: words of low agreement differ from others in more than agreement. Observations of equal agreement
    keep their order. The sizes of quarters differ by at most one observation.

    Raises
    ------
    ValueError
        Where there are fewer than four observations.
    """
    if len(agreement) < 4:
        raise ValueError(f"{len(agreement)} observations have no quarters")
    by_agreement = np.abs(error_ms)[np.argsort(agreement, kind="stable")]
    return np.array([quarter.mean() for quarter in np.array_split(by_agreement, 4)])
