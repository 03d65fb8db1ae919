"""Entropy of a map, and coverage: the share of saliency where attention is. Imports no torch.

Conventions are those of :mod:`align_eval.findings.agreement.correlation`.
"""

from __future__ import annotations

import numpy as np

from align_eval.findings.agreement.correlation import Map
from align_eval.scoring.boundaries import Floats

MASS = 0.9
"""Share of a token's attention that marks the frames whose saliency is summed."""


def relevance_coverage(attention: Map, saliency: Map, mass: float = MASS) -> Floats:
    """Share of each token's saliency inside the fewest frames that hold ``mass`` of its attention.

    Frames are taken by falling attention, equal ones in order of time. Flat attention holds its mass in many frames
    and therefore covers much: read coverage beside the :func:`entropy` of attention.

    Parameters
    ----------
    attention, saliency : float[n_tokens, n_frames]
    mass : float
        Above 0 and at most 1.

    Returns
    -------
    float64[n_tokens]

    Raises
    ------
    ValueError
        Where ``mass`` is out of range.
    """
    if not 0 < mass <= 1:
        raise ValueError(f"a mass of {mass} is not above 0 and at most 1")
    order = np.argsort(-attention.astype(np.float64), axis=1, kind="stable")
    cumulative = np.cumsum(np.take_along_axis(attention, order, axis=1), axis=1, dtype=np.float64)
    before = np.pad(cumulative[:, :-1], ((0, 0), (1, 0)))
    rounding = attention.shape[1] * np.finfo(np.float64).eps  # nine tenths of ten equal frames are nine frames
    inside = before < (mass - rounding) * cumulative[:, -1:]
    ordered = np.take_along_axis(saliency, order, axis=1).astype(np.float64)
    return np.asarray((ordered * inside).sum(axis=1) / ordered.sum(axis=1))


def entropy(rows: Map) -> Floats:
    """Entropy of each row in nats, with 0 log 0 = 0: float64[n_tokens], from 0 to log n_frames."""
    p = rows.astype(np.float64)
    return np.asarray(-(p * np.log(p, out=np.zeros_like(p), where=p > 0)).sum(axis=1) + 0.0)  # -0 becomes 0
