"""Silence by levels: loudness, pauses and weights by hand, and what added silence, gain and offset leave as it is."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from align_eval.alignment.aligner import ViterbiOptions
from align_eval.alignment.energy import energy_at_columns
from align_eval.alignment.silence import (
    PAUSE_FRAMES,
    PAUSE_LOUDNESS,
    PAUSE_WEIGHT,
    STEADY_FRAMES,
    pauses,
    relative_loudness,
    silence_score,
)
from align_eval.records import EOT_WORD, RelevanceMap
from align_eval.units import FRAME_S, SAMPLE_RATE, START_S
from tests.helpers.maps import align_map
from tests.helpers.padding import padded_map, with_columns

TENTH_MS = 1.01e-4
"""Times are rounded to 0.1 ms, so that equal ones may differ by that."""
OLD = "viterbi:silence=energy,boundary=frame,states=token"


def from_db(*levels_db: float) -> np.ndarray:
    return 10 ** (np.concatenate([np.atleast_1d(level) for level in levels_db]) / 20)


def frames(level_db: float, n: int) -> np.ndarray:
    return np.full(n, float(level_db))


# Loudness


def test_loudness_lies_between_the_noise_around_a_frame_and_speech():
    """Speech at 0 dB, noise at -30 dB on either side: halves and quarters of 30 dB are halves and quarters."""
    energy = from_db(frames(-30, 20), frames(0, 20), -15, -22.5, -7.5, frames(0, 20), frames(-30, 20))
    loudness = relative_loudness(energy)
    np.testing.assert_allclose(loudness[40:43], [0.5, 0.25, 0.75], atol=1e-12)
    assert set(np.round(np.delete(loudness, [40, 41, 42]), 12)) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("noise_db", "expected"),
    # Noise 15 to 40 dB below speech is as it is, so that -12 dB lies 27/39 or 8/20 of the way up. Nearer noise counts
    # as 15 dB below. Frames farther below are no noise to measure: the quietest frame that is left is the noise.
    [(-39, 27 / 39), (-20, 8 / 20), (-14, 3 / 15), (-41, 3 / 15), (-100, 3 / 15)],
)
def test_the_noise_is_15_to_40_db_below_speech(noise_db, expected):
    energy = from_db(frames(noise_db, 30), frames(0, 30), frames(-12, 1), frames(0, 30), frames(noise_db, 30))
    loudness = relative_loudness(energy)
    assert loudness[60] == pytest.approx(expected, abs=1e-12)
    assert (loudness[:30] < 0.1).all()


def test_a_click_does_not_set_the_level_of_speech():
    """Nine frames 40 dB above the rest are one fewer than it takes: speech is full, and half way is a half."""
    speech, rest = frames(-40, 40), [frames(-70, 20), -55, frames(-70, 20)]
    clicked = from_db(frames(0, 9), speech, *rest)
    np.testing.assert_allclose(relative_loudness(clicked)[9:], relative_loudness(from_db(speech, *rest)), atol=1e-12)
    assert relative_loudness(clicked)[69] == pytest.approx(0.5)
    loud = from_db(frames(0, 10), speech, *rest)
    assert (relative_loudness(loud)[10:] <= 0.0).all()  # ten are speech, 40 dB above the others


def test_the_noise_is_that_within_one_second():
    """A recording whose noise rises from -36 to -18 dB: -18 dB is half of speech in its first half, then silence."""
    first = from_db(frames(-36, 60), frames(0, 10), -18, frames(0, 10), frames(-36, 60))
    second = from_db(frames(-18, 60), frames(0, 10), -18, frames(0, 10), frames(-18, 60))
    loudness = relative_loudness(np.concatenate([first, second]))
    assert loudness[70] == pytest.approx(0.5)
    assert loudness[len(first) + 70] == 0.0


def test_a_quieter_pause_beside_noise_is_not_the_noise_of_both_sides():
    """Behind: noise at -20 dB; before: at -36 dB. The louder of the two is the noise of a frame between them."""
    energy = from_db(frames(-36, 30), frames(0, 10), -10, frames(0, 10), frames(-20, 30))
    assert relative_loudness(energy)[40] == pytest.approx(0.5)  # half way from -20 to 0 dB


SPEECH_DB = np.tile([0.0, -6.0], 30)
"""Its level is the median of its frames, -3 dB."""


@pytest.mark.parametrize(
    ("loudest_db", "expected", "is_pause"),
    # a steady stretch is its own noise, so 0; from 6 dB below speech on, -9 dB, it may be a vowel, and makes no pause
    [(-0.5, 0.15, False), (-2.5, 0.15, False), (-8.9, 0.15, False), (-9.1, 0.0, True), (-30.0, 0.0, True)],
)
def test_a_steady_sound_is_noise_and_a_pause_unless_it_is_nearly_as_loud_as_speech(loudest_db, expected, is_pause):
    """Within 0.5 dB for 0.6 s. Beside it, speech stays speech: 0 dB is full, -6 dB is 12 of 15 dB above the noise."""
    steady = np.tile([loudest_db - 0.5, loudest_db], 15)
    loudness = relative_loudness(from_db(SPEECH_DB, steady, SPEECH_DB))
    np.testing.assert_allclose(loudness[62:88], expected, atol=1e-12)
    assert (pauses(loudness)[62:88] == is_pause).all()
    assert loudness[:50].min() >= 0.5
    assert not pauses(loudness)[:50].any()


def test_a_level_that_does_not_vary_at_all_is_no_recording_of_noise():
    """By the noise, 15 dB below speech, -2.5 dB is over the top."""
    loudness = relative_loudness(from_db(SPEECH_DB, frames(-2.5, 30), SPEECH_DB))
    np.testing.assert_allclose(loudness[60:90], 1.0, atol=1e-12)


@pytest.mark.parametrize("energy", [np.zeros(30), np.empty(0)], ids=["digital silence", "no frames"])
def test_digital_silence_says_nothing(energy):
    """A loudness of a half is a weight of 0: silence scores the mean of the tokens."""
    assert relative_loudness(energy).tolist() == [0.5] * len(energy)
    assert not pauses(relative_loudness(energy)).any()


@pytest.mark.parametrize("n_zeros", [0, 1, 9, 30, 1400])
@pytest.mark.parametrize(
    ("own_db", "expected"),
    # the level of speech is the median, so half way between the two of the noise; the noise lies 15 dB below that
    [(frames(-7, 40), [1.0] * 40), (np.tile([0.0, -0.5], 20), [1.0, 14.75 / 15] * 20)],
    ids=["constant", "nothing but noise"],
)
def test_where_nothing_but_a_steady_sound_is_heard_all_of_it_is_speech(own_db, expected, n_zeros):
    loudness = relative_loudness(np.append(np.zeros(n_zeros), from_db(own_db)))
    np.testing.assert_allclose(loudness[n_zeros:], expected, atol=1e-12)
    assert (loudness[:n_zeros] == 0.0).all()
    assert pauses(loudness).tolist() == [True] * n_zeros + [False] * 40


def test_frames_60_db_below_the_loudest_are_silence():
    """They set no level. With a click that much louder than all else, only the click is heard."""
    energy = from_db(frames(0, 1), np.tile([-62.0, -68.0], 20))
    assert relative_loudness(energy).tolist() == [1.0] + [0.0] * 40
    within = relative_loudness(from_db(frames(0, 1), np.tile([-55.0, -59.0], 20)))
    assert (within[1:] > 0.5).all()


# Pauses and weights


@pytest.mark.parametrize(("n_quiet", "is_pause"), [(PAUSE_FRAMES, True), (PAUSE_FRAMES - 1, False)])
def test_a_pause_between_words_is_at_least_024_s_long(n_quiet, is_pause):
    found = pauses(np.concatenate([[1.0], np.zeros(n_quiet), [1.0]]))
    assert found.tolist() == [False, *[is_pause] * n_quiet, False]


@pytest.mark.parametrize("n_quiet", [1, PAUSE_FRAMES - 1, PAUSE_FRAMES, 100])
def test_quiet_frames_at_the_ends_of_the_audio_are_pauses_of_any_length(n_quiet):
    quiet = np.zeros(n_quiet)
    assert pauses(np.append(quiet, 1.0)).tolist() == [*[True] * n_quiet, False]
    assert pauses(np.append(1.0, quiet)).tolist() == [False, *[True] * n_quiet]
    assert pauses(quiet).all()


def test_a_pause_is_below_its_loudness():
    assert not pauses(np.full(PAUSE_FRAMES, PAUSE_LOUDNESS)).any()
    assert pauses(np.full(PAUSE_FRAMES, PAUSE_LOUDNESS - 1e-9)).all()
    assert pauses(np.empty(0)).tolist() == []


@pytest.mark.parametrize("level", [1.0, 0.6])
def test_the_weight_falls_with_loudness_but_in_a_pause(level):
    """Of tokens at -1 and 1, the mean is 0 and the best is 1 above it: the score of silence is its weight."""
    shorter = PAUSE_FRAMES - 1  # no pause, so the weight of noise
    energy = from_db(
        frames(-30, 20), frames(0, 20), -15, -22.5, frames(0, 20), frames(-30, shorter), frames(0, 20), frames(-30, 20)
    )
    tokens = np.repeat([[-1.0], [1.0]], len(energy), axis=1)
    full = [-1.5 * level] * 20
    expected = [PAUSE_WEIGHT] * 20 + full + [0.0, 0.75 * level] + full + [1.5 * level] * shorter + full
    found = silence_score(tokens, energy, ViterbiOptions(level=level))
    np.testing.assert_allclose(found, [*expected, *[PAUSE_WEIGHT] * 20], atol=1e-12)


def test_the_score_of_silence_by_levels_is_that_worked_out_by_hand():
    """Means 1 and 1; the best tokens stand 2 and 0 above them, the second counts as a tenth of 2."""
    tokens = np.repeat([[0.0, 1.0], [0.0, 1.0], [3.0, 1.0]], 20, axis=1)  # 20 columns of either
    energy = from_db(np.tile([-5.0, 0.0], 20))  # speech is their median, -2.5 dB, and noise 15 dB below it
    loudness = np.tile([12.5 / 15, 1.0], 20)
    np.testing.assert_allclose(relative_loudness(energy), loudness, atol=1e-12)
    reach = np.repeat([2.0, 0.2], 20)
    found = silence_score(tokens, energy, ViterbiOptions(level=2.0))
    np.testing.assert_allclose(found, 1 + 2 * 1.5 * (1 - 2 * loudness) * reach, rtol=1e-12)


def test_in_a_pause_silence_stands_above_tokens_that_score_alike():
    """All of the largest distance counts there, 10 times 2, up to its last column; elsewhere at least a tenth of it."""
    tokens = np.zeros((3, 42))
    tokens[2, 13:] = 3.0  # mean 1, reach 2 from one column after the pause on; before, tokens score 0 alike
    energy = from_db(frames(-60, 12), np.tile([0.0, -6.0], 15))
    found = silence_score(tokens, energy, ViterbiOptions())
    np.testing.assert_allclose(found[:12], 10 * 2.0, rtol=1e-12)
    np.testing.assert_allclose(found[12], -1.5 * 0.2, rtol=1e-12)  # speech: -1.5 times a tenth of 2


# What changes nothing: silence elsewhere


LEVELS = st.lists(st.integers(-20, 0).map(lambda n: 2.0 * n), min_size=1, max_size=60)
"""Levels in dB, of steps of 2 dB: no ten of them are within 0.1 to 1.5 dB, which would be steady."""


@settings(deadline=None)
@given(LEVELS, st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), max_size=3), st.sampled_from([-120, -500]))
@example([0.0, -4.0, -40.0], [(0, 15), (3, 1)], -120)  # fewer than ten frames, which set the level of speech
@example([0.0] * 5, [(2, 40)], -500)
def test_inaudible_frames_anywhere_leave_the_loudness_of_all_others_as_it_is(levels_db, places, silence_db):
    """Speech is at most 50 dB below the loudest frame, so that -120 dB is below all noise; digital silence is lower."""
    inserts = {min(place, len(levels_db)): n for place, n in places}
    energy = from_db(levels_db)
    longer = with_columns(energy, inserts, from_db(silence_db)[0])
    own = with_columns(np.ones(len(energy), dtype=bool), inserts, False)
    np.testing.assert_array_equal(relative_loudness(longer)[own], relative_loudness(energy))
    assert (relative_loudness(longer)[~own] == 0.0).all()


@settings(deadline=None)
@given(st.lists(st.floats(-59, 0) | st.floats(-1, 0), min_size=1, max_size=60), st.integers(0, 30), st.integers(0, 30))
@example([-0.5, 0.0] * STEADY_FRAMES, 5, 0)
def test_silence_before_and_after_changes_no_loudness_of_steady_sounds_either(levels_db, front, behind):
    """All within 60 dB of the loudest frame, so audible. Only silence inside a steady sound could make it unsteady."""
    energy = from_db(np.array(levels_db) - max(levels_db))
    loudness = relative_loudness(np.concatenate([np.zeros(front), energy, np.zeros(behind)]))
    np.testing.assert_array_equal(loudness[front : front + len(energy)], relative_loudness(energy))
    assert (np.delete(loudness, np.s_[front : front + len(energy)]) == 0.0).all()


@settings(deadline=None)
@given(LEVELS, st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_loudness_does_not_depend_on_the_gain(levels_db, seed, gain):
    energy = from_db(np.array(levels_db) + np.random.default_rng(seed).uniform(-0.2, 0.2, len(levels_db)))
    np.testing.assert_array_equal(relative_loudness(8 * energy), relative_loudness(energy))
    assume(gain != 1)
    np.testing.assert_allclose(relative_loudness(gain * energy), relative_loudness(energy), atol=1e-9)


# What changes nothing: gain, offset


def speech_like(seed: int, digital: bool) -> np.ndarray:
    """A second and a half of noise in bursts, on a noise 50 dB below or on zeros."""
    rng = np.random.default_rng(seed)
    n = 24_000
    loud = np.repeat(rng.choice([0.0, 0.1, 0.3], n // 1600), 1600)
    loud[:3200] = loud[-3200:] = 0.0
    floor = 0.0 if digital else 1e-3
    return ((loud + floor) * rng.normal(size=n)).astype(np.float32)


def times_of(samples: np.ndarray, seed: int) -> np.ndarray:
    relevance = random_map(seed, len(samples) // 320)
    return np.array(
        align_map(relevance, energy_at_columns(samples, len(samples) // 320, FRAME_S, START_S), "viterbi").words
    )


def random_map(seed: int, n_frames: int, start_s: float = START_S) -> RelevanceMap:
    """Three words of four tokens, with letters."""
    words, letters = np.array([0, 1, 1, 2, EOT_WORD], dtype=np.int32), np.array([2, 4, 1, 3, 0], dtype=np.int32)
    values = np.random.default_rng(seed).normal(size=(5, n_frames)).astype(np.float32)
    return RelevanceMap(values, FRAME_S, start_s, words, "random", letters=letters)


@pytest.mark.parametrize("digital", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_the_gain_changes_no_time(seed, digital):
    """A power of two scales every sum exactly; other gains round each sample to one part in 16 million."""
    samples = speech_like(seed, digital)
    plain = times_of(samples, seed)
    for gain in (2.0**-10, 0.5, 8.0):
        scaled = np.float32(gain) * samples
        energies = [energy_at_columns(x, 75, FRAME_S, START_S) for x in (samples, scaled)]
        np.testing.assert_array_equal(*energies)
        np.testing.assert_array_equal(relative_loudness(energies[1]), relative_loudness(energies[0]))
        assert times_of(scaled, seed).tolist() == plain.tolist()
    for gain in (0.003, 0.7, 3.3):
        np.testing.assert_allclose(times_of(np.float32(gain) * samples, seed), plain, rtol=0, atol=TENTH_MS)


@pytest.mark.parametrize("digital", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_constant_offset_changes_no_time(seed, digital):
    """0.05 is 34 dB above the noise of these samples; a window's mean takes it out, up to the ends of the audio."""
    samples = speech_like(seed, digital)
    offset = samples + np.float32(0.05)
    plain, moved = (relative_loudness(energy_at_columns(x, 75, FRAME_S, START_S)) for x in (samples, offset))
    np.testing.assert_allclose(moved, plain, rtol=0, atol=1e-4)
    np.testing.assert_allclose(times_of(offset, seed), times_of(samples, seed), rtol=0, atol=TENTH_MS)


# Shift


FILLS = {
    "minimum": lambda values, _: np.full(len(values), values.min()),
    "zeros": lambda values, _: np.zeros(len(values), dtype=np.float32),
    "quietest column": lambda values, energy: values[:, energy.argmin()],
}
"""Columns that a map can have in silence, each made from the map and the energy."""


def loud_between_quiet_ends(seed: int, n_quiet: int = 15, n_frames: int = 50) -> np.ndarray:
    """Loudness within 14 dB of the loudest, with frames 60 dB below at either end."""
    rng = np.random.default_rng(seed)
    energy = rng.uniform(0.2, 1.0, n_frames)
    if n_quiet:
        energy[:n_quiet] = 1e-3 * rng.uniform(0.2, 1.0, n_quiet)
        energy[-n_quiet:] = 1e-3 * rng.uniform(0.2, 1.0, n_quiet)
    return energy


def moved_by(relevance, energy, inserts, fill, align="viterbi"):
    """How much later each boundary comes with silence in front and behind, in seconds."""
    column = FILLS[fill](relevance.values, energy)
    longer = padded_map(relevance, inserts, column)
    after = align_map(longer, with_columns(energy, inserts, 0.0), align)
    return np.array(after.words) - align_map(relevance, energy, align).words


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("n_quiet", [0, 1, 5, 15])
@pytest.mark.parametrize(("front", "behind"), [(1, 0), (0, 7), (200, 0), (0, 1450), (1450, 0), (700, 750)])
def test_silence_before_and_after_moves_every_boundary_by_just_as_much(front, behind, n_quiet, fill):
    """Random maps hold no path in place; they are tried with and without silence at their own ends.

    Up to a window of 30 s, 1,500 columns.
    """
    for seed in range(5):
        relevance, energy = random_map(seed, 50, start_s=0.0), loud_between_quiet_ends(seed, n_quiet)
        found = moved_by(relevance, energy, {0: front, 50: behind}, fill)
        np.testing.assert_allclose(found, front * FRAME_S, rtol=0, atol=TENTH_MS)


def test_the_path_by_standardised_energy_fails_where_most_is_silence():
    """A control: the test above can fail."""
    found = [
        moved_by(random_map(s, 50), loud_between_quiet_ends(s), {0: 700, 50: 750}, "minimum", OLD) for s in range(5)
    ]
    assert max(abs(moved - 700 * FRAME_S).max() for moved in found) > 1.0


def planted(pause: int, ends: int, start_s: float = START_S) -> tuple[RelevanceMap, np.ndarray]:
    """Three words of 12 loud frames with clear rows, frames of silence between them, and at the ends."""
    n = 2 * ends + 36 + 2 * pause
    rng = np.random.default_rng(0)
    values, energy = rng.normal(0, 0.3, (4, n)).astype(np.float32), 1e-3 * rng.uniform(0.2, 1.0, n)
    for word in range(3):
        first = ends + word * (12 + pause)
        values[word, first : first + 12] += 6.0
        energy[first : first + 12] = rng.uniform(0.2, 1.0, 12)
    words, letters = np.array([0, 1, 2, EOT_WORD], dtype=np.int32), np.array([4, 4, 4, 0], dtype=np.int32)
    return RelevanceMap(values, FRAME_S, start_s, words, "planted", letters=letters), energy


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("front", [1, 20, 700])
def test_speech_that_fills_its_audio_moves_as_a_whole(front, fill):
    relevance, energy = planted(pause=0, ends=0, start_s=0.0)  # else the first start is cut off at 0 s
    found = moved_by(relevance, energy, {0: front, len(energy): front}, fill)
    np.testing.assert_allclose(found, front * FRAME_S, rtol=0, atol=TENTH_MS)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("n_added", [5, PAUSE_FRAMES, 40, 600])
@pytest.mark.parametrize("pause", [0, 2, 12, 30])
def test_silence_between_words_moves_the_later_ones(pause, n_added, fill):
    """Cut in at the path's own boundary, the end of the first word and the start of the last.

    Exact where a pause is made longer, or where it parts words that touch. Two quiet frames between words are no pause,
    so that words reach into them, 7.4 ms here, and not into a pause. Too few frames for a pause are only weighed: words
    reach farther into them, by 34 ms at most where the copied column favours one of them.
    """
    if pause >= PAUSE_FRAMES or (pause == 0 and n_added >= PAUSE_FRAMES):
        within_s = TENTH_MS
    else:
        within_s = 0.0075 if n_added >= PAUSE_FRAMES else 0.034
    relevance, energy = planted(pause, ends=15)
    before = np.array(align_map(relevance, energy, "viterbi").words)
    cuts = [round((time_s - START_S) / FRAME_S) for time_s in (before[0, 1], before[2, 0])]
    found = moved_by(relevance, energy, dict.fromkeys(cuts, n_added), fill)
    expected = np.array([[0, 0], [1, 1], [2, 2]]) * n_added * FRAME_S
    np.testing.assert_allclose(found, expected, rtol=0, atol=within_s)


def test_samples_of_silence_are_heard_as_silence():
    """The same from samples: half a second of zeros in front moves the energy by 25 columns, and all times with it."""
    samples = speech_like(3, digital=False)
    longer = np.concatenate([np.zeros(SAMPLE_RATE // 2, dtype=np.float32), samples])
    energy, padded_energy = (energy_at_columns(x, len(x) // 320, FRAME_S, START_S) for x in (samples, longer))
    np.testing.assert_allclose(padded_energy[26:], energy[1:], rtol=1e-12)  # column 0 is cut off by its start
    relevance = random_map(3, 75)
    after = align_map(padded_map(relevance, {0: 25}, np.zeros(5)), padded_energy, "viterbi").words
    np.testing.assert_allclose(after, np.array(align_map(relevance, energy, "viterbi").words) + 0.5, atol=TENTH_MS)
