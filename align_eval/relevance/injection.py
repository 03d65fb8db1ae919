"""Injection of saliency into attention, on arrays: what saliency shows and attention lacks. Imports no torch.

Conventions. A map is float64 ``(token, frame)``: for each token the logarithm of a distribution over frames, with the
end of the text as last row, as ``prep=log`` makes it. The *residual* R of a token is its log saliency over frames minus
the least-squares line in its log attention, the part of saliency that attention holds at no temperature, scaled to the
standard deviation of that row of log attention. The injected map is ``log A + amount R``, its rows normalised.

R has mean zero over frames, so that adding it moves no row of ``log A`` as a whole. The rows of the sum are no longer
distributions; :func:`normalised` makes them so, as a path needs whose rows must have equal weight.

References: Frisch, Waugh 1933 for the residual of a regression as a variable.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ROUNDING = 1e-5
"""A residual whose standard deviation is below this share of the log saliency's is rounding of float32, not signal."""


def scaled_residual(log_attention: Floats, log_saliency: Floats) -> Floats:
    """The residual with the standard deviation of each row set to that of log attention, float64[n_tokens, n_frames].

    A row whose residual is nothing but rounding, because saliency is attention at some temperature, becomes zeros.
    """
    lacking = residual(log_attention, log_saliency)
    is_signal = lacking.std(axis=1) > ROUNDING * log_saliency.std(axis=1)
    return rescaled(np.where(is_signal[:, None], lacking, 0.0), log_attention)


def residual(log_attention: Floats, log_saliency: Floats) -> Floats:
    """Part of log saliency that log attention does not explain: ``log S - (a + b log A)``.

    Least squares over each token's frames give a and b.

    Parameters
    ----------
    log_attention, log_saliency : float64[n_tokens, n_frames]

    Returns
    -------
    float64[n_tokens, n_frames]
        Each row has mean zero and is uncorrelated with its log attention. Where attention is constant over frames,
        b is 0.

    Raises
    ------
    ValueError
        Where the shapes differ.
    """
    if log_attention.shape != log_saliency.shape:
        raise ValueError(f"saliency {log_saliency.shape} is not of attention's shape {log_attention.shape}")
    x = log_attention - log_attention.mean(axis=1, keepdims=True)
    y = log_saliency - log_saliency.mean(axis=1, keepdims=True)
    varies = np.ptp(log_attention, axis=1) > 0
    slope = np.divide((x * y).sum(axis=1), (x * x).sum(axis=1), out=np.zeros(len(x)), where=varies)
    return np.asarray(y - slope[:, None] * x)


def injected(log_attention: Floats, residual: Floats, amount: float) -> Floats:
    """``log A + amount * R``, float64[n_tokens, n_frames]; for an amount of 0 the bytes of attention."""
    return log_attention.copy() if amount == 0 else log_attention + amount * residual


def rescaled(residual: Floats, like: Floats) -> Floats:
    """The residual with the standard deviation of each row set to that of the same row of ``like``; zeros stay."""
    std, target = residual.std(axis=1, keepdims=True), like.std(axis=1, keepdims=True)
    return np.asarray(residual * np.divide(target, std, out=np.zeros_like(std), where=std > 0))


def normalised(log_map: Floats) -> Floats:
    """Rows shifted so that their exponentials sum to one, float64[n_tokens, n_frames]."""
    shifted = log_map - log_map.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
