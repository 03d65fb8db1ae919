"""Recordings longer than the model's window: real speech joined, whose words are those of its clips."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from align_eval.api import align
from align_eval.cli import app
from align_eval.corpus.audio import read_audio
from align_eval.engine.run import evaluate
from align_eval.formats.run_folder import write_run
from align_eval.formats.textgrids import write_words
from align_eval.records import Word

SCRIPT = str(Path(__file__).resolve().parents[2] / "scripts" / "join_audio.py")
RATE = 16000
SOURCES = ("attention:heads=all", "gradient:at=encoder-output")
GAP_S = 14.0


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


def test_words_are_found_where_their_clip_is(evaluation, joined):
    """Any word out of its window's place would be off by seconds."""
    errors = [abs(r["start_error_s"]) for r in evaluation.words.to_pylist()]
    assert np.median(errors) < 0.1
    assert max(errors) < 1.0


def test_the_signature_says_that_windows_were_cut(evaluation, tiny_en, demo, clips):
    assert evaluation.run.signature["window_s"] == 30.0
    short = evaluate(
        type(demo)("short", tuple(clips[:1]), ()), tiny_en, sources=SOURCES[:1], aligns=["dtw"], presets=[]
    )
    assert "window_s" not in short.run.signature


def test_the_command_drift_prints_slopes_and_draws(evaluation, tmp_path):
    write_run(tmp_path, evaluation.run, evaluation.words)
    done = CliRunner().invoke(app, ["drift", str(tmp_path)])
    assert done.exit_code == 0, done.output
    for row in (tmp_path / "drift.json", tmp_path / "drift.png"):
        assert row.stat().st_size > 1000
    assert re.search(r"starts\s+[+-]\d+\.\d\d \[", done.output)
    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize("source", SOURCES)
def test_a_clip_seven_seconds_into_its_window_has_its_own_times(source, tiny_en, clips):
    """Room tone before it moves each word by exactly that; half of the boundaries by less than a frame from it."""
    moved = []
    for u in clips:
        samples = read_audio(u.audio)
        text = " ".join(w.text for w in u.words)
        tone = np.resize(np.concatenate([samples[:800], samples[799::-1]]), 7 * RATE)
        alone = align(tiny_en, samples, text, source=source, align="viterbi", language="en")
        later = align(tiny_en, np.concatenate([tone, samples]), text, source=source, align="viterbi", language="en")
        for a, b in zip(alone, later, strict=True):
            moved += [abs(b.start_s - 7 - a.start_s), abs(b.end_s - 7 - a.end_s)]
    assert 1000 * np.median(moved) <= 20
