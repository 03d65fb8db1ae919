"""Correlation of an attention map with a saliency map of one utterance, under three normalisations.

Conventions. A map is ``(token, frame)`` without the row of the end of the text. Every row is a distribution over the
encoder frames that hold audio: not negative, summing to one. Attention is the first argument and saliency the second,
on the same tokens and frames. Computation is in float64. This module imports no torch.

The normalisation changes the result, so every figure names it:

paper
    Attention is z-scored per frame over tokens, saliency per token over frames (Papi et al. 2025).
rows
    Both are z-scored per token over frames. Pearson's correlation over the utterance is then the mean of those of its
    tokens, as long as no row is constant.
none
    Neither is changed: peaked rows weigh more than flat ones.

A constant row or column has no z-score and becomes zeros. A correlation with a constant side is undefined and is NaN.

References: Papi, Fucci, Gaido, Negri, Bentivogli 2025 (arXiv 2509.18010) for the recipe; Spearman 1904 for rank
correlation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from align_eval.findings.ranks import ranks
from align_eval.scoring.boundaries import Floats

Normalisation = Literal["paper", "rows", "none"]
NORMALISATIONS: tuple[Normalisation, ...] = ("paper", "rows", "none")

Method = Literal["pearson", "spearman"]
METHODS: tuple[Method, ...] = ("pearson", "spearman")

Level = Literal["utterance", "word", "token"]
LEVELS: tuple[Level, ...] = ("utterance", "word", "token")

Map = npt.NDArray[np.floating]
"""``(token, frame)``, rows summing to one."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Correlations of two maps of one utterance, NaN where either side is constant.

    Attributes
    ----------
    utterance : float
        Over the whole map.
    words : float64[n_words]
        Over the rows of each word's tokens.
    tokens : float64[n_tokens]
        Over each row.
    """

    utterance: float
    words: Floats
    tokens: Floats


def agreement(
    attention: Map, saliency: Map, word_of_token: npt.NDArray[np.integer], normalisation: Normalisation, method: Method
) -> Agreement:
    """Correlate two maps over the utterance, over each word and over each token.

    Parameters
    ----------
    attention, saliency : float[n_tokens, n_frames]
    word_of_token : int[n_tokens]
        Word of each row, from 0 in steps of one.
    normalisation
        ``paper``, ``rows`` or ``none``.
    method
        ``pearson``, or ``spearman``: Pearson's correlation of ranks. Ranks are taken among the normalised values of
        the utterance, word or token; ties share their mean rank.

    Notes
    -----
    ``spearman`` is invariant under monotone transforms of the normalised values. It is invariant under those of the raw
    values only with ``none``, and for tokens with ``rows``; otherwise z-scores come between.
    """
    a, s = normalised(attention, saliency, normalisation)
    first_rows = np.zeros(1, dtype=np.intp), np.flatnonzero(np.diff(word_of_token, prepend=-1)), np.arange(len(a))
    sides = (a, s), (a, s), (a, s)
    if method == "spearman":
        overall = ranks(a), ranks(s)
        # Ranks of (word, value) are the ranks within the word plus a constant, which a correlation ignores.
        word = word_of_token.astype(np.float64)[:, None] * (a.size + 1)
        token = np.arange(len(a), dtype=np.float64)[:, None] * (a.size + 1)
        by_word, by_token = ((ranks(overall[0] + block), ranks(overall[1] + block)) for block in (word, token))
        sides = overall, by_word, by_token
    utterance, words, tokens = (_correlations(x, y, starts) for (x, y), starts in zip(sides, first_rows, strict=True))
    return Agreement(float(utterance[0]), words, tokens)


def normalised(attention: Map, saliency: Map, normalisation: Normalisation) -> tuple[Floats, Floats]:
    """Both maps in the form in which they are correlated, float64[n_tokens, n_frames]."""
    a, s = attention.astype(np.float64), saliency.astype(np.float64)
    if normalisation == "none":
        return a, s
    return z_scored(a, axis=0 if normalisation == "paper" else 1), z_scored(s, axis=1)


def z_scored(values: Floats, axis: int) -> Floats:
    """Subtract the mean along an axis and divide by the standard deviation; constant lines become zeros.

    Lines are first scaled to [0, 1]. That changes no z-score, keeps equal values equal and prevents underflow.
    """
    low, high = values.min(axis=axis, keepdims=True), values.max(axis=axis, keepdims=True)
    varies = high > low
    unit = np.divide(values - low, high - low, out=np.zeros_like(values), where=varies)
    centred = unit - unit.mean(axis=axis, keepdims=True)
    std = np.sqrt((centred**2).mean(axis=axis, keepdims=True))
    return np.asarray(np.divide(centred, std, out=np.zeros_like(values), where=varies))


def _correlations(a: Floats, b: Floats, starts: npt.NDArray[np.intp]) -> Floats:
    """Pearson's correlation over each block of rows.

    Parameters
    ----------
    a, b : float64[n_tokens, n_frames]
    starts : intp[n_blocks]
        First row of each block.

    Returns
    -------
    float64[n_blocks]
        NaN where a side is constant within the block.
    """
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
    """Blocks of rows minus their means, and whether each block varies at all."""
    means = np.add.reduceat(values.sum(axis=1), starts) / (n_rows * values.shape[1])
    low, high = np.minimum.reduceat(values.min(axis=1), starts), np.maximum.reduceat(values.max(axis=1), starts)
    return values - np.repeat(means, n_rows)[:, None], np.asarray(high > low)


def head_groups(heads: npt.NDArray[np.floating]) -> dict[str, Map]:
    """Attention of each group of heads, averaged before any correlation, as in the paper.

    Parameters
    ----------
    heads : float[n_layers, n_heads, n_tokens, n_frames]

    Returns
    -------
    dict
        Map ``(token, frame)`` by name. ``head L.H`` is one head, ``layer L`` the average of its heads, ``head *.H`` the
        average over layers of the heads with that number, and ``all`` the average of all heads.
    """
    groups: dict[str, Map] = {f"head {i}.{j}": head for i, layer in enumerate(heads) for j, head in enumerate(layer)}
    groups |= {f"layer {i}": layer.mean(axis=0, dtype=np.float64) for i, layer in enumerate(heads)}
    groups |= {f"head *.{j}": heads[:, j].mean(axis=0, dtype=np.float64) for j in range(heads.shape[1])}
    return groups | {"all": heads.mean(axis=(0, 1), dtype=np.float64)}
