"""A wide-band spectrogram for display: levels in decibels, as bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from align_eval.units import HOP_LENGTH, MEL_FRAME_S, SAMPLE_RATE

WINDOW = 256
"""Window length in samples, 16 ms: short enough to resolve the glottal pulses and bursts at word boundaries."""

RANGE_DB = 55.0
"""Levels this far below the loudest are shown as silence."""

STEPS = 32
"""Number of grey levels. More are not visible and compress worse."""


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """Levels from 0 (silence) to 255, ``uint8[n_frequencies, n_frames]``, low frequencies first.

    Frame ``j`` is centred at ``j * frame_s``. Frequencies run from 0 to ``top_hz``.
    """

    levels: npt.NDArray[np.uint8]
    frame_s: float = MEL_FRAME_S
    top_hz: float = SAMPLE_RATE / 2


def spectrogram(samples: npt.NDArray[np.float32]) -> Spectrogram:
    """Compute the spectrogram of samples at 16 kHz."""
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    transform = ShortTimeFFT(hann(WINDOW, sym=False), HOP_LENGTH, SAMPLE_RATE)
    first = -transform.p_min
    power = np.abs(transform.stft(samples.astype(np.float64)))[:, first : first + 1 + len(samples) // HOP_LENGTH] ** 2
    tilt = np.maximum(transform.f, 1000.0)[:, None] / 1000.0  # speech falls by about 6 dB per octave above 1 kHz
    level_db = 10 * np.log10(np.maximum(power * tilt**2, 1e-12))
    share = np.clip((level_db - level_db.max() + RANGE_DB) / RANGE_DB, 0.0, 1.0)
    return Spectrogram((np.round(share * (STEPS - 1)) * (255 // (STEPS - 1))).astype(np.uint8))
