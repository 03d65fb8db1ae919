"""Loudness at the columns of a map, from signals of known loudness."""

import numpy as np
import pytest
from scipy.signal.windows import hann

from align_eval.alignment.energy import ENERGY_WINDOW_S, _window, energy_at_columns
from align_eval.units import FRAME_S, SAMPLE_RATE, START_S

RNG = np.random.default_rng(0)


def click(sample: int, n_samples: int = 16_000) -> np.ndarray:
    samples = np.zeros(n_samples, dtype=np.float32)
    samples[sample] = 0.5
    return samples


# Column j is centred at sample 320 j on Whisper's grid; halfway between two columns either is nearest.
@pytest.mark.parametrize("sample", [0, 1, 159, 161, 320, 479, 481, 8_000, 15_679, 15_681])
def test_a_click_is_loudest_in_the_column_whose_centre_is_nearest(sample):
    energy = energy_at_columns(click(sample), 50, FRAME_S, START_S)
    assert energy.argmax() == np.rint(sample / 320)
    assert energy.max() == 1.0


@pytest.mark.parametrize(("frame_s", "start_s"), [(0.01, 0.0), (0.02, 0.0), (0.0125, -0.005)])
def test_a_click_is_found_on_any_grid(frame_s, start_s):
    column = 23
    centre = round((start_s + (column + 0.5) * frame_s) * SAMPLE_RATE)
    energy = energy_at_columns(click(centre), 40, frame_s, start_s)
    assert energy.argmax() == column


def test_a_click_is_not_heard_beyond_half_a_window():
    energy = energy_at_columns(click(3_200), 50, FRAME_S, START_S)  # at the centre of column 10
    assert FRAME_S > ENERGY_WINDOW_S / 2  # so the neighbouring centres lie outside
    np.testing.assert_allclose(np.delete(energy, 10), 0.0, atol=1e-7)


def test_silence_throughout_gives_zeros():
    assert energy_at_columns(np.zeros(16_000, dtype=np.float32), 50, FRAME_S, START_S).tolist() == [0.0] * 50


@pytest.mark.parametrize("gain", [1e-4, 1.0, 100.0])
def test_the_maximum_is_one_and_the_gain_is_lost(gain):
    samples = RNG.normal(size=16_000).astype(np.float32)
    energy = energy_at_columns(np.float32(gain) * samples, 50, FRAME_S, START_S)
    assert energy.max() == 1.0
    np.testing.assert_allclose(energy, energy_at_columns(samples, 50, FRAME_S, START_S), rtol=1e-5)


def test_a_constant_tone_is_equally_loud_at_every_column_away_from_the_ends():
    # 1 kHz squared is a constant plus 2 kHz, of which the window (25 ms Hann) lets next to nothing through.
    samples = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / SAMPLE_RATE).astype(np.float32)
    energy = energy_at_columns(samples, 50, FRAME_S, START_S)
    np.testing.assert_allclose(energy[1:], 1.0, rtol=1e-4)
    assert energy[0] == pytest.approx(0.5**0.5, rel=0.01)  # half the window lies before the audio


def test_twice_the_amplitude_is_twice_the_energy():
    # 1 kHz repeats after 16 samples, so that the windows at samples 3,840 and 11,840 see the same phase.
    samples = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / SAMPLE_RATE).astype(np.float32)
    samples[:8_000] *= 0.5
    energy = energy_at_columns(samples, 50, FRAME_S, START_S)
    np.testing.assert_allclose(energy[[12, 37]], [0.5, 1.0], rtol=1e-6)


@pytest.mark.parametrize("n_samples", [16_000, 320, 100])
def test_a_constant_is_silence_up_to_the_ends_of_the_audio(n_samples):
    """A step at either end would be heard if the zeros outside the audio counted."""
    constant = np.full(n_samples, 0.25, dtype=np.float32)  # a power of two: its mean is exact up to the weights' sum
    noise = np.float32(1e-3) * RNG.normal(size=n_samples).astype(np.float32)
    n_frames = n_samples // 320 + 1
    plain, offset = (energy_at_columns(samples, n_frames, FRAME_S, START_S) for samples in (noise, noise + constant))
    np.testing.assert_allclose(offset, plain, rtol=0, atol=1e-4)


@pytest.mark.parametrize("constant", [0.25, 0.1, -0.7])
def test_a_constant_alone_is_digital_silence(constant):
    """Its mean is that constant to the last bits, which no scaling may blow up."""
    assert energy_at_columns(np.full(16_000, constant, dtype=np.float32), 50, FRAME_S, START_S).max() == 0.0


@pytest.mark.parametrize(("gain", "constant"), [(0.01, 0.5), (0.3, -0.2), (3.0, 0.05)])
def test_gain_and_offset_together_change_nothing(gain, constant):
    """Float32 rounds samples near 0.5 to 3e-8, a 3e-6th of the quietest noise here."""
    samples = RNG.normal(size=16_000).astype(np.float32)
    plain = energy_at_columns(samples, 50, FRAME_S, START_S)
    changed = energy_at_columns(np.float32(gain) * samples + np.float32(constant), 50, FRAME_S, START_S)
    np.testing.assert_allclose(changed, plain, rtol=1e-5)


def test_audio_shorter_than_the_window_has_its_click_in_the_right_place():
    assert energy_at_columns(click(310, n_samples=320), 2, FRAME_S, START_S).argmax() == 1


def test_the_window_is_scipys_to_the_last_bit():
    window = hann(round(ENERGY_WINDOW_S * SAMPLE_RATE) + 1)
    assert np.array_equal(_window(), window / window.sum())
