"""Pauses: stable-ts's suppression of silence in words, and CrisperWhisper's split of pauses between words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from align_eval.alignment.punctuation import APPENDED
from align_eval.alignment.silence import stretches
from align_eval.units import SAMPLE_RATE

STEP_S = 0.02
LOUD_SHARE = 0.001
"""Share of the samples that are the loudest. The quietest of these is the reference level for silence."""

HEADROOM = 1.75
LEVELS = 20
SMOOTHED_STEPS = 5
SHORTEST_SOUND_S = 0.1
TOO_QUIET = 1e-5

SHORTEST_WORD_S = 0.1
MOST_SPEECH = 0.1
"""A silence inside a word is cut off if an end of the word is nearer to it than this multiple of its length."""

Times = tuple[tuple[float, float], ...]
Floats = npt.NDArray[np.float64]


def split_pauses(times: Times, longest_s: float) -> Times:
    """Split each pause between two words evenly between them, up to ``longest_s`` seconds of it.

    Reference: CrisperWhisper (Wagner et al. 2024).
    """
    words = [list(word) for word in times]
    for word, following in pairwise(words):
        half = min(max(following[0] - word[1], 0.0), longest_s) / 2
        word[1] += half
        following[0] -= half
    return tuple((start, end) for start, end in words)


def quiet_stretches(samples: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Silent stretches by the rule of stable-ts.

    The magnitude of the waveform is interpolated every 20 ms (from one or two samples per step, not as an envelope) and
    smoothed over five steps. Steps that round to level 0 of 20 are silent, and a sound of at most 0.1 s does not
    interrupt a silence.

    Parameters
    ----------
    samples : float32[n_samples]
        At 16 kHz.

    Returns
    -------
    starts, ends : float64[n_stretches]
        In seconds.

    Reference: stable-ts, ``stabilization.nonvad``.
    """
    size = round(len(samples) / (STEP_S * SAMPLE_RATE)) + 1
    if size <= 2:
        return np.empty(0), np.empty(0)
    magnitude = np.abs(samples.astype(np.float32))
    n_loudest = int(len(magnitude) * LOUD_SHARE)
    peak = np.partition(magnitude, -n_loudest)[-n_loudest] if n_loudest else np.quantile(magnitude, 1 - LOUD_SHARE)
    loudness = np.zeros(size)
    if peak >= TOO_QUIET:
        positions = np.maximum((np.arange(size) + 0.5) * len(samples) / size - 0.5, 0.0)  # in samples
        loudness = np.interp(positions, np.arange(len(samples)), magnitude / min(1.0, peak * HEADROOM))
    reach = SMOOTHED_STEPS // 2
    if reach < size:
        padded = np.pad(loudness, reach, mode="reflect")
        loudness = np.convolve(padded, np.full(SMOOTHED_STEPS, 1 / SMOOTHED_STEPS), mode="valid")
    loud = np.rint(loudness * LEVELS).astype(np.bool_)
    starts, ends = stretches(loud)
    quiet = np.ones(size, dtype=np.bool_)
    if loud.any():
        for start, end in zip(starts, ends, strict=True):
            if (end - start) * STEP_S > SHORTEST_SOUND_S:
                quiet[start : end + 1] = False  # one step more, as in stable-ts
    starts, ends = stretches(quiet)
    return starts / (1 / STEP_S), ends / (1 / STEP_S)


def suppress_silence(times: Times, texts: Sequence[str], silent_starts: Floats, silent_ends: Floats) -> Times:
    """Shorten words that silence overlaps, to :data:`SHORTEST_WORD_S` at least.

    A word loses its start. The last word, and words that end with a punctuation mark, lose their end instead.

    Parameters
    ----------
    times : tuple of (start_s, end_s)
    texts : sequence of str
        The words, with punctuation.
    silent_starts, silent_ends : float64[n_stretches]
        In seconds, see :func:`quiet_stretches`.

    Reference: stable-ts, ``stabilization.suppress_silence``.
    """
    shortened = []
    for i, ((start, end), text) in enumerate(zip(times, texts, strict=True)):
        keeps_start = i == len(texts) - 1 or text[-1:] in APPENDED
        shortened.append(_shorten_word(start, end, silent_starts, silent_ends, keeps_start))
    return tuple(shortened)


def _shorten_word(
    start: float, end: float, silent_starts: Floats, silent_ends: Floats, keeps_start: bool
) -> tuple[float, float]:
    if end - start <= SHORTEST_WORD_S:
        return start, end
    if keeps_start:
        overlapping = np.flatnonzero((start <= silent_starts) & (silent_starts < end) & (end <= silent_ends))
        if len(overlapping):
            end = max(float(silent_starts[overlapping[0]]), start + SHORTEST_WORD_S)
    else:
        overlapping = np.flatnonzero((silent_starts <= start) & (start < silent_ends) & (silent_ends <= end))
        if len(overlapping):
            start = min(float(silent_ends[overlapping[0]]), end - SHORTEST_WORD_S)
    if len(overlapping) and end - start <= SHORTEST_WORD_S:
        return start, end
    inside = np.flatnonzero((start <= silent_starts) & (end >= silent_ends))
    if len(inside) == 1:  # stable-ts changes nothing if there are several
        silent_start, silent_end = float(silent_starts[inside[0]]), float(silent_ends[inside[0]])
        remainder = min(silent_start - start, end - silent_end) / (silent_end - silent_start)
        if remainder <= MOST_SPEECH:
            if keeps_start:
                end = max(silent_start, start + SHORTEST_WORD_S)
            else:
                start = min(silent_end, end - SHORTEST_WORD_S)
    return start, end
