"""What the missing half costs: residual injection, the cells of the error budget, shares, and what they rest on.

Primary, fixed before anything is scored: subword tokens, log preparation, silence-aware path; the paired difference of
the interior boundary error between the best placebo and the real residual, lambda and silence parameter of either
chosen on other clusters. All else is exploratory and has intervals only. Shapley shares and last-step values summarise
the cells and never stand without them. Kinds of reference are never pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from align_eval.errors import InputError
from align_eval.findings.cells import (
    ARMS,
    DEFAULT_HEADS,
    PATHS,
    PREPARATIONS,
    SILENCES,
    Errors,
    cell_errors,
    in_unit,
    units_of,
)
from align_eval.findings.head_sets import N_SETS, HeadSets, head_sets
from align_eval.findings.injection import REAL, SALIENCY, injection_errors, needed_stacks
from align_eval.findings.kept import Item, KeptRun, finding_signature, fits, require_stacks, with_interior
from align_eval.findings.residual import LAMBDAS
from align_eval.findings.shares import BEST, PLAYERS, START, CellErrors, coalition, last_step, shapley, swap_gain
from align_eval.scoring.boundaries import Floats
from align_eval.scoring.inference import (
    ChosenOnHalves,
    flip_test,
    holm,
    smallest_effect,
    standard_error,
    stands,
    student_interval,
)
from align_eval.scoring.metrics import Combination, Smallest, Statistic
from align_eval.scoring.statistics import draw_weights, effective_clusters

SCHEMA_VERSION = 1

SHIFTS_MS = (-10.0, 0.0, 10.0)
"""A difference must hold its sign where the reference is moved by that much."""

PRIMARY_UNIT = "subword"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in ms with its 95 % interval; None where there is nothing to resample."""

    value: float
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One preparation and path: the error of every arm, and best attention minus best saliency."""

    preparation: str
    path: str
    arms: Mapping[str, Figure]
    difference: Figure
    stands: str


@dataclass(frozen=True, slots=True)
class Injection:
    """Residual injection: errors by arm, each placebo's (and attention's) minus real, and the smallest of these: what
    incompleteness costs.

    ``p_value``, of the primary contrast alone, is the largest of those of the placebos, each from flipping the sign of
    whole clusters: all must be beaten. ``p_holm`` is adjusted over kinds of reference and runs. ``smallest_effect_ms``
    is what this corpus would show four times in five, None with too few clusters to show any. ``chosen`` says how often
    a candidate of the real residual was chosen, twice a random split of the clusters.
    """

    arms: Mapping[str, Figure]
    over_real: Mapping[str, Figure]
    cost: Figure
    stands: str
    p_value: float | None
    p_holm: float | None
    smallest_effect_ms: float | None
    chosen: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Stratum:
    """One kind of reference and token unit.

    ``shapley`` are the shares of preparation, path and signal in what lies between attention's default heads, prepared
    and read Whisper's way, and saliency prepared by its log and read with silence; signal's is split into heads and
    swap. ``injection_upper`` is residual injection into the heads of the upper half of the layers in place of all, to
    tell what attention lacks from what its average buries. ``candidates`` are the groups of heads and the depths that
    were chosen from. ``last_step`` is what is gained where that step is taken last. ``head_sets`` is the effect of
    agreement on the error of a word, None where words are too few.
    """

    reference: str
    unit: str
    n_utterances: int
    n_boundaries: int
    clusters: str
    n_clusters: int
    n_effective_clusters: float
    candidates: Mapping[str, tuple[str, ...]]
    cells: tuple[Cell, ...]
    injection: Injection
    injection_upper: Injection
    start: Figure
    end: Figure
    shapley: Mapping[str, Figure]
    last_step: Mapping[str, Figure]
    head_sets: HeadSets | None


@dataclass(frozen=True, slots=True)
class Budget:
    """The finding of a run, with what decided it, the signature of that run, and what it could not speak of."""

    schema: int
    finding: Mapping[str, Any]
    signature: Mapping[str, Any]
    strata: tuple[Stratum, ...]
    left_out: tuple[str, ...] = ()


InjectionErrors = Mapping[str, Errors]


@dataclass(frozen=True, slots=True)
class Measured:
    """Decoded errors of one kind of reference and token unit."""

    items: tuple[Item, ...]
    cells: CellErrors
    injected: InjectionErrors
    injected_upper: InjectionErrors


def measure_budget(kept: KeptRun, seed: int = 0, on_done: Callable[[str], None] | None = None) -> Budget:
    """The budget of every kind of reference and token unit that a run kept maps of.

    Raises
    ------
    InputError
        Where maps that this needs were not kept (named with the command that makes them), or no kind of reference has
        two speakers or recordings.
    """
    measured: dict[tuple[str, str], Measured] = {}
    left_out: list[str] = []
    for reference, found in kept.items.items():
        items = with_interior(found)
        for unit in units_of(items):
            fitting = with_interior([item for item in items if fits(item, unit)])
            if len(fitting) < len(items):
                n_short = len(items) - len(fitting)
                left_out.append(f"{reference} reference, {unit}: {n_short} utterances have more tokens than frames")
            if len({item.cluster for item in fitting}) < 2:
                few = f"fewer than two {kept.clusters[reference]} with two words"
                left_out.append(f"{reference} reference, {unit}: {few}")
                continue
            require_stacks(kept.folder, items, (in_unit(DEFAULT_HEADS, unit), *needed_stacks(unit)))
            cells = cell_errors(fitting, unit, on_done if unit == PRIMARY_UNIT else None)
            measured[reference, unit] = Measured(
                fitting,
                cells,
                injection_errors(fitting, unit, seed),
                injection_errors(fitting, unit, seed, upper=True),
            )
    if not measured:
        raise InputError(kept.folder, "; ".join(left_out) or "has no words", "use a corpus of several speakers")
    strata = tuple(
        _stratum(reference, unit, kept.clusters[reference], {r: m for (r, u), m in measured.items() if u == unit}, seed)
        for reference, unit in measured
    )
    settings = {"lambdas": LAMBDAS, "silences": SILENCES, "shifts_ms": SHIFTS_MS, "head_sets": N_SETS}
    return Budget(
        SCHEMA_VERSION, finding_signature(kept, "budget", seed, settings), kept.run.signature, strata, tuple(left_out)
    )


def with_holm(budgets: Sequence[Budget]) -> list[Budget]:
    """The same findings with the p-values of their primary contrasts adjusted over all of them (Holm 1979)."""
    primary = {
        f"{i} {j}": stratum.injection.p_value
        for i, budget in enumerate(budgets)
        for j, stratum in enumerate(budget.strata)
        if stratum.injection.p_value is not None
    }
    adjusted = holm(primary)

    def with_p(stratum: Stratum, name: str) -> Stratum:
        return replace(stratum, injection=replace(stratum.injection, p_holm=adjusted.get(name)))

    return [
        replace(budget, strata=tuple(with_p(stratum, f"{i} {j}") for j, stratum in enumerate(budget.strata)))
        for i, budget in enumerate(budgets)
    ]


def _stratum(reference: str, unit: str, clusters: str, every: Mapping[str, Measured], seed: int) -> Stratum:
    items, cells, injected = every[reference].items, every[reference].cells, every[reference].injected
    cluster = injected[REAL].cluster
    n_clusters = int(cluster.max()) + 1
    weights = draw_weights(n_clusters, seed)

    def figure(statistic: Statistic) -> Figure:
        return Figure(*student_interval(statistic, weights))

    def cell(prep: str, path: str) -> Cell:
        return Cell(
            preparation=prep,
            path=path,
            arms={arm: figure(cells[prep, path, arm].statistic()) for arm in ARMS},
            difference=figure(swap_gain(cells, prep, path)),
            stands=_sign(lambda shift, m: swap_gain(m.cells, prep, path, shift), every),
        )

    return Stratum(
        reference=reference,
        unit=unit,
        n_utterances=len(items),
        n_boundaries=len(cluster),
        clusters=clusters,
        n_clusters=n_clusters,
        n_effective_clusters=effective_clusters(np.bincount(cluster, minlength=n_clusters)),
        candidates={arm: cells[(*START, arm)].candidates for arm in BEST.values()},
        cells=tuple(cell(prep, path) for prep in PREPARATIONS for path in PATHS),
        injection=_injection(lambda m: m.injected, reference, every, weights, seed, primary=unit == PRIMARY_UNIT),
        injection_upper=_injection(lambda m: m.injected_upper, reference, every, weights, seed, primary=False),
        start=figure(coalition(cells, ())),
        end=figure(coalition(cells, PLAYERS)),
        shapley={player: figure(share) for player, share in shapley(cells).items()},
        last_step={player: figure(share) for player, share in last_step(cells).items()},
        head_sets=head_sets(items, unit, SALIENCY, seed),
    )


def over_real(injected: InjectionErrors, arm: str, shift_ms: float = 0.0) -> Combination:
    """An arm minus the real residual."""
    return Combination(((1.0, injected[arm].statistic(shift_ms)), (-1.0, injected[REAL].statistic(shift_ms))))


def incompleteness(injected: InjectionErrors, shift_ms: float = 0.0) -> Smallest:
    """Best placebo minus real residual: what is gained by what only the saliency knows.

    Every placebo has as many candidates as the real residual, attention among them. Were they joined before choosing,
    their number would be paid for in errors of choosing, and the price be too high.
    """
    return Smallest([over_real(injected, arm, shift_ms) for arm in injected if arm != REAL])


def _sign(difference: Callable[[float, Measured], Statistic], every: Mapping[str, Measured]) -> str:
    """Whether the sign of a difference holds under every kind of reference and shift of it."""
    values = {}
    for reference, measured in every.items():
        one = np.ones((1, int(measured.injected[REAL].cluster.max()) + 1))
        for shift in SHIFTS_MS:
            values[f"{reference} {shift:+g} ms"] = float(difference(shift, measured).evaluate(one)[0])
    return stands(values)


def _injection(
    of: Callable[[Measured], InjectionErrors],
    reference: str,
    every: Mapping[str, Measured],
    weights: Floats,
    seed: int,
    *,
    primary: bool,
) -> Injection:
    injected = of(every[reference])
    real = injected[REAL]
    chosen = real.chosen()
    others = {arm: over_real(injected, arm) for arm in injected if arm != REAL}
    cost = incompleteness(injected)
    own = {arm: injected[arm].chosen().own_totals() - chosen.own_totals() for arm in others}
    p_values = [flip_test(own[arm], chosen.counts, seed, standard_error(gain, weights)) for arm, gain in others.items()]
    return Injection(
        arms={arm: Figure(*student_interval(errors.statistic(), weights)) for arm, errors in injected.items()},
        over_real={arm: Figure(*student_interval(gain, weights)) for arm, gain in others.items()},
        cost=Figure(*student_interval(cost, weights)),
        stands=_sign(lambda shift, m: incompleteness(of(m), shift), every),
        p_value=max(p_values) if primary else None,
        p_holm=None,
        smallest_effect_ms=smallest_effect(cost, weights),
        chosen=_names(real, chosen),
    )


def _names(errors: Errors, chosen: ChosenOnHalves) -> Mapping[str, int]:
    """How often each candidate was chosen."""
    counted = np.bincount(chosen.chosen_candidates().ravel(), minlength=len(errors.candidates))
    return {name: int(n) for name, n in zip(errors.candidates, counted, strict=True) if n}
