"""Silence and the words beside it: stable-ts's suppression of silence, CrisperWhisper's split of pauses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from align_eval.alignment.pieces import APPENDED
from align_eval.units import SAMPLE_RATE

STEP_S = 0.02
LOUD_SHARE = 0.001
"""The samples of so large a share are the loudest: what counts as quiet is measured against the least of them."""
HEADROOM = 1.75
LEVELS = 20
SMOOTHED_STEPS = 5
SHORTEST_SOUND_S = 0.1
TOO_QUIET = 1e-5

SHORTEST_WORD_S = 0.1
MOST_SPEECH = 0.1
"""A silence inside a word is cut out at one end where no more than this times its length lies beyond it."""

Times = tuple[tuple[float, float], ...]
Floats = npt.NDArray[np.float64]


def split_pauses(times: Times, longest_s: float) -> Times:
    """Words of which either neighbour of a gap takes half of it, of a long one half of ``longest_s``.

    Reference: CrisperWhisper (Wagner et al. 2024).
    """
    words = [list(word) for word in times]
    for word, following in pairwise(words):
        half = min(max(following[0] - word[1], 0.0), longest_s) / 2
        word[1] += half
        following[0] -= half
    return tuple((start, end) for start, end in words)


def quiet_stretches(samples: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Starts and ends in seconds of what stable-ts takes for silence.

    The magnitude of the waveform, read off every 20 ms (it is no envelope: one or two samples stand for each step),
    smoothed over five steps; quiet is what rounds to level 0 of 20, and a sound of at most 0.1 s does not interrupt it.

    Reference: stable-ts, ``stabilization.nonvad``.
    """
    size = round(len(samples) / (STEP_S * SAMPLE_RATE)) + 1
    none = np.empty(0), np.empty(0)
    if size <= 2:
        return none
    magnitude = np.abs(samples.astype(np.float32))
    n_loudest = int(len(magnitude) * LOUD_SHARE)
    of_few = n_loudest == 0
    peak = np.quantile(magnitude, 1 - LOUD_SHARE) if of_few else np.partition(magnitude, -n_loudest)[-n_loudest]
    loudness = np.zeros(size)
    if peak >= TOO_QUIET:
        where = np.maximum((np.arange(size) + 0.5) * len(samples) / size - 0.5, 0.0)
        loudness = np.interp(where, np.arange(len(samples)), magnitude / min(1.0, peak * HEADROOM))
    reach = SMOOTHED_STEPS // 2
    if reach < size:
        padded = np.pad(loudness, reach, mode="reflect")
        loudness = np.convolve(padded, np.full(SMOOTHED_STEPS, 1 / SMOOTHED_STEPS), mode="valid")
    loud = np.rint(loudness * LEVELS).astype(np.bool_)
    starts, ends = _stretches(loud)
    quiet = np.ones(size, dtype=np.bool_)
    if loud.any():
        for start, end in zip(starts, ends, strict=True):
            if (end - start) * STEP_S > SHORTEST_SOUND_S:
                quiet[start : end + 1] = False  # one step more, as stable-ts has it
    starts, ends = _stretches(quiet)
    return starts / (1 / STEP_S), ends / (1 / STEP_S)


def suppress_silence(times: Times, texts: Sequence[str], silent_starts: Floats, silent_ends: Floats) -> Times:
    """Words cut back where silence reaches into them, never below :data:`SHORTEST_WORD_S`.

    A word keeps its end and gives up its start, but for the last word and one before a punctuation mark, which keep
    their start.

    Reference: stable-ts, ``stabilization.suppress_silence``.
    """
    cut = []
    for i, ((start, end), text) in enumerate(zip(times, texts, strict=True)):
        keeps_start = i == len(texts) - 1 or text[-1:] in APPENDED
        cut.append(_cut_word(start, end, silent_starts, silent_ends, keeps_start))
    return tuple(cut)


def _cut_word(
    start: float, end: float, silent_starts: Floats, silent_ends: Floats, keeps_start: bool
) -> tuple[float, float]:
    if end - start <= SHORTEST_WORD_S:
        return start, end
    if keeps_start:
        reaching = np.flatnonzero((start <= silent_starts) & (silent_starts < end) & (end <= silent_ends))
        if len(reaching):
            end = max(float(silent_starts[reaching[0]]), start + SHORTEST_WORD_S)
    else:
        reaching = np.flatnonzero((silent_starts <= start) & (start < silent_ends) & (silent_ends <= end))
        if len(reaching):
            start = min(float(silent_ends[reaching[0]]), end - SHORTEST_WORD_S)
    if len(reaching) and end - start <= SHORTEST_WORD_S:
        return start, end
    inside = np.flatnonzero((start <= silent_starts) & (end >= silent_ends))
    if len(inside) == 1:  # with several it leaves the word alone
        silent_start, silent_end = float(silent_starts[inside[0]]), float(silent_ends[inside[0]])
        beyond = min(silent_start - start, end - silent_end) / (silent_end - silent_start)
        if beyond <= MOST_SPEECH:
            if keeps_start:
                end = max(silent_start, start + SHORTEST_WORD_S)
            else:
                start = min(silent_end, end - SHORTEST_WORD_S)
    return start, end


def _stretches(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First index of each run of true values, and the one after its last."""
    edges = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    return np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
