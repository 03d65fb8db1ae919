"""Distributions and curves count the same boundaries as the score rows."""

from __future__ import annotations

import numpy as np
import pytest

from align_eval.scoring.curves import quantiles_ms, share_within, signed_errors_s
from align_eval.scoring.metrics import TOLERANCES_MS
from align_eval.scoring.statistics import cluster_rows
from align_eval.scoring.summary import score_table
from tests.helpers.planted_words import corpus

TABLE = corpus(np.random.default_rng(0), n_speakers=6)


@pytest.mark.parametrize("boundaries", ["all", "interior"])
def test_errors_give_the_score_rows_back(boundaries):
    """Mean absolute error, biases and shares within the scored tolerances, from the errors alone."""
    starts_s, ends_s = signed_errors_s(TABLE, cluster_rows(TABLE)[1], boundaries)
    rows = {
        r.metric: r.value
        for r in score_table(TABLE)
        if (r.protocol, r.boundaries, r.calibration) == ("wbe", boundaries, "none")
    }
    errors_s = np.concatenate([starts_s, ends_s])
    assert 1000 * np.abs(errors_s).mean() == pytest.approx(rows["wbe_mean"])
    assert 1000 * starts_s.mean() == pytest.approx(rows["start_bias"])
    assert 1000 * ends_s.mean() == pytest.approx(rows["end_bias"])
    shares = share_within(errors_s, np.array(TOLERANCES_MS, dtype=float))
    assert shares.tolist() == pytest.approx([rows[f"within_{ms}ms"] for ms in TOLERANCES_MS])


def test_words_that_were_not_recognised_count_nowhere():
    """One word in ten loses its times: its boundaries are in no distribution."""
    from tests.helpers.planted_words import without

    few = without(TABLE, range(0, len(TABLE), 10))
    starts_s, ends_s = signed_errors_s(few, cluster_rows(few)[1], "all")
    assert len(starts_s) == len(ends_s) == len(TABLE) - len(range(0, len(TABLE), 10))


def test_an_error_of_the_tolerance_is_within_it():
    assert share_within(np.array([0.05, -0.05, 0.051]), np.array([49.0, 50.0, 51.0])).tolist() == [0, 2 / 3, 1]


def test_quantiles_of_three_errors_are_their_middle_and_ends():
    assert quantiles_ms(np.array([0.03, -0.01, 0.0]), (0.0, 0.5, 1.0)).tolist() == pytest.approx([-10, 0, 30])


def test_nothing_has_no_share_and_no_quantile():
    assert np.isnan(share_within(np.array([]), np.array([50.0]))).all()
    assert np.isnan(quantiles_ms(np.array([]), (0.5,))).all()
