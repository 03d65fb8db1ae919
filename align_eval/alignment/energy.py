"""Loudness of the audio at each column of a map."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from align_eval.units import SAMPLE_RATE

ENERGY_WINDOW_S = 0.025
ROUNDING = 1e-12
"""A variance of less than this share of the power is rounding: the samples are constant."""


@cache
def _window() -> npt.NDArray[np.float64]:
    """Hann window with weights that sum to one, without ``scipy.signal``, which takes more than a second to load."""
    n_samples = round(ENERGY_WINDOW_S * SAMPLE_RATE) + 1  # odd, so that it has a centre
    window = 0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, n_samples))
    return np.asarray(window / window.sum())


def energy_at_columns(
    samples: npt.NDArray[np.float32], n_frames: int, frame_s: float, start_s: float
) -> npt.NDArray[np.float64]:
    """Loudness under a 25 ms Hann window centred on each column, scaled to a maximum of one.

    The loudness is the root mean square of the samples without their mean under the window, so that neither a constant
    offset nor the gain changes it.

    Parameters
    ----------
    samples : float32[n_samples]
        At 16 kHz.
    n_frames : int
        Number of columns.
    frame_s, start_s : float
        Duration of a column and start of column 0, in seconds.

    Returns
    -------
    float64[n_frames]
        All zeros if the audio is digital silence.
    """
    window = _window()
    reach = len(window) // 2
    centres = np.rint((start_s + (np.arange(n_frames) + 0.5) * frame_s) * SAMPLE_RATE).astype(np.int64)
    centres = np.clip(centres, 0, len(samples) - 1)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(samples, reach), len(window))[centres].astype(np.float64)
    # Nothing is heard outside the audio: its weights are left out of the mean.
    weights = np.concatenate([[0.0], np.cumsum(window)])
    inside = weights[np.minimum(len(window), len(samples) + reach - centres)] - weights[np.maximum(0, reach - centres)]
    mean_square = (windows @ window) ** 2 / inside
    power = np.square(windows, out=windows) @ window
    variance = power - mean_square
    rms = np.sqrt(np.where(variance > ROUNDING * power, variance, 0.0))
    peak = rms.max(initial=0.0)
    return np.asarray(rms / peak if peak > 0 else rms)
