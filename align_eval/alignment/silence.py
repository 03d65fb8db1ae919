"""Score of silence at each frame, against which the path with silence weighs the tokens.

The default, ``levels``, places each frame between two levels of loudness: that of the noise around it and that of
speech. Both are measured where they occur. Silence that is added elsewhere changes neither.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from align_eval.alignment.aligner import ViterbiOptions

FloatVector = npt.NDArray[np.float64]

ENERGY_FLOOR = 1e-4
"""80 dB below the loudest frame: the level of digital silence in the older scores, instead of minus infinity."""

QUIETEST_DB = -120.0
AUDIBLE_DB = 60.0
"""Frames this far below the loudest one are silence."""
LOUDEST_FRAMES = 10
"""The level of speech is that of frames near the tenth loudest, so that a click of less than 0.2 s does not set it."""
SPEECH_RANGE_DB = 10.0
NOISE_RANGE_DB = (15.0, 40.0)
"""The noise is taken to be this far below speech, at least and at most."""
NOISE_FRAMES = 50
"""The noise at a frame is the quietest frame within one second before or after it, whichever is louder."""
FEWEST_FRAMES = 15
"""A side with fewer frames than this says nothing about the noise."""
STEADY_FRAMES = 10
STEADY_DB = (0.1, 1.5)
"""A level that varies over 0.2 s by at least and at most this much is noise. In the words of LJSpeech and of the tuning
half of l2-english, no frame within 25 dB of speech is as steady. A level that does not vary at all is no recording."""
NOISE_WEIGHT = 1.5
"""Weight of silence at the level of noise; at the level of speech it is the negative."""
VOWEL_DB = 6.0
"""A steady sound that is this far below speech, or less, could also be a drawn-out vowel."""
PAUSE_FRAMES, PAUSE_LOUDNESS = 12, 0.15
"""A pause: at least 0.24 s below this loudness, or less at the ends of the audio. Tokens are all but kept out of it."""
PAUSE_WEIGHT = 10.0
SMALLEST_REACH = 0.1
"""The distance that weighs silence is at least this share of the map's largest one, and in a pause all of it. Otherwise
the many paths that leave a token somewhere in a long pause would together outweigh the one that does not."""


def silence_score(
    tokens: FloatVector, energy: FloatVector, options: ViterbiOptions, loudness: FloatVector | None = None
) -> FloatVector:
    """Score of silence at each frame, ``float64[n_frames]``; see :class:`~align_eval.alignment.aligner.ViterbiOptions`.

    Parameters
    ----------
    tokens : float64[n_tokens, n_frames]
        Scores of the tokens.
    energy : float64[n_frames]
        See :func:`~align_eval.alignment.energy.energy_at_columns`.
    options : ViterbiOptions
    loudness : float64[n_frames], optional
        :func:`relative_loudness` of the energy, if it is known.
    """
    level = options.level
    if options.silence == "constant":
        return np.full(tokens.shape[1], tokens.mean() + level * tokens.std())
    mean = tokens.mean(axis=0)
    if options.silence == "zscore":
        return np.asarray(mean + level * tokens.std(axis=0))
    if options.silence == "levels":
        loudness = relative_loudness(energy) if loudness is None else loudness
        reach = tokens.max(axis=0) - mean
        in_pause = pauses(loudness)
        weight = np.where(in_pause, PAUSE_WEIGHT, level * NOISE_WEIGHT * (1 - 2 * loudness))
        least = np.where(in_pause, 1.0, SMALLEST_REACH) * reach.max()
        return np.asarray(mean + weight * np.maximum(reach, least))
    measure = energy if options.silence == "energy-std" else np.log(np.maximum(energy, ENERGY_FLOOR))
    constant = np.ptp(measure) == 0  # by the range, since rounding gives equal values a standard deviation
    standardised = np.zeros_like(measure) if constant else (measure - measure.mean()) / measure.std()
    reach = tokens.std(axis=0) if options.silence == "energy-std" else tokens.max(axis=0) - mean
    return np.asarray(mean - level * standardised * reach)


def pauses(loudness: FloatVector) -> npt.NDArray[np.bool_]:
    """Mask of the frames in pauses, where silence is far better than any token.

    Parameters
    ----------
    loudness : float64[n_frames]
        See :func:`relative_loudness`.

    Returns
    -------
    bool[n_frames]
    """
    mask = np.zeros(len(loudness), dtype=np.bool_)
    for start, end in zip(*stretches(loudness < PAUSE_LOUDNESS), strict=True):
        mask[start:end] = end - start >= PAUSE_FRAMES or start == 0 or end == len(loudness)
    return mask


def stretches(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First index of each run of true values, and the index after its last."""
    edges = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    return np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)


def relative_loudness(energy: FloatVector) -> FloatVector:
    """Loudness of each frame between the noise around it (0) and speech (1), on a scale of decibels.

    It does not change with the gain, nor with silence that is added before, after or between words: frames that are
    silence in any case do not count towards either level. A join changes the frames beside it. Noise is recognised by
    its steadiness. Where it is nearly as loud as speech it could also be a drawn-out vowel, and never makes a pause.

    Parameters
    ----------
    energy : float64[n_frames]
        See :func:`~align_eval.alignment.energy.energy_at_columns`.

    Returns
    -------
    float64[n_frames]
        From 0 to 1; a half in digital silence.
    """
    peak = energy.max(initial=0.0)
    if peak == 0:
        return np.full(len(energy), 0.5)
    level_db = 20 * np.log10(np.maximum(energy / peak, 10 ** (QUIETEST_DB / 20)))
    steady_db = _steady_level(level_db)
    varied = np.isneginf(steady_db) & (level_db > -AUDIBLE_DB)
    if not varied.any():  # nothing but noise, or silence
        steady_db = np.full(len(energy), -np.inf)
        varied = level_db > -AUDIBLE_DB
    near_loudest = np.sort(level_db[varied])[-min(LOUDEST_FRAMES, int(varied.sum()))]
    speech_db = np.median(level_db[varied & (level_db > near_loudest - SPEECH_RANGE_DB)])
    nearest, farthest = NOISE_RANGE_DB
    noise_db = np.maximum(steady_db, speech_db - farthest)
    audible = np.isneginf(steady_db) & (level_db > speech_db - farthest)  # the others are silence in any case
    noise_db[audible] = np.minimum(_noise_level(level_db[audible]), speech_db - nearest)
    speech_above_db = np.maximum(speech_db, noise_db + nearest)
    loudness = np.clip((level_db - noise_db) / (speech_above_db - noise_db), 0.0, 1.0)
    may_be_vowel = steady_db > speech_db - VOWEL_DB
    return np.asarray(np.where(may_be_vowel, np.maximum(loudness, PAUSE_LOUDNESS), loudness))


def _noise_level(level_db: FloatVector) -> FloatVector:
    """The quietest frame on either side of each frame, whichever is louder, so that a pause beside noise is not noise.

    A side with fewer than :data:`FEWEST_FRAMES` says nothing.
    """
    n, reach = len(level_db), NOISE_FRAMES
    padded = np.pad(level_db, reach, constant_values=np.inf)
    quietest = np.lib.stride_tricks.sliding_window_view(padded, reach + 1).min(axis=-1)
    frame = np.arange(n)
    before = np.where(frame >= FEWEST_FRAMES, quietest[:n], -np.inf)
    after = np.where(frame < n - FEWEST_FRAMES, quietest[reach:], -np.inf)
    found = np.maximum(before, after)
    return np.where(np.isfinite(found), found, level_db.min())


def _steady_level(level_db: FloatVector) -> FloatVector:
    """The loudest frame of a steady stretch around each frame; minus infinity where there is none."""
    n = STEADY_FRAMES
    if len(level_db) < n:
        return np.full(len(level_db), -np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(level_db, n)
    variation, (least, most) = np.ptp(windows, axis=-1), STEADY_DB
    loudest = np.where((variation >= least) & (variation <= most), windows.max(axis=-1), -np.inf)
    padded = np.pad(loudest, n - 1, constant_values=-np.inf)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, n).max(axis=-1))
