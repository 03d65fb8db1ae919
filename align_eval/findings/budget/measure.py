"""What the missing half costs: residual injection, the cells of the error budget, shares, and what they rest on.

Primary, fixed before anything is scored: subword tokens, log preparation, silence-aware path; the paired difference of
the interior boundary error between the best placebo and the real residual, lambda and silence parameter of either
chosen on other clusters; the saliency is the gradient at the encoder output. All else, another saliency too, is
exploratory and has intervals only. Calibration is a row beside the cells, never a step. Shapley shares and last-step
values summarise the cells and never stand without them. Kinds of reference are never pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from align_eval.errors import InputError
from align_eval.findings.budget.agreement_effect import N_SETS, HeadSets, head_sets
from align_eval.findings.budget.cells import (
    ARMS,
    DEFAULT_HEADS,
    PATHS,
    PREPARATIONS,
    SILENCES,
    cell_errors,
    in_unit,
    units_of,
)
from align_eval.findings.budget.injection import REAL, SALIENCY, injection_errors, needed_stacks
from align_eval.findings.budget.price import SHIFTS_MS, Figure, Injection, InjectionErrors, n_clusters_of, price, sign
from align_eval.findings.budget.residual import LAMBDAS
from align_eval.findings.budget.shapley import (
    BEST,
    PLAYERS,
    START,
    CellErrors,
    coalition,
    last_step,
    shapley,
    swap_gain,
)
from align_eval.findings.kept_run import (
    Item,
    KeptRun,
    finding_signature,
    has_enough_frames,
    has_stack,
    require_stacks,
    with_interior,
)
from align_eval.scoring.clusters import count_by
from align_eval.scoring.inference import holm, student_interval
from align_eval.scoring.metrics import Difference, Statistic
from align_eval.scoring.statistics import draw_weights, effective_clusters

SCHEMA_VERSION = 2

PRIMARY_UNIT = "subword"


@dataclass(frozen=True, slots=True)
class Cell:
    """One preparation and path: the error of every arm, and best attention minus best saliency.

    ``calibrated`` is the error of every arm once its median error on other clusters is taken out, and their difference.
    """

    preparation: str
    path: str
    arms: Mapping[str, Figure]
    difference: Figure
    stands: str
    calibrated: Mapping[str, Figure]
    calibrated_difference: Figure


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


@dataclass(frozen=True, slots=True)
class Measured:
    """Decoded errors of one kind of reference and token unit."""

    items: tuple[Item, ...]
    cells: CellErrors
    injected: InjectionErrors
    injected_upper: InjectionErrors


def measure_budget(
    kept: KeptRun, seed: int = 0, on_done: Callable[[str], None] | None = None, *, saliency: str = SALIENCY
) -> Budget:
    """The budget of every kind of reference and token unit that a run kept maps of.

    Parameters
    ----------
    saliency
        Spec, without preparation and unit, of the source whose residual is injected and whose agreement with attention
        is set against the errors of words. Another than the gradient at the encoder output is exploratory.

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
            fitting = with_interior([item for item in items if has_enough_frames(item, unit)])
            if len(fitting) < len(items):
                n_short = len(items) - len(fitting)
                left_out.append(f"{reference} reference, {unit}: {n_short} utterances have more tokens than frames")
            if len({item.cluster for item in fitting}) < 2:
                few = f"fewer than two {kept.clusters[reference]} with two words"
                left_out.append(f"{reference} reference, {unit}: {few}")
                continue
            if unit != PRIMARY_UNIT and saliency != SALIENCY and not has_stack(items, in_unit(saliency, unit)):
                left_out.append(f"{reference} reference, {unit}: {in_unit(saliency, unit)} was not kept")
                continue
            require_stacks(kept.folder, items, (in_unit(DEFAULT_HEADS, unit), *needed_stacks(unit, saliency)))
            cells = cell_errors(fitting, unit, on_done if unit == PRIMARY_UNIT else None)
            injected, upper = (
                injection_errors(fitting, unit, seed, saliency=saliency, upper=upper) for upper in (False, True)
            )
            measured[reference, unit] = Measured(fitting, cells, injected, upper)
    if not measured:
        raise InputError(kept.folder, "; ".join(left_out) or "has no words", "use a corpus of several speakers")
    strata = tuple(
        _stratum(
            reference,
            unit,
            kept.clusters[reference],
            {r: m for (r, u), m in measured.items() if u == unit},
            seed,
            saliency,
        )
        for reference, unit in measured
    )
    settings = {
        "saliency": saliency,
        "lambdas": LAMBDAS,
        "silences": SILENCES,
        "shifts_ms": SHIFTS_MS,
        "head_sets": N_SETS,
    }
    return Budget(
        SCHEMA_VERSION,
        finding_signature(kept.run, "budget", seed, settings),
        kept.run.signature,
        strata,
        tuple(left_out),
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


def _stratum(
    reference: str, unit: str, clusters: str, every: Mapping[str, Measured], seed: int, saliency: str
) -> Stratum:
    items, cells, injected = every[reference].items, every[reference].cells, every[reference].injected
    n_of = n_clusters_of({r: m.injected for r, m in every.items()})
    cluster = injected[REAL].cluster
    weights = draw_weights(n_of[reference], seed)

    def figure(statistic: Statistic) -> Figure:
        return Figure(*student_interval(statistic, weights))

    def cell(prep: str, path: str) -> Cell:
        calibrated = {arm: cells[prep, path, arm].calibrated() for arm in ARMS}
        attention, best_saliency = (calibrated[BEST[signal]] for signal in ("attention", "saliency"))
        return Cell(
            preparation=prep,
            path=path,
            arms={arm: figure(cells[prep, path, arm].statistic()) for arm in ARMS},
            difference=figure(swap_gain(cells, prep, path)),
            stands=sign(lambda kind, shift_ms: swap_gain(every[kind].cells, prep, path, shift_ms), n_of),
            calibrated={arm: figure(statistic) for arm, statistic in calibrated.items()},
            calibrated_difference=figure(Difference(attention, best_saliency)),
        )

    def injection(of: Callable[[Measured], InjectionErrors], *, primary: bool) -> Injection:
        return price(of(every[reference]), {r: of(m) for r, m in every.items()}, weights, seed, primary=primary)

    return Stratum(
        reference=reference,
        unit=unit,
        n_utterances=len(items),
        n_boundaries=len(cluster),
        clusters=clusters,
        n_clusters=n_of[reference],
        n_effective_clusters=effective_clusters(count_by(cluster, n_of[reference])),
        candidates={arm: cells[(*START, arm)].candidates for arm in BEST.values()},
        cells=tuple(cell(prep, path) for prep in PREPARATIONS for path in PATHS),
        injection=injection(lambda m: m.injected, primary=unit == PRIMARY_UNIT and saliency == SALIENCY),
        injection_upper=injection(lambda m: m.injected_upper, primary=False),
        start=figure(coalition(cells, ())),
        end=figure(coalition(cells, PLAYERS)),
        shapley={player: figure(share) for player, share in shapley(cells).items()},
        last_step={player: figure(share) for player, share in last_step(cells).items()},
        head_sets=head_sets(items, unit, saliency, seed),
    )
