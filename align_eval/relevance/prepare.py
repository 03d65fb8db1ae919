"""Preparation: from a stack of row-normalised maps to the one map in which a path is searched.

Attention and saliency use the same preparation, because it can change the error as much as the choice between them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from whisper.timing import median_filter

from align_eval.relevance.options import Preparation

MEDIAN_WIDTH = 7


def prepare(stack: Tensor, prep: Preparation) -> Tensor:
    """Reduce maps ``(map, row, frame)`` to one map ``(row, frame)``; greater values are more relevant.

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
        standardised = (stack - mean) / std
        filtered: Tensor = median_filter(standardised, MEDIAN_WIDTH) if prep == "zscore-median" else standardised
        return filtered.mean(dim=0)
    if prep == "norm":
        scaled: Tensor = stack / torch.linalg.vector_norm(stack, dim=-2, keepdim=True)
        return scaled.mean(dim=0)
    if prep in ("mean-norm", "mean"):
        mean = stack.mean(dim=0)
        return mean / torch.linalg.vector_norm(mean, dim=-2, keepdim=True) if prep == "mean-norm" else mean
    mean = stack.mean(dim=0)
    mean = mean / mean.sum(dim=-1, keepdim=True)
    return mean.clamp_min(torch.finfo(mean.dtype).tiny).log()  # a weight that underflowed to 0 stays the smallest
