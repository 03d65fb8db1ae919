"""Effect of agreement per word: words under random sets of heads, against the same with the saliency of other words.

Times come from attention alone, so that no saliency map has a part in what it is asked to explain: disagreement is a
measure of maps, never a difference of times. Every set has the same number of heads, so that agreement varies by design
and not by how many heads are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from align_eval.findings.agreement.correlation import Normalisation, agreement
from align_eval.findings.agreement.coverage import entropy
from align_eval.findings.budget.cells import ALL_HEADS, in_unit, prepared
from align_eval.findings.budget.residual import of_other_tokens
from align_eval.findings.budget.word_effect import (
    NoVariationError,
    WordEffect,
    quartiles,
    random_head_sets,
    word_effect,
)
from align_eval.findings.kept_run import Item, decoded, seed_of
from align_eval.scoring.boundaries import Floats
from align_eval.scoring.clusters import count_by, sum_by
from align_eval.units import MS_PER_S

N_SETS = 24
SHARE = 4
"""A set holds one head in so many."""

ALIGN = "viterbi"
NORMALISATION: Normalisation = "rows"


@dataclass(frozen=True, slots=True)
class HeadSets:
    """What agreement with a saliency does to the error of a word.

    ``null`` is the same pipeline with the saliency of another word in every place: what of ``effect`` it shows too is
    not about agreement; ``excess`` is the effect of own less other agreement. ``quartile_ms`` are mean errors by
    quarter of agreement, the least first: descriptive only. ``n_undefined`` observations had a constant map and are
    left out.
    """

    saliency: str
    n_sets: int
    size: int
    effect: WordEffect
    null: WordEffect
    excess: WordEffect
    quartile_ms: tuple[float, ...]
    n_undefined: int


def head_sets(items: Sequence[Item], unit: str, saliency: str, seed: int) -> HeadSets | None:
    """Effect of agreement with a saliency on the errors of words, or None where a corpus has too few words for one.

    Parameters
    ----------
    saliency
        Spec of a kept stack, without preparation and unit.
    """
    heads_spec, saliency_spec = in_unit(ALL_HEADS, unit), in_unit(saliency, unit)
    n_heads = len(items[0].maps.stacks[heads_spec])
    sets = random_head_sets(n_heads, max(1, n_heads // SHARE), min(N_SETS, n_heads), seed)
    parts: list[Floats] = []
    n_words = 0
    for item in items:
        heads = item.maps.stacks[heads_spec]
        words = item.maps.word_of_token[unit][:-1].astype(np.int64)
        of_saliency = np.asarray(item.maps.stacks[saliency_spec].mean(axis=0)[:-1], dtype=np.float64)
        of_others = of_other_words(of_saliency, words, seed_of(seed, item.id, "other words"))
        number = n_words + np.arange(len(item.reference_s))
        n_words += len(number)
        for chosen in sets:
            attention = heads[chosen].mean(axis=0)
            times = decoded(item, prepared(attention[None], "log"), unit, ALIGN)
            rows = np.asarray(attention[:-1], dtype=np.float64)
            columns = (
                word_errors_ms(item, times),
                agreement(rows, of_saliency, words, NORMALISATION, "pearson").words,
                agreement(rows, of_others, words, NORMALISATION, "pearson").words,
                sum_by(words, entropy(rows), len(number)) / count_by(words, len(number)),
                number,
                np.full(len(number), item.cluster),
            )
            parts.append(np.stack(columns, axis=1))
    if not parts:
        return None
    observed = np.concatenate(parts)  # (word under a set, variable)
    defined = np.isfinite(observed).all(axis=1)
    error_ms, own, others, spread, word, cluster = observed[defined].T
    of_word = word.astype(np.int64), cluster.astype(np.int64)
    try:
        effect = word_effect(error_ms, own, spread, *of_word)
        null = word_effect(error_ms, others, spread, *of_word)
        excess = word_effect(error_ms, own - others, spread, *of_word)
    except NoVariationError:
        return None
    return HeadSets(
        saliency=saliency_spec,
        n_sets=len(sets),
        size=sets.shape[1],
        effect=effect,
        null=null,
        excess=excess,
        quartile_ms=tuple(quartiles(own, error_ms).tolist()),
        n_undefined=int((~defined).sum()),
    )


def of_other_words(saliency: Floats, word_of_token: npt.NDArray[np.integer], seed: int) -> Floats:
    """Every token's row replaced by the mean row of another word, words dealt out in one cycle; ``(token, frame)``."""
    n_tokens = np.bincount(word_of_token)
    of_word = np.stack([saliency[word_of_token == word].mean(axis=0) for word in range(len(n_tokens))])
    return np.asarray(of_other_tokens(of_word, seed)[word_of_token])


def word_errors_ms(item: Item, times_s: Floats) -> Floats:
    """Mean absolute error of each word's interior boundaries in ms; NaN for a word that is first and last."""
    error = np.abs(times_s - item.reference_s) * MS_PER_S
    error[0, 0] = error[-1, 1] = np.nan
    counted = np.isfinite(error)
    total = np.where(counted, error, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, counted.sum(axis=1), out=np.full(len(error), np.nan), where=counted.any(axis=1)))
