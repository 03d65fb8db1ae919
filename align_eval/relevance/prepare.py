"""Preparation: from a stack of row-normalised maps to the one map that a path is searched in.

The same for attention and saliency, because it can move the error as much as the choice between them does.
"""

from __future__ import annotations

import torch
from torch import Tensor
from whisper.timing import median_filter

from align_eval.relevance.options import Preparation

MEDIAN_WIDTH = 7


def prepare(stack: Tensor, prep: Preparation) -> Tensor:
    """Prepare ``(map, row, frame)`` to ``(row, frame)``, greater meaning more relevant.

    ``zscore-median``
        Each map is standardised per frame over its rows and median-filtered over 7 frames; then the mean over maps
        (openai-whisper, ``timing.find_alignment``).
    ``zscore``
        The same without the filter.
    ``norm``
        Each map's frames are scaled to unit Euclidean norm over its rows; then the mean over maps (Yeh, Meng, Tang
        2025).
    ``mean-norm``
        The mean over maps first, then the same scaling (whisper-timestamped).
    ``mean``
        The mean over maps and no more.
    ``log``
        The mean over maps, rows scaled to sum to one, and its logarithm: the log of a distribution over frames
        (log-softmax of the log saliency; Zeyer et al. 2026).
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
    return mean.clamp_min(torch.finfo(mean.dtype).tiny).log()  # a weight that underflowed to 0 stays the least
