"""Pauses and silence in and between words, by hand."""

import numpy as np
import pytest

from align_eval.alignment.pauses import quiet_stretches, split_pauses, suppress_silence


def test_a_short_pause_is_halved_and_a_long_one_gives_each_word_half_of_the_most():
    """A pause of 0.1 s gives 50 ms to each neighbour; a pause of 1 s gives 80 of 160 ms."""
    found = split_pauses(((0.0, 0.5), (0.6, 1.0), (2.0, 2.5)), 0.16)
    flat = [time for word in found for time in word]
    assert flat == pytest.approx([0.0, 0.55, 0.55, 1.08, 1.92, 2.5])


def test_words_that_touch_or_overlap_are_left():
    touching = ((0.0, 0.5), (0.5, 1.0), (0.9, 1.2))
    assert split_pauses(touching, 0.16) == touching
    assert split_pauses(((0.0, 0.5), (0.9, 1.0)), 0.0) == ((0.0, 0.5), (0.9, 1.0))


def test_silence_before_and_after_a_tone_is_found():
    """Silence of 1 s, a constant of 1 s, silence of 1 s; smoothing over five steps widens the sound by two of 20 ms."""
    samples = np.zeros(48000, np.float32)
    samples[16000:32000] = 0.5
    starts, ends = quiet_stretches(samples)
    assert len(starts) == 2
    assert starts[0] == 0.0
    assert ends[0] == pytest.approx(1.0, abs=0.061)
    assert starts[1] == pytest.approx(2.0, abs=0.081)
    assert ends[1] == pytest.approx(3.02)


@pytest.mark.parametrize(("n_samples", "expected"), [(320, [(0.0, 1.98)]), (1000, [(0.0, 0.96), (1.12, 1.98)])])
def test_a_click_does_not_interrupt_silence_and_a_longer_sound_does(n_samples, expected):
    """20 ms are sampled once and smoothed to five steps, the ignored 0.1 s; 62 ms become seven steps and one more."""
    samples = np.zeros(48000, np.float32)
    samples[16000 : 16000 + n_samples] = 0.5
    samples[32000:] = 0.5
    np.testing.assert_allclose(np.transpose(quiet_stretches(samples)), expected)


@pytest.mark.parametrize(
    ("samples", "n_stretches"), [(np.zeros(16000, np.float32), 1), (np.full(200, 0.1, np.float32), 0)]
)
def test_nothing_but_silence_is_one_stretch_and_too_little_audio_none(samples, n_stretches):
    starts, _ = quiet_stretches(samples)
    assert len(starts) == n_stretches


SILENCE = (np.array([1.0]), np.array([2.0]))


def test_a_word_gives_up_its_start_to_silence_and_the_last_one_its_end():
    """The silence from 1 to 2 s covers the start of the word from 1.2 s, and the end of the last word."""
    (first, last) = suppress_silence(((1.2, 2.5), (0.5, 1.8)), ("a", "b"), *SILENCE)
    assert first == (2.0, 2.5)
    assert last == (0.5, 1.0)


def test_a_word_before_a_mark_keeps_its_start():
    assert suppress_silence(((0.5, 1.8), (3.0, 3.5)), ("so,", "b"), *SILENCE)[0] == (0.5, 1.0)


def test_no_word_is_cut_below_a_tenth_of_a_second():
    assert suppress_silence(((1.2, 2.05), (3.0, 3.5)), ("a", "b"), *SILENCE)[0] == (pytest.approx(1.95), 2.05)
    assert suppress_silence(((1.2, 1.3), (3.0, 3.5)), ("a", "b"), *SILENCE)[0] == (1.2, 1.3)


def test_silence_inside_a_word_is_cut_out_where_hardly_any_speech_lies_beyond_it():
    """0.05 s before the silence of 1 s is at most a tenth of it, so the start is cut; 0.5 s on each side is more."""
    assert suppress_silence(((0.95, 2.5), (3.0, 3.5)), ("a", "b"), *SILENCE)[0] == (2.0, 2.5)
    assert suppress_silence(((0.5, 2.5), (3.0, 3.5)), ("a", "b"), *SILENCE)[0] == (0.5, 2.5)


def test_a_word_with_two_silences_inside_is_left():
    two = (np.array([1.0, 2.0]), np.array([1.5, 2.9]))
    assert suppress_silence(((0.98, 3.0), (3.0, 3.5)), ("a", "b"), *two)[0] == (0.98, 3.0)
