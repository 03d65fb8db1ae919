"""The finding of `heads search`: every head with its figures, every way to choose a set with what it is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from align_eval.errors import InputError
from align_eval.findings.budget.cells import ALL_HEADS, DEFAULT_HEADS, in_unit
from align_eval.findings.budget.injection import SALIENCY
from align_eval.findings.budget.price import Figure
from align_eval.findings.head_search import (
    N_SPLITS,
    Evidence,
    HeadSet,
    Reading,
    cross_validated,
    families,
    gather,
    own_set_totals,
    set_totals,
)
from align_eval.findings.kept_run import Item, KeptRun, finding_signature, fits, require_stacks, with_interior
from align_eval.findings.ranks import rank_correlation
from align_eval.formats.heads_export import Head, Shape, parse_heads
from align_eval.scoring.boundaries import Floats
from align_eval.scoring.clusters import sum_by
from align_eval.scoring.inference import flip_test
from align_eval.scoring.metrics import Difference, Ratio, mean_by
from align_eval.scoring.selection import halves
from align_eval.scoring.statistics import draw_weights, effective_clusters, estimate

SCHEMA_VERSION = 1
SUPERVISED = "greedy by error"
"""What sets without reference times are held against: the search that asks most of the reference."""

OWN_NORMS = "norms, each utterance its own"


@dataclass(frozen=True, slots=True)
class HeadRow:
    """A head alone.

    ``error_ms`` is the mean absolute error of interior boundaries, ``agreement`` rho with the saliency, both rows
    standardised per token, mean over utterances, ``norms`` the mean of its norms, ``error_rank`` from 1.
    ``among_best`` is the share of halves of the speakers where it is among the tenth (at least three) of least error.
    """

    head: str
    error_ms: Figure
    agreement: Figure
    norms: float
    error_rank: int
    among_best: float


@dataclass(frozen=True, slots=True)
class SetRow:
    """A way to choose a set of heads.

    Attributes
    ----------
    name : str
    heads : tuple of str
        What it chooses on all clusters: the set to use and to export. Empty where each utterance has its own.
    needs_reference : bool
    error_ms : Figure
        Mean absolute error of interior boundaries; where it needs reference times, on clusters that did not choose.
    own_error_ms : float or None
        Of ``heads`` on the very clusters that chose them: what a search without cross-validation would claim.
    beyond_supervised_ms : Figure or None
        Error less that of the supervised search, paired.
    p_value : float or None
        Of that difference, by flipping the sign of whole clusters.
    chosen : mapping
        Share of the halves that choose each head.
    """

    name: str
    heads: tuple[str, ...]
    needs_reference: bool
    error_ms: Figure
    own_error_ms: float | None
    beyond_supervised_ms: Figure | None
    p_value: float | None
    chosen: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class HeadStratum:
    """One kind of reference.

    ``stability`` is Spearman's correlation of a ranking of heads by one half of the speakers with that by the other,
    ``predicts_error`` that of a ranking without reference times with the ranking by error; 1 is the same order.
    """

    reference: str
    n_utterances: int
    n_boundaries: int
    clusters: str
    n_clusters: int
    n_effective_clusters: float
    heads: tuple[HeadRow, ...]
    sets: tuple[SetRow, ...]
    stability: Mapping[str, float]
    predicts_error: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class HeadSearch:
    """The finding of a run: strata by kind of reference, and what it could not speak of."""

    schema: int
    finding: Mapping[str, Any]
    signature: Mapping[str, Any]
    n_layers: int
    n_heads_a_layer: int
    strata: tuple[HeadStratum, ...]
    left_out: tuple[str, ...] = ()


def search_heads(
    kept: KeptRun,
    reading: Reading | None = None,
    saliency: str = SALIENCY,
    seed: int = 0,
    on_done: Callable[[str], None] | None = None,
) -> HeadSearch:
    """Rank heads and search sets on the maps that a run kept.

    Raises
    ------
    InputError
        Where all heads or the saliency were not kept, or no kind of reference has two speakers or recordings.
    """
    reading = reading or Reading()
    heads_spec, saliency_spec = in_unit(ALL_HEADS, reading.unit), in_unit(saliency, reading.unit)
    strata, left_out = [], []
    every: list[str] = []
    for reference, found in kept.items.items():
        items = with_interior([item for item in found if fits(item, reading.unit)])
        if len({item.cluster for item in items}) < 2:
            left_out.append(f"{reference} reference: fewer than two {kept.clusters[reference]} with two words")
            continue
        require_stacks(kept.folder, items, (heads_spec, saliency_spec))
        every = list(items[0].maps.details[heads_spec]["heads"])
        if len(items[0].maps.stacks[heads_spec]) != len(every):
            problem = "the mean over heads was kept, not the heads"
            raise InputError(f"{kept.folder}, {heads_spec}", problem, "run with --keep heads")
        evidence = gather(items, heads_spec, saliency_spec, reading)
        strata.append(_stratum(evidence, every, reference, kept.clusters[reference], _given(items[0], every), seed))
        if on_done:
            on_done(reference)
    if not strata:
        raise InputError(kept.folder, "; ".join(left_out) or "has no words", "use a corpus of several speakers")
    settings = {"reading": asdict(reading), "saliency": saliency_spec, "splits": N_SPLITS}
    layers = [int(name.partition(".")[0]) for name in every]
    return HeadSearch(
        schema=SCHEMA_VERSION,
        finding=finding_signature(kept.run, "heads", seed, settings),
        signature=kept.run.signature,
        n_layers=max(layers) + 1,
        n_heads_a_layer=layers.count(0),
        strata=tuple(strata),
        left_out=tuple(left_out),
    )


def heads_of_search(
    data: Mapping[str, Any], place: object, name: str, reference: str | None = None
) -> tuple[tuple[Head, ...], Shape]:
    """A set of a search's file by its name, and how many layers, and heads a layer, the model has.

    Raises
    ------
    InputError
        Where the file is of another finding or version, or has no such set or reference.
    """
    if data["finding"].get("finding") != "heads" or data.get("schema") != SCHEMA_VERSION:
        raise InputError(place, "is no search for heads of this version", "give a file of `align-eval heads search`")
    strata = {stratum["reference"]: stratum for stratum in data["strata"]}
    if reference is None and len(strata) > 1:
        raise InputError(place, f"holds several references: {', '.join(strata)}", "choose one with --reference")
    chosen = reference or next(iter(strata))
    if chosen not in strata:
        raise InputError(place, f"holds no {chosen} reference", f"known: {', '.join(strata)}")
    sets = {row["name"]: row["heads"] for row in strata[chosen]["sets"] if row["heads"]}
    if name not in sets:
        raise InputError(place, f"holds no set {name!r}", f"known: {', '.join(sets)}")
    return parse_heads("+".join(sets[name])), (data["n_layers"], data["n_heads_a_layer"])


def _given(item: Item, every: Sequence[str]) -> dict[str, HeadSet]:
    """The sets that need no search: the model's own, where the run read it, and all heads."""
    of_specs = (details.get("heads") for spec, details in item.maps.details.items() if spec.startswith(DEFAULT_HEADS))
    own = next((heads for heads in of_specs if heads), ())
    given = {"alignment heads": tuple(sorted(every.index(head) for head in own))} if own else {}
    return {**given, "all heads": tuple(range(len(every)))}


def _stratum(
    evidence: Evidence, every: Sequence[str], reference: str, clusters: str, given: Mapping[str, HeadSet], seed: int
) -> HeadStratum:
    n_clusters = int(evidence.cluster.max()) + 1
    counts = sum_by(evidence.cluster, evidence.counts, n_clusters)
    return HeadStratum(
        reference=reference,
        n_utterances=len(evidence.items),
        n_boundaries=int(counts.sum()),
        clusters=clusters,
        n_clusters=n_clusters,
        n_effective_clusters=effective_clusters(counts),
        heads=_head_rows(evidence, every, counts, seed),
        sets=_set_rows(evidence, every, counts, given, seed),
        **_rankings(evidence, counts, seed),
    )


def _single_totals(evidence: Evidence) -> Floats:
    """Total error of each head alone, ``(head, cluster)`` in ms."""
    clusters = np.unique(evidence.cluster)
    return np.stack([set_totals(evidence, (head,), clusters) for head in range(evidence.n_heads)])


def _head_rows(evidence: Evidence, every: Sequence[str], counts: Floats, seed: int) -> tuple[HeadRow, ...]:
    weights = draw_weights(len(counts), seed)
    totals = _single_totals(evidence)
    n_best = max(3, len(totals) // 10)
    best = np.zeros(len(totals), dtype=np.int64)
    splits = halves(counts, seed, 4 * N_SPLITS)
    for half in splits:
        for side in (half, ~half):
            best[np.argsort(totals[:, side].sum(axis=1), kind="stable")[:n_best]] += 1
    rank = np.argsort(np.argsort(totals.sum(axis=1), kind="stable"), kind="stable") + 1
    rows = []
    for head, name in enumerate(every):
        agreement = mean_by(evidence.cluster, evidence.agreement[:, head], len(counts))
        rows.append(
            HeadRow(
                head=name,
                error_ms=Figure(*estimate(Ratio(totals[head], counts), weights)),
                agreement=Figure(*estimate(agreement, weights)),
                norms=float(evidence.norms[:, head].mean()),
                error_rank=int(rank[head]),
                among_best=float(best[head] / (2 * len(splits))),
            )
        )
    return tuple(sorted(rows, key=lambda row: row.error_rank))


def _set_rows(
    evidence: Evidence, every: Sequence[str], counts: Floats, given: Mapping[str, HeadSet], seed: int
) -> tuple[SetRow, ...]:
    weights = draw_weights(len(counts), seed)
    clusters = np.flatnonzero(counts > 0)
    found: dict[str, tuple[Floats, HeadSet, bool, list[HeadSet]]] = {}
    for name, (choose, needs_reference) in families(evidence, given, seed).items():
        totals, sets = cross_validated(evidence, choose, seed)
        whole = choose(clusters)
        if not needs_reference:
            totals = set_totals(evidence, whole, clusters)
        found[name] = totals, whole, needs_reference, sets
    found[OWN_NORMS] = own_set_totals(evidence, evidence.norms), (), False, []
    supervised = found[SUPERVISED][0]
    rows = []
    for name, (totals, whole, needs_reference, sets) in found.items():
        beyond = Difference(Ratio(totals, counts), Ratio(supervised, counts))
        other = name != SUPERVISED
        often = np.bincount([head for chosen in sets for head in chosen], minlength=len(every)) / max(1, len(sets))
        rows.append(
            SetRow(
                name=name,
                heads=tuple(every[head] for head in whole),
                needs_reference=needs_reference,
                error_ms=Figure(*estimate(Ratio(totals, counts), weights)),
                own_error_ms=float(set_totals(evidence, whole, clusters).sum() / counts.sum()) if whole else None,
                beyond_supervised_ms=Figure(*estimate(beyond, weights)) if other else None,
                p_value=flip_test(totals - supervised, counts, seed) if other else None,
                chosen={every[head]: float(often[head]) for head in np.argsort(-often, kind="stable") if often[head]},
            )
        )
    return tuple(rows)


def _rankings(evidence: Evidence, counts: Floats, seed: int) -> dict[str, Mapping[str, float]]:
    """How steady rankings of heads are over speakers, and how well those without reference times foretell errors."""
    errors = _single_totals(evidence)

    def figures(clusters: Floats) -> dict[str, Floats]:
        items = evidence.within(np.flatnonzero(clusters))
        return {
            "error": -errors[:, clusters.astype(np.bool_)].sum(axis=1),
            "agreement": evidence.agreement[items].mean(axis=0),
            "norms": evidence.norms[items].mean(axis=0),
        }

    whole = figures(counts)
    pairs: dict[str, list[float]] = {name: [] for name in whole}
    for half in halves(counts, seed, 4 * N_SPLITS):
        first, second = figures(half.astype(np.float64)), figures((~half & (counts > 0)).astype(np.float64))
        for name, values in pairs.items():
            values.append(rank_correlation(first[name], second[name]))
    return {
        "stability": {name: float(np.mean(values)) for name, values in pairs.items()},
        "predicts_error": {name: rank_correlation(whole[name], whole["error"]) for name in ("agreement", "norms")},
    }
