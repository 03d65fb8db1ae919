"""Agreement of cross-attention with saliency over the saved maps of a run, by head, layer and average of heads.

The finding holds, for every saliency source of the run:

- the correlation with every group of heads, under every normalisation, by Pearson and by Spearman, per utterance, word
  and token, each with its square, since a correlation is not a share of variance;
- the correlation that a map faithful by construction reaches under the same recipe on this corpus;
- the noise ceiling of a random saliency (SPES reports its split-half reliability);
- coverage and entropy.

Reference: Papi et al. 2025 (arXiv 2509.18010), whose normalisation is ``paper``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from align_eval.errors import InputError
from align_eval.findings.agreement.ceilings import faithful_by_construction, noise_ceiling
from align_eval.findings.agreement.correlation import (
    LEVELS,
    METHODS,
    NORMALISATIONS,
    Agreement,
    Level,
    Method,
    Normalisation,
    agreement,
    head_groups,
)
from align_eval.findings.agreement.coverage import entropy, relevance_coverage
from align_eval.findings.agreement.records import FAITHFUL, SCHEMA_VERSION, AgreementFinding, AgreementRow, MapFigure
from align_eval.findings.budget.cells import ALL_HEADS, in_unit
from align_eval.findings.saved_run import Item, SavedRun, finding_signature, heads_of, mean_map, require_stacks
from align_eval.relevance.source import parse_source
from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.inference import CORRELATION, NOT_NEGATIVE, SHARE, student_interval
from align_eval.scoring.metrics import mean_by
from align_eval.scoring.statistics import draw_weights, effective_clusters

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

_Key = tuple[str, Normalisation, Method]
"""Group of heads, normalisation and method."""


def measure_agreement(kept: SavedRun, seed: int = 0, on_done: Callable[[str], None] | None = None) -> AgreementFinding:
    """Measure the agreement of every group of heads with every saliency of a run, per token unit.

    Parameters
    ----------
    kept
        A run with saved maps.
    seed
        Seed of the bootstrap.
    on_done
        Called with the spec of each saliency when it is finished.

    Raises
    ------
    InputError
        Where the run saved no heads or no saliency, or aligned nothing.
    """
    items = [item for same_kind in kept.items.values() for item in same_kind]
    if not items:
        raise InputError(kept.folder, "has no words that were aligned", "run again on a corpus that has")
    cluster = np.array([item.corpus_cluster for item in items])
    weights = draw_weights(int(cluster.max()) + 1, seed)
    pairs = [(in_unit(ALL_HEADS, unit), saliency) for saliency, unit in _saliencies(items)]
    if not pairs:
        saliencies = " or ".join(f"--source {name}" for name in SALIENCIES)
        remedy = f"run with --keep heads --source {ALL_HEADS} and with {saliencies}"
        raise InputError(f"{kept.folder}", "the run saved no saliency", remedy)
    require_stacks(kept.folder, items, [heads for heads, _ in pairs])
    rows: list[AgreementRow] = []
    figures: list[MapFigure] = []
    for heads, saliency in pairs:
        agreements = [_item_agreements(item, heads, saliency) for item in items]
        rows += _rows(agreements, cluster, weights, heads, saliency, kept.corpus_clusters)
        figures += _figures(items, cluster, weights, heads, saliency)
        if on_done:
            on_done(saliency)
    signature = finding_signature(kept.run, "agree", seed, {"normalisations": NORMALISATIONS, "methods": METHODS})
    return AgreementFinding(SCHEMA_VERSION, signature, kept.run.signature, len(items), tuple(rows), tuple(figures))


def _saliencies(items: Sequence[Item]) -> list[tuple[str, str]]:
    """Spec and token unit of each saliency that every item has maps of."""
    common = set.intersection(*(set(item.maps.stacks) for item in items))
    sources = [parse_source(spec) for spec in sorted(common)]
    return [(source.stack, source.tokens.unit) for source in sources if source.name in SALIENCIES]


def _item_agreements(item: Item, heads: str, spec: str) -> dict[_Key, Agreement]:
    """Agreement of one utterance by group of heads, normalisation and method."""
    saliency = mean_map(item, spec)
    words = item.maps.word_of_token[parse_source(spec).tokens.unit][:-1]
    agreements: dict[_Key, Agreement] = {}
    for normalisation in NORMALISATIONS:
        for method in METHODS:
            for group, attention in head_groups(heads_of(item, heads)[:, :, :-1]).items():
                agreements[group, normalisation, method] = agreement(attention, saliency, words, normalisation, method)
            whole = faithful_by_construction(saliency, normalisation, method)
            agreements[FAITHFUL, normalisation, method] = Agreement(whole, np.array([]), np.array([]))
    return agreements


def _rows(
    agreements: Sequence[Mapping[_Key, Agreement]],
    cluster: Ints,
    weights: Floats,
    heads: str,
    saliency: str,
    clusters: str,
) -> list[AgreementRow]:
    """One row per group of heads, normalisation, method and level that has a defined correlation."""
    rows = []
    for group, normalisation, method in agreements[0]:
        items = [agreement_of_item[group, normalisation, method] for agreement_of_item in agreements]
        values: dict[Level, list[Floats]] = {
            "utterance": [np.array([item.utterance]) for item in items],
            "word": [item.words for item in items],
            "token": [item.tokens for item in items],
        }
        for level in LEVELS:
            row = summarise_agreement(
                np.concatenate(values[level]),
                np.repeat(cluster, [len(part) for part in values[level]]),
                weights,
                source=heads,
                saliency=saliency,
                group=group,
                normalisation=normalisation,
                method=method,
                level=level,
                clusters=clusters,
            )
            if row:
                rows.append(row)
    return rows


def summarise_agreement(
    values: Floats,
    cluster: Ints,
    weights: Floats,
    *,
    source: str,
    saliency: str,
    group: str,
    normalisation: Normalisation,
    method: Method,
    level: Level,
    clusters: str,
) -> AgreementRow | None:
    """Mean correlation over a corpus and its 95 % bootstrap interval over clusters; None where none is defined.

    Parameters
    ----------
    values : float64[n]
        Correlations of all utterances, words or tokens of the corpus. NaN is left out and counted.
    cluster : int64[n]
        Cluster of each, from 0.
    weights : uint8[n_draws, n_clusters]
        How often each resample takes each cluster (:func:`align_eval.scoring.statistics.draw_weights`). All rows share
        the same weights, so that they are paired.
    source, saliency, group, normalisation, method, level
        Conditions that the row names.
    clusters : str
        Name of the resampling units, such as ``speakers``.

    Notes
    -----
    Correlations are averaged without Fisher's transform, as in the paper. The interval is None where fewer than five
    effective clusters have defined values.
    """
    defined = np.isfinite(values)
    if not defined.any():
        return None
    mean = mean_by(cluster[defined], values[defined], weights.shape[1])
    count = mean.denominator
    value, low, high = student_interval(mean, weights, bounds=CORRELATION)
    return AgreementRow(
        source=source,
        saliency=saliency,
        group=group,
        normalisation=normalisation,
        method=method,
        level=level,
        value=value,
        squared=value**2,
        ci_low=low,
        ci_high=high,
        n=int(count.sum()),
        n_undefined=int((~defined).sum()),
        clusters=clusters,
        n_clusters=int(np.count_nonzero(count)),
        n_effective_clusters=effective_clusters(count),
    )


def _figures(items: Sequence[Item], cluster: Ints, weights: Floats, heads: str, spec: str) -> list[MapFigure]:
    """Coverage, entropies and noise ceiling of a saliency and of the mean over heads."""

    def mean(values: Sequence[float], bounds: tuple[float, float] = SHARE) -> tuple[float, float | None, float | None]:
        return student_interval(mean_by(cluster, values, weights.shape[1]), weights, bounds=bounds)

    attention = [mean_map(item, heads) for item in items]
    saliency = [mean_map(item, spec) for item in items]
    coverage = [float(relevance_coverage(a, s).mean()) for a, s in zip(attention, saliency, strict=True)]
    figures = [
        MapFigure("coverage", heads, spec, *mean(coverage)),
        MapFigure("entropy", heads, spec, *mean([float(entropy(a).mean()) for a in attention], NOT_NEGATIVE)),
        MapFigure("entropy", spec, spec, *mean([float(entropy(s).mean()) for s in saliency], NOT_NEGATIVE)),
    ]
    reliabilities = [item.maps.details.get(spec, {}).get("reliability") for item in items]
    if None not in reliabilities:
        ceilings = [noise_ceiling(r) for r in reliabilities if r is not None]
        figures.append(MapFigure("noise ceiling", spec, spec, *mean(ceilings)))
    return figures
