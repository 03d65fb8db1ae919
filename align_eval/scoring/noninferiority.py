"""Noninferiority tests of a change in word times against a margin.

A loss is an increase of the mean absolute error, in ms, positive if the change is worse. The margin is the largest loss
to tolerate. The change is *worse* if a one-sided test rejects a loss of at most the margin, *not worse* if the upper
end of the 95 % interval is below the margin, and undecided otherwise.

References: Piaggio et al. 2012, "Reporting of Noninferiority and Equivalence Randomized Trials", JAMA 308, 2594-2604
(margins and intervals); Hesterberg 2015, as in :mod:`align_eval.scoring.inference` (Student's t times a bootstrap
standard error); Dixon, Mood 1946, "The Statistical Sign Test"; McNemar 1947, in its exact form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import bdtrc, stdtr, stdtrit  # Student's t and the binomial; loading scipy.stats takes a second

from align_eval.scoring.boundaries import Floats
from align_eval.scoring.inference import POWER, ROUNDING
from align_eval.scoring.statistics import CONFIDENCE


@dataclass(frozen=True, slots=True)
class MarginTest:
    """A loss in ms, its 95 % interval, and the one-sided p-value of a true loss of at most the margin.

    With fewer than two units to resample, the interval is None and p is 1.
    """

    value: float
    ci_low: float | None
    ci_high: float | None
    p: float


def margin_test(value: float, error: float | None, n_units: int, margin: float) -> MarginTest:
    """Test a loss against a margin, both in ms, by its standard error over ``n_units`` resampled units.

    If all units lost the same, the standard error is zero and t undefined. The p-value is then that of ``n_units``
    equal signs, 2^-n.
    """
    if error is None or n_units < 2:
        return MarginTest(value, None, None, 1.0)
    reach = error * float(stdtrit(n_units - 1, (1 + CONFIDENCE) / 2))
    over = value - margin
    without_spread = 2.0**-n_units if over > ROUNDING else 1.0
    p = float(stdtr(n_units - 1, -over / error)) if error > ROUNDING else without_spread
    return MarginTest(value, value - reach, value + reach, p)


def smallest_loss(error: float | None, n_units: int, margin: float, level: float) -> float | None:
    """Smallest true loss in ms found worse than the margin with 80 % power at a one-sided level.

    None with fewer than two units to resample.
    """
    if error is None or n_units < 2:
        return None
    return margin + error * float(stdtrit(n_units - 1, POWER) - stdtrit(n_units - 1, level))


def error_within(starts: Floats, ends: Floats) -> float | None:
    """Standard error of the mean over starts and ends together, with words as resampled units.

    A bootstrap over words gives the mean of starts the variance sum (x - mean)^2 / n^2. Corrected by n / (n - 1) it is
    s^2 / n, so no draws are needed. The means of starts and ends are assumed to be fully correlated. They are if a word
    moves as a whole, or if a word ends where the next one starts, as under DTW. Pooling all boundaries as independent
    observations would make the error too small by up to sqrt(2).

    Parameters
    ----------
    starts, ends : float64[n]
        Differences at starts and at ends, in any unit.

    Returns
    -------
    float or None
        In the same unit; None with fewer than two starts or ends.
    """
    if min(len(starts), len(ends)) < 2:
        return None
    weighted = sum(math.sqrt(len(values)) * float(values.std(ddof=1)) for values in (starts, ends))
    return weighted / (len(starts) + len(ends))


def sign_test(values: Floats) -> float:
    """Two-sided p-value of a median of zero. Zeros count as values of neither sign, which is conservative."""
    n = len(values)
    above = int((values > ROUNDING).sum())
    below = int((values < -ROUNDING).sum())
    return min(1.0, 2 * _at_least(max(above, below), n))


def more_lost_than_gained(n_lost: int, n_gained: int) -> float:
    """One-sided p-value of equal numbers of losses and gains: McNemar's exact test."""
    return _at_least(n_lost, n_lost + n_gained)


def _at_least(k: int, n: int) -> float:
    """Probability of at least k heads in n throws of a fair coin."""
    return float(bdtrc(k - 1, n, 0.5)) if k > 0 else 1.0
