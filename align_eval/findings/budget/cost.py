"""Cost of attention's incompleteness: error of the best placebo minus that of the real residual, with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from align_eval.findings.budget.cells import Errors
from align_eval.findings.budget.injection import REAL
from align_eval.findings.budget.records import Injection
from align_eval.run_record import Figure
from align_eval.scoring.boundaries import Floats
from align_eval.scoring.inference import (
    NOT_NEGATIVE,
    UNBOUNDED,
    flip_test,
    smallest_effect,
    standard_error,
    stands,
    student_interval,
)
from align_eval.scoring.metrics import Difference, Smallest, Statistic
from align_eval.scoring.selection import ChosenOnHalves
from align_eval.scoring.statistics import are_enough

SHIFTS_MS = (-10.0, 0.0, 10.0)
"""Shifts of the reference under which a difference must keep its sign."""

InjectionErrors = Mapping[str, Errors]
"""Errors by arm of residual injection."""


def over_real(injected: InjectionErrors, arm: str, shift_ms: float = 0.0) -> Difference:
    """Error of an arm minus that of the real residual; ``shift_ms`` moves the reference."""
    return Difference(injected[arm].statistic(shift_ms), injected[REAL].statistic(shift_ms))


def incompleteness_cost(injected: InjectionErrors, shift_ms: float = 0.0) -> Smallest:
    """Error of the best placebo minus that of the real residual: the gain from information in the saliency alone.

    Every placebo has as many candidates as the real residual, attention among them. Choosing once among the candidates
    of all placebos would be more error-prone than choosing among those of the real residual, and would inflate the
    cost.
    """
    return Smallest([over_real(injected, arm, shift_ms) for arm in injected if arm != REAL])


def summarise_injection(
    injected: InjectionErrors,
    every: Mapping[str, InjectionErrors],
    weights: Floats,
    seed: int,
    *,
    primary: bool,
) -> Injection:
    """Figures of residual injection under one kind of reference.

    Parameters
    ----------
    injected
        Errors by arm.
    every
        Errors by kind of reference and arm, this kind included, for the consistency of the sign.
    weights : float64[n_draws, n_clusters]
        Bootstrap weights.
    seed
        Seed of the sign flips.
    primary
        Whether this is the one contrast that is tested.
    """
    real = injected[REAL]
    chosen = real.chosen()
    differences = {arm: over_real(injected, arm) for arm in injected if arm != REAL}
    cost = incompleteness_cost(injected)
    calibrated = {arm: errors.calibrated() for arm, errors in injected.items()}
    calibrated_cost = Smallest([Difference(calibrated[arm], calibrated[REAL]) for arm in differences])
    is_tested = primary and are_enough(chosen.counts)
    return Injection(
        arms={arm: student_figure(errors.statistic(), weights, NOT_NEGATIVE) for arm, errors in injected.items()},
        over_real={arm: student_figure(difference, weights) for arm, difference in differences.items()},
        cost=student_figure(cost, weights),
        calibrated={arm: student_figure(statistic, weights, NOT_NEGATIVE) for arm, statistic in calibrated.items()},
        calibrated_cost=student_figure(calibrated_cost, weights),
        stands=sign_consistency(
            lambda reference, shift_ms: incompleteness_cost(every[reference], shift_ms), n_clusters_of(every)
        ),
        p_value=_largest_p_value(injected, differences, chosen, weights, seed) if is_tested else None,
        p_holm=None,
        smallest_effect_ms=smallest_effect(cost, weights),
        chosen=_choice_counts(real, chosen),
    )


def _largest_p_value(
    injected: InjectionErrors,
    differences: Mapping[str, Difference],
    chosen: ChosenOnHalves,
    weights: Floats,
    seed: int,
) -> float:
    """Largest p-value of the arms against the real residual, each from flipping the signs of whole clusters."""
    totals = {arm: injected[arm].chosen().own_totals() - chosen.own_totals() for arm in differences}
    return max(
        flip_test(totals[arm], chosen.counts, seed, standard_error(difference, weights))
        for arm, difference in differences.items()
    )


def student_figure(statistic: Statistic, weights: Floats, bounds: tuple[float, float] = UNBOUNDED) -> Figure:
    """Value of a statistic with its interval by Student's t."""
    return Figure(*student_interval(statistic, weights, bounds=bounds))


def n_clusters_of(every: Mapping[str, InjectionErrors]) -> dict[str, int]:
    """Number of clusters under each kind of reference."""
    return {reference: int(injected[REAL].cluster.max()) + 1 for reference, injected in every.items()}


def sign_consistency(difference: Callable[[str, float], Statistic], n_clusters: Mapping[str, int]) -> str:
    """True if a difference has the same sign under every kind of reference and every shift of it.

    Parameters
    ----------
    difference
        From a kind of reference and a shift in ms to the statistic.
    n_clusters
        Number of clusters under each kind of reference.
    """
    values = {
        f"{reference} {shift_ms:+g} ms": float(difference(reference, shift_ms).evaluate(np.ones((1, n)))[0])
        for reference, n in n_clusters.items()
        for shift_ms in SHIFTS_MS
    }
    return stands(values)


def _choice_counts(errors: Errors, chosen: ChosenOnHalves) -> Mapping[str, int]:
    """Number of times that each candidate was chosen, without candidates that were never chosen."""
    counts = np.bincount(chosen.chosen_candidates().ravel(), minlength=len(errors.candidates))
    return {name: int(n) for name, n in zip(errors.candidates, counts, strict=True) if n}
