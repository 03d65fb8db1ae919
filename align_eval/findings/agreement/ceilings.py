"""Largest agreement that a recipe or a noisy saliency map allows. Imports no torch.

Conventions are those of :mod:`align_eval.findings.agreement.correlation`.

Reference: Spearman 1904 for the limit that an unreliable measure sets.
"""

from __future__ import annotations

import numpy as np

from align_eval.findings.agreement.correlation import Map, Method, Normalisation, agreement


def noise_ceiling(reliability: float) -> float:
    """Largest correlation of a noise-free map with a sampled one: the square root of the sampled map's reliability.

    The reliability is that of split halves (:func:`align_eval.relevance.spes.reliability`). The ceiling holds for
    Pearson's correlation under ``rows``; elsewhere it is a guide. It is 0 where the halves disagree. A deterministic
    source, such as a gradient, has none: two runs of it are equal, which says nothing about noise.
    """
    return float(max(0.0, reliability) ** 0.5)


def faithful_by_construction(
    saliency: Map, normalisation: Normalisation, method: Method, other_half: Map | None = None
) -> float:
    """Correlation over the utterance where the saliency itself takes the place of attention.

    Its rows are scaled to sum to one, like those of attention. The result is 1 under ``rows`` and ``none``. It is less
    under ``paper``, which normalises the two sides differently; no attention can be expected to reach much more.

    Parameters
    ----------
    saliency : float[n_tokens, n_frames]
    normalisation, method
        As in :func:`~align_eval.findings.agreement.correlation.agreement`.
    other_half : float[n_tokens, n_frames], optional
        Map from the other half of the masks. ``saliency``, the map from one half, then takes the place of attention and
        ``other_half`` that of saliency. Noise lowers the result too, and more than in the whole map, since a half is
        noisier.
    """
    total = saliency.sum(axis=1, keepdims=True, dtype=np.float64)
    distribution = np.divide(saliency, total, out=np.zeros(saliency.shape), where=total > 0)
    whole = np.zeros(len(saliency), dtype=np.intp)  # one word: only the correlation over the utterance is used
    return agreement(
        distribution, saliency if other_half is None else other_half, whole, normalisation, method
    ).utterance
