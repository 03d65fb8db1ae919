"""What a run will take on this machine, from a few of its utterances: time by their frames and tokens, and memory.

A few utterances are done, spread from the shortest to the longest, after one that warms the machine up. Their times
are fitted by ``a + b frames + c tokens`` with no coefficient below zero (work grows with the window that is encoded,
with the audio, and with the tokens that are asked for; what a mask or a step costs is in these, since every utterance
gets about as many). The sum over the corpus is the forecast. It speaks of a machine that stays as busy as it is now.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from align_eval.engine.job import Job
from align_eval.engine.process import Aligned, attempt_expected, process
from align_eval.errors import InputError
from align_eval.records import Failure, Utterance
from align_eval.relevance import tokens_of
from align_eval.units import FRAME_S

N_MEASURED = 4
WORD_BYTES = 500
"""Memory of a word while one system after the other is scored, as measured; see docs/scale.md."""


@dataclass(frozen=True, slots=True)
class Measured:
    """An utterance that was done: its size, and what it took."""

    id: str
    n_frames: int
    n_tokens: int
    n_masks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run will take.

    Attributes
    ----------
    n_utterances, n_windows : int
        Of the corpus, and pieces of at most a window that they are done in.
    audio_s : float
    n_tokens, n_masks : int
        That the model is asked about, of all passes an utterance needs; masks are estimated from those measured.
    measured : tuple of Measured
    seconds : float
        Of the utterances, in one process; loading the model, scoring and writing come on top.
    memory_mb : float
        Greatest resident memory, from that of the measured utterances, the longest among them, and the words.
    failures : tuple of str
        Why others of those chosen could not be measured.
    """

    n_utterances: int
    n_windows: int
    audio_s: float
    n_tokens: int
    n_masks: int
    measured: tuple[Measured, ...]
    seconds: float
    memory_mb: float
    failures: tuple[str, ...] = ()


def forecast(job: Job, clock: Callable[[], float] = time.perf_counter) -> Forecast:
    """Measure a few utterances of a job, and say what all of it will take.

    Parameters
    ----------
    clock
        What time is told by, in seconds.

    Raises
    ------
    InputError
        Where none of those utterances can be done.
    """
    utterances = job.utterances
    if not utterances:
        raise InputError(f"corpus {job.corpus.name}", "has no utterance in this shard", "give another shard")
    sizes = {u.id: (_n_frames(u), _n_tokens(job, u)) for u in utterances}
    by_length = sorted(utterances, key=lambda u: (sizes[u.id], u.id))
    chosen = [by_length[i] for i in spread(len(by_length), N_MEASURED)]
    _timed(job, by_length[0], clock)  # the first one loads code and fills caches
    found = [(u, *_timed(job, u, clock)) for u in chosen]
    failures = [outcome.message for _, outcome, _ in found if isinstance(outcome, Failure)]
    measured = tuple(
        Measured(u.id, *sizes[u.id], _n_masks(outcome), seconds)
        for u, outcome, seconds in found
        if isinstance(outcome, Aligned)
    )
    if not measured:
        raise InputError(f"corpus {job.corpus.name}", f"nothing could be measured: {failures[0]}", "mend that first")
    n_words = sum(len(u.words) for u in utterances)
    return Forecast(
        n_utterances=len(job.corpus.utterances),
        n_windows=len(utterances),
        audio_s=sum(u.duration_s for u in utterances),
        n_tokens=sum(n_tokens for _, n_tokens in sizes.values()),
        n_masks=round(float(np.mean([m.n_masks for m in measured])) * len(utterances)),
        measured=measured,
        seconds=expected_s(measured, list(sizes.values())),
        memory_mb=_peak_mb() + n_words * WORD_BYTES / 1e6,
        failures=tuple(failures),
    )


def spread(n: int, n_chosen: int) -> list[int]:
    """Indices of so many of ``n`` things in order, the first and the last among them, at equal distances."""
    return sorted({round(i * (n - 1) / max(n_chosen - 1, 1)) for i in range(n_chosen)})


def expected_s(measured: Sequence[Measured], sizes: Sequence[tuple[int, int]]) -> float:
    """Seconds of utterances with ``(frames, tokens)``, by the line through those measured; errors count relatively."""
    from scipy.optimize import nnls

    line = np.array([[1, m.n_frames, m.n_tokens] for m in measured], dtype=np.float64)
    seconds = np.array([m.seconds for m in measured])
    scale = np.maximum(line.max(axis=0), 1)  # so that no column is small to the solver
    coefficients, _ = nnls(line / scale / seconds[:, None], np.ones(len(measured)))
    return float((np.array([[1, *size] for size in sizes]) / scale @ coefficients).sum())


def _timed(job: Job, u: Utterance, clock: Callable[[], float]) -> tuple[Aligned | Failure, float]:
    began = clock()
    outcome = attempt_expected(u, lambda u: process(u, job.plan, job.model, job.keep))
    return outcome, max(clock() - began, 1e-9)


def _n_frames(u: Utterance) -> int:
    return round(u.duration_s / FRAME_S)


def _n_tokens(job: Job, u: Utterance) -> int:
    """Tokens of all passes over the reference's words, with their ends; none where they cannot be put as tokens."""
    from align_eval.model.language import AUTO
    from align_eval.model.text import force_words

    passes = dict.fromkeys(tokens_of(system.source) for system in job.plan.systems)
    language = "en" if u.language == AUTO else u.language
    texts = [word.text for word in u.words]
    try:
        return sum(len(force_words(job.model, texts, language, *tokens).tokens) for tokens in passes)
    except InputError:  # the run says so, of that utterance
        return 0


def _n_masks(outcome: Aligned) -> int:
    return sum(int(found.get("masks", 0)) for found in outcome.details.values())


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
