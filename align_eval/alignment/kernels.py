"""Compiled parts of both searches. Only a search imports this module: numba takes a third of a second to load."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def way_back(steps):  # type: ignore[no-untyped-def]  # compiled: its types are those of the array
    """Cells from the first corner to the last; a step of ``symmetric1`` is 1 diagonal, 2 to the right, 3 down."""
    row, column = steps.shape[0] - 1, steps.shape[1] - 1
    path = np.empty((row + column + 1, 2), dtype=np.int32)
    n = 0
    path[n] = row, column
    while row or column:
        step = steps[row, column]
        row -= step != 2
        column -= step != 3
        n += 1
        path[n] = row, column
    return path[n::-1, 0].copy(), path[n::-1, 1].copy()


@numba.njit(cache=True)
def best_states(scores, skippable):  # type: ignore[no-untyped-def]  # compiled: its types are those of the arrays
    """State at each frame and total score of the path; see :func:`~align_eval.alignment.viterbi.best_path`."""
    n_states, n_frames = scores.shape
    best = np.full(n_states, -np.inf)
    came_from = np.zeros((n_frames, n_states), dtype=np.int32)
    for s in range(n_states):
        best[s] = scores[s, 0]
        if not skippable[s]:
            break
    for t in range(1, n_frames):
        # downwards, so that the states before s still hold frame t - 1
        for s in range(n_states - 1, -1, -1):
            source, top = s, best[s]
            p = s - 1
            while p >= 0:
                if best[p] > top:
                    source, top = p, best[p]
                if not skippable[p]:
                    break
                p -= 1
            best[s] = top + scores[s, t]
            came_from[t, s] = source
    state = n_states - 1
    for s in range(n_states - 1, -1, -1):
        if best[s] > best[state]:
            state = s
        if not skippable[s]:
            break
    total = best[state]
    path = np.empty(n_frames, dtype=np.int32)
    for t in range(n_frames - 1, -1, -1):
        path[t] = state
        state = came_from[t, state]
    return path, total
