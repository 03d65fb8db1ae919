"""What the incompleteness of attention costs: the difference of the best placebo and the real residual, as a figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from align_eval.findings.budget.cells import Errors
from align_eval.findings.budget.injection import REAL
from align_eval.scoring.boundaries import Floats
from align_eval.scoring.inference import (
    flip_test,
    smallest_effect,
    standard_error,
    stands,
    student_interval,
)
from align_eval.scoring.metrics import Difference, Smallest, Statistic
from align_eval.scoring.selection import ChosenOnHalves

SHIFTS_MS = (-10.0, 0.0, 10.0)
"""A difference must hold its sign where the reference is moved by that much."""

InjectionErrors = Mapping[str, Errors]
"""By arm."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in ms with its 95 % interval; None where there is nothing to resample."""

    value: float
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, slots=True)
class Injection:
    """Residual injection: errors by arm, each placebo's (and attention's) minus real, and the smallest of these: what
    incompleteness costs.

    ``calibrated`` are the errors by arm once the median error on other clusters is taken out, ``calibrated_cost`` the
    smallest difference of these: what is left of the price where a constant shift is known and mended.

    ``p_value``, of the primary contrast alone, is the largest of those of the placebos, each from flipping the sign of
    whole clusters: all must be beaten. ``p_holm`` is adjusted over kinds of reference and runs. ``smallest_effect_ms``
    is what this corpus would show four times in five, None with too few clusters to show any. ``chosen`` says how often
    a candidate of the real residual was chosen, twice a random split of the clusters.
    """

    arms: Mapping[str, Figure]
    over_real: Mapping[str, Figure]
    cost: Figure
    calibrated: Mapping[str, Figure]
    calibrated_cost: Figure
    stands: str
    p_value: float | None
    p_holm: float | None
    smallest_effect_ms: float | None
    chosen: Mapping[str, int]


def over_real(injected: InjectionErrors, arm: str, shift_ms: float = 0.0) -> Difference:
    """An arm minus the real residual."""
    return Difference(injected[arm].statistic(shift_ms), injected[REAL].statistic(shift_ms))


def incompleteness(injected: InjectionErrors, shift_ms: float = 0.0) -> Smallest:
    """Best placebo minus real residual: what is gained by what only the saliency knows.

    Every placebo has as many candidates as the real residual, attention among them. Were they joined before choosing,
    their number would be paid for in errors of choosing, and the price be too high.
    """
    return Smallest([over_real(injected, arm, shift_ms) for arm in injected if arm != REAL])


def price(
    injected: InjectionErrors, every: Mapping[str, InjectionErrors], weights: Floats, seed: int, *, primary: bool
) -> Injection:
    """The figures of residual injection under one kind of reference.

    Parameters
    ----------
    injected
        Errors by arm.
    every
        The same under every kind of reference of the corpus, this one too, for the sign.
    primary
        Whether it is the one contrast that is tested.
    """
    real = injected[REAL]
    chosen = real.chosen()
    others = {arm: over_real(injected, arm) for arm in injected if arm != REAL}
    cost = incompleteness(injected)
    calibrated = {arm: errors.calibrated() for arm, errors in injected.items()}
    calibrated_cost = Smallest([Difference(calibrated[arm], calibrated[REAL]) for arm in others])
    p_value = None
    if primary:
        own = {arm: injected[arm].chosen().own_totals() - chosen.own_totals() for arm in others}
        p_value = max(
            flip_test(own[arm], chosen.counts, seed, standard_error(gain, weights)) for arm, gain in others.items()
        )
    return Injection(
        arms={arm: Figure(*student_interval(errors.statistic(), weights)) for arm, errors in injected.items()},
        over_real={arm: Figure(*student_interval(gain, weights)) for arm, gain in others.items()},
        cost=Figure(*student_interval(cost, weights)),
        calibrated={arm: Figure(*student_interval(statistic, weights)) for arm, statistic in calibrated.items()},
        calibrated_cost=Figure(*student_interval(calibrated_cost, weights)),
        stands=sign(lambda reference, shift_ms: incompleteness(every[reference], shift_ms), n_clusters_of(every)),
        p_value=p_value,
        p_holm=None,
        smallest_effect_ms=smallest_effect(cost, weights),
        chosen=_names(real, chosen),
    )


def n_clusters_of(every: Mapping[str, InjectionErrors]) -> dict[str, int]:
    """Number of clusters under each kind of reference."""
    return {reference: int(injected[REAL].cluster.max()) + 1 for reference, injected in every.items()}


def sign(difference: Callable[[str, float], Statistic], n_clusters: Mapping[str, int]) -> str:
    """Whether the sign of a difference, by kind of reference and shift in ms, is the same under all of them."""
    values = {
        f"{reference} {shift_ms:+g} ms": float(difference(reference, shift_ms).evaluate(np.ones((1, n)))[0])
        for reference, n in n_clusters.items()
        for shift_ms in SHIFTS_MS
    }
    return stands(values)


def _names(errors: Errors, chosen: ChosenOnHalves) -> Mapping[str, int]:
    """How often each candidate was chosen."""
    counted = np.bincount(chosen.chosen_candidates().ravel(), minlength=len(errors.candidates))
    return {name: int(n) for name, n in zip(errors.candidates, counted, strict=True) if n}
