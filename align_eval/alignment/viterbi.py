"""Viterbi search through words in order, with optional silence before, between and after them.

States are silence, the tokens of word 1, silence, the tokens of word 2, ..., silence, end of text. Each token of a word
takes at least one frame; silence and the end of the text can be skipped. The path maximises the sum of state scores
over frames.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from align_eval.alignment.aligner import ViterbiOptions
from align_eval.errors import InputError
from align_eval.records import EOT_WORD, IntVector

FloatVector = npt.NDArray[np.float64]

SILENCE = -1
"""Value of ``row_of_state`` for a silence state."""

ENERGY_FLOOR = 1e-4
"""80 dB below the loudest frame: the level of digital silence, instead of minus infinity."""


def viterbi_token_frames(
    values: npt.NDArray[np.float32],
    word_of_token: IntVector,
    energy: FloatVector,
    options: ViterbiOptions,
) -> tuple[IntVector, float]:
    """Columns of each row on the best path.

    Parameters
    ----------
    values : float32[n_tokens, n_frames]
        The map.
    word_of_token : int32[n_tokens]
        The word of each row.
    energy : float64[n_frames]
        See :func:`~align_eval.alignment.energy.energy_at_columns`.

    Returns
    -------
    token_frames : int32[n_tokens, 2]
        First column of the row and the column after its last; both ``n_frames`` if the end of the text is skipped.
    cost : float
        Minus the score of the path.

    Raises
    ------
    InputError
        If there are fewer frames than text tokens.
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
    is_token = rows != SILENCE  # each token row is one state, in consecutive frames
    token_frames[rows[is_token]] = np.stack([first, first + n_columns], axis=1)[is_token]
    return token_frames, -total


def topology(word_of_token: IntVector) -> tuple[IntVector, npt.NDArray[np.bool_]]:
    """States of a text.

    Returns
    -------
    row_of_state : int32[n_states]
        Row of the map that scores the state, or :data:`SILENCE`.
    skippable : bool[n_states]
    """
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
    """Score of silence at each frame, ``float64[n_frames]``; see :class:`~align_eval.alignment.aligner.ViterbiOptions`.

    Parameters
    ----------
    tokens : float64[n_tokens, n_frames]
        Scores of the tokens.
    energy : float64[n_frames]
    """
    level = options.level
    if options.silence == "constant":
        return np.full(tokens.shape[1], tokens.mean() + level * tokens.std())
    mean = tokens.mean(axis=0)
    if options.silence == "zscore":
        return np.asarray(mean + level * tokens.std(axis=0))
    loudness = energy if options.silence == "energy-std" else np.log(np.maximum(energy, ENERGY_FLOOR))
    constant = np.ptp(loudness) == 0  # by the range, since rounding gives equal values a standard deviation
    standardised = np.zeros_like(loudness) if constant else (loudness - loudness.mean()) / loudness.std()
    reach = tokens.std(axis=0) if options.silence == "energy-std" else tokens.max(axis=0) - mean
    return np.asarray(mean - level * standardised * reach)


def best_path(scores: FloatVector, skippable: npt.NDArray[np.bool_]) -> tuple[IntVector, float]:
    """Best left-to-right path, one state per frame.

    A state follows itself, the state before it, or an earlier state if all states between are skippable. The path
    starts in the first state and ends in the last, or beyond skippable states at either end.

    Parameters
    ----------
    scores : float64[n_states, n_frames]
    skippable : bool[n_states]

    Returns
    -------
    states : int32[n_frames]
    total : float
        Sum of the scores along the path.
    """
    from align_eval.alignment.kernels import best_states

    states, total = best_states(np.ascontiguousarray(scores, dtype=np.float64), skippable)
    return states, float(total)
