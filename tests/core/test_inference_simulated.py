"""Intervals and tests of the difference of two signals with chosen candidates, on simulated corpora of 40 speakers.

With 300 corpora of fixed seeds, a share near 95 % or 5 % has a standard error of 1.3 %. The accepted band of 92 to 97 %
therefore means a true share of about 93.5 to 96.5 %. "At most 5 %" is rejected only if so many rejections have a
probability below 1 % under a true share of 5 % (25 of 300).

``make validate`` simulates 300 corpora, CI 100. The standard error is proportional to 1 / sqrt(n): the band of 100 is
94.5 % +- 4.3 % instead of 94.5 % +- 2.5 %, and 5 % is rejected by 12 rejections of 100.

Limits on detected effects are the same for 100 and 300 corpora: with a planted 10 ms, the flip test rejects in 80 %
(``flips``), the interval excludes zero in 80 % (``found``), and the smallest effect is within 10 % of 2.91 sd. They
hold with a margin: over 90 % are detected.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import binomtest

from align_eval.scoring.inference import flip_test, smallest_effect, standard_error
from align_eval.scoring.inference import student_interval as interval
from align_eval.scoring.metrics import Difference
from align_eval.scoring.selection import ChosenOnHalves
from align_eval.scoring.statistics import draw_weights, evaluate_draws
from tests.helpers.leave_one_out import LeaveOneOut
from tests.helpers.simulated import REFERENCE_SD_MS, Signal, corpus, folded_mean, noise_for

N_CORPORA = pytest.mark.parametrize("n", [100, pytest.param(300, marks=pytest.mark.validate)])
BAND, BAND_OF = (0.92, 0.97), 300

# Candidates that are all equally good: whatever is chosen on other speakers, the mean is the planted one.
TIED_60, TIED_50 = Signal([60.0] * 6), Signal([50.0] * 6)
# One candidate far better than the rest: it is chosen nearly always, and the mean is its own.
CLEAR_60, CLEAR_50 = Signal([95.0, 90.0, 60.0, 100.0]), Signal([80.0, 50.0, 85.0, 90.0])
BIASED_60, BIASED_50 = Signal([95.0, 90.0, 60.0, 100.0], bias_ms=25.0), Signal([80.0, 50.0, 85.0, 90.0], bias_ms=-10.0)
# Residual injection: candidate 0 is attention as it is, the rest residuals or controls at several amounts.
CONTROL = Signal([60.0, 60.5, 61.0, 63.0, 60.5, 61.5, 64.0, 61.0, 62.0, 66.0])
TIMING, NO_TIMING = Signal([60.0, 57.0, 54.0, 50.0]), Signal([60.0, 60.5, 61.0, 63.0])


@dataclass
class Shares:
    """Results over the corpora: shares and means."""

    covered: float
    percentile_covered: float
    found: float
    flips: int
    plain_flips: int
    mean: float
    sd: float
    smallest: float


def simulate(n, of, minus, how, truth, shared=0) -> Shares:
    rows = []
    for seed in range(n):
        chosen = corpus([of, minus], np.random.default_rng(seed), shared=shared)
        a, b = (how(c.totals, c.counts) for c in chosen)
        difference, weights = Fixed(Difference(a, b)), draw_weights(40, seed)
        value, low, high = interval(difference, weights)
        percentile_low, percentile_high = np.quantile(evaluate_draws(difference, weights), [0.025, 0.975])
        totals = a.own_totals() - b.own_totals()
        p = flip_test(totals, a.counts, seed, standard_error(difference, weights))
        rows.append(
            (
                low <= truth <= high,
                percentile_low <= truth <= percentile_high,
                low > 0 or high < 0,
                p <= 0.05,
                flip_test(totals, a.counts, seed) <= 0.05,
                value,
                smallest_effect(difference, weights),
            )
        )
    covered, percentile, found, flips, plain, value, smallest = np.array(rows, dtype=np.float64).T
    return Shares(
        covered.mean(),
        percentile.mean(),
        found.mean(),
        int(flips.sum()),
        int(plain.sum()),
        value.mean(),
        value.std(),
        smallest.mean(),
    )


class Fixed:
    """A statistic with cached draws, since four functions evaluate the same draws."""

    def __init__(self, statistic):
        self.statistic, self.known = statistic, {}

    def evaluate(self, weights):
        key = weights.tobytes()
        if key not in self.known:
            self.known[key] = self.statistic.evaluate(weights)
        return self.known[key]

    def sizes(self, n_clusters):
        return self.statistic.sizes(n_clusters)


def is_at_most_5_percent(rejected: int, n: int) -> bool:
    return binomtest(rejected, n, 0.05, alternative="greater").pvalue >= 0.01


def band(n: int) -> tuple[float, float]:
    """The band of 300 corpora, widened by the standard error of ``n`` corpora."""
    middle, half = sum(BAND) / 2, (BAND[1] - BAND[0]) / 2 * np.sqrt(BAND_OF / n)
    return round(middle - half, 9), round(middle + half, 9)


def is_in_band(share: float, n: int) -> bool:
    low, high = band(n)
    return low <= share <= high


def is_covered_at_least(share: float, n: int) -> bool:
    return share >= band(n)[0]


def test_the_memory_of_draws_evaluates_each_kind_once_and_tells_weights_of_one_length_apart():
    calls = []

    class Counted:
        def evaluate(self, weights):
            calls.append(len(weights))
            return weights.sum(axis=1)

    fixed, ones = Fixed(Counted()), np.ones((3, 2))
    assert [fixed.evaluate(w).tolist() for w in (ones, ones, 2 * ones)] == [[2.0] * 3, [2.0] * 3, [4.0] * 3]
    assert calls == [3, 3]


def test_bands_widen_as_the_standard_error_does():
    assert is_in_band(0.92, 300)
    assert not is_in_band(0.919, 300)
    assert not is_in_band(0.971, 300)
    assert is_in_band(0.902, 100)
    assert not is_in_band(0.901, 100)
    assert not is_in_band(0.989, 100)
    assert [is_at_most_5_percent(k, 100) for k in (11, 12)] == [True, False]


def test_the_planted_mean_is_that_of_the_corpora():
    # The mean of |N(b, s)| by 10^6 draws, and of all boundaries of a candidate over 200 corpora.
    draws = np.abs(np.random.default_rng(0).normal(15.0, 30.0, 10**6))
    assert folded_mean(15.0, 30.0) == pytest.approx(draws.mean(), abs=4 * draws.std() / 1e3)
    assert noise_for(60.0, 0.0) > REFERENCE_SD_MS
    made = [corpus([BIASED_60], np.random.default_rng(seed))[0] for seed in range(200)]
    means = np.array([c.totals[2].sum() / c.counts.sum() for c in made])
    assert means.mean() == pytest.approx(60.0, abs=4 * means.std() / np.sqrt(200))


@pytest.mark.slow
@N_CORPORA
@pytest.mark.parametrize("how", [LeaveOneOut, ChosenOnHalves])
def test_with_a_best_candidate_the_interval_covers_a_planted_10_ms_and_the_test_finds_it(n, how):
    shares = simulate(n, CLEAR_60, CLEAR_50, how, truth=10.0)
    print(shares)
    assert is_in_band(shares.covered, n)
    assert shares.flips >= 0.80 * n
    assert shares.found >= 0.80
    # What is found in 4 of 5 corpora is 2.91 sd of the values, here and by each corpus's own account: Student's t with
    # 26 degrees of freedom, 2.056 + 0.856, since 40 speakers of these sizes are worth about 27.
    assert shares.smallest == pytest.approx(2.91 * shares.sd, rel=0.1)


@pytest.mark.slow
@N_CORPORA
def test_biases_of_the_signals_do_not_move_coverage(n):
    assert is_in_band(simulate(n, BIASED_60, BIASED_50, ChosenOnHalves, truth=10.0).covered, n)


@pytest.mark.slow
@N_CORPORA
@pytest.mark.parametrize("how", [LeaveOneOut, ChosenOnHalves])
def test_a_planted_zero_is_covered_and_rejected_at_most_5_percent_of_the_time(n, how):
    shares = simulate(n, CLEAR_50, Signal([50.0, 85.0, 90.0]), how, truth=0.0)
    print(shares)
    assert is_in_band(shares.covered, n)
    assert is_at_most_5_percent(shares.flips, n)


@pytest.mark.slow
@N_CORPORA
def test_among_ties_leaving_one_out_is_unsteady_and_halves_are_not(n):
    one, halves = (simulate(n, TIED_60, TIED_60, how, truth=0.0) for how in (LeaveOneOut, ChosenOnHalves))
    print(one, halves, sep="\n")
    assert one.sd > 1.5 * halves.sd
    for shares in (one, halves):
        assert abs(shares.mean) <= 3 * shares.sd / np.sqrt(n)  # neither is optimistic
        assert is_covered_at_least(shares.covered, n)  # a little wide: the draws choose among fewer speakers
        assert is_at_most_5_percent(shares.flips, n)
    assert one.percentile_covered > 0.98  # why the interval is not the percentile one
    assert not is_at_most_5_percent(one.plain_flips, n)  # why the flips are widened


@pytest.mark.slow
@N_CORPORA
def test_10_ms_among_ties_are_found_by_halves(n):
    shares = simulate(n, TIED_60, TIED_50, ChosenOnHalves, truth=10.0)
    print(shares)
    assert is_covered_at_least(shares.covered, n)
    assert shares.flips >= 0.80 * n


@pytest.mark.slow
@N_CORPORA
def test_a_residual_that_carries_timing_is_found_and_one_that_does_not_is_not(n):
    # Choosing is not free: the truth is the mean of the procedure, within 0.5 ms of the planted 10 and 0.
    timing = simulate(n, CONTROL, TIMING, ChosenOnHalves, truth=10.0, shared=1)
    no_timing = simulate(n, CONTROL, NO_TIMING, ChosenOnHalves, truth=0.0, shared=1)
    print(timing, no_timing, sep="\n")
    for shares, planted in ((timing, 10.0), (no_timing, 0.0)):
        assert shares.mean == pytest.approx(planted, abs=0.5 + 3 * shares.sd / np.sqrt(n))
        assert is_covered_at_least(shares.covered, n)
    assert timing.flips >= 0.80 * n
    assert is_at_most_5_percent(no_timing.flips, n)
