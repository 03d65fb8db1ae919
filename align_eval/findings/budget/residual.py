"""Residual injection: what attention lacks of saliency, given back to it, and placebos of the same kind. Torch-free.

Conventions. A map is float64 ``(token, frame)``: the logarithm of a distribution over frames for each token, the end of
the text as its last row, as ``prep=log`` makes it. The *residual* R of a token is what is left of its log saliency over
frames after the line in log attention that fits it best: the part of saliency that no temperature of attention holds.
An arm is ``log A + lambda R``, and ``lambda = 0`` is attention itself, byte for byte.

An arm's rows no longer sum to one. That is meant: R has mean zero, so no row of ``log A`` gains or loses on average
over frames. Whoever wants distributions, as a path whose rows must weigh the same does, puts all arms through
:func:`normalised`.

Each placebo keeps something of the residual and loses what it is believed to bring:

rolled
    R moved in time, all tokens together: its values and its agreement between tokens, at the wrong times.
other token
    R of another token of the utterance: what is common to the utterance's tokens, nothing of the token itself.
random weights
    ``residual(log A, log S)`` with the saliency S of a model that learnt nothing: what audio and architecture bring. It
    is as large as that model's saliency makes it, which is not as large as R.
sharpened
    No R at all, only attention at the temperature that gives it the entropy of the injected map.

References: Frisch, Waugh 1933 for the residual of a regression as a part of its own.
"""

from __future__ import annotations

import math

import numpy as np

from align_eval.scoring.boundaries import Floats

LAMBDAS = (0.0, 0.25, 0.5, 1.0)
"""How much of the residual is given back."""

LEAST_ROLL_S = 0.2
"""A roll moves the residual at least so far either way: about a word, so that no token meets its own part again."""

ENTROPY_TOLERANCE = 1e-9
"""How near, in nats, a sharpened map comes to the entropy that it is to have."""


def residual(log_attention: Floats, log_saliency: Floats) -> Floats:
    """What attention lacks of saliency: ``log S - (a + b log A)``, a and b by least squares over each token's frames.

    Parameters
    ----------
    log_attention, log_saliency : float64[token, frame]

    Returns
    -------
    float64[token, frame]
        Of mean zero over a token's frames and uncorrelated with its log attention. Where attention is constant over
        frames there is no slope, and b is 0.

    Raises
    ------
    ValueError
        Where the two are not of one shape.
    """
    if log_attention.shape != log_saliency.shape:
        raise ValueError(f"saliency {log_saliency.shape} is not of attention's shape {log_attention.shape}")
    x = log_attention - log_attention.mean(axis=1, keepdims=True)
    y = log_saliency - log_saliency.mean(axis=1, keepdims=True)
    varies = np.ptp(log_attention, axis=1) > 0
    slope = np.divide((x * y).sum(axis=1), (x * x).sum(axis=1), out=np.zeros(len(x)), where=varies)
    return np.asarray(y - slope[:, None] * x)


def injected(log_attention: Floats, residual: Floats, amount: float) -> Floats:
    """``log A + amount * R``, ``(token, frame)``; attention itself, the same bytes, for an amount of 0."""
    return log_attention.copy() if amount == 0 else log_attention + amount * residual


def rolled(residual: Floats, frame_s: float, rng: np.random.Generator) -> Floats:
    """The residual moved in time, what leaves at one end coming in at the other: one random shift for all tokens.

    The shift is at least :data:`LEAST_ROLL_S` either way round, all such shifts being as likely. An utterance too short
    for one (under twice that) is moved by half its frames, as far as it can be; one of a single frame stays.
    """
    n_frames = residual.shape[1]
    least = math.ceil(round(LEAST_ROLL_S / frame_s, 6))  # 0.2 / 0.02 is to be 10 whatever the rounding
    shift = n_frames // 2 if n_frames < 2 * least else int(rng.integers(least, n_frames - least + 1))
    return np.roll(residual, shift, axis=1)


def of_other_tokens(residual: Floats, seed: int) -> Floats:
    """The residual's rows dealt out in one random cycle through all of them: no token keeps its own.

    The end of the text takes part: it is a row of the path like the others, its own residual would leave the placebo
    the true end of the last word, and an utterance of one token has no other to swap with.

    Raises
    ------
    ValueError
        Where there is one row: it has no other.
    """
    n_rows = len(residual)
    if n_rows < 2:
        raise ValueError("a map of one row has no other token's residual")
    order = np.random.default_rng(seed).permutation(n_rows)
    row_of = np.empty(n_rows, dtype=np.int64)
    row_of[order] = np.roll(order, 1)
    return residual[row_of]


def as_large(residual: Floats, like: Floats) -> Floats:
    """The residual with each row's standard deviation that of the same row of another; a row of zeros stays."""
    own, wanted = residual.std(axis=1, keepdims=True), like.std(axis=1, keepdims=True)
    return np.asarray(residual * np.divide(wanted, own, out=np.zeros_like(own), where=own > 0))


def normalised(log_map: Floats) -> Floats:
    """Rows shifted so that their exponentials sum to one, ``(token, frame)``."""
    shifted = log_map - log_map.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def entropy(log_map: Floats) -> Floats:
    """Entropy over frames of each row, normalised first, in nats, ``(token,)``."""
    log_p = normalised(log_map)
    return -np.asarray((np.exp(log_p) * log_p).sum(axis=1))


def sharpened(log_attention: Floats, like: Floats) -> Floats:
    """Attention at the temperature at which its mean entropy over rows is that of another map.

    ``log A`` times one factor for all rows, above 1 to sharpen and below 1 to flatten, and normalised. The mean entropy
    falls as the factor grows, from the logarithm of the number of frames at 0; bisection finds the factor to within
    :data:`ENTROPY_TOLERANCE`.

    Parameters
    ----------
    log_attention, like : float64[token, frame]
        The rows of ``like`` are normalised before their entropy is taken.

    Returns
    -------
    float64[token, frame]

    Raises
    ------
    ValueError
        Where no factor sharpens so far, since rows of attention have several equal maxima.
    """
    target = float(entropy(like).mean())
    below_max = log_attention - log_attention.max(axis=1, keepdims=True)  # a large factor then keeps its precision

    def excess(factor: float) -> float:
        return float(entropy(factor * below_max).mean()) - target

    low, high = 0.0, 1.0
    while (left := excess(high)) > ENTROPY_TOLERANCE:
        low, high = high, 2 * high
        if high > 2.0**64:  # float64 tells no two maxima apart that this leaves equal
            raise ValueError(f"no temperature brings attention to an entropy of {target:.3g} nats: {left:.3g} are left")
    factor = high
    while abs(left) > ENTROPY_TOLERANCE:
        factor = (low + high) / 2
        left = excess(factor)
        low, high = (factor, high) if left > 0 else (low, factor)
    return normalised(factor * below_max)


def arms(
    log_attention: Floats,
    log_saliency: Floats,
    log_saliency_random_weights: Floats | None,
    frame_s: float,
    seed: int,
) -> dict[tuple[str, float], Floats]:
    """Every arm of the experiment on one utterance.

    Parameters
    ----------
    log_attention, log_saliency : float64[token, frame]
    log_saliency_random_weights : float64[token, frame] or None
        The saliency of a model with random weights for the same tokens and frames; None leaves its arm out.
    frame_s : float
        Seconds a frame.
    seed : int
        Of the shift and of the cycle, one of each for all lambdas: give each utterance its own.

    Returns
    -------
    dict
        From (arm, lambda) to a map ``(token, frame)``: ``("attention", 0.0)``, and for every other lambda of
        :data:`LAMBDAS` the arms ``real``, ``rolled``, ``other token``, ``random weights`` and ``sharpened``. Rows
        of all are normalised, since the level of a row moves the path; the residual of random weights is as large as
        the real one.
    """
    real = residual(log_attention, log_saliency)
    residuals = {
        "real": real,
        "rolled": rolled(real, frame_s, np.random.default_rng((seed, 1))),  # a stream of its own beside the cycle's
        "other token": of_other_tokens(real, seed),
    }
    if log_saliency_random_weights is not None:
        residuals["random weights"] = as_large(residual(log_attention, log_saliency_random_weights), real)
    found = {("attention", 0.0): injected(log_attention, real, 0.0)}
    for amount in LAMBDAS[1:]:
        found |= {(arm, amount): normalised(injected(log_attention, r, amount)) for arm, r in residuals.items()}
        found["sharpened", amount] = sharpened(log_attention, found["real", amount])
    return found
