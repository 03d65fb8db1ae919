"""Faults of samples that leave a file readable: silence, channels that cancel, samples beyond full scale."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

SILENCE = 2.0**-15
"""Largest difference between samples that counts as silence: one step of 16 bits, as lossy formats write it."""

LEAST_POWER = 0.1
"""Least power of the mean of channels, relative to the mean of as many unrelated channels; 0 if all is cancelled."""

FULL_SCALE, FULL_SCALE_LOSSY = 1.0, 2.0
"""Largest plausible samples. Decoders of lossy formats pass full scale where the recording was loud."""


def faults(samples: npt.NDArray[np.float32], channel: int | None = None, *, is_lossy: bool = False) -> Iterator[str]:
    """Yield each fault with a remedy; the texts are the same for equal faults in other stretches of a file.

    Parameters
    ----------
    samples : float32[n_samples, n_channels]
        Finite in the channels that are used.
    channel
        The channel that is used; None for the mean of all.
    is_lossy
        Whether the format is lossy.
    """
    used = samples if channel is None else samples[:, [channel]]
    sounding = [int(c) for c in np.flatnonzero(np.ptp(samples, axis=0) > SILENCE)]
    if channel is None and sounding and _is_cancelled(samples):
        yield f"its channels cancel each other in their mean; read one of them: --channel {sounding[0]}"
    elif np.ptp(used.mean(axis=1)) <= SILENCE:
        others = f"read another channel: --channel {sounding[0]}" if sounding else "check the recording"
        where = "" if channel is None else f" in channel {channel}"
        yield f"is digital silence{where} (all samples are equal); {others}"
    if np.abs(used).max() > (FULL_SCALE_LOSSY if is_lossy else FULL_SCALE):
        yield "has samples beyond full scale (-1 to 1); write it again at a lower level"


def _is_cancelled(samples: npt.NDArray[np.float32]) -> bool:
    n_channels = samples.shape[1]
    unrelated = samples.var(axis=0, dtype=np.float64).sum() / n_channels**2
    return bool(samples.mean(axis=1).var(dtype=np.float64) < LEAST_POWER * unrelated)
