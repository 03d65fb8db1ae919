"""Reading audio files: exact samples at 16 kHz, times after resampling, and refusal of damaged files."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from align_eval.corpus.audio import audio_duration_s, read_audio
from align_eval.errors import InputError, InputWarning
from align_eval.records import AudioSpan

RATE = 16_000
RAMP = np.arange(RATE, dtype=np.int16)  # one second, every sample its own index
NOISE = np.random.default_rng(0).integers(-20_000, 20_000, RATE).astype(np.int16)  # hardly compressible


def write(path, samples, rate=RATE, **kwargs):
    soundfile.write(path, samples, rate, **kwargs)
    return path


def refused(path, problem, span=None):
    with pytest.raises(InputError, match=f"{re.escape(str(path))}: {problem}"):
        read_audio(span or AudioSpan(path))


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_every_16_bit_value_is_read_exactly_at_16_khz(tmp_path, suffix):
    values = np.arange(-32768, 32768).astype(np.int16)
    samples = read_audio(AudioSpan(write(tmp_path / f"a.{suffix}", values)))
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, values / 32768)


def test_the_duration_is_samples_over_rate(tmp_path):
    assert audio_duration_s(write(tmp_path / "a.wav", RAMP[:11025], 44_100)) == 0.25


@pytest.mark.parametrize(
    ("start_s", "end_s", "first", "last"),
    [(0.0, None, 0, RATE), (0.25, 0.75, 4000, 12000), (0.5, None, 8000, RATE), (0.5, 9.0, 8000, RATE)],
    ids=["all", "inside", "to the end", "end past the audio"],
)
def test_a_span_holds_its_samples_and_no_others(tmp_path, start_s, end_s, first, last):
    path = write(tmp_path / "a.wav", RAMP)
    samples = read_audio(AudioSpan(path, start_s=start_s, end_s=end_s))
    np.testing.assert_array_equal(samples * 32768, RAMP[first:last])


@pytest.mark.parametrize(("channel", "expected"), [(None, 0.375), (0, 0.5), (1, 0.25)], ids=["mean", "first", "second"])
def test_channels_are_averaged_unless_one_is_named(tmp_path, channel, expected):
    path = write(tmp_path / "a.wav", np.tile([0.5, 0.25], (RATE, 1)))
    np.testing.assert_array_equal(read_audio(AudioSpan(path, channel=channel)), np.full(RATE, expected, np.float32))


def test_a_channel_that_is_not_there_is_refused(tmp_path):
    path = write(tmp_path / "a.wav", np.zeros((RATE, 2)))
    refused(path, "has 2 channels, no channel 2; name another channel", AudioSpan(path, channel=2))


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("impulse_s", [0.1, 0.5, 0.9])
def test_resampling_keeps_an_impulse_within_a_sample_of_its_time(tmp_path, rate, impulse_s):
    """All three times fall on a sample at every rate, so the peak's own time is known exactly."""
    signal = np.zeros(rate)
    signal[round(impulse_s * rate)] = 0.9
    samples = read_audio(AudioSpan(write(tmp_path / "a.wav", signal, rate)))
    assert len(samples) == RATE
    assert abs(int(np.argmax(np.abs(samples))) - impulse_s * RATE) <= 1


def test_a_missing_file_is_refused(tmp_path):
    refused(tmp_path / "gone.wav", "there is no such audio file")


def test_a_file_that_the_system_refuses_is_a_bad_input(tmp_path, monkeypatch):
    """Injected, since root may read every file: it was no InputError, and ended a whole run."""
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(InputError, match=r"a\.wav: cannot be read \(Permission denied\)"):
        read_audio(AudioSpan(tmp_path / "a.wav"))


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    path.touch()
    refused(path, "the file is empty")


def test_a_file_without_samples_is_refused(tmp_path):
    refused(write(tmp_path / "a.wav", RAMP[:0]), "holds no samples")


@pytest.mark.parametrize("data", [b"no audio at all\n" * 100, b"RIFF"], ids=["text", "four bytes"])
def test_a_file_that_is_no_audio_is_refused(tmp_path, data):
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    refused(path, "is not audio that libsndfile can read .*convert it to WAV or FLAC")


@pytest.mark.parametrize("lost", [2, 1000, RATE])
def test_a_wav_file_cut_short_is_refused_with_both_lengths(tmp_path, lost):
    path = write(tmp_path / "a.wav", NOISE)
    data = path.read_bytes()
    path.write_bytes(data[:-lost])
    refused(path, f"is cut short: its header promises {len(data)} bytes, it has {len(data) - lost}")


@pytest.mark.parametrize("lost", [1, 1000, RATE])
def test_a_flac_file_cut_short_is_refused(tmp_path, lost):
    path = write(tmp_path / "a.flac", NOISE)
    path.write_bytes(path.read_bytes()[:-lost])
    refused(path, r"(cannot be decoded|is cut short)")


def test_an_mp3_file_cut_short_is_refused_with_both_counts(tmp_path):
    """It is decoded without complaint up to the cut; only its first frame knows how many samples there were."""
    path = write(tmp_path / "a.mp3", NOISE)
    path.write_bytes(path.read_bytes()[:-1000])
    refused(path, r"is cut short: its header promises 16000 samples, \d+ can be read; copy the file again")


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=["NaN", "infinity"])
def test_a_sample_that_is_not_finite_is_refused_with_its_index(tmp_path, value):
    samples = np.zeros(RATE, dtype=np.float32)
    samples[[7000, 9000]] = value
    refused(write(tmp_path / "a.wav", samples, subtype="FLOAT"), "sample 7000 is not a finite number")


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_samples_far_beyond_full_scale_warn_of_nothing_but_the_file(tmp_path, value, n_channels):
    """Their sums and differences overflow float32, of which numpy would warn; 3e38 is below its largest number."""
    samples = np.zeros((RATE, n_channels), dtype=np.float32)
    samples[7000:7002, 0] = value, -value
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", InputWarning)
        if np.isfinite(value):
            assert len(read_audio(AudioSpan(path))) == RATE
        else:
            with pytest.raises(InputError, match="sample 7000 is not a finite number"):
                read_audio(AudioSpan(path))


def test_audio_longer_than_the_window_is_refused_and_a_span_of_it_is_not(tmp_path):
    path = write(tmp_path / "a.wav", np.zeros(31 * RATE, dtype=np.int16))
    refused(path, r"lasts 31\.00 s, more than Whisper's window of 30 s; cut it at pauses")
    assert len(read_audio(AudioSpan(path, start_s=1.0))) == 30 * RATE


def test_audio_shorter_than_a_frame_is_refused_and_one_frame_is_not(tmp_path):
    refused(write(tmp_path / "a.wav", RAMP[:319]), r"lasts 0\.0199375 s, less than one frame \(0\.02 s\)")
    assert len(read_audio(AudioSpan(write(tmp_path / "b.wav", RAMP[:320])))) == 320


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.aiff", {}),
        ("a.au", {}),
        ("a.wav", {"format": "RF64"}),
        ("a.ogg", {"format": "OGG", "subtype": "VORBIS"}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
    ],
    ids=["AIFF", "AU", "RF64", "Vorbis", "Opus"],
)
def test_other_forms_cut_short_are_refused_and_whole_ones_are_not(tmp_path, name, options):
    path = write(tmp_path / name, np.random.default_rng(0).standard_normal(2 * RATE) * 0.1, **options)
    assert len(read_audio(AudioSpan(path))) == 2 * RATE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=rf"{name}: (is cut short|is not audio|holds no samples)"):
        read_audio(AudioSpan(path))


@pytest.mark.parametrize(
    ("start_s", "end_s", "channel"),
    [(-1.0, None, None), (2.0, 1.0, None), (1.0, 1.0, None), (float("nan"), None, None), (0.0, None, -1)],
)
def test_a_span_that_is_none_is_refused(tmp_path, start_s, end_s, channel):
    with pytest.raises(ValueError, match=r"no span from"):
        AudioSpan(tmp_path / "a.wav", channel, start_s, end_s)


def test_a_span_past_the_end_holds_nothing(tmp_path):
    path = write(tmp_path / "a.wav", np.zeros(RATE))
    with pytest.raises(InputError, match=r"a\.wav: lasts 0 s, less than one frame"):
        read_audio(AudioSpan(path, start_s=5.0))
