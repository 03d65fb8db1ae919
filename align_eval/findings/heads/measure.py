"""Search for heads on the saved maps of a run: figures of every head, and the error of every method to choose a set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from align_eval.engine.fitting_maps import REMEDY
from align_eval.errors import InputError, listed
from align_eval.findings.budget.cells import ALL_HEADS, DEFAULT_HEADS, in_unit
from align_eval.findings.heads.evidence import Evidence, HeadSet, Reading, gather
from align_eval.findings.heads.records import (
    OWN_NORMS,
    SCHEMA_VERSION,
    SUPERVISED,
    HeadRow,
    HeadSearch,
    HeadStratum,
    SetRow,
)
from align_eval.findings.heads.search import N_SPLITS, cross_validated, methods, set_totals, utterance_set_totals
from align_eval.findings.ranks import rank_correlation
from align_eval.findings.saved_run import (
    Item,
    SavedRun,
    finding_signature,
    has_enough_frames,
    head_names,
    require_stacks,
    with_interior,
)
from align_eval.run_record import Figure
from align_eval.scoring.boundaries import Bools, Floats, Ints
from align_eval.scoring.inference import CORRELATION, NOT_NEGATIVE, flip_test, student_interval
from align_eval.scoring.metrics import Difference, Ratio, mean_by, sum_by
from align_eval.scoring.selection import halves
from align_eval.scoring.statistics import are_enough, draw_weights, effective_clusters
from align_eval.systems import SALIENCY

N_RANKING_SPLITS = 4 * N_SPLITS
"""Splits over which the stability of rankings is measured."""


class _Choice(NamedTuple):
    """Result of one method.

    ``totals`` are errors by cluster, ``heads`` the set chosen on all clusters, and ``sets`` those chosen on halves.
    """

    totals: Floats
    heads: HeadSet
    needs_reference: bool
    sets: Sequence[HeadSet]


def search_heads(
    kept: SavedRun,
    reading: Reading | None = None,
    saliency: str = SALIENCY,
    seed: int = 0,
    on_done: Callable[[str], None] | None = None,
) -> HeadSearch:
    """Rank the heads of a model and search for sets on the saved maps of a run.

    Parameters
    ----------
    kept
        A run with saved maps.
    reading
        How word times are read off a set.
    saliency
        Spec of the saliency, without preparation and unit.
    seed
        Seed of splits, bootstrap and sign flips.
    on_done
        Called with each kind of reference when it is finished.

    Raises
    ------
    InputError
        Where the run saved no heads or not the saliency, or no kind of reference has two speakers or recordings.
    """
    reading = reading or Reading()
    heads_spec, saliency_spec = in_unit(ALL_HEADS, reading.unit), in_unit(saliency, reading.unit)
    strata, left_out = [], []
    names: list[str] = []
    for reference, same_kind in kept.items.items():
        items = with_interior([item for item in same_kind if has_enough_frames(item, reading.unit)])
        if len({item.cluster for item in items}) < 2:
            left_out.append(f"{reference} reference: fewer than two {kept.clusters[reference]} with two words")
            continue
        require_stacks(kept.folder, items, (heads_spec, saliency_spec))
        names = head_names(items[0], heads_spec)
        evidence = gather(items, heads_spec, saliency_spec, reading)
        fixed = _fixed_sets(items[0], names)
        strata.append(_stratum(evidence, names, reference, kept.clusters[reference], fixed, seed))
        if on_done:
            on_done(reference)
    if not strata:
        raise InputError(kept.folder, listed(left_out, "; ") or "has no words", "use a corpus of several speakers")
    settings = {"reading": asdict(reading), "saliency": saliency_spec, "splits": N_SPLITS}
    layers = [int(name.partition(".")[0]) for name in names]
    return HeadSearch(
        schema=SCHEMA_VERSION,
        finding=finding_signature(kept.run, "heads", seed, settings),
        signature=kept.run.signature,
        n_layers=max(layers) + 1,
        n_heads_a_layer=layers.count(0),
        strata=tuple(strata),
        left_out=tuple(left_out),
    )


def _fixed_sets(item: Item, names: Sequence[str]) -> dict[str, HeadSet]:
    """Sets that need no search: the model's alignment heads, where the run used them, and all heads."""
    heads_by_spec = (
        details.get("heads") for spec, details in item.maps.details.items() if spec.startswith(DEFAULT_HEADS)
    )
    alignment = next((heads for heads in heads_by_spec if heads), ())
    if not set(alignment) <= set(names):
        raise InputError(item.path, f"has alignment heads {alignment!r:.80} that the model lacks", REMEDY)
    sets = {"alignment heads": tuple(sorted(names.index(head) for head in alignment))} if alignment else {}
    return {**sets, "all heads": tuple(range(len(names)))}


def _stratum(
    evidence: Evidence, names: Sequence[str], reference: str, clusters: str, fixed: Mapping[str, HeadSet], seed: int
) -> HeadStratum:
    """Figures of one kind of reference."""
    n_clusters = int(evidence.cluster.max()) + 1
    counts = sum_by(evidence.cluster, evidence.counts, n_clusters)
    return HeadStratum(
        reference=reference,
        n_utterances=len(evidence.items),
        n_boundaries=int(counts.sum()),
        clusters=clusters,
        n_clusters=int(np.count_nonzero(counts)),
        n_effective_clusters=effective_clusters(counts),
        heads=_head_rows(evidence, names, counts, seed),
        sets=_set_rows(evidence, names, counts, fixed, seed),
        **_rankings(evidence, counts, seed),
    )


def _single_totals(evidence: Evidence) -> Floats:
    """Total error of each head alone, float64[n_heads, n_clusters] in ms."""
    clusters = np.unique(evidence.cluster)
    return np.stack([set_totals(evidence, (head,), clusters) for head in range(evidence.n_heads)])


def _head_rows(evidence: Evidence, names: Sequence[str], counts: Floats, seed: int) -> tuple[HeadRow, ...]:
    """One row per head, by rising error."""
    weights = draw_weights(len(counts), seed)
    totals = _single_totals(evidence)
    n_best = max(3, len(totals) // 10)
    times_best = np.zeros(len(totals), dtype=np.int64)
    splits = halves(counts, seed, N_RANKING_SPLITS)
    for half in splits:
        for side in (half, ~half):
            times_best[np.argsort(totals[:, side].sum(axis=1), kind="stable")[:n_best]] += 1
    rank = np.argsort(np.argsort(totals.sum(axis=1), kind="stable"), kind="stable") + 1
    rows = []
    for head, name in enumerate(names):
        agreement = mean_by(evidence.cluster, evidence.agreement[:, head], len(counts))
        rows.append(
            HeadRow(
                head=name,
                error_ms=Figure(*student_interval(Ratio(totals[head], counts), weights, bounds=NOT_NEGATIVE)),
                agreement=Figure(*student_interval(agreement, weights, bounds=CORRELATION)),
                norms=float(evidence.norms[:, head].mean()),
                error_rank=int(rank[head]),
                among_best=float(times_best[head] / (2 * len(splits))),
            )
        )
    return tuple(sorted(rows, key=lambda row: row.error_rank))


def _set_rows(
    evidence: Evidence, names: Sequence[str], counts: Floats, fixed: Mapping[str, HeadSet], seed: int
) -> tuple[SetRow, ...]:
    """One row per method to choose a set."""
    choices = _choices(evidence, np.flatnonzero(counts > 0), fixed, seed)
    supervised = choices[SUPERVISED].totals
    weights = draw_weights(len(counts), seed)
    return tuple(
        _set_row(name, choice, supervised, evidence, names, counts, weights, seed) for name, choice in choices.items()
    )


def _choices(evidence: Evidence, clusters: Ints, fixed: Mapping[str, HeadSet], seed: int) -> dict[str, _Choice]:
    """Result of every method by name."""
    choices: dict[str, _Choice] = {}
    for name, (choose, needs_reference) in methods(evidence, fixed, seed).items():
        totals, sets = cross_validated(evidence, choose, seed)
        heads = choose(clusters)
        if not needs_reference:
            totals = set_totals(evidence, heads, clusters)
        choices[name] = _Choice(totals, heads, needs_reference, sets)
    choices[OWN_NORMS] = _Choice(utterance_set_totals(evidence, evidence.norms), (), False, ())
    return choices


def _set_row(
    name: str,
    choice: _Choice,
    supervised: Floats,
    evidence: Evidence,
    names: Sequence[str],
    counts: Floats,
    weights: Floats,
    seed: int,
) -> SetRow:
    """Row of one method; ``supervised`` holds the errors of the supervised search by cluster."""
    own_total = set_totals(evidence, choice.heads, np.flatnonzero(counts > 0)).sum() if choice.heads else None
    beyond = Difference(Ratio(choice.totals, counts), Ratio(supervised, counts))
    is_other = name != SUPERVISED
    times_chosen = np.bincount([head for heads in choice.sets for head in heads], minlength=len(names))
    share = times_chosen / max(1, len(choice.sets))
    return SetRow(
        name=name,
        heads=tuple(names[head] for head in choice.heads),
        needs_reference=choice.needs_reference,
        error_ms=Figure(*student_interval(Ratio(choice.totals, counts), weights, bounds=NOT_NEGATIVE)),
        own_error_ms=None if own_total is None else float(own_total / counts.sum()),
        beyond_supervised_ms=Figure(*student_interval(beyond, weights)) if is_other else None,
        p_value=flip_test(choice.totals - supervised, counts, seed) if is_other and are_enough(counts) else None,
        chosen={names[head]: float(share[head]) for head in np.argsort(-share, kind="stable") if share[head]},
    )


def _rankings(evidence: Evidence, counts: Floats, seed: int) -> dict[str, Mapping[str, float]]:
    """Stability of the rankings of heads over speakers, and how well those without reference times predict errors."""
    errors = _single_totals(evidence)

    def figures(clusters: Bools) -> dict[str, Floats]:
        items = evidence.within(np.flatnonzero(clusters))
        return {
            "error": -errors[:, clusters].sum(axis=1),
            "agreement": evidence.agreement[items].mean(axis=0),
            "norms": evidence.norms[items].mean(axis=0),
        }

    whole = figures(counts > 0)
    correlations: dict[str, list[float]] = {name: [] for name in whole}
    for half in halves(counts, seed, N_RANKING_SPLITS):
        first, second = figures(half), figures(~half & (counts > 0))
        for name, values in correlations.items():
            values.append(rank_correlation(first[name], second[name]))
    return {
        "stability": {name: float(np.mean(values)) for name, values in correlations.items()},
        "predicts_error": {name: rank_correlation(whole[name], whole["error"]) for name in ("agreement", "norms")},
    }
