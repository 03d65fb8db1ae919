"""Recordings longer than the model's window: real speech joined, whose words are those of its clips."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from align_eval.api import align, evaluate
from align_eval.corpus.audio import read_audio
from align_eval.formats.run.folder import write_run
from align_eval.formats.textgrids import write_words
from align_eval.records import Word
from tests.helpers.command_line import align_eval, start

SCRIPT = str(Path(__file__).resolve().parents[2] / "scripts" / "join_audio.py")
RATE = 16000
SOURCES = ("attention:heads=all", "gradient:at=encoder-output")
GAP_S = 29.0


@pytest.fixture(scope="module")
def clips(demo):
    names = ("en_praatio_bobby", "en_praatio_damon", "en_phonlab_two_plus_two")
    return [u for name in names for u in demo.utterances if u.id == name]


@pytest.fixture(scope="module")
def joined(clips, tmp_path_factory):
    """The clips in a file of over 30 s with silence between them, and the sample at which each begins."""
    folder = tmp_path_factory.mktemp("joined")
    samples = [read_audio(u.audio) for u in clips]
    silence = np.zeros(round(GAP_S * RATE), dtype=np.float32)
    starts, words, n = [], [], 0
    for u, of_clip in zip(clips, samples, strict=True):
        starts.append(n)
        words += [Word(w.text, w.start_s + n / RATE, w.end_s + n / RATE) for w in u.words]
        n += len(of_clip) + len(silence)
    whole = np.concatenate([part for of_clip in samples for part in (of_clip, silence)])
    assert len(whole) > 30 * RATE
    soundfile.write(folder / "talk.flac", whole, RATE)
    write_words(folder / "talk.TextGrid", {"words": words}, len(whole) / RATE)
    return folder, starts


@pytest.fixture(scope="module")
def evaluation(joined, tiny_en):
    return evaluate(joined[0], tiny_en, sources=SOURCES, aligns=["viterbi"], presets=[])


def test_no_word_is_lost_or_doubled(evaluation, clips):
    texts = [w.text for u in clips for w in u.words]
    for source in SOURCES:
        rows = [r for r in evaluation.words.to_pylist() if r["source"] == source]
        assert [r["word"] for r in rows] == texts
        assert {r["audio"] for r in rows} == {"talk"}
        assert len({r["utterance"] for r in rows}) > 1
    assert evaluation.run.failures == ()


def test_times_are_those_of_the_window_alone_put_back_by_its_start(evaluation, joined, tiny_en):
    """Each window's samples, sliced here, are aligned by the library call, which knows of no windows."""
    whole, _ = soundfile.read(joined[0] / "talk.flac", dtype="float32")
    rows = [r for r in evaluation.words.to_pylist() if r["source"] == SOURCES[1]]
    for window in dict.fromkeys(r["utterance"] for r in rows):
        of_window = [r for r in rows if r["utterance"] == window]
        first = round(of_window[0]["offset_s"] * RATE)
        samples = whole[first : round((of_window[0]["offset_s"] + of_window[0]["duration_s"]) * RATE)]
        text = " ".join(r["word"] for r in of_window)
        alone = align(tiny_en, samples, text, source=SOURCES[1], align="viterbi", language="en")
        assert [r["start_s"] for r in of_window] == pytest.approx([w.start_s + first / RATE for w in alone])
        assert [r["end_s"] for r in of_window] == pytest.approx([w.end_s + first / RATE for w in alone])


def test_words_are_found_where_their_clip_is(evaluation):
    """There are clips every 30 s: a word out of the place of its clip would be off by that."""
    errors = [abs(r["start_error_s"]) for r in evaluation.words.to_pylist()]
    assert np.median(errors) < 0.1
    assert max(errors) < 2  # a window reaches a second beyond its words


def test_the_signature_says_that_windows_were_cut(evaluation, tiny_en, demo, clips):
    assert evaluation.run.signature["window_s"] == 30.0
    short = evaluate(
        type(demo)("short", tuple(clips[:1]), ()), tiny_en, sources=SOURCES[:1], aligns=["dtw"], presets=[]
    )
    assert "window_s" not in short.run.signature


def test_the_command_drift_prints_slopes_and_draws(evaluation, tmp_path):
    write_run(tmp_path, evaluation.run, evaluation.words)
    done = align_eval("drift", tmp_path)
    assert done.returncode == 0
    for row in (tmp_path / "drift.json", tmp_path / "drift.png"):
        assert row.stat().st_size > 1000
    assert re.search(r"starts\s+[+-]\d+\.\d\d  ", done.stdout)  # three windows are too few for an interval
    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_recognised_text_is_timed_in_the_windows_that_whisper_seeks(joined, tiny_en, clips):
    """The words that tiny.en hears right are found where their clip is; none stands outside the recording."""
    run = evaluate(joined[0], tiny_en, sources=SOURCES[:1], aligns=["viterbi"], presets=[], text="hypothesis")
    rows = run.words.to_pylist()
    assert [r["word"] for r in rows] == [w.text for u in clips for w in u.words]
    assert {(r["utterance"], r["audio"], r["offset_s"]) for r in rows} == {("talk", "talk", 0.0)}
    errors = [abs(r["start_error_s"]) for r in rows if (r["hypothesis"] or "").lower().strip(".") == r["word"]]
    assert len(errors) >= 5
    assert np.median(errors) < 0.2
    heard = [w for r in rows for w in [*r["inserted"], r] if w["start_s"] is not None]
    assert all(0 <= w["start_s"] < rows[0]["duration_s"] for w in heard)


@pytest.mark.slow
def test_a_joined_recording_gives_its_clips_own_times(demo, tiny_en, tmp_path):
    """Two minutes of the demo's clips in random order: half of the boundaries move by about a frame.

    Whisper hears other clips and other silence around each, and its frames fall elsewhere: 12 ms for its own heads and
    20 ms for the gradient over ten minutes (docs/corpora.md). Words that lost their place would be off by seconds.
    """
    assert start(SCRIPT, "clips", "demo", tmp_path / "in", "--minutes", "2").returncode == 0
    for name, corpus in (("alone", demo), ("joined", tmp_path / "in")):
        found = evaluate(
            corpus, tiny_en, sources=["attention:heads=alignment", SOURCES[1]], aligns=["viterbi"], presets=[]
        )
        write_run(tmp_path / name, found.run, found.words)
    done = start(SCRIPT, "compare", *(tmp_path / name for name in ("in", "alone", "joined")))
    assert done.returncode == 0, done.stderr
    moved = [float(line[54:66]) for line in done.stdout.splitlines()[1:]]
    assert len(moved) == 2
    assert moved[0] < 20
    assert moved[1] < 25
