"""Verdicts on paired words: loss, shift and lost words, overall and for each speaker with enough words.

A regression must be distinguishable from chance among all checks. The tests form two families, overall and by speaker,
each over all systems, kinds of reference and metrics. Each family gets half of the 5 % level and is adjusted by Holm's
method. Hence, of runs without a shift and without a loss above the margin, at most 5 % are refused. A pass needs no
adjustment, because the run passes only if all checks pass (Berger 1982, "Multiparameter hypothesis testing and
acceptance sampling").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from align_eval.gate.pairs import PairedWords
from align_eval.gate.verdicts import MIN_WORDS, SHIFTS, Check, GateOptions, Metric, Verdict, WordChange
from align_eval.scoring.boundaries import Bools, Floats
from align_eval.scoring.inference import LEVEL, ROUNDING, can_reject, holm, standard_error
from align_eval.scoring.metrics import Ratio, sum_by
from align_eval.scoring.noninferiority import (
    MarginTest,
    error_within,
    margin_test,
    more_lost_than_gained,
    sign_test,
    smallest_loss,
)
from align_eval.scoring.statistics import draw_weights
from align_eval.units import MS_PER_S

N_WORST = 10
"""Number of worst words to keep per check."""

weights_of = lru_cache(maxsize=2)(draw_weights)
"""Bootstrap weights. All systems share their clusters, and hence their weights."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """A check before adjustment and verdict. ``error`` is the standard error of a loss."""

    check: Check
    error: float | None = None


def check_all(paired: Iterable[PairedWords], options: GateOptions, *, recognised: bool) -> tuple[Check, ...]:
    """Return every verdict.

    Parameters
    ----------
    recognised
        True if the text was recognised. Single words then come and go by chance, so that lost words need a test.
    """
    measured = [m for words in paired for m in _measure(words, options, recognised=recognised)]
    families = [[m for m in measured if (m.check.speaker is None) == overall] for overall in (True, False)]
    n_families = sum(any(m.check.p is not None for m in family) for family in families)
    return tuple(check for family in families for check in _judge(family, n_families))


def _measure(words: PairedWords, options: GateOptions, *, recognised: bool) -> Iterator[_Measured]:
    """All metrics, on all words and on each speaker with :data:`MIN_WORDS` words."""
    everything = np.ones(len(words.word), dtype=np.bool_)
    yield from _measure_selected(words, everything, None, options, recognised=recognised)
    for speaker in sorted(set(words.speaker.tolist()) - {""}):
        selected = words.speaker == speaker
        if selected.sum() >= MIN_WORDS:
            yield from _measure_selected(words, selected, speaker, options, recognised=recognised)


def _measure_selected(
    words: PairedWords, selected: Bools, speaker: str | None, options: GateOptions, *, recognised: bool
) -> Iterator[_Measured]:
    losses_ms = [np.where(selected, loss_ms, np.nan) for loss_ms in words.losses_ms()]
    if np.isfinite(losses_ms).any():
        yield _loss(words, losses_ms[0], losses_ms[1], speaker, options)
    for metric, shift_ms in zip(SHIFTS, words.shifts_ms(), strict=True):
        if np.isfinite(shift_ms[selected]).any():
            yield _shift(words, np.where(selected, shift_ms, np.nan), speaker, metric, options)
    yield _lost(words, selected, speaker, recognised=recognised)


def _loss(
    words: PairedWords, starts_ms: Floats, ends_ms: Floats, speaker: str | None, options: GateOptions
) -> _Measured:
    """Increase in mean absolute error over the boundaries that both sides know.

    ``starts_ms`` and ``ends_ms`` are float64[n_words], NaN where unknown or not selected.
    """
    known = np.stack([np.isfinite(starts_ms), np.isfinite(ends_ms)])  # [2, n_words]
    n_known, word_sums_ms = known.sum(axis=0), np.nansum([starts_ms, ends_ms], axis=0)
    has_known = n_known > 0
    value = float(word_sums_ms.sum() / n_known.sum())
    resampled, n_units = "words", int(has_known.sum())
    error = error_within(starts_ms[known[0]], ends_ms[known[1]])
    clusters, cluster = np.unique(words.cluster[has_known], return_inverse=True)
    if speaker is None and can_reject(len(clusters)):
        resampled, n_units = words.clusters, len(clusters)
        sums = (sum_by(cluster, values[has_known], n_units) for values in (word_sums_ms, n_known))
        error = standard_error(Ratio(*sums), weights_of(n_units, options.seed), counts=np.ones(n_units))
    test = margin_test(value, error, n_units, options.margin_ms)
    check = _check(words, speaker, "wbe_mean", options.margin_ms, test, int(has_known.sum()))
    means_ms = np.divide(word_sums_ms, n_known, out=np.zeros(len(word_sums_ms)), where=has_known)
    worst = _worst(words, means_ms, means_ms)
    return _Measured(replace(check, resampled=resampled, n_units=n_units, worst=worst), error)


def _shift(
    words: PairedWords, shift_ms: Floats, speaker: str | None, metric: Metric, options: GateOptions
) -> _Measured:
    """Median shift, with a sign test of whether it could be chance."""
    known_ms = shift_ms[np.isfinite(shift_ms)]
    median_ms = float(np.median(known_ms))
    over_limit = abs(median_ms) > options.shift_ms + ROUNDING
    test = MarginTest(median_ms, None, None, sign_test(known_ms) if over_limit else 1.0)
    check = _check(words, speaker, metric, options.shift_ms, test, len(known_ms))
    worst = _worst(words, shift_ms, shift_ms * np.sign(median_ms)) if over_limit else ()
    return _Measured(replace(check, worst=worst))


def _lost(words: PairedWords, selected: Bools, speaker: str | None, *, recognised: bool) -> _Measured:
    """Words that the baseline found and the run did not.

    One lost word is a regression if the text is known. If it was recognised, a test compares lost with gained words.
    """
    lost = selected & words.in_baseline & ~words.in_run
    gained = selected & ~words.in_baseline & words.in_run
    n_lost, n_gained = int(lost.sum()), int(gained.sum())
    value = float(n_lost - n_gained if recognised else n_lost)
    test = MarginTest(value, None, None, more_lost_than_gained(n_lost, n_gained))
    check = _check(words, speaker, "lost_words", 0.0, test, int(selected.sum()))
    length_ms = np.where(lost, words.reference_end_s - words.reference_start_s, np.nan) * MS_PER_S
    check = replace(check, unit="words", worst=_worst(words, length_ms, length_ms))
    return _Measured(check if recognised else replace(check, p=None))


def _check(
    words: PairedWords, speaker: str | None, metric: Metric, limit: float, test: MarginTest, n_words: int
) -> Check:
    """A check without its verdict, which depends on all other checks."""
    return Check(
        system=words.system,
        reference=words.reference,
        speaker=speaker,
        metric=metric,
        verdict="undecided",
        value=test.value,
        ci_low=test.ci_low,
        ci_high=test.ci_high,
        unit="ms",
        limit=limit,
        p=test.p,
        smallest=None,
        n_words=n_words,
        resampled="words",
        n_units=n_words,
    )


def _judge(family: Sequence[_Measured], n_families: int) -> Iterator[Check]:
    """Adjust the p-values of one family for its tests and for the number of families, and add the verdicts."""
    p_values = {str(i): m.check.p for i, m in enumerate(family) if m.check.p is not None}
    adjusted = {key: min(1.0, n_families * p) for key, p in holm(p_values).items()}
    level = LEVEL / (n_families * len(p_values)) if p_values else LEVEL
    for i, (check, error) in enumerate((m.check, m.error) for m in family):
        p = adjusted.get(str(i))
        smallest = smallest_loss(error, check.n_units, check.limit, level) if check.metric == "wbe_mean" else None
        yield replace(check, p=p, smallest=smallest, verdict=_verdict(check, p))


def _verdict(check: Check, p: float | None) -> Verdict:
    """The verdict on a check whose adjusted p-value is ``p``; None where there is no test."""
    if p is not None and p <= LEVEL:
        return "regression"
    if check.metric == "wbe_mean":
        return "pass" if check.ci_high is not None and check.ci_high < check.limit else "undecided"
    if abs(check.value) <= check.limit + ROUNDING or (check.metric == "lost_words" and check.value < 0):
        return "pass"
    return "regression" if p is None else "undecided"


def _worst(words: PairedWords, change_ms: Floats, rank: Floats) -> tuple[WordChange, ...]:
    """The words of highest positive rank, each with its change in ms. NaN ranks last."""
    rank = np.nan_to_num(rank).round(6)  # ranks that differ only by rounding keep the order of the text
    order = [int(i) for i in np.argsort(-rank, kind="stable")[:N_WORST] if rank[i] > ROUNDING]
    return tuple(
        WordChange(
            utterance=words.utterance[i],
            word_index=int(words.word_index[i]),
            word=words.word[i],
            reference_start_s=float(words.reference_start_s[i]),
            ms=float(change_ms[i]),
        )
        for i in order
    )
