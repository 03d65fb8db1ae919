"""Regression of a word's absolute error on agreement and entropy, with fixed effects per word. Arrays only, no torch.

:mod:`align_eval.findings.budget.agreement_effect` makes the observations from a run; this module fits them.

Conventions. An *observation* is a word under one set of attention heads: the error of its times in ms, the agreement of
that attention with saliency, and the entropy of that attention. Fixed effects compare each word only with itself under
other sets of heads, which removes the noise of its reference and its difficulty. Sets are random and of equal size, so
that agreement varies by design.

The interval holds for other speakers under the same sets of heads. It does not hold for other sets: a set that times
all words well is a single sample, however many words show it, and a few unequal sets can make p small without an
effect. The null for that is the whole pipeline with the saliency of another word.

References: Cameron, Miller 2015, "A practitioner's guide to cluster-robust inference", sections II.C and III.B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.metrics import count_by, sum_by
from align_eval.scoring.statistics import CONFIDENCE, are_enough


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
        95 % interval of ``slope_ms``; None with fewer than five effective clusters.
    p : float or None
        Two-sided p-value of a slope of zero; None likewise.
    n_observations, n_words, n_clusters : int
        Numbers used in the fit.
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
    n_left_out: int
    entropy_slope: float


def word_effect(error_ms: Floats, agreement: Floats, entropy: Floats, word: Ints, cluster: Ints) -> WordEffect:
    """Fit absolute error on agreement and entropy by least squares with word fixed effects and clustered errors.

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

    Raises
    ------
    ValueError
        Where a value is not finite or a word lies in several clusters.
    NoVariationError
        Where agreement does not vary within words independently of entropy.

    Notes
    -----
    The variance is Liang and Zeger's sandwich times ``G / (G - 1) * (n - 1) / (n - 2)`` for G clusters, n observations
    and 2 slopes; p and interval are of t with G - 1 degrees of freedom. The W absorbed effects are not counted as
    parameters, because every word lies in one cluster. A cluster's score sums its errors times deviations from the
    means of words; subtracting these means from the errors too leaves every such sum unchanged, so that the absorbed
    effects do not bias the variance. A regression with dummies counts them, ``(n - 1) / (n - 2 - W)``, which makes the
    variance larger by ``(n - 2) / (n - 2 - W)``: about twofold at two sets per word (Cameron, Miller 2015, III.B).
    """
    import statsmodels.api as sm

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
    if (sd <= np.finfo(np.float64).eps * scale).any() or np.linalg.matrix_rank(within[:, 1:] / sd) < 2:
        raise NoVariationError("agreement and entropy must each vary within words, and not as one")

    model = sm.OLS(within[:, 0], within[:, 1:])
    ci_low = ci_high = p = None
    if are_enough(count_by(clusters, n_clusters)):
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
        n_observations=int(is_compared.sum()),
        n_words=int((count > 1).sum()),
        n_clusters=n_clusters,
        n_left_out=int((count == 1).sum()),
        entropy_slope=entropy_slope,
    )


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
