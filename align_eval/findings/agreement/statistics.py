"""How far cross-attention agrees with a saliency map of one utterance, and what there is to agree on. Torch-free.

Conventions. A map is ``(token, frame)``, the row of the end of the text left out, every row a distribution over the
encoder frames that hold audio: not negative, summing to one. Attention comes first, saliency second, both on the same
tokens and frames. All is computed in float64. Correlations have no unit; entropies are in nats.

Normalisation moves the result, so it is named beside every number:

paper
    Attention is z-scored per frame over tokens, saliency per token over frames (Papi et al. 2025).
rows
    Both are z-scored per token over frames. Pearson's correlation over the utterance is then the mean of those of its
    tokens, as long as no row is constant.
none
    Both stay as they are: peaked rows weigh more than flat ones.

A row or column that is constant has no z-score and becomes zeros. A correlation where either side is constant is not
defined and is NaN.

References: Papi, Fucci, Gaido, Negri, Bentivogli 2025 (arXiv 2509.18010) for the recipe; Spearman 1904 for rank
correlation and for the ceiling that an unreliable measure sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from align_eval.findings.ranks import ranks
from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.metrics import mean_by
from align_eval.scoring.statistics import effective_clusters, estimate

Normalisation = Literal["paper", "rows", "none"]
NORMALISATIONS: tuple[Normalisation, ...] = ("paper", "rows", "none")

Method = Literal["pearson", "spearman"]
METHODS: tuple[Method, ...] = ("pearson", "spearman")

Level = Literal["utterance", "word", "token"]
LEVELS: tuple[Level, ...] = ("utterance", "word", "token")

Map = npt.NDArray[np.floating]
"""``(token, frame)``, rows summing to one."""

MASS = 0.9
"""Share of a token's attention whose frames are asked how much saliency they hold."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Correlations of two maps of one utterance, each NaN where either side is constant.

    Attributes
    ----------
    utterance : float
        Over all of the map.
    words : float64[n_words]
        Over the rows of each word's tokens.
    tokens : float64[n_tokens]
        Over each row.
    """

    utterance: float
    words: Floats
    tokens: Floats


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """Mean correlation of a group of heads with a saliency map over a corpus, with the conditions that make it one.

    Attributes
    ----------
    source, saliency : str
        Specs of the attention and of the saliency map.
    group : str
        Of heads, as in :func:`head_groups`.
    level : str
        What one correlation is of: ``utterance``, ``word`` or ``token``.
    value : float
        The mean of the defined correlations, each counting once. ``ci_low`` and ``ci_high`` are of this.
    squared : float
        The square of ``value``: the share of variance, or of that of ranks, that a line through the mean correlation
        explains. Not the mean of squares, and without the sign.
    n, n_undefined : int
        Correlations in the mean, and those left out since they are not defined.
    clusters : str
        What was resampled.
    n_clusters : int
        Those with a defined correlation.
    n_effective_clusters : float
        What these are worth, unequal as they are.
    """

    source: str
    saliency: str
    group: str
    normalisation: Normalisation
    method: Method
    level: Level
    value: float
    squared: float
    ci_low: float | None
    ci_high: float | None
    n: int
    n_undefined: int
    clusters: str
    n_clusters: int
    n_effective_clusters: float


def agreement(
    attention: Map, saliency: Map, word_of_token: npt.NDArray[np.integer], normalisation: Normalisation, method: Method
) -> Agreement:
    """Correlation of two maps over the utterance, each word and each token.

    Parameters
    ----------
    attention, saliency : float[n_tokens, n_frames]
    word_of_token : int[n_tokens]
        The word of each row, from 0 in steps of one.
    method : str
        ``pearson``, or ``spearman``: Pearson's of ranks, taken among the normalised values of the utterance, word or
        token, ties sharing their mean.

    Notes
    -----
    ``spearman`` does not see a monotone transform of the normalised values. Of the raw ones it must not under ``none``,
    nor, for tokens, under ``rows``; otherwise z-scores come between.
    """
    a, s = normalised(attention, saliency, normalisation)
    levels = np.zeros(1, dtype=np.intp), np.flatnonzero(np.diff(word_of_token, prepend=-1)), np.arange(len(a))
    sides = (a, s), (a, s), (a, s)
    if method == "spearman":
        overall = ranks(a), ranks(s)
        # Ranks of (word, value) are ranks within the word but for a constant, which a correlation does not see.
        word = word_of_token.astype(np.float64)[:, None] * (a.size + 1)
        token = np.arange(len(a), dtype=np.float64)[:, None] * (a.size + 1)
        by_word, by_token = ((ranks(overall[0] + run), ranks(overall[1] + run)) for run in (word, token))
        sides = overall, by_word, by_token
    utterance, words, tokens = (_correlations(x, y, starts) for (x, y), starts in zip(sides, levels, strict=True))
    return Agreement(float(utterance[0]), words, tokens)


def normalised(attention: Map, saliency: Map, normalisation: Normalisation) -> tuple[Floats, Floats]:
    """Both maps as they are correlated, ``(token, frame)``."""
    a, s = attention.astype(np.float64), saliency.astype(np.float64)
    if normalisation == "none":
        return a, s
    return z_scored(a, axis=0 if normalisation == "paper" else 1), z_scored(s, axis=1)


def z_scored(values: Floats, axis: int) -> Floats:
    """Each line along an axis less its mean and over its standard deviation; zeros where the line is constant.

    Lines are first moved to [0, 1], which changes nothing but keeps equal values equal and small ones from vanishing.
    """
    low, high = values.min(axis=axis, keepdims=True), values.max(axis=axis, keepdims=True)
    varies = high > low
    unit = np.divide(values - low, high - low, out=np.zeros_like(values), where=varies)
    centred = unit - unit.mean(axis=axis, keepdims=True)
    std = np.sqrt((centred**2).mean(axis=axis, keepdims=True))
    return np.asarray(np.divide(centred, std, out=np.zeros_like(values), where=varies))


def _correlations(a: Floats, b: Floats, starts: npt.NDArray[np.intp]) -> Floats:
    """Pearson's over runs of rows of ``(token, frame)``, which begin at rows ``starts``; NaN where one is constant."""
    n_rows = np.diff(starts, append=len(a))
    (a, a_varies), (b, b_varies) = (_centred(side, starts, n_rows) for side in (a, b))

    def product(x: Floats, y: Floats) -> Floats:
        return np.asarray(np.add.reduceat(np.einsum("tf,tf->t", x, y), starts))

    size = np.sqrt(product(a, a)) * np.sqrt(product(b, b))
    r = np.divide(product(a, b), size, out=np.full(len(starts), np.nan), where=a_varies & b_varies)
    return np.asarray(np.clip(r, -1.0, 1.0))  # rounding may leave it just outside


def _centred(
    values: Floats, starts: npt.NDArray[np.intp], n_rows: npt.NDArray[np.intp]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Runs of rows less their means, and whether each run varies at all."""
    means = np.add.reduceat(values.sum(axis=1), starts) / (n_rows * values.shape[1])
    low, high = np.minimum.reduceat(values.min(axis=1), starts), np.maximum.reduceat(values.max(axis=1), starts)
    return values - np.repeat(means, n_rows)[:, None], np.asarray(high > low)


def head_groups(heads: npt.NDArray[np.floating]) -> dict[str, Map]:
    """Attention of each group of heads, ``(layer, head, token, frame)`` to ``(token, frame)`` by name.

    ``head L.H`` is one head, ``layer L`` the average of its heads, ``head *.H`` the average over layers of the heads
    of that number, ``all`` the average of all. Maps are averaged before they are correlated, as in the paper.
    """
    found: dict[str, Map] = {f"head {i}.{j}": one for i, layer in enumerate(heads) for j, one in enumerate(layer)}
    found |= {f"layer {i}": layer.mean(axis=0, dtype=np.float64) for i, layer in enumerate(heads)}
    found |= {f"head *.{j}": heads[:, j].mean(axis=0, dtype=np.float64) for j in range(heads.shape[1])}
    return found | {"all": heads.mean(axis=(0, 1), dtype=np.float64)}


def noise_ceiling(reliability: float) -> float:
    """Largest correlation that a map without noise can have with a sampled one: the square root of its reliability.

    The reliability is that of split halves (:func:`align_eval.relevance.spes.reliability`). The ceiling holds for
    Pearson's correlation under ``rows``; elsewhere it is a guide. It is 0 where the halves disagree. A deterministic
    source, such as a gradient, has none: two runs of it are equal, which says nothing of noise.

    Reference: Spearman 1904.
    """
    return float(max(0.0, reliability) ** 0.5)


def faithful_by_construction(
    saliency: Map, normalisation: Normalisation, method: Method, other_half: Map | None = None
) -> float:
    """What a map that is the saliency itself scores over the utterance in the place of attention.

    Rows are scaled to sum to one, as attention's do. Under ``rows`` and ``none`` this is 1. Under ``paper`` it is less,
    for the two sides are normalised differently: no attention can be asked for more than about that.

    Parameters
    ----------
    other_half : float[n_tokens, n_frames], optional
        The map of the other half of the masks. Then ``saliency``, the map of one half, stands for attention and this
        for saliency, and noise lowers the score too; by more than that of the whole map would, as a half is noisier.
    """
    total = saliency.sum(axis=1, keepdims=True, dtype=np.float64)
    distribution = np.divide(saliency, total, out=np.zeros(saliency.shape), where=total > 0)
    a, s = normalised(distribution, saliency if other_half is None else other_half, normalisation)
    if method == "spearman":
        a, s = ranks(a), ranks(s)
    return float(_correlations(a, s, np.zeros(1, dtype=np.intp))[0])


def relevance_coverage(attention: Map, saliency: Map, mass: float = MASS) -> Floats:
    """Share of each token's saliency inside the fewest frames that hold ``mass`` of its attention, ``(token,)``.

    Frames are taken by falling attention, equal ones in order of time. Flat attention holds its mass in many frames
    and so covers much: read it beside the :func:`entropy` of attention.

    Raises
    ------
    ValueError
        Where ``mass`` is not above 0 and at most 1.
    """
    if not 0 < mass <= 1:
        raise ValueError(f"a mass of {mass} is not above 0 and at most 1")
    order = np.argsort(-attention.astype(np.float64), axis=1, kind="stable")
    held = np.cumsum(np.take_along_axis(attention, order, axis=1), axis=1, dtype=np.float64)
    before = np.pad(held[:, :-1], ((0, 0), (1, 0)))  # what the frames taken earlier hold
    rounding = attention.shape[1] * np.finfo(np.float64).eps  # nine tenths of ten equal frames are nine frames
    inside = before < (mass - rounding) * held[:, -1:]
    covered = np.take_along_axis(saliency, order, axis=1).astype(np.float64)
    return np.asarray((covered * inside).sum(axis=1) / covered.sum(axis=1))


def entropy(rows: Map) -> Floats:
    """Entropy of each row in nats, 0 log 0 being 0: ``(token, frame)`` to ``(token,)``, from 0 to log n_frames."""
    p = rows.astype(np.float64)
    return np.asarray(-(p * np.log(p, out=np.zeros_like(p), where=p > 0)).sum(axis=1) + 0.0)  # -0 becomes 0


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
        Correlations of all utterances, words or tokens of the corpus; those that are NaN are left out and counted.
    cluster : int64[n]
        The cluster of each, from 0.
    weights : uint8[n_draws, n_clusters]
        How often each cluster of the corpus is drawn (:func:`align_eval.scoring.statistics.draw_weights`): the same
        for all rows, so that they are paired.
    clusters : str
        What clusters are, ``speakers`` say.

    Notes
    -----
    Correlations are averaged as they are, as in the paper, without Fisher's transform. The interval is None where a
    single cluster has a defined value.
    """
    defined = np.isfinite(values)
    if not defined.any():
        return None
    known, n_clusters = cluster[defined], weights.shape[1]
    mean = mean_by(known, values[defined], n_clusters)
    count = mean.denominator
    value, low, high = estimate(mean, weights)
    several = np.count_nonzero(count) > 1
    return AgreementRow(
        source=source,
        saliency=saliency,
        group=group,
        normalisation=normalisation,
        method=method,
        level=level,
        value=value,
        squared=value**2,
        ci_low=low if several else None,
        ci_high=high if several else None,
        n=int(count.sum()),
        n_undefined=int((~defined).sum()),
        clusters=clusters,
        n_clusters=int(np.count_nonzero(count)),
        n_effective_clusters=effective_clusters(count),
    )
