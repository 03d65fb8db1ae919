"""Ranks and their correlation, equal to those of scipy.stats to the bit."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from align_eval.findings.ranks import rank_correlation, ranks


def drawn(kind, shape, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) if kind == "distinct" else rng.integers(0, 4, size=shape).astype(np.float64)


@pytest.mark.parametrize("kind", ["distinct", "tied"])
@pytest.mark.parametrize("shape", [(1,), (50,), (1, 1), (7, 30)])
def test_ranks_are_scipys(kind, shape):
    values = drawn(kind, shape, 0)
    assert np.array_equal(ranks(values), rankdata(values).reshape(shape))


def test_ties_share_their_mean_rank():
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0, 3.0])).tolist() == [4.0, 1.0, 4.0, 2.0, 4.0]  # 3, 4 and 5


@pytest.mark.parametrize("kind", ["distinct", "tied"])
@pytest.mark.parametrize("seed", range(20))
def test_the_correlation_is_scipys(kind, seed):
    one, other = drawn(kind, 30, seed), drawn("distinct", 30, seed + 100)
    assert rank_correlation(one, other) == spearmanr(one, other).statistic


def test_a_constant_ranks_nothing_and_a_reversed_order_is_minus_one():
    assert rank_correlation(np.zeros(4), np.arange(4.0)) == rank_correlation(np.arange(4.0), np.ones(4)) == 0
    assert rank_correlation(np.arange(4.0), np.array([9.0, 4.0, 1.0, 0.0])) == pytest.approx(-1)


@pytest.mark.parametrize("function", [ranks, lambda values: rank_correlation(values, np.arange(3.0))])
def test_nan_has_no_rank(function):
    """numpy sorts NaN last, which would give it the highest rank; scipy's ranks are NaN."""
    with pytest.raises(ValueError, match="1 of 3 values are NaN"):
        function(np.array([1.0, np.nan, 0.0]))
