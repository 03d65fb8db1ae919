"""The channel of an audio file, from the command line and in Python, and the warning where channels cancel."""

import json

import numpy as np
import pytest
import soundfile

from align_eval.api import align, evaluate, explain
from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.errors import InputError, InputWarning
from tests.helpers.command_line import align_eval


@pytest.fixture(scope="module")
def opposed(clip, tmp_path_factory):
    """A folder with the clip in one channel, and inverted in the other."""
    folder = tmp_path_factory.mktemp("opposed")
    samples = read_audio(clip.audio)
    soundfile.write(folder / "a.wav", np.stack([samples, -samples], axis=1), 16_000, subtype="FLOAT")
    grid = clip.audio.path.with_suffix(".TextGrid")
    (folder / "a.TextGrid").write_bytes(grid.read_bytes())
    return folder


def test_align_and_explain_read_the_channel(tiny_en, clip, opposed):
    options = {"source": "attention", "align": "dtw"}
    expected = align(tiny_en, clip.audio.path, clip.text, **options)
    assert align(tiny_en, opposed / "a.wav", clip.text, channel=0, **options) == expected
    explained = explain(tiny_en, opposed / "a.wav", clip.text, ["attention"], "dtw", channel=0)
    assert list(explained.words.values()) == [expected]
    with pytest.raises(InputError, match="channel 1: samples in memory have one channel; leave channel out"):
        align(tiny_en, np.zeros(16_000, np.float32), clip.text, channel=1, **options)
    with pytest.warns(InputWarning, match=r"a\.wav: its channels cancel each other"):
        align(tiny_en, opposed / "a.wav", clip.text, **options)


def test_evaluate_reads_the_channel(tiny_en, opposed):
    options = {"sources": ["attention"], "aligns": ["dtw"]}
    runs = [evaluate(load_corpus(opposed, language="en", channel=1), tiny_en, **options)]
    runs.append(evaluate(load_corpus(opposed, language="en"), tiny_en, channel=1, **options))
    assert runs[0].words.equals(runs[1].words)
    assert runs[0].run.signature["corpus_checksum"] == runs[1].run.signature["corpus_checksum"]


def test_samples_that_are_integers_in_floating_point_are_warned_of(tiny_en, clip):
    with pytest.warns(InputWarning, match="audio: has samples beyond full scale"):
        align(tiny_en, read_audio(clip.audio) * 32768, clip.text, source="attention", align="dtw")


def test_run_warns_once_per_file_and_the_remedy_works_as_typed(opposed, tmp_path):
    arguments = ("run", opposed, "--language", "en", "--source", "attention", "--source", "attention:heads=all")
    done = align_eval(*arguments, "--align", "dtw", "--out", tmp_path / "mean")
    warned = [line for line in done.stderr.splitlines() if "cancel" in line]
    assert len(warned) == 1
    assert warned[0].startswith(f"warning: {opposed}/a.wav: its channels cancel each other")
    option = warned[0].split("read one of them: ")[1].split()
    again = align_eval(*arguments, "--align", "dtw", *option, "--out", tmp_path / "first")
    assert again.returncode == 0
    assert "cancel" not in again.stderr
    signatures = [json.loads((tmp_path / name / "run.json").read_text())["signature"] for name in ("mean", "first")]
    assert signatures[0]["corpus_checksum"] != signatures[1]["corpus_checksum"]
