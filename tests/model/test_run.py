"""A whole run: its determinism, what it writes, and what it does with bad input."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import soundfile

from align_eval.api import evaluate
from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import bundled_path
from align_eval.corpus.folder import Corpus, load_folder
from align_eval.errors import InputError
from align_eval.formats.praat import read_textgrid
from align_eval.formats.run.folder import read_run, write_run
from align_eval.formats.run.words_table import read_words_table
from align_eval.formats.textgrids import write_words
from align_eval.model.forward import shared_pass
from align_eval.model.text import force_words
from align_eval.records import Word
from align_eval.scoring.summary import score_table
from tests.helpers.command_line import align_eval
from tests.helpers.maps import relevance_maps

SHORT_CLIPS = ("en_praatio_bobby", "en_praatio_damon", "en_phonlab_two_plus_two")
SOURCES = ("attention:heads=all", "gradient:at=encoder-output", "gradient:at=encoder.3/4,prep=log")
ALIGNS = ("dtw", "viterbi")


def run_on(model, utterances, sources=SOURCES):
    """All systems, with the window fitted to the audio: the same code on a tenth of the frames."""
    corpus = Corpus("three", tuple(utterances), ())
    return evaluate(corpus, model, sources=sources, aligns=ALIGNS, presets=["openai"], context="fit")


@pytest.fixture(scope="module")
def clips(demo):
    return [u for u in demo.utterances if u.id in SHORT_CLIPS]


@pytest.fixture(scope="module")
def evaluation(tiny_en, clips):
    return run_on(tiny_en, clips)


@pytest.fixture
def folder(tmp_path):
    """A corpus on disk: the short clips of the demo."""
    for clip in SHORT_CLIPS:
        for suffix in (".flac", ".TextGrid"):
            shutil.copy(bundled_path("demo") / f"{clip}{suffix}", tmp_path / f"{clip}{suffix}")
    return tmp_path


def test_words_and_scores_are_the_same_from_run_to_run_and_in_any_order(tiny_en, clips, evaluation):
    again = run_on(tiny_en, clips[::-1])
    assert again.words.equals(evaluation.words)
    assert again.run.rows == evaluation.run.rows
    assert again.run.signature == evaluation.run.signature


def test_words_of_an_utterance_do_not_depend_on_its_neighbours(tiny_en, clips, evaluation):
    alone = run_on(tiny_en, clips[1:2]).words
    rows = [row for row in evaluation.words.to_pylist() if row["utterance"] == clips[1].id]
    assert alone.to_pylist() == rows


def test_maps_are_the_same_bytes_each_time(tiny_en, clips):
    def maps(utterance):
        texts = [word.text for word in utterance.words]
        shared = shared_pass(tiny_en, read_audio(utterance.audio), force_words(tiny_en, texts, "en"))
        return [m.values.tobytes() for m in relevance_maps(tiny_en, shared, SOURCES).values()]

    first = [maps(u) for u in clips[:2]]
    assert [maps(u) for u in reversed(clips[:2])] == first[::-1]


def test_scores_are_recomputed_from_the_words_alone(evaluation, tmp_path):
    write_run(tmp_path / "run", evaluation.run, evaluation.words)
    words = read_words_table(tmp_path / "run" / "words.parquet")
    assert score_table(words) == evaluation.run.rows
    assert read_run(tmp_path / "run").rows == evaluation.run.rows


def test_textgrids_hold_reference_attention_and_saliency(evaluation, clips, tmp_path):
    write_run(tmp_path / "run", evaluation.run, evaluation.words)
    for clip in clips:
        grid, _ = read_textgrid(tmp_path / "run" / "textgrids" / f"{clip.id}.TextGrid")
        names = [tier.name for tier in grid.tiers]
        assert names[0] == "reference"
        assert "attention:heads=all | viterbi" in names
        assert "gradient:at=encoder-output | viterbi" in names
        reference = [i.mark for i in grid.tiers[0].intervals if i.mark]
        assert reference == [word.text for word in clip.words]


def test_a_shift_of_the_reference_is_read_as_the_opposite_bias(tiny_en, clips, evaluation):
    """The hypothesis stays where it is, so a reference 40 ms later must lower both biases by exactly 40 ms."""
    moved = []
    for clip in clips:
        words = tuple(Word(w.text, w.start_s + 0.04, w.end_s + 0.04) for w in clip.words)
        fields = {name: getattr(clip, name) for name in clip.__dataclass_fields__}
        moved.append(type(clip)(**(fields | {"words": words})))
    before = dict(bias(evaluation.run))
    after = dict(bias(run_on(tiny_en, moved, SOURCES[:1]).run))
    assert len(after) == 3 * 2  # systems, and their starts and ends
    for key, value in after.items():
        assert value - before[key] == pytest.approx(-40, abs=1e-9)


def bias(run):
    for row in run.rows:
        if row.metric in ("start_bias", "end_bias") and (row.boundaries, row.calibration) == ("all", "none"):
            yield (row.source, row.align, row.metric), row.value


BAD = {
    "truncated.wav": lambda folder: (folder / "truncated.wav").write_bytes(wav_bytes(folder)[:20000]),
    "empty.wav": lambda folder: (folder / "empty.wav").write_bytes(b""),
    "text.wav": lambda folder: (folder / "text.wav").write_text("no audio"),
    "long.wav": lambda folder: soundfile.write(folder / "long.wav", np.zeros(16000 * 31), 16000),
}


def wav_bytes(folder):
    path = folder / "whole.tmp"
    samples = np.random.default_rng(0).standard_normal(16000) * 0.1
    soundfile.write(path, samples, 16000, format="WAV")
    return path.read_bytes()


def add_textgrid(folder, stem, text="word", end_s=0.5):
    write_words(folder / f"{stem}.TextGrid", {"words": [Word(text, 0.1, end_s)]}, 1.0)


@pytest.fixture
def bad_folder(folder):
    """The short clips, and beside them one of every kind of bad utterance."""
    for name, write in BAD.items():
        write(folder)
        add_textgrid(folder, name.removesuffix(".wav"), end_s=30.9 if name == "long.wav" else 0.5)
    whole = wav_bytes(folder)
    for stem in ("no_grid", "no_tier", "two_tiers", "late", "too_many_tokens", "broken_grid"):
        (folder / f"{stem}.wav").write_bytes(whole)
    add_textgrid(folder, "no_audio")
    write_words(folder / "no_tier.TextGrid", {"phones": [Word("w", 0.1, 0.5)]}, 1.0)
    write_words(folder / "two_tiers.TextGrid", {"words": [Word("w", 0, 1)], "Words": [Word("w", 0, 1)]}, 1.0)
    add_textgrid(folder, "late", end_s=1.5)
    add_textgrid(folder, "too_many_tokens", text="\u16a0" * 300)
    (folder / "broken_grid.TextGrid").write_text(
        '"ooTextFile"\n"TextGrid"\n0 1 <exists> 1 "IntervalTier" "words" 0 1 1'
    )
    return folder


def test_every_bad_utterance_is_named_and_the_others_are_scored(tiny_en, bad_folder):
    run = evaluate(bad_folder, tiny_en, sources=["attention:heads=alignment"], aligns=["dtw"], presets=[]).run
    messages = {failure.id: failure.message for failure in run.failures}
    expected = {
        "broken_grid": r"broken_grid.TextGrid, tier 'words', interval 1, line 3: the file ends",
        "empty": "empty.wav: the file is empty",
        "late": "late.TextGrid: word 1 ('word', 0.1 to 1.5 s) lies outside the audio (1 s)",
        "long@00000.000": "long.wav: lasts 31.00 s",
        "no_audio": "no_audio.TextGrid: has no audio beside it",
        "no_grid": "no_grid.wav: has no TextGrid beside it",
        "no_tier": "no_tier.TextGrid: no word tier; name one with --tier; the tiers are 'phones'",
        "text": "text.wav: is not audio",
        "too_many_tokens": "utterance too_many_tokens, text: takes 903 tokens, the decoder holds 448",
        "truncated": "truncated.wav: is cut short",
        "two_tiers": "two_tiers.TextGrid: 2 tiers fit as word tier: 'words', 'Words'",
    }
    assert set(messages) == set(expected)
    for id_, message in expected.items():
        assert message in messages[id_]
    coverage = next(r for r in run.rows if (r.metric, r.boundaries, r.calibration) == ("coverage", "all", "none"))
    # the references of long, too_many_tokens, truncated, empty and text were good: their words count as not covered
    assert (coverage.n_words, coverage.value) == (4 + 4 + 3 + 5, pytest.approx(11 / 16))


def test_the_command_line_lists_failures_writes_the_rest_and_exits_with_2(bad_folder, tmp_path):
    done = align_eval("run", bad_folder, "--out", tmp_path / "out", "--source", "attention", "--align", "dtw")
    assert done.returncode == 2
    assert "11 failed and are not scored" in done.stdout
    assert "empty.wav: the file is empty" in done.stdout
    assert len(json.loads((tmp_path / "out" / "run.json").read_text())["failures"]) == 11
    assert (tmp_path / "out" / "textgrids" / "en_praatio_bobby.TextGrid").is_file()
    assert "Traceback" not in done.stderr


def test_a_corpus_in_which_everything_fails_is_an_error(tiny_en, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(16000 * 31), 16000)
    add_textgrid(tmp_path, "long", end_s=30.9)  # one word: there is no pause to cut it at
    with pytest.raises(InputError, match=r"every utterance failed: .*long\.wav: lasts 31\.00 s"):
        evaluate(tmp_path, tiny_en, sources=["attention"], aligns=["dtw"], presets=[])


def test_an_english_model_refuses_another_language(tiny_en):
    with pytest.raises(InputError, match=r"language: 'ru' is not English"):
        evaluate("demo-ru", tiny_en, sources=["attention"], aligns=["dtw"], presets=[])


def test_a_model_that_gives_nan_is_refused_not_scored(tiny_en, clips, monkeypatch):
    weight = tiny_en.decoder.blocks[3].cross_attn.key.weight
    monkeypatch.setattr(weight, "data", weight.data.clone().fill_(float("nan")))
    with pytest.raises(InputError, match=r"every utterance failed: .*token row 0, frame 0.*not finite"):
        evaluate(Corpus("c", tuple(clips[:1]), ()), tiny_en, sources=["attention"], aligns=["dtw"], presets=[])


def test_folder_and_bundled_corpus_agree(folder, clips):
    loaded = load_folder(folder)
    assert [u.words for u in loaded.utterances] == [u.words for u in clips]


@pytest.mark.slow
def test_russian_with_base_runs_end_to_end():
    run = evaluate("demo-ru", "base", sources=["attention:heads=all", "gradient"], aligns=["viterbi"], presets=[]).run
    wbe = [r.value for r in run.rows if (r.metric, r.boundaries, r.calibration) == ("wbe_mean", "interior", "none")]
    # One speaker in one recording session: nothing to resample. Speech at 2 words a second: chance would be 500 ms off.
    assert all(r.ci_low is None for r in run.rows)
    assert len(wbe) == 2
    assert max(wbe) < 150
