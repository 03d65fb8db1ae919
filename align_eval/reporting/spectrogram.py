"""A wide-band spectrogram to look at: levels in decibels, as bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from align_eval.units import HOP_LENGTH, MEL_FRAME_S, SAMPLE_RATE

WINDOW = 256
"""Samples, 16 ms: short enough to show the pulses and bursts that boundaries of words are heard by."""

RANGE_DB = 55.0
"""Below the loudest by that is silence."""

STEPS = 32
"""Levels that are told apart: more are not seen, and take more room."""


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """Levels from 0 (silence) to 255, ``uint8[frequency, frame]``, low frequencies first.

    Frame ``j`` is centred at ``j * frame_s``; frequencies reach from 0 to ``top_hz``.
    """

    levels: npt.NDArray[np.uint8]
    frame_s: float = MEL_FRAME_S
    top_hz: float = SAMPLE_RATE / 2


def spectrogram(samples: npt.NDArray[np.float32]) -> Spectrogram:
    """Spectrogram of samples at 16 kHz."""
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    transform = ShortTimeFFT(hann(WINDOW, sym=False), HOP_LENGTH, SAMPLE_RATE)
    first = -transform.p_min
    power = np.abs(transform.stft(samples.astype(np.float64)))[:, first : first + 1 + len(samples) // HOP_LENGTH] ** 2
    tilt = np.maximum(transform.f, 1000.0)[:, None] / 1000.0  # speech falls by about 6 dB an octave above 1 kHz
    level_db = 10 * np.log10(np.maximum(power * tilt**2, 1e-12))
    share = np.clip((level_db - level_db.max() + RANGE_DB) / RANGE_DB, 0.0, 1.0)
    return Spectrogram((np.round(share * (STEPS - 1)) * (255 // (STEPS - 1))).astype(np.uint8))
