"""Boundaries at the median of all paths, against enumeration of every path of small maps."""

import numpy as np
import pytest
from hypothesis import given, settings

from align_eval.alignment.aligner import ViterbiOptions
from align_eval.alignment.kernels import state_probability
from align_eval.alignment.viterbi import N_FINAL, SILENCE, States, make_states, median_columns, topology
from align_eval.records import EOT_WORD
from tests.helpers.paths import every_path, small_maps

TEXTS = [([0, -1], [2, 0]), ([0, 0, -1], [1, 1, 0]), ([0, 1, -1], [2, 1, 0]), ([0, 1, 1, -1], [1, 0, 2, 0])]
"""Word and letters of each row."""


def random_states(seed: int, silence: str = "constant") -> tuple[States, int]:
    """States of a text of one or two words, from two frames more than it needs to eight; and its number of rows."""
    rng = np.random.default_rng(seed)
    words, letters = (np.array(x, dtype=np.int32) for x in TEXTS[seed % len(TEXTS)])
    n_frames = int(rng.integers(6, 9))
    values = (2 * rng.normal(size=(len(words), n_frames))).astype(np.float32)
    options = ViterbiOptions(silence=silence)  # type: ignore[arg-type]
    return make_states(values, words, 0.5 + rng.random(n_frames) / 2, options, letters), len(words)


def enumerated(states: States) -> tuple[np.ndarray, np.ndarray]:
    """Every admissible path, ``(path, frame)``, and its share of the weight, the exponential of its score."""
    n_frames = states.scores.shape[1]
    paths = np.array(every_path(states.skippable, n_frames, N_FINAL))
    totals = states.scores[paths, np.arange(n_frames)].sum(axis=1)
    weights = np.exp(totals - totals.max())
    return paths, weights / weights.sum()


def median_of(position: np.ndarray, weights: np.ndarray, n_frames: int) -> float:
    """The position with half of the weight on either side; each weight is spread evenly over the column around it."""
    share = np.bincount(position, weights, minlength=n_frames + 1)
    edges = np.arange(n_frames + 2) - 0.5
    return float(np.clip(np.interp(0.5, [0, *share.cumsum()], edges), 0, n_frames))


@pytest.mark.parametrize("silence", ["constant", "levels"])
@pytest.mark.parametrize("seed", range(12))
def test_medians_are_those_over_all_paths(seed, silence):
    states, n_rows = random_states(seed, silence)
    paths, weights = enumerated(states)
    n_frames = states.scores.shape[1]
    expected = []
    for row in range(n_rows):
        own = np.flatnonzero(states.row_of_state == row)
        # a row starts after the frames in earlier states, and ends after those in its own or earlier ones
        starts, ends = (paths < own[0]).sum(axis=1), (paths <= own[-1]).sum(axis=1)
        expected.append([median_of(at, weights, n_frames) for at in (starts, ends)])
    np.testing.assert_allclose(median_columns(states, n_rows), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_the_probability_of_a_state_is_its_share_of_all_paths(seed):
    states, _ = random_states(seed)
    paths, weights = enumerated(states)
    found = state_probability(states.scores, states.skippable, N_FINAL)
    expected = [((paths == state) * weights[:, None]).sum(axis=0) for state in range(len(states.scores))]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@settings(deadline=None)
@given(small_maps())
def test_probabilities_sum_to_one_and_medians_keep_the_order_of_boundaries(case):
    values, word_of_token, energy = case
    states = make_states(values, word_of_token, energy, ViterbiOptions())
    found = state_probability(states.scores, states.skippable, N_FINAL)
    np.testing.assert_allclose(found.sum(axis=0), 1.0, rtol=1e-12)
    assert (found >= 0).all()
    columns = median_columns(states, len(word_of_token))
    assert (np.diff(columns.ravel()) >= -1e-9).all()  # starts and ends of the rows in turn
    assert (columns[:-1, 1] - columns[:-1, 0] >= 1 - 1e-9).all()  # as on every path
    assert columns.min() >= 0
    assert columns.max() <= values.shape[1]


def test_two_paths_of_equal_weight_have_their_boundary_in_the_middle():
    """Two words in three frames, of which either may have the middle one.

    Silence never pays here. The paths are words 1, 1, 2 and 1, 2, 2: the boundary is after one or two frames.
    """
    row_of_state, skippable = topology(np.array([0, 1, EOT_WORD], dtype=np.int32))
    scores = np.where(np.isin(row_of_state, [SILENCE, 2])[:, None], -1e3, np.zeros((1, 3)))
    columns = median_columns(States(scores, row_of_state, skippable), 3)
    np.testing.assert_allclose(columns[:2], [[0.0, 1.5], [1.5, 3.0]], rtol=0, atol=1e-9)


def test_a_sure_boundary_lies_on_the_edge_of_its_frame():
    row_of_state, skippable = topology(np.array([0, EOT_WORD], dtype=np.int32))
    planted = np.array([0, 0, 1, 1, 1, 2, 3])  # silence, the word, silence, the end of the text
    scores = np.full((len(row_of_state), len(planted)), -1e3)
    scores[planted, np.arange(len(planted))] = 0.0
    assert median_columns(States(scores, row_of_state, skippable), 2).tolist() == [[2.0, 5.0], [6.0, 7.0]]


def test_a_long_improbable_beginning_does_not_underflow():
    """A word that only fits after 1,500 frames of silence, each of which is e^50 times less likely than another state.

    The other beginnings, with the word at frame 0 and what follows it for free, fail at frame 1,500: by more than
    the 75,000 that they are ahead by then, of which no exponential is a number.
    """
    n = 1500
    row_of_state, skippable = topology(np.array([0, EOT_WORD], dtype=np.int32))  # silence, word, silence, end, silence
    scores = np.zeros((5, n + 1))
    scores[0], scores[1, :n] = -50.0, -1e3
    scores[[0, 2, 3, 4], n] = -1e6
    columns = median_columns(States(scores, row_of_state, skippable), 2)
    assert columns[0, 0] == n
    probability = state_probability(scores, skippable, N_FINAL)
    assert probability[0, :n].tolist() == [1.0] * n
    assert probability[1, n] == 1.0
