"""Runs on every kind of corpus: real speech in each layout gives the same word times."""

import pytest

from align_eval.api import evaluate
from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.convert import convert_corpus
from align_eval.corpus.folder import Corpus
from tests.corpora import AUDIO, write_clip

FRAME, MEDIAN = "viterbi:boundary=frame", "viterbi"
SYSTEM = {"sources": ["attention:heads=all"], "aligns": [FRAME, MEDIAN], "presets": [], "context": "fit"}
WHOLE_FILES = ("timit", "librispeech", "kaldi", "lhotse")
"""Kinds whose utterances are whole files here; the others cut the silence at both ends."""

KINDS = [pytest.param(kind, marks=[pytest.mark.peers] if kind == "lhotse" else []) for kind in AUDIO]


def times(evaluation, align):
    rows = [row for row in evaluation.words.to_pylist() if row["align"] == align]
    return [(row["word"], row["start_s"], row["end_s"]) for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_on_any_layout_is_the_run_on_its_folder(tmp_path, tiny_en, clip, kind):
    """Word times are the same before and after conversion, and for whole files the same as on the demo's clip."""
    path = write_clip(kind, tmp_path, read_audio(clip.audio), clip.words)
    loaded = load_corpus(path, language="en")
    assert (loaded.kind, loaded.failures, [u.text for u in loaded.utterances]) == (kind, (), [clip.text])
    assert convert_corpus(loaded, tmp_path / "out") == ()
    direct, converted = evaluate(loaded, tiny_en, **SYSTEM), evaluate(tmp_path / "out", tiny_en, **SYSTEM)
    assert [times(direct, align) for align in (FRAME, MEDIAN)] == [times(converted, align) for align in (FRAME, MEDIAN)]
    if kind in WHOLE_FILES:
        demo = evaluate(Corpus("clip", (clip,), ()), tiny_en, **SYSTEM)
        assert times(direct, FRAME) == times(demo, FRAME)
        # the layouts have 16-bit samples, the demo's clip resampled ones: a median may round to the next 0.1 ms
        for (_, *found), (_, *expected) in zip(times(direct, MEDIAN), times(demo, MEDIAN), strict=True):
            assert found == pytest.approx(expected, abs=1.01e-4)
