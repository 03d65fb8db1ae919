"""Loudness of the audio at each column of a map."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from align_eval.units import SAMPLE_RATE

ENERGY_WINDOW_S = 0.025


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
    at = centres[:, None] + np.arange(-reach, reach + 1)
    weights = np.where((at >= 0) & (at < len(samples)), window, 0.0)  # nothing is heard outside the audio
    mean = (windows * weights).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
    rms = np.sqrt(((windows - mean) ** 2 * weights).sum(axis=1))
    peak = rms.max(initial=0.0)
    return np.asarray(rms / peak if peak > 0 else rms)
