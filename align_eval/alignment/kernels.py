"""Numba kernels of DTW and Viterbi. Functions import this module when they run: numba takes a third of a second."""

from __future__ import annotations

import numba
import numpy as np

NEGLIGIBLE = 37.0
"""A summand whose logarithm is smaller by this much does not change a sum of float64."""


@numba.njit(cache=True)
def backtrack(steps):  # type: ignore[no-untyped-def]  # compiled: its types are those of the array
    """Rows and columns of a path from its direction matrix; steps are 1 diagonal, 2 right, 3 down (``symmetric1``)."""
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
def best_states(scores, skippable, n_final):  # type: ignore[no-untyped-def]  # compiled: its types are those of the arrays
    """States and total score of the best path; see :func:`~align_eval.alignment.viterbi.best_path`."""
    n_states, n_frames = scores.shape
    best = np.full(n_states, -np.inf)
    came_from = np.zeros((n_frames, n_states), dtype=np.int32)
    for s in range(n_states):
        best[s] = scores[s, 0]
        if not skippable[s]:
            break
    for t in range(1, n_frames):
        # descending, so that earlier states still have their scores of frame t - 1
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
    for s in range(n_states - 1, n_states - 1 - n_final, -1):
        if best[s] > best[state]:
            state = s
    total = best[state]
    path = np.empty(n_frames, dtype=np.int32)
    for t in range(n_frames - 1, -1, -1):
        path[t] = state
        state = came_from[t, state]
    return path, total


@numba.njit(cache=True)
def state_probability(scores, skippable, n_final):  # type: ignore[no-untyped-def]  # compiled
    """Probability ``(state, frame)`` of each state over all paths, each weighted by the exponential of its score.

    The paths are those of :func:`best_states`. Sums over beginnings and ends of paths are kept as logarithms, since
    those of improbable paths would underflow.
    """
    n_states, n_frames = scores.shape
    log_sum = _sums_of_beginnings(scores, skippable)  # of the beginnings, then with the ends
    ends = np.full(n_states, -np.inf)
    ends[n_states - n_final :] = 0.0
    scored = np.empty(n_states)
    for t in range(n_frames - 1, -1, -1):
        log_sum[t] += ends
        scored[:] = ends + scores[:, t]
        for s in range(n_states):  # the sums over ends from frame t on
            ends[s] = scored[s]
            for n in range(s + 1, n_states):
                ends[s] = _log_add(ends[s], scored[n])
                if not skippable[n]:
                    break
        log_sum[t] -= log_sum[t].max()
    probability = np.exp(log_sum.T)
    return probability / probability.sum(axis=0)


@numba.njit(cache=True)
def _sums_of_beginnings(scores, skippable):  # type: ignore[no-untyped-def]
    """Logarithm of the summed weights of all beginnings of paths that end ``(frame, state)``."""
    n_states, n_frames = scores.shape
    sums = np.full((n_frames, n_states), -np.inf)
    for s in range(n_states):
        sums[0, s] = scores[s, 0]
        if not skippable[s]:
            break
    for t in range(1, n_frames):
        for s in range(n_states):
            total = sums[t - 1, s]
            for p in range(s - 1, -1, -1):
                total = _log_add(total, sums[t - 1, p])
                if not skippable[p]:
                    break
            sums[t, s] = total + scores[s, t]
    return sums


@numba.njit(cache=True, inline="always")
def _log_add(a, b):  # type: ignore[no-untyped-def]
    """``log(exp(a) + exp(b))``; minus infinity is a sum of nothing."""
    if a < b:
        a, b = b, a
    return a + np.log1p(np.exp(b - a)) if b > a - NEGLIGIBLE else a  # also where both are minus infinity
