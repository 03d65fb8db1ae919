"""Viterbi search through words in order with optional silence between them.

States: silence, the tokens of word 1, silence, the tokens of word 2, ..., silence, end of text. Every token of a word
takes at least one frame; silences and the end of the text may be passed over. The path maximises the sum over frames
of the score of the state that each is in.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from align_eval.alignment.options import ViterbiOptions
from align_eval.errors import InputError
from align_eval.records import EOT_WORD, IntVector

FloatVector = npt.NDArray[np.float64]

SILENCE = -1
"""``row_of_state`` of a silence state."""

ENERGY_FLOOR = 1e-4
"""80 dB below the loudest frame: digital silence counts as that quiet, not as infinitely so."""


def viterbi_token_frames(
    values: npt.NDArray[np.float32],
    word_of_token: IntVector,
    energy: FloatVector,
    options: ViterbiOptions,
) -> tuple[IntVector, float]:
    """Stretch of columns of each row on the best path.

    Returns
    -------
    token_frames : int32[n_tokens, 2]
        First column of the row and the one after its last; both ``n_frames`` where the end of the text took none.
    cost : float
        Minus the score of the path.

    Raises
    ------
    InputError
        Where there are fewer frames than tokens.
    """
    n_tokens, n_frames = values.shape
    if n_frames < n_tokens - 1:
        raise InputError(
            "alignment viterbi",
            f"{n_tokens - 1} tokens do not fit into {n_frames} frames",
            "check that audio and text belong together, or use dtw",
        )
    row_of_state, skippable = topology(word_of_token)
    tokens = values.astype(np.float64)
    if options.loudness:
        from scipy.special import logsumexp

        tokens += options.loudness * np.log(np.maximum(energy, ENERGY_FLOOR))
        tokens -= logsumexp(tokens, axis=1, keepdims=True)
    silence = silence_score(tokens, energy, options)
    scores = np.where((row_of_state == SILENCE)[:, None], silence, tokens[row_of_state])  # (state, frame)
    states, total = best_path(scores, skippable)
    token_frames = np.full((n_tokens, 2), n_frames, dtype=np.int32)
    rows, first, n_columns = np.unique(row_of_state[states], return_index=True, return_counts=True)
    said = rows != SILENCE  # a row is one state, and a state one stretch
    token_frames[rows[said]] = np.stack([first, first + n_columns], axis=1)[said]
    return token_frames, -total


def topology(word_of_token: IntVector) -> tuple[IntVector, npt.NDArray[np.bool_]]:
    """States of a text: the map row that each scores (or :data:`SILENCE`), and whether it may be passed over."""
    rows: list[int] = []
    previous = None
    for row, word in enumerate(word_of_token):
        if word != previous:
            rows.append(SILENCE)
        rows.append(row)
        previous = word
    row_of_state = np.array(rows, dtype=np.int32)
    return row_of_state, (row_of_state == SILENCE) | (row_of_state == np.flatnonzero(word_of_token == EOT_WORD)[0])


def silence_score(tokens: FloatVector, energy: FloatVector, options: ViterbiOptions) -> FloatVector:
    """Score of silence at each frame, ``(n_frames,)``; see :class:`~align_eval.alignment.options.ViterbiOptions`."""
    level = options.level
    if options.silence == "constant":
        return np.full(tokens.shape[1], tokens.mean() + level * tokens.std())
    mean = tokens.mean(axis=0)
    if options.silence == "zscore":
        return np.asarray(mean + level * tokens.std(axis=0))
    loudness = energy if options.silence == "energy-std" else np.log(np.maximum(energy, ENERGY_FLOOR))
    even = np.ptp(loudness) == 0  # asked of the range: rounding gives equal values a standard deviation
    standardised = np.zeros_like(loudness) if even else (loudness - loudness.mean()) / loudness.std()
    reach = tokens.std(axis=0) if options.silence == "energy-std" else tokens.max(axis=0) - mean
    return np.asarray(mean - level * standardised * reach)


def best_path(scores: FloatVector, skippable: npt.NDArray[np.bool_]) -> tuple[IntVector, float]:
    """Best left-to-right path, one state a frame.

    A state follows itself, the one before it, or an earlier one if all between are skippable; the path starts in the
    first state and ends in the last, or past skippable ones there.

    Parameters
    ----------
    scores : float64[n_states, n_frames]

    Returns
    -------
    states : int32[n_frames]
    total : float
    """
    from align_eval.alignment.kernels import best_states

    states, total = best_states(np.ascontiguousarray(scores, dtype=np.float64), skippable)
    return states, float(total)
