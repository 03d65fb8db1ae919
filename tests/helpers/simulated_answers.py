"""Corpora whose answer is known, to test its intervals and verdicts: errors of every system that an answer compares.

A speaker has a log-normal number of words (sd 0.5, mean 30), a bias of starts and one of ends that all systems share
(sd 8 ms), and a spread of its own (log-normal, sd 0.3). Attention's error at a boundary is this bias plus Laplace
noise: 29 ms in the mean, with an sd of 9 ms over speakers. Whisper's own errors are half of attention's plus noise of
their own and 15 ms late; the saliency's are noise: 52 and 61 ms.

An injected map is a system per amount. Amounts move nested sets of boundaries, 3 % at 1/64 and 40 % at 1, as they do
with tiny.en. A moved boundary loses a share of its error (``gain``, and what is the speaker's own) and gets noise,
whose sd grows with the amount, so that a middle amount is best. Instead, it can be ``redrawn``: its new error is as
large as the old one in expectation, and all amounts tie with attention. ``shift_ms`` moves every boundary besides, in
proportion to the share that the amount moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from align_eval.records import SystemName
from align_eval.scoring.answer import AnswerSystems, Totals, totals_of_times
from align_eval.scoring.boundaries import WordTimes
from align_eval.scoring.system_rows import Kind
from align_eval.systems import AMOUNTS

MEAN_WORDS, SIZE_SD = 30, 0.5
SPEAKER_BIAS_MS, SPEAKER_SPREAD_SD = 8.0, 0.3
NOISE_MS, WHISPER_NOISE_MS, SALIENCY_NOISE_MS = 28.0, 46.0, 60.0
WHISPER_LATE_MS = 15.0
LEAST_NOISE_MS, NOISE_OF_AMOUNT_MS = 8.0, 18.0
GAIN_SPEAKER_SD = 0.15
WORD_S = 0.4


def named(source: str) -> SystemName:
    return SystemName(source, "viterbi")


SYSTEMS = AnswerSystems(
    whisper=named("whisper"),
    attention=named("attention"),
    saliency=named("gradient"),
    residual={amount: named(f"residual-{amount}") for amount in AMOUNTS},
    control={amount: named(f"control-{amount}") for amount in AMOUNTS},
    source="gradient",
    heads="0.3",
    heads_from="other speech",
    circular=False,
)
KIND = Kind("manual", "speakers", {}, SYSTEMS.names)


@dataclass(frozen=True)
class Injected:
    """Effect of injection on boundaries; by default, it adds noise."""

    gain: float = 0.0
    shift_ms: float = 0.0
    redrawn: bool = False


@dataclass(frozen=True)
class Truth:
    """A residual and a control. ``late_ms`` is a constant error of attention, that a shift can restore."""

    residual: Injected = Injected()
    control: Injected = Injected()
    late_ms: float = 0.0


def share_moved(amount: float) -> float:
    return float(0.4 * amount**0.63)


def simulated(truth: Truth, n_speakers: int, rng: np.random.Generator) -> Totals:
    """Totals of one corpus."""
    n_words = np.maximum(2, np.rint(MEAN_WORDS * rng.lognormal(-(SIZE_SD**2) / 2, SIZE_SD, n_speakers))).astype(int)
    speaker = np.repeat(np.arange(n_speakers), n_words)
    shape = (2, len(speaker))  # starts and ends
    bias = rng.normal(0.0, SPEAKER_BIAS_MS, (2, n_speakers))[:, speaker]
    spread = rng.lognormal(-(SPEAKER_SPREAD_SD**2) / 2, SPEAKER_SPREAD_SD, n_speakers)[speaker]

    def noise(mean_ms: float) -> np.ndarray:
        return spread * rng.laplace(0.0, mean_ms, shape)

    attention = truth.late_ms + bias + noise(NOISE_MS)
    errors = {
        SYSTEMS.whisper: WHISPER_LATE_MS + attention / 2 + noise(WHISPER_NOISE_MS),
        SYSTEMS.attention: attention,
        SYSTEMS.saliency: bias + noise(SALIENCY_NOISE_MS),
    }
    for by_amount, what in ((SYSTEMS.residual, truth.residual), (SYSTEMS.control, truth.control)):
        own = rng.normal(0.0, GAIN_SPEAKER_SD, n_speakers)[speaker]
        rank, jump, redrawn = rng.random(shape), spread * rng.normal(0.0, 1.0, shape), noise(NOISE_MS)
        for amount, name in by_amount.items():
            share = share_moved(amount)
            changed = (1 - what.gain - own) * (attention - bias) + (LEAST_NOISE_MS + NOISE_OF_AMOUNT_MS * amount) * jump
            error = np.where(rank < share, bias + (redrawn if what.redrawn else changed), attention)
            errors[name] = error - what.shift_ms * share
    times = as_times(errors, speaker)
    totals = totals_of_times(tuple(times), times.__getitem__, SYSTEMS.attention)
    assert totals is not None
    return totals


def as_times(errors_ms: Mapping[SystemName, np.ndarray], speaker: np.ndarray) -> dict[SystemName, WordTimes]:
    """Times with these errors of starts and ends, ``(2, word)``, all of them inside an utterance."""
    n = len(speaker)
    start_s, end_s = np.zeros(n), np.full(n, WORD_S)
    inside, ones = np.zeros(n, dtype=np.bool_), np.ones(n, dtype=np.int64)
    return {
        name: WordTimes(
            start_s, end_s, start_s + errors[0] / 1000, end_s + errors[1] / 1000,
            is_first=inside, is_last=inside, n_words=ones, cluster=speaker,
        )
        for name, errors in errors_ms.items()
    }  # fmt: skip
