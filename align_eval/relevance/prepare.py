"""Preparation: from a stack of row-normalised maps to the one map in which a path is searched.

Attention and saliency use the same preparation, because it can change the error as much as the choice between them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from whisper.timing import median_filter

from align_eval.relevance.options import Preparation
from align_eval.relevance.stack import shares

MEDIAN_WIDTH = 7

ROUNDING = 1e-6
"""A standard deviation below this share of the mean is rounding, not spread."""


def prepare(stack: Tensor, prep: Preparation) -> Tensor:
    """Reduce maps ``(map, row, frame)`` to one map ``(row, frame)``; greater values are more relevant.

    Values without spread become zero or flat: a frame whose rows are all equal is 0 after standardising, a frame of
    zeros stays 0 under a norm, and a row of zeros becomes flat before its logarithm. Audio of a single frame is the
    common case.

    ``zscore-median``
        Standardise each map per frame over its rows, median-filter it over 7 frames, and take the mean over maps
        (openai-whisper, ``timing.find_alignment``).
    ``zscore``
        As ``zscore-median``, without the filter.
    ``norm``
        Scale each frame of each map to unit Euclidean norm over rows, and take the mean over maps (Yeh, Meng, Tang
        2025).
    ``mean-norm``
        Take the mean over maps, then scale as ``norm`` (whisper-timestamped).
    ``mean``
        Take the mean over maps.
    ``log``
        Take the mean over maps, scale rows to sum to one, and take the logarithm (log-softmax of the log saliency;
        Zeyer et al. 2026).
    """
    if prep in ("zscore-median", "zscore"):
        std, mean = torch.std_mean(stack, dim=-2, keepdim=True, unbiased=False)
        standardised = (stack - mean) / std.masked_fill(std <= ROUNDING * mean.abs(), torch.inf)
        filtered: Tensor = median_filter(standardised, MEDIAN_WIDTH) if prep == "zscore-median" else standardised
        return filtered.mean(dim=0)
    if prep == "norm":
        return _unit_frames(stack).mean(dim=0)
    mean = stack.mean(dim=0)
    if prep == "mean":
        return mean
    if prep == "mean-norm":
        return _unit_frames(mean)
    # a weight that underflowed to 0 stays the smallest
    return shares(mean).clamp_min(torch.finfo(mean.dtype).tiny).log()


def _unit_frames(values: Tensor) -> Tensor:
    """Scale each frame of ``(..., row, frame)`` to unit Euclidean norm over rows; a frame of zeros stays zero."""
    norm = torch.linalg.vector_norm(values, dim=-2, keepdim=True)
    scaled: Tensor = values / norm.masked_fill(norm == 0, torch.inf)
    return scaled
