"""Intervals, tests and smallest detectable effects of a difference between two systems.

Totals are sums of absolute errors in ms per cluster (speaker or recording), counts the number of errors summed; a value
is the ratio of their sums, in ms. A difference is paired: both systems are scored on the same boundaries, so their
counts are equal. All resampling is of whole clusters.

References: Hesterberg 2015, "What Teachers Should Know About the Bootstrap", The American Statistician 69, 371-386
(intervals from bootstrap standard errors, and by how much these are too small); Bell, McCaffrey 2002, "Bias Reduction
in Standard Errors for Linear Regression with Multi-Stage Samples"; Phipson, Smyth 2010, "Permutation P-values Should
Never Be Zero"; Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np

from align_eval.scoring.boundaries import Floats
from align_eval.scoring.metrics import Statistic, chunks
from align_eval.scoring.statistics import CONFIDENCE, Drawn, are_enough, evaluate_draws

N_FLIPS = 9999

EXACT_CLUSTERS = 12
"""Up to this many clusters, the flip test tries all combinations of signs: at most 4096."""

LEVEL = 0.05
POWER = 0.80

ROUNDING = 1e-9
"""Sums in another order differ by less than this, relative to the sum. Smaller differences count as equal."""

SHARE = (0.0, 1.0)
CORRELATION = (-1.0, 1.0)
NOT_NEGATIVE = (0.0, math.inf)
UNBOUNDED = (-math.inf, math.inf)
"""Bounds of a statistic."""

Stands = Literal["stands", "depends on the reference"]


def student_interval(
    statistic: Statistic, drawn: Drawn, *, counts: Floats | None = None, bounds: tuple[float, float] = UNBOUNDED
) -> tuple[float, float | None, float | None]:
    """Value and 95 % interval: the value plus or minus Student's t times the bootstrap standard error.

    Degrees of freedom are those of clusters of these sizes (:func:`freedom_of`). With the plain number minus one, and
    the standard error corrected for it, intervals of uneven clusters are too narrow: simulated with 7 to 54 clusters of
    log-normal sizes (sd of the logarithm 0.5), they cover 93 to 94 %, and with these 94.5 to 96 %.

    A percentile interval is narrower still. It also fails for statistics that choose among candidates: a draw chooses
    among fewer distinct clusters and breaks near ties differently than the data, so the draws do not centre on the
    value. There, the spread of the draws is right if one candidate is clearly best, and a tenth to a third too wide
    among ties, where the interval covers 97 to 99 %.

    Parameters
    ----------
    statistic : Statistic
    drawn : number[n_draws, n_clusters]
        Bootstrap weights, see :func:`~align_eval.scoring.statistics.draw_weights`.
    counts : float64[n_clusters], optional
        Scored entries of each cluster, from which the effective number follows; by default, the statistic's own sizes.
    bounds : (float, float), optional
        Least and greatest possible value, as :data:`SHARE` or :data:`NOT_NEGATIVE`. The interval is cut off there.

    Returns
    -------
    value, low, high : float
        ``low`` and ``high`` are None below :data:`~align_eval.scoring.statistics.FEWEST_CLUSTERS` effective clusters,
        and where all draws are equal: the data then show no spread, which is not the same as certainty.

    References: Hesterberg 2015, "t interval with bootstrap standard error".
    """
    counts = statistic.sizes(drawn.shape[1]) if counts is None else counts
    value = float(statistic.evaluate(np.ones((1, drawn.shape[1])))[0])
    draws = evaluate_draws(statistic, drawn) if are_enough(counts) else np.empty(0)
    return interval_of_draws(value, draws, counts, bounds=bounds)


def interval_of_draws(
    value: float, draws: Floats, counts: Floats, *, bounds: tuple[float, float] = UNBOUNDED
) -> tuple[float, float | None, float | None]:
    """As :func:`student_interval`, from a value and its ``float64[n_draws]`` over draws of clusters."""
    error = error_of_draws(draws, counts)
    if error is None or error <= ROUNDING * max(1.0, abs(value)):
        return value, None, None
    reach = error * student_quantile((1 + CONFIDENCE) / 2, freedom_of(counts))
    return value, max(bounds[0], value - reach), min(bounds[1], value + reach)


def student_quantile(share: float, freedom: float) -> float:
    """Quantile of Student's t with these degrees of freedom, whole or not."""
    from scipy.special import stdtrit  # loaded with the first interval; scipy.stats takes a second

    return float(stdtrit(freedom, share))


def student_share(value: float, freedom: float) -> float:
    """Probability that Student's t with these degrees of freedom is at most a value."""
    from scipy.special import stdtr

    return float(stdtr(freedom, value))


def standard_error(statistic: Statistic, drawn: Drawn, counts: Floats | None = None) -> float | None:
    """Bootstrap standard error, in the unit of the statistic; None with too few effective clusters.

    Clusters deviate less from their own mean than from the truth, large ones above all, so that the variance of the
    draws is too small. It is divided by the part of the true variance that it shows on average; for n equal clusters
    this is (n - 1) / n. Draws in which the statistic is undefined are left out; None with
    fewer than two draws left. ``counts`` is as in :func:`student_interval`.
    """
    counts = statistic.sizes(drawn.shape[1]) if counts is None else counts
    return error_of_draws(evaluate_draws(statistic, drawn), counts) if are_enough(counts) else None


def error_of_draws(draws: Floats, counts: Floats) -> float | None:
    """As :func:`standard_error`, from the value of the statistic in each draw, ``float64[n_draws]``."""
    draws = draws[np.isfinite(draws)]
    if not are_enough(counts) or len(draws) < 2:
        return None
    variance, expected, _ = _variance_of_mean(counts)
    return float(draws.std(ddof=1) * math.sqrt(variance / expected))


def freedom_of(counts: Floats) -> float:
    """Degrees of freedom of the variance of a mean over clusters of these sizes, at least two of which are not zero.

    They are those of the chi-squared distribution with the mean and variance of the estimate (Bell, McCaffrey): n - 1
    for n equal clusters, and fewer for uneven ones, of which the largest decide.
    """
    _, expected, half_variance = _variance_of_mean(counts)
    return expected**2 / half_variance


def _variance_of_mean(counts: Floats) -> tuple[float, float, float]:
    """Variance of a mean over clusters of these sizes; expectation and half the variance of its estimate.

    Means of clusters are taken as independent and normal. Half of their variance at the mean size is that of clusters,
    the other half that of entries, which is inversely proportional to the size. With shares ``w`` of the entries, the
    estimate of the variance of ``w @ y`` is the sum of ``w**2 * (y - w @ y)**2``. It is a quadratic form of y, so that
    its moments are traces, here written as sums over clusters.
    """
    w = counts[counts > 0] / counts.sum()
    variances = (1 + 1 / (len(w) * w)) / 2
    s2 = float((w**2).sum())
    v2, v3, v4 = (float((w**power * variances).sum()) for power in (2, 3, 4))
    vv4, vv5 = (float((w**power * variances**2).sum()) for power in (4, 5))
    expected = v2 - 2 * v3 + s2 * v2
    half_variance = vv4 - 4 * vv5 + 2 * s2 * vv4 + 2 * v3**2 + 2 * v2 * v4 - 4 * s2 * v2 * v3 + (s2 * v2) ** 2
    return v2, expected, half_variance


def smallest_effect(statistic: Statistic, drawn: Drawn) -> float | None:
    """Smallest true difference found with 80 % power at a two-sided level of 5 %, in the unit of the statistic.

    It is the standard error times the sum of Student's t at 97.5 % and at 80 % (1.96 + 0.84 with many clusters), with
    the degrees of freedom of :func:`student_interval`. None where that has no interval, or with so few clusters that no
    effect, however large, brings :func:`flip_test` below 5 %.
    """
    counts = statistic.sizes(drawn.shape[1])
    _, low, high = student_interval(statistic, drawn)
    if low is None or high is None or not can_reject(int(np.count_nonzero(counts))):
        return None
    freedom = freedom_of(counts)
    reach = (high - low) / 2
    return reach * (1 + student_quantile(POWER, freedom) / student_quantile((1 + CONFIDENCE) / 2, freedom))


def can_reject(n_clusters: int) -> bool:
    """True if :func:`flip_test` over this many clusters can give p <= 5 %: true from six clusters."""
    return bool(2 / 2**n_clusters <= LEVEL)


def flip_test(totals: Floats, counts: Floats, seed: int, error: float | None = None) -> float:
    """Two-sided p-value of a paired difference, by flipping the signs of whole clusters.

    If the two systems were exchangeable, the difference of every cluster could equally have the other sign. The
    statistic is the ratio of sums; p is the share of flips whose statistic is at least as far from zero. With up to 12
    clusters that count, all flips are tried, the observed one among them: the test is exact, and p is at least
    2 / 2^n. With more clusters, p is (n + 1) / (9,999 + 1) from n of 9,999 random flips: valid, and never zero.

    The test assumes independent clusters. Choosing candidates makes clusters dependent, since one choice moves many of
    them; then pass ``error``. If it is larger than the standard error of the flips, the flips are widened to it.
    Without it, a true zero between two signals of tied candidates is rejected in a quarter of simulated corpora (chosen
    by leaving out one cluster at a time).

    Parameters
    ----------
    totals : float64[n_clusters]
        Sum of differences in ms; if candidates are chosen, the difference of ``own_totals()``.
    counts : float64[n_clusters]
        Number of differences summed; clusters with 0 are left out.
    seed : int
        Seed of the random flips.
    error : float, optional
        :func:`standard_error` of the difference in ms, if candidates are chosen.

    Raises
    ------
    ValueError
        If the shapes differ, a total is not finite or nothing is counted.
    """
    if totals.ndim != 1 or totals.shape != counts.shape or not np.isfinite(totals).all():
        raise ValueError(f"totals {totals.shape} must be finite, one for each of counts {counts.shape}")
    summands = totals[counts > 0] / counts.sum()  # contribution of each cluster to the ratio, in ms
    if not len(summands):
        raise ValueError("nothing is counted")
    flip_error = math.sqrt(float(summands @ summands))
    widened = max(1.0, error / flip_error) if error is not None and flip_error > 0 else 1.0
    bound = abs(summands.sum()) / widened - ROUNDING * np.abs(summands).sum()
    if len(summands) <= EXACT_CLUSTERS:
        signs = 2 * (np.arange(2 ** len(summands))[:, None] >> np.arange(len(summands)) & 1) - 1  # (flip, cluster)
        return float((np.abs(signs @ summands) >= bound).mean())
    rng = np.random.default_rng(seed)
    n_as_far = 0
    for rows in chunks(N_FLIPS, len(summands)):
        signs = 2 * rng.integers(0, 2, (len(range(N_FLIPS)[rows]), len(summands))) - 1
        n_as_far += int((np.abs(signs @ summands) >= bound).sum())
    return (n_as_far + 1) / (N_FLIPS + 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values adjusted for multiple testing, by name, in the order of ``p_values``.

    Rejecting those below 5 % keeps the family-wise error at 5 %. The i-th smallest of m, from 0, is multiplied by
    m - i; adjusted values never decrease along that order, and never exceed 1.

    Raises
    ------
    ValueError
        If a value is outside [0, 1].

    References: Holm 1979.
    """
    for name, p in p_values.items():
        if not 0 <= p <= 1:
            raise ValueError(f"{name}: {p} is no p-value")
    adjusted: dict[str, float] = {}
    largest = 0.0
    for i, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - i) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def stands(values: Mapping[str, float]) -> Stands:
    """Test whether a difference has the same sign under every condition (kind of reference and shift of it).

    A difference of zero or NaN under any condition gives "depends on the reference". This does not test significance;
    use the interval.

    Raises
    ------
    ValueError
        If there is no condition.
    """
    if not values:
        raise ValueError("no condition to compare signs under")
    signs = {0.0 if abs(value) <= ROUNDING else math.copysign(1.0, value) for value in values.values()}
    missing = any(math.isnan(value) for value in values.values())
    return "stands" if not missing and signs in ({1.0}, {-1.0}) else "depends on the reference"
