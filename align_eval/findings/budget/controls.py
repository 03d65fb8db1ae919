"""Controls of residual injection as arrays: additions to attention that show what else a gain can come from. No torch.

Conventions are those of :mod:`align_eval.relevance.injection`: a map is float64 ``(token, frame)`` of log shares. The
*residual* R of a saliency S is the part of log S that log attention A does not explain, scaled to the spread of A. The
injected map is ``log A + amount R``, its rows normalised, at the same amounts for S and for every control. Every
control can win:

other heads
    R of the mean of the heads outside A. Where they restore as much, attention was not read well enough.
smoothed
    R of A itself after smoothing in time: what lies between a frame and its neighbours.
row spreads
    A with the spread of each row of the injected map, and no R. Spread is the entropy of a row over frames. Standard
    deviations of log rows cannot serve. R is uncorrelated with A and as large, so that they grow by the same factor in
    every row, ``sqrt(1 + amount^2)``: one temperature for all rows, which hardly moves a path.
other token
    R of another token, scaled to this one's row. It keeps what all tokens share and loses what belongs to the token.
rolled
    R moved in time, all tokens together. It keeps the values of R and the similarity of tokens, at wrong times.

The last two destroy timing. They tell how much harm or help any addition of this size does. A control counts only if it
moves as many boundaries as the saliency does; the budget reports whether it does.
"""

from __future__ import annotations

import math

import numpy as np

from align_eval.relevance.injection import Floats, injected, normalised, rescaled, scaled_residual
from align_eval.systems import AMOUNTS

ATTENTION, SALIENCY = "attention", "saliency"
OTHER_HEADS, ROW_SPREADS, OTHER_TOKEN, ROLLED = "other heads", "row spreads", "other token", "rolled"
SMOOTHED = {frames: f"smoothed, {frames} frame{'s' * (frames > 1)}" for frames in (1, 2, 4)}
"""Names of the smoothed controls by the standard deviation of the kernel in frames."""

LEAST_ROLL_S = 0.2
"""Least shift of a roll in either direction: about the length of a word, so that no token keeps its own part."""

LARGEST_TEMPERATURE = 20
"""Rows are sharpened or flattened by a factor of at most 2 to this power."""

N_BISECTIONS = 40


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
    control the true end of the last word, and an utterance of one token would have no other row to swap with.

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


def smoothed(log_map: Floats, sd_frames: float) -> Floats:
    """A map smoothed in time by a Gaussian kernel, which is symmetric, float64[n_tokens, n_frames].

    Shares are smoothed, not their logarithms. The kernel is reflected at both ends, so that rows still sum to one.
    """
    from scipy.ndimage import gaussian_filter1d

    shares = gaussian_filter1d(np.exp(normalised(log_map)), sd_frames, axis=1, mode="reflect")
    return normalised(np.log(np.maximum(shares, np.finfo(np.float32).tiny)))


def entropy(log_map: Floats) -> Floats:
    """Entropy over frames of each row after normalisation, float64[n_tokens] in nats."""
    log_p = normalised(log_map)
    return -np.asarray((np.exp(log_p) * log_p).sum(axis=1))


def with_row_spreads(log_map: Floats, like: Floats) -> Floats:
    """A map whose rows are each brought to the entropy of the same row of another map, by a temperature of their own.

    The entropy of a row falls as its temperature factor grows, so that bisection finds it. Where no factor within
    :data:`LARGEST_TEMPERATURE` reaches the entropy, as in a row with two equal maxima, the row gets the nearest.

    Parameters
    ----------
    log_map, like : float64[n_tokens, n_frames]

    Returns
    -------
    float64[n_tokens, n_frames]
        Rows normalised.
    """
    target = entropy(like)
    below_max = log_map - log_map.max(axis=1, keepdims=True)  # keeps precision under a large factor
    low = np.full(len(log_map), -float(LARGEST_TEMPERATURE))
    high = -low
    for _ in range(N_BISECTIONS):
        power = (low + high) / 2
        too_flat = entropy(below_max * 2.0 ** power[:, None]) > target
        low, high = np.where(too_flat, power, low), np.where(too_flat, high, power)
    return normalised(below_max * 2.0 ** ((low + high) / 2)[:, None])


def arms(
    log_attention: Floats, log_saliency: Floats, log_others: Floats | None, frame_s: float, seed: int
) -> dict[tuple[str, float], Floats]:
    """Maps of attention, of the saliency and of every control at every amount, for one utterance.

    Parameters
    ----------
    log_attention, log_saliency : float64[n_tokens, n_frames]
    log_others : float64[n_tokens, n_frames] or None
        Mean of the heads outside attention's; None where there are none.
    frame_s
        Seconds per frame.
    seed
        Seed of the shift and of the cycle, which all amounts share. Use another seed for each utterance.

    Returns
    -------
    dict
        From (arm, amount) to float64[n_tokens, n_frames], rows normalised: ``("attention", 0.0)``, and every other arm
        at each of :data:`~align_eval.systems.AMOUNTS`.
    """
    lacking = scaled_residual(log_attention, log_saliency)
    residuals = {SALIENCY: lacking}
    if log_others is not None:
        residuals[OTHER_HEADS] = scaled_residual(log_attention, log_others)
    for frames, name in SMOOTHED.items():
        residuals[name] = scaled_residual(log_attention, smoothed(log_attention, frames))
    residuals[OTHER_TOKEN] = rescaled(permuted_tokens(lacking, seed), log_attention)
    residuals[ROLLED] = rolled(lacking, frame_s, np.random.default_rng((seed, 1)))  # independent of the cycle's
    maps = {(ATTENTION, 0.0): injected(log_attention, lacking, 0.0)}
    for amount in AMOUNTS:
        maps |= {(arm, amount): normalised(injected(log_attention, r, amount)) for arm, r in residuals.items()}
        maps[ROW_SPREADS, amount] = with_row_spreads(log_attention, maps[SALIENCY, amount])
    return maps
