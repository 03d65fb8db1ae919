"""Path with silence: the words in order, with optional silence before, between and after them.

States are silence, those of word 1, silence, those of word 2, ..., silence, end of text, silence. Each state of a token
takes at least one frame. Silence can be skipped, and a path may end with the last word or anywhere after it. The score
of a path is the sum of its states' scores over frames. :func:`token_frames_of` finds the best path;
:func:`median_columns` weighs all paths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from align_eval.alignment.aligner import ViterbiOptions
from align_eval.alignment.silence import ENERGY_FLOOR, relative_loudness, silence_score
from align_eval.errors import InputError
from align_eval.records import IntVector

FloatVector = npt.NDArray[np.float64]

SILENCE = -1
"""Value of ``row_of_state`` for a silence state."""

N_FINAL = 4
"""States in which a path may end: the last one of the last word, silence, the end of the text, silence."""

LOUD = 0.5
"""Relative loudness above which a frame counts as speech."""

FRAMES_PER_LETTER = 2
"""Speech with fewer loud frames per letter than this (25 letters a second) gets fewer states than letters."""


@dataclass(frozen=True, slots=True)
class States:
    """States of a text and their scores.

    Attributes
    ----------
    scores : float64[n_states, n_frames]
    row_of_state : int32[n_states]
        Row of the map that scores the state, or :data:`SILENCE`.
    skippable : bool[n_states]
        True for silence.
    """

    scores: FloatVector
    row_of_state: IntVector
    skippable: npt.NDArray[np.bool_]


def make_states(
    values: npt.NDArray[np.float32],
    word_of_token: IntVector,
    energy: FloatVector,
    options: ViterbiOptions,
    letters: IntVector | None = None,
) -> States:
    """Make the states of a text and score them at every frame.

    Parameters
    ----------
    values : float32[n_tokens, n_frames]
        The map.
    word_of_token : int32[n_tokens]
        The word of each row.
    energy : float64[n_frames]
        See :func:`~align_eval.alignment.energy.energy_at_columns`.
    options : ViterbiOptions
    letters : int32[n_tokens], optional
        Number of letters of each row; without it, or with ``states=token``, a row has one state.

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
    letters = letters if options.states == "letter" else None
    loudness = relative_loudness(energy) if letters is not None or options.silence == "levels" else None
    n_states = np.ones(n_tokens, dtype=np.int64)
    if letters is not None and loudness is not None:
        n_states = states_of_letters(letters, int((loudness >= LOUD).sum()), n_frames)
    row_of_state, skippable = topology(word_of_token, n_states)
    tokens = values.astype(np.float64)
    if options.loudness:
        from scipy.special import logsumexp

        tokens += options.loudness * np.log(np.maximum(energy, ENERGY_FLOOR))
        tokens -= logsumexp(tokens, axis=1, keepdims=True)
    silence = silence_score(tokens, energy, options, loudness)
    scores = np.where((row_of_state == SILENCE)[:, None], silence, tokens[row_of_state])
    return States(scores, row_of_state, skippable)


def states_of_letters(letters: IntVector, n_loud: int, n_frames: int) -> npt.NDArray[np.int64]:
    """Number of states of each row: one per letter, at least one; in fast speech one per 2, 4, 8, ... letters.

    A chain of n states that are passed in order takes at least n frames, and about a multiple of n frames most
    probably, since there are then the most ways to divide them. Longer words are so expected to take longer.

    Parameters
    ----------
    letters : int32[n_rows]
        The last row is the end of the text, which has one state.
    n_loud : int
        Number of loud frames, which added silence does not change.
    n_frames : int
        Number of all frames, into which the states of the text must fit.

    Returns
    -------
    int64[n_rows]
    """
    of_text = letters[:-1]
    letters_per_state = 1
    while True:
        n_states = np.maximum(1, of_text // letters_per_state)
        fits = n_states.sum() <= n_frames and n_loud * letters_per_state >= FRAMES_PER_LETTER * of_text.sum()
        if fits or letters_per_state > of_text.max(initial=0):
            return np.append(n_states, 1).astype(np.int64)
        letters_per_state *= 2


def topology(
    word_of_token: IntVector, n_states: npt.NDArray[np.int64] | None = None
) -> tuple[IntVector, npt.NDArray[np.bool_]]:
    """States of a text.

    Parameters
    ----------
    word_of_token : int32[n_tokens]
    n_states : int64[n_tokens], optional
        Number of states of each row, by default one.

    Returns
    -------
    row_of_state : int32[n_states]
        Row of the map that scores the state, or :data:`SILENCE`.
    skippable : bool[n_states]
        True for silence. The end of the text is none: else two paths could differ in nothing but the silence in which
        they wait, and count twice.
    """
    rows: list[int] = []
    previous = None
    for row, word in enumerate(word_of_token):
        if word != previous:
            rows.append(SILENCE)
        rows += [row] * (1 if n_states is None else int(n_states[row]))
        previous = word
    row_of_state = np.array([*rows, SILENCE], dtype=np.int32)
    return row_of_state, row_of_state == SILENCE


def token_frames_of(states: States, n_tokens: int) -> tuple[IntVector, float]:
    """Columns of each row on the best path.

    Parameters
    ----------
    states : States
    n_tokens : int
        Number of rows of the map.

    Returns
    -------
    token_frames : int32[n_tokens, 2]
        First column of the row and the column after its last; both ``n_frames`` if the end of the text is skipped.
    cost : float
        Minus the score of the path.
    """
    n_frames = states.scores.shape[1]
    path, total = best_path(states.scores, states.skippable, N_FINAL)
    token_frames = np.full((n_tokens, 2), n_frames, dtype=np.int32)
    rows, first, n_columns = np.unique(states.row_of_state[path], return_index=True, return_counts=True)
    is_token = rows != SILENCE  # the states of a row follow each other, in consecutive frames
    token_frames[rows[is_token]] = np.stack([first, first + n_columns], axis=1)[is_token]
    return token_frames, -total


def median_columns(states: States, n_tokens: int) -> FloatVector:
    """Column at which each row starts and ends, as the median over all paths.

    A path has the weight ``exp(score)``: the map is read as log-probabilities. The median of a boundary is where it is
    as likely to be before as after, interpolated within a column. Medians keep the order of the boundaries.

    Parameters
    ----------
    states : States
    n_tokens : int
        Number of rows of the map.

    Returns
    -------
    float64[n_tokens, 2]
        In columns from the left edge of column 0; ``n_frames`` for the end of the text where most paths end before it.
    """
    from align_eval.alignment.kernels import state_probability

    relative = states.scores - states.scores.max(axis=0)  # a constant per frame weighs all paths alike
    probability = state_probability(np.ascontiguousarray(relative), states.skippable, N_FINAL)  # (state, frame)
    at_most = np.cumsum(probability, axis=0)  # probability that the path is in this state or an earlier one
    first, last = np.array([np.flatnonzero(states.row_of_state == row)[[0, -1]] for row in range(n_tokens)]).T
    before_start, until_end = at_most[first - 1], at_most[last]
    return np.stack([_median(before_start), _median(until_end)], axis=1)


def _median(not_passed: FloatVector) -> FloatVector:
    """Median of boundaries, from the probability ``(boundary, frame)`` that a frame lies before the boundary.

    A boundary that is passed after n frames lies at column n; its probability is spread evenly over a column.
    """
    n_boundaries, n_frames = not_passed.shape
    survival = np.concatenate([np.ones((n_boundaries, 1)), not_passed, np.zeros((n_boundaries, 1))], axis=1)
    column = np.argmax(survival[:, 1:] < 0.5, axis=1)  # the first boundary position whose excess is below a half
    row = np.arange(n_boundaries)
    above, below = survival[row, column], survival[row, column + 1]
    median = column - 0.5 + (above - 0.5) / np.maximum(above - below, 1e-12)
    return np.asarray(np.clip(median, 0.0, n_frames))


def best_path(
    scores: FloatVector, skippable: npt.NDArray[np.bool_], n_final: int | None = None
) -> tuple[IntVector, float]:
    """Best left-to-right path, one state per frame.

    A state follows itself, the state before it, or an earlier state if all states between are skippable. The path
    starts in the first state, or beyond skippable states, and ends in one of the last ``n_final``: by default in the
    last, or before skippable states.

    Parameters
    ----------
    scores : float64[n_states, n_frames]
    skippable : bool[n_states]
    n_final : int, optional

    Returns
    -------
    states : int32[n_frames]
    total : float
        Sum of the scores along the path.
    """
    from align_eval.alignment.kernels import best_states

    if n_final is None:
        n_final = 1 + int(np.argmin(np.append(skippable[::-1], False)))
    states, total = best_states(np.ascontiguousarray(scores, dtype=np.float64), skippable, n_final)
    return states, float(total)
