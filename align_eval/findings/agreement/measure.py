"""Agreement of cross-attention with saliency over a run's kept maps: by head, layer and average, and what it can be.

For every saliency source that a run kept: agreement of every group of heads under every normalisation and both
correlations, per utterance, word and token; what a map faithful by construction would score under the same recipe on
this corpus; the noise ceiling where the saliency is random (SPES reports its split-half reliability); relevance
coverage and entropy. rho and its square stand beside each other: rho is not explained variance.

Reference: Papi et al. 2025 (arXiv 2509.18010), whose normalisation is ``paper``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from align_eval.errors import InputError
from align_eval.findings.agreement.statistics import (
    LEVELS,
    METHODS,
    NORMALISATIONS,
    Agreement,
    AgreementRow,
    Level,
    Method,
    Normalisation,
    agreement,
    entropy,
    faithful_by_construction,
    head_groups,
    noise_ceiling,
    relevance_coverage,
    summarise_agreement,
)
from align_eval.findings.budget.cells import ALL_HEADS, in_unit
from align_eval.findings.kept_run import Item, KeptRun, finding_signature, heads_of, require_stacks
from align_eval.relevance.options import SOURCE_OPTIONS
from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.metrics import mean_by
from align_eval.scoring.statistics import draw_weights, estimate
from align_eval.spec import parse_spec

SCHEMA_VERSION = 1
FAITHFUL = "faithful by construction"
SALIENCIES = (
    "gradient",
    "spes",
    "saliency",
    "input-x-gradient",
    "smoothgrad",
    "integrated-gradients",
    "gradient-shap",
    "occlusion",
    "kernel-shap",
)


@dataclass(frozen=True, slots=True)
class MapFigure:
    """A mean over utterances of what is asked of maps, with its interval.

    ``measure`` is ``coverage`` (share of saliency inside the frames that hold 90 % of attention), ``entropy`` in nats
    (of ``source``), or ``noise ceiling`` (square root of the saliency's reliability).
    """

    measure: str
    source: str
    saliency: str
    value: float
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, slots=True)
class AgreementFinding:
    """The finding of a run, with the signature of that run."""

    schema: int
    finding: Mapping[str, Any]
    signature: Mapping[str, Any]
    n_utterances: int
    rows: tuple[AgreementRow, ...]
    figures: tuple[MapFigure, ...]


def measure_agreement(kept: KeptRun, seed: int = 0, on_done: Callable[[str], None] | None = None) -> AgreementFinding:
    """Agreement of all heads' groups with every saliency that a run kept, unit by unit.

    Raises
    ------
    InputError
        Where all heads, or every saliency, are missing, or nothing was aligned.
    """
    items = [item for found in kept.items.values() for item in found]
    if not items:
        raise InputError(kept.folder, "has no words that were aligned", "run again on a corpus that has")
    cluster = np.array([item.corpus_cluster for item in items])
    weights = draw_weights(int(cluster.max()) + 1, seed)
    pairs = [(in_unit(ALL_HEADS, unit), spec) for spec, unit in _saliencies(items)]
    if not pairs:
        known = ", ".join(SALIENCIES)
        raise InputError(f"{kept.folder}", "kept no saliency", f"run with --keep heads and one of {known}")
    require_stacks(kept.folder, items, [heads for heads, _ in pairs])
    rows: list[AgreementRow] = []
    figures: list[MapFigure] = []
    for heads, spec in pairs:
        of_pair = [_of_item(item, heads, spec) for item in items]
        rows += _rows(of_pair, cluster, weights, heads, spec, kept.corpus_clusters)
        figures += _figures(items, cluster, weights, heads, spec)
        if on_done:
            on_done(spec)
    signature = finding_signature(kept.run, "agree", seed, {"normalisations": NORMALISATIONS, "methods": METHODS})
    return AgreementFinding(SCHEMA_VERSION, signature, kept.run.signature, len(items), tuple(rows), tuple(figures))


def _saliencies(items: Sequence[Item]) -> list[tuple[str, str]]:
    """Specs of the saliency stacks that every item has, with their unit."""
    common = set.intersection(*(set(item.maps.stacks) for item in items))
    parsed = {spec: parse_spec(spec, SOURCE_OPTIONS, "source") for spec in sorted(common)}
    return [(spec, options.unit) for spec, (name, options) in parsed.items() if name in SALIENCIES]


_Key = tuple[str, Normalisation, Method]


def _saliency_map(item: Item, spec: str) -> Floats:
    """Mean map of a saliency without the row of EOT, ``(token, frame)``."""
    return np.asarray(item.maps.stacks[spec].mean(axis=0)[:-1], dtype=np.float64)


def _of_item(item: Item, heads: str, spec: str) -> dict[_Key, Agreement]:
    """Agreement by (group of heads, normalisation, method)."""
    saliency = _saliency_map(item, spec)
    unit = parse_spec(spec, SOURCE_OPTIONS, "source")[1].unit
    words = item.maps.word_of_token[unit][:-1]
    found: dict[_Key, Agreement] = {}
    for normalisation in NORMALISATIONS:
        for method in METHODS:
            for group, attention in head_groups(heads_of(item, heads)[:, :, :-1]).items():
                found[group, normalisation, method] = agreement(attention, saliency, words, normalisation, method)
            whole = faithful_by_construction(saliency, normalisation, method)
            found[FAITHFUL, normalisation, method] = Agreement(whole, np.array([]), np.array([]))
    return found


def _rows(
    of_items: Sequence[Mapping[_Key, Agreement]],
    cluster: Ints,
    weights: Floats,
    heads: str,
    spec: str,
    clusters: str,
) -> list[AgreementRow]:
    rows = []
    for group, normalisation, method in of_items[0]:
        found = [of_item[group, normalisation, method] for of_item in of_items]
        values: dict[Level, list[Floats]] = {
            "utterance": [np.array([a.utterance]) for a in found],
            "word": [a.words for a in found],
            "token": [a.tokens for a in found],
        }
        for level in LEVELS:
            lengths = [len(part) for part in values[level]]
            row = summarise_agreement(
                np.concatenate(values[level]),
                np.repeat(cluster, lengths),
                weights,
                source=heads,
                saliency=spec,
                group=group,
                normalisation=normalisation,
                method=method,
                level=level,
                clusters=clusters,
            )
            if row:
                rows.append(row)
    return rows


def _figures(items: Sequence[Item], cluster: Ints, weights: Floats, heads: str, spec: str) -> list[MapFigure]:
    def mean(values: Sequence[float]) -> tuple[float, float | None, float | None]:
        return estimate(mean_by(cluster, values, weights.shape[1]), weights)

    attention = [np.asarray(item.maps.stacks[heads].mean(axis=0)[:-1], dtype=np.float64) for item in items]
    saliency = [_saliency_map(item, spec) for item in items]
    coverage = [float(relevance_coverage(a, s).mean()) for a, s in zip(attention, saliency, strict=True)]
    figures = [
        MapFigure("coverage", heads, spec, *mean(coverage)),
        MapFigure("entropy", heads, spec, *mean([float(entropy(a).mean()) for a in attention])),
        MapFigure("entropy", spec, spec, *mean([float(entropy(s).mean()) for s in saliency])),
    ]
    reliable = [item.maps.details.get(spec, {}).get("reliability") for item in items]
    if None not in reliable:
        ceilings = [noise_ceiling(r) for r in reliable if r is not None]
        figures.append(MapFigure("noise ceiling", spec, spec, *mean(ceilings)))
    return figures
