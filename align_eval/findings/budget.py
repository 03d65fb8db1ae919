"""What the missing half costs: residual injection, the cells of the error budget, shares, and what they rest on.

Primary, fixed before anything is scored: subword tokens, log preparation, silence-aware path; the paired difference of
the interior boundary error between the best placebo and the real residual, lambda and silence parameter of either
chosen on other clusters. All else is exploratory and has intervals only. Shapley shares and last-step values summarise
the cells and never stand without them. Kinds of reference are never pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np

from align_eval.errors import InputError
from align_eval.findings.cells import ARMS, DEFAULT_HEADS, PATHS, PREPARATIONS, Errors, cell_errors, in_unit, units_of
from align_eval.findings.head_sets import HeadSets, head_sets
from align_eval.findings.injection import ATTENTION, REAL, SALIENCY, injection_errors, needed_stacks
from align_eval.findings.kept import Item, KeptRun, require_stacks
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
from align_eval.scoring.metrics import Combination, Statistic
from align_eval.scoring.statistics import draw_weights, effective_clusters

SCHEMA_VERSION = 1

SHIFTS_MS = (-10.0, 0.0, 10.0)
"""A difference must hold its sign where the reference is moved by that much."""

PRIMARY_UNIT = "subword"
START, END = ("zscore-median", "dtw"), ("log", "viterbi")
BEST = {"attention": "best attention", "saliency": "best saliency"}


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
    """Residual injection: errors by arm, and best placebo minus real: what incompleteness costs.

    ``p_value``, of the primary contrast alone, flips the sign of whole clusters; ``p_holm`` is adjusted over kinds of
    reference and runs. ``smallest_effect_ms`` is what this corpus would show four times in five. ``chosen`` says how
    often a candidate was chosen, twice a random split of the clusters.
    """

    arms: Mapping[str, Figure]
    cost: Figure
    stands: str
    p_value: float | None
    p_holm: float | None
    smallest_effect_ms: float | None
    chosen: Mapping[str, int]
    chosen_placebo: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Stratum:
    """One kind of reference and token unit.

    ``shapley`` are the shares of preparation, path and signal in what lies between attention's default heads, prepared
    and read Whisper's way, and saliency prepared by its log and read with silence; signal's is split into heads and
    swap. ``last_step`` is what is gained where that step is taken last. ``head_sets`` is the effect of agreement on the
    error of a word, None where words are too few.
    """

    reference: str
    unit: str
    n_utterances: int
    n_boundaries: int
    clusters: str
    n_clusters: int
    n_effective_clusters: float
    cells: tuple[Cell, ...]
    injection: Injection
    start: Figure
    end: Figure
    shapley: Mapping[str, Figure]
    last_step: Mapping[str, Figure]
    head_sets: HeadSets | None


@dataclass(frozen=True, slots=True)
class Budget:
    """The finding of a run, with the signature of that run, and what it could not speak of."""

    schema: int
    signature: Mapping[str, Any]
    strata: tuple[Stratum, ...]
    left_out: tuple[str, ...] = ()


CellErrors = Mapping[tuple[str, str, str], Errors]
InjectionErrors = Mapping[str, Errors]


@dataclass(frozen=True, slots=True)
class Measured:
    """Decoded errors of one kind of reference and token unit."""

    items: tuple[Item, ...]
    cells: CellErrors
    injected: InjectionErrors


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
        items = _with_interior(found)
        if len({item.cluster for item in items}) < 2:
            left_out.append(f"{reference} reference: fewer than two {kept.clusters[reference]} with two words")
            continue
        for unit in units_of(items):
            require_stacks(kept.folder, items, (in_unit(DEFAULT_HEADS, unit), *needed_stacks(unit)))
            cells = cell_errors(items, unit, on_done if unit == PRIMARY_UNIT else None)
            measured[reference, unit] = Measured(items, cells, injection_errors(items, unit, seed))
    if not measured:
        raise InputError(kept.folder, "; ".join(left_out) or "has no words", "use a corpus of several speakers")
    strata = tuple(
        _stratum(reference, unit, kept.clusters[reference], {r: m for (r, u), m in measured.items() if u == unit}, seed)
        for reference, unit in measured
    )
    return Budget(SCHEMA_VERSION, kept.run.signature, strata, tuple(left_out))


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


def _with_interior(items: Sequence[Item]) -> tuple[Item, ...]:
    """Items of two words or more, since one word has no interior boundary; clusters numbered anew without gaps."""
    several = [item for item in items if len(item.reference_s) > 1]
    number = {cluster: i for i, cluster in enumerate(sorted({item.cluster for item in several}))}
    return tuple(replace(item, cluster=number[item.cluster]) for item in several)


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
        cells=tuple(cell(prep, path) for prep in PREPARATIONS for path in PATHS),
        injection=_injection(injected, every, weights, seed, unit),
        start=figure(coalition(cells, ())),
        end=figure(coalition(cells, PLAYERS)),
        shapley={player: figure(share) for player, share in shapley(cells).items()},
        last_step={player: figure(share) for player, share in last_step(cells).items()},
        head_sets=head_sets(items, unit, SALIENCY, seed),
    )


def swap_gain(cells: CellErrors, prep: str, path: str, shift_ms: float = 0.0) -> Combination:
    """Best attention minus best saliency in a cell."""
    attention, saliency = (cells[prep, path, BEST[signal]].statistic(shift_ms) for signal in ("attention", "saliency"))
    return Combination(((1.0, attention), (-1.0, saliency)))


def incompleteness(injected: InjectionErrors, shift_ms: float = 0.0) -> Combination:
    """Best placebo minus real residual: what is gained by what only the saliency knows."""
    placebo = placebos(injected).statistic(shift_ms)
    return Combination(((1.0, placebo), (-1.0, injected[REAL].statistic(shift_ms))))


def placebos(injected: InjectionErrors) -> Errors:
    """Every placebo at every lambda, attention itself among them."""
    kinds = [errors for arm, errors in injected.items() if arm not in (REAL, ATTENTION)]
    return kinds[0].joined(kinds[1:])


def _sign(difference: Callable[[float, Measured], Statistic], every: Mapping[str, Measured]) -> str:
    """Whether the sign of a difference holds under every kind of reference and shift of it."""
    values = {}
    for reference, measured in every.items():
        one = np.ones((1, int(measured.injected[REAL].cluster.max()) + 1))
        for shift in SHIFTS_MS:
            values[f"{reference} {shift:+g} ms"] = float(difference(shift, measured).evaluate(one)[0])
    return stands(values)


def _injection(
    injected: InjectionErrors, every: Mapping[str, Measured], weights: Floats, seed: int, unit: str
) -> Injection:
    real, placebo = injected[REAL], placebos(injected)
    chosen_real, chosen_placebo = real.chosen(), placebo.chosen()
    cost = incompleteness(injected)
    totals = chosen_placebo.own_totals() - chosen_real.own_totals()
    p_value = flip_test(totals, chosen_real.counts, seed, standard_error(cost, weights))
    return Injection(
        arms={arm: Figure(*student_interval(errors.statistic(), weights)) for arm, errors in injected.items()},
        cost=Figure(*student_interval(cost, weights)),
        stands=_sign(lambda shift, m: incompleteness(m.injected, shift), every),
        p_value=p_value if unit == PRIMARY_UNIT else None,
        p_holm=None,
        smallest_effect_ms=smallest_effect(cost, weights),
        chosen=_names(real, chosen_real),
        chosen_placebo=_names(placebo, chosen_placebo),
    )


def _names(errors: Errors, chosen: ChosenOnHalves) -> Mapping[str, int]:
    """How often each candidate was chosen."""
    counted = np.bincount(chosen.chosen_candidates().ravel(), minlength=len(errors.candidates))
    return {name: int(n) for name, n in zip(errors.candidates, counted, strict=True) if n}


PLAYERS = ("preparation", "path", "signal")


def coalition(cells: CellErrors, steps: Sequence[str], arm: str | None = None) -> Statistic:
    """Error where those steps are taken: from default heads, Whisper's preparation and DTW."""
    prep = END[0] if "preparation" in steps else START[0]
    path = END[1] if "path" in steps else START[1]
    return cells[prep, path, arm or (BEST["saliency"] if "signal" in steps else "default heads")].statistic()


def shapley(cells: CellErrors) -> dict[str, Combination]:
    """Mean over the orders of the steps of what each takes off the error; signal is heads and then swap."""
    orders = list(permutations(PLAYERS))
    parts: dict[str, list[tuple[float, Statistic]]] = {"preparation": [], "path": [], "heads": [], "swap": []}
    for order in orders:
        for i, player in enumerate(order):
            before, after = coalition(cells, order[:i]), coalition(cells, order[: i + 1])
            if player != "signal":
                parts[player] += [(1 / len(orders), before), (-1 / len(orders), after)]
                continue
            between = coalition(cells, order[:i], BEST["attention"])
            parts["heads"] += [(1 / len(orders), before), (-1 / len(orders), between)]
            parts["swap"] += [(1 / len(orders), between), (-1 / len(orders), after)]
    return {player: Combination(tuple(terms)) for player, terms in parts.items()}


def last_step(cells: CellErrors) -> dict[str, Combination]:
    """What each step takes off where all others are taken before."""
    whole = coalition(cells, PLAYERS)
    without = {
        "preparation": coalition(cells, ("path", "signal")),
        "path": coalition(cells, ("preparation", "signal")),
        "swap": coalition(cells, ("preparation", "path"), BEST["attention"]),
    }
    return {player: Combination(((1.0, before), (-1.0, whole))) for player, before in without.items()}
