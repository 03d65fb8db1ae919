"""Deletion and insertion curves over frames as arrays: rankings, masks, areas, scores and verdicts. Imports no torch.

Conventions. A *level* is a share of the encoder frames that hold audio, from 0 to 1 in equal steps. A deletion curve
masks that share of frames, the most relevant first, and runs from the clean utterance to the fully deleted one. An
insertion curve keeps that share, the most relevant first, and runs from fully deleted to clean. It is computed as the
deletion curve of the reversed order, read from its end.

Every score grows with faithfulness:

log-probability, deletion
    (clean - area under the curve) / (clean - deleted): the area between the clean level and the curve, as a share of
    the loss under full deletion. It is 1/2 where all frames matter equally, and near 1 where only the first matter.
log-probability, insertion
    (area - deleted) / (clean - deleted).
word error rate, deletion
    The area under the curve of min(rate, 1), as in Gaido et al.'s deletion metric divided by 100.
word error rate, insertion
    One minus that area.

References: Petsiuk, Das, Saenko 2018 (RISE) for both curves; Dabkowski, Gal 2017 for the size metric.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from align_eval.scoring.boundaries import Floats, Ints

Kind = Literal["deletion", "insertion"]
KINDS: tuple[Kind, ...] = ("deletion", "insertion")

STEP_PERCENT = 5

SIZE_SHARE = 0.9
"""Share of the way from fully deleted to clean that the frames of the size metric must reach."""

Verdict = Literal["more faithful", "less faithful", "undecided", "withheld"]


def frame_relevance(token_map: npt.NDArray[np.floating]) -> Floats:
    """Relevance of each frame to the utterance: the mean over tokens of the map standardised per token.

    Parameters
    ----------
    token_map : float[n_tokens, n_frames]

    Returns
    -------
    float64[n_frames]
        A token with a constant row contributes zeros.
    """
    rows = token_map.astype(np.float64)
    centred = rows - rows.mean(axis=1, keepdims=True)
    std = rows.std(axis=1, keepdims=True)
    varies = std > np.finfo(np.float32).eps * np.abs(rows).max(axis=1, keepdims=True)
    return np.asarray(np.divide(centred, std, out=np.zeros_like(rows), where=varies).mean(axis=0))


def most_relevant_first(relevance: Floats, rng: np.random.Generator) -> Ints:
    """Order of frames by falling relevance, int64[n_frames].

    Equal frames are in random order, because the order of time would itself be a ranking.
    """
    return np.lexsort((rng.permutation(len(relevance)), -relevance)).astype(np.int64)


def levels(step_percent: int = STEP_PERCENT) -> Floats:
    """Levels of a curve, 0 and 1 included.

    Raises
    ------
    ValueError
        Where 100 is no multiple of the step.
    """
    if step_percent < 1 or 100 % step_percent:
        raise ValueError(f"a step of {step_percent} % does not divide 100 %")
    return np.arange(0, 101, step_percent) / 100


def deletion_masks(order: Ints, step_percent: int = STEP_PERCENT) -> npt.NDArray[np.bool_]:
    """Frames masked at each level: the first of the order, their number rounded half up.

    Parameters
    ----------
    order : int64[n_frames]
    step_percent
        Distance of the levels.

    Returns
    -------
    bool[n_levels, n_frames]
    """
    n_frames = len(order)
    rank = np.empty(n_frames, dtype=np.int64)
    rank[order] = np.arange(n_frames)
    n_masked = (np.arange(0, 101, step_percent) * n_frames + 50) // 100
    return np.asarray(rank < n_masked[:, None])


def curve_area(curve: Floats) -> Floats:
    """Area under a curve by trapezoids, levels equally spaced from 0 to 1: float64[..., n_levels] to float64[...]."""
    return np.asarray((curve[..., 1:] + curve[..., :-1]).mean(axis=-1) / 2)


def log_prob_gain(curve: Floats, kind: Kind) -> tuple[float, float]:
    """Gain of the order and largest possible gain, in nats; the score of a log-probability curve is their ratio."""
    clean, deleted = (curve[0], curve[-1]) if kind == "deletion" else (curve[-1], curve[0])
    area = curve_area(curve)
    return float(clean - area if kind == "deletion" else area - deleted), float(clean - deleted)


def sufficient_share(insertion: Floats, share: float = SIZE_SHARE) -> float | None:
    """Size metric: the lowest level of an insertion curve that reaches ``share`` of the way from deleted to clean.

    The value is one of the levels, never interpolated. It is None where the clean utterance is not likelier than the
    deleted one.
    """
    deleted, clean = insertion[0], insertion[-1]
    if not clean > deleted:
        return None
    reached = insertion >= deleted + share * (clean - deleted)
    reached[-1] = True  # share = 1 must not fail on rounding
    return float(np.argmax(reached) / (len(insertion) - 1))


@dataclass(frozen=True, slots=True)
class ClippedErrorRate:
    """Score of the error-rate curve of a corpus: errors and words are summed before the rate is clipped at 1.

    Attributes
    ----------
    errors : float64[n_clusters, n_levels]
    n_words : float64[n_clusters]
    kind : str
        ``deletion`` or ``insertion``.
    """

    errors: Floats
    n_words: Floats
    kind: Kind

    def evaluate(self, weights: Floats) -> Floats:
        """Score under each weighting of the clusters, ``(draw, cluster)`` to ``(draw,)``; NaN without a word."""
        words = (weights @ self.n_words)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = np.where(words > 0, (weights @ self.errors) / words, np.nan)
        return error_rate_score(rate, self.kind)

    def sizes(self, _n_clusters: int, /) -> Floats:
        """Number of words of each cluster."""
        return self.n_words


def error_rate_score(rate: Floats, kind: Kind) -> Floats:
    """Score of curves of error rates after clipping at 1: float64[..., n_levels] to float64[...]."""
    area = curve_area(np.minimum(rate, 1.0))
    return area if kind == "deletion" else np.asarray(1.0 - area)


def verdict(ci_low: float | None, ci_high: float | None) -> Verdict:
    """Verdict from the interval of a difference of scores; undecided without an interval."""
    if ci_low is not None and ci_low > 0:
        return "more faithful"
    if ci_high is not None and ci_high < 0:
        return "less faithful"
    return "undecided"


def conclusion(verdicts: Collection[Verdict]) -> Verdict:
    """Verdict over all fills of masked frames: the common verdict where all agree, else withheld."""
    return next(iter(verdicts)) if len(set(verdicts)) == 1 else "withheld"
