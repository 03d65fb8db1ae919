"""Tests of whether a change made word times worse than a margin allows.

Conventions. A loss is what was added to the mean absolute error, in ms, positive where the change is worse; it is
judged against a margin, the greatest loss that nobody minds. *Worse* is shown where a one-sided test refutes a loss of
at most the margin, *not worse* where the upper end of the 95 % interval lies below it, and nothing in between.

References: Piaggio et al. 2012, "Reporting of Noninferiority and Equivalence Randomized Trials", JAMA 308, 2594-2604
(margins and intervals); Hesterberg 2015, as in :mod:`align_eval.scoring.inference` (Student's t times a bootstrap
standard error); Dixon, Mood 1946, "The Statistical Sign Test"; McNemar 1947, in its exact form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import bdtrc, stdtr, stdtrit  # Student's t and the binomial, without scipy.stats' overhead

from align_eval.scoring.boundaries import Floats
from align_eval.scoring.inference import POWER, ROUNDING
from align_eval.scoring.statistics import CONFIDENCE


@dataclass(frozen=True, slots=True)
class MarginTest:
    """A loss in ms, its 95 % interval, and the one-sided p-value of a true loss of at most the margin.

    The interval is None where there is nothing to resample; p is 1 then.
    """

    value: float
    ci_low: float | None
    ci_high: float | None
    p: float


def margin_test(value: float, error: float | None, n_units: int, margin: float) -> MarginTest:
    """Test a loss against a margin by its standard error over ``n_units`` resampled units.

    Units that all lost the same have no spread, and a t without spread would be sure of anything. What is left is that
    ``n_units`` signs agree, 2^-n.
    """
    if error is None or n_units < 2:
        return MarginTest(value, None, None, 1.0)
    reach = error * float(stdtrit(n_units - 1, (1 + CONFIDENCE) / 2))
    over = value - margin
    without_spread = 2.0**-n_units if over > ROUNDING else 1.0
    p = float(stdtr(n_units - 1, -over / error)) if error > ROUNDING else without_spread
    return MarginTest(value, value - reach, value + reach, p)


def smallest_loss(error: float | None, n_units: int, margin: float, level: float) -> float | None:
    """Smallest true loss that would be found worse than the margin with 80 % power at a one-sided level.

    None where there is nothing to resample.
    """
    if error is None or n_units < 2:
        return None
    return margin + error * float(stdtrit(n_units - 1, POWER) - stdtrit(n_units - 1, level))


def error_within(starts: Floats, ends: Floats) -> float | None:
    """Standard error of the mean over starts and ends together, when the words that they belong to are resampled.

    Resampling words draws the mean of starts with variance sum (x - mean)^2 / n^2, which times n / (n - 1), by which a
    bootstrap of n units is too small, is s^2 / n: nothing need be drawn. The two means are taken to vary together,
    which they do where a word moves as a whole, and where one word ends at the boundary at which the next starts, as
    under DTW; pooling all boundaries as if each were another observation would be too sure by up to sqrt(2). None with
    a single start or end.
    """
    if min(len(starts), len(ends)) < 2:
        return None
    weighted = sum(math.sqrt(len(values)) * float(values.std(ddof=1)) for values in (starts, ends))
    return weighted / (len(starts) + len(ends))


def sign_test(values: Floats) -> float:
    """Two-sided p-value of a median of zero; values of zero stand on either side, against a finding."""
    n = len(values)
    above = int((values > ROUNDING).sum())
    below = int((values < -ROUNDING).sum())
    return min(1.0, 2 * _at_least(max(above, below), n))


def more_lost_than_gained(n_lost: int, n_gained: int) -> float:
    """One-sided p-value of as many lost as gained: McNemar's test, exact."""
    return _at_least(n_lost, n_lost + n_gained)


def _at_least(k: int, n: int) -> float:
    """Probability of at least k heads in n throws of a fair coin."""
    return float(bdtrc(k - 1, n, 0.5)) if k > 0 else 1.0
