"""Spectrograms, maps and sound of an utterance match its samples and its saved maps."""

from __future__ import annotations

import base64
import io
import json
import zlib

import numpy as np
import pytest
import soundfile

from align_eval.corpus.audio import read_audio
from align_eval.engine.fitting_maps import maps_reader
from align_eval.errors import InputError, InputWarning
from align_eval.formats.run.audio_spans import NAME, read_audio_spans, write_audio_spans
from align_eval.formats.textgrids import write_words
from align_eval.records import AudioSpan, Word
from align_eval.reporting.html.embed import Stretch, choose_stretches, embed_media
from align_eval.reporting.map_images import map_images
from align_eval.reporting.run_view import view_run
from align_eval.reporting.spectrogram import spectrogram
from align_eval.reporting.utterance_audio import find_audio, flac, read_samples
from align_eval.units import SAMPLE_RATE
from tests.helpers.command_line import align_eval
from tests.helpers.planted_run import EVERY, OUTPUT, RANDOM, SPEAKERS
from tests.helpers.reported_run import write_reported


def test_a_click_is_in_its_frame():
    samples = np.zeros(16000, dtype=np.float32)
    samples[4800] = 1.0  # 0.3 s, frame 30 of 10 ms
    assert np.flatnonzero(spectrogram(samples).levels.any(axis=0)).tolist() == [30]


def test_a_tone_is_at_its_frequency():
    """128 rows span 8 kHz: 2 kHz is row 32."""
    image = spectrogram(np.sin(2 * np.pi * 2000 * np.arange(16000) / 16000).astype(np.float32))
    assert image.levels.shape == (129, 101)
    assert image.levels[:, 50].argmax() == 32


def test_silence_has_a_spectrogram():
    assert spectrogram(np.zeros(3200, dtype=np.float32)).levels.shape == (129, 21)


def test_sound_equals_the_samples_to_sixteen_bits():
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, 5000).astype(np.float32)
    decoded, rate = soundfile.read(io.BytesIO(flac(samples)), dtype="float32")
    assert rate == 16000
    assert np.abs(decoded - samples).max() <= 2**-15


def test_rows_of_a_map_are_scaled_by_their_greatest_value(reported):
    """Levels are square roots: a quarter of the greatest value has half its level. Controls have no image."""
    maps = maps_reader(reported, None)("a")
    images = map_images(maps)
    assert RANDOM in maps.stacks
    assert set(images) == set(maps.stacks) - {RANDOM}
    image, values = images[OUTPUT], maps.stacks[OUTPUT][0]
    assert image.levels.max(axis=1).tolist() == [255] * len(values)
    expected = 255 * np.sqrt(values / values.max(axis=1, keepdims=True))
    assert np.abs(image.levels - expected).max() <= 0.5
    assert image.word_of_row == (0, 1, 2, 3, -1)


def test_heads_are_shown_as_their_mean(reported):
    maps = maps_reader(reported, None)("a")
    assert maps.stacks[EVERY].shape[0] == 4
    assert map_images(maps)[EVERY].levels.shape == maps.stacks[EVERY].shape[1:]


def test_spans_survive_a_round_trip(tmp_path):
    audio = (tmp_path / "ä.wav").resolve()
    spans = {"one": AudioSpan(audio), "one@000000001.000": AudioSpan(audio, 1, 1.0, 2.5)}
    write_audio_spans(tmp_path, spans)
    assert read_audio_spans(tmp_path) == spans


def test_a_run_without_audio_json_has_no_audio(tmp_path):
    assert read_audio_spans(tmp_path) == {}


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"schema": 2, "spans": {}}', '{"schema": 1, "spans": []}', '{"schema": 1, "spans": {"a": 3}}',
     '{"schema": 1, "spans": {"a": {"path": "x", "channel": "left", "start_s": 0.0, "end_s": null}}}',
     '{"schema": 1, "spans": {"a": {"path": "x", "channel": null, "start_s": 2.0, "end_s": 1.0}}}'],
)  # fmt: skip
def test_a_damaged_file_of_spans_is_refused_with_a_remedy(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    with pytest.raises(InputError, match=r"audio\.json.*: does not say where audio is .*give --corpus"):
        read_audio_spans(tmp_path)


def whole(utterance: str, duration_s: float) -> Stretch:
    return Stretch(utterance, 0.0, duration_s, whole=True)


def test_moved_audio_is_found_in_a_named_corpus(reported):
    run = view_run(reported).run
    spans = find_audio(reported, run, "demo")
    assert spans["en_praatio_bobby"].path.name == "en_praatio_bobby.flac"
    assert find_audio(reported, run)["a"].path.name == "a.wav"


def test_the_channel_of_audio_in_a_named_corpus_is_read(reported, tmp_path):
    sound = np.linspace(-0.5, 0.5, SAMPLE_RATE, dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", np.stack([sound, -sound], axis=1), SAMPLE_RATE, subtype="FLOAT")
    write_words(tmp_path / "a.TextGrid", {"words": (Word("one", 0.1, 0.4),)}, 1.0)
    spans = find_audio(reported, view_run(reported).run, str(tmp_path), channel=1)
    np.testing.assert_array_equal(read_samples(spans["a"]), -sound)
    page = tmp_path / "page.html"
    for options, returncode in ((("--channel", "1"), 0), (("--channel", "-1"), 2)):
        done = align_eval("report", str(reported), "--corpus", str(tmp_path), "--out", str(page), *options)
        assert done.returncode == returncode, done.stderr


def test_missing_audio_is_a_warning(tmp_path):
    with pytest.warns(InputWarning, match=r"no sound: .*gone\.wav: there is no such audio file"):
        assert read_samples(AudioSpan(tmp_path / "gone.wav")) is None


def test_embedded_media_unpack_to_spectrogram_and_sound(reported):
    spans = read_audio_spans(reported)
    media = embed_media(maps_reader(reported, None), [whole("a", 2.0)], spans, 10**7, audio=True)
    assert media.left_out == []
    (entry,) = media.entries["a"]
    samples = read_audio(spans["a"])
    picture = entry["spectrogram"]
    levels = np.frombuffer(zlib.decompress(base64.b64decode(picture["data"])), np.uint8)
    np.testing.assert_array_equal(levels.reshape(picture["rows"], picture["frames"]), spectrogram(samples).levels)
    assert base64.b64decode(entry["audio"]) == flac(samples)
    assert entry["maps"][OUTPUT]["words"] == [0, 1, 2, 3, -1]
    assert json.loads(json.dumps(media.entries)) == media.entries


def test_an_utterance_that_does_not_fit_is_listed_and_a_shorter_one_still_fits(tmp_path):
    long, *short = SPEAKERS
    folder = write_reported(tmp_path / "run", short)
    write_reported(tmp_path / "long", [long], longer_s=20.0)
    (tmp_path / "long" / "maps" / "a.safetensors").rename(folder / "maps" / "a.safetensors")
    maps_of = maps_reader(folder, None)
    spans = {**read_audio_spans(folder), **read_audio_spans(tmp_path / "long")}
    ids = [whole("a", 21.0), whole("b", 2.0), whole("c", 2.0)]
    every = embed_media(maps_of, ids, spans, 10**8, audio=True).entries
    room = len(json.dumps(every)) - len(json.dumps(every["a"])) + 2000
    media = embed_media(maps_of, ids, spans, room, audio=True)
    assert (set(media.entries), media.left_out) == ({"b", "c"}, ["a"])


def test_without_sound_the_spectrograms_remain(reported):
    media = embed_media(maps_reader(reported, None), [whole("a", 2.0)], read_audio_spans(reported), 10**7, audio=False)
    assert not media.has_sound
    assert set(media.entries["a"][0]) == {"maps", "spectrogram", "from", "to"}


def test_long_utterances_are_embedded_20_s_around_a_word():
    """By hand: 20 s around 50.2 s. Words inside get no stretch, a word 1 s from the edge does."""
    words = [
        ("long", 100.0, 50.0, 50.4),
        ("long", 100.0, 55.0, 56.0),
        ("short", 60.0, 1.0, 2.0),
        ("long", 100.0, 58.8, 59.2),
        ("short", 60.0, 3.0, 4.0),
        ("long", 100.0, 99.0, 99.5),
        ("long", 100.0, 0.1, 0.5),
    ]
    stretches = [(s.utterance, round(s.start_s, 3), round(s.end_s, 3), s.whole) for s in choose_stretches(words)]
    assert stretches == [
        ("long", 40.2, 60.2, False),
        ("short", 0.0, 60.0, True),
        ("long", 49.0, 69.0, False),
        ("long", 80.0, 100.0, False),
        ("long", 0.0, 20.0, False),
    ]


def test_a_stretch_has_its_samples_and_no_other_is_tried_after_one_that_does_not_fit(tmp_path):
    folder = write_reported(tmp_path / "run", longer_s=70.0)
    maps_of = maps_reader(folder, None)
    spans = read_audio_spans(folder)
    stretches = [Stretch("a", at, at + 20.0, whole=False) for at in (10.0, 40.0)]
    media = embed_media(maps_of, stretches, spans, 10**8, audio=True)
    samples = read_audio(spans["a"], longest_s=float("inf"))
    for entry, at in zip(media.entries["a"], (10, 40), strict=True):
        assert (entry["from"], entry["to"], entry["maps"]) == (at, at + 20, {})
        assert base64.b64decode(entry["audio"]) == flac(samples[at * 16000 : (at + 20) * 16000])
    assert media.left_out == []
    media = embed_media(maps_of, [stretches[0], whole("b", 2.0)], spans, 1000, audio=True)
    assert (media.entries, media.left_out) == ({}, ["a", "b"])
