"""Arms of residual injection as arrays: the residual of saliency given attention, and its placebos. Imports no torch.

Conventions. A map is float64 ``(token, frame)``: for each token the logarithm of a distribution over frames, with the
end of the text as last row, as ``prep=log`` makes it. The *residual* R of a token is its log saliency over frames minus
the least-squares line in its log attention: the part of saliency that attention holds at no temperature. An arm is
``log A + lambda R``; ``lambda = 0`` is attention itself, byte for byte.

R has mean zero over frames, so that adding it moves no row of ``log A`` as a whole. The rows of the sum are no longer
distributions; :func:`normalised` makes them so, as a path needs whose rows must have equal weight.

Each placebo keeps some properties of the residual and destroys the information that it is thought to add:

rolled
    R moved in time, all tokens together. It keeps the values and the similarity of tokens, at wrong times.
other token
    R of another token of the utterance. It keeps what all tokens share and destroys what belongs to the token.
random weights
    ``residual(log A, log S)`` with the saliency S of a model with random weights, scaled to the standard deviations of
    R. It keeps the effect of audio and architecture.
sharpened
    No R at all, but attention at the temperature at which it has the entropy of the injected map.

References: Frisch, Waugh 1933 for the residual of a regression as a variable.
"""

from __future__ import annotations

import math

import numpy as np

from align_eval.relevance.injection import injected, normalised, rescaled, residual
from align_eval.scoring.boundaries import Floats

LAMBDAS = (0.0, 0.25, 0.5, 1.0)
"""Factors of the residual."""

LEAST_ROLL_S = 0.2
"""Least shift of a roll in either direction: about the length of a word, so that no token keeps its own part."""

ENTROPY_TOLERANCE = 1e-9
"""Largest difference, in nats, between the entropy of a sharpened map and its target."""


def rolled(residual: Floats, frame_s: float, rng: np.random.Generator) -> Floats:
    """The residual rotated in time by one random shift for all tokens.

    All shifts of at least :data:`LEAST_ROLL_S` in either direction are equally likely. An utterance that is too short
    for one (under twice that) is shifted by half its frames, the largest shift that it allows; a single frame stays.

    Parameters
    ----------
    residual : float64[n_tokens, n_frames]
    frame_s
        Seconds per frame.
    rng
        Source of the shift.
    """
    n_frames = residual.shape[1]
    least = math.ceil(round(LEAST_ROLL_S / frame_s, 6))  # 0.2 / 0.02 must give 10 despite rounding
    shift = n_frames // 2 if n_frames < 2 * least else int(rng.integers(least, n_frames - least + 1))
    return np.roll(residual, shift, axis=1)


def permuted_tokens(residual: Floats, seed: int) -> Floats:
    """Rows of the residual moved along one random cycle through all of them, so that no token keeps its own.

    The end of the text takes part, because it is a row of the path like the others: its own residual would leave the
    placebo the true end of the last word, and an utterance of one token would have no other row to swap with.

    Raises
    ------
    ValueError
        Where there is a single row.
    """
    n_rows = len(residual)
    if n_rows < 2:
        raise ValueError("a map of one row has no other token's residual")
    order = np.random.default_rng(seed).permutation(n_rows)
    row_of = np.empty(n_rows, dtype=np.int64)
    row_of[order] = np.roll(order, 1)
    return residual[row_of]


def entropy(log_map: Floats) -> Floats:
    """Entropy over frames of each row after normalisation, float64[n_tokens] in nats."""
    log_p = normalised(log_map)
    return -np.asarray((np.exp(log_p) * log_p).sum(axis=1))


def sharpened(log_attention: Floats, like: Floats) -> Floats:
    """Attention at the temperature at which its mean entropy over rows equals that of another map.

    The result is ``log A`` times one factor for all rows, above 1 to sharpen and below 1 to flatten, normalised. The
    mean entropy falls as the factor grows; at 0 it is the logarithm of the number of frames. Bisection finds the factor
    to within :data:`ENTROPY_TOLERANCE`.

    Parameters
    ----------
    log_attention, like : float64[n_tokens, n_frames]
        The entropy of ``like`` is that of its normalised rows.

    Returns
    -------
    float64[n_tokens, n_frames]

    Raises
    ------
    ValueError
        Where no factor reaches the entropy, because rows of attention have several equal maxima.
    """
    target = float(entropy(like).mean())
    below_max = log_attention - log_attention.max(axis=1, keepdims=True)  # keeps precision under a large factor

    def excess(factor: float) -> float:
        return float(entropy(factor * below_max).mean()) - target

    low, high = 0.0, 1.0
    while (difference := excess(high)) > ENTROPY_TOLERANCE:
        low, high = high, 2 * high
        if high > 2.0**64:  # maxima that are still equal under this factor are equal in float64
            problem = f"no temperature brings attention to an entropy of {target:.3g} nats"
            raise ValueError(f"{problem}: {difference:.3g} are left")
    factor = high
    while abs(difference) > ENTROPY_TOLERANCE:
        factor = (low + high) / 2
        difference = excess(factor)
        low, high = (factor, high) if difference > 0 else (low, factor)
    return normalised(factor * below_max)


def arms(
    log_attention: Floats,
    log_saliency: Floats,
    log_saliency_random_weights: Floats | None,
    frame_s: float,
    seed: int,
) -> dict[tuple[str, float], Floats]:
    """Maps of every arm of the experiment for one utterance.

    Parameters
    ----------
    log_attention, log_saliency : float64[n_tokens, n_frames]
    log_saliency_random_weights : float64[n_tokens, n_frames] or None
        Saliency of a model with random weights for the same tokens and frames. None leaves its arm out.
    frame_s
        Seconds per frame.
    seed
        Seed of the shift and of the cycle, which all lambdas share. Use another seed for each utterance.

    Returns
    -------
    dict
        From (arm, lambda) to float64[n_tokens, n_frames]: ``("attention", 0.0)``, and for every other lambda of
        :data:`LAMBDAS` the arms ``real``, ``rolled``, ``other token``, ``random weights`` and ``sharpened``. The rows
        of all are normalised, because the level of a row moves the path.
    """
    real = residual(log_attention, log_saliency)
    residuals = {
        "real": real,
        "rolled": rolled(real, frame_s, np.random.default_rng((seed, 1))),  # independent of the cycle's generator
        "other token": permuted_tokens(real, seed),
    }
    if log_saliency_random_weights is not None:
        residuals["random weights"] = rescaled(residual(log_attention, log_saliency_random_weights), real)
    maps = {("attention", 0.0): injected(log_attention, real, 0.0)}
    for amount in LAMBDAS[1:]:
        maps |= {(arm, amount): normalised(injected(log_attention, r, amount)) for arm, r in residuals.items()}
        maps["sharpened", amount] = sharpened(log_attention, maps["real", amount])
    return maps
