"""Effect of agreement on word errors in a run: decodes words under random sets of heads and fits the regression.

The regression itself, on arrays, is :mod:`align_eval.findings.budget.word_effect`.

Word times come from attention alone. A saliency map therefore has no part in the errors that its agreement is to
explain. Every set has the same number of heads, so that agreement varies by design and not with the size of the set.
The null is the same pipeline with the saliency of another word in place of each word's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from align_eval.findings.agreement.correlation import Normalisation, agreement
from align_eval.findings.agreement.coverage import entropy
from align_eval.findings.budget.cells import ALL_HEADS, in_unit, prepared
from align_eval.findings.budget.controls import permuted_tokens
from align_eval.findings.budget.word_effect import (
    NoVariationError,
    WordEffect,
    quartiles,
    random_head_sets,
    word_effect,
)
from align_eval.findings.saved_run import Item, decoded, mean_map, seed_of
from align_eval.scoring.boundaries import Floats, Ints
from align_eval.scoring.metrics import count_by, sum_by
from align_eval.units import MS_PER_S

N_SETS = 24
SHARE = 4
"""One head in this many is in a set."""

ALIGN = "viterbi"
NORMALISATION: Normalisation = "rows"


@dataclass(frozen=True, slots=True)
class HeadSets:
    """Effect of agreement with a saliency on the error of a word, over random sets of heads.

    Attributes
    ----------
    saliency : str
        Spec of the saliency.
    n_sets, size : int
        Number of sets, and heads per set.
    effect : WordEffect
        Effect of agreement with the word's own saliency.
    null : WordEffect
        Effect of agreement with another word's saliency: the part of ``effect`` that is not about agreement.
    excess : WordEffect
        Effect of the difference of the two agreements.
    quartile_ms : tuple of float
        Mean errors by quarter of rising agreement; descriptive only.
    n_undefined : int
        Observations left out because a map was constant or the word has no interior boundary.
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
    """Measure the effect of agreement with a saliency on the errors of words.

    Parameters
    ----------
    items
        Utterances.
    unit
        Token unit.
    saliency
        Spec of a saved source, without preparation and unit.
    seed
        Seed of the sets and of the null.

    Returns
    -------
    HeadSets or None
        None where there are too few words.
    """
    heads_spec, saliency_spec = in_unit(ALL_HEADS, unit), in_unit(saliency, unit)
    n_heads = len(items[0].maps.stacks[heads_spec])
    sets = random_head_sets(n_heads, max(1, n_heads // SHARE), min(N_SETS, n_heads), seed)
    parts: list[Floats] = []
    first_word = 0
    for item in items:
        parts += _observations(item, unit, heads_spec, saliency_spec, sets, first_word, seed)
        first_word += len(item.reference_s)
    if not parts:
        return None
    observations = np.concatenate(parts)  # (word under a set, variable)
    defined = np.isfinite(observations).all(axis=1)
    error_ms, own, other, spread = observations[defined].T[:4]
    word, cluster, head_set = observations[defined].T[4:].astype(np.int64)
    try:
        effect, null, excess = (
            word_effect(error_ms, agreements, spread, word, cluster, head_set)
            for agreements in (own, other, own - other)
        )
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


def _observations(
    item: Item, unit: str, heads_spec: str, saliency_spec: str, sets: Ints, first_word: int, seed: int
) -> Iterator[Floats]:
    """One array ``(word, variable)`` per set of heads.

    Variables are the error in ms, the agreements with the word's own and with another word's saliency, the entropy of
    attention, the number of the word in the corpus (from ``first_word``), its cluster and the number of the set.
    """
    heads = item.maps.stacks[heads_spec]
    words = item.maps.word_of_token[unit][:-1].astype(np.int64)
    saliency = mean_map(item, saliency_spec)
    saliency_of_others = permuted_words(saliency, words, seed_of(seed, item.id, "other words"))
    n_words = len(item.reference_s)
    for number, chosen in enumerate(sets):
        attention = heads[chosen].mean(axis=0)
        times_s = decoded(item, prepared(attention[None], "log"), unit, ALIGN)
        rows = np.asarray(attention[:-1], dtype=np.float64)
        columns = (
            word_errors_ms(item, times_s),
            agreement(rows, saliency, words, NORMALISATION, "pearson").words,
            agreement(rows, saliency_of_others, words, NORMALISATION, "pearson").words,
            sum_by(words, entropy(rows), n_words) / count_by(words, n_words),
            first_word + np.arange(n_words),
            np.full(n_words, item.cluster),
            np.full(n_words, number),
        )
        yield np.stack(columns, axis=1)


def permuted_words(saliency: Floats, word_of_token: npt.NDArray[np.integer], seed: int) -> Floats:
    """Saliency with every token's row replaced by the mean row of another word.

    One random cycle through all words decides which. The result is float64[n_tokens, n_frames].
    """
    n_words = len(np.bincount(word_of_token))
    word_rows = np.stack([saliency[word_of_token == word].mean(axis=0) for word in range(n_words)])
    return np.asarray(permuted_tokens(word_rows, seed)[word_of_token])


def word_errors_ms(item: Item, times_s: Floats) -> Floats:
    """Mean absolute error of each word's interior boundaries in ms, NaN for a word that is both first and last.

    Parameters
    ----------
    times_s : float64[n_words, 2]

    Returns
    -------
    float64[n_words]
    """
    error = np.abs(times_s - item.reference_s) * MS_PER_S
    error[0, 0] = error[-1, 1] = np.nan
    counts = np.isfinite(error)
    total = np.where(counts, error, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, counts.sum(axis=1), out=np.full(len(error), np.nan), where=counts.any(axis=1)))
