"""Forecast the time and memory of a run on this machine, from a few of its utterances.

A few utterances are processed, spread from the shortest to the longest, after one that warms the machine up. Their
times are fitted by ``a + b frames + c tokens`` with no coefficient below zero: work grows with the encoded window, the
audio and the tokens. Masks and steps are part of these coefficients, since every utterance gets about as many. The sum
over the corpus is the forecast, for a machine that stays as busy as it is now.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from align_eval.engine.job import Job
from align_eval.engine.utterance import Result, attempt_expected, process
from align_eval.errors import InputError
from align_eval.records import AUTO, Failure, Utterance
from align_eval.units import FRAME_S

N_MEASURED = 4
WORD_BYTES = 500
"""Memory per word while systems are scored one after the other, as measured; see docs/scale.md."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A processed utterance: its size, and its time in seconds."""

    id: str
    n_frames: int
    n_tokens: int
    n_masks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Time and memory that a run will need.

    Attributes
    ----------
    n_utterances, n_windows : int
        Of the corpus, and the windows that they are processed in.
    audio_s : float
    n_tokens, n_masks : int
        In all passes; masks are estimated from the measured utterances.
    measured : tuple of Measured
    seconds : float
        For the utterances, in one process, without loading the model, scoring and writing.
    memory_mb : float
        Peak resident memory, in MB: of the measured utterances, with the longest, and of the words.
    failures : tuple of str
        Messages of chosen utterances that failed.
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
    """Measure a few utterances of a job, and forecast the whole.

    Parameters
    ----------
    job : Job
    clock : function
        Returns the time in seconds.

    Raises
    ------
    InputError
        Where every measured utterance fails.
    """
    utterances = job.utterances
    if not utterances:
        raise InputError(f"corpus {job.corpus.name}", "has no utterance in this shard", "give another shard")
    sizes = {u.id: (_n_frames(u), _n_tokens(job, u)) for u in utterances}
    by_length = sorted(utterances, key=lambda u: (sizes[u.id], u.id))
    chosen = [by_length[i] for i in spread(len(by_length), N_MEASURED)]
    _timed(job, by_length[0], clock)  # the first one loads code and fills caches
    timed = [(u, *_timed(job, u, clock)) for u in chosen]
    failures = [
        failure.message
        for _, result, _ in timed
        for failure in ((result,) if isinstance(result, Failure) else result.failures)
    ]
    measured = tuple(
        Measured(u.id, *sizes[u.id], _n_masks(result), seconds)
        for u, result, seconds in timed
        if isinstance(result, Result)
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
    """``n_chosen`` of ``n`` indices at equal distances, with the first and the last."""
    return sorted({round(i * (n - 1) / max(n_chosen - 1, 1)) for i in range(n_chosen)})


def expected_s(measured: Sequence[Measured], sizes: Sequence[tuple[int, int]]) -> float:
    """Seconds for utterances of ``(frames, tokens)``, by the plane through the measured ones; errors are relative."""
    from scipy.optimize import nnls

    line = np.array([[1, m.n_frames, m.n_tokens] for m in measured], dtype=np.float64)
    seconds = np.array([m.seconds for m in measured])
    scale = np.maximum(line.max(axis=0), 1)  # so that no column is small to the solver
    coefficients, _ = nnls(line / scale / seconds[:, None], np.ones(len(measured)))
    return float((np.array([[1, *size] for size in sizes]) / scale @ coefficients).sum())


def _timed(job: Job, u: Utterance, clock: Callable[[], float]) -> tuple[Result | Failure, float]:
    began = clock()
    result = attempt_expected(u, lambda u: process(u, job.plan, job.model))
    return result, max(clock() - began, 1e-9)


def _n_frames(u: Utterance) -> int:
    return round(u.duration_s / FRAME_S)


def _n_tokens(job: Job, u: Utterance) -> int:
    """Tokens of all passes over the reference's words, with their ends; 0 where the words give no tokens."""
    from align_eval.model.text import force_words

    passes = dict.fromkeys(system.source.tokens for system in job.plan.systems)
    language = "en" if u.language == AUTO else u.language
    texts = [word.text for word in u.words]
    try:
        return sum(len(force_words(job.model, texts, language, *tokens).tokens) for tokens in passes)
    except InputError:  # the run lists that utterance as failed
        return 0


def _n_masks(result: Result) -> int:
    return sum(int(details.get("masks", 0)) for details in result.details.values())


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
