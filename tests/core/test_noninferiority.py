"""Tests against a margin, compared with textbook values and with resampling."""

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from align_eval.scoring.inference import standard_error
from align_eval.scoring.metrics import Ratio
from align_eval.scoring.noninferiority import (
    error_within,
    margin_test,
    more_lost_than_gained,
    sign_test,
    smallest_loss,
)
from align_eval.scoring.statistics import draw_weights


def test_the_margin_test_is_students_t_of_the_mean_less_the_margin():
    values = np.random.default_rng(0).normal(8.0, 10.0, 25)
    error = values.std(ddof=1) / 5
    found = margin_test(values.mean(), error, 25, margin=5.0)
    exact = ttest_1samp(values, 5.0, alternative="greater")
    interval = ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert found.p == pytest.approx(exact.pvalue, rel=1e-9)
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high), rel=1e-9)


@pytest.mark.parametrize(
    ("value", "p"),
    [(6.0, 1 / 32), (5.0, 1.0), (0.0, 1.0), (5.0 + 1e-12, 1.0)],
)
def test_units_that_all_lost_the_same_are_only_as_sure_as_their_signs(value, p):
    assert margin_test(value, 0.0, 5, margin=5.0).p == p


@pytest.mark.parametrize(("error", "n"), [(None, 9), (1.0, 1)])
def test_nothing_to_resample_is_no_interval_and_no_finding(error, n):
    found = margin_test(50.0, error, n, margin=5.0)
    assert (found.ci_low, found.ci_high, found.p) == (None, None, 1.0)
    assert smallest_loss(error, n, 5.0, 0.05) is None


def test_the_smallest_loss_is_found_in_four_of_five_samples():
    """20,000 samples of 30 normal losses around the margin, each with its standard error, at the 1 % level."""
    smallest = smallest_loss(12.0 / np.sqrt(30), 30, margin=5.0, level=0.01)
    samples = np.random.default_rng(0).normal(smallest, 12.0, (20_000, 30))
    t = (samples.mean(axis=1) - 5.0) / (samples.std(axis=1, ddof=1) / np.sqrt(30))
    found = (t > 2.4620).mean()  # Student's t, 29 degrees of freedom, one-sided 1 %
    assert found == pytest.approx(0.80, abs=0.02)


def test_the_error_within_is_that_of_resampled_words_that_move_as_a_whole():
    moved = np.random.default_rng(1).normal(0.0, 20.0, 40)
    drawn = standard_error(Ratio(2 * moved, np.full(40, 2.0)), draw_weights(40, seed=0))
    assert error_within(moved, moved) == pytest.approx(moved.std(ddof=1) / np.sqrt(40), rel=1e-12)
    assert error_within(moved, moved) == pytest.approx(drawn, rel=0.05)  # 2,000 draws: 1.6 % of a standard error


def test_the_error_within_is_right_where_neighbours_share_a_boundary():
    """5,000 texts of 40 words that end where the next word starts: spread of the means, and the pooled error."""
    boundaries = np.random.default_rng(2).normal(0.0, 20.0, (5000, 41))
    starts, ends = boundaries[:, :-1], boundaries[:, 1:]
    spread = ((starts.mean(axis=1) + ends.mean(axis=1)) / 2).std()
    errors = [error_within(s, e) for s, e in zip(starts, ends, strict=True)]
    pooled = np.concatenate([starts, ends], axis=1).std(axis=1, ddof=1).mean() / np.sqrt(80)
    assert np.mean(errors) == pytest.approx(spread, rel=0.03)
    assert pooled < 0.75 * spread


def test_the_error_of_more_starts_than_ends_weighs_them_by_their_number():
    starts, ends = np.array([0.0, 2.0, 4.0, 6.0]), np.array([1.0, 5.0])
    expected = (4 * starts.std(ddof=1) / 2 + 2 * ends.std(ddof=1) / np.sqrt(2)) / 6
    assert error_within(starts, ends) == pytest.approx(expected)
    assert error_within(starts, ends[:1]) is None


def test_the_sign_test_is_the_binomial_one():
    assert sign_test(np.array([60.0] * 20)) == pytest.approx(2 * 2.0**-20)
    assert sign_test(np.array([-1.0] * 9 + [1.0])) == pytest.approx(binomtest(9, 10).pvalue)
    assert sign_test(np.array([])) == 1.0


def test_words_that_did_not_move_count_against_a_shift():
    assert sign_test(np.array([60.0] * 6 + [0.0] * 4)) == pytest.approx(
        2 * binomtest(6, 10, alternative="greater").pvalue
    )


@pytest.mark.parametrize(("lost", "gained"), [(8, 0), (5, 5), (9, 2), (0, 4), (0, 0)])
def test_lost_words_are_tested_as_mcnemar_does(lost, gained):
    exact = binomtest(lost, lost + gained, alternative="greater").pvalue if lost else 1.0
    assert more_lost_than_gained(lost, gained) == pytest.approx(exact)
