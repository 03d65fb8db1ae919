"""The error budget of a run: residual injection, cells, Shapley shares and the effect of agreement per word.

The primary contrast was fixed before anything was scored. Its conditions are subword tokens, the heads chosen for the
model, log preparation and the path with silence. It is the paired difference of the interior boundary error between the
best control and the residual of the saliency, which is the gradient at the encoder output. The amount on either side is
chosen on other clusters. Everything else, another saliency included, is exploratory and has intervals only. Calibration
is a row beside the cells, never a step. Shapley shares and last steps summarise the cells and are always shown with
them. Kinds of reference are never pooled.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from align_eval.errors import InputError, listed
from align_eval.findings.budget.agreement_effect import N_SETS, head_sets
from align_eval.findings.budget.cells import (
    ALL_HEADS,
    ARMS,
    PATHS,
    PREPARATIONS,
    SILENCES,
    cell_errors,
    in_unit,
    require_heads,
    units_of,
)
from align_eval.findings.budget.chosen_heads import heads_of_answer, no_worth
from align_eval.findings.budget.cost import (
    SHIFTS_MS,
    InjectionErrors,
    n_clusters_of,
    sign_consistency,
    student_figure,
    summarise_injection,
)
from align_eval.findings.budget.injection import GRID, injection_errors
from align_eval.findings.budget.records import SCHEMA_VERSION, Budget, Cell, Injection, Stratum
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
from align_eval.findings.saved_run import (
    Item,
    SavedRun,
    finding_signature,
    has_enough_frames,
    has_stack,
    require_stacks,
    with_interior,
)
from align_eval.scoring.boundaries import Floats
from align_eval.scoring.inference import NOT_NEGATIVE, holm
from align_eval.scoring.metrics import Difference, count_by
from align_eval.scoring.statistics import are_enough, draw_weights, effective_clusters
from align_eval.systems import ALIGN, SALIENCY

PRIMARY_UNIT = "subword"


@dataclass(frozen=True, slots=True)
class StratumErrors:
    """Decoded errors of one kind of reference and token unit."""

    items: tuple[Item, ...]
    cells: CellErrors
    injected: InjectionErrors | None


def measure_budget(
    kept: SavedRun, seed: int = 0, on_done: Callable[[str], None] | None = None, *, saliency: str = SALIENCY
) -> Budget:
    """Measure the budget under every kind of reference and token unit of a run.

    Parameters
    ----------
    kept
        A run with saved maps.
    seed
        Seed of controls, head sets, bootstrap and sign flips.
    on_done
        Called with the id of each utterance whose cells are decoded, in the primary unit only.
    saliency
        Spec, without preparation and unit, of the source whose residual is injected and whose agreement with attention
        is compared with the errors of words. Any but the gradient at the encoder output is exploratory.

    Raises
    ------
    InputError
        Where the run did not save the needed maps (the message names the options that save them), or no kind of
        reference has two speakers or recordings.
    """
    errors, left_out = _decode_strata(kept, seed, saliency, on_done)
    if not errors:
        raise InputError(kept.folder, listed(left_out, "; ") or "has no words", "use a corpus of several speakers")
    strata = []
    for reference, unit in errors:
        same_unit = {r: stratum for (r, u), stratum in errors.items() if u == unit}
        strata.append(_stratum(reference, unit, kept, same_unit, seed, saliency))
    settings = {
        "saliency": saliency,
        "heads": heads_of_answer(kept.run),
        "amounts": GRID,
        "align": ALIGN,
        "silences": SILENCES,
        "shifts_ms": SHIFTS_MS,
        "head_sets": N_SETS,
    }
    finding = finding_signature(kept.run, "budget", seed, settings)
    return Budget(SCHEMA_VERSION, finding, kept.run.signature, tuple(strata), tuple(left_out))


def with_holm(budgets: Sequence[Budget]) -> list[Budget]:
    """The same budgets with the p-values of their primary contrasts adjusted over all of them (Holm 1979)."""
    primary = {
        f"{i} {j}": stratum.injection.p_value
        for i, budget in enumerate(budgets)
        for j, stratum in enumerate(budget.strata)
        if stratum.injection is not None and stratum.injection.p_value is not None
    }
    adjusted = holm(primary)

    def with_p(stratum: Stratum, name: str) -> Stratum:
        if stratum.injection is None:
            return stratum
        return replace(stratum, injection=replace(stratum.injection, p_holm=adjusted.get(name)))

    return [
        replace(budget, strata=tuple(with_p(stratum, f"{i} {j}") for j, stratum in enumerate(budget.strata)))
        for i, budget in enumerate(budgets)
    ]


def _decode_strata(
    kept: SavedRun, seed: int, saliency: str, on_done: Callable[[str], None] | None
) -> tuple[dict[tuple[str, str], StratumErrors], list[str]]:
    """Errors by kind of reference and token unit, and the reasons for everything left out."""
    errors: dict[tuple[str, str], StratumErrors] = {}
    left_out: list[str] = []
    heads = heads_of_answer(kept.run)
    gives_worth = no_worth(kept.run, saliency) is None
    for reference, same_kind in kept.items.items():
        items = with_interior(same_kind)
        for unit in units_of(items):
            usable, reasons = _usable_items(items, unit, saliency, kept.clusters[reference])
            left_out += [f"{reference} reference, {unit}: {reason}" for reason in reasons]
            if not usable:
                continue
            _require_maps(kept.folder, items, unit, saliency)
            cells = cell_errors(usable, unit, heads, on_done if unit == PRIMARY_UNIT else None)
            enough = are_enough(_boundaries_by_cluster(cells))
            injected = (
                injection_errors(usable, unit, seed, heads, saliency) if heads and gives_worth and enough else None
            )
            errors[reference, unit] = StratumErrors(usable, cells, injected)
    return errors, left_out


def _require_maps(folder: Path, items: Sequence[Item], unit: str, saliency: str) -> None:
    """Check that every item has the maps that a stratum needs.

    Raises
    ------
    InputError
        Where one is missing. The sources of a default run are named by its options.
    """
    needed = [in_unit(spec, unit) for spec in (ALL_HEADS, saliency)]
    is_default = any(spec.startswith("residual:") for spec in items[0].maps.stacks)
    if is_default and unit == PRIMARY_UNIT and not all(has_stack(items, spec) for spec in needed):
        option = "" if saliency == SALIENCY else f" --saliency {shlex.quote(saliency)}"
        raise InputError(folder, "lacks maps that this needs", f"run again with --keep heads{option}")
    require_heads(folder, items, unit)
    require_stacks(folder, items, needed)


def _usable_items(items: Sequence[Item], unit: str, saliency: str, clusters: str) -> tuple[tuple[Item, ...], list[str]]:
    """Items that can be decoded, none where they do not make a stratum, and the reasons for leaving items out."""
    usable = with_interior([item for item in items if has_enough_frames(item, unit)])
    reasons = []
    if len(usable) < len(items):
        reasons.append(f"{len(items) - len(usable)} utterances have more tokens than frames")
    if len({item.cluster for item in usable}) < 2:
        return (), [*reasons, f"fewer than two {clusters} with two words"]
    if unit != PRIMARY_UNIT and saliency != SALIENCY and not has_stack(items, in_unit(saliency, unit)):
        return (), [*reasons, f"{in_unit(saliency, unit)} was not saved"]
    return usable, reasons


def _stratum(
    reference: str, unit: str, kept: SavedRun, every: Mapping[str, StratumErrors], seed: int, saliency: str
) -> Stratum:
    """Figures of one kind of reference; ``every`` holds the errors under all kinds, in the same unit."""
    stratum = every[reference]
    n_clusters = n_clusters_of({r: errors.cells for r, errors in every.items()})
    counts = _boundaries_by_cluster(stratum.cells)
    n, n_effective = int(np.count_nonzero(counts)), effective_clusters(counts)
    few = f"too few {kept.clusters[reference]} to choose an amount ({n}, effectively {n_effective:.1f})"
    weights = draw_weights(n_clusters[reference], seed)
    return Stratum(
        reference=reference,
        unit=unit,
        n_utterances=len(stratum.items),
        n_boundaries=int(counts.sum()),
        clusters=kept.clusters[reference],
        n_clusters=n,
        n_effective_clusters=n_effective,
        candidates={arm: stratum.cells[(*START, arm)].candidates for arm in BEST.values()},
        cells=tuple(
            _cell(prep, path, reference, every, n_clusters, weights) for prep in PREPARATIONS for path in PATHS
        ),
        injection=_injection(reference, unit, kept, every, weights, seed, saliency),
        no_injection=no_worth(kept.run, saliency) or (None if are_enough(counts) else few),
        start=student_figure(coalition(stratum.cells, ()), weights, NOT_NEGATIVE),
        end=student_figure(coalition(stratum.cells, PLAYERS), weights, NOT_NEGATIVE),
        shapley={player: student_figure(share, weights) for player, share in shapley(stratum.cells).items()},
        last_step={player: student_figure(share, weights) for player, share in last_step(stratum.cells).items()},
        head_sets=head_sets(stratum.items, unit, saliency, seed),
    )


def _boundaries_by_cluster(cells: CellErrors) -> Floats:
    """Number of boundaries of each cluster, ``float64[n_clusters]``: the same in every cell."""
    cluster = cells[(*START, "default heads")].cluster
    return count_by(cluster, int(cluster.max()) + 1)


def _injection(
    reference: str,
    unit: str,
    kept: SavedRun,
    every: Mapping[str, StratumErrors],
    weights: Floats,
    seed: int,
    saliency: str,
) -> Injection | None:
    """Figures of residual injection under one kind of reference, where the run has chosen heads."""
    injected = {kind: errors.injected for kind, errors in every.items() if errors.injected is not None}
    if reference not in injected:
        return None
    primary = unit == PRIMARY_UNIT and saliency == SALIENCY
    heads = heads_of_answer(kept.run) or ()
    return summarise_injection(injected[reference], injected, weights, seed, heads=heads, primary=primary)


def _cell(
    prep: str,
    path: str,
    reference: str,
    every: Mapping[str, StratumErrors],
    n_clusters: Mapping[str, int],
    weights: Floats,
) -> Cell:
    """Figures of one preparation and path under one kind of reference."""
    cells = every[reference].cells
    calibrated = {arm: cells[prep, path, arm].calibrated() for arm in ARMS}
    attention, saliency = (calibrated[BEST[signal]] for signal in ("attention", "saliency"))
    return Cell(
        preparation=prep,
        path=path,
        arms={arm: student_figure(cells[prep, path, arm].statistic(), weights, NOT_NEGATIVE) for arm in ARMS},
        difference=student_figure(swap_gain(cells, prep, path), weights),
        stands=sign_consistency(lambda kind, shift_ms: swap_gain(every[kind].cells, prep, path, shift_ms), n_clusters),
        calibrated={arm: student_figure(statistic, weights, NOT_NEGATIVE) for arm, statistic in calibrated.items()},
        calibrated_difference=student_figure(Difference(attention, saliency), weights),
    )
