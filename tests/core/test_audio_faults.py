"""Faults of samples: each is a warning with file and remedy, and a channel can be chosen."""

import json
import warnings

import numpy as np
import pytest
import soundfile

from align_eval.corpus.audio import faults, read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.folder import corpus_checksum
from align_eval.corpus.make_references import make_references
from align_eval.errors import InputError, InputWarning
from align_eval.formats.textgrids import write_words
from align_eval.records import AudioSpan, Word
from tests.helpers.command_line import align_eval

RATE = 16_000
SPEECH = (np.random.default_rng(0).standard_normal(RATE) * 0.1).astype(np.float32)
OTHER = (np.random.default_rng(1).standard_normal(RATE) * 0.1).astype(np.float32)
ZEROS = np.zeros(RATE, np.float32)


def channels(*of):
    return np.stack(of, axis=1)


CANCEL = "its channels cancel each other in their mean; read one of them: --channel 0"
SILENT = "is digital silence (all samples are equal); check the recording"
LOUD = "has samples beyond full scale (-1 to 1); write it again at a lower level"


@pytest.mark.parametrize(
    ("samples", "channel", "found"),
    [
        (channels(SPEECH), None, []),
        (channels(SPEECH, SPEECH), None, []),
        (channels(SPEECH, OTHER), None, []),
        (channels(SPEECH, ZEROS), None, []),
        (channels(SPEECH, *[ZEROS] * 7), None, []),
        (channels(SPEECH, -0.3 * SPEECH), None, []),  # 9 dB quieter than the first channel
        (channels(SPEECH, -SPEECH), None, [CANCEL]),
        (channels(SPEECH, -0.9 * SPEECH), None, [CANCEL]),
        (channels(SPEECH, -SPEECH + 0.3 * OTHER), None, [CANCEL]),  # noise alone is left
        (channels(ZEROS, SPEECH, -SPEECH), None, [CANCEL.replace("channel 0", "channel 1")]),
        (channels(SPEECH, -SPEECH), 1, []),
        (channels(ZEROS), None, [SILENT]),
        (channels(ZEROS, ZEROS), None, [SILENT]),
        (channels(ZEROS - 1), None, [SILENT]),  # 8-bit samples of 0
        (channels(ZEROS + 8 / 32768), 0, [SILENT.replace("silence", "silence in channel 0")]),  # silence of A-law
        (
            channels(ZEROS, SPEECH),
            0,
            ["is digital silence in channel 0 (all samples are equal); read another channel: --channel 1"],
        ),
        (channels(SPEECH * 1e-3), None, []),  # quiet speech
        (channels(SPEECH * 20), None, [LOUD]),
        (channels(SPEECH, SPEECH * 20), None, [LOUD]),
        (channels(SPEECH, SPEECH * 20), 0, []),
        (channels(SPEECH * 20, -SPEECH * 20), None, [CANCEL, LOUD]),
    ],
)
def test_each_fault_is_found_and_no_other(samples, channel, found):
    assert list(faults(samples, channel)) == found


@pytest.mark.parametrize(("peak", "is_lossy", "n"), [(1.0, False, 0), (1.01, False, 1), (1.5, True, 0), (2.5, True, 1)])
def test_full_scale_itself_and_the_overshoot_of_a_lossy_format_are_no_faults(peak, is_lossy, n):
    samples = channels(SPEECH).copy()
    samples[100] = -peak
    assert len(list(faults(samples, is_lossy=is_lossy))) == n


@pytest.mark.parametrize(
    ("subtype", "suffix"), [("PCM_U8", "wav"), ("ALAW", "wav"), ("VORBIS", "ogg"), ("OPUS", "ogg")]
)
def test_silence_is_found_as_each_format_writes_it(tmp_path, subtype, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, ZEROS, RATE, subtype=subtype)
    with pytest.warns(InputWarning, match=rf"a\.{suffix}: is digital silence"):
        read_audio(AudioSpan(path))


def test_the_text_of_a_warning_is_the_same_for_all_stretches_of_a_file(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, channels(SPEECH, -SPEECH), RATE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for start_s in (0.0, 0.2, 0.4):
            read_audio(AudioSpan(path, start_s=start_s, end_s=start_s + 0.2))
    assert [str(w.message) for w in caught] == [f"{path}: {CANCEL}"] * 3


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, samples in {
        "good": channels(SPEECH, OTHER),
        "opposed": channels(SPEECH, -0.5 * SPEECH - 0.5 * SPEECH),
    }.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE, subtype="FLOAT")
        write_words(folder / f"{name}.TextGrid", {"words": (Word("one", 0.1, 0.4), Word("two", 0.5, 0.9))}, 1.0)
    return folder


def test_check_warns_once_per_file_and_the_remedy_works_as_typed(corpus):
    done = align_eval("corpus", "check", str(corpus), "--json")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [f"warning: {corpus}/opposed.wav: {CANCEL}"]
    option = done.stderr.split("read one of them: ")[1].split()
    assert json.loads(done.stdout)["n_utterances"] == 2
    assert align_eval("corpus", "check", str(corpus), *option).stderr == ""


def test_a_channel_is_read_and_is_part_of_the_checksum(corpus):
    mean, first, second = (load_corpus(corpus, channel=channel) for channel in (None, 0, 1))
    np.testing.assert_array_equal(read_audio(first.utterances[0].audio), SPEECH)
    np.testing.assert_array_equal(read_audio(second.utterances[0].audio), OTHER)
    assert len({corpus_checksum(of.utterances) for of in (mean, first, second)}) == 3


def test_a_channel_that_is_not_there_is_refused_with_those_that_are(corpus):
    done = align_eval("corpus", "check", str(corpus), "--channel", "2")
    assert done.returncode == 2
    assert "good.wav: has 2 channels, no channel 2; name another channel: 0 to 1" in done.stdout
    with pytest.raises(InputError, match="channel -1: there is no such channel; count channels from 0"):
        load_corpus(corpus, channel=-1)
    with pytest.raises(InputError, match="channel -1: there is no such channel; count channels from 0"):
        make_references(corpus, corpus / "out", channel=-1)


def test_convert_writes_the_channel(corpus, tmp_path):
    assert align_eval("corpus", "convert", str(corpus), str(tmp_path / "out"), "--channel", "1").returncode == 0
    samples, _ = soundfile.read(tmp_path / "out" / "good.wav", dtype="float32", always_2d=True)
    np.testing.assert_array_equal(samples, channels(OTHER))
