"""Verdicts on paired words: overall and for every speaker with enough of them, by loss, shift and lost words.

A regression must be told from chance in all that is looked at. Tests are of two families, overall and by speaker, over
all systems, kinds of reference and metrics; each family is given half of 5 % and adjusted by Holm's method, so that of
runs without any loss beyond the margin and without any shift at most 5 % are refused. A pass needs no adjustment: all
must pass for all to pass (Berger 1982, "Multiparameter hypothesis testing and acceptance sampling").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from align_eval.gate.pairs import PairedWords
from align_eval.gate.verdicts import MIN_WORDS, SHIFTS, Check, GateOptions, Metric, Verdict, WordChange
from align_eval.scoring.boundaries import Bools, Floats
from align_eval.scoring.clusters import sum_by
from align_eval.scoring.inference import LEVEL, ROUNDING, can_reject, holm, standard_error
from align_eval.scoring.metrics import Ratio
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

weights_of = lru_cache(maxsize=2)(draw_weights)
"""Systems share their clusters, and so their draws."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """A check before its p-value is adjusted and its verdict given; ``error`` is the standard error of a loss."""

    check: Check
    error: float | None = None


def check_all(paired: Iterable[PairedWords], options: GateOptions, *, recognised: bool) -> tuple[Check, ...]:
    """Every verdict. ``recognised``: words were recognised, not given, so that single ones come and go by chance."""
    measured = [m for words in paired for m in _measure(words, options, recognised=recognised)]
    families = [[m for m in measured if (m.check.speaker is None) == overall] for overall in (True, False)]
    n_families = sum(any(m.check.p is not None for m in family) for family in families)
    return tuple(check for family in families for check in _judge(family, n_families))


def _measure(words: PairedWords, options: GateOptions, *, recognised: bool) -> Iterator[_Measured]:
    every = np.ones(len(words.word), dtype=np.bool_)
    yield from _measure_some(words, every, None, options, recognised=recognised)
    for speaker in sorted(set(words.speaker.tolist()) - {""}):
        own = words.speaker == speaker
        if own.sum() >= MIN_WORDS:
            yield from _measure_some(words, own, speaker, options, recognised=recognised)


def _measure_some(
    words: PairedWords, which: Bools, speaker: str | None, options: GateOptions, *, recognised: bool
) -> Iterator[_Measured]:
    losses_ms = [np.where(which, loss_ms, np.nan) for loss_ms in words.losses_ms()]
    if np.isfinite(losses_ms).any():
        yield _loss(words, losses_ms[0], losses_ms[1], speaker, options)
    for metric, shift_ms in zip(SHIFTS, words.shifts_ms(), strict=True):
        if np.isfinite(shift_ms[which]).any():
            yield _shift(words, np.where(which, shift_ms, np.nan), speaker, metric, options)
    yield _lost(words, which, speaker, recognised=recognised)


def _loss(
    words: PairedWords, starts_ms: Floats, ends_ms: Floats, speaker: str | None, options: GateOptions
) -> _Measured:
    """Loss of mean absolute error over the boundaries that are known on both sides."""
    known = np.stack([np.isfinite(starts_ms), np.isfinite(ends_ms)])  # (start or end, word)
    n_known, of_word = known.sum(axis=0), np.nansum([starts_ms, ends_ms], axis=0)
    some = n_known > 0
    value = float(of_word.sum() / n_known.sum())
    resampled, n_units, error = "words", int(some.sum()), error_within(starts_ms[known[0]], ends_ms[known[1]])
    clusters, number = np.unique(words.cluster[some], return_inverse=True)
    if speaker is None and can_reject(len(clusters)):
        resampled, n_units = words.clusters, len(clusters)
        sums = (sum_by(number, values[some], n_units) for values in (of_word, n_known))
        error = standard_error(Ratio(*sums), weights_of(n_units, options.seed))
    test = margin_test(value, error, n_units, options.margin_ms)
    found = _check(words, speaker, "wbe_mean", options.margin_ms, test, int(some.sum()))
    mean = np.divide(of_word, n_known, out=np.zeros(len(of_word)), where=some)
    return _Measured(replace(found, resampled=resampled, n_units=n_units, worst=_worst(words, mean, mean)), error)


def _shift(
    words: PairedWords, shift_ms: Floats, speaker: str | None, metric: Metric, options: GateOptions
) -> _Measured:
    """The median, and a sign test that scatter of few words alone would not put so many on its side."""
    known = shift_ms[np.isfinite(shift_ms)]
    value = float(np.median(known))
    over = abs(value) > options.shift_ms + ROUNDING
    test = MarginTest(value, None, None, sign_test(known) if over else 1.0)
    found = _check(words, speaker, metric, options.shift_ms, test, len(known))
    return _Measured(replace(found, worst=_worst(words, shift_ms, shift_ms * np.sign(value)) if over else ()))


def _lost(words: PairedWords, which: Bools, speaker: str | None, *, recognised: bool) -> _Measured:
    """Words that the baseline found and the run did not: one is enough where words were given, a test otherwise."""
    lost, gained = which & words.in_baseline & ~words.in_run, which & ~words.in_baseline & words.in_run
    n_lost, n_gained = int(lost.sum()), int(gained.sum())
    value = float(n_lost - n_gained if recognised else n_lost)
    test = MarginTest(value, None, None, more_lost_than_gained(n_lost, n_gained))
    found = replace(_check(words, speaker, "lost_words", 0.0, test, int(which.sum())), unit="words")
    length_ms = np.where(lost, words.reference_end_s - words.reference_start_s, np.nan) * MS_PER_S
    found = replace(found, worst=_worst(words, length_ms, length_ms))
    return _Measured(found if recognised else replace(found, p=None))


def _check(
    words: PairedWords, speaker: str | None, metric: Metric, limit: float, test: MarginTest, n_words: int
) -> Check:
    """A check without its verdict, which depends on all others."""
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
    """Adjust the p-values of one family for all of it and for the other, and give the verdicts."""
    tested = {str(i): m.check.p for i, m in enumerate(family) if m.check.p is not None}
    adjusted = {key: min(1.0, n_families * p) for key, p in holm(tested).items()}
    level = LEVEL / (n_families * len(tested)) if tested else LEVEL
    for i, (check, error) in enumerate((m.check, m.error) for m in family):
        p = adjusted.get(str(i))
        smallest = smallest_loss(error, check.n_units, check.limit, level) if check.metric == "wbe_mean" else None
        yield replace(check, p=p, smallest=smallest, verdict=_verdict(check, p))


def _verdict(check: Check, p: float | None) -> Verdict:
    if p is not None and p <= LEVEL:
        return "regression"
    if check.metric == "wbe_mean":
        return "pass" if check.ci_high is not None and check.ci_high < check.limit else "undecided"
    if abs(check.value) <= check.limit + ROUNDING or (check.metric == "lost_words" and check.value < 0):
        return "pass"
    return "regression" if p is None else "undecided"


def _worst(words: PairedWords, shown: Floats, rank: Floats) -> tuple[WordChange, ...]:
    """The words of greatest rank above zero, with what is shown of each; a rank may be NaN."""
    rank = np.nan_to_num(rank).round(6)  # equal but for the rounding of sums: in the order of the text
    order = [int(i) for i in np.argsort(-rank, kind="stable")[:N_WORST] if rank[i] > ROUNDING]
    return tuple(
        WordChange(
            utterance=words.utterance[i],
            word_index=int(words.word_index[i]),
            word=words.word[i],
            reference_start_s=float(words.reference_start_s[i]),
            ms=float(shown[i]),
        )
        for i in order
    )
