"""Viterbi path, against planted paths and exhaustive search."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from align_eval.alignment.aligner import ViterbiOptions
from align_eval.alignment.silence import silence_score
from align_eval.alignment.viterbi import SILENCE, best_path, states_of_letters, topology
from align_eval.errors import InputError
from align_eval.records import EOT_WORD, RelevanceMap
from tests.helpers.maps import align_map, viterbi_token_frames
from tests.helpers.paths import every_path, small_maps

# Silence scores the mean of the map: above the 0 of rows where they are not planted, below the 10 where they are.
MEAN_SILENCE = ViterbiOptions(silence="constant", level=0.0)


def planted(words, silences, n_eot):
    """Map with 10 on the planted path and 0 elsewhere, ``word_of_token``, and the planted ``token_frames``.

    ``words`` has the number of frames of each word's tokens; ``silences`` those before each word and after the last.
    """
    word_of_token = [i for i, tokens in enumerate(words) for _ in tokens] + [EOT_WORD]
    frames, t = [], 0
    for silence, tokens in zip(silences, words, strict=False):
        t += silence
        for n in tokens:
            frames.append((t, t + n))
            t += n
    t += silences[-1]
    frames.append((t, t + n_eot))
    values = np.zeros((len(frames), t + n_eot), dtype=np.float32)
    for row, (first, after) in enumerate(frames):
        values[row, first:after] = 10.0
    return values, np.array(word_of_token, dtype=np.int32), np.array(frames)


@st.composite
def plantings(draw):
    words = draw(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=4))
    silences = draw(st.lists(st.integers(0, 3), min_size=len(words) + 1, max_size=len(words) + 1))
    return planted(words, silences, draw(st.integers(0, 2)))


@settings(deadline=None)
@given(plantings())
def test_a_planted_path_is_recovered_whatever_silences_it_has(planting):
    values, word_of_token, expected = planting
    token_frames, cost = viterbi_token_frames(values, word_of_token, np.ones(values.shape[1]), MEAN_SILENCE)
    np.testing.assert_array_equal(token_frames, expected)
    n_planted = (expected[:, 1] - expected[:, 0]).sum()
    n_silent = values.shape[1] - n_planted
    assert cost == pytest.approx(-(10.0 * n_planted + values.mean(dtype=np.float64) * n_silent))


@pytest.mark.parametrize(
    "silences", [(0, 0, 0), (3, 0, 0), (0, 3, 0), (0, 0, 3), (2, 2, 2)], ids=["none", "start", "middle", "end", "all"]
)
def test_silence_is_found_where_it_is_planted(silences):
    values, word_of_token, expected = planted([[2, 1], [3]], silences, n_eot=1)
    token_frames, _ = viterbi_token_frames(values, word_of_token, np.ones(values.shape[1]), MEAN_SILENCE)
    np.testing.assert_array_equal(token_frames, expected)


@settings(deadline=None, max_examples=300)
@given(st.data(), st.integers(1, 5), st.integers(1, 6))
def test_the_path_is_the_best_of_all_admissible_ones(data, n_states, n_frames):
    """Tell whether a path ends in one of the last states, ``n_final``, or in the last and before skippable states."""
    n_final = data.draw(st.none() | st.integers(1, n_states))
    scores = data.draw(hnp.arrays(np.float64, (n_states, n_frames), elements=st.integers(-3, 3)))
    skippable = data.draw(hnp.arrays(np.bool_, n_states))
    frames = np.arange(n_frames)
    every = every_path(skippable, n_frames, n_final)
    assume(every)  # fewer frames than states that must be visited leave no path
    path, total = best_path(scores, skippable, n_final)
    assert tuple(path.tolist()) in every
    assert total == scores[path, frames].sum() == max(scores[list(p), frames].sum() for p in every)


@settings(deadline=None)
@given(small_maps(), st.sampled_from(["constant", "zscore", "energy", "energy-std", "levels"]))
def test_every_token_has_a_frame_and_none_begins_before_the_one_before_ends(case, silence):
    values, word_of_token, energy = case
    token_frames, _ = viterbi_token_frames(values, word_of_token, energy, ViterbiOptions(silence=silence))
    assert (token_frames[:-1, 1] > token_frames[:-1, 0]).all()
    assert (token_frames[1:, 0] >= token_frames[:-1, 1]).all()
    assert token_frames[0, 0] >= 0
    assert token_frames[-1, 1] <= values.shape[1]


@settings(deadline=None)
@given(small_maps())
def test_silence_that_never_pays_takes_no_frame(case):
    values, word_of_token, energy = case
    # With a spread of 1 or more, 100 standard deviations below the mean lie below any path through tokens.
    values = values.copy()
    values[0, 0], values[-1, -1] = 8.0, -8.0
    options = ViterbiOptions(silence="constant", level=-100.0)
    token_frames, _ = viterbi_token_frames(values, word_of_token, energy, options)
    assert token_frames[0, 0] == 0
    assert token_frames[1:, 0].tolist() == token_frames[:-1, 1].tolist()
    assert token_frames[-1, 1] == values.shape[1]


def test_as_many_frames_as_tokens_give_each_token_one():
    token_frames, _ = viterbi_token_frames(
        np.zeros((4, 3), dtype=np.float32), np.array([0, 0, 1, EOT_WORD]), np.ones(3), ViterbiOptions()
    )
    assert token_frames.tolist() == [[0, 1], [1, 2], [2, 3], [3, 3]]  # the end of the text is passed over


def test_fewer_frames_than_tokens_are_refused():
    with pytest.raises(InputError, match="3 tokens do not fit into 2 frames"):
        viterbi_token_frames(
            np.zeros((4, 2), dtype=np.float32), np.array([0, 0, 1, EOT_WORD]), np.ones(2), ViterbiOptions()
        )


@pytest.mark.parametrize(
    ("end", "expected"),
    # word 1 owns columns 1 and 2, word 2 columns 5 to 7, the end of the text column 10; a column is 1 s from 0 s on
    [("own", ((1.0, 3.0), (5.0, 8.0))), ("next", ((1.0, 5.0), (5.0, 10.0)))],
)
def test_a_word_ends_with_its_own_frames_or_where_the_next_one_starts(end, expected):
    values, word_of_token, _ = planted([[2], [3]], (1, 2, 2), n_eot=1)
    relevance = RelevanceMap(values, frame_s=1.0, start_s=0.0, word_of_token=word_of_token, spec="planted")
    alignment = align_map(relevance, np.ones(11), f"viterbi:silence=constant,level=0,boundary=frame,end={end}")
    assert alignment.words == expected


TOKENS = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 5.0]])
# By column: means 2, 2, 4 and standard deviations 1, 0, 1. Of the map: mean 16/6, variance 52/6 - (16/6)^2 = 14/9.
# The best token stands 1, 0, 1 above the mean of its column. Log energy -2, -1, 0 has mean -1 and variance 2/3, so it
# is standardised to -sqrt(3/2), 0, sqrt(3/2).
ENERGY = np.exp([-2.0, -1.0, 0.0])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (ViterbiOptions(silence="constant", level=1.0), [8 / 3 + 14**0.5 / 3] * 3),
        (ViterbiOptions(silence="constant", level=0.0), [8 / 3] * 3),
        (ViterbiOptions(silence="zscore", level=1.0), [3.0, 2.0, 5.0]),
        (ViterbiOptions(silence="zscore", level=2.0), [4.0, 2.0, 6.0]),
        (ViterbiOptions(silence="energy", level=3.0), [2 + 3 * 1.5**0.5, 2.0, 4 - 3 * 1.5**0.5]),
        (ViterbiOptions(silence="energy", level=1.0), [2 + 1.5**0.5, 2.0, 4 - 1.5**0.5]),
    ],
)
def test_the_score_of_silence_is_that_worked_out_by_hand(options, expected):
    np.testing.assert_allclose(silence_score(TOKENS, ENERGY, options), expected, rtol=1e-12)


def test_energy_weighs_the_distance_to_the_best_token_and_zscore_the_standard_deviation():
    tokens = np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 3.0]])  # mean 1, best 2 above it, standard deviation sqrt(2)
    energy = np.exp([-1.0, 0.0])  # standardised to -1 and 1
    by_energy = silence_score(tokens, energy, ViterbiOptions(silence="energy", level=1.0))
    np.testing.assert_allclose(by_energy, [1 + 2, 1 - 2], rtol=1e-12)
    by_zscore = silence_score(tokens, energy, ViterbiOptions(silence="zscore", level=1.0))
    np.testing.assert_allclose(by_zscore, 1 + 2**0.5, rtol=1e-12)


def test_digital_silence_counts_as_80_db_below_the_loudest_frame():
    options = ViterbiOptions(silence="energy", level=1.0)
    digital = silence_score(TOKENS, np.array([0.0, 0.5, 1.0]), options)
    assert digital.tolist() == silence_score(TOKENS, np.array([1e-4, 0.5, 1.0]), options).tolist()


@pytest.mark.parametrize("loudness", [0.0, 1.0])
def test_constant_energy_says_nothing_so_silence_scores_the_mean_of_the_tokens(loudness):
    with np.errstate(all="raise"):
        score = silence_score(TOKENS, np.full(3, loudness), ViterbiOptions(silence="energy"))
    assert score.tolist() == [2.0, 2.0, 4.0]


def test_the_states_of_a_small_text():
    # Word 0 has two tokens (rows 0 and 1), word 1 has one (row 2), row 3 is the end of the text.
    rows, skippable = topology(np.array([0, 0, 1, EOT_WORD], dtype=np.int32))
    assert rows.tolist() == [SILENCE, 0, 1, SILENCE, 2, SILENCE, 3, SILENCE]
    # Silences can be skipped. The end of the text cannot: a path ends before it instead (N_FINAL).
    assert skippable.tolist() == [True, False, False, True, False, True, False, True]


def test_the_states_of_a_row_follow_each_other_without_silence_between():
    rows, skippable = topology(np.array([0, 0, 1, EOT_WORD], dtype=np.int32), np.array([2, 1, 3, 1]))
    assert rows.tolist() == [SILENCE, 0, 0, 1, SILENCE, 2, 2, 2, SILENCE, 3, SILENCE]
    assert (skippable == (rows == SILENCE)).all()


@pytest.mark.parametrize(
    ("letters", "n_loud", "n_frames", "expected"),
    # the last row is the end of the text, which may be passed over: it needs no frame
    [
        ([3, 0, 5, 0], 16, 16, [3, 1, 5, 1]),  # two loud frames per letter are enough for a state each; marks have one
        ([3, 0, 5, 0], 1000, 1000, [3, 1, 5, 1]),  # more change nothing
        ([3, 0, 5, 0], 15, 1000, [1, 1, 2, 1]),  # fewer: half as many states, 1.5, 0 and 2.5, cut off to whole ones
        ([3, 0, 5, 0], 8, 8, [1, 1, 2, 1]),  # 8 frames are two for every second letter
        ([3, 0, 5, 0], 7, 8, [1, 1, 1, 1]),  # a quarter
        ([12, 0], 8, 20, [3, 1]),  # two frames for every third letter: a quarter, since states are halved
        ([3, 0, 5, 0], 16, 9, [3, 1, 5, 1]),  # all frames: 9 states before the end of the text fit into 9
        ([3, 0, 5, 0], 16, 8, [1, 1, 2, 1]),  # and not into 8
        ([3, 0, 5, 0], 16, 3, [1, 1, 1, 1]),  # nor half of them, 4, into 3
        ([3, 0, 5, 0], 0, 20, [1, 1, 1, 1]),  # no loud frame
        ([0, 0], 10, 10, [1, 1]),  # marks alone
        ([3, 5, 0], 0, 1, [1, 1, 1]),  # no number of states fits: the path refuses the text
    ],
)
def test_a_row_has_a_state_per_letter_where_speech_is_slow_enough(letters, n_loud, n_frames, expected):
    assert states_of_letters(np.array(letters, dtype=np.int32), n_loud, n_frames).tolist() == expected


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(0, 100), st.integers(0, 400))
def test_the_states_of_a_text_with_no_more_tokens_than_frames_fit_into_them(letters, n_loud, n_more):
    n_frames = len(letters) + n_more
    n_states = states_of_letters(np.array([*letters, 0], dtype=np.int32), n_loud, n_frames)
    assert n_states.min() >= 1
    assert n_states[:-1].sum() <= n_frames


def test_a_token_has_at_least_one_frame_per_letter_and_one_by_states_token():
    """Flat map, no silence: five letters keep five of 20 frames; as one state the token may have a single one."""
    values, words = np.zeros((3, 20), np.float32), np.array([0, 1, EOT_WORD], np.int32)
    values[0, 0], values[1, 1:] = 1.0, 1.0  # the second word would have all but one frame
    energy, letters = np.ones(20), np.array([5, 1, 0], np.int32)

    def frames(**options):
        chosen = ViterbiOptions(silence="constant", level=-100.0, **options)
        return viterbi_token_frames(values, words, energy, chosen, letters)[0].tolist()

    assert frames(states="letter")[:2] == [[0, 5], [5, 20]]
    assert frames(states="token")[:2] == [[0, 1], [1, 20]]


def test_a_text_with_no_more_tokens_than_frames_has_times_whatever_its_letters():
    """Ten tokens and eleven frames: a long word may have no more than two of them."""
    values = np.random.default_rng(0).normal(size=(11, 11)).astype(np.float32)
    words = np.array([*range(10), EOT_WORD], dtype=np.int32)
    letters = np.array([1] * 9 + [30, 0], dtype=np.int32)
    token_frames, cost = viterbi_token_frames(values, words, np.linspace(0.5, 1, 11), ViterbiOptions(), letters)
    assert np.isfinite(cost)
    assert (token_frames[:-1, 1] > token_frames[:-1, 0]).all()


@pytest.mark.parametrize("n_frames", [3, 10, 23, 47])
def test_equal_energy_of_any_length_moves_silence_nowhere(n_frames):
    """Rounding gives equal values a standard deviation at some lengths; their range is exactly zero."""
    tokens = np.repeat([[0.0], [1.0], [2.0]], n_frames, axis=1)
    score = silence_score(tokens, np.zeros(n_frames), ViterbiOptions())
    assert score.tolist() == [1.0] * n_frames


def test_silence_as_zeyer_et_al_have_it_by_hand():
    """Energies 1, 0 and 0.5 are 1.2247, -1.2247 and 0 standard deviations from their mean; tokens 0 and 2 have 1."""
    tokens = np.array([[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]])
    options = ViterbiOptions(silence="energy-std", level=2.0)
    found = silence_score(tokens, np.array([1.0, 0.0, 0.5]), options)
    np.testing.assert_allclose(found, [1 - 2 * 1.224745, 1 + 2 * 1.224745, 1.0], rtol=1e-6)


def test_loudness_moves_a_word_to_where_it_is_loud():
    """A flat map favours no frame; with loudness in the score, the word gets the only loud frame."""
    values, words = np.zeros((2, 6), np.float32), np.array([0, EOT_WORD], np.int32)
    energy = np.array([0.01, 0.01, 0.01, 1.0, 0.01, 0.01])
    options = ViterbiOptions(silence="constant", level=0.5, loudness=0.5)
    frames, _ = viterbi_token_frames(values, words, energy, options)
    assert frames[0].tolist() == [3, 4]


def test_pauses_are_split_after_the_path():
    """Two words of two frames, six of silence between: up to 0.12 s of a pause is split in half between them."""
    values, words, _ = planted([[2], [2]], [0, 6, 0], 0)
    relevance = RelevanceMap(values, 0.02, 0.0, words, "planted")
    spec = "viterbi:silence=constant,level=0,boundary=frame"
    plain = align_map(relevance, np.ones(values.shape[1]), spec).words
    assert plain == (pytest.approx((0.0, 0.04)), pytest.approx((0.16, 0.2)))
    split = align_map(relevance, np.ones(values.shape[1]), f"{spec},pause_s=0.06").words
    assert split == (pytest.approx((0.0, 0.07)), pytest.approx((0.13, 0.2)))


@pytest.mark.parametrize("key", ["loudness", "pause_s"])
def test_negative_amounts_are_refused(key):
    with pytest.raises(ValueError, match=f"{key}=-1 is below 0"):
        ViterbiOptions(**{key: -1.0})
