"""Segments of the log-mel for SPES, and random masks over segments.

A *partition* numbers the segment of each place from 0. On the log-mel it is ``int64[n_mels, n_mel_frames]`` from SLIC
superpixels, at three scales; on the encoder output each frame is a segment. A *mask* is a row of booleans, one per
segment, true where the segment is hidden.

References: Fucci et al. 2024 (SPES, arXiv 2411.01710); Papi et al. 2025 (arXiv 2509.18010), for segments per second.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from skimage.segmentation import slic
from torch import Tensor

SEGMENTS_PER_S = (400, 500, 600)
"""One scale per entry."""

MAX_SEGMENTS_S = 7.5
"""Longer audio gets as many segments as this many seconds would (Fucci et al. 2024)."""

COMPACTNESS = 0.1

BLOCK = 240
"""Masks per random draw. It is fixed, so that the masks do not depend on the batch size."""


def segment(mel: npt.NDArray[np.float32], duration_s: float) -> tuple[npt.NDArray[np.int64], ...]:
    """Partition a log-mel into SLIC segments at the three scales.

    Parameters
    ----------
    mel : float32[n_mels, n_mel_frames]
        Scaled to [0, 1] before SLIC.
    duration_s : float
        Duration of the audio; the number of segments is proportional to it.

    Returns
    -------
    tuple of int64[n_mels, n_mel_frames]
        Segment numbers from 0 without gaps, one array per scale.
    """
    low, high = float(mel.min()), float(mel.max())
    scaled = (mel - low) / (high - low) if high > low else np.zeros_like(mel)
    partitions = []
    for per_s in SEGMENTS_PER_S:
        n_segments = max(1, round(per_s * min(duration_s, MAX_SEGMENTS_S)))
        labels = slic(
            scaled.T.astype(np.float64), n_segments=n_segments, compactness=COMPACTNESS, sigma=0, channel_axis=None
        )
        _, numbered = np.unique(labels.T, return_inverse=True)
        partitions.append(numbered.reshape(mel.shape).astype(np.int64))
    return tuple(partitions)


def identical_scales(partitions: tuple[Tensor, ...]) -> list[list[int]]:
    """Pairs of scales, in segments per second, at which SLIC gave the same partition."""
    n = len(partitions)
    return [
        [SEGMENTS_PER_S[i], SEGMENTS_PER_S[j]]
        for i in range(n)
        for j in range(i + 1, n)
        if torch.equal(partitions[i], partitions[j])
    ]


def segment_counts(partitions: tuple[Tensor, ...]) -> list[int]:
    """Number of segments of each partition."""
    return [int(partition.max()) + 1 for partition in partitions]


def mask_blocks(n_masks: int, n_scales: int) -> Iterator[tuple[int, int, int]]:
    """Yield (half, scale, number of masks) of each block; scales and halves get equal shares, to within one mask."""
    per_scale = [n_masks // n_scales + (i < n_masks % n_scales) for i in range(n_scales)]
    for scale, total in enumerate(per_scale):
        for half, count in enumerate((total - total // 2, total // 2)):
            for first in range(0, count, BLOCK):
                yield half, scale, min(BLOCK, count - first)


def random_masks(n_masks: int, n_segments: int, p: float, generator: torch.Generator, device: torch.device) -> Tensor:
    """Random masks ``bool[n_masks, n_segments]`` on a device; each segment is hidden with probability ``p``.

    The CPU draws them, so that every device gets the same masks. The copy to a GPU does not wait for its queued work.
    """
    masks = torch.rand(n_masks, n_segments, generator=generator) < p
    return masks.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else masks.to(device)
