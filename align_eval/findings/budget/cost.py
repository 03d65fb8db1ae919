"""Cost of what attention lacks of a saliency: the gain of its residual, alone and beyond the best control.

Calibrated figures are of errors without the median error of the other clusters, separately for starts and ends; amounts
are then chosen by those errors, as in the answer of a run (:mod:`align_eval.scoring.answer`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from align_eval.findings.budget.cells import Errors
from align_eval.findings.budget.controls import ATTENTION, SALIENCY
from align_eval.findings.budget.injection import GRID
from align_eval.findings.budget.records import Arm, Injection
from align_eval.run_record import AmountRow, Figure
from align_eval.scoring.answer import MOVED_MS
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
from align_eval.scoring.statistics import are_enough

SHIFTS_MS = (-10.0, 0.0, 10.0)
"""Shifts of the reference under which a difference must keep its sign."""

InjectionErrors = Mapping[str, Errors]
"""Errors by arm of residual injection."""


def over_saliency(injected: InjectionErrors, arm: str, shift_ms: float = 0.0) -> Difference:
    """Error of an arm minus that with the saliency's residual; ``shift_ms`` moves the reference."""
    return Difference(injected[arm].statistic(shift_ms), injected[SALIENCY].statistic(shift_ms))


def incompleteness_cost(injected: InjectionErrors, shift_ms: float = 0.0) -> Smallest:
    """Error of the best control, or of attention, minus that with the saliency's residual.

    Every control has as many candidates as the saliency, attention among them. Choosing once among the candidates of
    all controls would be more error-prone than choosing among those of the saliency, and would inflate the cost.
    """
    return Smallest([over_saliency(injected, arm, shift_ms) for arm in injected if arm != SALIENCY])


def summarise_injection(
    injected: InjectionErrors,
    every: Mapping[str, InjectionErrors],
    weights: Floats,
    seed: int,
    *,
    heads: Sequence[str] = (),
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
    heads
        Names of attention's heads.
    primary
        Whether this is the one contrast that is tested.
    """
    even = {arm: errors.without_bias() for arm, errors in injected.items()}
    cost = incompleteness_cost(injected)
    counts = injected[SALIENCY].chosen().counts
    n_moved = _moved_by_choice(injected)
    return Injection(
        heads=tuple(heads),
        arms={arm: _arm(injected, even, arm, n_moved, weights) for arm in injected},
        worth=student_figure(over_saliency(injected, ATTENTION), weights),
        calibrated_worth=student_figure(over_saliency(even, ATTENTION), weights),
        cost=student_figure(cost, weights),
        calibrated_cost=student_figure(incompleteness_cost(even), weights),
        stands=sign_consistency(
            lambda reference, shift_ms: incompleteness_cost(every[reference], shift_ms), n_clusters_of(every)
        ),
        p_value=_largest_p_value(injected, weights, seed) if primary and are_enough(counts) else None,
        p_holm=None,
        smallest_effect_ms=smallest_effect(cost, weights),
    )


def _arm(injected: InjectionErrors, even: InjectionErrors, arm: str, moved_by_saliency: float, weights: Floats) -> Arm:
    """Figures of one arm, and its error at every amount."""
    rows = _amount_rows(injected, even, arm)
    is_control = arm not in (ATTENTION, SALIENCY)
    return Arm(
        error=student_figure(injected[arm].statistic(), weights, NOT_NEGATIVE),
        calibrated=student_figure(even[arm].statistic(), weights, NOT_NEGATIVE),
        over_saliency=None if arm == SALIENCY else student_figure(over_saliency(injected, arm), weights),
        calibrated_over_saliency=None if arm == SALIENCY else student_figure(over_saliency(even, arm), weights),
        amounts=rows,
        moves_as_many=max(row.moved for row in rows) >= moved_by_saliency if is_control else None,
    )


def _amount_rows(injected: InjectionErrors, even: InjectionErrors, arm: str) -> tuple[AmountRow, ...]:
    errors_ms, even_ms = injected[arm].errors_ms, even[arm].errors_ms
    chosen = injected[arm].chosen().chosen_candidates().ravel()
    moved = _moved(injected, arm)
    return tuple(
        AmountRow(
            amount=amount,
            error_ms=float(np.abs(errors_ms[i]).mean()),
            calibrated_ms=float(np.abs(even_ms[i]).mean()),
            moved=float(moved[i]),
            chosen=int((chosen == i).sum()),
        )
        for i, amount in enumerate(GRID[: len(errors_ms)])
    )


def _moved(injected: InjectionErrors, arm: str) -> Floats:
    """Share of boundaries that each amount of an arm moves, by at least half a frame, float64[n_amounts]."""
    attention_ms = injected[ATTENTION].errors_ms[0]
    return np.asarray((np.abs(injected[arm].errors_ms - attention_ms) >= MOVED_MS).mean(axis=1))


def _moved_by_choice(injected: InjectionErrors) -> float:
    """Share of boundaries that the saliency moves at the amount that most halves choose."""
    saliency = injected[SALIENCY]
    chosen = np.bincount(saliency.chosen().chosen_candidates().ravel()).argmax()
    return float(_moved(injected, SALIENCY)[chosen])


def _largest_p_value(injected: InjectionErrors, weights: Floats, seed: int) -> float:
    """Largest p-value of attention and the controls against the saliency, from flipping signs of whole clusters."""
    chosen = injected[SALIENCY].chosen()
    differences = {arm: over_saliency(injected, arm) for arm in injected if arm != SALIENCY}
    return max(
        flip_test(
            injected[arm].chosen().own_totals() - chosen.own_totals(),
            chosen.counts,
            seed,
            standard_error(difference, weights),
        )
        for arm, difference in differences.items()
    )


def student_figure(statistic: Statistic, weights: Floats, bounds: tuple[float, float] = UNBOUNDED) -> Figure:
    """Value of a statistic with its interval by Student's t."""
    return Figure(*student_interval(statistic, weights, bounds=bounds))


def n_clusters_of(every: Mapping[str, Mapping[Any, Errors]]) -> dict[str, int]:
    """Number of clusters under each kind of reference, from its errors by anything."""
    return {reference: int(next(iter(of.values())).cluster.max()) + 1 for reference, of in every.items()}


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
