"""Effect of agreement between attention and saliency on the error of a word, words against themselves. Torch-free.

Conventions. An *observation* is a word under a set of attention heads: the error of its times in ms, the agreement of
that attention with saliency, and its entropy. Words have fixed effects: each is compared with itself alone, under other
sets of heads, so that the noise of its reference and how hard it is are taken out. Heads are drawn as random sets of
equal size, so that agreement varies by design.

The interval speaks of other speakers under the same sets of heads. It does not speak of other sets: a set that happens
to time all words well is one draw, however many words show it, and a few sets that differ so can make p small of
nothing. The null for that is the whole pipeline with the saliency of another word.

References: Cameron, Miller 2015, "A practitioner's guide to cluster-robust inference", sections II.C and III.B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.clusters import sum_by
from align_eval.scoring.statistics import CONFIDENCE


class NoVariationError(ValueError):
    """Agreement and entropy do not vary within words apart from each other: there is no effect to measure."""


@dataclass(frozen=True, slots=True)
class WordEffect:
    """What agreement does to a word's error, all else of the word the same.

    Attributes
    ----------
    slope_ms : float
        Ms of absolute error a unit of agreement: below zero where agreement goes with better times.
    slope_ms_per_sd : float
        The same a standard deviation of agreement within words, the variation that the slope comes from.
    ci_low, ci_high : float or None
        95 % interval of ``slope_ms``; None, as ``p`` is, with a single cluster.
    p : float or None
        Two-sided, of a slope of zero.
    n_observations, n_words, n_clusters : int
        What was used.
    n_left_out : int
        Words with one observation: they have nothing to be compared with.
    entropy_slope : float
        Ms of absolute error a unit of entropy, at equal agreement.
    """

    slope_ms: float
    slope_ms_per_sd: float
    ci_low: float | None
    ci_high: float | None
    p: float | None
    n_observations: int
    n_words: int
    n_clusters: int
    n_left_out: int
    entropy_slope: float


def word_effect(error_ms: Floats, agreement: Floats, entropy: Floats, word: Ints, cluster: Ints) -> WordEffect:
    """Least squares of absolute error on agreement and entropy with word fixed effects, errors clustered.

    The fixed effects are absorbed: each variable has its word's mean taken off, which gives the slopes of a regression
    with a dummy a word (Frisch, Waugh 1933).

    Parameters
    ----------
    error_ms : float64[n]
        Signed or not: the absolute value is taken.
    agreement, entropy : float64[n]
    word : int[n]
        Which word of the corpus.
    cluster : int[n]
        Speaker, or recording where there is one speaker.

    Notes
    -----
    The variance is Liang and Zeger's sandwich times ``G / (G - 1) * (n - 1) / (n - 2)`` for G clusters, n observations
    and 2 slopes; p and interval are of t with G - 1 degrees of freedom. The W absorbed effects are not counted as
    parameters, because every word lies in one cluster: a cluster's score sums its errors times deviations from words'
    means, and taking words' means off the errors too leaves every such sum as it was, so that the absorbed effects do
    not bias the variance. A regression with dummies counts them, ``(n - 1) / (n - 2 - W)``, and so has a variance
    larger by ``(n - 2) / (n - 2 - W)``: about twofold at two sets a word (Cameron, Miller 2015, III.B).

    Raises
    ------
    ValueError
        Where a value is not finite, a word lies in several clusters, or agreement does not vary within words apart from
        entropy.
    """
    import statsmodels.api as sm

    columns = np.stack([np.abs(error_ms), agreement, entropy], axis=1).astype(np.float64)  # (observation, variable)
    if not np.isfinite(columns).all():
        raise ValueError("error, agreement and entropy must be finite")
    words, number, count = np.unique(word, return_inverse=True, return_counts=True)
    told = count[number] > 1
    if len(np.unique(np.stack([word, cluster], axis=1), axis=0)) != len(words):
        raise ValueError("a word must lie in one cluster")

    means = np.stack([sum_by(number, column, len(words)) / count for column in columns.T], axis=1)  # (word, variable)
    within = (columns - means[number])[told]
    clusters = np.unique(cluster[told], return_inverse=True)[1]
    n_clusters = len(np.unique(clusters))
    sd = np.sqrt((within[:, 1:] ** 2).mean(axis=0)) if told.any() else np.zeros(2)
    scale = np.abs(columns[:, 1:]).max(axis=0)
    if (sd <= np.finfo(np.float64).eps * scale).any() or np.linalg.matrix_rank(within[:, 1:] / sd) < 2:
        raise NoVariationError("agreement and entropy must each vary within words, and not as one")

    model = sm.OLS(within[:, 0], within[:, 1:])
    ci_low = ci_high = p = None
    if n_clusters > 1:
        fit = model.fit(cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": True}, use_t=True)
        ci_low, ci_high = (float(end) for end in fit.conf_int(1 - CONFIDENCE)[0])
        p = float(fit.pvalues[0])
    else:
        fit = model.fit()
    slope, entropy_slope = (float(value) for value in fit.params)
    return WordEffect(
        slope_ms=slope,
        slope_ms_per_sd=slope * float(sd[0]),
        ci_low=ci_low,
        ci_high=ci_high,
        p=p,
        n_observations=int(told.sum()),
        n_words=int((count > 1).sum()),
        n_clusters=n_clusters,
        n_left_out=int((count == 1).sum()),
        entropy_slope=entropy_slope,
    )


def random_head_sets(n_heads: int, size: int, n_sets: int, seed: int) -> Ints:
    """Distinct random sets of heads, each set of that size as likely as any other.

    Returns
    -------
    int64[n_sets, size]
        Numbers of heads from 0, rising within a set.

    Raises
    ------
    ValueError
        Where there are not so many sets of that size.
    """
    n_possible = math.comb(n_heads, size)
    if n_sets > n_possible:
        raise ValueError(f"{n_heads} heads have {n_possible} sets of {size}, not {n_sets}")
    rng = np.random.default_rng(seed)
    found: dict[tuple[int, ...], None] = {}  # in the order drawn
    while len(found) < n_sets:
        found[tuple(sorted(rng.choice(n_heads, size, replace=False).tolist()))] = None
    return np.array(list(found), dtype=np.int64).reshape(n_sets, size)


def quartiles(agreement: Floats, error_ms: Floats) -> Floats:
    """Mean absolute error in ms of each quarter of the observations, those of least agreement first, ``(4,)``.

    Descriptive only: words of low agreement differ from others in more than agreement. Observations of equal agreement
    keep their order, and quarters differ by at most one observation in size.

    Raises
    ------
    ValueError
        Where there are fewer than four observations.
    """
    if len(agreement) < 4:
        raise ValueError(f"{len(agreement)} observations have no quarters")
    by_agreement = np.abs(error_ms)[np.argsort(agreement, kind="stable")]
    return np.array([quarter.mean() for quarter in np.array_split(by_agreement, 4)])
